"""Takes Segment's calls apart: one or a batch, each with its own bytes. No I/O.

https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from ferrata.sources.contract import Message, RawMessage
from ferrata.sources.errors import Refused, Unreadable

TYPES = ("track", "identify", "page", "screen", "group", "alias")
TYPE, SENT_AT, FAULT = "segment-type", "segment-sent-at", "segment-fault"
"""Headers in which a kept message has what its envelope said, or what is wrong with it."""
KEY = "writeKey"
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
CALL_BYTES, BATCH_BYTES = 32 * 1024, 500 * 1024
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


def opened(body: bytes, type_: str, at: datetime) -> list[RawMessage]:
    """The calls of one request, in their order. ``type_`` is that of its address: one of ``TYPES``, or ``batch``.

    Raises:
        Unreadable: it is no call of Segment's, or larger than Segment takes.
    """
    envelope = _object(body, "The body")
    sent_at = _text(envelope.get("sentAt"))
    if type_ != "batch":
        raw = _raw(body, type_, sent_at, at, 0)
        if FAULT in raw.headers:
            raise Unreadable(raw.headers[FAULT])
        return [raw]
    try:
        calls = _list.decode(envelope["batch"])
    except (KeyError, ValueError, msgspec.MsgspecError):
        raise Unreadable("batch must be an array of calls.") from None
    return [_raw(bytes(call), "", sent_at, at, index) for index, call in enumerate(calls)]


def _raw(call: bytes, type_: str, sent_at: str, at: datetime, index: int) -> RawMessage:
    """One call. What is wrong with it stands in its headers: of a batch one bad call must not take the others along."""
    try:
        fields, fault = _object(call, "A call"), ""
    except Unreadable as error:
        fields, fault = {}, error.message
    kind = type_ or _text(fields.get("type"))
    if len(call) > CALL_BYTES:
        fault = f"A call has {len(call):,} bytes; {CALL_BYTES:,} are allowed."
    elif kind not in TYPES and not fault:
        fault = f"There is no type {kind[:40]!r}; there are {', '.join(TYPES)}."
    if fields.pop(KEY, None) is not None:  # it opens the door, and nobody may find it in what is kept
        call = msgspec.json.encode(fields)
    given = _text(fields.get("messageId"))
    # Without an id of its own, a call that is sent again cannot be told from a new one: then every request is new.
    message_id = given or "call:" + hashlib.sha256(f"{at.isoformat()}/{index}/".encode() + call).hexdigest()
    told = {TYPE: kind[:40], SENT_AT: sent_at[:64], FAULT: fault}
    headers = {name: value for name, value in told.items() if value}
    return RawMessage(message_id=message_id, business_key=_person_key(fields), body=call, headers=headers)


def _person_key(fields: Mapping[str, msgspec.Raw]) -> str:
    user, anonymous = _text(fields.get("userId")), _text(fields.get("anonymousId"))
    return f"user:{user}" if user else f"anonymous:{anonymous}" if anonymous else "nobody"


def _object(body: bytes, where: str) -> dict[str, msgspec.Raw]:
    try:
        body.decode()  # the decoder leaves the members as they are, whatever their bytes
        return _fields.decode(body)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise Unreadable(f"{where} must be a JSON object.") from None


def _text(raw: msgspec.Raw | None) -> str:
    """A text, or a number as text: some senders number their users. Empty for anything else."""
    if raw is None:
        return ""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError):  # a number beyond all, half a surrogate pair: mapping will name it
        return ""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def document_of(message: Message) -> dict[str, Any]:
    """The call's fields; numbers keep every digit. Raises Refused for what msgspec takes and JSON does not mean."""
    try:
        found: dict[str, Any] = json.loads(message.body, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise Refused(f"This call cannot be read: {error}") from error
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def type_of(message: Message) -> str:
    return message.headers.get(TYPE, "")


def occurred_at(message: Message, call: Mapping[str, Any]) -> datetime:
    """When it happened by our clock: what the sender's clock is wrong by, seen at ``sentAt``, is taken off, as Segment does."""
    sent = _instant(message.headers.get(SENT_AT) or call.get("sentAt"))
    said = _instant(call.get("timestamp")) or _instant(call.get("originalTimestamp")) or sent
    if said is None:
        return message.received_at
    if sent is None:
        return min(said, message.received_at) if said - message.received_at < timedelta(days=1) else message.received_at
    at = message.received_at
    return at - min(max(timedelta(0), sent - said), at - _EARLIEST)


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found if _EARLIEST < found < datetime(9998, 1, 1, tzinfo=UTC) else None


def sequence_of_things(value: object) -> Sequence[Mapping[str, Any]]:
    """The objects in a list; nothing of what is no list of objects."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
