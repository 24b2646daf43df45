"""The pages of a store's connection, as a person uses them."""

import re

import httpx2
import pytest

from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from tests.connections.conftest import KEY, NOT_AUTHENTICATED, OTHER_KEY, Klaviyo
from tests.doors import PASSWORD, Doors

pytestmark = pytest.mark.anyio


CONNECTION, KEY_STEP = "/ui/stores/default/connection", "/ui/stores/default/connect/key"


class TestTheConnectionPage:
    async def test_is_the_one_door_behind_settings(self, doors: Doors) -> None:
        browser = await doors.administrator()
        assert (await browser.get("/ui/settings")).headers["location"] == "/ui/settings/members"
        assert 'href="/ui/settings/connection"' in (await browser.get("/ui/settings/members")).text
        assert (await browser.get("/ui/settings/connection")).headers["location"] == CONNECTION
        assert "Not connected to Klaviyo yet" in (await browser.get(CONNECTION)).text
        for gone in ("/ui/settings/connection", "/ui/settings/connection/test"):
            assert (await browser.post(gone, data={"private_key": KEY})).status_code in (404, 405)

    async def test_says_why_a_key_was_not_kept_and_shows_it_nowhere(self, doors: Doors, klaviyo: Klaviyo) -> None:
        browser = await doors.administrator()
        klaviyo.answers["/api/accounts"] = NOT_AUTHENTICATED
        answer = await browser.post(KEY_STEP, data={"private_key": OTHER_KEY})
        assert answer.status_code == 422
        assert "Klaviyo does not accept this key" in answer.text
        assert OTHER_KEY not in answer.text
        klaviyo.answers["/api/accounts"] = httpx2.ConnectError("no route")
        away = await browser.post(KEY_STEP, data={"private_key": KEY})
        assert (away.status_code, "Klaviyo could not be asked" in away.text) == (502, True)

    async def test_tells_of_a_key_that_was_kept_without_a_test(self, doors: Doors) -> None:
        browser = await doors.administrator()
        await doors.wiring.connections.set_private_key("default", KEY, actor=SYSTEM, test=False)
        page = (await browser.get(CONNECTION)).text
        assert "Not tested yet" in page
        assert 'href="/ui/stores/default/connect/oauth"' in page

    async def test_shows_a_reader_the_state_but_no_act(self, doors: Doors) -> None:
        await doors.administrator()
        await doors.wiring.access.people.create("rita@example.com", "Rita", PASSWORD, Role.READER, actor=SYSTEM)
        browser = doors.browser()
        await browser.post("/sign-in", data={"email": "rita@example.com", "password": PASSWORD})
        seen = (await browser.get(CONNECTION)).text
        assert "Connecting needs the right connections:manage" in seen
        assert "Connect this store" not in seen
        refused = await browser.post(KEY_STEP, data={"private_key": KEY})
        assert refused.status_code == 403
        assert "connections:manage" in refused.text
        assert (await browser.get("/ui/settings/tokens")).status_code == 403


class TestTheWizard:
    async def test_gives_the_store_its_accounts_time_zone_and_currency_if_asked_to(self, doors: Doors, klaviyo: Klaviyo) -> None:
        metric = {"type": "metric", "id": "m1", "attributes": {"name": "Placed Order", "integration": None}}
        klaviyo.answers["/api/metrics"] = httpx2.Response(200, json={"data": [metric]})
        browser = await doors.administrator()
        page = await browser.post("/ui/stores/default/connect/key", data={"private_key": KEY})
        assert "Europe/Berlin, EUR" in page.text
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert ticket
        form = {"ticket": ticket[1], "metric": "m1", "use_account": "true"}
        assert (await browser.post("/ui/stores/default/connect/metric", data=form)).status_code == 303
        assert (await doors.wiring.connections.store("default")).time_zone == "Europe/Berlin"
        assert (await doors.wiring.connections.connection("default")).conversion_metric_id == "m1"

    async def test_takes_no_ticket_of_somebody_else_or_of_long_ago(
        self, doors: Doors, klaviyo: Klaviyo, clock: MovedClock
    ) -> None:
        browser = await doors.administrator()
        page = await browser.post("/ui/stores/default/connect/key", data={"private_key": KEY})
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert ticket
        for form in ({"ticket": "v1.made.up"}, {"ticket": ticket[1]}):
            clock.advance(16 * 60)
            assert (
                (await browser.post("/ui/stores/default/connect/metric", data=form)).headers["location"].endswith("/connect/key")
            )
        assert (await doors.wiring.connections.connection("default")).account_id is None


class TestTheMetricPage:
    async def test_clears_the_metric_only_when_none_is_chosen(self, doors: Doors, klaviyo: Klaviyo) -> None:
        browser = await doors.administrator()
        metric = {"type": "metric", "id": "m1", "attributes": {"name": "Placed Order", "integration": {"key": "shopify"}}}
        klaviyo.answers["/api/metrics"] = httpx2.Response(200, json={"data": [metric]})
        connections = doors.wiring.connections
        await connections.connecting.complete("default", KEY, "m1", actor=SYSTEM)
        address = "/ui/stores/default/connect/metric"
        assert 'value="-"' in (await browser.get(address)).text
        for form in ({}, {"metric": ""}, {"metric": "nope"}):
            await browser.post(address, data=form)
            assert (await connections.connection("default")).conversion_metric_id == "m1"
        await browser.post(address, data={"metric": "-"})
        seen = await connections.connection("default")
        assert (seen.conversion_metric_id, seen.status.value) == (None, "connected")
