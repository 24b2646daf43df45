"""New tokens for old ones: once, whoever asks and however many; and what is said when there are none any more."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ferrata.audit.schemas import SYSTEM
from ferrata.connections.schemas import Status
from ferrata.entry.wiring import Wiring
from ferrata.events.validation import event_from
from ferrata.kit.clock import MovedClock, SystemClock
from ferrata.klaviyo import KlaviyoError, NeedsReconnect, Transient
from klaviyo_sandbox.fault_presets import PRESETS, Effect
from klaviyo_sandbox.faults import Conditions, Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.switches import Switches
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.connections.eight import PROCESSES, Eight, read, ready
from tests.connections.oauth import Installed, given_installation, open_installed

pytestmark = pytest.mark.anyio
TOKEN = Conditions(path="/oauth/token")


@pytest.fixture
def klaviyo() -> Iterator[tuple[Sandbox, str]]:
    sandbox = Sandbox(seed=1, switches=Switches(limits=False, access_token_seconds=3600))
    with running(sandbox) as served:
        yield sandbox, served.url
    sandbox.close()


@pytest.fixture
async def installed(
    database_url: str, tmp_path: Path, klaviyo: tuple[Sandbox, str], anyio_backend: str
) -> AsyncIterator[Installed]:
    async with open_installed(database_url, tmp_path, SystemClock(), *klaviyo) as opened:
        yield opened


@pytest.fixture
async def moved(
    sqlite_template: Path, tmp_path: Path, clock: MovedClock, klaviyo: tuple[Sandbox, str], anyio_backend: str
) -> AsyncIterator[Installed]:
    """The same with a clock that tests move."""
    shutil.copy(sqlite_template, tmp_path / "ferrata.db")
    async with open_installed(f"sqlite:///{tmp_path / 'ferrata.db'}", tmp_path, clock, *klaviyo) as opened:
        await given_installation(opened.doors.wiring, opened.sandbox)
        yield opened


@pytest.fixture(scope="module")
def eight() -> Iterator[Eight]:
    with ready() as waiting:
        yield waiting


class TestEightProcesses:
    """Of one installation, on one database, at the same instant."""

    async def race(self, eight: Eight, installed: Installed, database_url: str, folder: Path) -> list[dict[str, str]]:
        values = {
            "klaviyo_base_url": installed.klaviyo,
            "oauth_client_id": "ferrata-app",
            "oauth_client_secret": "s3cret-of-the-app-which-nobody-sees",
            "allow_unsafe_database": True,
        }
        return await eight.race(database_url, folder, **values)

    async def test_that_find_the_token_expired_refresh_once(
        self, eight: Eight, installed: Installed, database_url: str, tmp_path: Path
    ) -> None:
        rotating = database_url.startswith("postgresql")  # as Klaviyo may; where it does not, the next test does
        installed.sandbox.switch(access_token_seconds=1, rotate_refresh_tokens=rotating)
        await given_installation(installed.doors.wiring, installed.sandbox)
        installed.sandbox.switch(access_token_seconds=3600)
        installed.sandbox.faults.add(Rule(effect=Effect(hang_seconds=1.0), match=TOKEN))
        await asyncio.sleep(1.1)
        told = await self.race(eight, installed, database_url, tmp_path)
        assert [list(each) for each in told] == [["used"]] * PROCESSES
        assert len({each["used"] for each in told}) == 1
        assert installed.token_calls() == 1
        kept = await installed.doors.wiring.oauth.installations.tokens(await the_id(installed))
        assert kept
        assert told[0]["used"] == f"Bearer {kept.access.reveal()}"

    async def test_that_are_refused_with_401_refresh_once(
        self, eight: Eight, installed: Installed, database_url: str, tmp_path: Path
    ) -> None:
        installed.sandbox.switch(rotate_refresh_tokens=database_url.startswith("sqlite"))
        await given_installation(installed.doors.wiring, installed.sandbox)
        installed.sandbox.state.execute("DELETE FROM oauth_access_tokens")
        told = await self.race(eight, installed, database_url, tmp_path)
        assert [list(each) for each in told] == [["used"]] * PROCESSES
        assert len({each["used"] for each in told}) == 1
        assert installed.token_calls() == 1
        assert [request.status for request in installed.requests("/api/accounts")].count(401) <= PROCESSES

    async def test_that_meet_an_uninstalled_app_ask_once_and_all_say_why(
        self, eight: Eight, installed: Installed, database_url: str, tmp_path: Path
    ) -> None:
        await given_installation(installed.doors.wiring, installed.sandbox)
        installed.sandbox.oauth.uninstall(installed.sandbox.oauth.installations()[0]["id"])
        told = await self.race(eight, installed, database_url, tmp_path)
        assert all("uninstalled" in each["in_vain"] for each in told)
        with pytest.raises(NeedsReconnect, match="uninstalled"):  # a ninth, later
            await read(installed.doors.wiring)
        assert installed.token_calls() == 1
        assert await shown(installed) is Status.DISCONNECTED


class TestARefresh:
    async def test_comes_before_expiry_and_keeps_the_rotated_pair(self, moved: Installed, clock: MovedClock) -> None:
        moved.sandbox.switch(rotate_refresh_tokens=True)
        first = await read(moved.doors.wiring)
        clock.advance(3600 - 301)
        assert await read(moved.doors.wiring) == first
        clock.advance(2)
        second = await read(moved.doors.wiring)
        assert second != first
        kept = await moved.doors.wiring.oauth.installations.tokens(await the_id(moved))
        assert kept and kept.refresh.reveal() == moved.sandbox.oauth.installations()[0]["refresh_token"]

    async def test_that_fails_does_no_harm_while_the_old_token_lives(self, moved: Installed, clock: MovedClock) -> None:
        await read(moved.doors.wiring)
        moved.sandbox.faults.add(Rule(effect=PRESETS["html_502"], match=TOKEN))
        clock.advance(3600 - 200)
        for _ in range(5):
            await read(moved.doors.wiring)
        assert moved.token_calls() == 1  # and then it rests
        moved.sandbox.faults.clear()
        clock.advance(201)
        await read(moved.doors.wiring)
        assert moved.token_calls() == 2
        seen = await moved.doors.wiring.oauth.installations.one(await the_id(moved))
        assert (seen.failure, seen.refreshes) == (None, 1)

    async def test_whose_answer_was_lost_goes_on_with_the_old_pair_where_that_still_works(
        self, moved: Installed, clock: MovedClock
    ) -> None:
        moved.sandbox.faults.add(Rule(effect=PRESETS["exec_reset"], match=TOKEN, times=1))
        clock.advance(3700)
        with pytest.raises(Transient):
            await read(moved.doors.wiring)
        clock.advance(130)
        await read(moved.doors.wiring)
        assert await shown(moved) is Status.CONNECTED

    async def test_whose_rotated_answer_was_lost_is_told_honestly(self, moved: Installed, clock: MovedClock) -> None:
        moved.sandbox.switch(rotate_refresh_tokens=True)
        moved.sandbox.faults.add(Rule(effect=PRESETS["exec_reset"], match=TOKEN, times=1))
        clock.advance(3700)
        with pytest.raises(Transient):
            await read(moved.doors.wiring)
        clock.advance(130)
        with pytest.raises(NeedsReconnect, match="broke off before what came of it was written"):
            await read(moved.doors.wiring)
        seen = await moved.doors.wiring.connections.connection("default")
        assert seen.status is Status.DISCONNECTED
        assert "Connect again" in (seen.detail or "")
        calls = moved.token_calls()
        with pytest.raises(NeedsReconnect):
            await read(moved.doors.wiring)
        assert moved.token_calls() == calls

    async def test_goes_on_when_its_caller_is_broken_off(self, moved: Installed, clock: MovedClock) -> None:
        moved.sandbox.switch(rotate_refresh_tokens=True)
        moved.sandbox.faults.add(Rule(effect=Effect(when="after", hang_seconds=0.4), match=TOKEN))
        clock.advance(3700)
        caller = asyncio.create_task(read(moved.doors.wiring))
        while moved.token_calls() == 0:
            await asyncio.sleep(0.02)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await moved.doors.wiring.oauth.close()
        await read(moved.doors.wiring)
        assert moved.token_calls() == 1

    async def test_with_a_wrong_secret_of_the_app_names_the_setting_and_loses_nothing(
        self, moved: Installed, clock: MovedClock
    ) -> None:
        app = moved.sandbox.oauth.find_app("ferrata-app")
        assert app
        moved.sandbox.oauth.register(type(app)(app.client_id, "another", app.name, app.key, app.redirect_uris, app.scopes))
        clock.advance(3700)
        with pytest.raises(NeedsReconnect, match="FERRATA_OAUTH_CLIENT_ID"):
            await read(moved.doors.wiring)
        moved.sandbox.oauth.register(app)
        clock.advance(130)
        await read(moved.doors.wiring)

    async def test_happens_daily_for_a_store_that_sends_nothing(self, moved: Installed, clock: MovedClock) -> None:
        assert await moved.doors.wiring.oauth.installations.use_all() == 0
        clock.advance(86_401)
        assert await moved.doors.wiring.oauth.installations.use_all() == 1
        moved.sandbox.oauth.uninstall(moved.sandbox.oauth.installations()[0]["id"])
        clock.advance(86_401)
        assert await moved.doors.wiring.oauth.installations.use_all() == 0
        assert await shown(moved) is Status.DISCONNECTED


DIES = """
import asyncio, sys
from pathlib import Path
from ferrata.entry.wiring import build
from tests.connections.eight import read
from tests.doors import settings
url, folder, klaviyo = sys.argv[1:]
made = settings(url, Path(folder), klaviyo_base_url=klaviyo, oauth_client_id="ferrata-app",
                oauth_client_secret="s3cret-of-the-app-which-nobody-sees", klaviyo_timeout_seconds=60)
asyncio.run(read(build(made, beside=True)))
"""


async def test_a_process_killed_between_klaviyos_answer_and_the_write_is_told_honestly(
    tmp_path: Path, sqlite_template: Path, klaviyo: tuple[Sandbox, str], anyio_backend: str
) -> None:
    file = tmp_path / "ferrata.db"
    file.write_bytes(sqlite_template.read_bytes())
    url, clock = f"sqlite:///{file}", MovedClock(datetime.now(UTC))
    sandbox, address = klaviyo
    sandbox.switch(access_token_seconds=1, rotate_refresh_tokens=True)
    async with open_installed(url, tmp_path, clock, sandbox, address) as opened:
        await given_installation(opened.doors.wiring, sandbox)
        sandbox.faults.add(Rule(effect=Effect(when="after", hang_seconds=30), match=TOKEN, times=1))
        await asyncio.sleep(1.1)
        victim = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES, url, str(tmp_path), address)
        try:
            while opened.token_calls() == 0:
                await asyncio.sleep(0.1)
        finally:
            os.kill(victim.pid, signal.SIGKILL)
            await victim.wait()
        clock.advance(2)
        reading = asyncio.create_task(read(opened.doors.wiring))
        while not reading.done():  # slowly, so that the claim cannot run out before patience does
            await asyncio.sleep(0.02)
            clock.advance(0.25)
        with pytest.raises(KlaviyoError):  # while the claim of the dead lasts, nobody else asks
            await reading
        assert opened.token_calls() == 1
        clock.advance(60)
        with pytest.raises(NeedsReconnect, match="broke off before what came of it was written"):
            await read(opened.doors.wiring)
        assert opened.token_calls() == 2
        assert await shown(opened) is Status.DISCONNECTED


class TestDelivery:
    async def test_parks_when_the_app_is_uninstalled_and_drains_when_connected_again(self, installed: Installed) -> None:
        wiring = installed.doors.wiring
        await given_installation(wiring, installed.sandbox)
        async with working(wiring):
            await delivered(wiring, await accept(wiring, range(3)))
            installed.sandbox.oauth.uninstall(installed.sandbox.oauth.installations()[0]["id"])
            ids = await accept(wiring, range(3, 8))

            async def parked() -> bool:
                [lane] = [lane for lane in await wiring.delivery.lanes("default") if lane.waiting + lane.sending]
                return lane.parked_code == "key_refused"

            await until(parked)
            seen = await wiring.connections.connection("default")
            assert seen.status is Status.DISCONNECTED
            assert "Connect again" in (seen.detail or "")
            calls = installed.token_calls()
            assert calls == 1
            browser = await installed.doors.administrator()
            assert "uninstalled" in (await browser.get("/ui/stores/default/connect/oauth")).text
            assert (await installed.connect(browser)).status_code == 303
            await delivered(wiring, ids)
        assert sorted(stored(installed)) == sorted(f"oauth-{number}" for number in range(8))
        assert (await wiring.connections.connection("default")).status is Status.CONNECTED

    async def test_keeps_every_event_from_key_to_oauth_and_back(self, installed: Installed) -> None:
        wiring = installed.doors.wiring
        await wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM, test=False)
        async with working(wiring):
            ids = await accept(wiring, range(30))
            await given_installation(wiring, installed.sandbox)
            ids += await accept(wiring, range(30, 60))
            await wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM, test=False)
            ids += await accept(wiring, range(60, 90))
            await delivered(wiring, ids)
        assert sorted(stored(installed)) == sorted(f"oauth-{number}" for number in range(90))


async def the_id(installed: Installed) -> str:
    seen = await installed.doors.wiring.oauth.installations.of_store("default")
    assert seen
    return seen.id


async def shown(installed: Installed) -> Status:
    return (await installed.doors.wiring.connections.connection("default")).status


async def accept(wiring: Wiring, numbers: range) -> list[str]:
    now = wiring.clock.now()
    bodies = [{"eventName": "Viewed Product", "eventId": f"oauth-{n}", "email": f"p{n}@shop.test"} for n in numbers]
    receipts = await wiring.events.accept("default", [event_from(body, now) for body in bodies], "api")
    return [receipt.event.id for receipt in receipts]


def stored(installed: Installed) -> list[str]:
    return [effect["unique_id"] for effect in installed.sandbox.effects(kind="event_stored")]


async def delivered(wiring: Wiring, ids: list[str]) -> None:
    async def all_there() -> bool:
        return all(found.state == "delivered" for found in (await wiring.delivery.states(ids)).values())

    await until(all_there)


async def until(holds: Any, seconds: float = 20) -> None:
    for _ in range(int(seconds / 0.1)):
        if await holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"did not come true within {timedelta(seconds=seconds)}")


@asynccontextmanager
async def working(wiring: Wiring) -> AsyncIterator[None]:
    """A worker that delivers for as long as this is open."""
    wiring.delivery.worker = wiring.worker
    running_worker = asyncio.create_task(wiring.worker.run())
    try:
        yield
    finally:
        wiring.worker.stop()
        await running_worker
