"""The whole examination, in the order in which one thing rests on another."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ferrata.connections.service import Connections
from ferrata.delivery.service import DeliveryService
from ferrata.health.doctor import surroundings
from ferrata.health.doctor.deliveries import deliveries
from ferrata.health.doctor.findings import Finding, ok, problem, unknown
from ferrata.health.doctor.klaviyo import klaviyo
from ferrata.health.doctor.storage import database
from ferrata.health.presence import Presence
from ferrata.infra.crypto import Undecryptable
from ferrata.infra.database import Database
from ferrata.infra.database.looking import LookedAtDatabase, NoDatabaseYet
from ferrata.infra.errors import FerrataError, StorageUnavailable
from ferrata.infra.settings import Settings
from ferrata.kit.clock import Clock


@dataclass(frozen=True, slots=True)
class Rooms:
    """What is asked about stores and their deliveries."""

    connections: Connections
    delivery: DeliveryService


BuildRooms = Callable[[Settings, Database], Rooms]


async def examine(settings: Settings, clock: Clock, rooms: BuildRooms) -> AsyncIterator[Finding]:
    """Everything that can be found out without changing anything; one finding after the other."""
    for finding in (*surroundings.configuration(settings), *surroundings.data_directory(settings)):
        yield finding
    yield await surroundings.port(settings)
    try:
        looked_at = LookedAtDatabase(settings.database(), clock)
    except NoDatabaseYet:
        yield ok("database", "There is none yet; the first start makes it.")
        return
    except FerrataError as error:
        yield problem("database", error.message, "Ferrata cannot start.", "Mend DATABASE_URL, or remove it for SQLite.")
        return
    try:
        async for finding in _inside(looked_at, settings, clock, rooms):
            yield finding
    finally:
        await looked_at.close()


async def _inside(looked_at: LookedAtDatabase, settings: Settings, clock: Clock, rooms: BuildRooms) -> AsyncIterator[Finding]:
    readable = False
    try:
        async for finding in database(looked_at, settings, clock):
            readable = readable or finding.name == "database.durability"
            yield finding
        if not surroundings.has_master_key(settings):
            yield unknown("klaviyo", "Not asked: the master key is not there.")
            return
        inside = rooms(settings, looked_at)
        presence = Presence(looked_at, clock, "doctor", lambda: False)
        try:
            async for finding in klaviyo(inside.connections, clock):
                yield finding
            async for finding in deliveries(inside.connections, inside.delivery, presence):
                yield finding
        except Undecryptable:
            yield unknown("lanes", "Not known as long as a store's key does not decrypt.")
        finally:
            await inside.connections.close()
    except StorageUnavailable as error:
        mend = "Bring the schema up to date: `ferrata migrate`." if readable else "Look whether the database's server runs."
        yield problem("database", error.message, "Nothing more can be found out.", mend)
