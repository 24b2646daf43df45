"""Whether accepting and looking stay as quick as they were, from ten thousand to ten million events that are kept."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import httpx2

from bench import filling, orders
from bench.load import post_all
from bench.processes import Running, installation, serving
from bench.results import Bench, Found, Row
from ferrata.delivery.schemas import State

STEPS = (10_000, 100_000, 1_000_000, 10_000_000)
QUICK_STEPS, SMALLEST_STEPS = (10_000, 100_000), (1_000, 3_000)
BYTES_EACH = 1_800
NOTE = "x" * 20
ACCEPTED = 6_000
ASKED = 15
FLAT = 1.5
"""How much slower the largest may be than the smallest and still be called flat: the noise of two runs on one machine."""
SOON_ENOUGH_MS = 15.0
LISTS = {
    "the newest events": "/events?limit=50",
    "a person's events": "/events?limit=50&email=customer7%40shop.example",
    "events of a metric": "/events?limit=50&metric=Placed%20Order",
    "delivered events": "/events?limit=50&state=delivered",
    "waiting events": "/events?limit=50&state=waiting",
    "names of metrics": "/events/metrics",
    "dead letters": "/dead-letters?limit=50",
    "lanes": "/lanes",
    "health": "/health",
    "metrics": "/metrics",
}


@dataclass(frozen=True)
class _Measured:
    stored: int
    accept_micros: float
    accept_p50: float
    lists: dict[str, float]
    gigabytes: float


def stored(size: float) -> Found:
    steps = _steps(size)
    found: list[_Measured] = []
    with installation() as home:
        store, kept = filling.found(home), 0
        free = shutil.disk_usage(home).free
        steps = [step for step in steps if step * BYTES_EACH * 1.3 < free]
        for step in steps:
            filling.fill(home, store, kept, step - kept, state=State.DELIVERED, note=NOTE)
            kept = step
            with serving(home) as server:
                found.append(_measure(server, step, max(200, int(ACCEPTED * min(1.0, size)))))
    return _found(found, short=len(steps) < len(_steps(size)))


def _steps(size: float) -> list[int]:
    return list(STEPS if size >= 1 else QUICK_STEPS if size > 0.05 else SMALLEST_STEPS)


def _measure(server: Running, stored: int, number: int) -> _Measured:
    run = f"stored-{stored}"
    post_all(f"{server.url}/events", server.token, [orders.one(f"w{run}", n) for n in range(200)])
    rounds = []
    for turn in range(3):  # the best of three: what other work adds is not ours
        bodies = [orders.one(f"{run}-{turn}", n) for n in range(number)]
        rounds.append(post_all(f"{server.url}/events", server.token, bodies, connections=16))
    if any(load.refused for load in rounds):
        raise RuntimeError("Requests were refused")
    with server.client() as client:
        lists = {name: _list_ms(client, path) for name, path in LISTS.items()}
    micros = min(load.seconds / load.requests for load in rounds) * 1e6
    files = [file.stat().st_size for file in (server.home / "data").glob("ferrata.db*")]
    return _Measured(stored, micros, min(load.percentile(0.5) for load in rounds), lists, sum(files) / 1e9)


def _list_ms(client: httpx2.Client, path: str) -> float:
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        client.get(path).raise_for_status()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _found(found: Sequence[_Measured], *, short: bool) -> Found:
    least, most = found[0], found[-1]
    beside = f"with {most.stored:,} events kept ({most.gigabytes:.1f} GB), beside {least.stored:,}"
    stops = f"The disk has room for {most.stored:,} events only." if short else ""
    rows = [
        Row("stored.accept", f"time for each accepted event {beside}", most.accept_micros, "µs", least.accept_micros,
            goal="ratio ≤ 1.5", met=most.accept_micros <= FLAT * least.accept_micros and not short, stops=stops),
    ]  # fmt: skip
    for name in LISTS:
        ours, floor = most.lists[name], least.lists[name]
        flat = ours <= max(FLAT * floor, SOON_ENOUGH_MS)
        rows.append(
            Row(f"stored.list.{name.replace(' ', '-')}", f"{name}: a request {beside}", ours, "ms", floor,
                goal=f"ratio ≤ 1.5, or ≤ {SOON_ENOUGH_MS:.0f} ms", met=flat and not short, stops=stops)
        )  # fmt: skip
    rows.append(Row("stored.size", f"disk for {most.stored:,} events with their deliveries", most.gigabytes, "GB"))
    lines = {"accept, µs each": [[m.stored, m.accept_micros] for m in found]}
    lines |= {f"{name}, ms": [[m.stored, m.lists[name]] for m in found] for name in LISTS}
    return Found(rows, {"stored": lines})


BENCHES = [Bench("stored", stored)]
