"""The pages of people, roles and tokens in a real browser: they work for all, and show nobody what they may not do."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from ferrata.access.schemas import Right, Role
from tests.access.people import person
from tests.browser import Complaints, accessibility_problems, overflows_sideways, serve
from tests.doors import PASSWORD, Doors

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
NEW_PASSWORD = "another long password"


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, sqlite_template: object, tmp_path: object) -> str:
    """One engine is enough for what a browser shows."""
    return f"sqlite:///{tmp_path}/ferrata.db"


@pytest.fixture
async def address(doors: Doors) -> AsyncIterator[str]:
    async with serve(doors.app) as served:
        yield served


async def fine(page: Page) -> None:
    assert await accessibility_problems(page) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await overflows_sideways(page) == []
    await page.set_viewport_size({"width": 1280, "height": 900})


async def sign_in(page: Page, address: str, email: str, password: str = PASSWORD) -> None:
    await page.goto(f"{address}/sign-in")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("menu").first.wait_for()


def here(address: str, link: str) -> str:
    return address + link.removeprefix("http://ferrata.test")


class TestMembers:
    async def test_are_invited_join_are_changed_and_removed(
        self, doors: Doors, page: Page, browser: Browser, address: str, complaints: Complaints
    ) -> None:
        await person(doors, "Olga", default="owner")
        await sign_in(page, address, "olga@example.com")
        await page.goto(f"{address}/ui/settings/members")
        await fine(page)
        await page.get_by_label("E-mail address").fill("nora@example.com")
        await page.get_by_label("Role").select_option("analyst")
        await page.get_by_role("button", name="Make the invitation").click()
        link = await page.locator("pre code").inner_text()
        await fine(page)
        await page.reload()
        assert await page.locator("pre code").count() == 0
        assert len(await doors.wiring.access.invitations.all("default")) == 1
        context = await browser.new_context()
        theirs = await context.new_page()
        await theirs.goto(here(address, link))
        await fine(theirs)
        await theirs.get_by_label("Name").fill("Nora")
        await theirs.get_by_label("Password").fill(NEW_PASSWORD)
        await theirs.get_by_role("button", name="Join").click()
        await expect(theirs.get_by_label("Nora, menu")).to_be_visible()
        await theirs.goto(here(address, link))
        await expect(theirs.get_by_role("heading", name="This link is not good any more")).to_be_visible()
        await fine(theirs)
        await page.goto(f"{address}/ui/settings/members")
        await page.get_by_role("link", name="Nora").click()
        await page.get_by_label("Right").select_option("profiles:read")
        await page.get_by_role("button", name="Explain").click()
        await expect(page.get_by_text("nora@example.com may profiles:read in the store default.")).to_be_visible()
        await fine(page)
        await page.get_by_label("In this store they are").select_option("viewer")
        await page.get_by_role("button", name="Change the role").click()
        await expect(page.get_by_text("Nora is viewer from now on.")).to_be_visible()
        await page.get_by_role("link", name="Nora").click()
        await page.get_by_role("button", name="Remove Nora").click()
        await expect(page.get_by_text("has no role in this store any more")).to_be_visible()
        await theirs.goto(f"{address}/")
        await expect(theirs.get_by_text("No store has given you a role yet")).to_be_visible()
        await fine(theirs)
        await context.close()

    async def test_who_may_not_manage_see_nothing_that_would_refuse_them(self, doors: Doors, page: Page, address: str) -> None:
        await person(doors, "Marek", default="manager")
        await person(doors, "Olga", default="owner")
        await sign_in(page, address, "marek@example.com")
        await page.goto(f"{address}/ui/settings/members")
        await expect(page.get_by_text("olga@example.com")).to_be_visible()
        assert await page.get_by_role("button", name="Make the invitation").count() == 0
        await fine(page)
        links = await page.eval_on_selector_all("a[href^='/']", "found => found.map(link => link.getAttribute('href'))")
        for link in sorted(set(links)):
            answer = await page.request.get(address + link)
            assert answer.status == 200, (link, answer.status)


class TestRoles:
    async def test_are_a_table_and_a_store_makes_its_own(
        self, doors: Doors, page: Page, address: str, complaints: Complaints
    ) -> None:
        await person(doors, "Olga", default="owner")
        await sign_in(page, address, "olga@example.com")
        await page.goto(f"{address}/ui/settings/roles")
        await fine(page)
        await page.get_by_label("Name").fill("key_keeper")
        await page.get_by_label("Level").fill("70")
        await page.get_by_label("connections:manage").check()
        await page.get_by_role("button", name="Keep this role").click()
        await expect(page.get_by_text("level too low")).to_be_visible()
        await fine(page)
        await page.get_by_label("Name").fill("Not A Name")
        await page.get_by_role("button", name="Keep this role").click()
        await expect(page.get_by_text("things to correct")).to_be_visible()
        complaints.found.clear()  # the browser reports the 400, which is meant
        await fine(page)
        await page.goto(f"{address}/ui/settings/roles")
        await page.get_by_role("button", name="Remove the role key_keeper").click()
        await expect(page.get_by_text("The role key_keeper is removed.")).to_be_visible()


class TestTokens:
    async def test_are_shown_once_and_not_made_again_by_loading_the_page_again(
        self, doors: Doors, page: Page, address: str, complaints: Complaints
    ) -> None:
        await person(doors, "Ada", default="admin")
        await sign_in(page, address, "ada@example.com")
        await page.goto(f"{address}/ui/settings/tokens")
        await page.get_by_label("Name").fill("shop-backend")
        await page.get_by_text("Choose single rights").click()
        await page.get_by_label("It may").select_option("chosen")
        await page.get_by_label("delivery:read").check()
        await fine(page)
        await page.get_by_role("button", name="Create the token").click()
        secret = await page.locator("pre code").inner_text()
        await page.reload()
        assert secret not in await page.content()
        (token,) = await doors.wiring.access.tokens.all()
        assert (token.rights, token.store_id) == (frozenset({Right.DELIVERY_READ}), "default")
        await page.get_by_role("link", name="New secret for shop-backend").click()
        await fine(page)
        await page.get_by_label("The old secret ends").select_option("0")
        await page.get_by_role("button", name="Make a new secret").click()
        fresh = await page.locator("pre code").inner_text()
        assert await doors.wiring.access.authenticate_token(secret) is None
        assert await doors.wiring.access.authenticate_token(fresh)
        await fine(page)


class TestYourProfile:
    async def test_changes_the_password_and_ends_other_sessions(
        self, doors: Doors, page: Page, browser: Browser, address: str, complaints: Complaints
    ) -> None:
        await person(doors, "Rita", Role.READER)
        context = await browser.new_context()
        elsewhere = await context.new_page()
        await sign_in(elsewhere, address, "rita@example.com")
        await sign_in(page, address, "rita@example.com")
        await page.get_by_label("Rita, menu").click()
        await page.get_by_role("link", name="Your profile").click()
        await fine(page)
        await page.get_by_label("Old password").fill("not this one")
        await page.get_by_label("New password").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.get_by_text("The old password is another one.").first).to_be_visible()
        complaints.found.clear()  # the browser reports an answer of 403 as an error; it is meant
        await fine(page)
        await page.get_by_label("Old password").fill(PASSWORD)
        await page.get_by_label("New password").fill(NEW_PASSWORD)
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.get_by_text("Your password is changed.")).to_be_visible()
        await elsewhere.goto(f"{address}/ui/profile")
        await expect(elsewhere).to_have_url(f"{address}/sign-in?next=/ui/profile")
        await context.close()


class TestPeople:
    async def test_are_invited_to_the_installation_and_given_a_new_password(
        self, doors: Doors, page: Page, browser: Browser, address: str, complaints: Complaints
    ) -> None:
        await person(doors, "Mira", Role.ADMINISTRATOR)
        await person(doors, "Rita", default="owner")
        await sign_in(page, address, "mira@example.com")
        await page.goto(f"{address}/ui/settings/people")
        await fine(page)
        await page.get_by_role("link", name="Rita").click()
        await fine(page)
        await page.get_by_role("button", name="Remove this person").click()
        await expect(page.get_by_text("They are the last owner of default")).to_be_visible()
        complaints.found.clear()  # 409, and meant
        await page.get_by_role("button", name="Make the link").click()
        link = await page.locator("pre code").inner_text()
        await fine(page)
        context = await browser.new_context()
        theirs = await context.new_page()
        await theirs.goto(here(address, link))
        await fine(theirs)
        await theirs.get_by_label("New password").fill(NEW_PASSWORD)
        await theirs.get_by_role("button", name="Set the password").click()
        await sign_in(theirs, address, "rita@example.com", NEW_PASSWORD)
        await context.close()
