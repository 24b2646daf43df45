"""A million events waiting: how soon a process that starts is ready, how fast they go, what memory that takes, and how late a
live event is meanwhile."""

import asyncio
import threading
import time
from dataclasses import dataclass, field

import httpx2

from bench import filling
from bench.delivery import late_milliseconds
from bench.orders import order
from bench.processes import Running, installation, klaviyo_windows, largest_megabytes, megabytes, serving
from bench.results import Bench, Found, Row
from ferrata.delivery.schemas import State

KEY = "pk_bench-million"
WAITING = 1_000_000
LIVE_EVERY_SECONDS = 0.5
LONGEST_SECONDS = 900.0
MOST_MEGABYTES, MOST_LATE_MS, READY_SECONDS, DRAINED_SECONDS = 256, 2_000, 10.0, 420.0


@dataclass
class _Meanwhile:
    ids: list[str] = field(default_factory=list)
    waiting: list[list[float]] = field(default_factory=list)
    memory: list[list[float]] = field(default_factory=list)


def million(size: float) -> Found:
    number = max(5_000, int(WAITING * size * (1 if size >= 1 else 0.2)))
    with klaviyo_windows() as klaviyo, installation(klaviyo=klaviyo.url) as home:
        store = filling.found(home, key=KEY)
        filling.fill(home, store, 0, number, state=State.WAITING)
        with serving(home) as server:
            ready = server.ready_seconds
            seconds, meanwhile = _drain(server, klaviyo, number)
            with server.client() as client:
                late = sorted(late_milliseconds(client, id_) for id_ in meanwhile.ids)
            memory = largest_megabytes(server.pid)
        seen = httpx2.get(f"{klaviyo.url}/seen", timeout=60).json()
    return _found(number, ready, seconds, late, memory, seen, meanwhile)


def _found(
    number: int,
    ready: float,
    seconds: float,
    late: list[float],
    memory: float,
    seen: dict[str, object],
    meanwhile: _Meanwhile,
) -> Found:
    refused = sum(dict(seen["refused"]).values())  # type: ignore[call-overload]  # of JSON
    what, floor = f"{number:,} events waiting", least_seconds(number)
    most = DRAINED_SECONDS if number == WAITING else floor + 10
    goal = f"≤ {most / 60:.0f} min" if number == WAITING else f"≤ {most:.0f} s"
    rows = [
        Row("million.ready", f"{what}: from the start of the process to ready", ready, "s", goal="≤ 10 s",
            met=ready <= READY_SECONDS),
        Row("million.drained", f"{what}: until all are delivered", seconds, "s", floor, goal=goal, met=seconds <= most),
        Row("million.refused", f"{what}: calls refused with 429", float(refused), "", goal="0", met=refused == 0),
        Row("million.twice", f"{what}: sent twice", float(str(seen["repeated"])), "", goal="0", met=seen["repeated"] == 0),
        Row("million.memory", f"{what}: most memory of the process", memory, "MB", goal="≤ 256 MB", met=memory <= MOST_MEGABYTES),
        Row("million.live", f"{what}: the latest of {len(late)} live events meanwhile", late[-1], "ms", goal="≤ 2 s",
            met=late[-1] <= MOST_LATE_MS),
        Row("million.live.p50", f"{what}: a live event meanwhile, median", late[len(late) // 2], "ms"),
    ]  # fmt: skip
    allowed = [[0.0, float(number)], [floor, 0.0]]
    series = {"backlog": {"waiting": meanwhile.waiting, "allowed": allowed}, "memory": {"memory": meanwhile.memory}}
    return Found(rows, series)


def least_seconds(number: int) -> float:
    """What Klaviyo's allowance comes to in the long run: 150 bulk jobs a minute of 1,000 events each."""
    return number / 150_000 * 60


def _drain(server: Running, klaviyo: Running, number: int) -> tuple[float, _Meanwhile]:
    """Seconds from ready until everything has arrived; a live event every half second beside it."""
    meanwhile, done = _Meanwhile(), threading.Event()
    live = threading.Thread(target=lambda: asyncio.run(_live(server, meanwhile, done)))
    began = time.monotonic()
    live.start()
    try:
        with httpx2.Client(base_url=klaviyo.url, timeout=60) as client:
            while True:
                time.sleep(1.0)
                arrived = client.get("/seen").json()["distinct"]
                passed, left = time.monotonic() - began, number + len(meanwhile.ids) - arrived
                meanwhile.waiting.append([round(passed, 1), float(max(0, left))])
                meanwhile.memory.append([round(passed, 1), megabytes(server.pid)])
                if arrived >= number + len(meanwhile.ids) - 2:
                    return passed, meanwhile
                if passed > LONGEST_SECONDS:
                    raise RuntimeError(f"{left:,} events still wait after {LONGEST_SECONDS:g} s")
    finally:
        done.set()
        live.join()


async def _live(server: Running, meanwhile: _Meanwhile, done: threading.Event) -> None:
    run, headers = f"live-{time.time_ns()}", {"Prefer": "respond-async"}
    async with httpx2.AsyncClient(base_url=server.url, headers=server.headers, timeout=60) as client:
        number = 0
        while not done.is_set():
            body = order(run, number) | {"email": f"live{number}@shop.example"}
            answer = await client.post("/events", json=body, headers=headers)
            meanwhile.ids.append(answer.raise_for_status().json()["id"])
            number += 1
            await asyncio.sleep(LIVE_EVERY_SECONDS)
        await asyncio.sleep(3.0)


BENCHES = [Bench("million", million)]
