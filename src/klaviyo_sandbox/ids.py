"""Identifiers in the shapes that Klaviyo hands out."""

import random
import string
import uuid
from datetime import UTC, datetime

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE62 = string.digits + string.ascii_letters
_MIXED = string.ascii_uppercase + string.ascii_lowercase + string.digits


class Ids:
    """Makes new identifiers; a seed makes them repeatable."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)

    def ulid(self, timestamp: float) -> str:
        """26 characters, ordered by time: profiles, campaigns, webhooks."""
        value = int(timestamp * 1000) << 80 | self._random.getrandbits(80)
        return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))

    def short(self) -> str:
        """6 characters starting with a letter: lists, segments, metrics, templates, flows, accounts."""
        return self._random.choice(string.ascii_uppercase) + "".join(self._random.choices(_MIXED, k=5))

    def event(self) -> str:
        """11 base62 characters."""
        value = self._random.getrandbits(65)
        text = ""
        for _ in range(11):
            value, digit = divmod(value, 62)
            text += _BASE62[digit]
        return text

    def error(self) -> str:
        """A random UUID, as every error carries."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def token(self, length: int = 43) -> str:
        """Opaque text for secrets and codes."""
        return "".join(self._random.choices(_BASE62, k=length))


def event_uuid(timestamp: int, salt: int) -> str:
    """A time-based UUID (version 1 layout) of an event's second, distinct through `salt` (48 bits are used)."""
    ticks = timestamp * 10_000_000 + 0x01B21DD213814000
    fields = (ticks & 0xFFFFFFFF, (ticks >> 32) & 0xFFFF, (ticks >> 48) & 0x0FFF, 0x80, 0x01, salt & 0xFFFFFFFFFFFF)
    return str(uuid.UUID(fields=fields, version=1))


def full_time(instant: datetime) -> str:
    """RFC 3339 with microseconds and `+00:00`, as create answers carry it."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def second_time(instant: datetime) -> str:
    """RFC 3339 cut to the second, as later reads carry it."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")
