"""Builds everything from the settings: the only place that knows every room, one line each."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import APIRouter
from httpx2 import AsyncBaseTransport

import ferrata.entry.tables  # noqa: F401 - the migration needs every room's tables
from ferrata.access.cookies import Cookies
from ferrata.access.http import Gate
from ferrata.access.letters import Letters
from ferrata.access.oidc import registration_of
from ferrata.access.passwords import Passwords
from ferrata.access.service import Access
from ferrata.alerts import tasks as alert_tasks
from ferrata.alerts.service import Alerts, open_alerts
from ferrata.audit.service import Audit
from ferrata.audit.tasks import daily_forgetting
from ferrata.carts.service import Carts
from ferrata.carts.service import Ground as CartGround
from ferrata.carts.watch import Watch as CartWatch
from ferrata.catalog.service import Catalog
from ferrata.commerce.exchange import Exchange
from ferrata.connections.clients import Clients
from ferrata.connections.keys import Keys
from ferrata.connections.oauth_service import OAuth, open_oauth
from ferrata.connections.oauth_tasks import use_installations
from ferrata.connections.service import Connections
from ferrata.dashboard.guide import Guide
from ferrata.delivery.service import DeliveryService
from ferrata.delivery.stops import Stops
from ferrata.delivery.tools import Tools
from ferrata.delivery.watch import Watch
from ferrata.delivery.worker import Worker, worker_name
from ferrata.entry.frame import chrome
from ferrata.entry.rates import open_rates
from ferrata.events.service import Events
from ferrata.flags.defaults import Defaults
from ferrata.flags.service import Flags
from ferrata.health.metrics import Metrics
from ferrata.health.service import Health, Parts
from ferrata.infra.crypto import SecretBox
from ferrata.infra.database import Database, open_beside, open_database
from ferrata.infra.mail import read_mailer
from ferrata.infra.master_key import secret_box
from ferrata.infra.public_addresses import PublicAddresses
from ferrata.infra.schedule import Scheduler
from ferrata.infra.settings import Settings
from ferrata.infra.telemetry import Telemetry, open_telemetry
from ferrata.kit.clock import Clock, SystemClock
from ferrata.profiles.service import Profiles
from ferrata.readthrough.service import ReadThrough
from ferrata.retention.schemas import Policy
from ferrata.retention.service import Retained, Retention
from ferrata.retention.tasks import daily_cleanup
from ferrata.sources.contract import Source
from ferrata.sources.handover import Takers
from ferrata.sources.installed import installed
from ferrata.sources.service import Ground, Sources
from ferrata.sources.tasks import daily_forgetting as daily_forgetting_of_messages
from ferrata.sources.tasks import regular_catching_up, regular_watching
from ferrata.ui.render import Pages, environment
from ferrata.ui.static import StaticFiles


@dataclass(frozen=True)
class Wiring:
    """One running Ferrata. ``stopping`` is set as soon as it should end: what lives long, such as a stream, looks at it."""

    settings: Settings
    clock: Clock
    database: Database
    box: SecretBox
    audit: Audit
    access: Access
    connections: Connections
    oauth: OAuth
    delivery: DeliveryService
    worker: Worker
    profiles: Profiles
    flags: Flags
    catalog: Catalog
    events: Events
    sources: Sources
    alerts: Alerts
    exchange: Exchange
    carts: Carts
    cart_watch: CartWatch
    readthrough: ReadThrough
    retention: Retention
    scheduler: Scheduler
    telemetry: Telemetry
    health: Health
    metrics: Metrics
    gate: Gate
    static: StaticFiles
    pages: Pages
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    guide: Guide | None = None  # the demo puts one in,
    own_routes: tuple[APIRouter, ...] = ()  # and a door of its own

    async def start(self) -> None:
        """What must be there before the first request: a store, its key from the environment, and ids that sort after others."""
        key = self.settings.klaviyo_api_key
        await self.oauth.start()
        await self.connections.start(key.get_secret_value() if key else None)
        self.connections.on_change(self.delivery.connection_changed)
        await self.delivery.go_on_after_what_waits()

    async def close(self) -> None:
        self.stopping.set()
        await self.health.close()
        await self.alerts.close()
        await self.sources.close()
        await self.delivery.close()
        await self.oauth.close()
        await self.connections.close()
        await self.database.close()
        await asyncio.to_thread(self.telemetry.close)


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    transport: AsyncBaseTransport | None = None,
    database: Database | None = None,
    passwords: Passwords | None = None,
    beside: bool = False,
    source_transport: AsyncBaseTransport | None = None,
    sources: Mapping[str, Source] | None = None,
) -> Wiring:
    """Put the rooms together. ``beside``: for a command that may run next to the server, also on SQLite.

    ``transport`` stands in for the network towards Klaviyo, ``database`` for the one that is configured, and ``passwords`` hashes
    cheaply, in tests. ``source_transport`` stands in for the network towards the sources' APIs, ``sources`` for those installed.

    Raises:
        Rejected: a setting cannot be used.
        StorageUnavailable: the database cannot be opened.
    """
    clock = clock or SystemClock()
    box = secret_box(settings)
    opened = open_beside if beside else open_database
    database = database or opened(settings.database(), clock, allow_unsafe=settings.allow_unsafe_database)
    watch, name = Watch(), worker_name()
    telemetry = open_telemetry(clock, str(settings.otel_endpoint) if settings.otel_endpoint else None, name)
    database.committing = telemetry.committing
    audit = Audit(database, clock, kept_for=timedelta(days=settings.audit_retention_days))
    letters = Letters(read_mailer(settings, clock), settings.public_address())
    access = Access(database, clock, audit, passwords, registration=registration_of(settings), letters=letters)
    clients = Clients(settings, transport)
    connections = Connections(database, clock, audit, keys=Keys(box, clock), clients=clients)
    oauth = open_oauth(settings, database, clock, audit, box=box, connections=connections, clients=clients)
    stops, longest_queue = Stops(database, clock), settings.max_waiting_events
    delivery = DeliveryService(database, connections, clock, watch, name=name, longest_queue=longest_queue, stops=stops)
    longest_age = timedelta(days=settings.delivery_max_age_days)
    worker = Worker(Tools(database, connections, clock, random.random, name, watch, longest_age, telemetry, stops))
    profiles = Profiles(database, clock, delivery)
    flags = Flags(database, clock, audit, delivery, Defaults.of(settings))
    catalog = Catalog(database, clock, delivery)
    traced = telemetry.accepted if telemetry.is_tracing else None
    events = Events(database, clock, profiles, delivery, worker=name, longest_queue=longest_queue, traced=traced, flags=flags)
    exchange = Exchange(into=settings.commerce_currency, rates=open_rates(settings.commerce_rates))
    public = settings.public_address()
    carts = Carts(CartGround(database, clock, audit, box, connections, events, exchange, public))
    takers = Takers(events, profiles, catalog, exchange)
    waiting, addresses = settings.backfill_most_waiting, PublicAddresses(settings.private_networks)
    ground = Ground(database, clock, audit, box, connections, delivery, takers, carts, name, waiting, source_transport, addresses)
    from_shops = Sources(ground, installed() if sources is None else sources)
    readthrough = ReadThrough(connections, profiles, clock)
    rooms = Retained(connections, delivery, profiles, events)
    retention = Retention(database, clock, audit, Policy.of(settings), rooms)
    jobs = [daily_cleanup(retention), daily_forgetting(audit), use_installations(oauth.installations), connections.rotation.job()]
    alerts = open_alerts(settings, database, clock, audit, box=box, connections=connections, delivery=delivery)
    jobs += [alert_tasks.watch(alerts), alert_tasks.forget(alerts)]
    days, memory_days = settings.source_retention_days, settings.source_memory_days
    jobs += [regular_watching(from_shops)]
    jobs += [regular_catching_up(from_shops, clock), daily_forgetting_of_messages(from_shops, clock, days, memory_days)]
    scheduler = Scheduler(database, clock, name, jobs)
    health = Health.build(settings, name, Parts(database, clock, connections, delivery, scheduler, from_shops, audit))
    metrics = Metrics(telemetry, clock, health, connections=connections, delivery=delivery, events=events, sources=from_shops)
    gate = Gate(access, Cookies(secure=settings.has_secure_cookies()), connections.registry.choose)
    static = StaticFiles()
    pages = Pages(environment(static), clock, chrome)
    return Wiring(
        settings,
        clock,
        database,
        box,
        audit,
        access,
        connections,
        oauth,
        delivery,
        worker,
        profiles,
        flags,
        catalog,
        events,
        from_shops,
        alerts,
        exchange,
        carts,
        CartWatch(carts, clock),
        readthrough,
        retention,
        scheduler,
        telemetry,
        health,
        metrics,
        gate,
        static,
        pages,
    )
