"""Walking a collection: all of it, within our origin, never in circles."""

from __future__ import annotations

import pytest

from ferrata.klaviyo.errors import UnreadableAnswer
from ferrata.klaviyo.paging import items, pages

from .service import Service, page, resource

pytestmark = pytest.mark.anyio

LISTS = "GET /api/lists"
NEXT = "https://a.klaviyo.com/api/lists?page%5Bcursor%5D="


class TestACollection:
    async def test_is_read_to_its_end_along_the_links(self) -> None:
        service = Service()
        service.answers[LISTS] = [
            page(resource("list", "A"), resource("list", "B"), next=NEXT + "2"),
            page(next=NEXT + "3"),
            page(resource("list", "C")),
        ]
        found = [each.id async for each in items(service.client(), LISTS, query={"sort": "-name"})]
        assert found == ["A", "B", "C"]
        assert [str(request.url) for request in service.asked] == [
            "https://a.klaviyo.com/api/lists?sort=-name",
            NEXT + "2",
            NEXT + "3",
        ]
        assert all("authorization" in request.headers for request in service.asked)

    @pytest.mark.parametrize(
        "link",
        [
            "https://evil.example/api/lists",
            "http://a.klaviyo.com/api/lists",
            "https://a.klaviyo.com:444/api/lists",
            "https://a.klaviyo.com.evil.example/api/lists",
            "https://a.klaviyo.com@evil.example/api/lists",
            "https://user:pass@a.klaviyo.com/api/lists",
            "//evil.example/api/lists",
            "/api/lists?page=2",
            "javascript:alert(1)",
            "https://[bad/api",
            "https://a.klaviyo.com:x/",
        ],
    )
    async def test_is_not_followed_to_another_origin(self, link: str) -> None:
        service = Service()
        service.answers[LISTS] = page(next=link)
        with pytest.raises(UnreadableAnswer, match="another origin"):
            [each async for each in items(service.client(), LISTS)]
        assert len(service.asked) == 1

    async def test_is_followed_to_the_same_origin_written_otherwise(self) -> None:
        service = Service()
        service.answers[LISTS] = [page(next="https://A.Klaviyo.com:443/api/lists?x=1"), page(resource("list", "A"))]
        assert [each.id async for each in items(service.client(), LISTS)] == ["A"]

    async def test_that_leads_in_a_circle_ends(self) -> None:
        service = Service()
        service.answers[LISTS] = [page(next=NEXT + "2"), page(next=NEXT + "3"), page(next=NEXT + "2")]
        with pytest.raises(UnreadableAnswer, match="circle"):
            [each async for each in pages(service.client(), LISTS)]
        assert len(service.asked) == 3

    async def test_without_end_ends(self) -> None:
        service = Service()
        service.answers[LISTS] = [page(next=f"{NEXT}{number}") for number in range(50)]
        with pytest.raises(UnreadableAnswer, match="within 5 pages"):
            [each async for each in pages(service.client(), LISTS, most_pages=5)]
        assert len(service.asked) == 5

    async def test_is_read_no_further_than_wanted(self) -> None:
        service = Service()
        service.answers[LISTS] = page(resource("list", "A"), resource("list", "B"), next=NEXT + "2")
        assert [each.id async for each in items(service.client(), LISTS, most_items=2)] == ["A", "B"]
        assert len(service.asked) == 1
