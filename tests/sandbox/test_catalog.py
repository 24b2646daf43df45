"""The catalogue over HTTP: items, variants and categories, what belongs to what, and bulk jobs. Every answer is judged."""

from typing import Any
from urllib.parse import quote

import pytest

from klaviyo_sandbox.sandbox import Sandbox

from .documents import CATALOG_ID, CATALOG_KINDS, catalog_change, catalog_job, catalog_thing, identifiers
from .judged import JudgedCaller

KINDS = ("item", "variant", "category")


def path(kind: str, external_id: str | None = None, rest: str = "") -> str:
    base = f"/api/catalog-{CATALOG_KINDS[kind]}"
    return base if external_id is None else f"{base}/{quote(CATALOG_ID + external_id, safe='')}{rest}"


def make(klaviyo: JudgedCaller, kind: str, external_id: str, **given: Any) -> None:
    if kind == "variant" and "item" not in given:
        given["item"] = "home"
        if klaviyo.get(path("item", "home")).status == 404:
            klaviyo.post(path("item"), catalog_thing("item", "home"))
    assert klaviyo.post(path(kind), catalog_thing(kind, external_id, **given)).status == 201


def ids(reply: Any) -> list[str]:
    return [entry["id"].removeprefix(CATALOG_ID) for entry in reply.data]


@pytest.mark.parametrize("kind", KINDS)
class TestAThing:
    def test_is_made_read_changed_and_deleted(self, klaviyo: JudgedCaller, sandbox: Sandbox, kind: str) -> None:
        make(klaviyo, kind, "A/1 ü")
        name = "name" if kind == "category" else "title"
        assert klaviyo.get(path(kind, "A/1 ü")).data["id"] == f"{CATALOG_ID}A/1 ü"
        changed = klaviyo.patch(path(kind, "A/1 ü"), catalog_change(kind, "A/1 ü", **{name: "New"}))
        assert (changed.status, changed.data["attributes"][name]) == (200, "New")
        assert klaviyo.delete(path(kind, "A/1 ü")).status == 204
        assert klaviyo.get(path(kind, "A/1 ü")).status == 404
        told = [effect["kind"] for effect in sandbox.effects(subject=f"{CATALOG_ID}A/1 ü")]
        assert told == [f"catalog_{kind}_created", f"catalog_{kind}_updated", f"catalog_{kind}_deleted"]

    def test_is_not_made_twice(self, klaviyo: JudgedCaller, kind: str) -> None:
        make(klaviyo, kind, "one")
        again = klaviyo.post(path(kind), catalog_thing(kind, "one", item="home" if kind == "variant" else None))
        assert (again.status, again.error["source"]["pointer"]) == (409, "/data/attributes/external_id")

    def test_that_is_not_there_is_neither_changed_nor_deleted(self, klaviyo: JudgedCaller, kind: str) -> None:
        assert klaviyo.patch(path(kind, "none"), catalog_change(kind, "none")).status == 404
        assert klaviyo.delete(path(kind, "none")).status == 404

    def test_tells_all_that_is_missing_at_once(self, klaviyo: JudgedCaller, kind: str) -> None:
        body = {"data": {"type": f"catalog-{kind}", "attributes": {"external_id": "x", "colour": "red"}}}
        reply = klaviyo.post(path(kind), body)
        pointers = {error["source"]["pointer"].rpartition("/")[2] for error in reply.errors}
        needed = {"item": {"title", "description", "url"}, "category": {"name"}}.get(kind)
        assert reply.status == 400
        assert pointers >= (needed or {"title", "sku", "inventory_quantity", "price", "url", "relationships"}) | {"colour"}

    def test_is_listed_page_by_page_and_found_by_its_name(self, klaviyo: JudgedCaller, kind: str) -> None:
        for number in range(5):
            make(klaviyo, kind, f"n{number}")
        assert [len(page) for page in klaviyo.pages(path(kind), page__size="2")] == [2, 2, 1]
        name = "name" if kind == "category" else "title"
        assert ids(klaviyo.get(path(kind), filter=f'contains({name},"n3")')) == ["n3"]
        assert sorted(ids(klaviyo.get(path(kind), filter=f'any(ids,["{CATALOG_ID}n1","{CATALOG_ID}n2","x"])'))) == ["n1", "n2"]


class TestWhatBelongsTogether:
    def test_a_variant_needs_its_item(self, klaviyo: JudgedCaller) -> None:
        refused = klaviyo.post(path("variant"), catalog_thing("variant", "v", item="none"))
        assert (refused.status, refused.error["source"]["pointer"]) == (404, "/data/relationships/item/data")

    def test_a_variant_goes_with_its_item(self, klaviyo: JudgedCaller) -> None:
        make(klaviyo, "variant", "v")
        assert ids(klaviyo.get(path("item", "home", "/variants"))) == ["v"]
        shown = klaviyo.get(path("item"), include="variants")
        assert [entry["id"] for entry in shown.body["included"]] == [f"{CATALOG_ID}v"]
        klaviyo.delete(path("item", "home"))
        assert klaviyo.get(path("variant", "v")).status == 404

    def test_an_item_is_put_into_categories_and_taken_out(self, klaviyo: JudgedCaller) -> None:
        for name in ("a", "b"):
            make(klaviyo, "category", name)
        make(klaviyo, "item", "i", categories=("a",))
        assert klaviyo.post(path("item"), catalog_thing("item", "j", categories=("none",))).status == 404
        both = identifiers("catalog-category", *(CATALOG_ID + name for name in "ab"))
        only_b = identifiers("catalog-category", f"{CATALOG_ID}b")
        links = path("item", "i", "/relationships/categories")
        assert klaviyo.post(links, only_b).status == 204
        assert klaviyo.post(links, only_b).status == 409
        assert sorted(ids(klaviyo.get(links))) == ["a", "b"]
        assert klaviyo.delete(links, only_b).status == 204
        assert ids(klaviyo.get(path("item"), filter=f'equals(category.id,"{CATALOG_ID}a")')) == ["i"]
        assert klaviyo.patch(links, both).status == 204
        assert ids(klaviyo.get(path("category", "b", "/items"))) == ["i"]
        assert sorted(ids(klaviyo.get(path("category"), filter=f'equals(item.id,"{CATALOG_ID}i")'))) == ["a", "b"]

    @pytest.mark.parametrize(
        ("field", "value"),
        [("price", "9"), ("published", 1), ("images", "x"), ("custom_metadata", []), ("inventory_policy", 3), ("title", 5)],
    )
    def test_types_are_checked(self, klaviyo: JudgedCaller, field: str, value: Any) -> None:
        make(klaviyo, "variant", "v")
        reply = klaviyo.patch(path("variant", "v"), catalog_change("variant", "v", **{field: value}))
        assert (reply.status, reply.error["source"]["pointer"]) == (400, f"/data/attributes/{field}")


@pytest.mark.parametrize("kind", KINDS)
class TestABulkJob:
    def jobs(self, kind: str, act: str) -> str:
        return f"/api/catalog-{kind}-bulk-{act}-jobs"

    def row(self, kind: str, name: str) -> dict[str, Any]:
        return catalog_thing(kind, name, item="home" if kind == "variant" else None)["data"]

    def test_is_carried_out_row_by_row(self, klaviyo: JudgedCaller, sandbox: Sandbox, kind: str) -> None:
        make(klaviyo, kind, "there")
        sandbox.switch(visibility_delay_seconds=10)
        body = catalog_job(kind, "create", self.row(kind, "new"), self.row(kind, "there"))
        started = klaviyo.post(self.jobs(kind, "create"), body)
        assert (started.status, started.data["attributes"]["status"]) == (202, "processing")
        sandbox.clock.advance(11)
        job = klaviyo.get(f"{self.jobs(kind, 'create')}/{started.data['id']}").data["attributes"]
        assert (job["status"], job["completed_count"], job["failed_count"]) == ("complete", 1, 1)
        assert job["errors"][0]["source"]["pointer"] == f"/data/attributes/{CATALOG_KINDS[kind]}/data/1"
        assert klaviyo.get(self.jobs(kind, "create"), filter='equals(status,"complete")').data[0]["id"] == started.data["id"]

    def test_changes_and_deletes(self, klaviyo: JudgedCaller, kind: str) -> None:
        make(klaviyo, kind, "x")
        name = "name" if kind == "category" else "title"
        change = catalog_change(kind, "x", **{name: "Changed"})["data"]
        assert klaviyo.post(self.jobs(kind, "update"), catalog_job(kind, "update", change)).status == 202
        assert klaviyo.get(path(kind, "x")).data["attributes"][name] == "Changed"
        gone = {"type": f"catalog-{kind}", "id": f"{CATALOG_ID}x"}
        assert klaviyo.post(self.jobs(kind, "delete"), catalog_job(kind, "delete", gone)).status == 202
        assert klaviyo.get(path(kind, "x")).status == 404

    def test_is_refused_whole(self, klaviyo: JudgedCaller, kind: str) -> None:
        good = self.row(kind, "good")
        assert klaviyo.post(self.jobs(kind, "create"), catalog_job(kind, "create", good, {"type": "x"})).status == 400
        assert klaviyo.post(self.jobs(kind, "create"), catalog_job(kind, "create", *[good] * 101)).status == 400
        assert klaviyo.get(path(kind, "good")).status == 404
