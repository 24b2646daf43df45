"""Durable accepts: each 2xx after its commit is synced. Beside the same server doing everything but keeping."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

from bench import filling, orders, postgres
from bench.load import Load, post_all
from bench.processes import CLOCK_TICK_SECONDS, Running, cpu_seconds, echo, ferrata, installation, klaviyo_windows, serving
from bench.results import Bench, Row
from bench.slow_disk import slow_syncs
from ferrata.delivery.schemas import State

SINGLES = 36_000
BATCHES = 600
BATCH = 100
BATCHED_CONNECTIONS = 16
ROUNDS = 3
WAITING = 60_000
PEER = "FastAPI route that keeps nothing"
LATE = "≤ 25 ms"
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
    cpu = max(CLOCK_TICK_SECONDS, cpu_seconds(server.pid) - before) / events
    return _Measured(events / load.seconds, cpu * 1e6, load.percentile(0.5), load.percentile(0.99))


def _check(load: Load) -> None:
    if load.refused:
        raise RuntimeError(f"{load.refused} of {load.requests} requests were refused: nothing was measured")


def _singles(server: Running, size: float) -> _Measured:
    run, number = f"s{next(_runs)}", max(200, int(SINGLES * size))
    _check(post_all(f"{server.url}/events", server.token, [orders.one(f"w{run}", n) for n in range(min(500, number))]))  # warm
    return _measure(server, [orders.one(run, n) for n in range(number)], "/events", 1, 64)


def _batches(server: Running, size: float) -> _Measured:
    run, number = f"b{next(_runs)}", max(32, int(BATCHES * size))
    _check(post_all(f"{server.url}/events/bulk", server.token, [orders.many(f"w{run}", n * BATCH, BATCH) for n in range(8)]))
    bodies = [orders.many(run, n * BATCH, BATCH) for n in range(number)]
    return _measure(server, bodies, "/events/bulk", BATCH, BATCHED_CONNECTIONS)


def _rows(name: str, what: str, ours: _Measured, floor: _Measured, by_hand: _Measured | None, goal: str, met: bool) -> list[Row]:
    rates = {PEER: by_hand.rate} if by_hand else {}
    cpus = {PEER: by_hand.cpu_micros} if by_hand else {}
    return [
        Row(f"{name}.rate", what, ours.rate, "/s", floor.rate, rates, goal, met, stops="" if met else _stops(ours, floor)),
        Row(f"{name}.cpu", f"{what}: CPU of the process for each event", ours.cpu_micros, "µs", floor.cpu_micros, cpus),
        Row(f"{name}.p50", f"{what}: time of a request, median", ours.p50, "ms", floor.p50),
        Row(f"{name}.p99", f"{what}: time of a request, 99 of 100", ours.p99, "ms", floor.p99, goal=LATE, met=ours.p99 <= 25)
        if name == "acceptance.single"
        else Row(f"{name}.p99", f"{what}: time of a request, 99 of 100", ours.p99, "ms", floor.p99),
    ]


def _stops(ours: _Measured, floor: _Measured) -> str:
    """What one core can do at ours and at the floor's CPU, and how much of a core was really had."""
    return (
        f"An event costs this process {ours.cpu_micros:.0f} µs of CPU and the floor {floor.cpu_micros:.0f} µs: "
        f"one core makes at most {1e6 / ours.cpu_micros:,.0f}/s of ours and {1e6 / floor.cpu_micros:,.0f}/s of the floor's. "
        f"In this run it had {ours.rate * ours.cpu_micros / 1e6 * 100:.0f} % of a core."
    )


def _floor(work: Callable[[Running, float], _Measured], size: float) -> _Measured:
    with echo("validating") as floor:
        return work(floor, size)


def single(size: float) -> list[Row]:
    """Rounds of all in turn, so that what else the machine does falls on each; of each the median round."""
    with echo("validating") as floor, echo("route") as route, echo("fastapi") as by_hand, ferrata() as server:
        rounds = [[_singles(each, size / ROUNDS) for each in (server, floor, route, by_hand)] for _ in range(ROUNDS)]
    ours, floors, routes, hands = (_median([each[place] for each in rounds]) for place in range(4))
    rows = _rows(
        "acceptance.single", "accepts, one per request", ours, floors, hands, "ratio ≥ 0.70", ours.rate >= 0.7 * floors.rate
    )
    what = "accepts, one per request, beside the same check on a route of the same framework"
    quiet = ours.rate >= 8_000
    return [
        *rows,
        Row("acceptance.single.route", what, ours.rate, "/s", routes.rate),
        Row("acceptance.single.quiet", "accepts, one per request, on a quiet machine", ours.rate, "/s", goal="≥ 8,000/s",
            met=quiet, stops="" if quiet else _stops(ours, floors)),
    ]  # fmt: skip


def _median(rounds: Sequence[_Measured]) -> _Measured:
    return sorted(rounds, key=lambda each: each.rate)[len(rounds) // 2]


def bulk(size: float) -> list[Row]:
    with echo("validating") as floor_of_it, echo("fastapi") as route:
        floor, by_hand = _batches(floor_of_it, size), _batches(route, size)
    with ferrata() as server:
        ours = _batches(server, size)
    met = ours.rate >= 60_000
    return _rows("acceptance.bulk", f"accepts, {BATCH} per request", ours, floor, by_hand, "≥ 60,000/s", met)


def delivering(size: float) -> list[Row]:
    """One per request, while the lane sends as much as Klaviyo allows of what waited before."""
    floor = _floor(_singles, size)
    with klaviyo_windows() as klaviyo, installation(klaviyo=klaviyo.url) as home:
        store = filling.found(home, key="pk_bench-delivering")
        filling.fill(home, store, 0, max(5_000, int(WAITING * size)), state=State.WAITING)
        with serving(home) as server:
            ours = _singles(server, size)
    return _rows("acceptance.delivering", "accepts while delivering", ours, floor, None, "≥ 6,000/s", ours.rate >= 6_000)


def on_a_slow_disk(size: float) -> list[Row]:
    floor = _floor(_singles, size)
    with slow_syncs() as library, ferrata(preload=library) as server:
        ours = _singles(server, size)
    rows = _rows("acceptance.slow", "accepts, 2 ms added to every sync", ours, floor, None, "≥ 5,000/s", ours.rate >= 5_000)
    return [row for row in rows if not row.name.endswith(".cpu")]


def on_postgres(size: float) -> list[Row]:
    floor = _floor(_singles, size)
    with ExitStack() as stack:
        server = stack.enter_context(ferrata(database=stack.enter_context(postgres.server())))
        ours = _singles(server, size)
    met = ours.rate >= 7_000
    return _rows("acceptance.postgres", "accepts on PostgreSQL, one per request", ours, floor, None, "≥ 7,000/s", met)


BENCHES = [
    Bench("acceptance.single", single),
    Bench("acceptance.bulk", bulk),
    Bench("acceptance.delivering", delivering),
    Bench("acceptance.slow", on_a_slow_disk),
    Bench("acceptance.postgres", on_postgres),
]
