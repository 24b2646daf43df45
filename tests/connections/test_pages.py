"""Settings, Connection, as a person uses it."""

import re

import httpx2
import pytest

from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from tests.connections.conftest import KEY, NOT_AUTHENTICATED, OTHER_KEY, Klaviyo
from tests.doors import PASSWORD, Doors

pytestmark = pytest.mark.anyio


class TestTheSettingsPage:
    async def test_leads_from_nothing_to_connected_and_back(self, doors: Doors) -> None:
        browser = await doors.administrator()
        assert "Not connected to Klaviyo yet" in (await browser.get("/ui/settings")).text
        answer = await browser.post("/ui/settings/connection", data={"private_key": KEY})
        assert answer.status_code == 303
        page = (await browser.get("/ui/settings")).text
        assert "Connected to Grat &amp; Gipfel" in page
        assert KEY not in page
        asked = (await browser.get("/ui/settings/connection/disconnect")).text
        assert "they wait until a key is added again" in asked
        assert (await browser.post("/ui/settings/connection/disconnect")).status_code == 303
        assert "Not connected to Klaviyo yet" in (await browser.get("/ui/settings")).text

    async def test_says_why_a_key_was_not_kept_and_shows_it_nowhere(self, doors: Doors, klaviyo: Klaviyo) -> None:
        browser = await doors.administrator()
        klaviyo.answers["/api/accounts"] = NOT_AUTHENTICATED
        answer = await browser.post("/ui/settings/connection", data={"private_key": OTHER_KEY})
        assert answer.status_code == 422
        assert "Klaviyo does not accept this key" in answer.text
        assert OTHER_KEY not in answer.text
        assert "Keep it without a test" not in answer.text

    async def test_offers_to_keep_a_key_that_cannot_be_tested_now(self, doors: Doors, klaviyo: Klaviyo) -> None:
        browser = await doors.administrator()
        klaviyo.answers["/api/accounts"] = httpx2.ConnectError("no route")
        answer = await browser.post("/ui/settings/connection", data={"private_key": KEY})
        assert answer.status_code == 502
        assert "Keep it without a test" in answer.text
        kept = await browser.post("/ui/settings/connection", data={"private_key": KEY, "without_test": "true"})
        assert kept.status_code == 303
        assert "Not tested yet" in (await browser.get("/ui/settings")).text

    async def test_shows_a_reader_the_state_but_no_act(self, doors: Doors) -> None:
        await doors.administrator()
        await doors.wiring.access.people.create("rita@example.com", "Rita", PASSWORD, Role.READER, actor=SYSTEM)
        browser = doors.browser()
        await browser.post("/sign-in", data={"email": "rita@example.com", "password": PASSWORD})
        assert "Add a key" not in (await browser.get("/ui/settings")).text
        refused = await browser.post("/ui/settings/connection", data={"private_key": KEY})
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
