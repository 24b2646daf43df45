"""One notification of commercetools: a message, or a change of a resource, in either of its two formats.

The Platform format is the object itself; CloudEvents 1.0 puts the same object under ``data``. What does not fit into a queue
arrives as ``payloadNotIncluded`` and is read from the API.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ferrata.sources.commercetools.reading import Json, first_instant, within
from ferrata.sources.contract import RawMessage, Unreadable

CHANGES = frozenset({"ResourceCreated", "ResourceUpdated", "ResourceDeleted"})
BACKFILLED = "Backfilled"
"""Our own kind: a resource that a backfill has read, in the place of the messages that told of it."""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """``type`` is a message's own, also where its payload was left out; a change's is its notification type.

    ``version`` is the resource's after what happened; None where it is not told.
    """

    kind: str
    type: str
    resource: str
    resource_id: str
    body: Json
    version: int | None = None
    at: datetime | None = None
    payload_missing: bool = False

    @property
    def is_change(self) -> bool:
        return self.kind in CHANGES


def read(body: bytes) -> Notification:
    """
    Raises:
        Unreadable: it is no notification of commercetools.
    """
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"This is no JSON: {error}") from error
    return of(found)


def of(found: Any) -> Notification:
    if not is_notification(found):
        raise Unreadable("This is no notification of commercetools: it has no notificationType.")
    body: Json = found
    kind = str(body["notificationType"])
    missing = body.get("payloadNotIncluded")
    told = within(missing, "payloadType") if missing else body.get("type")
    version = body.get("resourceVersion" if kind == "Message" else "version")
    return Notification(
        kind=kind,
        type=str(told or ("" if kind == "Message" else kind)),
        resource=str(within(body, "resource", "typeId") or ""),
        resource_id=str(within(body, "resource", "id") or ""),
        body=body,
        version=version if isinstance(version, int) else None,
        at=first_instant(body.get("createdAt"), body.get("modifiedAt"), body.get("lastModifiedAt")),
        payload_missing=bool(missing),
    )


def is_notification(found: Any) -> bool:
    return isinstance(found, Mapping) and isinstance(found.get("notificationType"), str)


def raw_message(found: Json, body: bytes | None = None) -> RawMessage:
    """The notification as it is kept: named as commercetools names it, in line with the others of its resource."""
    seen = of(found)
    key = f"{seen.resource}:{seen.resource_id}" if seen.resource_id else seen.kind
    return RawMessage(message_id=_message_id(seen), business_key=key[:255], body=body or msgspec.json.encode(found))


def _message_id(seen: Notification) -> str:
    """A message has an id. A change has none and is named by what it is about: the same at each redelivery."""
    own = seen.body.get("id")
    if isinstance(own, str | int) and seen.kind not in CHANGES:
        return f"{own}:{seen.resource_id}"[:255] if seen.resource_id else str(own)[:255]
    return f"{seen.kind}:{seen.resource}:{seen.resource_id}:{seen.version}"[:255]
