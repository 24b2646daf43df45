"""Durable accepts: each 2xx after its commit is synced. Beside the same server doing everything but keeping."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

from bench import orders, postgres
from bench.load import Load, post_all
from bench.processes import Running, cpu_seconds, echo, ferrata, sandbox
from bench.results import Bench, Row

SINGLES = 24_000
BATCHES = 600
BATCH = 100
BATCHED_CONNECTIONS = 16
_runs = count(1)


@dataclass(frozen=True)
class _Measured:
    """Events a second, and what each cost the server's process in CPU."""

    rate: float
    cpu_micros: float
    p50: float
    p99: float


def _measure(server: Running, bodies: Sequence[bytes], path: str, events_each: int, connections: int) -> _Measured:
    before = cpu_seconds(server.pid)
    load = post_all(server.url + path, server.token, bodies, connections=connections)
    _check(load)
    events = len(bodies) * events_each
    cpu = (cpu_seconds(server.pid) - before) / events
    return _Measured(events / load.seconds, cpu * 1e6, load.percentile(0.5), load.percentile(0.99))


def _check(load: Load) -> None:
    if load.refused:
        raise RuntimeError(f"{load.refused} of {load.requests} requests were refused: nothing was measured")


def _singles(server: Running, size: float) -> _Measured:
    run, number = f"s{next(_runs)}", int(SINGLES * size)
    _check(post_all(f"{server.url}/events", server.token, [orders.one(f"w{run}", n) for n in range(500)]))  # to warm up
    return _measure(server, [orders.one(run, n) for n in range(number)], "/events", 1, 64)


def _batches(server: Running, size: float) -> _Measured:
    run, number = f"b{next(_runs)}", max(32, int(BATCHES * size))
    _check(post_all(f"{server.url}/events/bulk", server.token, [orders.many(f"w{run}", n * BATCH, BATCH) for n in range(8)]))
    bodies = [orders.many(run, n * BATCH, BATCH) for n in range(number)]
    return _measure(server, bodies, "/events/bulk", BATCH, BATCHED_CONNECTIONS)


def _rows(name: str, what: str, ours: _Measured, floor: _Measured, by_hand: _Measured | None, goal: str, met: bool) -> list[Row]:
    rates = {"FastAPI route that keeps nothing": by_hand.rate} if by_hand else {}
    cpus = {"FastAPI route that keeps nothing": by_hand.cpu_micros} if by_hand else {}
    return [
        Row(f"{name}.rate", what, ours.rate, "/s", floor.rate, rates, goal, met),
        Row(f"{name}.cpu", f"{what}: CPU of the process for each event", ours.cpu_micros, "µs", floor.cpu_micros, cpus),
        Row(f"{name}.p50", f"{what}: time of a request, median", ours.p50, "ms", floor.p50),
        Row(f"{name}.p99", f"{what}: time of a request, 99 of 100", ours.p99, "ms", floor.p99),
    ]


def _beside(work: Callable[[Running, float], _Measured], size: float) -> tuple[_Measured, _Measured]:
    """The floor, and what one would write by hand."""
    with echo("validating") as floor, echo("fastapi") as by_hand:
        return work(floor, size), work(by_hand, size)


def single(size: float) -> list[Row]:
    floor, by_hand = _beside(_singles, size)
    with ferrata() as server:
        ours = _singles(server, size)
    met = ours.rate >= 0.7 * floor.rate
    return _rows("acceptance.single", "accepts, one per request", ours, floor, by_hand, "ratio ≥ 0.70", met)


def bulk(size: float) -> list[Row]:
    floor, by_hand = _beside(_batches, size)
    with ferrata() as server:
        ours = _batches(server, size)
    met = ours.rate >= 60_000
    return _rows("acceptance.bulk", f"accepts, {BATCH} per request", ours, floor, by_hand, "≥ 60,000/s", met)


def delivering(size: float) -> list[Row]:
    """One per request, while the lane sends as much as Klaviyo allows."""
    floor, _ = _beside(_singles, size)
    with sandbox(limits=True) as klaviyo, ferrata(klaviyo=klaviyo.url) as server:
        server.connect()
        ours = _singles(server, size)
    met = ours.rate >= 6_000
    return _rows("acceptance.delivering", "accepts while delivering", ours, floor, None, "≥ 6,000/s", met)


def on_postgres(size: float) -> list[Row]:
    floor, _ = _beside(_singles, size)
    with ExitStack() as stack:
        server = stack.enter_context(ferrata(database=stack.enter_context(postgres.server())))
        ours = _singles(server, size)
    met = ours.rate >= 7_000
    return _rows("acceptance.postgres", "accepts on PostgreSQL, one per request", ours, floor, None, "≥ 7,000/s", met)


BENCHES = [
    Bench("acceptance.single", single),
    Bench("acceptance.bulk", bulk),
    Bench("acceptance.delivering", delivering),
    Bench("acceptance.postgres", on_postgres),
]
