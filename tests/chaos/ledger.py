"""What the hostile Klaviyo has executed, in order, byte for byte; and everything that was ever sent to it.

It reads requests with its own eyes: from Klaviyo's published shapes, not from the product or its sandbox.
"""

import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

SINGLE, BULK = "POST /api/events", "POST /api/event-bulk-create-jobs"


class Dedupe(StrEnum):
    """The three readings of "repeated" in the reference of Bulk Create Events; single creates drop repeats in each."""

    IN_REQUEST = "in_request"
    STRICT = "strict"
    SILENT = "silent"


class _Attributes(msgspec.Struct):
    properties: msgspec.Raw
    time: str
    unique_id: str
    metric: dict[str, Any]
    value: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class Sent:
    """One event in one request."""

    profile: str
    metric: str
    unique_id: str
    properties: bytes
    value: bytes
    time: str
    digest: bytes
    """Of the event's and the profile's bytes: whatever is sent again must have the same."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.profile, self.metric, self.unique_id


@dataclass(frozen=True, slots=True)
class Effect:
    """One event executed, under the account of the key it came with."""

    account: str
    operation: str
    sent: Sent


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    errors: list[dict[str, Any]]


_decode_one = msgspec.json.Decoder(dict[str, dict[str, msgspec.Raw]]).decode
_decode_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_attributes = msgspec.json.Decoder(_Attributes).decode


def read(operation: str, body: bytes) -> list[Sent]:
    """The events of a request. Raises if it has not the published shape."""
    attributes = _decode_parts(_decode_one(body)["data"]["attributes"])
    if operation == SINGLE:
        return [_sent(bytes(_decode_one(body)["data"]["attributes"]), bytes(attributes["profile"]))]
    items = msgspec.json.decode(attributes["events-bulk-create"], type=dict[str, list[dict[str, msgspec.Raw]]])["data"]
    found = []
    for item in items:
        parts = _decode_parts(item["attributes"])
        (event,) = msgspec.json.decode(parts["events"], type=dict[str, list[dict[str, msgspec.Raw]]])["data"]
        found.append(_sent(bytes(event["attributes"]), bytes(parts["profile"])))
    return found


def _sent(event: bytes, profile: bytes) -> Sent:
    attributes = _decode_attributes(event)
    person = msgspec.json.decode(profile)["data"]["attributes"]
    identifier = person.get("email") or person.get("phone_number") or person.get("external_id")
    metric = attributes.metric["data"]["attributes"]["name"]
    parts = [bytes(attributes.properties), attributes.time.encode(), bytes(attributes.value), attributes.unique_id.encode(),
             metric.encode(), profile]  # fmt: skip
    digest = hashlib.sha256(b"\0".join(parts)).digest()[:12]
    return Sent(
        identifier, metric, attributes.unique_id, bytes(attributes.properties), bytes(attributes.value), attributes.time, digest
    )


@dataclass
class Ledger:
    dedupe: Dedupe
    names: str = "all"  # which repeats a strict refusal points at: all, first, none
    effects: list[Effect] = field(default_factory=list)
    digests: dict[tuple[str, str], set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Every form in which a unique id of an account was ever sent, executed or not: there may be one."""
    recut: list[str] = field(default_factory=list)
    """Batches made anew of events whose former batch may have been executed."""
    statistics: Counter[str] = field(default_factory=Counter)
    _known: set[tuple[str, tuple[str, str, str]]] = field(default_factory=set)
    _doubtful: dict[tuple[str, str], bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, account: str, operation: str, body: bytes, events: Iterable[Sent]) -> None:
        """A whole request has arrived, whatever becomes of it."""
        digest = hashlib.sha256(body).digest()
        for event in events:
            self.digests[(account, event.unique_id)].add(event.digest)
            former = self._doubtful.get((account, event.unique_id))
            if operation == BULK and former is not None and former != digest:
                self.recut.append(event.unique_id)

    def left_in_doubt(self, account: str, operation: str, body: bytes, events: Iterable[Sent]) -> None:
        """The sender cannot know what became of this request."""
        if operation == BULK:
            digest = hashlib.sha256(body).digest()
            for event in events:
                self._doubtful[(account, event.unique_id)] = digest

    def answered(self, account: str, events: Iterable[Sent]) -> None:
        """The sender knows what became of it: the doubt has ended."""
        for event in events:
            self._doubtful.pop((account, event.unique_id), None)

    def execute(self, account: str, operation: str, events: list[Sent]) -> Refusal | None:
        """Record what is new; or refuse the whole request."""
        with self.lock:
            errors = _poison(operation, events)
            if operation == BULK:
                errors += self._repeats(account, events)
            if errors:
                self.statistics["refused"] += 1
                return Refusal(400, errors)
            for event in events:
                if (account, event.key) in self._known:
                    self.statistics["repeats_dropped"] += 1
                    continue
                self._known.add((account, event.key))
                self.effects.append(Effect(account, operation, event))
            return None

    def _repeats(self, account: str, events: list[Sent]) -> list[dict[str, Any]]:
        if self.dedupe is Dedupe.SILENT:
            return []
        seen: set[tuple[str, str, str]] = set()
        repeated = []
        for position, event in enumerate(events):
            in_history = self.dedupe is Dedupe.STRICT and (account, event.key) in self._known
            if event.key in seen or in_history:
                repeated.append(position)
            seen.add(event.key)
        if not repeated:
            return []
        self.statistics["repeats_refused"] += 1
        if self.names == "none":
            return [_error("/data", "The request holds a unique_id that is repeated.", "duplicate")]
        named = repeated[:1] if self.names == "first" else repeated
        return [_error(_pointer(position, "events/data/0/attributes/unique_id"), "unique_id is repeated", "duplicate")
                for position in named]  # fmt: skip


def _poison(operation: str, events: list[Sent]) -> list[dict[str, Any]]:
    named = [position for position, event in enumerate(events) if b'"poison": "named"' in event.properties]
    if named:
        pointers = ["/data/attributes/properties"] if operation == SINGLE else [
            _pointer(position, "events/data/0/attributes/properties") for position in named]  # fmt: skip
        return [_error(pointer, "A property is not to the taste of this Klaviyo.") for pointer in pointers]
    if any(b'"poison": "unnamed"' in event.properties for event in events):
        return [_error("/data", "Invalid input.")]
    return []


def _pointer(position: int, field_: str) -> str:
    return f"/data/attributes/events-bulk-create/data/{position}/attributes/{field_}"


def _error(pointer: str, detail: str, code: str = "invalid") -> dict[str, Any]:
    return {"id": "e", "status": 400, "code": code, "title": "Invalid input.", "detail": detail, "source": {"pointer": pointer}}
