"""Decides, for what arrives together, which events are new, which were kept before, and which contradict them. No I/O."""

from collections.abc import Iterable, Mapping

import msgspec

from ferrata.events.json_text import same_json
from ferrata.events.schemas import Event, Frozen, Receipt, Refusal
from ferrata.infra.errors import Problem

Key = tuple[str, str]
"""A store and an event id of its own."""

_COMPARED = {
    "metric": "eventName",
    "email": "email",
    "phone": "phone",
    "external_id": "externalId",
    "value": "value",
    "currency": "currency",
    "backfill": "backfill",
    "time_given": "time",
}


class Submission(msgspec.Struct, frozen=True):
    """What one sender handed in at once. ``whole``: if one event is refused, all are."""

    events: tuple[Frozen, ...]
    paths: tuple[str, ...]
    """What stands before a field's name in the path of each event: ``events.3.``, or nothing for an event by itself."""
    whole: bool


class Settlement(msgspec.Struct, frozen=True):
    """The answer to each submission, and what is to be written."""

    answers: tuple[tuple[Receipt | Refusal, ...], ...]
    new: tuple[Frozen, ...]


def keys_of(submissions: Iterable[Submission]) -> set[Key]:
    """Under which keys events may have been kept before."""
    return {
        (frozen.event.store_id, frozen.event.event_id)
        for submission in submissions
        for frozen in submission.events
        if frozen.event.event_id is not None
    }


def settle(submissions: Iterable[Submission], kept: Mapping[Key, Event]) -> Settlement:
    """Answer every event of every submission, in order. ``kept`` holds what the database has under ``keys_of``."""
    known = dict(kept)
    answers: list[tuple[Receipt | Refusal, ...]] = []
    new: list[Frozen] = []
    for submission in submissions:
        fresh: list[Frozen] = []
        added: list[Key] = []
        answer = tuple(_settle_one(submission, index, known, fresh, added) for index in range(len(submission.events)))
        if submission.whole and any(isinstance(item, Refusal) for item in answer):
            for key in added:
                del known[key]
        else:
            new += fresh
        answers.append(answer)
    return Settlement(tuple(answers), tuple(new))


def _settle_one(
    submission: Submission, index: int, known: dict[Key, Event], fresh: list[Frozen], added: list[Key]
) -> Receipt | Refusal:
    frozen = submission.events[index]
    event = frozen.event
    if event.event_id is not None:
        key = (event.store_id, event.event_id)
        earlier = known.get(key)
        if earlier is not None:
            different = differences(earlier, event)
            if not different:
                return Receipt(earlier, True)
            return Refusal(409, (_contradiction(submission.paths[index], event.event_id, different),))
        known[key] = event
        added.append(key)
    fresh.append(frozen)
    return Receipt(event)


def differences(earlier: Event, later: Event) -> list[str]:
    """The fields, by the sender's names, in which two events of one event id differ in meaning."""
    different = [name for field, name in _COMPARED.items() if getattr(earlier, field) != getattr(later, field)]
    if earlier.time_given and later.time_given and earlier.occurred_at != later.occurred_at:
        different.append("time")
    if not same_json(earlier.attributes, later.attributes):
        different.append("eventAttributes")
    if not same_json(earlier.profile_attributes, later.profile_attributes):
        different.append("profileAttributes")
    return different


def _contradiction(path: str, event_id: str, different: list[str]) -> Problem:
    shown = event_id if len(event_id) <= 60 else event_id[:60] + "..."
    return Problem(
        f"{path}eventId", f"{path}eventId {shown!r} was accepted before with another {', '.join(different)}; the first one counts"
    )
