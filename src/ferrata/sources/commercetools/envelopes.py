"""Takes notifications out of whatever they were sent in.

Google Pub/Sub push wraps them in base64, Amazon SNS in a text within an object, EventBridge under ``detail``, CloudEvents and
Event Grid under ``data``, AWS Lambda in ``Records``; and one may be within another, as SNS within SQS. What has a
``notificationType`` is the notification, wherever it was found.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ferrata.sources.commercetools.notification import is_notification, raw_message
from ferrata.sources.contract import RawMessage, Unreadable

DEEPEST: Final = 6
GRID_VALIDATION: Final = "Microsoft.EventGrid.SubscriptionValidationEvent"


def opened(body: bytes) -> list[RawMessage]:
    """All notifications in a delivery. If some of several cannot be read, the delivery is kept as it is beside the others, once.

    Raises:
        Unreadable: there is none in it.
    """
    readable: list[RawMessage] = []
    first: Unreadable | None = None  # a delivery of nothing but commas has millions of them
    for found in _within(_decoded(body), body, DEEPEST):
        if isinstance(found, RawMessage):
            readable.append(found)
        else:
            first = first or found
    if not readable:
        raise first or Unreadable("There is no message in this delivery.")
    return [*readable, _unreadable(body)] if first else readable


def outermost(body: bytes) -> Any:
    """The delivery itself as JSON; None if it is none."""
    try:
        return _decoded(body)
    except Unreadable:
        return None


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("This is no JSON.") from error


def _within(found: Any, body: bytes, depth: int) -> Iterator[RawMessage | Unreadable]:
    if is_notification(found):
        yield raw_message(found, body)
        return
    is_empty = True
    for each in _inner(found) if depth else ():
        is_empty = False
        if isinstance(each, Unreadable):
            yield each
            continue
        try:
            yield from _within(_decoded(each), each, depth - 1)
        except Unreadable as fault:
            yield fault
    if is_empty:
        yield Unreadable("This is no notification of commercetools, nor anything that it sends them in.")


def _inner(found: Any) -> Iterator[bytes | Unreadable]:
    """What this envelope holds."""
    if isinstance(found, list):
        yield from (msgspec.json.encode(each) for each in found)
    elif isinstance(found, dict):
        yield from _held(found)
    elif isinstance(found, str):
        yield found.encode()


def _held(found: dict[str, Any]) -> Iterator[bytes | Unreadable]:
    message = found.get("message")
    if isinstance(message, dict) and "data" in message:  # Pub/Sub push
        yield _of_base64(message["data"])
    elif isinstance(found.get("Records"), list):  # Lambda: of SQS, of SNS
        for record in found["Records"]:
            held = record.get("body") if isinstance(record, dict) else None
            if held is None and isinstance(record, dict) and isinstance(record.get("Sns"), dict):
                held = record["Sns"].get("Message")
            yield held.encode() if isinstance(held, str) else Unreadable("This record holds no message.")
    elif isinstance(found.get("Message"), str):  # SNS
        yield found["Message"].encode()
    elif isinstance(found.get("receivedMessages"), list):  # Pub/Sub pull
        yield from (msgspec.json.encode(each) for each in found["receivedMessages"])
    elif isinstance(text := found.get("body", found.get("Body")), str):  # SQS as such, by EventBridge Pipes, by an API gateway
        yield _of_base64(text) if found.get("isBase64Encoded") is True else text.encode()
    elif "data_base64" in found:  # CloudEvents with binary data
        yield _of_base64(found["data_base64"])
    else:
        for name in ("detail", "data"):  # EventBridge; CloudEvents, Event Grid
            held = found.get(name)
            if isinstance(held, dict | list):
                yield msgspec.json.encode(held)
            elif isinstance(held, str):
                yield held.encode()


def _of_base64(text: Any) -> bytes | Unreadable:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return Unreadable("The data of this message is no base64.")


def _unreadable(body: bytes) -> RawMessage:
    """One of several that cannot be read: kept with all bytes of the delivery, to be refused by itself."""
    name = f"unreadable:{hashlib.sha256(body).hexdigest()}"
    return RawMessage(message_id=name, business_key=name, body=body)
