"""Which of the waiting deliveries go next, and how: the pure half of a lane.

Calm: each goes alone, at once. Backlog: as many as fit go as a bulk job, and what the single endpoint still allows goes alone
beside it; but where many live ones wait and the next job may go soon, they wait for it: alone each costs thirty times as much.
Even then the first of a person goes alone, at once, while there are only a few such: it is an order, and what stands behind it
are the order's lines, which the job takes.
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
    heads: int = 0
    """How many live ones waited that have nothing of the same person before them and never had; counted while they are few."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be claimed now: a bulk job, so many live and so many history single sends.

    ``soon``: a bulk job goes soon; if many live ones wait it takes them along, so only what cannot go with one is sent alone.
    ``first``: how many live ones may go alone even so, as the first of their persons. ``calm``: more than these are a backlog.
    """

    bulk: bool
    live: int
    history: int
    soon: bool = False
    first: int = 0
    calm: int = CALM


def choose(
    waiting: Sequence[Waiting],
    busy: Iterable[str],
    room: Room,
    family: EndpointFamily,
    unsent: Set[str] = frozenset(),
    *,
    behind: Set[str] = frozenset(),
) -> Choice:
    """Divide ``waiting`` (in order) between a bulk job and single sends; ``busy`` persons have something under way.

    ``unsent``: of the persons (or things) that others need, those of whom something waits, wherever in the queue.
    ``behind``: ids that stood behind another of their person when they were last seen; see ``stand_behind``.
    """
    held = set(busy)
    heads = _heads(waiting, held, unsent, behind)
    if len(waiting) <= room.calm:
        return Choice((), _pick_singles(waiting, held, room, unsent), len(heads))
    first = heads if len(heads) <= min(room.first, room.live) else []
    ids = {delivery.id for delivery in first}
    held.update(delivery.person for delivery in first)
    rest = [delivery for delivery in waiting if delivery.id not in ids]
    in_bulk = _fill_bulk(rest, held, family, unsent) if room.bulk else ()
    taken = set(in_bulk)
    held.update(delivery.person for delivery in rest if delivery.id in taken)
    # For a job that takes nobody along nobody waits.
    waits = room.soon and (bool(in_bulk) or not room.bulk) and _live(waiting) > room.calm
    left = replace(room, live=room.live - len(first))
    alone = _pick_singles([each for each in rest if each.id not in taken], held, left, unsent, only_alone=waits)
    return Choice(in_bulk, tuple(each.id for each in first) + alone, len(heads))


def stand_behind(waiting: Sequence[Waiting], busy: Set[str], behind: Set[str]) -> set[str]:
    """Of what waits: what has another of the same person before it, waiting or under way, or had when it was last seen."""
    persons = set(busy)
    found: set[str] = set()
    for delivery in waiting:
        if delivery.person in persons or delivery.id in behind:
            found.add(delivery.id)
        persons.add(delivery.person)
    return found


def _heads(waiting: Sequence[Waiting], held: Set[str], unsent: Set[str], behind: Set[str]) -> list[Waiting]:
    """Live ones that have nothing of their person before them and never had; when they are many, one more than a few."""
    stays = _Stays(held, unsent)
    found: list[Waiting] = []
    for delivery in waiting:
        if delivery.priority != LIVE or len(found) > CALM:
            break
        if not stays.keeps(delivery, fits=not delivery.alone and delivery.id not in behind):
            found.append(delivery)
            stays.persons.add(delivery.person)
    return found


def _live(waiting: Sequence[Waiting]) -> int:
    return sum(delivery.priority == LIVE for delivery in waiting)


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


def _pick_singles(
    waiting: Sequence[Waiting], held: set[str], room: Room, unsent: Set[str], *, only_alone: bool = False
) -> tuple[str, ...]:
    chosen: list[str] = []
    left = {LIVE: room.live}
    stays = _Stays(held, unsent)
    for delivery in waiting:
        may = left.get(delivery.priority, room.history)
        if stays.keeps(delivery, fits=may > 0 and (delivery.alone or not only_alone)):
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
