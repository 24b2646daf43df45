"""Events: single creates while it is calm, bulk jobs of up to 1,000 events or 5 MB when many wait.

Limits and shapes: Klaviyo's "Create Event" and "Bulk Create Events" reference, revision 2026-07-15.
"""

import re
from collections.abc import Sequence

import msgspec

from ferrata.delivery.families.contract import Call, Part
from ferrata.klaviyo.outcome import Outcome, Problem

_POSITION = re.compile(r"^/data/attributes/events-bulk-create/data/(\d{1,4})(?:/|$)")
_IN_ITEM = re.compile(r"^/data/attributes/events-bulk-create/data/\d+/attributes(?:/events/data/\d+/attributes)?(?=/|$)")
_REPEATED = re.compile(r"unique_id|duplicate", re.IGNORECASE)

_SINGLE = '{"data":{"type":"event","attributes":{', ',"profile":{"data":', "}}}}"
_BULK = '{"data":{"type":"event-bulk-create-job","attributes":{"events-bulk-create":{"data":[', "]}}}}"
_ITEM = (
    '{"type":"event-bulk-create","attributes":{"profile":{"data":',
    '},"events":{"data":[{"type":"event","attributes":',
    "}]}}}",
)
_ITEM_BYTES = sum(map(len, _ITEM)) + 1


class _Named(msgspec.Struct):
    name: str


class _Attributes(msgspec.Struct):
    attributes: _Named


class _Data(msgspec.Struct):
    data: _Attributes


class _Event(msgspec.Struct):
    metric: _Data


_METRIC = msgspec.json.Decoder(_Event)


class EventsFamily:
    noun = "event"
    single_operation = "POST /api/events"
    other_operations: Sequence[str] = ()
    bulk_operation: str | None = "POST /api/event-bulk-create-jobs"
    job_operation: str | None = None
    errors_operation: str | None = None
    names_resources = False
    most_items = 1000
    most_bytes = 5_000_000 - len("".join(_BULK))

    def single(self, part: Part) -> Call:
        return Call(self.single_operation, self.single_body(part))

    def single_body(self, part: Part) -> bytes:
        opening, between, closing = _SINGLE
        return f"{opening}{part.subject_json[1:-1]}{between}{part.profile_json}{closing}".encode()

    def bulk_body(self, parts: Sequence[Part]) -> bytes:
        opening, between, closing = _ITEM
        items = ",".join(f"{opening}{part.profile_json}{between}{part.subject_json}{closing}" for part in parts)
        return f"{_BULK[0]}{items}{_BULK[1]}".encode()

    def bulk_bytes(self, size: int) -> int:
        return size + _ITEM_BYTES

    def position_of(self, pointer: str) -> int | None:
        found = _POSITION.match(pointer)
        return int(found[1]) if found else None

    def in_single_body(self, pointer: str) -> str:
        return _IN_ITEM.sub("/data/attributes", pointer)

    def title(self, subject_json: str) -> str:
        return _METRIC.decode(subject_json).metric.data.attributes.name

    def says_repeated(self, problem: Problem) -> bool:
        # The recorded pointer is not known for certain, so the words count where no pointer speaks of anything else.
        if problem.pointer and not problem.pointer.rstrip("/").endswith(("/data", "/attributes", "events-bulk-create")):
            return problem.pointer.endswith("/unique_id")
        return bool(_REPEATED.search(f"{problem.code} {problem.title} {problem.detail}"))

    def remedy(self, _part: Part, _outcome: Outcome) -> None:
        return None
