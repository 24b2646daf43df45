"""Ten thousand stores' lanes: how long it takes to find those with work, what they hold in memory, and who waits for whom.

The first two use the product's own code on a real database. The last is a simulation on a simulated clock: the product's own
limiters, and workers that do one thing at a time at what an event costs them in CPU; chance is seeded.
"""

import asyncio
import heapq
import random
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import mean

from bench import filling
from bench.processes import installation
from bench.results import Bench, Row
from ferrata.delivery import outbox
from ferrata.entry.wiring import build
from ferrata.klaviyo.limits import Limiter

STORES = 10_000
BUSY_SHARE = 0.01
LOOKS, SAMPLE = 5, 10
BULK, SINGLE = "POST /api/event-bulk-create-jobs", "POST /api/events"
BULK_SECONDS, SINGLE_SECONDS = 0.065, 0.0008
"""CPU of a bulk job of 1,000 events, and of a single call; as the rows delivery.cpu and queues.cpu have it."""
SIMULATED_SECONDS = 120.0
LIVE_PER_SECOND = 100.0
WORKERS = (1, 4, 16)


def lanes(size: float) -> list[Row]:
    stores = max(200, int(STORES * min(1.0, size * 2)))
    find = [_find(stores, share) for share in (BUSY_SHARE, 1.0)]
    megabytes = _memory(stores)
    rows = [
        Row("lanes.find", f"{stores:,} stores, 1 % with work: a look for the lanes that have some", find[0], "ms", goal="≤ 50 ms",
            met=find[0] <= 50),
        Row("lanes.find.all", f"{stores:,} stores, all with work: the same", find[1], "ms", goal="≤ 1,000 ms",
            met=find[1] <= 1000),
        Row("lanes.memory", f"the limiters of {stores:,} accounts in one process", megabytes, "MB", goal="≤ 128 MB",
            met=megabytes <= 128),
    ]  # fmt: skip
    for workers in WORKERS:
        told = _Simulation(stores, workers, random.Random(7)).run(SIMULATED_SECONDS if size >= 1 else 20.0)
        what = f"simulated: {stores:,} stores, 1 % of them with a backlog without end, {workers} worker{'s' * (workers > 1)}"
        rows += [
            Row(f"lanes.live.{workers}", f"{what}: a live event of the others waits, 99 of 100", told.late_ms, "ms"),
            Row(f"lanes.fair.{workers}", f"{what}: how evenly the backlogs go (1 is even)", told.fairness, "", 1.0),
        ]
    return rows


def _find(stores: int, share: float) -> float:
    """Milliseconds, the median of a few looks."""
    with installation() as home:
        filling.found(home)
        busy = max(1, int(stores * share))
        filling.fill_one_each(home, [f"store-{number:05d}" for number in range(busy)])

        async def look() -> list[float]:
            wiring = build(filling.settings_of(home))
            try:
                times = []
                for _ in range(LOOKS):
                    began = time.perf_counter()
                    found = await wiring.database.read(outbox.lanes_with_work)
                    times.append((time.perf_counter() - began) * 1000)
                    if len(found) != busy:
                        raise RuntimeError(f"{len(found)} lanes were found instead of {busy}")
                return times
            finally:
                await wiring.close()

        return sorted(asyncio.run(look()))[LOOKS // 2]


def _memory(stores: int) -> float:
    """Of as many limiters, each with a full window of bulk jobs and some single calls; a tenth of them is made and weighed."""
    tracemalloc.start()
    clock = _Clock()
    kept = []
    for _ in range(stores // SAMPLE):
        limiter = Limiter(clock.monotonic, clock.now)
        for operation, calls in ((BULK, 150), (SINGLE, 40)):
            for _ in range(calls):
                limiter.take(operation)
                limiter.observe(operation, 202)
        kept.append(limiter)
    megabytes = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    return megabytes * SAMPLE


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(1_800_000_000 + self.seconds, UTC)


@dataclass(frozen=True)
class _Told:
    late_ms: float
    fairness: float


class _Simulation:
    """Lanes belong to workers by chance, as leases fall. A worker takes what is due in the order in which it became so."""

    def __init__(self, stores: int, workers: int, chance: random.Random) -> None:
        self._clock, self._chance = _Clock(), chance
        self._owner = [chance.randrange(workers) for _ in range(stores)]
        self._free_at = [0.0] * workers
        self._heavy = range(max(1, int(stores * BUSY_SHARE)))
        self._limiters = {store: Limiter(self._clock.monotonic, self._clock.now) for store in self._heavy}
        self._light = range(len(self._heavy), stores)

    def run(self, seconds: float) -> _Told:
        bulks, late = [0] * len(self._heavy), []
        due = [(self._chance.random(), store) for store in self._heavy]  # (when a lane may send its next job, whose)
        due += [(moment, -1) for moment in self._moments(seconds)]  # -1: a live event of some other store
        heapq.heapify(due)
        while due:
            at, store = heapq.heappop(due)
            if at > seconds:
                break
            if store < 0:
                owner = self._owner[self._chance.choice(self._light)]
                late.append(self._take(owner, at, SINGLE_SECONDS) - at)
                continue
            self._clock.seconds = at
            wait = self._limiters[store].wait_seconds(BULK)
            if wait > 0:
                heapq.heappush(due, (at + wait, store))
                continue
            self._limiters[store].take(BULK)
            ends = self._take(self._owner[store], at, BULK_SECONDS)
            self._limiters[store].observe(BULK, 202)
            bulks[store] += 1
            heapq.heappush(due, (max(ends, at + 0.001), store))
        late.sort()
        return _Told(late[int(len(late) * 0.99)] * 1000, _evenness(bulks))

    def _take(self, worker: int, at: float, seconds: float) -> float:
        """When it has done this, after all that it was asked for before."""
        self._free_at[worker] = max(self._free_at[worker], at) + seconds
        return self._free_at[worker]

    def _moments(self, seconds: float) -> list[float]:
        moments, at = [], 0.0
        while at < seconds:
            at += self._chance.expovariate(LIVE_PER_SECOND)
            moments.append(at)
        return moments


def _evenness(shares: Sequence[int]) -> float:
    """Jain's index: 1 if all have the same, 1/n if one has everything."""
    return mean(shares) ** 2 / mean(share**2 for share in shares) if any(shares) else 0.0


BENCHES = [Bench("lanes", lanes)]
