"""Metrics and custom metrics over HTTP."""

from typing import Any

import pytest

from klaviyo_sandbox import metric_store
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT

from .documents import custom_metric
from .judged import JudgedCaller

API = {"object": "integration", "id": "7FtS4J", "key": "api", "name": "API", "category": "API"}


def make_metric(sandbox: Sandbox, name: str, **options: Any) -> str:
    now = sandbox.clock.timestamp()
    return metric_store.get_or_create(sandbox.state, sandbox.ids, DEFAULT_ACCOUNT, name, now=now, **options)


class TestMetrics:
    def test_are_listed_two_hundred_per_page(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        made = {make_metric(sandbox, f"Metric {number}") for number in range(203)}
        pages = klaviyo.pages("/api/metrics")
        assert [len(page) for page in pages] == [200, 3]
        assert {entry["id"] for page in pages for entry in page} == made

    def test_are_one_per_name_and_integration(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        ours = make_metric(sandbox, "Placed Order")
        assert make_metric(sandbox, "Placed Order") == ours
        theirs = make_metric(sandbox, "Placed Order", integration="acme")
        assert theirs != ours
        found = klaviyo.get("/api/metrics", filter='equals(integration.name,"API")', include="flow-triggers")
        assert [(entry["id"], entry["attributes"]["integration"]) for entry in found.data] == [(ours, API)]
        assert found.body["included"] == []
        assert klaviyo.get("/api/metrics", filter='equals(integration.category,"API")').data == []
        assert [e["id"] for e in klaviyo.get("/api/metrics", filter="equals(integration.name,'acme')").data] == [theirs]
        assert klaviyo.get(f"/api/metrics/{theirs}").data["attributes"]["integration"]["key"] == "acme"

    def test_show_when_their_time_has_come(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        late = make_metric(sandbox, "Late", visible_at=sandbox.clock.timestamp() + 5)
        assert klaviyo.get("/api/metrics").data == []
        assert klaviyo.get(f"/api/metrics/{late}").status == 404
        sandbox.clock.advance(5)
        assert klaviyo.get(f"/api/metrics/{late}").data["attributes"]["name"] == "Late"


class TestACustomMetric:
    @pytest.fixture
    def metric_id(self, sandbox: Sandbox) -> str:
        return make_metric(sandbox, "Placed Order")

    def test_is_created_read_changed_and_deleted(self, klaviyo: JudgedCaller, metric_id: str) -> None:
        filters = [{"property": "sku", "filter": {"type": "string", "operator": "starts-with", "value": "A"}}]
        group = {"metric_id": metric_id, "metric_filters": filters}
        made = klaviyo.post("/api/custom-metrics", custom_metric(aggregation_method="value", metric_groups=[group]))
        assert made.status == 201
        assert made.data["attributes"]["definition"]["metric_groups"] == [{**group, "value_property": "$value"}]
        path = f"/api/custom-metrics/{made.data['id']}"
        assert [entry["id"] for entry in klaviyo.get(path, include="metrics").body["included"]] == [metric_id]
        change = {"data": {"type": "custom-metric", "id": made.data["id"], "attributes": {"name": "Gross"}}}
        assert klaviyo.patch(path, change).data["attributes"]["name"] == "Gross"
        listed = klaviyo.get("/api/custom-metrics", include="metrics")
        assert ([entry["id"] for entry in listed.data], len(listed.body["included"])) == ([made.data["id"]], 1)
        assert [entry["id"] for entry in klaviyo.get(f"{path}/metrics").data] == [metric_id]
        assert klaviyo.get(f"{path}/relationships/metrics").data == [{"type": "metric", "id": metric_id}]
        assert klaviyo.delete(path).status == 204
        assert klaviyo.get(path).status == 404

    def test_has_a_name_of_its_own(self, klaviyo: JudgedCaller, metric_id: str) -> None:
        one = custom_metric(aggregation_method="count", metric_groups=[{"metric_id": metric_id}])
        id_ = klaviyo.post("/api/custom-metrics", one).data["id"]
        assert klaviyo.post("/api/custom-metrics", one).refusal[:2] == (400, "/data/attributes/name")
        one["data"]["id"] = id_
        assert klaviyo.patch(f"/api/custom-metrics/{id_}", one).status == 200

    @pytest.mark.parametrize(
        ("definition", "pointer"),
        [
            (None, "definition"),
            ({}, None),
            ([], "definition"),
            ({"aggregation_method": "sum"}, "definition/aggregation_method"),
            ({"aggregation_method": ["count"]}, "definition/aggregation_method"),
            ({"metric_groups": []}, "definition/metric_groups"),
            ({"metric_groups": [5]}, "definition/metric_groups/0"),
            ({"metric_groups": [{"metric_id": "NOPE01"}]}, "definition/metric_groups/0/metric_id"),
            ({"metric_groups": [{"metric_id": {}}]}, "definition/metric_groups/0/metric_id"),
            *[
                ({"metric_groups": [{"metric_id": "x", "metric_filters": [entry]}]}, None)
                for entry in (5, {}, {"property": "a"}, {"property": "a", "filter": {"type": "string", "operator": []}})
            ],
        ],
    )
    def test_is_checked(self, klaviyo: JudgedCaller, metric_id: str, definition: Any, pointer: str | None) -> None:
        body = custom_metric()
        whole = {"aggregation_method": "count", "metric_groups": [{"metric_id": metric_id}]}
        body["data"]["attributes"]["definition"] = {**whole, **definition} if definition else definition
        reply = klaviyo.post("/api/custom-metrics", body)
        assert reply.status == 400
        assert pointer is None or reply.error["source"]["pointer"] == f"/data/attributes/{pointer}"

    def test_has_no_relationships_to_write(self, klaviyo: JudgedCaller, metric_id: str) -> None:
        body = custom_metric(aggregation_method="count", metric_groups=[{"metric_id": metric_id}])
        body["data"]["relationships"] = {"metrics": {"data": [{"type": "metric", "id": metric_id}]}}
        assert klaviyo.post("/api/custom-metrics", body).refusal[:2] == (400, "/data/relationships")
