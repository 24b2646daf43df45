"""The demo's first run: send an event, break the key, watch the lane park, mend it, watch it drain. Only the demo has one.

Whoever follows it in a terminal, with commands of the README, comes as far as with the page's own buttons.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ferrata.dashboard.snapshot import Snapshot
from ferrata.events.schemas import EventFilter
from ferrata.events.service import Events
from ferrata.kit.clock import Clock

METRIC = "My First Event"
StepName = Literal["send", "break", "park", "mend", "drain"]
_TITLES: dict[StepName, str] = {
    "send": "Send your first event",
    "break": "Break the key",
    "park": "Watch the lane park",
    "mend": "Mend the key",
    "drain": "Watch it drain",
}


@dataclass(frozen=True, slots=True)
class Step:
    name: StepName
    title: str
    done: bool
    current: bool


class Guide:
    """``set_key_works`` lets Klaviyo's stand-in refuse the store's key, or take it again; ``token`` is for the shown command."""

    def __init__(
        self, events: Events, clock: Clock, store_id: str, token: str, set_key_works: Callable[[bool], Awaitable[None]]
    ) -> None:
        self.store_id = store_id
        self._events = events
        self._clock = clock
        self._token = token
        self._set_key_works = set_key_works
        self._sent_id: str | None = None
        self._broken_at: datetime | None = None
        self._mended_at: datetime | None = None
        self._was_parked = False
        self._was_drained = False

    async def break_key(self) -> None:
        """From now on Klaviyo refuses the key."""
        await self._set_key_works(False)
        self._broken_at, self._mended_at = self._clock.now(), None
        self._was_parked = self._was_drained = False

    async def mend_key(self) -> None:
        """Klaviyo takes the key again."""
        await self._set_key_works(True)
        self._mended_at = self._clock.now()

    def curl(self, base_url: str) -> str:
        """The command that sends the first event; ``base_url`` ends with a slash."""
        return (
            f"curl -sS {base_url}events \\\n"
            f'  -H "Authorization: Bearer {self._token}" \\\n'
            f"  -H 'Content-Type: application/json' \\\n"
            f"""  -d '{{"eventName": "{METRIC}", "email": "you@example.com", "value": 19.9}}'"""
        )

    async def sent_id(self) -> str | None:
        """The event that was sent by hand, once it is there: the example shop sends through the client instead."""
        if self._sent_id is None:
            found = await self._events.explorer.page(self.store_id, EventFilter(source="api"), None, 1)
            self._sent_id = found.rows[0].event.id if found.rows else None
        return self._sent_id

    async def steps(self, snapshot: Snapshot) -> list[Step]:
        """How far somebody has come."""
        moves = snapshot.parked is None and snapshot.oldest_at is None
        if snapshot.parked is not None:
            self._broken_at, self._was_parked = self._broken_at or self._clock.now(), True
        elif self._was_parked and moves:
            self._mended_at = self._mended_at or self._clock.now()
        self._was_drained = self._was_drained or (self._mended_at is not None and moves)
        done: dict[StepName, bool] = {
            "send": await self.sent_id() is not None,
            "break": self._broken_at is not None,
            "park": self._was_parked,
            "mend": self._mended_at is not None,
            "drain": self._was_drained,
        }
        current = next((name for name in done if not done[name]), None)
        return [Step(name, _TITLES[name], is_done, name == current) for name, is_done in done.items()]
