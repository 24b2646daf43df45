"""Delivery at Klaviyo's true limits for three minutes: how much of what is allowed is used, and how often Klaviyo refuses.

Alone; four workers that share the account, on PostgreSQL; and beside another client of the account that spends half its quota.
"""

import asyncio
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2

from bench import filling, postgres
from bench.processes import installation, klaviyo_windows, serving, working
from bench.results import Bench, Row
from ferrata.delivery.schemas import State

KEY, NEIGHBOUR = "pk_bench-ours", "pk_bench-neighbour"
SECONDS = 180
QUICK_SECONDS = 20
BULKS_PER_MINUTE, BULKS_PER_SECOND, EVENTS_PER_BULK = 150, 10, 1_000
WORKERS = 4
BEGIN_WITHIN_SECONDS = 120.0
LEAST_SHARE = 97.0
NEIGHBOURS_MOST_REFUSED = 0.1
_NEIGHBOURS_BODY = b'{"data":{"attributes":{"unique_id":"of the neighbour"}}}'


@dataclass(frozen=True)
class _Used:
    """``share``: of the bulk calls that our windows left open, in percent. ``refused``: of all our calls, in percent."""

    share: float
    refusals: int
    refused: float
    events: int
    repeated: int


def alone(size: float) -> list[Row]:
    with klaviyo_windows() as klaviyo, installation(klaviyo=klaviyo.url) as home:
        store = filling.found(home, key=KEY)
        filling.fill(home, store, 0, _needed(size), state=State.WAITING)
        with serving(home):
            used = _watch(klaviyo.url, size)
    return _rows("delivery.limits.alone", "one worker", used)


def shared(size: float) -> list[Row]:
    with ExitStack() as stack:
        klaviyo = stack.enter_context(klaviyo_windows())
        home = stack.enter_context(installation(database=stack.enter_context(postgres.server()), klaviyo=klaviyo.url))
        store = filling.found(home, key=KEY)
        filling.fill(home, store, 0, _needed(size), state=State.WAITING)
        for _ in range(WORKERS):
            stack.enter_context(working(home))
        used = _watch(klaviyo.url, size)
    return _rows("delivery.limits.shared", f"{WORKERS} workers sharing the account, on PostgreSQL", used)


def beside_a_neighbour(size: float) -> list[Row]:
    with klaviyo_windows() as klaviyo, installation(klaviyo=klaviyo.url) as home:
        store = filling.found(home, key=KEY)
        filling.fill(home, store, 0, _needed(size), state=State.WAITING)
        with serving(home):
            used = _watch(klaviyo.url, size, neighbour=True)
    return _rows("delivery.limits.neighbour", "another client spends half the quota", used, most_refused=NEIGHBOURS_MOST_REFUSED)


def _rows(name: str, what: str, used: _Used, *, most_refused: float = 0.0) -> list[Row]:
    may = f"≤ {most_refused:g} %" if most_refused else "0"
    return [
        Row(f"{name}.share", f"bulk calls made of those allowed: {what}", used.share, "%", 100.0, goal="≥ 97 %",
            met=used.share >= LEAST_SHARE, stops="" if used.share >= LEAST_SHARE else f"{used.events:,} events went"),
        Row(f"{name}.refused", f"calls refused with 429: {what} ({used.refusals} in all)", used.refused, "%", goal=may,
            met=used.refused <= most_refused),
        Row(f"{name}.repeated", f"events that Klaviyo got twice: {what}", used.repeated, "", goal="0", met=used.repeated == 0),
    ]  # fmt: skip


def _length(size: float) -> int:
    return SECONDS if size >= 1 else QUICK_SECONDS


def _needed(size: float) -> int:
    """More than can be sent, singles beside the bulk calls included."""
    return int(_allowed(_length(size)) * EVENTS_PER_BULK * 1.06) + 5_000


def _allowed(seconds: int) -> int:
    """Bulk calls in so long: 150 in each minute, and not more than 10 in each second of a part of one."""
    minutes, rest = divmod(seconds, 60)
    return minutes * BULKS_PER_MINUTE + min(BULKS_PER_MINUTE, rest * BULKS_PER_SECOND)


def _watch(klaviyo: str, size: float, *, neighbour: bool = False) -> _Used:
    """Look at what arrives for so long from the first call on."""
    done = threading.Event()
    spending = threading.Thread(target=lambda: asyncio.run(_neighbour(klaviyo, done)))
    with httpx2.Client(base_url=klaviyo, timeout=60) as client:
        if neighbour:
            spending.start()
        try:
            began = _first_call(client)
            time.sleep(max(0.0, began + _length(size) + 0.5 - time.time()))
            seen = client.get("/seen").raise_for_status().json()
        finally:
            done.set()
            if neighbour:
                spending.join()
    return _judged(seen, began, began + _length(size))


def _first_call(client: httpx2.Client) -> float:
    until = time.monotonic() + BEGIN_WITHIN_SECONDS
    while time.monotonic() < until:
        for at, whose, _, _ in client.get("/seen").raise_for_status().json()["requests"]:
            if whose == KEY:
                return float(at)
        time.sleep(0.2)
    raise RuntimeError(f"Nothing was sent within {BEGIN_WITHIN_SECONDS:g} s")


def _judged(seen: Mapping[str, Any], start: float, end: float) -> _Used:
    bulks = [(whose, status, events) for at, whose, status, events in seen["requests"] if start <= at < end]
    ours = sum(whose == KEY and status == 202 for whose, status, _ in bulks)
    others = sum(whose != KEY and status == 202 for whose, status, _ in bulks)
    refusals = sum(count for name, count in seen["refused"].items() if name.startswith(KEY))
    calls = refusals + sum(count for name, count in seen["accepted"].items() if name.startswith(KEY))
    events = sum(events for whose, status, events in bulks if whose == KEY and status == 202)
    left = _allowed(round(end - start)) - others
    # Another process's calls have one and the same unique_id: they say nothing about ours.
    repeated = 0 if others else int(seen["repeated"])
    return _Used(ours / left * 100, refusals, refusals / max(1, calls) * 100, events, repeated)


async def _neighbour(klaviyo: str, done: threading.Event) -> None:
    """Half of each minute's quota of both calls, evenly, as another program with a key of the same account would."""
    headers = {"Authorization": f"Klaviyo-API-Key {NEIGHBOUR}"}
    async with httpx2.AsyncClient(base_url=klaviyo, timeout=30, headers=headers) as client:
        paths = {"/api/event-bulk-create-jobs": 75, "/api/events": 1_750}
        await asyncio.gather(*(_spend(client, path, 60 / per_minute, done) for path, per_minute in paths.items()))


async def _spend(client: httpx2.AsyncClient, path: str, every_seconds: float, done: threading.Event) -> None:
    at = time.monotonic()
    while not done.is_set():
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        await client.post(path, content=_NEIGHBOURS_BODY)
        at = max(at + every_seconds, time.monotonic() - 1.0)


BENCHES = [
    Bench("delivery.limits.alone", alone),
    Bench("delivery.limits.shared", shared),
    Bench("delivery.limits.neighbour", beside_a_neighbour),
]
