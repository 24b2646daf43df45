"""Refused attempts, kept so that nobody can fill the disk with them: the first of a kind is written at once, what follows
within a minute is counted and written as one record, and beyond so many kinds an hour all others are counted together.
"""

import ipaddress
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime

from ferrata.audit.schemas import SOMEBODY, Actor, Record, Refused
from ferrata.infra.log_masking import mask_text, mask_value
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id

WINDOW_SECONDS = 60.0
KINDS_EACH_HOUR = 300
"""Of one known actor, and of all strangers together: none must use up what others are noted with."""
KNOWN_KINDS_EACH_HOUR = 3_000
_HOUR_SECONDS = 3_600.0
_Kind = tuple[str, ...]


@dataclass(slots=True)
class _Group:
    example: Refused
    began: float
    more: int = 0
    last_at: datetime | None = None


class Refusals:
    """Of one process. ``note`` never waits; ``due`` gives what is to be written now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[_Kind, _Group] = {}
        self._first: list[Record] = []
        self._begun: dict[str, deque[float]] = {}

    def note(self, refused: Refused) -> None:
        now = self._clock.monotonic()
        kind = _kind_of(refused)
        group = self._groups.get(kind)
        if group is None and not self._may_begin(refused, now):
            refused = _one_of_many(refused)
            kind = _kind_of(refused)
            group = self._groups.get(kind)
        if group is None:
            self._groups[kind] = _Group(refused, now)
            self._first.append(self._record(refused, 1))
        else:
            group.more += 1
            group.last_at = refused.at

    def due(self, *, everything: bool = False) -> list[Record]:
        """What is to be written, taken from here. ``everything``: of groups that still gather, too."""
        records, self._first = self._first, []
        now = self._clock.monotonic()
        for kind, group in list(self._groups.items()):
            if everything or now - group.began >= WINDOW_SECONDS:
                del self._groups[kind]
                if group.more:
                    records.append(self._record(group.example, group.more, group.last_at))
        return records

    def give_back(self, records: list[Record]) -> None:
        """They could not be written: keep them for the next time."""
        self._first = records + self._first

    def _may_begin(self, refused: Refused, now: float) -> bool:
        for name, begun in list(self._begun.items()):
            while begun and now - begun[0] >= _HOUR_SECONDS:
                begun.popleft()
            if not begun:
                del self._begun[name]
        actor = refused.actor.id if refused.actor.kind != "unknown" else ""
        mine = self._begun.get(actor, ())
        others = sum(len(begun) for name, begun in self._begun.items() if name) if actor else 0
        if len(mine) >= KINDS_EACH_HOUR or others >= KNOWN_KINDS_EACH_HOUR:
            return False
        self._begun.setdefault(actor, deque()).append(now)
        return True

    def _record(self, refused: Refused, count: int, last_at: datetime | None = None) -> Record:
        after = {"code": refused.code, **mask_value("", refused.detail)}
        if last_at:
            after |= {"first": refused.at.isoformat(), "last": last_at.isoformat()}
        now = self._clock.now()
        return Record(
            id=new_id(now),
            at=now,
            actor=refused.actor,
            action=refused.action,
            target=mask_text(refused.target)[:160],
            store_id=refused.store_id,
            after=after,
            request_id=refused.request_id,
            outcome="refused",
            count=count,
            address=refused.address,
            via=mask_text(refused.via)[:160] if refused.via else None,
        )


def _one_of_many(refused: Refused) -> Refused:
    known = refused.actor.kind != "unknown"
    actor = Actor("unknown", "", "several people and tokens") if known else replace(SOMEBODY, name="many strangers")
    return Refused(actor, "many", "many addresses", refused.at, refused.action)


def _kind_of(refused: Refused) -> _Kind:
    who = refused.actor
    return (who.kind, who.id, who.name, refused.code, refused.target, refused.store_id or "", network(refused.address))


def network(address: str | None) -> str:
    """An IPv4 address, or the /64 of an IPv6 address, which is one household."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))
