"""Signing in, staying signed in, and guessing."""

import pytest
from sqlalchemy import text

from ferrata.access.schemas import AT_THE_SERVER, Role
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from tests.doors import ADMINISTRATOR, PASSWORD, Doors

pytestmark = pytest.mark.anyio
WRONG = {"email": ADMINISTRATOR, "password": "wrong wrong wrong"}
RIGHT = {"email": ADMINISTRATOR, "password": PASSWORD}


class TestTheFirstAdministrator:
    async def test_is_made_once_with_the_printed_token(self, doors: Doors) -> None:
        issued = await doors.wiring.access.first_administrator.issue_token()
        assert issued
        form = {"token": issued[0], "email": "Mira@Example.com ", "name": "Mira", "password": PASSWORD}
        assert (await doors.browser().post("/setup", data=form)).status_code == 303
        again = await doors.browser().post("/setup", data=form | {"email": "eve@example.com"})
        assert again.status_code == 403
        people = await doors.wiring.access.people.all()
        assert [(person.email, person.role) for person in people] == [(ADMINISTRATOR, Role.ADMINISTRATOR)]

    async def test_cannot_be_made_with_any_other_token_that_was_printed_before(self, doors: Doors) -> None:
        first = await doors.wiring.access.first_administrator.issue_token()
        second = await doors.wiring.access.first_administrator.issue_token()
        assert first and second and first[0] != second[0]
        form = {"email": ADMINISTRATOR, "password": PASSWORD}
        assert (await doors.browser().post("/setup", data=form | {"token": second[0]})).status_code == 303
        assert (await doors.browser().post("/setup", data=form | {"token": first[0]})).status_code == 403
        assert await doors.wiring.access.first_administrator.issue_token() is None

    async def test_is_refused_after_a_day_and_with_a_wrong_token(self, doors: Doors, clock: MovedClock) -> None:
        issued = await doors.wiring.access.first_administrator.issue_token()
        assert issued
        form = {"email": ADMINISTRATOR, "password": PASSWORD}
        for token in ("", "guess", issued[0][:-1]):
            assert (await doors.browser().post("/setup", data=form | {"token": token})).status_code == 403
        clock.advance(24 * 3_600)
        assert (await doors.browser().post("/setup", data=form | {"token": issued[0]})).status_code == 403
        assert await doors.wiring.access.people.count() == 0

    async def test_keeps_the_token_good_when_the_password_is_weak(self, doors: Doors) -> None:
        issued = await doors.wiring.access.first_administrator.issue_token()
        assert issued
        form = {"token": issued[0], "email": ADMINISTRATOR, "password": "short"}
        refused = await doors.browser().post("/setup", data=form)
        assert refused.status_code == 400
        assert "12 to 256 characters" in refused.text
        assert (await doors.browser().post("/setup", data=form | {"password": PASSWORD})).status_code == 303

    async def test_is_where_everybody_is_led_while_there_is_nobody(self, doors: Doors) -> None:
        for path in ("/", "/sign-in"):
            assert (await doors.browser().get(path)).headers["location"] == "/setup"
        await doors.administrator()
        assert (await doors.browser().get("/setup")).headers["location"] == "/sign-in"


class TestSigningIn:
    async def test_leads_back_to_the_page_that_was_wanted(self, doors: Doors) -> None:
        await doors.administrator()
        browser = doors.browser()
        asked = await browser.get("/ui/settings/tokens?store=default")
        assert asked.headers["location"] == "/sign-in?next=/ui/settings/tokens%3Fstore%3Ddefault"
        answer = await browser.post("/sign-in", data=RIGHT | {"next": "/ui/settings/tokens?store=default"})
        assert answer.headers["location"] == "/ui/settings/tokens?store=default"
        assert (await browser.get(answer.headers["location"])).status_code == 200

    @pytest.mark.parametrize(
        "next_", ["//evil.example", "/\\evil.example", "https://evil.example", "/ui\r\nx: y", "javascript:x"]
    )
    async def test_never_leads_to_another_site(self, doors: Doors, next_: str) -> None:
        await doors.administrator()
        answer = await doors.browser().post("/sign-in", data=RIGHT | {"next": next_})
        assert answer.headers["location"] == "/ui"

    async def test_says_the_same_whether_or_not_there_is_such_an_account(self, doors: Doors) -> None:
        await doors.administrator()
        known = await doors.browser().post("/sign-in", data=WRONG)
        unknown = await doors.browser().post("/sign-in", data=WRONG | {"email": "nobody@example.com"})
        assert known.status_code == unknown.status_code == 401
        assert known.text.replace(ADMINISTRATOR, "") == unknown.text.replace("nobody@example.com", "")

    async def test_gives_a_cookie_that_scripts_and_other_sites_do_not_get(self, doors: Doors) -> None:
        await doors.administrator()
        answer = await doors.browser().post("/sign-in", data=RIGHT)
        for cookie in answer.headers.get_list("set-cookie"):
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
            assert "Path=/" in cookie

    async def test_gives_another_secret_each_time(self, doors: Doors) -> None:
        browser = await doors.administrator()
        before = browser.cookies["ferrata_session"]
        await browser.post("/sign-in", data=RIGHT)
        assert browser.cookies["ferrata_session"] != before

    async def test_keeps_neither_password_nor_cookie_in_the_database(self, doors: Doors) -> None:
        browser = await doors.administrator()

        def everything(connection: object) -> str:
            tables = ("people", "sessions", "known_browsers", "audit_records", "setup_tokens")
            return repr([connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables])  # type: ignore[attr-defined]

        kept = await doors.wiring.database.read(everything)
        assert "argon2id" in kept
        for secret in (PASSWORD, *browser.cookies.values()):
            assert secret not in kept


class TestASession:
    async def test_ends_with_signing_out(self, doors: Doors) -> None:
        browser = await doors.administrator()
        cookie = browser.cookies["ferrata_session"]
        assert (await browser.get("/ui/settings/members")).status_code == 200
        await browser.post("/sign-out")
        assert (await doors.browser(cookie=f"ferrata_session={cookie}").get("/ui/settings/members")).status_code == 303

    async def test_ends_with_another_password(self, doors: Doors) -> None:
        browser = await doors.administrator()
        person = await doors.wiring.access.people.by_email(ADMINISTRATOR)
        await doors.wiring.access.people.set_password(person, "another long password", actor=SYSTEM)
        assert (await browser.get("/ui/settings/members")).status_code == 303

    async def test_ends_with_another_role_and_with_removal(self, doors: Doors) -> None:
        await doors.administrator()
        people = doors.wiring.access.people
        reader = await people.create("rita@example.com", "Rita", PASSWORD, Role.ADMINISTRATOR, actor=SYSTEM)
        for change in (people.set_role(reader.id, Role.READER, by=AT_THE_SERVER), people.remove(reader.id, by=AT_THE_SERVER)):
            browser = doors.browser()
            await browser.post("/sign-in", data={"email": reader.email, "password": PASSWORD})
            assert (await browser.get("/ui/settings/members")).status_code == 200
            await change
            assert (await browser.get("/ui/settings/members")).status_code == 303

    async def test_ends_after_a_week_without_use_and_after_thirty_days_in_any_case(self, doors: Doors, clock: MovedClock) -> None:
        browser = await doors.administrator()
        for _ in range(4):
            clock.advance(7 * 86_400 - 1)
            assert (await browser.get("/ui/settings/members")).status_code == 200
        clock.advance(2 * 86_400 + 4)
        assert (await browser.get("/ui/settings/members")).status_code == 303
        await browser.post("/sign-in", data=RIGHT)
        clock.advance(7 * 86_400 + 1)
        assert (await browser.get("/ui/settings/members")).status_code == 303

    async def test_can_be_ended_from_the_page_of_people(self, doors: Doors) -> None:
        browser, other = await doors.administrator(), doors.browser()
        await other.post("/sign-in", data=RIGHT)
        sessions = await doors.wiring.access.sessions.all()
        page = await browser.get("/ui/settings/people")
        assert all(session.id in page.text for session in sessions)
        ended = max(sessions, key=lambda session: session.id)
        assert (await browser.post(f"/ui/settings/sessions/{ended.id}/end")).status_code == 303
        assert (await other.get("/ui/settings/members")).status_code == 303
        assert (await browser.get("/ui/settings/members")).status_code == 200


class TestGuessing:
    async def test_stops_after_ten_for_one_account_from_many_addresses(self, doors: Doors, clock: MovedClock) -> None:
        await doors.administrator()
        for number in range(10):
            assert (await doors.browser(f"198.51.100.{number}").post("/sign-in", data=WRONG)).status_code == 401
        stopped = await doors.browser("198.51.100.99").post("/sign-in", data=RIGHT)
        assert stopped.status_code == 429
        assert int(stopped.headers["retry-after"]) == 900
        clock.advance(900)
        assert (await doors.browser("198.51.100.99").post("/sign-in", data=RIGHT)).status_code == 303

    async def test_stops_after_ten_from_one_address_for_many_accounts(self, doors: Doors) -> None:
        await doors.administrator()
        browser = doors.browser("198.51.100.1")
        for number in range(10):
            assert (await browser.post("/sign-in", data=WRONG | {"email": f"a{number}@example.com"})).status_code == 401
        assert (await browser.post("/sign-in", data=RIGHT)).status_code == 429

    async def test_counts_an_ipv6_household_as_one_address(self, doors: Doors) -> None:
        await doors.administrator()
        for number in range(10):
            browser = doors.browser(f"2001:db8:1:2::{number}")
            assert (await browser.post("/sign-in", data=WRONG | {"email": f"a{number}@example.com"})).status_code == 401
        assert (await doors.browser("2001:db8:1:2:ffff::1").post("/sign-in", data=RIGHT)).status_code == 429

    async def test_on_purpose_does_not_lock_the_owner_out(self, doors: Doors) -> None:
        owner = await doors.administrator()
        await owner.post("/sign-out")
        for number in range(10):
            await doors.browser(f"198.51.100.{number}").post("/sign-in", data=WRONG)
        assert (await doors.browser().post("/sign-in", data=RIGHT)).status_code == 429
        assert (await owner.post("/sign-in", data=RIGHT)).status_code == 303

    async def test_is_limited_in_a_known_browser_too(self, doors: Doors) -> None:
        owner = await doors.administrator()
        for _ in range(10):
            assert (await owner.post("/sign-in", data=WRONG)).status_code == 401
        assert (await owner.post("/sign-in", data=RIGHT)).status_code == 429

    async def test_that_was_refused_does_not_prolong_the_wait(self, doors: Doors, clock: MovedClock) -> None:
        await doors.administrator()
        browser = doors.browser("198.51.100.1")
        for _ in range(10):
            await browser.post("/sign-in", data=WRONG)
        for _ in range(8):
            clock.advance(100)
            assert (await browser.post("/sign-in", data=WRONG)).status_code == 429
        clock.advance(100)
        assert (await browser.post("/sign-in", data=RIGHT)).status_code == 303
