"""The connect API, field by field as it is documented, and what it refuses, in the documented order."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from tests.connections.conftest import ACCOUNT, KEY, NO_PERMISSION, NOT_AUTHENTICATED, OTHER_KEY, Klaviyo
from tests.doors import Doors

pytestmark = pytest.mark.anyio
CONNECT, TEST = "/api/store/default/klaviyo-connect", "/api/klaviyo/test"
SHOPIFY = {"object": "integration", "id": "1", "key": "shopify", "name": "Shopify", "category": "eCommerce"}
API = {"object": "integration", "id": "2", "key": "api", "name": "API", "category": "API"}


def metric(id_: str, name: str | None, integration: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": "metric", "id": id_, "attributes": {"name": name, "integration": integration}}


def page(*resources: dict[str, Any], next_: str | None = None) -> httpx2.Response:
    return httpx2.Response(200, json={"data": list(resources), "links": {"next": next_}})


CUSTOM = {"type": "custom-metric", "id": "cust1", "attributes": {"name": "big orders", "definition": {}}}


@pytest.fixture
def shop(klaviyo: Klaviyo) -> Klaviyo:
    """An account with metrics on two pages and a custom one that stands in both lists."""
    first = page(
        metric("m3", "Viewed Product", API),
        metric("m9", None, None),
        metric("m2", "Placed Order", API),
        next_="https://a.klaviyo.com/api/metrics?page%5Bcursor%5D=two",
    )
    second = page(metric("m1", "Placed Order", SHOPIFY), metric("m4", "active on Site", API))
    klaviyo.answers["/api/metrics"] = lambda request: second if b"cursor" in request.url.query else first
    klaviyo.answers["/api/custom-metrics"] = page(CUSTOM, CUSTOM | {"id": "m3"})
    return klaviyo


class Caller:
    def __init__(self, doors: Doors, headers: dict[str, str]) -> None:
        self.client = doors.client
        self.headers = headers

    async def post(self, path: str, body: Any) -> httpx2.Response:
        return await self.client.post(path, json=body, headers=self.headers)

    async def get(self, path: str) -> httpx2.Response:
        return await self.client.get(path, headers=self.headers)

    async def delete(self, path: str) -> httpx2.Response:
        return await self.client.delete(path, headers=self.headers)


@pytest.fixture
async def owner(doors: Doors) -> Caller:
    return Caller(doors, await doors.token(Right.CONNECTIONS_READ, Right.CONNECTIONS_MANAGE))


class TestTheStatus:
    async def test_of_a_store_that_was_never_connected(self, owner: Caller) -> None:
        told = (await owner.get(CONNECT)).json()
        assert told["success"] is True
        seen = told["klaviyo_integration"]
        assert seen["status"] == "not_configured"
        assert {seen[name] for name in ("public_id", "connected_at", "last_sync", "sync_status", "account")} == {None}

    async def test_of_a_connected_store_names_the_account_and_never_the_key(self, owner: Caller, shop: Klaviyo) -> None:
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        answer = await owner.get(CONNECT)
        seen = answer.json()["klaviyo_integration"]
        assert (seen["status"], seen["public_id"]) == ("connected", "AbC123")
        assert seen["connected_at"] == "2026-11-20T09:00:00Z"
        assert KEY not in answer.text


class TestTheTest:
    async def test_answers_account_and_metrics_in_the_documented_shape_and_order(self, owner: Caller, shop: Klaviyo) -> None:
        answer = await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["success"], told["action"]) == (True, "test")
        assert told["account"] == {"id": "AbC123", "name": "Grat & Gipfel"}
        assert [each["id"] for each in told["metrics"]] == ["m1", "m4", "cust1", "m2", "m3", "m9"]
        assert told["metrics"][0] == {
            "id": "m1",
            "name": "Placed Order",
            "integration": "Shopify",
            "category": "eCommerce",
            "isShopifyPlacedOrder": True,
        }
        assert told["metrics"][2] == {
            "id": "cust1",
            "name": "big orders",
            "integration": "Custom",
            "category": "CUSTOM",
            "isShopifyPlacedOrder": False,
        }
        assert told["metrics"][5]["integration"] == "Standard"
        assert told["warnings"] == []
        assert (await owner.get(CONNECT)).json()["klaviyo_integration"]["status"] == "not_configured"

    @pytest.mark.parametrize(
        ("contact", "name"),
        [
            ({"organization_name": "Org"}, "Org"),
            ({"organization_name": "", "default_sender_email": "hi@example.com"}, "hi@example.com"),
            ({}, "Unknown Account"),
        ],
    )
    async def test_names_the_account_by_what_there_is(
        self, owner: Caller, shop: Klaviyo, contact: dict[str, str], name: str
    ) -> None:
        account = {"type": "account", "id": "AbC123", "attributes": {"contact_information": contact}}
        shop.answers["/api/accounts"] = page(account)
        told = (await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})).json()
        assert told["account"] == {"id": "AbC123", "name": name}

    async def test_does_without_custom_metrics_and_says_so(self, owner: Caller, shop: Klaviyo) -> None:
        shop.answers["/api/custom-metrics"] = httpx2.Response(500)
        told = (await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})).json()
        assert [each["id"] for each in told["metrics"]] == ["m1", "m4", "m2", "m3", "m9"]
        assert told["warnings"] == ["Custom metrics could not be read and are not in this list."]

    async def test_names_the_scopes_that_are_missing_and_what_they_are_for(self, owner: Caller, shop: Klaviyo) -> None:
        shop.answers |= {"/api/events": NO_PERMISSION, "/api/catalog-items": NO_PERMISSION}
        told = (await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})).json()
        assert told["scopes"]["missing"] == ["events:write", "events:read", "catalogs:read", "catalogs:write"]
        assert "Deliver events (events:write)" in told["warnings"][0]

    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            (NOT_AUTHENTICATED, 422),
            (httpx2.Response(503), 502),
            (httpx2.ConnectError("no route"), 502),
            (httpx2.Response(429, headers={"retry-after": "9"}), 429),
        ],
    )
    async def test_says_what_klaviyo_said(self, owner: Caller, shop: Klaviyo, answer: Any, status: int) -> None:
        shop.answers["/api/accounts"] = answer
        refused = await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})
        assert refused.status_code == status, refused.text
        assert KEY not in refused.text
        if status == 422:
            assert "Failed to validate API key" in refused.json()["detail"]
        if status == 429:
            assert refused.headers["retry-after"] == "9"


class TestConnecting:
    async def test_keeps_key_account_and_metric_and_answers_with_the_key_masked(self, owner: Caller, shop: Klaviyo) -> None:
        answer = await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["success"], told["message"]) == (True, "Klaviyo connected successfully")
        seen = told["store"]["klaviyo_integration"]
        assert (seen["status"], seen["public_id"], seen["conversion_metric_id"]) == ("connected", "AbC123", "m1")
        assert seen["account"]["name"] == "Grat & Gipfel"
        assert seen["account"]["timezone"] == "Europe/Berlin"
        assert seen["conversion_type"] == "value"
        assert seen["is_updating_dashboard"] is False
        assert seen["apiKey"] == f"pk_…{KEY[-4:]}"
        assert KEY not in answer.text

    async def test_tells_what_the_key_may_not_do(self, owner: Caller, shop: Klaviyo) -> None:
        shop.answers |= {"/api/events": NO_PERMISSION, "/api/catalog-items": NO_PERMISSION}
        answer = (await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})).json()
        assert "Deliver events (events:write)" in answer["warnings"][0]

    @pytest.mark.parametrize(("metric_id", "skip"), [("m1", False), ("m2", True), ("cust1", True), ("m3", True)])
    async def test_decides_by_the_metric_whether_orders_are_read(
        self, owner: Caller, shop: Klaviyo, metric_id: str, skip: bool
    ) -> None:
        told = (await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": metric_id})).json()
        assert told["store"]["klaviyo_integration"]["do_not_order_sync"] is skip

    async def test_takes_another_metric_without_the_key(self, owner: Caller, shop: Klaviyo) -> None:
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        told = (await owner.post(CONNECT, {"conversionMetricId": "m2"})).json()
        assert told["store"]["klaviyo_integration"]["conversion_metric_id"] == "m2"

    async def test_validates_again_and_a_key_revoked_meanwhile_leaves_what_was(self, owner: Caller, shop: Klaviyo) -> None:
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        assert (await owner.post(CONNECT, {"apiKey": OTHER_KEY, "action": "test"})).status_code == 200
        shop.answers["/api/metrics"] = NOT_AUTHENTICATED
        assert (await owner.post(CONNECT, {"apiKey": OTHER_KEY, "conversionMetricId": "m2"})).status_code == 422
        seen = (await owner.get(CONNECT)).json()["klaviyo_integration"]
        assert (seen["status"], seen["conversion_metric_id"]) == ("connected", "m1")

    async def test_refuses_another_account_while_one_is_connected(self, owner: Caller, shop: Klaviyo) -> None:
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        shop.answers["/api/accounts"] = page(ACCOUNT["data"][0] | {"id": "XyZ789"})
        refused = await owner.post(CONNECT, {"apiKey": OTHER_KEY, "conversionMetricId": "m1"})
        assert (refused.status_code, refused.json()["code"]) == (409, "other_account")

    async def test_lists_the_connected_accounts_metrics(self, owner: Caller, shop: Klaviyo) -> None:
        path = "/api/store/default/klaviyo-metrics"
        empty = (await owner.get(path)).json()
        assert empty == {"success": False, "error": "Klaviyo not connected", "metrics": [], "account": None}
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        told = (await owner.get(path)).json()
        assert (told["success"], told["metrics"][0]["id"], told["account"]["id"]) == (True, "m1", "AbC123")

    async def test_rotates_and_tells_which_key_retires(self, owner: Caller, shop: Klaviyo) -> None:
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        answer = await owner.post(CONNECT + "/rotate", {"apiKey": OTHER_KEY})
        assert answer.status_code == 200, answer.text
        seen = answer.json()["store"]["klaviyo_integration"]
        assert (seen["conversion_metric_id"], seen["apiKey"]) == ("m1", f"pk_…{OTHER_KEY[-4:]}")
        assert [key["hint"] for key in seen["retiring"]] == [f"…{KEY[-4:]}"]
        assert answer.json()["warnings"] == []

    async def test_tells_what_a_new_key_may_not_do(self, owner: Caller, shop: Klaviyo) -> None:
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        shop.answers["/api/catalog-items"] = NO_PERMISSION
        answer = (await owner.post(CONNECT + "/rotate", {"apiKey": OTHER_KEY})).json()
        assert "catalogs:read" in answer["warnings"][0]


class TestDisconnecting:
    async def test_clears_everything_and_keeps_the_store(self, owner: Caller, shop: Klaviyo, doors: Doors) -> None:
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        answer = await owner.delete(CONNECT)
        assert answer.status_code == 200
        assert answer.json() == {"success": True, "message": "Klaviyo integration disconnected successfully"}
        seen = (await owner.get(CONNECT)).json()["klaviyo_integration"]
        assert {name for name, value in seen.items() if value is not None} == {"status", "conversion_type"}
        assert (await doors.wiring.connections.store("default")).name == "Default store"
        gone = await owner.delete(CONNECT)
        assert gone.status_code == 404
        assert "Klaviyo integration not found" in gone.json()["detail"]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({"action": "test"}, "API key is required"),
            ({"conversionMetricId": "m1"}, "API key is required"),
            ({"apiKey": KEY}, "Conversion metric ID is required"),
            ({"apiKey": "sk_live_000", "action": "test"}, "starts with pk_"),
            ({"apiKey": 7, "action": "test"}, "apiKey must be a string"),
            ({"apiKey": KEY, "action": "sync"}, "action must be test or connect"),
            ({"apiKey": KEY, "conversionMetricId": "nope"}, "must be a metric of this account"),
            ([], "must be a JSON object"),
        ],
    )
    async def test_says_what_is_needed(self, owner: Caller, shop: Klaviyo, body: Any, says: str) -> None:
        refused = await owner.post(CONNECT, body)
        assert refused.status_code == 400, refused.text
        assert says in json.dumps(refused.json(), ensure_ascii=False)
        assert KEY not in refused.text

    async def test_says_that_a_key_cannot_list_metrics_rather_than_that_there_is_none(self, owner: Caller, shop: Klaviyo) -> None:
        shop.answers["/api/metrics"] = NO_PERMISSION
        refused = await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        assert (refused.status_code, "lacks the scope metrics:read" in refused.text) == (400, True)

    async def test_comes_in_the_documented_order(self, doors: Doors, owner: Caller) -> None:
        """Nobody: 401. No right, or a foreign store, there or not: 403. Unknown store: 404 to whom it may be told. Then 400."""
        client, bad = doors.client, {"content": b"{", "headers": {}}
        assert (await client.post(CONNECT, **bad)).status_code == 401
        weak = await doors.token(Right.CONNECTIONS_READ)
        refused = await client.post(CONNECT, content=b"{", headers=weak)
        assert (refused.status_code, "connections:manage" in refused.text) == (403, True)
        for foreign in ("other", "nowhere"):
            path = f"/api/store/{foreign}/klaviyo-connect"
            assert (await client.post(path, content=b"{", headers=owner.headers)).status_code == 403
        everywhere = await doors.token(Right.CONNECTIONS_MANAGE, store_id=None)
        assert (await client.post("/api/store/nowhere/klaviyo-connect", content=b"{", headers=everywhere)).status_code == 404
        assert (await client.post(CONNECT, content=b"{", headers=owner.headers)).status_code == 400


class TestTheTestEndpoint:
    async def test_shows_lists_metrics_limits_and_revision(self, owner: Caller, shop: Klaviyo) -> None:
        lists = [{"type": "list", "id": f"l{n}", "attributes": {"name": f"List {n}"}} for n in range(5)]
        shop.answers["/api/lists"] = page(*lists)
        told = (await owner.post(TEST, {"apiKey": KEY})).json()
        assert told["success"] is True
        assert (told["data"]["lists"]["count"], len(told["data"]["lists"]["items"])) == (5, 3)
        assert (told["data"]["metrics"]["count"], len(told["data"]["metrics"]["available"])) == (6, 5)
        assert told["data"]["apiRevision"] == "2026-07-15"
        assert "rateLimit" in told["data"]

    async def test_refuses_a_key_in_the_address_and_does_not_repeat_it(self, owner: Caller) -> None:
        refused = await owner.get(f"{TEST}?apiKey={KEY}")
        assert refused.status_code == 400
        assert KEY not in refused.text
        assert "in the body of a POST" in refused.text

    async def test_asks_for_the_account_once_by_whoever_looks_twice(self, owner: Caller, shop: Klaviyo) -> None:
        """Klaviyo answers that question once a second."""
        shop.answers["/api/lists"] = page()
        await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})
        assert (await owner.post(TEST, {"apiKey": KEY})).status_code == 200
        assert [request.url.path for request in shop.seen].count("/api/accounts") == 1

    async def test_of_the_stores_own_connection_needs_one(self, owner: Caller, shop: Klaviyo, doors: Doors) -> None:
        assert (await owner.get(TEST)).status_code == 409
        await doors.wiring.connections.set_private_key("default", KEY, actor=SYSTEM)
        shop.answers["/api/lists"] = NO_PERMISSION
        told = (await owner.get(TEST)).json()
        assert told["data"]["lists"]["error"] == "The key lacks the scope lists:read."


class TestPressedTwice:
    """Klaviyo says once a second whose an account is."""

    async def test_at_once_asks_klaviyo_once_and_both_are_answered(self, owner: Caller, shop: Klaviyo) -> None:
        answers = await asyncio.gather(*(owner.post(CONNECT, {"apiKey": KEY, "action": "test"}) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert len({answer.text for answer in answers}) == 1
        assert [request.url.path for request in shop.seen].count("/api/accounts") == 1

    async def test_within_seconds_reads_the_metrics_anew_so_a_key_revoked_between_is_refused(
        self, owner: Caller, shop: Klaviyo
    ) -> None:
        assert (await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})).status_code == 200
        assert (await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})).status_code == 200
        assert [request.url.path for request in shop.seen].count("/api/accounts") == 1
        shop.answers["/api/metrics"] = NOT_AUTHENTICATED
        assert (await owner.post(CONNECT, {"apiKey": KEY, "action": "test"})).status_code == 422

    async def test_in_two_processes_waits_for_the_second_that_klaviyo_names(
        self, owner: Caller, shop: Klaviyo, clock: MovedClock
    ) -> None:
        good = shop.answers["/api/accounts"]
        answers = iter([httpx2.Response(429, headers={"retry-after": "1"}), good])
        shop.answers["/api/accounts"] = lambda request: next(answers)
        asking = asyncio.create_task(owner.post(CONNECT, {"apiKey": KEY, "action": "test"}))
        while not asking.done():
            await asyncio.sleep(0.01)
            clock.advance(0.25)
        assert asking.result().status_code == 200


class TestTheMetric:
    async def test_is_cleared_and_chosen_again_and_the_connection_stays(self, owner: Caller, shop: Klaviyo, doors: Doors) -> None:
        assert (await owner.delete(CONNECT + "/metric")).status_code == 409
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        cleared = (await owner.delete(CONNECT + "/metric")).json()["store"]["klaviyo_integration"]
        assert (cleared["status"], cleared["conversion_metric_id"], cleared["do_not_order_sync"]) == ("connected", None, None)
        assert (await doors.wiring.audit.newest()).rows[0].action == "connections.metric_cleared"
        chosen = (await owner.post(CONNECT, {"conversionMetricId": "m2"})).json()
        assert chosen["store"]["klaviyo_integration"]["conversion_metric_id"] == "m2"

    async def test_chosen_while_a_test_is_under_way_stays_chosen(self, owner: Caller, shop: Klaviyo, doors: Doors) -> None:
        """What the test learned of the key is written beside it, not over it."""
        await owner.post(CONNECT, {"apiKey": KEY, "conversionMetricId": "m1"})
        connections = doors.wiring.connections
        kept = await connections._shelf.one("default")
        await owner.post(CONNECT, {"conversionMetricId": "m2"})
        await connections._shelf.learn(kept, lambda now: now.told(detail="learned meanwhile"), SYSTEM)
        seen = await connections.connection("default")
        assert (seen.conversion_metric_id, seen.detail) == ("m2", "learned meanwhile")
