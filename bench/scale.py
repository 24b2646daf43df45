"""Two processes that accept and four that deliver, on one PostgreSQL, with a load of all at once; and one of the four is killed.

On a machine of two cores this shows that they share the work rightly, not how much more of it many machines do.
"""

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2

from bench import filling, orders, postgres
from bench.load import post_all
from bench.processes import Running, installation, klaviyo_windows, serving, working
from bench.results import Bench, Row
from ferrata.delivery.schemas import State

STORES, WORKERS = 8, 4
WAITING_EACH = 20_000
POSTED = 12_000
LIVE_SECONDS = 40
LIVE_PER_SECOND = 16
TAKEN_OVER_SECONDS = 15.0
LONGEST_SECONDS = 240.0


def scale(size: float) -> list[Row]:
    stores = [f"store-{number}" for number in range(STORES)]
    waiting, posted = max(1_000, int(WAITING_EACH * size)), max(400, int(POSTED * size))
    with ExitStack() as stack:
        klaviyo = stack.enter_context(klaviyo_windows())
        home = stack.enter_context(installation(database=stack.enter_context(postgres.server()), klaviyo=klaviyo.url))
        filling.found_stores(home, stores, lambda number: f"pk_bench{number}-x")
        for store in stores:
            filling.fill(home, store, 0, waiting, state=State.WAITING)
        doors = [stack.enter_context(serving(home, "api")) for _ in range(2)]
        one = _accepted_per_second(doors[:1], stores[0], "one", posted)
        two = _accepted_per_second(doors, stores[0], "two", posted)
        began = time.monotonic()
        workers = [stack.enter_context(working(home)) for _ in range(WORKERS)]
        expected = STORES * waiting + 2 * posted
        silent, live = _live_through_a_kill(doors, stores, workers, klaviyo, LIVE_SECONDS if size >= 1 else 20)
        seen = _until_arrived(klaviyo, expected + live)
        seconds = time.monotonic() - began
    return _rows(one, two, silent, expected + live, seen, seconds)


def _rows(one: float, two: float, silent: float, expected: int, seen: dict[str, int], seconds: float) -> list[Row]:
    lost, repeated = expected - seen["distinct"], seen["repeated"]
    ours = f"{WORKERS} workers, 2 API processes, 1 PostgreSQL"
    return [
        Row("scale.accept", f"accepts, one per request: 2 API processes beside 1, on {os.cpu_count()} cores", two, "/s",
            peers={"one API process": one}),
        Row("scale.delivered", f"{ours}: delivered in all, of {STORES} stores, while accepting",
            seen["distinct"] / seconds, "/s"),
        Row("scale.takeover", f"{ours}: longest silence of a store after a worker was killed", silent, "s",
            goal=f"≤ {TAKEN_OVER_SECONDS:g} s", met=silent <= TAKEN_OVER_SECONDS),
        Row("scale.lost", f"{ours}, one killed: events lost of {expected:,}", float(lost), "", goal="0", met=lost == 0),
        Row("scale.twice", f"{ours}, one killed: events sent again, with the same id", float(repeated), ""),
    ]  # fmt: skip


def _accepted_per_second(doors: Sequence[Running], store: str, run: str, number: int) -> float:
    each = number // len(doors)
    bodies = [[orders.one(f"{run}{place}", n) for n in range(each)] for place in range(len(doors))]
    began = time.monotonic()
    with ThreadPoolExecutor(len(doors)) as threads:
        connections = 64 // len(doors)
        loads = list(
            threads.map(
                lambda door, body: post_all(f"{door.url}/events", door.token, body, connections=connections, store=store),
                doors,
                bodies,
            )
        )
    if refused := sum(load.refused for load in loads):
        raise RuntimeError(f"{refused} requests were refused")
    return number / (time.monotonic() - began)


def _live_through_a_kill(
    doors: Sequence[Running], stores: Sequence[str], workers: Sequence[int], klaviyo: Running, seconds: int
) -> tuple[float, int]:
    """Posts live events to every store in turn, kills a worker, and goes on; the longest silence since then, and how many."""
    with ExitStack() as stack, httpx2.Client(base_url=klaviyo.url, timeout=60) as at_klaviyo:
        clients = [stack.enter_context(door.client()) for door in doors]
        _until_all_send(at_klaviyo, len(stores))
        began, killed = time.monotonic(), False
        for number in range(seconds * LIVE_PER_SECOND):
            time.sleep(max(0.0, began + number / LIVE_PER_SECOND - time.monotonic()))
            if not killed and number > 4 * LIVE_PER_SECOND:
                at_klaviyo.get("/silence")
                os.kill(_busiest(clients[0], workers), signal.SIGKILL)
                killed = True
            store = stores[number % len(stores)]
            headers = {"Prefer": "respond-async", "Ferrata-Store": store}
            clients[number % len(clients)].post("/events", json=orders.order("kill", number), headers=headers).raise_for_status()
        time.sleep(2.0)
        silent = at_klaviyo.get("/seen").raise_for_status().json()["silent"]
    return max(silent.values()), seconds * LIVE_PER_SECOND


def _busiest(client: httpx2.Client, workers: Sequence[int]) -> int:
    """The worker that owns most lanes: its pid stands in the name of the owner."""
    owners = [lane["owner"] or "" for lane in client.get("/lanes").raise_for_status().json()["lanes"]]
    return max(workers, key=lambda pid: sum(f"-{pid}-" in owner for owner in owners))


def _until_all_send(klaviyo: httpx2.Client, stores: int) -> None:
    until = time.monotonic() + LONGEST_SECONDS
    while len(klaviyo.get("/seen").json()["silent"]) < stores:
        if time.monotonic() > until:
            raise RuntimeError("Not every store has begun to send")
        time.sleep(0.5)


def _until_arrived(klaviyo: Running, number: int) -> dict[str, int]:
    """What Klaviyo has seen once all have arrived, or once nothing more comes."""
    until, last, since = time.monotonic() + LONGEST_SECONDS, -1, time.monotonic()
    with httpx2.Client(base_url=klaviyo.url, timeout=60) as client:
        while True:
            seen: dict[str, int] = client.get("/seen").json()
            if seen["distinct"] != last:
                last, since = seen["distinct"], time.monotonic()
            if last >= number or time.monotonic() > until or time.monotonic() - since > 75:
                return seen
            time.sleep(1.0)


BENCHES = [Bench("scale", scale)]
