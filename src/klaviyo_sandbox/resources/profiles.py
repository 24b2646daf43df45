"""Profiles: list, read, create, update, and create-or-update by any identifier."""

from typing import Any

from klaviyo_sandbox import bodies, jsonapi, mailing_lists, profile_documents, profile_store
from klaviyo_sandbox.errors import Problem, invalid, not_found
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.identity import create_profile, upsert_profile
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.mailing_lists import list_resource
from klaviyo_sandbox.paging import keyset, page_size
from klaviyo_sandbox.profile_documents import CREATE, IMPORT, MAX_PROFILE_BYTES, NO_IDENTIFIER, UPDATE, Form, ProfileWrite
from klaviyo_sandbox.profile_sql import profiles_where
from klaviyo_sandbox.profile_store import Profile
from klaviyo_sandbox.profile_views import ADDITIONAL, profile_resource
from klaviyo_sandbox.resources import operation

_SUPPRESSED_AT = "(SELECT coalesce(max(s.at), 0) FROM suppressions s WHERE s.profile_id = profiles.id AND s.list_id"
_PROFILES = (
    "SELECT * FROM (SELECT *, coalesce(email, '') AS by_email,"  # noqa: S608 - constant parts
    f" {_SUPPRESSED_AT} = '') AS suppressed_at, {_SUPPRESSED_AT} <> '') AS list_suppressed_at FROM profiles) AS profiles"
)
_SORTS = {
    "created": "created",
    "email": "by_email",
    "id": "id",
    "updated": "updated",
    "subscriptions.email.marketing.suppression.timestamp": "suppressed_at",
    "subscriptions.email.marketing.list_suppressions.timestamp": "list_suppressed_at",
}


@operation("get_profiles")
def list_profiles(call: Call) -> Answer:
    """Twenty per page unless asked otherwise, by id unless sorted otherwise."""
    asked = jsonapi.includes(call, "conversations", "push-tokens")
    additional = jsonapi.additional_fields(call, "profile", *ADDITIONAL)
    order, descending = jsonapi.sort(call, _SORTS, "id")
    condition, values = profiles_where(jsonapi.filters(call))
    page = keyset(
        call,
        select=_PROFILES,
        where=f"account_id = ? AND visible_at <= ? AND {condition}",
        parameters=[call.account_id, call.timestamp, *values],
        order=order,
        identity="id",
        descending=descending,
        size=page_size(call, 20, 100),
    )
    linkage: dict[str, Any] = {name: [] for name in asked}

    def show(row: Any) -> Resource:
        profile = profile_store.from_row(row)
        return profile_resource(call, profile, additional=additional, talk="conversations", linkage=linkage)

    return jsonapi.collection(call, page.each(show))


@operation("get_profile")
def get_profile(call: Call) -> Answer:
    """One profile, with its lists when asked for; the sandbox keeps no segments, conversations or push tokens."""
    asked = jsonapi.includes(call, "conversations", "lists", "push-tokens", "segments")
    additional = jsonapi.additional_fields(call, "profile", *ADDITIONAL)
    profile = visible_profile(call, call.path["id"])
    linkage: dict[str, Any] = {name: [] for name in asked}
    included: list[Resource] = []
    if "lists" in asked:
        rows = mailing_lists.of_profile(call.state, profile.id)
        linkage["lists"] = [jsonapi.identifier("list", row["id"]) for row in rows]
        included = [list_resource(call, row) for row in rows]
    shown = profile_resource(call, profile, additional=additional, talk="conversations", linkage=linkage)
    return jsonapi.single(call, shown, included=included if asked else None)


@operation("create_profile")
def create(call: Call) -> Answer:
    """201, or 409 that names the profile which owns one of the identifiers."""
    write = _read(call, CREATE)
    profile = create_profile(call.state, call.sandbox.ids, call.account_id, write, call.timestamp)
    call.sandbox.journal.effect(call, "profile_created", profile_id=profile.id)
    return _written(call, profile, status=201)


@operation("update_profile")
def update(call: Call) -> Answer:
    """200, or 409 when an identifier belongs to another profile."""
    known = visible_profile(call, call.path["id"])
    write = _read(call, UPDATE)
    if write.id != known.id:
        raise invalid("The id of the body must be the id of the path.", "/data/id")
    return _upsert(call, write)


@operation("create_or_update_profile")
def import_profile(call: Call) -> Answer:
    """201 for a new profile, 200 for a known one."""
    return _upsert(call, _read(call, IMPORT))


@operation("get_lists_for_profile")
def lists_of_profile(call: Call) -> Answer:
    """The lists that a profile is on."""
    profile = visible_profile(call, call.path["id"])
    return jsonapi.collection(call, [list_resource(call, row) for row in mailing_lists.of_profile(call.state, profile.id)])


@operation("get_list_ids_for_profile")
def list_ids_of_profile(call: Call) -> Answer:
    """The same, identifiers only."""
    profile = visible_profile(call, call.path["id"])
    rows = mailing_lists.of_profile(call.state, profile.id)
    return jsonapi.collection(call, [jsonapi.identifier("list", row["id"]) for row in rows])


@operation("get_segments_for_profile")
def segments_of_profile(call: Call) -> Answer:
    """Empty: the sandbox keeps no segments."""
    visible_profile(call, call.path["id"])
    return jsonapi.collection(call, [])


@operation("get_segment_ids_for_profile")
def segment_ids_of_profile(call: Call) -> Answer:
    """Empty: the sandbox keeps no segments."""
    return segments_of_profile(call)


def visible_profile(call: Call, profile_id: str) -> Profile:
    """A profile that reads may see by now; 404 otherwise."""
    profile = profile_store.find(call.state, call.account_id, profile_id)
    if profile is None or profile.visible_at > call.timestamp:
        raise not_found(f"A profile with id {profile_id} does not exist.")
    return profile


def _read(call: Call, form: Form) -> ProfileWrite:
    problems: list[Problem] = bodies.unknown_members(call.document, {"data"}, "request-data", "")
    if len(call.body) > MAX_PROFILE_BYTES:
        problems.append(Problem(f"The profile is larger than the maximum of {MAX_PROFILE_BYTES} bytes.", "/data"))
    if "data" not in call.document:
        problems.append(bodies.missing("data", "request-data", ""))
        bodies.refuse(problems)
    write = profile_documents.read(call.document["data"], form, "/data", problems)
    if not problems and not write.identifies():
        problems.append(Problem(NO_IDENTIFIER, "/data/attributes"))
    bodies.refuse(problems)
    return write


def _upsert(call: Call, write: ProfileWrite) -> Answer:
    upserted = upsert_profile(call.state, call.sandbox.ids, call.account_id, write, call.timestamp)
    if upserted.changed:
        kind = "profile_created" if upserted.created else "profile_updated"
        call.sandbox.journal.effect(call, kind, profile_id=upserted.profile.id)
    return _written(call, upserted.profile, status=201 if upserted.created else 200)


def _written(call: Call, profile: Profile, *, status: int) -> Answer:
    additional = jsonapi.additional_fields(call, "profile", *ADDITIONAL)
    return jsonapi.single(call, profile_resource(call, profile, additional=additional, exact=True), status=status)
