"""The events room as it runs: real database, real profiles, real outbox; nothing is sent anywhere."""

from pathlib import Path

import pytest

from ferrata.audit.service import Audit
from ferrata.connections.clients import Clients
from ferrata.connections.keys import Keys
from ferrata.connections.service import Connections
from ferrata.delivery.service import DeliveryService
from ferrata.delivery.watch import Watch
from ferrata.events.service import Events
from ferrata.infra.crypto import SecretBox
from ferrata.infra.database import Database
from ferrata.infra.settings import Settings
from ferrata.kit.clock import MovedClock
from ferrata.profiles.service import Profiles

STORE = "default"


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
async def connections(database: Database, clock: MovedClock, tmp_path: Path) -> Connections:
    settings = Settings(data_dir=tmp_path, _env_file=None)
    keys, clients = Keys(SecretBox([bytes(32)]), clock), Clients(settings)
    connections = Connections(database, clock, Audit(database, clock), keys=keys, clients=clients)
    await connections.start(None)
    return connections


@pytest.fixture
def delivery(database: Database, connections: Connections, clock: MovedClock, watch: Watch) -> DeliveryService:
    return DeliveryService(database, connections, clock, watch, name="test", longest_queue=1_000_000)


@pytest.fixture
def profiles(database: Database, clock: MovedClock, delivery: DeliveryService) -> Profiles:
    return Profiles(database, clock, delivery)


@pytest.fixture
def events(database: Database, clock: MovedClock, profiles: Profiles, delivery: DeliveryService) -> Events:
    return Events(database, clock, profiles, delivery, worker="test", longest_queue=1_000_000)
