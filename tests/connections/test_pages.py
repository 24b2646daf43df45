"""Settings, Connection, as a person uses it."""

import httpx2
import pytest

from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM
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
