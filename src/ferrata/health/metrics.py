"""``/metrics``: what this process measures of itself, and how all stores stand, read from the database every five seconds.

The figures of stores are the same in every process that shares the database: take their maximum over the instances, not the sum.
No more than ``MOST_STORES`` stores get a label of their own; the others are added up as ``_others``.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

import ferrata
from ferrata.connections.service import Connections
from ferrata.delivery.schemas import Lane, Totals
from ferrata.delivery.service import DeliveryService
from ferrata.events.service import Events
from ferrata.health.schemas import Level, Report
from ferrata.health.service import Health
from ferrata.infra.telemetry import Telemetry
from ferrata.kit.clock import Clock
from ferrata.sources.schemas import Counts, LineFigures
from ferrata.sources.service import Sources

FRESH_FOR_SECONDS = 5.0
MOST_STORES = 100
OTHERS = "_others"


@dataclass(slots=True)
class StoreFigures:
    """One store, or all those beyond the cap together."""

    accepted: int = 0
    totals: Totals = field(default_factory=Totals)
    lanes: list[Lane] = field(default_factory=list)
    sources: dict[str, list[LineFigures]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Snapshot:
    at: datetime
    stores: dict[str, StoreFigures]
    report: Report


class Metrics:
    def __init__(
        self,
        telemetry: Telemetry,
        clock: Clock,
        health: Health,
        *,
        connections: Connections,
        delivery: DeliveryService,
        events: Events,
        sources: Sources,
    ) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._health = health
        self._connections = connections
        self._delivery = delivery
        self._events = events
        self._sources = sources
        self._snapshot: tuple[float, Snapshot] | None = None
        self._gathering = asyncio.Lock()

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """The figures and their media type, in the newest format that ``accept`` names."""
        snapshot = await self._current()
        encode, media_type = choose_encoder(accept)
        return encode(_Together(self._telemetry.registry, snapshot)), media_type

    async def _current(self) -> Snapshot:
        async with self._gathering:
            if self._snapshot is None or self._clock.monotonic() >= self._snapshot[0]:
                found = Snapshot(self._clock.now(), await self._stores(), await self._health.report())
                self._snapshot = (self._clock.monotonic() + FRESH_FOR_SECONDS, found)
            return self._snapshot[1]

    async def _stores(self) -> dict[str, StoreFigures]:
        stores: dict[str, StoreFigures] = defaultdict(StoreFigures)
        label = {
            store.id: store.id if place < MOST_STORES else OTHERS for place, store in enumerate(await self._connections.stores())
        }
        for store_id, named in label.items():
            figures = stores[named]
            figures.accepted += await self._events.accepted_in_all(store_id)
            figures.totals = _added(figures.totals, await self._delivery.totals(store_id))
        for lane in await self._delivery.lanes():
            stores[label.get(lane.store_id, OTHERS)].lanes.append(lane)
        for line, found in (await self._sources.figures()).items():
            stores[label.get(line.store_id, OTHERS)].sources[line.kind].append(found)
        return dict(stores)


class _Together(Collector):
    """One registry out of two: the encoders take anything that can be collected."""

    def __init__(self, own: CollectorRegistry, snapshot: Snapshot) -> None:
        self._own = own
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield from self._own.collect()
        yield from figures(self._snapshot)


def figures(snapshot: Snapshot) -> Iterator[Metric]:
    """How all stores stand, as metrics; those without a sample are named all the same."""
    yield _gauge("ferrata_build_info", "The release that answers.", ("version",), [((ferrata.__version__,), 1)])
    checks = [((check.name,), int(check.level is Level.HEALTHY)) for check in snapshot.report.checks]
    yield _gauge("ferrata_health_check_healthy", "1 where a check of /health finds nothing.", ("check",), checks)
    stores = sorted(snapshot.stores.items())
    accepted = [((name,), each.accepted) for name, each in stores]
    yield _counter("ferrata_events_accepted", "Events that were accepted and kept.", ("store",), accepted)
    delivered = [((name,), each.totals.delivered) for name, each in stores]
    yield _counter("ferrata_delivery_delivered", "Events that Klaviyo has taken.", ("store",), delivered)
    discarded = [((name,), each.totals.discarded) for name, each in stores]
    yield _counter("ferrata_delivery_discarded", "Dead letters that were given up.", ("store",), discarded)
    dead = [((name,), each.totals.dead) for name, each in stores]
    yield _gauge("ferrata_delivery_dead_letters", "Events that Klaviyo refuses and nobody has decided about.", ("store",), dead)
    held = [((name,), each.totals.held) for name, each in stores]
    yield _gauge("ferrata_delivery_held", "Events that a flag holds back.", ("store",), held)
    yield from _lane_figures(snapshot)
    yield from _source_figures(snapshot)


def _source_figures(snapshot: Snapshot) -> Iterator[Metric]:
    came: dict[tuple[str, ...], float] = defaultdict(float)
    waiting: dict[tuple[str, ...], float] = defaultdict(float)
    oldest: dict[tuple[str, ...], float] = defaultdict(float)
    for store, each in sorted(snapshot.stores.items()):
        for kind, lines in sorted(each.sources.items()):
            for line in lines:
                for outcome in Counts.__struct_fields__:
                    came[(store, kind, outcome)] += getattr(line.counts, outcome)
                waiting[(store, kind)] += line.waiting
                age = (snapshot.at - line.oldest_at).total_seconds() if line.oldest_at else 0.0
                oldest[(store, kind)] = max(oldest[(store, kind)], age)
    text = "Messages of sources, by what became of them; one may be retried, refused and then mapped."
    yield _counter("ferrata_sources_messages", text, ("store", "source", "outcome"), came.items())
    by_line = ("store", "source")
    yield _gauge("ferrata_sources_waiting", "Messages of sources that wait to be mapped.", by_line, waiting.items())
    yield _gauge("ferrata_sources_oldest_seconds", "Age of the oldest message that waits to be mapped.", by_line, oldest.items())


def _lane_figures(snapshot: Snapshot) -> Iterator[Metric]:
    waiting: dict[tuple[str, ...], float] = defaultdict(float)
    sending: dict[tuple[str, ...], float] = defaultdict(float)
    oldest: dict[tuple[str, ...], float] = defaultdict(float)
    parked: dict[tuple[str, ...], float] = defaultdict(float)
    windows: dict[str, dict[tuple[str, ...], float]] = {"used": defaultdict(float), "allowed": defaultdict(float)}
    for store, each in sorted(snapshot.stores.items()):
        for lane in each.lanes:
            key = (store, lane.family.value)
            waiting[(*key, "live")] += lane.waiting_live
            waiting[(*key, "history")] += lane.waiting - lane.waiting_live
            sending[key] += lane.sending
            age = (snapshot.at - lane.oldest_at).total_seconds() if lane.oldest_at else 0.0
            oldest[key] = max(oldest[key], age)
            parked[key] += bool(lane.parked_code)
            for window in lane.windows if store != OTHERS else ():
                named = (store, window.operation, f"{window.seconds}s")
                windows["used"][named], windows["allowed"][named] = window.used, window.allowed
    by_lane = ("store", "family")
    yield _gauge("ferrata_delivery_waiting", "Events that wait for delivery.", (*by_lane, "priority"), waiting.items())
    yield _gauge("ferrata_delivery_sending", "Events on their way to Klaviyo.", by_lane, sending.items())
    yield _gauge("ferrata_delivery_oldest_seconds", "Age of the oldest event that waits.", by_lane, oldest.items())
    yield _gauge("ferrata_delivery_parked", "Lanes that wait for somebody to mend the connection.", by_lane, parked.items())
    by_window = ("store", "operation", "window")
    yield _gauge("ferrata_klaviyo_window_used", "Requests counted in Klaviyo's rate window.", by_window, windows["used"].items())
    yield _gauge("ferrata_klaviyo_window_allowed", "Requests that the rate window allows.", by_window, windows["allowed"].items())


Samples = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _added(one: Totals, other: Totals) -> Totals:
    return Totals(
        one.waiting + other.waiting,
        one.sending + other.sending,
        one.delivered + other.delivered,
        one.dead + other.dead,
        one.discarded + other.discarded,
        one.held + other.held,
    )
