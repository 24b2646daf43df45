"""Identifiers that sort by time: UUID version 7 (RFC 9562), strictly increasing within a process."""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

_SEQUENCE_BITS = 12 + 18


class _Chance:
    """Random bytes of the system, fetched by the thousand: each call lets other threads in, and may have to wait for them."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)  # parent and child must not go on with the same bytes

    def forget(self) -> None:
        self._left: Iterator[bytes] = iter(())

    def take(self) -> bytes:
        """Nine bytes that were never given before."""
        found = next(self._left, None)
        while found is None:
            fresh = os.urandom(9 * 1024)
            self._left = iter([fresh[start : start + 9] for start in range(0, len(fresh), 9)])
            found = next(self._left, None)
        return found


class _Sequence:
    """The last value given out, in milliseconds and count; each next one is greater, even when the clock steps back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._chance = _Chance()

    def next(self, milliseconds: int) -> tuple[int, int]:
        """The next value, and 44 random bits."""
        with self._lock:
            chance = int.from_bytes(self._chance.take())
            self._last = max(self._last + 1, milliseconds << _SEQUENCE_BITS | chance >> 49)
            return self._last, chance & 0xFFF_FFFF_FFFF

    def go_on_after(self, milliseconds: int, count: int) -> None:
        with self._lock:
            self._last = max(self._last, milliseconds << _SEQUENCE_BITS | count)


_sequence = _Sequence()


def new_id(at: datetime) -> str:
    """A new identifier for something that happens at ``at``; later calls in this process always sort after earlier ones.

    Layout: 48 bits of Unix milliseconds, version, 12 bits and 18 bits that count within the millisecond (seeded at random),
    44 random bits.
    """
    ordered, random = _sequence.next(int(at.timestamp() * 1000))
    milliseconds = ordered >> _SEQUENCE_BITS
    count_high = (ordered >> 18) & 0xFFF
    count_low = ordered & 0x3FFFF
    return _written(milliseconds << 80 | 0x7 << 76 | count_high << 64 | 0b10 << 62 | count_low << 44 | random)


def go_on_after(identifier: str) -> None:
    """Let every further identifier of this process sort after that one, which another process made by a clock ahead of ours."""
    number = int(identifier.replace("-", ""), 16)
    count = (number >> 64 & 0xFFF) << 18 | number >> 44 & 0x3FFFF
    _sequence.go_on_after(number >> 80, count)


def _written(number: int) -> str:
    text = f"{number:032x}"  # as str(UUID(int=number)), at a third of its cost
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def time_of(identifier: str) -> datetime:
    """The instant (to the millisecond) that an identifier of :func:`new_id` was made for."""
    return datetime.fromtimestamp(int(identifier[:8] + identifier[9:13], 16) / 1000, UTC)


def first_id_at(at: datetime) -> str:
    """The smallest identifier of that millisecond: a bound for ranges of time over identifiers."""
    return _written(int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62)
