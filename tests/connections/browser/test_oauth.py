"""Connecting by OAuth in a real browser: from our page to the sandbox's own consent page, and back."""

import pytest
from playwright.async_api import Page, expect

from ferrata.connections.oauth_app import CALLBACK
from ferrata.connections.schemas import Method, Status
from tests.browser import Complaints
from tests.connections.browser.place import Place, look, sign_in
from tests.connections.oauth import CONNECT

pytestmark = [pytest.mark.browser, pytest.mark.anyio]


async def test_a_person_connects_refuses_and_is_told_when_the_app_is_gone(
    place: Place, page: Page, complaints: Complaints
) -> None:
    connections = place.doors.wiring.connections
    await sign_in(page, place)
    await page.goto(place.url + "/ui/stores/default/connect")
    await page.get_by_role("link", name="Continue with OAuth").click()
    await expect(page.get_by_role("navigation", name="Steps").get_by_text("2 Consent")).to_be_visible()
    await look(page, "oauth-before")

    await page.get_by_role("button", name="Continue at Klaviyo").click()
    await expect(page.get_by_role("heading", name="Ferrata asks for access")).to_be_visible()
    complaints.found.clear()  # what another site's page complains of is not ours
    await page.get_by_role("button", name="Deny").click()
    await expect(page.get_by_text("Access was not given on Klaviyo's page")).to_be_visible()
    complaints.found.clear()  # the 422 of that answer

    await page.get_by_role("button", name="Continue at Klaviyo").click()
    await page.get_by_label("Sandbox Shop").check()
    complaints.found.clear()
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_text("Connected to Sandbox Shop by OAuth.")).to_be_visible()
    assert page.url.endswith("/connect/metric")  # what is counted as a conversion is asked next, as after a key
    await expect(page.get_by_role("region", name="Klaviyo gave access to the account of Sandbox Shop")).to_be_visible()
    await look(page, "oauth-metric")
    await page.goto(place.url + CONNECT)
    await expect(page.get_by_text("Connected by OAuth to Sandbox Shop").first).to_be_visible()
    assert "state=" not in page.url
    assert "code=" not in page.url
    assert (await connections.connection("default")).method is Method.OAUTH
    await look(page, "oauth-connected")

    await page.get_by_role("button", name="Renew the tokens now").click()
    await expect(page.get_by_text("Klaviyo gave new tokens.")).to_be_visible()
    place.sandbox.oauth.uninstall(place.sandbox.oauth.installations()[0]["id"])
    await page.get_by_role("button", name="Renew the tokens now").click()
    await expect(page.get_by_role("heading", name="Klaviyo has ended this connection")).to_be_visible()
    assert (await connections.connection("default")).status is Status.DISCONNECTED
    await look(page, "oauth-lost")
    await page.goto(place.url + CALLBACK + "?state=replayed&code=stolen")
    await expect(page.get_by_text("belongs to no connecting that is under way")).to_be_visible()
    await look(page, "oauth-refused")
    complaints.found.clear()  # the 400 of that answer
