"""Stores, the connect wizard and the page of a connection, in a real browser; Klaviyo is the sandbox."""

import json

import pytest
from playwright.async_api import Page, expect

from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM
from ferrata.connections.schemas import Status
from ferrata.klaviyo import PrivateKey
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT, DEFAULT_KEY
from tests.browser import Complaints, accessibility_problems, overflows_sideways
from tests.connections.browser.place import Place, look, sign_in
from tests.doors import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.anyio]
NEW_KEY, NARROW_KEY = "pk_" + "n3w0" * 8 + "77", "pk_" + "5ma1" * 8 + "99"


class TestTheWizard:
    async def test_leads_from_a_new_store_to_a_connected_one_with_its_metric(
        self, page: Page, place: Place, complaints: Complaints
    ) -> None:
        await sign_in(page, place)
        await page.goto(place.url + "/ui/stores")
        await page.get_by_role("link", name="Add a store").click()
        await look(page, "store-new")
        await page.get_by_label("Name").fill("Alpenglück")
        await page.get_by_label("Public id").fill("alpen")
        await page.get_by_label("Time zone").select_option("Europe/Vienna")
        await page.get_by_role("button", name="Add the store").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Connect Alpenglück")
        await look(page, "connect-method")
        await page.get_by_role("link", name="Continue with a key").click()
        field = page.get_by_label("Klaviyo private key")
        await field.fill("sk_live")
        await expect(page.locator("#check-private_key")).to_have_text("A private key starts with pk_.")
        await field.fill("pk_" + "wr0n" * 8)
        await expect(page.locator("#check-private_key")).to_contain_text("This can be a key.")
        await page.get_by_role("button", name="Test the key").click()
        await expect(page.get_by_role("alert")).to_contain_text("Klaviyo does not accept this key")
        complaints.found.clear()  # the 422 of that answer
        await look(page, "connect-key-refused")
        await page.get_by_label("Klaviyo private key").fill(DEFAULT_KEY)
        await page.get_by_role("button", name="Test the key").click()
        await expect(page.get_by_role("region", name="Klaviyo accepts the key of Sandbox Shop")).to_be_visible()
        assert DEFAULT_KEY not in await page.content()
        assert (await place.doors.wiring.connections.connection("alpen")).status is Status.NOT_CONFIGURED
        await look(page, "connect-metric")
        await page.get_by_role("button", name="Connect").click()
        await expect(page.get_by_text("Connected to Sandbox Shop. Waiting events are on their way.")).to_be_visible()
        await look(page, "connection")
        assert (await place.doors.wiring.connections.connection("alpen")).account_id == DEFAULT_ACCOUNT

    async def test_lets_one_search_among_metrics_and_change_the_choice_later(self, page: Page, place: Place) -> None:
        await _metrics(place)
        await place.doors.wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM)
        await sign_in(page, place)
        await page.goto(place.url + "/ui/stores/default/connect/metric")
        await page.get_by_label("Search").fill("viewed")
        await expect(page.get_by_role("radio", name="Viewed Product")).to_be_visible()
        await expect(page.get_by_role("radio", name="Placed Order")).to_be_hidden()
        await page.get_by_label("Search").fill("nothing like it")
        await expect(page.get_by_text("No metric matches.")).to_be_visible()
        await look(page, "metric-search-empty")
        await page.get_by_label("Search").fill("")
        await page.get_by_role("radio", name="Placed Order").check()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("The conversion metric is changed.")).to_be_visible()
        seen = await place.doors.wiring.connections.connection("default")
        assert (seen.conversion_metric_name, seen.do_not_order_sync) == ("Placed Order", True)

    async def test_names_the_scopes_that_a_key_lacks(self, page: Page, place: Place) -> None:
        place.sandbox.tenants.add_key(NARROW_KEY, DEFAULT_ACCOUNT, ["events:write", "profiles:write"])
        await sign_in(page, place)
        await page.goto(place.url + "/ui/stores/default/connect/key")
        await page.get_by_label("Klaviyo private key").fill(NARROW_KEY)
        await page.get_by_role("button", name="Test the key").click()
        await expect(page.get_by_text("Choose the conversion metric (metrics:read)")).to_be_visible()
        await look(page, "connect-scopes-missing")
        await page.get_by_role("button", name="Connect without a metric").click()
        await page.get_by_role("button", name="Look at the scopes").click()
        await expect(page.get_by_text("lacks metrics:read")).to_be_visible()
        await look(page, "connection-scopes")


class TestAConnection:
    async def test_shows_a_refused_key_replaces_it_and_is_ended_after_a_question(
        self, page: Page, place: Place, complaints: Complaints
    ) -> None:
        connections = place.doors.wiring.connections
        await connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM)
        place.sandbox.tenants.add_key(NEW_KEY, DEFAULT_ACCOUNT)
        await sign_in(page, place)
        await page.goto(place.url + "/ui/stores/default/connection")
        await page.get_by_role("link", name="Replace the key…").click()
        await look(page, "rotate")
        await page.get_by_label("Klaviyo private key").fill(NEW_KEY)
        await page.get_by_role("button", name="Test and replace").click()
        await expect(page.get_by_text("The replaced key …ount may still be in use.")).to_be_visible()
        await look(page, "connection-rotating")
        place.sandbox.tenants.revoke_key(NEW_KEY)
        await page.get_by_role("button", name="Test now").click()
        await expect(page.get_by_role("region", name="Klaviyo does not accept this store's key")).to_be_visible()
        await look(page, "connection-refused")
        await page.get_by_role("link", name="Disconnect…").click()
        await expect(page.get_by_text("forgets the key, the account Sandbox Shop")).to_be_visible()
        await look(page, "disconnect")
        await page.get_by_role("button", name="Disconnect").click()
        await expect(page.get_by_role("heading", name="Not connected to Klaviyo yet")).to_be_visible()
        await look(page, "connection-none")

    async def test_is_only_shown_to_a_reader(self, page: Page, place: Place, complaints: Complaints) -> None:
        await place.doors.wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM)
        await place.doors.wiring.access.people.create("rita@example.com", "Rita", PASSWORD, Role.READER, actor=SYSTEM)
        await sign_in(page, place, "rita@example.com")
        await page.goto(place.url + "/ui/stores/default/connection")
        await expect(page.get_by_text("Changing the connection needs the right connections:manage.")).to_be_visible()
        await expect(page.get_by_role("button", name="Test now")).to_have_count(0)
        await page.goto(place.url + "/ui/stores/default/connect")
        await expect(page.get_by_text("connections:manage")).to_be_visible()
        await look(page, "connect-not-allowed")
        complaints.found.clear()  # the 403 of that answer


class TestTheList:
    async def test_stays_useful_with_hundreds_and_archives_after_a_question(
        self, page: Page, place: Place, complaints: Complaints
    ) -> None:
        connections = place.doors.wiring.connections
        for number in range(60):
            await connections.registry.create(f"shop-{number:02}", f"Shop {number:02}", actor=SYSTEM)
        await connections.set_private_key("shop-07", DEFAULT_KEY, actor=SYSTEM)
        await sign_in(page, place)
        await page.goto(place.url + "/ui/stores")
        await look(page, "stores")
        await page.get_by_role("link", name="Next page").click()
        await expect(page.get_by_role("link", name="Shop 55")).to_be_visible()
        await page.goto(place.url + "/ui/stores?q=sandbox")
        await expect(page.locator("tbody tr")).to_have_count(1)
        credential = await connections.credential("shop-07")
        assert credential
        await connections.refused("shop-07", credential.version, "Klaviyo does not accept this key.")
        await page.goto(place.url + "/ui/stores")
        views = page.get_by_role("navigation", name="How stores are connected")
        await expect(views.get_by_role("link", name="Refused 1")).to_be_visible()
        await page.get_by_label("Order").select_option("Broken first")
        await expect(page.locator("tbody tr").first).to_contain_text("Shop 07")
        await look(page, "stores-broken-first")
        await page.get_by_role("link", name="Next page").click()
        await expect(page.get_by_role("link", name="Shop 55")).to_be_visible()
        await views.get_by_role("link", name="Not connected 60").click()
        await expect(page.get_by_label("Order")).to_have_value("status")
        await page.goto(place.url + "/ui/stores?status=disconnected")
        await expect(page.get_by_role("heading", name="No store matches")).to_be_visible()
        await look(page, "stores-none-match")
        await page.goto(place.url + "/ui/stores/shop-07/settings")
        await look(page, "store-settings")
        await page.get_by_label("Name").fill("Shop Seven")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Shop Seven")
        await page.get_by_role("link", name="Archive…").click()
        await page.get_by_label("Repeat the store's id: shop-07").fill("shop-08")
        await page.get_by_role("button", name="Archive").click()
        await expect(page.get_by_role("alert")).to_contain_text("confirm must repeat the store's id, shop-07")
        await look(page, "store-archive")
        complaints.found.clear()  # the 400 of that answer
        await page.get_by_label("Repeat the store's id: shop-07").fill("shop-07")
        await page.get_by_role("button", name="Archive").click()
        await expect(page.get_by_text("Shop Seven is archived.")).to_be_visible()
        await page.goto(place.url + "/ui/stores?status=archived")
        await look(page, "stores-archived")
        await page.get_by_role("button", name="Restore Shop Seven").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Connect Shop Seven")


async def _metrics(place: Place, *names: str) -> None:
    """Klaviyo makes a metric with its first event."""
    client = place.doors.wiring.connections.single(PrivateKey(DEFAULT_KEY))
    for name in names or ("Placed Order", "Viewed Product"):
        metric = {"data": {"type": "metric", "attributes": {"name": name}}}
        profile = {"data": {"type": "profile", "attributes": {"email": "a@shop.example.net"}}}
        event = {"type": "event", "attributes": {"properties": {}, "metric": metric, "profile": profile}}
        assert (await client.send("POST /api/events", json.dumps({"data": event}).encode())).is_accepted


class TestAPhone:
    async def test_has_room_for_a_long_name_every_page_and_every_metric(self, page: Page, place: Place) -> None:
        await place.doors.wiring.connections.registry.create("long", "Mountain shop with a rather long name", actor=SYSTEM)
        await place.doors.wiring.connections.set_private_key("long", DEFAULT_KEY, actor=SYSTEM)
        await _metrics(place, *(f"Metric {number} with a name that needs two lines" for number in range(16)))
        await sign_in(page, place)
        await page.set_viewport_size({"width": 360, "height": 800})
        await page.goto(place.url + "/ui/stores/long/connect/metric")
        assert await overflows_sideways(page) == []
        cut_off = "all => all.filter(row => row.scrollHeight > row.clientHeight + 1).length"
        assert await page.locator(".f-choice").evaluate_all(cut_off) == 0
        bar = page.get_by_role("navigation", name="Main")
        assert await bar.evaluate("bar => bar.scrollWidth - bar.clientWidth") == 0
        await expect(bar.get_by_role("link", name="Settings")).to_be_hidden()
        await bar.get_by_text("More").click()
        assert await accessibility_problems(page) == []
        await expect(bar.get_by_role("link", name="Stores")).to_have_attribute("aria-current", "page")
        await bar.get_by_role("link", name="Settings").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Members")
        tabs = page.get_by_role("navigation", name="Settings")
        assert await tabs.evaluate("tabs => tabs.scrollWidth - tabs.clientWidth") == 0
