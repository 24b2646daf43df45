"""What goes into delivery and what may be asked of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec


class State(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    DISCARDED = "discarded"
    HELD = "held"  # kept back when it was accepted, by a flag; sent once somebody lets it go
    SUPERSEDED = "superseded"  # never sent: a newer delivery of the same thing carries all that it would have told


class Family(StrEnum):
    """An endpoint family: the Klaviyo calls that one lane may use. Each is described in ``families/``."""

    EVENTS = "events"
    PROFILES = "profiles"
    CATALOG = "catalog"


LABELS = {Family.EVENTS: "Events", Family.PROFILES: "Profiles", Family.CATALOG: "Catalogue"}


@dataclass(frozen=True, slots=True, order=True)
class LaneKey:
    """Names a lane: one store x endpoint family."""

    store_id: str
    family: Family


@dataclass(frozen=True, slots=True)
class Held:
    """Why a delivery is kept back from the start. ``kind`` is what it can be found by: of an event, its metric."""

    code: str
    kind: str
    sentence: str


class Deliver(msgspec.Struct, frozen=True):
    """One thing to deliver. Both JSON texts are frozen: they are sent as they are, however often.

    For ``Family.EVENTS``: ``subject_json`` is the JSON object of the event's attributes without ``profile`` (properties, time,
    value, value_currency, unique_id, backfill, metric); ``profile_json`` is the JSON object ``{"type": "profile", ...}``.
    For ``Family.PROFILES`` and ``Family.CATALOG`` see ``families/profiles.py`` and ``families/catalog.py``.
    """

    id: str  # the subject's id, from kit.ids.new_id
    store_id: str
    family: Family
    history: bool  # never delays what is live
    person: str  # e.g. "email:jane@shop.com"; order is kept among deliveries of one person
    unique_id: str
    subject_json: str
    profile_json: str
    accepted_at: datetime
    after: tuple[str, ...] = ()  # other ``person``s of whom nothing may wait or be on its way when this one goes
    held: Held | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """A request that would be made. ``title``: what people call what it carries."""

    family: Family
    title: str
    method: str
    path: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Superseded:
    """What a delivery was that a newer one of the same thing takes the place of, or would overwrite."""

    state: State  # as it is now: SUPERSEDED if it had not been sent
    was: State
    history: bool
    subject_json: str
    profile_json: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far one delivery has come."""

    id: str
    store_id: str
    state: State
    attempts: int
    accepted_at: datetime
    finished_at: datetime | None
    next_at: datetime | None
    reason_code: str | None
    reason_pointer: str | None
    reason_detail: str | None
    batch_ids: tuple[str, ...] = ()
    family: Family = Family.EVENTS
    person: str = ""
    form: str = ""  # in which its family sent it last; see ``families``
    superseded_by: str | None = None  # a newer delivery of the same thing

    @property
    def standing(self) -> tuple[str, str | None]:
        """The pages' word for how it stands, and a note."""
        if self.state is State.SUPERSEDED:
            return "not_sent", "a newer one tells it all"
        if self.state is State.HELD:
            return "not_sent", "held back"
        note = f"tried {self.attempts} ×" if self.state is State.WAITING and self.attempts else None
        return self.state.value, self.reason_code if self.state is State.DEAD else note


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to Klaviyo in which a delivery was sent, alone or in a batch."""

    id: str
    operation: str
    batch_id: str | None
    item_count: int
    worker: str
    started_at: datetime
    duration_ms: int
    outcome: str
    status: int | None
    request_id: str | None
    answer_excerpt: str | None
    rate_state: str | None
    decision: str


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that happened to one delivery."""

    delivery: Delivery
    subject_json: str
    profile_json: str
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Use of one rate window: ``used`` of ``allowed`` requests in the last ``seconds``, each of up to ``events_each`` events."""

    operation: str
    seconds: int
    used: int
    allowed: int
    events_each: int = 1


@dataclass(frozen=True, slots=True)
class AgeBand:
    """How many have waited for less than so many seconds, and for longer than the band before; None: for longer than all."""

    under_seconds: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Lane:
    """One store x endpoint family, as shown."""

    store_id: str
    family: Family
    waiting: int
    waiting_live: int
    sending: int
    oldest_at: datetime | None
    owner: str | None
    parked_code: str | None
    parked_detail: str | None
    parked_at: datetime | None
    probe_at: datetime | None
    paused_until: datetime | None
    paused_reason: str | None
    last_success_at: datetime | None
    windows: tuple[Window, ...] = ()

    @property
    def label(self) -> str:
        """What people call it."""
        return LABELS[self.family]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters: all given conditions hold."""

    store_id: str
    ids: tuple[str, ...] = ()
    reason_code: str | None = None
    pointer: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: str
    family: Family
    title: str
    person: str
    unique_id: str
    accepted_at: datetime
    died_at: datetime
    attempts: int
    reason_code: str
    reason_pointer: str | None
    reason_detail: str | None

    @property
    def label(self) -> str | None:
        """What people call what it was, where it was no event."""
        return None if self.family is Family.EVENTS else LABELS[self.family]

    @property
    def href(self) -> str:
        """Where its story is told."""
        return f"/ui/events/{self.id}" if self.family is Family.EVENTS else f"/ui/deliveries/{self.id}"


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Dead letters that died of the same reason."""

    reason_code: str
    reason_pointer: str | None
    example_detail: str | None
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What a replay or discard did or, as a dry run, would do."""

    dry_run: bool
    count: int
    examples: tuple[DeadLetter, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What one step of deleting did. ``last_id``: go on after it; None when there is nothing more."""

    count: int
    last_id: str | None


@dataclass(frozen=True, slots=True)
class Minute:
    minute: datetime
    delivered: int
    dead: int
    requests: int
    throttled: int
    failed: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The books of one store: every delivery is in exactly one of these."""

    waiting: int = 0
    sending: int = 0
    delivered: int = 0
    dead: int = 0
    discarded: int = 0
    held: int = 0
