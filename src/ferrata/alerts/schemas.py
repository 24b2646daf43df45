"""What alerts are told of, and the ways in which they are told."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

KINDS = {
    "connection.broken": "Klaviyo does not accept a store's key or OAuth access",
    "lane.parked": "A lane is parked: a scope is missing, an endpoint is gone",
    "delivery.stalled": "Nothing was delivered for a while although events wait",
    "delivery.dead_letters": "Events became dead letters",
    "queue.filling": "Nearly as many events wait as may",
    "disk.filling": "The disk is nearly full",
    "source.failing": "What a source sends cannot be understood, or its API or queue cannot be read",
    "source.unverified": "What comes to a source does not prove where it comes from",
}
"""What is known to be told. A room may raise other kinds; they go to the channels that take everything."""


class Way(StrEnum):
    WEBHOOK = "webhook"
    EMAIL = "email"


class Saying(StrEnum):
    """What a notice says of an alert."""

    OPENED = "opened"
    CLOSED = "closed"
    TEST = "test"


class State(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Channel:
    """Where alerts go. ``store_id`` "": those of every store and of the installation. ``kinds`` empty: all of them.

    ``hint`` is what may be shown of the target: a webhook's address without what may be secret in it.
    """

    id: str
    store_id: str
    way: Way
    name: str
    hint: str
    kinds: tuple[str, ...]
    created_at: datetime
    created_by: str
    former_until: datetime | None = None
    """Until then what is sent is signed with the former secret as well."""

    def wants(self, kind: str, store_id: str) -> bool:
        return self.store_id in ("", store_id) and (not self.kinds or kind in self.kinds)


@dataclass(frozen=True, slots=True)
class NewChannel:
    """``target``: an https address, or e-mail addresses separated by commas."""

    way: Way
    name: str
    target: str
    kinds: tuple[str, ...] = ()
    every_store: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A channel with the secret of its signature, which is shown this once. None: its way has none."""

    channel: Channel
    secret: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one channel. ``id`` stays the same however often it is tried: whoever gets it twice can tell."""

    id: str
    incident_id: str | None
    channel_id: str
    saying: Saying
    state: State
    tries: int
    created_at: datetime
    next_at: datetime | None
    settled_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What one attempt came to."""

    ok: bool
    outcome: str
    duration_ms: int
    status: int | None = None
    retry_after_seconds: float | None = None
