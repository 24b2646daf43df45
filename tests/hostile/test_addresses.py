"""Addresses with anything in them: each is answered, never with a fault of ours, and alike on both engines."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from ferrata.access.http import declared_rights
from ferrata.access.schemas import ALL_RIGHTS
from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import Rejected
from tests.doors import Doors

pytestmark = pytest.mark.anyio

VALUES = [
    *("%00", "%ff", "%ED%A0%80", "%F0%9F%98%80", "%27", "%22)--", "%5C%25_", "%0d%0aX:y", "", "x" * 5000, "[]", "null"),
    *("-1", "1e9", "9223372036854775808", "1e400", "nan", "-62135596800", "2026-11-20", "2026-W01-1", "2026-11-20T00:00:00"),
    *("1899-01-01T00:00:00Z", "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59", "2026-11-20T23:59:60Z"),
]
ON_PAGES = ("since", "until", "cursor", "store")
TAKEN = {"/events/count": "metric=a&date=2026-11-20&", "/events/emails": "date=2026-11-20&"}
FORGED = ('["\\u0000"]', '["\\ud800"]', '["é"]', "[1]", "[]", "{}", '["a","b"]', "[" * 40_000, "null", "1e999")
LISTS = ("/events", "/dead-letters", "/cleanup/runs", "/ui/events", "/ui/dead-letters")


def described(doors: Doors) -> Iterator[str]:
    """Every address of the API that is read, with every parameter that it takes, and one value in one place."""
    for path, methods in doors.app.openapi()["paths"].items():
        parameters: list[dict[str, Any]] = methods.get("get", {}).get("parameters", [])
        names = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
        for value in VALUES if "get" in methods else ():
            yield from (f"{path}?{TAKEN.get(path, '')}{name}={value}" for name in names)
            if "{" in path and value:
                start, _, rest = path.partition("{")
                yield start + value + rest.partition("}")[2]


def pages(doors: Doors) -> Iterator[str]:
    for route, _ in declared_rights(doors.app.routes):
        path = route.path or ""
        if path.startswith("/ui") and "GET" in (route.methods or ()) and "/live" not in path and "patterns" not in path:
            yield from (f"{path}?{name}={value}" for name in ON_PAGES for value in VALUES[-8:])


class TestAnyAddress:
    async def test_is_answered_without_a_fault_of_ours(self, doors: Doors) -> None:
        headers = await doors.token(*ALL_RIGHTS, store_id=None)
        asked = [*described(doors), *pages(doors)]
        assert len(asked) > 700
        for url in asked:
            answer = await doors.client.get(url, headers=headers)
            connected = not url.startswith("/klaviyo/metrics")  # no key is set here
            assert answer.status_code < (500 if connected else 504), (url[:120], answer.text[:300])

    async def test_with_a_cursor_that_was_not_made_here_is_refused(self, doors: Doors) -> None:
        headers = await doors.token(*ALL_RIGHTS)
        for path in LISTS:
            for text in FORGED:
                cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
                answer = await doors.client.get(path, params={"cursor": cursor}, headers=headers)
                assert answer.status_code == 400, (path, text[:20], answer.text[:200])

    async def test_with_the_character_nul_is_refused(self, doors: Doors) -> None:
        headers = await doors.token(*ALL_RIGHTS)
        for path in (
            "/events/a%00b",
            "/events?metric=%00",
            "/nowhere/%00",
            "/events/count?date=%00&metric=a",
            "/ui/events?q=%00",
        ):
            answer = await doors.client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (400, "unfit_address")

    async def test_names_all_methods_that_it_takes(self, doors: Doors) -> None:
        for path, methods in {"/events": "GET, POST", "/events/bulk": "POST", "/events/x": "GET"}.items():
            answer = await doors.client.put(path)
            assert (answer.status_code, answer.headers["allow"]) == (405, methods)


class TestATimeInAnAddress:
    async def test_that_nothing_can_have_been_accepted_at_is_refused(self, doors: Doors) -> None:
        headers = await doors.token(*ALL_RIGHTS)
        for path in ("/events", "/events/export", "/dead-letters", "/ui/events", "/ui/dead-letters"):
            for time in ("1899-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31", "now"):
                for name in ("since", "until"):
                    answer = await doors.client.get(path, params={name: time}, headers=headers)
                    assert answer.status_code == 400, (path, time)
                    assert name in answer.json()["message"][0]

    async def test_that_is_no_day_is_not_counted_by(self, doors: Doors) -> None:
        headers = await doors.token(*ALL_RIGHTS)
        for path in ("/events/count", "/events/emails"):
            for day in (
                "2026-W01-1",
                "2026-1-1",
                "20260101",
                "2026-02-30",
                "2026-01-01T00:00:00Z",
                "1234-01-01",
                "１２３４-01-01",
            ):
                answer = await doors.client.get(path, params={"date": day, "metric": "a"}, headers=headers)
                assert answer.json()["message"] == ["date must be a day as 2026-01-31"]


async def test_an_order_of_the_wrong_types_replays_nothing(doors: Doors) -> None:
    headers = await doors.token(*ALL_RIGHTS)
    for field in ("since", "until", "dryRun", "all", "ids"):
        for value in (0, "off"):
            for act in ("replay", "discard"):
                order = {"all": True, "dryRun": False} | {field: value}
                answer = await doors.client.post(f"/dead-letters/{act}", json=order, headers=headers)
                assert answer.status_code == 400, (order, answer.text)


async def test_a_name_that_would_not_show_is_given_to_nothing(doors: Doors) -> None:
    for name in ("", " ", "a\nb", "a\x1b[31m", "a\0", "x" * 121, "\ud800", "a\u202eb"):
        with pytest.raises(Rejected):
            await doors.wiring.access.tokens.create(name, actor=SYSTEM, store_id=None)
        with pytest.raises(Rejected):
            await doors.wiring.connections.registry.create("shop-2", name, actor=SYSTEM)
