"""The subscription by which commercetools sends its messages: one for everything that the settings follow."""

from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec

from ferrata.infra.errors import Rejected
from ferrata.sources.commercetools.api import Api
from ferrata.sources.commercetools.rules import DELIVERIES, RETURNS
from ferrata.sources.commercetools.settings import CommercetoolsSettings

KEY: Final = "ferrata"
_DESTINATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "SQS": ("queueUrl", "region"),
    "SNS": ("topicArn",),
    "EventBridge": ("region", "accountId"),
    "GoogleCloudPubSub": ("projectId", "topic"),
    "AzureServiceBus": ("connectionString",),
    "EventGrid": ("uri", "accessKey"),
}
_SECRETS: Final = frozenset({"accessSecret", "accessKey", "connectionString"})
_CHANGES: Final[Mapping[str, tuple[str, ...]]] = {
    "customer": ("CustomerResourceUpdated",),
    "category": ("CategoryResourceUpdated", "CategoryResourceDeleted"),
    "product": ("ProductResourceDeleted",),
    "inventory-entry": ("InventoryResourceUpdated", "InventoryDeleted"),
    "standalone-price": ("PriceChanged",),
}


class Plan(msgspec.Struct, frozen=True):
    """What is to be done; ``unchanged`` if it is as it should be."""

    act: Literal["create", "update", "unchanged"]
    key: str
    draft: dict[str, Any]
    version: int | None = None
    actions: tuple[dict[str, Any], ...] = ()

    def shown(self) -> dict[str, Any]:
        """For people: without secrets."""
        return {"act": self.act, "key": self.key, **_masked(self.draft)}


def draft(settings: CommercetoolsSettings, destination: Mapping[str, Any], key: str = KEY) -> dict[str, Any]:
    """
    Raises:
        Rejected: commercetools has no such destination, or it is not whole.
    """
    type_ = str(destination.get("type"))
    if type_ not in _DESTINATIONS:
        raise Rejected(f"There is no destination of the type {type_}; there are {', '.join(_DESTINATIONS)}.")
    if missing := [name for name in _DESTINATIONS[type_] if not destination.get(name)]:
        raise Rejected(f"A destination of the type {type_} needs {', '.join(missing)}.")
    whole = {"key": key, "destination": dict(destination), "messages": messages(settings), "changes": changes(settings)}
    return whole | ({"format": {"type": "CloudEvents", "cloudEventsVersion": "1.0"}} if type_ == "EventGrid" else {})


def messages(settings: CommercetoolsSettings) -> list[dict[str, Any]]:
    """By resource; without ``types`` it is all messages of that resource."""
    order = [*settings.order.messages.created, *settings.order.messages.changed]
    if settings.order.deliveries or settings.order.states.changed.fulfilled_shipment:
        order += DELIVERIES
    order += RETURNS if settings.order.returns else ()
    order += ["OrderDeleted"] if settings.order.deleted != "ignore" else []
    payment = [*settings.payment.messages.transaction_added, *settings.payment.messages.transaction_changed]
    return [
        {"resourceTypeId": "order", "types": list(dict.fromkeys(order))},
        {"resourceTypeId": "payment", "types": list(dict.fromkeys(payment))},
        {"resourceTypeId": "customer"},
        {"resourceTypeId": "category", "types": list(settings.category.messages.created)},
        {"resourceTypeId": "product"},
        {"resourceTypeId": "inventory-entry", "types": ["InventoryEntryCreated", "InventoryEntryDeleted"]},
        {"resourceTypeId": "standalone-price"},
    ]


def changes(settings: CommercetoolsSettings) -> list[dict[str, Any]]:
    off = set(settings.disabled_events)
    return [{"resourceTypeId": resource} for resource, rules in _CHANGES.items() if set(rules) - off]


async def plan(api: Api, wanted: dict[str, Any]) -> Plan:
    """Compare with the subscription that is there. Raises what the API raises."""
    key = str(wanted["key"])
    found = await api.get(f"subscriptions/key={quote(key, safe='')}")
    if found is None:
        return Plan("create", key, wanted)
    setters = (("setMessages", "messages"), ("setChanges", "changes"), ("changeDestination", "destination"))
    differing = tuple(
        {"action": action, name: wanted[name]} for action, name in setters if not _same(found.get(name), wanted[name])
    )
    return Plan("update" if differing else "unchanged", key, wanted, found.get("version"), differing)


async def carry_out(api: Api, made: Plan) -> None:
    """Raises what the API raises."""
    if made.act == "create":
        await api.send("POST", "subscriptions", body=made.draft)
    elif made.act == "update":
        body = {"version": made.version, "actions": list(made.actions)}
        await api.send("POST", f"subscriptions/key={quote(made.key, safe='')}", body=body)


def _same(found: Any, wanted: Any) -> bool:
    """commercetools adds what it knows itself, such as an authentication mode, and never shows secrets."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            _same(found.get(name), value) for name, value in wanted.items() if name not in _SECRETS
        )
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], dict):
        by_resource = {each.get("resourceTypeId"): each for each in found or () if isinstance(each, dict)}
        return len(by_resource) == len(wanted) and all(_same(by_resource.get(each["resourceTypeId"]), each) for each in wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and set(found) == set(wanted)
    return bool(found == wanted)


def _masked(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: "•••" if name in _SECRETS else _masked(value) for name, value in found.items()}
    return [_masked(each) for each in found] if isinstance(found, list) else found
