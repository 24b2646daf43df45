"""One Stripe event while it is mapped: what it is about, what was looked up, and what has come of it so far."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from ferrata.commerce.terms import Terms
from ferrata.commerce.tracked import PersonRef, ProfileChange, TrackedEvent
from ferrata.sources.contract import REMEMBERED, Learned, LookedUp, Lookup, Mapped, Reason, Skipped
from ferrata.sources.errors import Later
from ferrata.sources.stripe import shapes
from ferrata.sources.stripe.settings import StripeSettings
from ferrata.sources.stripe.shapes import Thing

PARKED_SECONDS = 600.0
"""A payment waits so long for its Checkout session, which tells more of the purchase."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event's envelope: snapshot, thin, or made of an object of history."""

    id: str
    type: str
    at: datetime
    object: Thing
    previous: Thing
    account: str | None
    live: bool
    history: bool


class Telling:
    """Collects what an event means. ``person`` raises Later while nobody knows whose it is."""

    def __init__(self, told: Told, looked_up: LookedUp, settings: StripeSettings, terms: Terms) -> None:
        self.told = told
        self.settings = settings
        self.terms = terms
        self._looked_up = looked_up
        self._events: list[TrackedEvent] = []
        self._profiles: list[ProfileChange] = []
        self._skipped: list[Skipped] = []
        self._learned: list[Learned] = []
        self._reasons: list[Reason] = []

    def answer(self, what: str, key: str | None) -> Any:
        """What a lookup gave; None if it was not asked or there is nothing."""
        return self._looked_up.get(Lookup(what, key)) if key else None

    def has(self, lookup: Lookup) -> bool:
        """Whether this was asked already."""
        return lookup in self._looked_up

    def remembered(self, key: str | None) -> str | None:
        return shapes.text(self.answer(REMEMBERED, key))

    def person(self, *objects: Thing, customer: str | None = None, purchase: str | None = None) -> PersonRef:
        """Whose it is, in the order of trust: the object's own e-mail, what earlier events told, what the API says.

        Raises:
            Later: nobody has told an e-mail yet; the message waits for it.
        """
        email = email_in(*objects)
        email = email or self.remembered(customer and f"customer:{customer}")
        email = email or self.remembered(purchase and f"purchase:{purchase}")
        read = shapes.thing(self.answer("customer", self.keyed(customer))) if customer else {}
        email = email or shapes.text(read.get("email"))
        if email is None:
            whose = f"customer {customer}" if customer else f"payment {purchase}" if purchase else "this"
            raise Later(
                f"Nobody has told the e-mail address of {whose} yet. The message waits for an event that does"
                + ("." if self.settings.api_key else ", or for an API key to ask Stripe with."),
                seconds=PARKED_SECONDS if purchase else None,
            )
        self.learn(email, customer=customer, purchase=purchase)
        return PersonRef(email=email, external_id=self._own_id(*objects, read))

    def learn(self, email: str | None, *, customer: str | None = None, purchase: str | None = None) -> None:
        """For later messages: whose customer or whose payment this is."""
        if email:
            keys = [f"customer:{customer}" if customer else "", f"purchase:{purchase}" if purchase else ""]
            self.note(*((key, email) for key in keys if key))

    def note(self, *pairs: tuple[str, str]) -> None:
        self._learned += [Learned(key, value, self.told.at) for key, value in pairs]

    def keyed(self, id_: str | None) -> str | None:
        """The key of a lookup: with Connect, the account that the thing belongs to stands before it."""
        return id_ and (f"{self.told.account}/{id_}" if self.told.account else id_)

    def send(self, events: Sequence[TrackedEvent], **sources: str) -> None:
        """``sources``: pointers into the message, by the field of the event that comes of them."""
        for event in events:
            place = len(self._events)
            self._events.append(event)
            self._reasons += [
                Reason(f"/events/{place}/occurred_at", "/created", "Stripe's own time, not that of arrival"),
                Reason(f"/events/{place}/metric", "/type"),
                *(
                    Reason(f"/events/{place}/{field}", f"/data/object/{pointer}", _WHY.get(field, ""))
                    for field, pointer in sources.items()
                ),
                Reason(f"/events/{place}/person/email", *_of_email(self.told.object)),
                Reason(f"/events/{place}/properties/source", "", "which source told it"),
                Reason(f"/events/{place}/properties/environment", "/livemode", "production, or Stripe's test mode"),
            ]

    def change(self, person: PersonRef, attributes: Mapping[str, Any], key: str) -> None:
        """What became known about a person; at Stripe's time, so that what is late never moves it back."""
        place = len(self._profiles)
        unique_id = f"stripe:{key}:{self.told.id}"
        self._profiles.append(ProfileChange(person, attributes, self.told.at, unique_id))
        self._reasons.append(Reason(f"/profiles/{place}/changed_at", "/created", "older changes never move newer ones back"))

    def skip(self, what: str, why: str) -> None:
        self._skipped.append(Skipped(what, why))

    def beside(self, *objects: Thing) -> dict[str, Any]:
        """Properties that every event has, and the metadata that may go out."""
        allowed = {
            name: value
            for each in objects
            for name, value in shapes.thing(each.get("metadata")).items()
            if name in self.settings.metadata and value not in (None, "")
        }
        own = {"source": "stripe", "environment": "production" if self.told.live else "test"}
        return {**allowed, **own, **({"stripe_account": self.told.account} if self.told.account else {})}

    def mapped(self) -> Mapped:
        return Mapped(
            events=tuple(self._events),
            profiles=tuple(self._profiles),
            skipped=tuple(self._skipped),
            fields=tuple(self._reasons),
            learned=tuple(self._learned),
        )

    def _own_id(self, *objects: Thing) -> str | None:
        name = self.settings.external_id_metadata
        values = (shapes.thing(each.get("metadata")).get(name) for each in objects if name)
        return next(filter(None, map(shapes.text, values)), None)


_WHY = {
    "unique_id": "the same for the same thing that happened, whichever event tells it",
    "value": "in major units, by the exponent of the currency; of a refund, what it gave back more than those before",
    "currency": "the object's own",
}
_EMAILS = ("customer_details/email", "customer_email", "billing_details/email", "receipt_email", "customer/email")


def _of_email(about: Thing) -> tuple[str, str]:
    """Where the object tells the e-mail; else it is of what earlier events or the API told."""
    for pointer in _EMAILS:
        name, _, inner = pointer.partition("/")
        if shapes.text(shapes.thing(about.get(name)).get(inner) if inner else about.get(name)):
            return f"/data/object/{pointer}", "who it is"
    return "", "who it is: an earlier event told it of this customer or payment, or Stripe's API did"


def email_in(*objects: Thing) -> str | None:
    """The e-mail that an object itself tells: of the session, the invoice, the charge's billing details, the receipt."""
    for each in objects:
        for value in (
            shapes.thing(each.get("customer_details")).get("email"),
            each.get("customer_email"),
            shapes.thing(each.get("billing_details")).get("email"),
            each.get("receipt_email"),
            shapes.thing(each.get("customer")).get("email"),
            each.get("email") if each.get("object") == "customer" else None,
        ):
            if found := shapes.text(value):
                return found
    return None
