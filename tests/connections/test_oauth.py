"""Connecting by OAuth: the state that belongs to one person, session and store, and what comes of Klaviyo's answer."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import pytest
from sqlalchemy import text

from ferrata.access.schemas import AT_THE_SERVER, Right, Role
from ferrata.audit.schemas import SYSTEM, AuditFilter
from ferrata.connections.oauth_app import CALLBACK
from ferrata.connections.schemas import Held, Method, Status
from ferrata.entry.tables import metadata
from ferrata.kit.clock import MovedClock
from klaviyo_sandbox.fault_presets import PRESETS
from klaviyo_sandbox.faults import Conditions, Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.switches import Switches
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.access.people import person, second_store, sign_in
from tests.connections.oauth import ACCOUNT, CLIENT_SECRET, CONNECT, SCOPES, Installed, open_installed
from tests.doors import PASSWORD

pytestmark = pytest.mark.anyio


@pytest.fixture
def klaviyo() -> Iterator[tuple[Sandbox, str]]:
    sandbox = Sandbox(seed=1, switches=Switches(limits=False))
    with running(sandbox) as served:
        yield sandbox, served.url
    sandbox.close()


@pytest.fixture
async def installed(
    sqlite_template: Path, tmp_path: Path, clock: MovedClock, klaviyo: tuple[Sandbox, str], anyio_backend: str
) -> AsyncIterator[Installed]:
    shutil.copy(sqlite_template, tmp_path / "ferrata.db")
    async with open_installed(f"sqlite:///{tmp_path / 'ferrata.db'}", tmp_path, clock, *klaviyo) as opened:
        yield opened


@pytest.fixture
async def on_each_engine(
    database_url: str, tmp_path: Path, clock: MovedClock, klaviyo: tuple[Sandbox, str], anyio_backend: str
) -> AsyncIterator[Installed]:
    """For what asks something of the database that the two could answer differently."""
    async with open_installed(database_url, tmp_path, clock, *klaviyo) as opened:
        yield opened


async def status(installed: Installed, store: str = "default") -> tuple[Status, Method | None]:
    seen = await installed.doors.wiring.connections.connection(store)
    return seen.status, seen.method


async def second_person(installed: Installed) -> httpx2.AsyncClient:
    access = installed.doors.wiring.access
    await access.people.create("otto@example.com", "Otto", PASSWORD, Role.ADMINISTRATOR, actor=SYSTEM)
    return await signed_in(installed, "otto@example.com")


async def signed_in(installed: Installed, email: str) -> httpx2.AsyncClient:
    browser = installed.doors.browser("192.0.2.7")
    answer = await browser.post("/sign-in", data={"email": email, "password": PASSWORD})
    assert answer.status_code == 303
    return browser


class TestConsent:
    async def test_connects_the_store_with_pkce_and_says_what_was_given(self, on_each_engine: Installed) -> None:
        browser = await on_each_engine.doors.administrator()
        asked = await on_each_engine.begin(browser)
        assert asked["code_challenge_method"] == "S256"
        assert set(asked["scope"].split()) == set(SCOPES.split())
        assert asked["redirect_uri"] == "http://ferrata.test" + CALLBACK
        back = await browser.get(await on_each_engine.consent(asked))
        assert (back.status_code, back.headers["location"]) == (303, "/ui/stores/default/connect/metric")
        assert await status(on_each_engine) == (Status.CONNECTED, Method.OAUTH)
        page = (await browser.get(CONNECT)).text
        assert "Connected by OAuth to Sandbox Shop" in page
        assert "catalogs:write" in page
        seen = await on_each_engine.doors.wiring.connections.connection("default")
        assert set(seen.scopes.values()) == {Held.PRESENT}
        credential = await on_each_engine.doors.wiring.connections.credential("default")
        assert credential and credential.quota_id.startswith("oauth:")
        answer = await on_each_engine.doors.wiring.connections.client(credential).read("GET /api/accounts")
        assert answer.many()[0].id == ACCOUNT

    async def test_that_is_refused_changes_nothing_and_is_explained(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        await installed.doors.wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM, test=False)
        location = await installed.consent(await installed.begin(browser), "deny")
        assert dict(parse_qsl(urlsplit(location).query))["error"] == "access_denied"
        answer = await browser.get(location)
        assert answer.status_code == 422
        assert "Access was not given on Klaviyo&#39;s page. Nothing was changed." in answer.text
        assert await status(installed) == (Status.CONNECTED, Method.PRIVATE_KEY)
        assert installed.token_calls() == 0

    async def test_of_fewer_scopes_is_kept_and_says_what_lacks(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        asked = await installed.begin(browser)
        await browser.get(await installed.consent({**asked, "scope": "events:read events:write"}))
        page = (await browser.get(CONNECT)).text
        assert "Klaviyo did not grant catalogs:read" in page
        assert "Lacking" in page

    async def test_is_kept_although_the_account_cannot_be_read_now(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        asked = await installed.begin(browser)
        location = await installed.consent(asked)
        installed.sandbox.faults.add(Rule(effect=PRESETS["server_error"], match=Conditions(path="/api/accounts")))
        assert (await browser.get(location)).status_code == 303
        seen = await installed.doors.wiring.connections.connection("default")
        assert (seen.status, seen.account_id) == (Status.CONNECTED, None)
        assert "could not say yet for which account" in (seen.detail or "")
        installed.sandbox.faults.clear()
        tested = await installed.doors.wiring.connections.test("default", actor=SYSTEM)
        assert tested.account_id == ACCOUNT

    async def test_for_a_second_store_of_the_account_shares_the_installation(self, on_each_engine: Installed) -> None:
        connections = on_each_engine.doors.wiring.connections
        await connections.registry.create("second", "Second", actor=SYSTEM)
        browser = await on_each_engine.doors.administrator()
        await on_each_engine.connect(browser)
        first = await connections.credential("default")
        await on_each_engine.connect(browser, "second")
        second = await connections.credential("second")
        assert first and second and first.quota_id == second.quota_id
        await connections.client(first).read("GET /api/accounts")  # its token was replaced: renewed from what is kept
        await connections.disconnect("second", SYSTEM)
        assert (await on_each_engine.doors.wiring.oauth.installations.of_store("default")) is not None
        await on_each_engine.doors.wiring.oauth.installations.revoke_due()
        assert on_each_engine.requests("/oauth/revoke") == []
        await connections.client(first).read("GET /api/accounts")

    async def test_for_another_account_than_the_connected_one_is_handed_back(self, on_each_engine: Installed) -> None:
        """What waits would go to the wrong account."""
        connections = on_each_engine.doors.wiring.connections
        on_each_engine.sandbox.tenants.add_account("OTHERA", name="Other Shop", now=0)
        await connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM)
        browser = await on_each_engine.doors.administrator()
        location = await on_each_engine.consent(await on_each_engine.begin(browser), account="OTHERA")
        refused = await browser.get(location)
        assert refused.status_code == 409
        assert "connected to Sandbox Shop. Nothing was changed" in refused.text
        assert await status(on_each_engine) == (Status.CONNECTED, Method.PRIVATE_KEY)
        await on_each_engine.doors.wiring.oauth.close()
        assert [row["revoked"] for row in on_each_engine.sandbox.oauth.installations()] == [1]
        assert (await on_each_engine.connect(browser)).status_code == 303
        assert await status(on_each_engine) == (Status.CONNECTED, Method.OAUTH)

    async def test_for_the_account_of_another_store_takes_nothing_from_that(self, installed: Installed) -> None:
        connections = installed.doors.wiring.connections
        installed.sandbox.tenants.add_account("OTHERA", name="Other Shop", now=0)
        await connections.registry.create("second", "Second", actor=SYSTEM)
        browser = await installed.doors.administrator()
        await browser.get(await installed.consent(await installed.begin(browser, "second"), account="OTHERA"))
        await installed.connect(browser)
        refused = await browser.get(await installed.consent(await installed.begin(browser), account="OTHERA"))
        assert refused.status_code == 409
        await installed.doors.wiring.oauth.close()
        assert installed.requests("/oauth/revoke") == []
        second = await connections.credential("second")
        assert second
        await connections.client(second).read("GET /api/accounts")

    async def test_while_the_account_cannot_be_read_does_not_move_a_connected_store(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        await installed.connect(browser)
        location = await installed.consent(await installed.begin(browser))
        installed.sandbox.faults.add(Rule(effect=PRESETS["server_error"], match=Conditions(path="/api/accounts")))
        assert (await browser.get(location)).status_code == 503
        assert (await installed.doors.wiring.connections.connection("default")).account_id == ACCOUNT


class TestTheState:
    async def test_is_good_once(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        location = await installed.consent(await installed.begin(browser))
        assert (await browser.get(location)).status_code == 303
        calls = installed.token_calls()
        again = await browser.get(location)
        assert again.status_code == 400
        assert "belongs to no connecting that is under way" in again.text
        assert installed.token_calls() == calls
        assert await status(installed) == (Status.CONNECTED, Method.OAUTH)

    async def test_is_good_once_for_eight_at_a_time(self, on_each_engine: Installed) -> None:
        browser = await on_each_engine.doors.administrator()
        location = await on_each_engine.consent(await on_each_engine.begin(browser))
        answers = await asyncio.gather(*(browser.get(location) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [303] + [400] * 7
        assert on_each_engine.token_calls() == 1

    async def test_expires_after_ten_minutes(self, installed: Installed, clock: MovedClock) -> None:
        browser = await installed.doors.administrator()
        location = await installed.consent(await installed.begin(browser))
        clock.advance(601)
        assert (await browser.get(location)).status_code == 400
        assert (await status(installed))[0] is Status.NOT_CONFIGURED
        assert installed.token_calls() == 0

    @pytest.mark.parametrize("state", ["", "x" * 43, "é", "' OR 1=1 --"])
    async def test_that_was_never_given_is_refused(self, installed: Installed, state: str) -> None:
        browser = await installed.doors.administrator()
        answer = await browser.get(f"{CALLBACK}?{urlencode({'state': state, 'code': 'anything'})}")
        assert answer.status_code == 400
        assert installed.token_calls() == 0
        await installed.doors.wiring.audit.write_refusals()
        [record] = (await installed.doors.wiring.audit.page(AuditFilter(refused=True))).rows
        assert (record.after["code"], record.target) == ("oauth_state_unknown", f"GET {CALLBACK}")

    async def test_of_another_person_is_refused_used_up_and_noted(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        location = await installed.consent(await installed.begin(browser))
        stranger = await second_person(installed)
        answer = await stranger.get(location)
        assert answer.status_code == 403
        assert "begun by somebody else or in another browser" in answer.text
        assert (await browser.get(location)).status_code == 400
        assert installed.token_calls() == 0
        records = (await installed.doors.wiring.audit.newest()).rows
        assert "connections.oauth_refused" in [record.action for record in records]

    async def test_of_another_session_of_the_same_person_is_refused(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        location = await installed.consent(await installed.begin(browser))
        elsewhere = await signed_in(installed, "mira@example.com")
        assert (await elsewhere.get(location)).status_code == 403
        assert (await status(installed))[0] is Status.NOT_CONFIGURED

    async def test_connects_the_store_it_was_made_for_whatever_the_address_says(self, installed: Installed) -> None:
        await installed.doors.wiring.connections.registry.create("second", "Second", actor=SYSTEM)
        browser = await installed.doors.administrator()
        location = await installed.consent(await installed.begin(browser))
        await browser.get(location + "&store=second&store_id=second", headers={"Ferrata-Store": "default"})
        assert (await status(installed))[0] is Status.CONNECTED
        assert (await status(installed, "second"))[0] is Status.NOT_CONFIGURED

    async def test_does_not_help_who_lost_the_right_meanwhile(self, installed: Installed) -> None:
        await installed.doors.administrator()
        browser = await second_person(installed)
        location = await installed.consent(await installed.begin(browser))
        people = installed.doors.wiring.access.people
        [otto] = [person for person in await people.all() if person.email == "otto@example.com"]
        await people.remove(otto.id, by=AT_THE_SERVER)
        answer = await browser.get(location, headers={"accept": "application/json"})
        assert answer.status_code == 401
        assert (await status(installed))[0] is Status.NOT_CONFIGURED
        assert installed.token_calls() == 0

    async def test_is_for_whoever_may_manage_that_very_store_when_it_comes_back(self, installed: Installed) -> None:
        await installed.doors.administrator()
        second = await second_store(installed.doors)
        somebody = await person(installed.doors, "Olga", default="admin", second="viewer")
        browser = await sign_in(installed.doors, somebody)
        assert (await browser.post(f"/ui/stores/{second}/connect/oauth")).status_code == 403
        location = await installed.consent(await installed.begin(browser))
        members = installed.doors.wiring.access.members
        await members.change_role("default", somebody.id, "viewer", by=AT_THE_SERVER)
        refused = await browser.get(location)
        assert (refused.status_code, refused.json()["code"]) == (403, "lacks_right")
        assert installed.token_calls() == 0
        assert (await status(installed))[0] is Status.NOT_CONFIGURED
        await members.change_role("default", somebody.id, "admin", by=AT_THE_SERVER)
        browser.cookies.set("ferrata_store", second)
        assert (await installed.connect(browser)).status_code == 303
        assert (await status(installed))[0] is Status.CONNECTED
        assert (await status(installed, second))[0] is Status.NOT_CONFIGURED

    async def test_takes_no_code_that_was_given_for_another(self, installed: Installed) -> None:
        """A code that somebody else obtained is put into an answer with a good state: its proof is another one."""
        browser = await installed.doors.administrator()
        other = await second_person(installed)
        theirs = await installed.consent(await installed.begin(other))
        mine = await installed.consent(await installed.begin(browser))
        code = dict(parse_qsl(urlsplit(theirs).query))["code"]
        state = dict(parse_qsl(urlsplit(mine).query))["state"]
        answer = await browser.get(f"{CALLBACK}?{urlencode({'state': state, 'code': code})}")
        assert answer.status_code == 422
        assert "Klaviyo did not take the code" in answer.text
        assert (await status(installed))[0] is Status.NOT_CONFIGURED

    async def test_ends_with_the_connection_that_it_was_to_replace(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        await installed.connect(browser)
        location = await installed.consent(await installed.begin(browser))
        await installed.doors.wiring.connections.disconnect("default", SYSTEM)
        assert (await browser.get(location)).status_code == 400
        assert (await status(installed))[0] is Status.NOT_CONFIGURED
        assert (await installed.connect(browser)).status_code == 303

    async def test_is_not_given_to_a_token_or_to_nobody(self, installed: Installed) -> None:
        headers = await installed.doors.token(Right.CONNECTIONS_MANAGE)
        answer = await installed.doors.client.post("/api/store/default/klaviyo-oauth", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "needs_person")
        assert (await installed.doors.client.get(f"{CALLBACK}?state=x&code=y", headers=headers)).status_code == 403
        assert (await installed.doors.client.post(CONNECT)).status_code == 401


class TestTheTokenEndpoint:
    @pytest.mark.parametrize(
        ("preset", "expected"),
        [
            ("unavailable", 503),
            ("html_502", 503),
            ("garbage", 503),
            ("exec_reset", 503),
            ("exec_html", 503),
            ("bad_request", 422),
        ],
    )
    async def test_that_fails_changes_nothing_and_says_so(self, installed: Installed, preset: str, expected: int) -> None:
        browser = await installed.doors.administrator()
        await installed.doors.wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM, test=False)
        location = await installed.consent(await installed.begin(browser))
        installed.sandbox.faults.add(Rule(effect=PRESETS[preset], match=Conditions(path="/oauth/token")))
        answer = await browser.get(location)
        assert answer.status_code == expected, answer.text
        assert "Nothing was changed; begin again" in answer.text
        assert await status(installed) == (Status.CONNECTED, Method.PRIVATE_KEY)
        installed.sandbox.faults.clear()
        assert (await installed.connect(browser)).status_code == 303
        assert await status(installed) == (Status.CONNECTED, Method.OAUTH)


class TestSecrets:
    async def test_stand_in_no_table_page_answer_or_log(self, installed: Installed, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        browser = await installed.doors.administrator()
        seen = [await installed.connect(browser)]
        [row] = installed.sandbox.oauth.installations()
        access = [r["token"] for r in installed.sandbox.state.all("SELECT token FROM oauth_access_tokens")]
        secrets = [row["refresh_token"], *access, CLIENT_SECRET]
        headers = await installed.doors.token(Right.CONNECTIONS_READ)
        for path in (CONNECT, "/ui/stores/default/connection", "/ui/stores/default/connect/oauth"):
            seen.append(await browser.get(path))
        seen.append(await installed.doors.client.get("/api/store/default/klaviyo-oauth", headers=headers))
        assert seen[-1].json()["installation"]["accountId"] == ACCOUNT
        connections = installed.doors.wiring.connections
        credential = await connections.credential("default")
        told = [answer.text + str(answer.headers) for answer in seen] + [repr(credential), caplog.text]

        def dump(connection: object) -> str:
            return "\n".join(str(connection.execute(text(f"SELECT * FROM {name}")).all()) for name in metadata.tables)  # type: ignore[attr-defined]

        told.append(await installed.doors.wiring.database.read(dump))
        for secret in secrets:
            assert [place[:200] for place in told if secret in place] == []

    async def test_are_encrypted_anew_with_a_new_master_key(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        await installed.connect(browser)
        assert await installed.doors.wiring.connections.reseal_all(actor=SYSTEM) == 0


class TestLeaving:
    async def test_withdraws_the_access_at_klaviyo(self, on_each_engine: Installed) -> None:
        browser = await on_each_engine.doors.administrator()
        await on_each_engine.connect(browser)
        await on_each_engine.doors.wiring.connections.disconnect("default", SYSTEM)
        await on_each_engine.doors.wiring.oauth.close()
        assert [request.status for request in on_each_engine.requests("/oauth/revoke")] == [200]
        [row] = on_each_engine.sandbox.oauth.installations()
        assert row["revoked"]
        assert await on_each_engine.doors.wiring.oauth.installations.revoke_due() == 0

    async def test_is_tried_again_when_klaviyo_cannot_be_asked(self, installed: Installed, clock: MovedClock) -> None:
        browser = await installed.doors.administrator()
        await installed.connect(browser)
        installed.sandbox.faults.add(Rule(effect=PRESETS["unavailable"], match=Conditions(path="/oauth/revoke"), times=1))
        await installed.doors.wiring.connections.disconnect("default", SYSTEM)
        await installed.doors.wiring.oauth.close()
        assert not installed.sandbox.oauth.installations()[0]["revoked"]
        clock.advance(3601)
        assert await installed.doors.wiring.oauth.installations.revoke_due() == 1
        assert installed.sandbox.oauth.installations()[0]["revoked"]

    async def test_for_a_key_withdraws_it_too(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        await installed.connect(browser)
        await installed.doors.wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM, test=False)
        await installed.doors.wiring.oauth.close()
        assert len(installed.requests("/oauth/revoke")) == 1

    async def test_and_coming_back_keeps_the_new_access(self, installed: Installed) -> None:
        browser = await installed.doors.administrator()
        await installed.connect(browser)
        installed.sandbox.faults.add(Rule(effect=PRESETS["unavailable"], match=Conditions(path="/oauth/revoke")))
        await installed.doors.wiring.connections.disconnect("default", SYSTEM)
        await installed.doors.wiring.oauth.close()
        installed.sandbox.faults.clear()
        await installed.connect(browser)
        assert await installed.doors.wiring.oauth.installations.revoke_due() == 0
        credential = await installed.doors.wiring.connections.credential("default")
        assert credential
        await installed.doors.wiring.connections.client(credential).read("GET /api/accounts")
