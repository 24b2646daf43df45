"""The master key is changed: both are good meanwhile, everything is encrypted anew, and the old one is needed no more."""

from pathlib import Path

import httpx2
import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.connections.schemas import Credential
from ferrata.entry.tables import metadata
from ferrata.entry.wiring import Wiring, build
from ferrata.infra.crypto import Undecryptable, generate_key
from ferrata.infra.resealing import sealed_by_key
from ferrata.kit.clock import MovedClock
from tests.connections.conftest import KEY, OTHER_KEY, Klaviyo
from tests.doors import settings

pytestmark = pytest.mark.anyio
OLD, NEW = generate_key(), generate_key()


def opened(url: str, folder: Path, clock: MovedClock, klaviyo: Klaviyo, master_key: str) -> Wiring:
    made = settings(url, folder, allow_unsafe_database=True, master_key=master_key)
    return build(made, clock=clock, transport=httpx2.MockTransport(klaviyo.answer))


async def test_reaches_every_secret_of_every_room(
    database_url: str, tmp_path: Path, clock: MovedClock, klaviyo: Klaviyo, anyio_backend: str
) -> None:
    before = opened(database_url, tmp_path, clock, klaviyo, OLD)
    await before.start()
    await before.connections.set_private_key("default", KEY, actor=SYSTEM)
    await before.connections.connecting.rotate("default", OTHER_KEY, actor=SYSTEM)
    salt = await before.sources.configurations._salt("default")
    carts = await before.carts._read("default")
    await before.close()

    both = opened(database_url, tmp_path, clock, klaviyo, f"{NEW},{OLD}")
    await both.start()
    assert await _keys(both) == [OTHER_KEY, KEY]
    count = await both.connections.reseal_all(actor=SYSTEM)
    count += await both.sources.configurations.reseal_all() + await both.carts.reseal_all()
    assert count == 4
    found = await both.database.read(lambda connection: sealed_by_key(connection, metadata))
    assert set(found) == {both.box.current_key_id}
    assert await both.connections.reseal_all(actor=SYSTEM) == 0
    await both.close()

    after = opened(database_url, tmp_path, clock, klaviyo, NEW)
    await after.start()
    assert await _keys(after) == [OTHER_KEY, KEY]
    assert await after.sources.configurations._salt("default") == salt
    assert (await after.carts._read("default")).secret == carts.secret
    await after.close()

    gone = opened(database_url, tmp_path, clock, klaviyo, OLD)
    with pytest.raises(Undecryptable):
        await gone.start()
    await gone.close()


async def _keys(wiring: Wiring) -> list[str]:
    """The key in use and the one that retires, as they decrypt."""
    connections = wiring.connections
    now = await connections.credential("default")
    assert now
    before = await connections.rotation.alive("default", now.quota_id)
    return [await _plain(now), await _plain(before)]


async def _plain(credential: Credential | None) -> str:
    assert credential
    return (await credential.auth.authorization()).removeprefix("Klaviyo-API-Key ")
