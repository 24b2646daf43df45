"""The nouns: what goes out, and what comes back with its unknown members kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from ferrata.klaviyo.errors import DuplicateProfile, NotFound, UnreadableAnswer
from ferrata.klaviyo.filters import equals
from ferrata.klaviyo.resources import (
    Accounts,
    CustomMetrics,
    Events,
    Lists,
    Metrics,
    NewEvent,
    Profiles,
    Subscriptions,
)

from .answers import error, errors
from .service import Service, page, resource

pytestmark = pytest.mark.anyio

ORDER = NewEvent(
    metric="Placed Order",
    profile={"email": "ada@shop.example", "properties": {"vip": True}},
    unique_id="shop:1001:placed",
    time=datetime(2026, 11, 20, 7, tzinfo=UTC),
    properties={"items": ["a"]},
    value=Decimal("19.90"),
    value_currency="EUR",
)


@pytest.fixture
def service() -> Service:
    return Service()


class TestEvents:
    async def test_are_created_from_typed_arguments(self, service: Service) -> None:
        service.answers["POST /api/events"] = httpx2.Response(202)
        assert (await Events(service.client()).create(ORDER)).is_accepted
        attributes = service.body["data"]["attributes"]
        assert attributes == {
            "properties": {"items": ["a"]},
            "time": "2026-11-20T07:00:00Z",
            "unique_id": "shop:1001:placed",
            "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
            "profile": {"data": {"type": "profile", "attributes": {"email": "ada@shop.example", "properties": {"vip": True}}}},
            "value": 19.9,
            "value_currency": "EUR",
        }
        assert b'"value":19.90' in service.asked[0].content

    async def test_are_created_from_frozen_bytes(self, service: Service) -> None:
        service.answers["POST /api/events"] = httpx2.Response(202)
        service.answers["POST /api/event-bulk-create-jobs"] = httpx2.Response(202)
        await Events(service.client()).create(b'{ "frozen":1}')
        await Events(service.client()).create_bulk(b'{ "frozen":1000}')
        assert [request.content for request in service.asked] == [b'{ "frozen":1}', b'{ "frozen":1000}']

    def test_encode_the_same_bytes_every_time(self) -> None:
        assert ORDER.encoded() == ORDER.encoded()

    async def test_are_read_with_what_they_were_created_with(self, service: Service) -> None:
        stored = resource(
            "event",
            "7qWkC6JPz7g",
            timestamp=1795158000,
            datetime="2026-11-20T07:00:00+00:00",
            event_properties={"$event_id": "shop:1001:placed", "$value": 19.9},
            uuid="u",
            something_new={"kept": True},
        )
        stored["relationships"] = {"profile": {"data": {"type": "profile", "id": "01P"}}, "metric": {"links": {}}}
        service.answers["GET /api/events"] = page(stored)
        [event] = [each async for each in Events(service.client()).list(equals("metric_id", "M"))]
        assert (event.id, event.unique_id, event.profile_id, event.metric_id) == (
            "7qWkC6JPz7g",
            "shop:1001:placed",
            "01P",
            None,
        )
        assert event.moment == ORDER.time
        assert event.resource.attributes["something_new"] == {"kept": True}
        assert dict(service.asked[0].url.params) == {
            "sort": "datetime",
            "page[size]": "1000",
            "filter": 'equals(metric_id,"M")',
        }


class TestProfiles:
    async def test_are_found_by_an_identifier(self, service: Service) -> None:
        service.answers["GET /api/profiles"] = [page(resource("profile", "01P", email="ada@shop.example")), page()]
        profiles = Profiles(service.client())
        found = await profiles.find(equals("email", "ada@shop.example"))
        assert found is not None
        assert (found.id, found.email) == ("01P", "ada@shop.example")
        assert await profiles.find(equals("email", "nobody@shop.example")) is None

    async def test_tell_who_owns_a_taken_identifier(self, service: Service) -> None:
        body = errors(error("duplicate_profile", meta={"duplicate_profile_id": "01OWNER"}))
        service.answers["POST /api/profiles"] = httpx2.Response(409, content=body)
        with pytest.raises(DuplicateProfile) as taken:
            await Profiles(service.client()).create({"email": "ada@shop.example"})
        assert taken.value.duplicate_profile_id == "01OWNER"

    async def test_are_updated_with_nulls_kept(self, service: Service) -> None:
        service.answers["PATCH /api/profiles/01P"] = {"data": resource("profile", "01P")}
        await Profiles(service.client()).update("01P", {"last_name": None}, {"patch_properties": {"unset": "old"}})
        assert service.body == {
            "data": {
                "type": "profile",
                "id": "01P",
                "attributes": {"last_name": None},
                "meta": {"patch_properties": {"unset": "old"}},
            }
        }

    async def test_that_vanished_are_not_found(self, service: Service) -> None:
        service.answers["GET /api/profiles/NOPE"] = httpx2.Response(404, content=errors(error("not_found")))
        with pytest.raises(NotFound):
            await Profiles(service.client()).get("NOPE")

    async def test_are_upserted_and_merged(self, service: Service) -> None:
        service.answers["POST /api/profile-import"] = {"data": resource("profile", "01P")}
        service.answers["POST /api/profile-merge"] = httpx2.Response(202, content=b"")
        profiles = Profiles(service.client())
        assert (await profiles.upsert({"external_id": "7"})).id == "01P"
        assert (await profiles.merge("01SOURCE", into_id="01P")).is_accepted
        assert service.body["data"]["id"] == "01P"
        assert service.body["data"]["relationships"]["profiles"]["data"] == [{"type": "profile", "id": "01SOURCE"}]

    async def test_are_imported_in_bulk_and_followed(self, service: Service) -> None:
        job = resource("profile-bulk-import-job", "am9i", status="queued", total_count=0)
        done = resource("profile-bulk-import-job", "am9i", status="complete", total_count=2, failed_count=1)
        service.answers["POST /api/profile-bulk-import-jobs"] = httpx2.Response(202, json={"data": job})
        service.answers["GET /api/profile-bulk-import-jobs/am9i"] = {"data": done}
        service.answers["GET /api/profile-bulk-import-jobs/am9i/import-errors"] = page(resource("import-error", "e1"))
        profiles = Profiles(service.client())
        assert not (await profiles.import_bulk(b"{}")).is_over
        finished = await profiles.import_job("am9i")
        assert (finished.is_over, finished.failed_count) == (True, 1)
        assert [row.id async for row in profiles.import_errors("am9i")] == ["e1"]

    async def test_created_without_a_readable_answer_say_so(self, service: Service) -> None:
        service.answers["POST /api/profiles"] = httpx2.Response(201, content=b"")
        with pytest.raises(UnreadableAnswer) as odd:
            await Profiles(service.client()).create({"email": "ada@shop.example"})
        assert odd.value.executed == "yes"

    async def test_of_another_shape_are_unreadable(self, service: Service) -> None:
        service.answers["GET /api/profiles/01P"] = {"data": resource("profile", "01P", email=["no", "text"])}
        with pytest.raises(UnreadableAnswer, match="profile"):
            await Profiles(service.client()).get("01P")


class TestTheOthers:
    async def test_the_account_behind_the_key(self, service: Service) -> None:
        found = resource("account", "AbC123", timezone="Europe/Vienna", contact_information={"organization_name": "Alp"})
        service.answers["GET /api/accounts"] = page(found)
        account = await Accounts(service.client()).current()
        assert (account.id, account.timezone, account.organization_name) == ("AbC123", "Europe/Vienna", "Alp")

    async def test_no_account_is_no_answer(self, service: Service) -> None:
        service.answers["GET /api/accounts"] = page()
        with pytest.raises(UnreadableAnswer, match="empty"):
            await Accounts(service.client()).current()

    async def test_metrics(self, service: Service) -> None:
        service.answers["GET /api/metrics"] = page(resource("metric", "M1", name="Placed Order", integration=None))
        service.answers["GET /api/metrics/M1"] = {"data": resource("metric", "M1", name=None)}
        metrics = Metrics(service.client())
        assert [metric.name async for metric in metrics.all()] == ["Placed Order"]
        assert (await metrics.get("M1")).name is None

    async def test_custom_metrics(self, service: Service) -> None:
        definition = {"aggregation_method": "count", "metric_groups": [{"metric_id": "M1"}]}
        made = resource("custom-metric", "C1", name="Orders", definition=definition)
        service.answers["POST /api/custom-metrics"] = httpx2.Response(201, json={"data": made})
        service.answers["GET /api/custom-metrics"] = page(made)
        service.answers["GET /api/custom-metrics/C1"] = {"data": made}
        service.answers["DELETE /api/custom-metrics/C1"] = httpx2.Response(204)
        custom = CustomMetrics(service.client())
        assert (await custom.create("Orders", definition)).id == "C1"
        assert [each.name async for each in custom.all()] == ["Orders"]
        assert (await custom.get("C1")).definition == definition
        await custom.delete("C1")
        assert service.asked[-1].content == b""

    async def test_lists_and_members(self, service: Service) -> None:
        service.answers["POST /api/lists"] = httpx2.Response(201, json={"data": resource("list", "L1", name="News")})
        service.answers["GET /api/lists"] = page(resource("list", "L1", name="News"))
        service.answers["GET /api/lists/L1"] = {"data": resource("list", "L1", name="News")}
        service.answers["GET /api/lists/L1/profiles"] = page(resource("profile", "01P"))
        service.answers["POST /api/lists/L1/relationships/profiles"] = httpx2.Response(204)
        service.answers["DELETE /api/lists/L1/relationships/profiles"] = httpx2.Response(204)
        lists = Lists(service.client())
        made = await lists.create("News", "single_opt_in")
        assert service.body["data"]["attributes"] == {"name": "News", "opt_in_process": "single_opt_in"}
        assert (await lists.get(made.id)).name == "News"
        assert [each.id async for each in lists.all()] == ["L1"]
        await lists.add("L1", ["01P", "01Q"])
        assert service.body == {"data": [{"type": "profile", "id": "01P"}, {"type": "profile", "id": "01Q"}]}
        await lists.remove("L1", iter(["01Q"]))
        assert [member.id async for member in lists.members("L1")] == ["01P"]

    async def test_subscriptions(self, service: Service) -> None:
        service.answers["POST /api/profile-subscription-bulk-create-jobs"] = httpx2.Response(202)
        service.answers["POST /api/profile-subscription-bulk-delete-jobs"] = httpx2.Response(202)
        consent = {"email": "ada@shop.example", "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}}
        subscriptions = Subscriptions(service.client())
        await subscriptions.subscribe([consent], list_id="L1", custom_source="Checkout", historical_import=True)
        data = service.body["data"]
        assert data["attributes"]["historical_import"] is True
        assert data["attributes"]["profiles"]["data"][0]["attributes"] == consent
        assert data["relationships"] == {"list": {"data": {"type": "list", "id": "L1"}}}
        await subscriptions.unsubscribe([consent])
        assert "relationships" not in service.body["data"]
        with pytest.raises(ValueError, match="100"):
            await subscriptions.unsubscribe([consent] * 101)
        assert len(service.asked) == 2
        assert json.loads(service.asked[0].content)["data"]["type"] == "profile-subscription-bulk-create-job"
