"""Creating events: one, or up to 1,000. An event also creates or changes its profile and names its metric.

Both answer 202 with nothing in it: accepted, and seen by reads when the visibility delay is over. A request with any
fault is refused whole, and every fault in it is named by its pointer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from klaviyo_sandbox import event_store, identity
from klaviyo_sandbox.bodies import Document, data, is_object, missing, resource, typed, unknown_members
from klaviyo_sandbox.errors import ApiError, Problem, invalid
from klaviyo_sandbox.event_documents import EventReader, EventWrite
from klaviyo_sandbox.event_store import Addressed
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.fault_presets import Poison
from klaviyo_sandbox.profile_documents import BULK_EVENT, EVENT, NO_IDENTIFIER, Form, ProfileWrite, read
from klaviyo_sandbox.resources import operation

MAX_EVENTS = 1_000
TEST_DOMAINS = ("@example.com", "@test.com")
_JOB = "/data/attributes/events-bulk-create"
_GROUP_FIELDS = frozenset({"profile", "events", "backfill"})


@dataclass(slots=True)
class Group:
    """Events of one profile, with their pointers."""

    profile: ProfileWrite
    profile_pointer: str
    events: list[tuple[EventWrite, str]]


@operation("create_event")
def create_event(call: Call) -> Answer:
    """One event for one profile."""
    reader = _reader(call)
    document = data(call, "event")
    event = reader.read(document, "/data", extra=frozenset({"profile"}))
    attributes = document["attributes"] if is_object(document.get("attributes")) else {}
    profile = _profile(attributes.get("profile"), EVENT, "/data/attributes/profile", reader.problems)
    group = Group(profile, "/data/attributes/profile/data", [(event, "/data")])
    return _accept(call, [group], reader.problems, bulk=False)


@operation("bulk_create_events")
def bulk_create_events(call: Call) -> Answer:
    """Events grouped by profile. There is no job to ask about afterwards."""
    attributes = data(call, "event-bulk-create-job").get("attributes")
    if not is_object(attributes) or not is_object(attributes.get("events-bulk-create")):
        raise ApiError(missing("events-bulk-create", "event-bulk-create-job", "/data/attributes"))
    problems = unknown_members(attributes, {"events-bulk-create"}, "event-bulk-create-job", "/data/attributes")
    entries = attributes["events-bulk-create"].get("data")
    if not isinstance(entries, list) or not entries:
        raise invalid("At least one event-bulk-create is required.", f"{_JOB}/data")
    _check_count(entries)
    reader = _reader(call)
    reader.problems += problems
    groups = [_group(entry, f"{_JOB}/data/{index}", reader) for index, entry in enumerate(entries)]
    return _accept(call, groups, reader.problems, bulk=True)


def _reader(call: Call) -> EventReader:
    return EventReader(call.timestamp, call.sandbox.switches.max_string_bytes)


def _check_count(entries: list[object]) -> None:
    count = sum(len(events) for entry in entries if isinstance(events := _events_of(entry), list))
    if count > MAX_EVENTS:
        raise invalid(f"The maximum number of events per request is {MAX_EVENTS}, got {count}.", f"{_JOB}/data")


def _events_of(entry: object) -> object:
    attributes = entry.get("attributes") if is_object(entry) else None
    events = attributes.get("events") if is_object(attributes) else None
    return events.get("data") if is_object(events) else None


def _group(entry: object, pointer: str, reader: EventReader) -> Group:
    try:
        attributes = resource(entry, "event-bulk-create", pointer).get("attributes")
    except ApiError as error:
        reader.problems += error.problems
        return Group(ProfileWrite(), pointer, [])
    at = f"{pointer}/attributes"
    if not is_object(attributes):
        reader.problems.append(missing("attributes", "event-bulk-create", pointer))
        return Group(ProfileWrite(), pointer, [])
    reader.problems += unknown_members(attributes, _GROUP_FIELDS, "event-bulk-create", at)
    reader.problems += typed(attributes, "backfill", at, lambda value: isinstance(value, bool), "a boolean")
    profile = _profile(attributes.get("profile"), BULK_EVENT, f"{at}/profile", reader.problems)
    documents = _events_of(entry)
    if not isinstance(documents, list) or not documents:
        reader.problems.append(Problem("At least one event is required.", f"{at}/events/data"))
        documents = []
    backfill = attributes.get("backfill") is True
    pointers = (f"{at}/events/data/{index}" for index in range(len(documents)))
    events = [
        (reader.read(document, place, backfill=backfill), place) for document, place in zip(documents, pointers, strict=True)
    ]
    return Group(profile, f"{at}/profile/data", events)


def _profile(holder: object, form: Form, pointer: str, problems: list[Problem]) -> ProfileWrite:
    document: Document | None = holder.get("data") if is_object(holder) else None
    if document is None:
        problems.append(missing("profile", "event", pointer.removesuffix("/profile")))
        return ProfileWrite()
    before = len(problems)
    write = read(document, form, f"{pointer}/data", problems)
    if len(problems) == before and not write.identifies():
        problems.append(Problem(NO_IDENTIFIER, f"{pointer}/data/attributes"))
    return write


def _accept(call: Call, groups: list[Group], problems: list[Problem], *, bulk: bool) -> Answer:
    """All or nothing: refuse with every problem, or let each event meet its fate."""
    for poison in call.plan.poisons:
        problems += _poisoned(poison, groups)
    if problems:
        raise ApiError(*problems)
    kept = [group for group in groups if not _vanishes(call, group)]
    addressed = [event for group in kept for event in _addressed(call, group)]
    event_store.keep(call, addressed, bulk=bulk)
    return Answer(202)


def _poisoned(poison: Poison, groups: list[Group]) -> Iterator[Problem]:
    for group in groups:
        email = group.profile.identifiers.get("email")
        for event, pointer in group.events:
            if poison.hits(email, event.unique_id, event.properties):
                place = pointer if poison.pointers else "/data/"
                yield Problem("Invalid input." if not poison.pointers else "The event cannot be processed.", place)
                if not poison.pointers:
                    return


def _vanishes(call: Call, group: Group) -> bool:
    """Whether the events are lost after the 202, which only the journal tells."""
    email = (group.profile.identifiers.get("email") or "").lower()
    if call.plan.late_drop:
        fate: event_store.Fate = "event_late_dropped"
    elif call.sandbox.switches.drop_test_addresses and email.endswith(TEST_DOMAINS):
        fate = "event_test_address_dropped"
    else:
        return False
    rows = [
        event_store.effect_row(fate, Addressed(event, "", pointer, group.profile.identifiers), None, None)
        for event, pointer in group.events
    ]
    call.sandbox.journal.effects(call, rows)
    return True


def _addressed(call: Call, group: Group) -> Iterator[Addressed]:
    upserted = identity.upsert_profile(
        call.state,
        call.sandbox.ids,
        call.account_id,
        group.profile,
        call.timestamp,
        visible_at=call.visible_at,
        conflict="keep_stronger",
    )
    for event, pointer in group.events:
        yield Addressed(event, upserted.profile.id, pointer, group.profile.identifiers)
