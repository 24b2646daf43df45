"""Alerts: what holds now, what held before, who is told, and the look that finds it out.

Rooms raise conditions themselves with ``infra.incidents.raise_alert`` in their own transactions; what needs a view of several
rooms is watched here.
"""

from datetime import timedelta

from sqlalchemy import Connection as Transaction

from ferrata.alerts import store
from ferrata.alerts.channels import Channels
from ferrata.alerts.schemas import Notice
from ferrata.alerts.telling import Telling
from ferrata.alerts.watching import Looking, conditions, reconcile
from ferrata.alerts.webhook import Webhooks
from ferrata.audit.service import Audit
from ferrata.connections.service import Connections
from ferrata.delivery.service import DeliveryService
from ferrata.infra.crypto import SecretBox
from ferrata.infra.database import Database
from ferrata.infra.incidents import Incident, forget_incidents, open_incidents, past_incidents
from ferrata.infra.mail import Mailer, read_mailer
from ferrata.infra.paging import Page, make_cursor, read_cursor
from ferrata.infra.public_addresses import PublicAddresses
from ferrata.infra.settings import Settings
from ferrata.kit.clock import Clock
from ferrata.klaviyo.wire import open_transport

KEEP_NOTICES = timedelta(days=90)
KEEP_INCIDENTS = timedelta(days=400)
POOL = 10
PAGES = "/ui/alerts"


class Alerts:
    def __init__(
        self, database: Database, clock: Clock, *, channels: Channels, telling: Telling, looking: Looking, webhooks: Webhooks
    ) -> None:
        self.channels = channels
        self.telling = telling
        self._database = database
        self._clock = clock
        self._looking = looking
        self._webhooks = webhooks

    async def close(self) -> None:
        await self._webhooks.close()

    async def watch(self) -> None:
        """Look, note what began and what is over, and send what is due."""
        now = self._clock.now()
        seen = await self._looking.look(now)
        found = conditions(seen)
        names = {store_id: each.name for store_id, each in seen.stores.items()}
        queued_at = await self._database.now()

        def work(transaction: Transaction) -> None:
            reconcile(transaction, found, names, now)
            self.telling.announce(transaction, queued_at)

        await self._database.write(work)
        await self.telling.send_due()

    async def open(self, store_id: str | None = None) -> list[Incident]:
        """What holds now, the longest first: of one store, or everywhere."""
        found = await self._database.read(open_incidents)
        return [incident for incident in found if store_id is None or incident.store_id == store_id]

    async def past(self, store_id: str | None, cursor: str | None, limit: int) -> Page[Incident]:
        """What is over, the last begun first.

        Raises:
            Rejected: the cursor is not one of ours.
        """
        before_id = read_cursor(cursor, 1)[0] if cursor else None
        rows = await self._database.read(lambda transaction: past_incidents(transaction, store_id, before_id, limit + 1))
        return Page(tuple(rows[:limit]), make_cursor(rows[limit - 1].id) if len(rows) > limit else None)

    async def notices(self, channel_id: str, cursor: str | None, limit: int) -> Page[Notice]:
        """What was sent to a channel, and what waits, newest first.

        Raises:
            Rejected: the cursor is not one of ours.
        """
        before_id = read_cursor(cursor, 1)[0] if cursor else None
        rows = await self._database.read(lambda transaction: store.notices(transaction, channel_id, before_id, limit + 1))
        return Page(tuple(rows[:limit]), make_cursor(rows[limit - 1].id) if len(rows) > limit else None)

    async def forget_old(self) -> None:
        """Delete messages after three months, and what was over more than 400 days ago."""
        now = self._clock.now()

        def work(transaction: Transaction) -> None:
            store.forget_before(transaction, now - KEEP_NOTICES)
            forget_incidents(transaction, now - KEEP_INCIDENTS)

        await self._database.write(work)


def open_alerts(
    settings: Settings,
    database: Database,
    clock: Clock,
    audit: Audit,
    *,
    box: SecretBox,
    connections: Connections,
    delivery: DeliveryService,
    webhooks: Webhooks | None = None,
    mailer: Mailer | None = None,
) -> Alerts:
    """Everything of this room. ``webhooks`` and ``mailer`` replace those of the settings."""
    addresses = PublicAddresses(settings.private_networks)
    webhooks = webhooks or Webhooks(open_transport(None, None, POOL), addresses, clock)
    mailer = mailer or read_mailer(settings, clock)
    channels = Channels(database, clock, audit, box=box, webhooks=webhooks, mailer=mailer)
    pages = settings.public_address() + PAGES
    telling = Telling(database, clock, audit, channels=channels, webhooks=webhooks, mailer=mailer, pages=pages)
    looking = Looking(
        connections,
        delivery,
        data_dir=settings.data_dir if settings.database().startswith("sqlite") else None,
        longest_queue=settings.max_waiting_events,
        stalled_after=timedelta(minutes=settings.alerts_stalled_minutes),
    )
    return Alerts(database, clock, channels=channels, telling=telling, looking=looking, webhooks=webhooks)
