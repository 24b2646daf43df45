"""/metrics: names, figures, bounded labels, and who may read it."""

import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.health.metrics import MOST_STORES, OTHERS
from tests.health.conftest import STORE, House, OpenHouse

pytestmark = pytest.mark.anyio
EVENT = {"eventName": "Purchase", "email": "jane@shop.com"}


async def figures(house: House, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    await house.later(5.1)
    answer = await house.doors.client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: dict[Any, float], name: str, **labels: str) -> float:
    return found[(name, tuple(sorted(labels.items())))]


class TestFigures:
    async def test_follow_events_from_acceptance_to_klaviyo(self, house: House) -> None:
        token = await house.doors.token(Right.EVENTS_WRITE)
        for number in range(3):
            body = {**EVENT, "email": f"p{number}@shop.test"}
            assert (await house.doors.client.post("/events", json=body, headers=token)).status_code == 201
        found = await figures(house)
        assert value(found, "ferrata_events_accepted_total", store=STORE) == 3
        assert value(found, "ferrata_delivery_waiting", store=STORE, family="events", priority="live") == 3
        assert value(found, "ferrata_delivery_oldest_seconds", store=STORE, family="events") == pytest.approx(5.1)
        assert value(found, "ferrata_delivery_delivered_total", store=STORE) == 0
        await house.connect()
        async with house.working():
            for _ in range(100):
                found = await figures(house)
                if value(found, "ferrata_delivery_delivered_total", store=STORE) == 3:
                    break
        assert value(found, "ferrata_delivery_waiting", store=STORE, family="events", priority="live") == 0
        sent = {key: count for key, count in found.items() if key[0] == "ferrata_delivery_attempts_total"}
        assert sum(sent.values()) >= 1
        assert {dict(labels)["outcome"] for _, labels in sent} == {"accepted"}
        windows = {dict(labels)["window"] for name, labels in found if name == "ferrata_klaviyo_window_allowed"}
        assert {"1s", "60s"} <= windows

    async def test_of_requests_are_by_route_and_not_by_path(self, house: House) -> None:
        token = await house.doors.token(Right.EVENTS_WRITE, Right.EVENTS_READ)
        receipt = (await house.doors.client.post("/events", json=EVENT, headers=token)).json()
        await house.doors.client.get(f"/events/{receipt['id']}", headers=token)
        for number in range(20):
            await house.doors.client.get(f"/nowhere/{number}")
        await house.doors.client.request("BREW", "/events")
        found = await figures(house)
        count = "ferrata_http_request_seconds_count"
        assert value(found, count, method="POST", route="/events", status="2xx") == 1
        assert value(found, count, method="GET", route="/events/{id}", status="2xx") == 1
        assert value(found, count, method="GET", route="unmatched", status="4xx") == 20
        routes = {dict(labels)["route"] for name, labels in found if name == count}
        assert not any("nowhere" in route or receipt["id"] in route for route in routes)
        assert {dict(labels)["method"] for name, labels in found if name == count} <= {"GET", "POST", "other"}

    async def test_of_commits_count_their_works(self, house: House) -> None:
        before = value(await figures(house), "ferrata_database_commit_seconds_count")
        await house.doors.token(Right.EVENTS_READ)
        found = await figures(house)
        assert value(found, "ferrata_database_commit_seconds_count") > before
        assert value(found, "ferrata_database_commit_works_sum") >= value(found, "ferrata_database_commit_works_count")

    async def test_tell_what_health_finds(self, house: House) -> None:
        found = await figures(house)
        assert value(found, "ferrata_health_check_healthy", check="klaviyo.key_valid") == 0
        assert value(found, "ferrata_health_check_healthy", check="database.reachable") == 1

    async def test_have_names_of_one_form_and_no_personal_data(self, house: House) -> None:
        token = await house.doors.token(Right.EVENTS_WRITE)
        await house.doors.client.post("/events", json=EVENT, headers=token)
        text = (await house.doors.client.get("/metrics")).text
        names = {family.name for family in text_string_to_metric_families(text)}
        assert len(names) >= 15
        assert all(
            re.fullmatch(r"ferrata_(build|health|events|delivery|sources|klaviyo|http|database)_[a-z_]+", name) for name in names
        )
        assert "jane" not in text

    async def test_of_very_many_stores_are_added_up(self, house: House) -> None:
        registry = house.doors.wiring.connections.registry
        for number in range(MOST_STORES + 5):
            await registry.create(f"shop-{number:03}", "Shop", actor=SYSTEM)
        found = await figures(house)
        stores = {dict(labels)["store"] for name, labels in found if name == "ferrata_events_accepted_total"}
        assert len(stores) == MOST_STORES + 1
        assert OTHERS in stores


class TestAccess:
    async def test_is_open_unless_there_is_a_token(self, house: House) -> None:
        answer = await house.doors.client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")

    async def test_with_a_token_asks_for_it_or_for_the_right(self, open_house: OpenHouse) -> None:
        async with open_house(metrics_token="s3cret-of-prometheus") as house:
            assert (await house.get("/metrics")).status_code == 401
            wrong = await house.doors.client.get("/metrics", headers={"authorization": "Bearer s3cret"})
            assert wrong.status_code == 401
            assert (await house.get("/metrics", Right.EVENTS_READ)).status_code == 403
            assert (await house.get("/metrics", Right.METRICS_READ)).status_code == 403  # of one store
            assert (await house.get("/metrics", Right.METRICS_READ, store_id=None)).status_code == 200
            await figures(house, authorization="Bearer s3cret-of-prometheus")

    async def test_speaks_open_metrics_to_who_asks_for_it(self, house: House) -> None:
        answer = await house.doors.client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.text.rstrip().endswith("# EOF")
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
