"""What goes into the events room and what comes out of it."""

from datetime import datetime

import msgspec

from ferrata.delivery.schemas import Deliver, Delivery, State
from ferrata.infra.errors import Problem
from ferrata.profiles.schemas import ProfileAttributes, Sighting


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """One event that has passed validation. Every JSON text is exactly as it was written.

    Build it with ``validation.read_event`` or ``validation.event_from``; nothing checks it again after that. ``unique_id`` is
    what Klaviyo is told where that is not ``event_id``: Klaviyo compares ids within a metric, the store within all of them, and
    a Cancelled Order must have the ``unique_id`` of its Placed Order.
    """

    metric: str
    attributes: str | None = None
    profile_attributes: str | None = None
    profile: ProfileAttributes = ProfileAttributes()
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    event_id: str | None = None
    unique_id: str | None = None
    occurred_at: datetime | None = None
    value: str | None = None
    currency: str | None = None
    backfill: bool = False
    notes: tuple[str, ...] = ()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it is kept."""

    id: str
    store_id: str
    event_id: str | None
    metric: str
    email: str | None
    phone: str | None
    external_id: str | None
    occurred_at: datetime
    time_given: bool
    value: str | None
    currency: str | None
    attributes: str | None
    profile_attributes: str | None
    source: str
    backfill: bool
    deliverable: bool
    notes: str | None


class Frozen(msgspec.Struct, frozen=True):
    """An event as it is kept, and what is to be done with it. ``delivery`` and ``sighting`` are None if it names nobody."""

    event: Event
    delivery: Deliver | None
    sighting: Sighting | None
    size: int
    """Bytes of the JSON that is kept, for bounding what waits in memory."""


class Receipt(msgspec.Struct, frozen=True):
    """The event is on disk. ``repeated``: it already was, under the same event id and with the same content."""

    event: Event
    repeated: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """The event was not kept. ``status`` is what it alone would have been answered with: 400 or 409."""

    status: int
    problems: tuple[Problem, ...]


KEPT = "kept"
"""The state of an event that names nobody: it is kept, and there is nothing to deliver."""

STATES = (*(state.value for state in State), KEPT)


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: all given conditions hold. ``since`` is inclusive, ``until`` exclusive; both are times of acceptance.

    ``state`` is one of ``STATES``; ``text`` is looked for in the event's attributes.
    """

    metric: str | None = None
    email: str | None = None
    state: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


class Standing(msgspec.Struct, frozen=True):
    """An event and how its delivery stands; None where there is nothing to deliver."""

    event: Event
    delivery: Delivery | None


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event as lists show it. ``state`` is one of the design kit's words, ``note`` says why, in a few words."""

    id: str
    at: datetime
    metric: str
    person: str
    amount: str
    source: str
    backfill: bool
    state: str
    note: str | None


class AcceptedMinute(msgspec.Struct, frozen=True):
    minute: datetime
    accepted: int
