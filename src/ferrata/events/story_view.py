"""One event's story as its page tells it: what came in, what was frozen of it, what is sent, and every attempt."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferrata.delivery.schemas import Attempt, State, Story
from ferrata.events.moments import write_time
from ferrata.events.schemas import Event
from ferrata.kit.ids import time_of

MOST_ATTEMPTS = 100
_RATE_HEADER = re.compile(r"; (?=[a-z-]+: )")
_PARKS = ("credential", "scope", "gone", "not_found", "not_understood", "redirected", "untrusted")
# By kind of outcome: the anchor's shape and the title.
_TITLES = {
    "accepted": ("delivered", "taken"),
    "throttled": ("waiting", "asked to wait"),
    "rejected": ("dead", "refused"),
    "duplicate_profile": ("dead", "refused, the profile is there twice"),
    "too_large": ("dead", "refused as too large"),
    "upstream": ("waiting", "Klaviyo failed"),
    "unreadable": ("waiting", "an answer that makes no sense"),
    "transient_not_sent": ("waiting", "not reached"),
    "transient_unknown": ("waiting", "no answer came"),
    "credential": ("parked", "the key was refused"),
    "scope": ("parked", "the key lacks a scope"),
}


@dataclass(frozen=True, slots=True)
class AttemptView:
    """``answer`` is JSON where Klaviyo answered with JSON, else text; ``rate`` are the headers about rates, by name."""

    number: int
    attempt: Attempt
    state: str
    title: str
    answer: Any
    is_json: bool
    rate: list[tuple[str, str]]

    @property
    def took_seconds(self) -> float:
        return self.attempt.duration_ms / 1000


@dataclass(frozen=True, slots=True)
class StoryView:
    """``as_came`` is what came in under Klaviyo's names, so that ``frozen`` can be compared with it."""

    accepted_at: datetime
    came_in: dict[str, Any]
    as_came: dict[str, Any]
    frozen: dict[str, Any] | None
    request: dict[str, Any] | None
    notes: tuple[str, ...]
    attempts: tuple[AttemptView, ...]
    left_out: int
    curl: str


def view(event: Event, story: Story | None, address: str) -> StoryView:
    """``address`` is where events are accepted, for the command that sends this one again."""
    came_in = _came_in(event)
    frozen = _frozen(story) if story else None
    attempts = _attempts(story) if story else []
    return StoryView(
        accepted_at=time_of(event.id),
        came_in=came_in,
        as_came=_under_klaviyos_names(came_in),
        frozen=frozen,
        request=_request(story) if story else None,
        notes=tuple(event.notes.split("\n")) if event.notes else (),
        attempts=tuple(attempts[-MOST_ATTEMPTS:]),
        left_out=max(0, len(attempts) - MOST_ATTEMPTS),
        curl=_curl(came_in, address),
    )


def _came_in(event: Event) -> dict[str, Any]:
    """The body of POST /events."""
    body = {
        "eventName": event.metric,
        "email": event.email,
        "phone": event.phone,
        "externalId": event.external_id,
        "eventId": event.event_id,
        "time": write_time(event.occurred_at) if event.time_given else None,
        "value": json.loads(event.value) if event.value is not None else None,
        "currency": event.currency,
        "backfill": event.backfill or None,
        "eventAttributes": json.loads(event.attributes) if event.attributes else None,
        "profileAttributes": json.loads(event.profile_attributes) if event.profile_attributes else None,
    }
    return {name: value for name, value in body.items() if value is not None}


def _under_klaviyos_names(came_in: Mapping[str, Any]) -> dict[str, Any]:
    names = {"value": "value", "currency": "value_currency", "time": "time", "eventId": "unique_id", "backfill": "backfill"}
    persons = {"email": "email", "phone": "phone_number", "externalId": "external_id"}
    return {
        "metric": came_in["eventName"],
        **{theirs: came_in[ours] for ours, theirs in names.items() if ours in came_in},
        "properties": came_in.get("eventAttributes", {}),
        "profile": {
            **{theirs: came_in[ours] for ours, theirs in persons.items() if ours in came_in},
            **came_in.get("profileAttributes", {}),
        },
    }


def _frozen(story: Story) -> dict[str, Any]:
    subject = json.loads(story.subject_json)
    order = ("value", "value_currency", "time", "unique_id", "backfill")
    return {
        "metric": subject["metric"]["data"]["attributes"]["name"],
        **{name: subject[name] for name in order if name in subject},
        "properties": subject["properties"],
        "profile": json.loads(story.profile_json)["attributes"],
    }


def _request(story: Story) -> dict[str, Any]:
    subject, profile = json.loads(story.subject_json), json.loads(story.profile_json)
    return {"data": {"type": "event", "attributes": {**subject, "profile": {"data": profile}}}}


def _attempts(story: Story) -> list[AttemptView]:
    is_dead = story.delivery.state in (State.DEAD, State.DISCARDED)
    last = len(story.attempts)
    return [_attempt(number, attempt, is_fatal=is_dead and number == last) for number, attempt in enumerate(story.attempts, 1)]


def _attempt(number: int, attempt: Attempt, *, is_fatal: bool) -> AttemptView:
    state, title = _TITLES.get(attempt.outcome, ("parked" if attempt.outcome in _PARKS else "waiting", attempt.outcome))
    if state == "dead" and not is_fatal:
        # Refused was the batch for the sake of others in it, or this event before it was replayed.
        state, title = "waiting", f"{'the batch was ' if attempt.batch_id else ''}{title}"
    answer, is_json = _answer(attempt.answer_excerpt)
    rate = [tuple(part.split(": ", 1)) for part in _RATE_HEADER.split(attempt.rate_state or "") if ": " in part]
    return AttemptView(number, attempt, state, title, answer, is_json, [(name, value) for name, value in rate])


def _answer(excerpt: str | None) -> tuple[Any, bool]:
    if not excerpt or excerpt[0] not in "{[":
        return excerpt, False
    try:
        return json.loads(excerpt), True
    except (ValueError, RecursionError):  # cut off in the middle, or a proxy's page
        return excerpt, False


def _curl(body: Mapping[str, Any], address: str) -> str:
    data = json.dumps(body, ensure_ascii=False)
    return "\n".join(
        [
            f"curl -sS {shlex.quote(address)} \\",
            '  -H "Authorization: Bearer $FERRATA_TOKEN" \\',
            "  -H 'Content-Type: application/json' \\",
            f"  --data-binary {shlex.quote(data)}",
        ]
    )
