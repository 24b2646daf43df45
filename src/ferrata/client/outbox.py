"""What waits in memory, bounded, and the count of what became of everything. Safe from any thread."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ferrata.client.message import Message

log = logging.getLogger("ferrata.client")
OnDrop = Callable[[str, str], None]
"""Told the event's id and why it was dropped, from the sending thread or from the one that tracked."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Since the client was made. ``waiting`` is in memory, ``spooled`` on disk; neither is lost while the host runs."""

    tracked: int = 0
    accepted: int = 0
    dropped: int = 0
    waiting: int = 0
    spooled: int = 0


class Outbox:
    def __init__(self, most_events: int, most_bytes: int, on_drop: OnDrop | None) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._on_drop = on_drop
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._under_way = 0
        self._counts = Counts()
        self.changed = threading.Condition()

    def put(self, message: Message) -> bool:
        """Take it, unless there is no room: never wait."""
        with self.changed:
            self._counts = replace(self._counts, tracked=self._counts.tracked + 1)
            has_room = len(self._messages) < self._most_events and self._bytes + len(message.body) <= self._most_bytes
            if has_room:
                self._messages.append(message)
                self._bytes += len(message.body)
                self.changed.notify_all()
        if not has_room:
            self.drop([message], "the queue is full")
        return has_room

    def take(self, most_events: int, most_bytes: int) -> list[Message]:
        """The oldest ones; they are under way until ``settle`` or ``put_back``."""
        taken: list[Message] = []
        size = 0
        with self.changed:
            while self._messages and len(taken) < most_events and (not taken or size + len(self._messages[0].body) <= most_bytes):
                taken.append(self._messages.popleft())
                size += len(taken[-1].body)
            self._bytes -= size
            self._under_way += len(taken)
        return taken

    def settle(self, taken: Sequence[Message], *, accepted: int) -> None:
        """They are no longer under way: so many are accepted, the others spooled or dropped."""
        with self.changed:
            self._under_way -= len(taken)
            self._counts = replace(self._counts, accepted=self._counts.accepted + accepted)
            self.changed.notify_all()

    def put_back(self, taken: Sequence[Message]) -> None:
        """To the front, in their order. Their room was theirs before, so it may be exceeded for as long as it takes."""
        with self.changed:
            self._under_way -= len(taken)
            self._messages.extendleft(reversed(taken))
            self._bytes += sum(len(message.body) for message in taken)

    def count_accepted(self, count: int) -> None:
        """Spooled ones that are accepted now."""
        with self.changed:
            self._counts = replace(self._counts, accepted=self._counts.accepted + count)

    def drop(self, messages: Sequence[Message], reason: str) -> None:
        with self.changed:
            self._counts = replace(self._counts, dropped=self._counts.dropped + len(messages))
        for message in messages:
            self.tell_dropped(message.event_id, reason)

    def drop_untold(self, reason: str) -> None:
        """Something was tracked that is no event at all."""
        with self.changed:
            self._counts = replace(self._counts, tracked=self._counts.tracked + 1, dropped=self._counts.dropped + 1)
        self.tell_dropped("", reason)

    def tell_dropped(self, event_id: str, reason: str) -> None:
        log.warning("event %s dropped: %s", event_id or "(none)", reason)
        if self._on_drop:
            try:
                self._on_drop(event_id, reason)
            except Exception:  # the host's mistake must not end the sending
                log.exception("on_drop failed")

    @property
    def is_idle(self) -> bool:
        return not self._messages and not self._under_way

    @property
    def is_half_full(self) -> bool:
        return 2 * len(self._messages) > self._most_events or 2 * self._bytes > self._most_bytes

    def counts(self, spooled: int) -> Counts:
        with self.changed:
            return replace(self._counts, waiting=len(self._messages) + self._under_way, spooled=spooled)
