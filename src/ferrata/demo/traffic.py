"""Sends the example shop's events as any shop's backend would: with ``ferrata.client``, over HTTP, with the store's token."""

from collections.abc import Iterator, Sequence
from random import Random

from ferrata.client import AsyncFerrata
from ferrata.demo.catalogue import CURRENCY, people
from ferrata.demo.history import Happening
from ferrata.demo.visits import Moment, visit
from ferrata.kit.clock import Clock

_AT_A_TIME = 100
_HISTORY_PAUSE_SECONDS = 0.25  # so that one can watch it come in and leave again
_LIVE_SECONDS = (0.8, 2.0)
_VISITORS_AT_ONCE = 5


class Traffic:
    def __init__(self, client: AsyncFerrata, clock: Clock, random: Random) -> None:
        self._client = client
        self._clock = clock
        self._random = random

    async def send_history(self, happenings: Sequence[Happening]) -> None:
        """All of it, in the order given; returns when it has been accepted. What was accepted before is known by its ids."""
        for start in range(0, len(happenings), _AT_A_TIME):
            for happening in happenings[start : start + _AT_A_TIME]:
                self._track(happening)
            await self._clock.sleep(_HISTORY_PAUSE_SECONDS)
        while not await self._client.flush():
            pass  # Ferrata takes its time; the client goes on trying

    async def send_live(self) -> None:
        """An event every second or two from a few people at once, until it is cancelled."""
        customers = people(self._random)
        visitors: list[Iterator[Happening]] = []
        while True:
            if len(visitors) < _VISITORS_AT_ONCE:
                person = self._random.choice(customers)
                moments: Iterator[Moment] = visit(self._random, f"{self._random.randrange(10**9):09d}")
                # Weeks pass in seconds here: each moment happens when its turn has come.
                visitors.append(Happening(f"live-{self._random.getrandbits(64):016x}", person, moment) for moment in moments)
            visitor = self._random.choice(visitors)
            happening = next(visitor, None)
            if happening is None:
                visitors.remove(visitor)
                continue
            self._track(happening)
            await self._clock.sleep(self._random.uniform(*_LIVE_SECONDS))

    def _track(self, happening: Happening) -> None:
        moment, person = happening.moment, happening.person
        self._client.track(
            moment.metric,
            email=person.email,
            attributes=moment.attributes,
            profile=person.attributes(),
            event_id=happening.event_id,
            time=happening.at,
            value=moment.value,
            currency=CURRENCY if moment.value is not None else None,
            backfill=True if happening.at else None,
        )
