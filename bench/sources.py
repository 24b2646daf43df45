"""A shop's messages: how many are taken and delivered, what each costs, how soon it is at Klaviyo, and what is lost on a bad day.

The peer is ``plugin_way.py``: the official plugin's way, done again in Python. Both get the same messages in the same envelope,
both ask the same stand-in for the products of an order, and both send to the same sandbox.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench import commerce
from bench.load import Load, post_all
from bench.processes import Running, cpu_seconds, ferrata, sandbox, served
from bench.results import Bench, Row
from ferrata.audit.schemas import SYSTEM
from ferrata.entry.wiring import build
from ferrata.infra.settings import Settings

MESSAGES = 4_000
LIVE_SECONDS, LIVE_PER_SECOND = 20, 20
HOSTILE = 600
EVENTS_EACH = 1 + commerce.LINES
LONGEST_SECONDS = 600.0
REDELIVERIES = 8
SECRET = "the bench's own push secret"
STORE = "default"
PEER = "the plugin's way"
_BAD_DAY = {
    "seed": 7,
    "rules": [
        {"effect": effect, "probability": 0.05}
        for effect in ("exec_500", "exec_reset", "reset_before", "unavailable", "throttled")
    ],
}


@dataclass(frozen=True)
class _Way:
    """A connector at work: where messages are posted, and the sandbox in which they end."""

    at: Running
    address: str
    klaviyo: Running

    def post(self, bodies: Sequence[bytes], connections: int = 32) -> Load:
        return post_all(self.address, SECRET, bodies, connections=connections)

    def stored(self, run: str) -> dict[str, float]:
        """When each event of this run was stored at Klaviyo, by its unique_id."""
        text = httpx2.get(f"{self.klaviyo.url}/_sandbox/effects.ndjson?kind=event_stored", timeout=60).text
        effects = map(json.loads, text.splitlines())
        return {each["unique_id"]: each["at"] for each in effects if each["unique_id"].startswith(f"{run}-")}

    def await_stored(self, run: str, number: int, longest: float = LONGEST_SECONDS) -> dict[str, float]:
        """Until so many are stored; what is stored after ``longest`` seconds, if they never are."""
        until = time.monotonic() + longest
        while len(found := self.stored(run)) < number and time.monotonic() < until:
            time.sleep(0.5)
        return found


@contextmanager
def _ferrata(*, limits: bool) -> Iterator[_Way]:
    with ExitStack() as stack:
        klaviyo = stack.enter_context(sandbox(limits=limits))
        shop = stack.enter_context(served("bench.commerce"))
        server = stack.enter_context(ferrata(klaviyo=klaviyo.url, prepare=_set_up(shop.url)))
        server.connect()
        yield _Way(server, f"{server.url}/sources/commercetools/{STORE}", klaviyo)


@contextmanager
def _plugin(*, limits: bool) -> Iterator[_Way]:
    with ExitStack() as stack:
        klaviyo = stack.enter_context(sandbox(limits=limits))
        shop = stack.enter_context(served("bench.commerce"))
        server = stack.enter_context(served("bench.plugin_way", klaviyo.url, shop.url))
        yield _Way(server, f"{server.url}/", klaviyo)


def _set_up(shop: str) -> Callable[[Path], None]:
    """Switches the source on, in an installation that has not started yet."""

    async def prepare(home: Path) -> None:
        wiring = build(Settings(_env_file=home / ".env"))  # type: ignore[call-arg]  # pydantic fills every field from the file
        settings = {
            "project_key": commerce.PROJECT,
            "api_url": shop,
            "auth_url": shop,
            "client_id": "bench",
            "client_secret": "bench",
            "push": {"secret": SECRET},
        }
        configurations = wiring.sources.configurations
        try:
            await configurations.save(STORE, "commercetools", settings=settings, rules=None, enabled=True, actor=SYSTEM)
        finally:
            await wiring.close()

    return lambda home: asyncio.run(prepare(home))


@dataclass(frozen=True)
class _Flow:
    taken: float
    delivered: float
    cpu_micros: float


def _flow(way: _Way, number: int) -> _Flow:
    """Messages a second acknowledged, and at Klaviyo with all of their events; CPU of the connector's process for each."""
    way.post([commerce.pushed("warm", n) for n in range(100)])
    way.await_stored("warm", 100 * EVENTS_EACH)
    bodies = [commerce.pushed("run", n) for n in range(number)]
    before, began = cpu_seconds(way.at.pid), time.time()
    load = way.post(bodies)
    stored = way.await_stored("run", number * EVENTS_EACH)
    if load.refused or len(stored) < number * EVENTS_EACH:
        raise RuntimeError(f"{load.refused} messages were refused, {len(stored)} events came: nothing was measured")
    cpu = (cpu_seconds(way.at.pid) - before) / number
    return _Flow(number / load.seconds, number / (max(stored.values()) - began), cpu * 1e6)


def flow(size: float) -> list[Row]:
    number = max(400, int(MESSAGES * size))
    with _plugin(limits=False) as way:
        peer = _flow(way, number)
    with _ferrata(limits=False) as way:
        ours = _flow(way, number)
    what = "commercetools messages of an order with three lines"
    return [
        Row("sources.commercetools.taken", f"{what}, acknowledged", ours.taken, "/s", None, {PEER: peer.taken}),
        Row(
            "sources.commercetools.rate",
            f"{what}, at Klaviyo",
            ours.delivered,
            "/s",
            None,
            {PEER: peer.delivered},
            "ratio ≥ 1.5",
            ours.delivered >= 1.5 * peer.delivered,
        ),
        Row(
            "sources.commercetools.cpu",
            f"{what}: CPU of the process for each",
            ours.cpu_micros,
            "µs",
            None,
            {PEER: peer.cpu_micros},
            "ratio ≤ 1",
            ours.cpu_micros <= peer.cpu_micros,
        ),
    ]


def live(size: float) -> list[Row]:
    """From the sending of a message to the moment at which Klaviyo has stored its Placed Order, at a steady rate."""
    number = int(LIVE_PER_SECOND * LIVE_SECONDS * max(size, 0.25))
    with _plugin(limits=True) as way:
        peer = _late(way, number)
    with _ferrata(limits=True) as way:
        ours = _late(way, number)
    what = f"a commercetools message reaches Klaviyo, {LIVE_PER_SECOND} a second"
    return [
        Row("sources.commercetools.p50", f"{what}: median", ours[0], "ms", None, {PEER: peer[0]}, "≤ 150 ms", ours[0] <= 150),
        Row("sources.commercetools.p99", f"{what}: 99 of 100", ours[1], "ms", None, {PEER: peer[1]}, "≤ 500 ms", ours[1] <= 500),
    ]


def _late(way: _Way, number: int) -> tuple[float, float]:
    sent: dict[str, float] = {}
    began = time.monotonic()
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    with httpx2.Client(headers=headers, timeout=60) as client:
        for index in range(number):
            body = commerce.pushed("live", index)
            time.sleep(max(0.0, began + index / LIVE_PER_SECOND - time.monotonic()))
            sent[f"live-{index}"] = time.time()
            client.post(way.address, content=body).raise_for_status()
    stored = way.await_stored("live", number * EVENTS_EACH, 120)
    late = sorted((stored[id_] - at) * 1000 for id_, at in sent.items() if id_ in stored)
    return late[len(late) // 2], late[int(len(late) * 0.99)]


def bad_day(size: float) -> list[Row]:
    """Klaviyo with its true limits that resets, throttles and fails a quarter of the requests; a queue sends again after 5xx."""
    number = max(200, int(HOSTILE * size))
    lost = {}
    for name, way_of in ((PEER, _plugin), ("ours", _ferrata)):
        with way_of(limits=True) as way:
            httpx2.post(f"{way.klaviyo.url}/_sandbox/chaos", json=_BAD_DAY).raise_for_status()
            left: Sequence[bytes] = [commerce.pushed("bad", n) for n in range(number)]
            for _ in range(REDELIVERIES):
                left = way.post(left, connections=8).refused_bodies
                if not left:
                    break
            lost[name] = number * EVENTS_EACH - len(way.await_stored("bad", number * EVENTS_EACH, 120))
    what = f"of {number * EVENTS_EACH:,} events of a shop, lost on a bad day at Klaviyo"
    return [Row("sources.commercetools.lost", what, lost["ours"], "", None, {PEER: lost[PEER]}, "0", lost["ours"] == 0)]


BENCHES = [
    Bench("sources.commercetools.flow", flow),
    Bench("sources.commercetools.live", live),
    Bench("sources.commercetools.lost", bad_day),
]
