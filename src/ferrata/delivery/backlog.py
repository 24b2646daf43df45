"""Which of the waiting deliveries go next, and how: the pure half of a lane.

Calm: each goes alone, at once. Backlog: as many as fit go as a bulk job, and what the single endpoint still allows goes alone
beside it; but where many live ones wait and the next job may go soon, they wait for it: alone each costs thirty times as much.
Of one person nothing overtakes: where one delivery has to stay, all later ones of that person stay.
"""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

from ferrata.delivery.families import EndpointFamily
from ferrata.delivery.outbox import LIVE, Waiting

CALM = 20
"""Up to so many waiting deliveries are sent alone; with more a bulk job is cheaper for everybody."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Ids in the order in which they are to go."""

    bulk: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Room:
    """What may be claimed now: a bulk job, so many live and so many history single sends.

    ``rest_waits``: a bulk job goes soon and takes the others along, so only what cannot go with one is sent alone.
    """

    bulk: bool
    live: int
    history: int
    rest_waits: bool = False


def choose(
    waiting: Sequence[Waiting], busy: Iterable[str], room: Room, family: EndpointFamily, unsent: Set[str] = frozenset()
) -> Choice:
    """Divide ``waiting`` (in order) between a bulk job and single sends; ``busy`` persons have something under way.

    ``unsent``: of the persons (or things) that others need, those of whom something waits, wherever in the queue.
    """
    held = set(busy)
    in_bulk = _fill_bulk(waiting, held, family, unsent) if room.bulk and len(waiting) > CALM else ()
    taken = set(in_bulk)
    held.update(delivery.person for delivery in waiting if delivery.id in taken)
    room = replace(room, rest_waits=room.rest_waits and bool(in_bulk))  # for a job that takes nobody along nobody waits
    return Choice(in_bulk, _pick_singles([delivery for delivery in waiting if delivery.id not in taken], held, room, unsent))


def _fill_bulk(waiting: Sequence[Waiting], held: set[str], family: EndpointFamily, unsent: Set[str]) -> tuple[str, ...]:
    chosen: list[str] = []
    size = 0
    stays = _Stays(held, unsent)
    for delivery in waiting:
        adds = family.bulk_bytes(delivery.size)
        if len(chosen) == family.most_items or size + adds > family.most_bytes:
            break
        if stays.keeps(delivery, fits=not delivery.alone):
            continue
        chosen.append(delivery.id)
        size += adds
    return tuple(chosen)


def _pick_singles(waiting: Sequence[Waiting], held: set[str], room: Room, unsent: Set[str]) -> tuple[str, ...]:
    chosen: list[str] = []
    left = {LIVE: room.live}
    stays = _Stays(held, unsent)
    for delivery in waiting:
        may = left.get(delivery.priority, room.history)
        if stays.keeps(delivery, fits=may > 0 and (delivery.alone or not room.rest_waits)):
            continue
        left[delivery.priority] = may - 1
        chosen.append(delivery.id)
        stays.persons.add(delivery.person)  # one at a time: its next waits for this one's answer
    return tuple(chosen)


class _Stays:
    """Remembers whose delivery had to stay, so that none of their later ones goes.

    What a delivery needs must have gone before it, wherever that stands among what waits: something newer may have taken the
    place of what stood in front.
    """

    def __init__(self, persons: Iterable[str], unsent: Set[str]) -> None:
        self.persons = set(persons)
        self._unsent = unsent

    def keeps(self, delivery: Waiting, *, fits: bool) -> bool:
        """Whether it stays: it does not fit, or one of the same person stayed before it, or what it needs waits."""
        if fits and delivery.person not in self.persons and not self._is_to_come(needed_by(delivery)):
            return False
        self.persons.add(delivery.person)
        return True

    def _is_to_come(self, needed: Sequence[str]) -> bool:
        return not (self.persons.isdisjoint(needed) and self._unsent.isdisjoint(needed))


def needed_by(delivery: Waiting) -> list[str]:
    """Whose deliveries must have gone before this one, besides those of the same person."""
    return json.loads(delivery.after) if delivery.after else []
