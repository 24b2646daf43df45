"""Profiles: an upsert for each person while it is calm, bulk import jobs of up to 10,000 people or 5 MB when many wait.

``subject_json`` holds the attributes under Klaviyo's names, null for what is to be cleared; ``profile_json`` holds who it is:
``{"identifiers": {...}}``, the strongest first. Limits and shapes: Klaviyo's "Create or Update Profile" and "Bulk Import
Profiles" reference, revision 2026-07-15. Sent twice, both leave Klaviyo as if it had been once.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from ferrata.delivery.families.contract import Call, Part, Remedy
from ferrata.klaviyo.outcome import Kind, Outcome, Problem

WITHOUT_PHONE = "without_phone"
STRONGEST = "strongest"

_IN_ROW = re.compile(r"^/data/attributes/profiles/data/(\d{1,5})(?=/|$)")
_BULK = '{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":[', "]}}}}"
_ROW_BYTES = 160  # around one person's members: more than is ever added
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.encode


class _Who(msgspec.Struct):
    identifiers: dict[str, msgspec.Raw]


_who = msgspec.json.Decoder(_Who)


class ProfilesFamily:
    noun = "profile change"
    single_operation = "POST /api/profile-import"
    other_operations: Sequence[str] = ()
    bulk_operation: str | None = "POST /api/profile-bulk-import-jobs"
    job_operation: str | None = "GET /api/profile-bulk-import-jobs/{job_id}"
    errors_operation: str | None = "GET /api/profile-bulk-import-jobs/{id}/import-errors"
    most_items = 10_000
    most_bytes = 5_000_000 - len("".join(_BULK))
    names_resources = False

    def single(self, part: Part) -> Call:
        return Call(self.single_operation, b'{"data":' + _resource(part) + b"}")

    def bulk_body(self, parts: Sequence[Part]) -> bytes:
        return _BULK[0].encode() + b",".join(map(_resource, parts)) + _BULK[1].encode()

    def bulk_bytes(self, size: int) -> int:
        return size + _ROW_BYTES

    def position_of(self, pointer: str) -> int | None:
        found = _IN_ROW.match(pointer)
        return int(found[1]) if found else None

    def in_single_body(self, pointer: str) -> str:
        return _IN_ROW.sub("/data", pointer)

    def title(self, subject_json: str) -> str:
        names = list(_object.decode(subject_json))
        return f"Profile: {', '.join(names[:4])}{' and more' if len(names) > 4 else ''}" if names else "Profile"

    def says_repeated(self, _problem: Problem) -> bool:
        return False

    def remedy(self, part: Part, outcome: Outcome) -> Remedy | None:
        known = list(_who.decode(part.profile_json).identifiers)
        if len(known) < 2 or part.form == STRONGEST:
            return None
        if outcome.kind is Kind.DUPLICATE_PROFILE:
            why = f"The identifiers belong to two profiles: sent once more with {known[0]} alone."
            return Remedy(STRONGEST, why)
        phone_refused = outcome.pointers and all(pointer.endswith("/attributes/phone_number") for pointer in outcome.pointers)
        if phone_refused and known[0] != "phone_number" and part.form != WITHOUT_PHONE:
            return Remedy(WITHOUT_PHONE, "Klaviyo refuses the phone number: sent once more without it.")
        return None


def _resource(part: Part) -> bytes:
    """The profile as JSON:API resource; properties that are null are taken away by their own instruction."""
    identifiers = _who.decode(part.profile_json).identifiers
    attributes = _object.decode(part.subject_json)
    if part.form == WITHOUT_PHONE:
        identifiers = {name: value for name, value in identifiers.items() if name != "phone_number"}
    elif part.form == STRONGEST:
        identifiers = dict(list(identifiers.items())[:1])
    resource: dict[str, Any] = {"type": "profile", "attributes": {**attributes, **identifiers}}
    if "properties" in attributes:
        properties = _object.decode(attributes["properties"])
        kept = {name: value for name, value in properties.items() if bytes(value) != b"null"}
        unset = [name for name in properties if name not in kept]
        resource["attributes"]["properties"] = kept
        if unset:
            resource["meta"] = {"patch_properties": {"unset": unset}}
    return _encode(resource)
