"""Requests that another site makes a browser send, and which store a request is about."""

import json

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from tests.doors import ADDRESS, ADMINISTRATOR, PASSWORD, Doors

pytestmark = pytest.mark.anyio
FORM = {"email": ADMINISTRATOR, "password": PASSWORD}


class TestAnotherSite:
    @pytest.mark.parametrize(
        "headers",
        [
            {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
            {"sec-fetch-site": "same-site", "origin": "http://other.ferrata.test"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "", "origin": "https://evil.example"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": "http://ferrata.test.evil.example"},
            {"origin": "http://ferrata.test:81"},
        ],
    )
    async def test_makes_nobody_sign_in_or_change_anything(self, doors: Doors, headers: dict[str, str]) -> None:
        browser = await doors.administrator()
        del browser.headers["sec-fetch-site"]
        for path, form in (("/sign-in", FORM), ("/ui/stores/default/connect/key", {"private_key": "pk_x"}), ("/sign-out", {})):
            answer = await browser.post(path, data=form, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
        as_text = await browser.post(
            "/events", content=json.dumps({"eventName": "x"}), headers=headers | {"content-type": "text/plain"}
        )
        assert as_text.status_code == 403

    async def test_is_not_what_our_own_pages_and_programs_are(self, doors: Doors) -> None:
        await doors.administrator()
        for headers in ({"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": ADDRESS}, {}):
            assert (await doors.client.post("/sign-in", data=FORM, headers=headers)).status_code == 303
        headers = await doors.token(Right.DELIVERY_READ) | {"origin": "https://shop.example", "sec-fetch-site": "cross-site"}
        assert (await doors.client.get("/lanes", headers=headers)).status_code == 200


class TestAStore:
    async def test_is_decided_by_a_token_that_belongs_to_one(self, doors: Doors) -> None:
        await doors.wiring.connections.registry.create("second", "Second", actor=SYSTEM)
        own = await doors.token(Right.DELIVERY_READ)
        every = await doors.token(Right.DELIVERY_READ, store_id=None)
        path = "/dead-letters"
        assert (await doors.client.get(path, headers=own)).status_code == 200
        assert (await doors.client.get(path, headers=own | {"ferrata-store": "default"})).status_code == 200
        for headers, query in ((own | {"ferrata-store": "second"}, ""), (own, "?store=second")):
            refused = await doors.client.get(path + query, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "other_store")
        assert (await doors.client.get(path, headers=every | {"ferrata-store": "second"})).status_code == 200
        assert (await doors.client.get(path, headers=every | {"ferrata-store": "third"})).status_code == 404

    async def test_is_the_one_that_was_chosen_on_the_pages(self, doors: Doors) -> None:
        await doors.wiring.connections.registry.create("second", "Zweiter Laden", actor=SYSTEM)
        browser, mine = await doors.administrator(), "/ui/settings/connection"
        assert (await browser.get(mine)).headers["location"] == "/ui/stores/default/connection"
        chosen = await browser.get("/ui/stores/second/show?back=//evil.example")
        assert chosen.headers["location"] == "/ui"
        assert (await browser.get(mine)).headers["location"] == "/ui/stores/second/connection"
        assert (await browser.get("/ui/stores/third/show")).status_code == 404

    async def test_is_the_one_whose_page_was_seen_last(self, doors: Doors) -> None:
        await doors.wiring.connections.registry.create("second", "Zweiter Laden", actor=SYSTEM)
        browser = await doors.administrator()
        await browser.get("/ui/stores/default/show")
        for seen in ("/ui/stores/second/connection", "/ui/stores/second/connection", "/ui/stores/third/connection"):
            await browser.get(seen)
            members = (await browser.get("/ui/settings/members")).text
            assert members.index("Zweiter Laden") < members.index("<main"), "whoever came from there invites somebody to it"
            assert (await browser.get("/ui/settings/connection")).headers["location"] == "/ui/stores/second/connection"
