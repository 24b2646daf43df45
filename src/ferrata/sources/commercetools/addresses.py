"""An address of commercetools as a profile's location, and as events show it."""

from typing import Any

from ferrata.commerce.model import Address
from ferrata.sources.commercetools.reading import Json, listed, within, word

_STREET = ("apartment", "building", "streetNumber", "streetName")
_MORE = ("additionalStreetInfo", "additionalAddressInfo")


def street(address: Json) -> str:
    return _joined(address, _STREET)


def location(address: Json) -> dict[str, Any]:
    """Klaviyo's ``location``. Both lines are always there, so that an old second line does not stay beside a new street."""
    known = {
        "city": address.get("city"),
        "country": address.get("country"),
        "region": address.get("region") or address.get("state"),
    }
    rest = {name: value for name, value in (known | {"zip": address.get("postalCode")}).items() if word(value)}
    return {"address1": street(address), "address2": _joined(address, _MORE), **rest}


def shown(address: Any) -> Address | None:
    """The address under the names of Klaviyo's guide; None if there is none."""
    if not isinstance(address, dict) or not address:
        return None
    return Address(
        first_name=word(address.get("firstName")) or None,
        last_name=word(address.get("lastName")) or None,
        company=word(address.get("company")) or None,
        address1=street(address),
        address2=_joined(address, _MORE),
        city=word(address.get("city")) or None,
        region=word(address.get("region") or address.get("state")) or None,
        country_code=word(address.get("country")) or None,
        zip=word(address.get("postalCode")) or None,
        phone=phone(address),
    )


def phone(address: Json) -> str | None:
    return word(address.get("mobile")) or word(address.get("phone")) or None


def of_customer(customer: Json) -> Json | None:
    """The one that stands for the customer: the default billing address, else a billing address, else the first."""
    addresses, others = listed(customer.get("addresses")), customer.get("billingAddressIds")
    by_id = {word(each.get("id")): each for each in addresses}
    wanted = [customer.get("defaultBillingAddressId"), *(others if isinstance(others, list) else ())]
    return next((by_id[id_] for id_ in map(word, wanted) if id_ and id_ in by_id), addresses[0] if addresses else None)


def _joined(address: Json, names: tuple[str, ...]) -> str:
    return ", ".join(part for part in (word(within(address, name)) for name in names) if part)
