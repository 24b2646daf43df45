"""Events: what is accepted, what is refused and where, and what counts as a repetition."""

import gzip
import json
from typing import Any

import pytest

from klaviyo_sandbox.server import Running

from .driving import NOON, Caller, bulk, event, group, pointers, profile, serving, single


def stored(caller: Caller) -> list[str]:
    return [effect["unique_id"] for effect in caller.effects(kind="event_stored")]


class TestAcceptance:
    @pytest.mark.parametrize("body", [single(), bulk(group(1, event()))], ids=["single", "bulk"])
    def test_the_answer_is_202_with_nothing_in_it(self, caller: Caller, body: dict[str, Any]) -> None:
        path = "/api/events" if body["data"]["type"] == "event" else "/api/event-bulk-create-jobs"
        answer = caller.post(path, body)
        assert (answer.status_code, answer.content) == (202, b"")
        assert "content-type" not in answer.headers

    def test_an_event_makes_its_profile_and_its_metric(self, caller: Caller) -> None:
        caller.post("/api/events", single(profile=profile(3, first_name="Ada", properties={"tier": "gold"})))
        read = caller.get("/api/events?include=metric,profile").json()
        attributes = read["data"][0]["attributes"]
        assert attributes["timestamp"] == NOON - 5 * 3600
        assert attributes["datetime"] == "2026-11-20T07:00:00+00:00"
        assert attributes["event_properties"] == {
            "OrderId": "order-1",
            "$event_id": "order-1",
            "$value": 9.5,
            "$value_currency": "USD",
        }
        included = {entry["type"]: entry["attributes"] for entry in read["included"]}
        assert included["profile"]["email"] == "person3@shop.test"
        assert included["profile"]["properties"] == {"tier": "gold"}
        assert included["metric"]["name"] == "Placed Order"
        assert included["metric"]["integration"]["name"] == "API"

    def test_no_value_counts_as_zero_once_the_metric_has_had_values(self, caller: Caller) -> None:
        for unique_id, value in (("a", None), ("b", 3), ("c", None)):
            caller.post("/api/events", single(unique_id, value=value, value_currency=None))
        read = [entry["attributes"]["event_properties"] for entry in caller.get("/api/events?sort=datetime").json()["data"]]
        assert [properties.get("$value") for properties in read] == [None, 3, 0]
        assert [effect["payload"]["value"] for effect in caller.effects(kind="event_stored")] == [None, 3, None]

    def test_gzip_is_unpacked(self, caller: Caller) -> None:
        body = gzip.compress(json.dumps(single()).encode())
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        assert caller.call("POST", "/api/events", content=body, headers=headers).status_code == 202
        assert stored(caller) == ["order-1"]

    def test_visibility_is_delayed_by_a_switch(self) -> None:
        with serving(visibility_delay_seconds=30) as served:
            caller = Caller(served.url)
            caller.post("/api/events", single())
            assert stored(caller) == ["order-1"]
            assert caller.get("/api/events").json()["data"] == caller.get("/api/profiles").json()["data"] == []
            served.sandbox.clock.advance(30)
            assert len(caller.get("/api/events").json()["data"]) == 1
            assert len(caller.get("/api/profiles").json()["data"]) == 1

    def test_test_addresses_vanish_by_a_switch(self) -> None:
        with serving(drop_test_addresses=True) as served:
            caller = Caller(served.url)
            body = single(profile={"data": {"type": "profile", "attributes": {"email": "a@Example.com"}}})
            assert caller.post("/api/events", body).status_code == 202
            assert [effect["kind"] for effect in caller.effects()] == ["event_test_address_dropped"]
            assert caller.get("/api/events").json()["data"] == []

    def test_time_defaults_to_arrival_and_is_cut_to_the_second(self, caller: Caller, served: Running) -> None:
        served.sandbox.clock.advance(0.7)
        caller.post("/api/events", single("a", time=None))
        caller.post("/api/events", single("b", time="2026-11-20T12:00:00.999Z"))
        caller.post("/api/events", single("c", time="2026-11-20T13:00:00+01:00"))
        caller.post("/api/events", single("d", time="2026-11-20T12:00:00"))
        assert {effect["payload"]["timestamp"] for effect in caller.effects(kind="event_stored")} == {NOON}

    def test_effects_tell_the_payload_as_it_was_sent(self, caller: Caller) -> None:
        properties = {"deep": {"list": [1, 2.5, None, "ü\u2028", True]}, "": 0, "big": 2**53 + 1}
        caller.post("/api/events", single(properties=properties, backfill=True))
        (effect,) = caller.effects()
        assert effect["payload"] == {
            "timestamp": NOON - 5 * 3600,
            "value": 9.5,
            "value_currency": "USD",
            "backfill": True,
            "identifiers": {"email": "person1@shop.test"},
            "properties": properties,
        }
        assert (effect["metric"], effect["unique_id"]) == ("Placed Order", "order-1")

    def test_events_over_oauth_belong_to_the_app(self, caller: Caller, served: Running) -> None:
        app = {"name": "Acme", "key": "acme", "redirect_uris": ["http://x"], "scopes": ["events:write"]}
        client_id = caller.control("POST", "/apps", app).json()["client_id"]
        wanted = {"client_id": client_id, "account_id": "SANDBX"}
        token = caller.control("POST", "/installations", wanted).json()["access_token"]
        caller.post("/api/events", single("a"))
        Caller(served.url, authorization=f"Bearer {token}").post("/api/events", single("a"))
        keys = [metric["attributes"]["integration"]["key"] for metric in caller.get("/api/metrics").json()["data"]]
        assert sorted(keys) == ["acme", "api"]
        assert stored(caller) == ["a", "a"]


NOT_OBJECTS = [None, [], "text", 7]
ATTRIBUTES = "/data/attributes"
METRIC = "/data/attributes/metric/data"


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"properties": None}, f"{ATTRIBUTES}/properties"),
            ({"properties": []}, f"{ATTRIBUTES}/properties"),
            ({"properties": {f"p{n}": n for n in range(401)}}, f"{ATTRIBUTES}/properties"),
            ({"properties": {"a": {"b/c": ["x" * 100_001]}}}, f"{ATTRIBUTES}/properties/a/b~1c/0"),
            ({"properties": {"a": "ü" * 50_001}}, f"{ATTRIBUTES}/properties/a"),
            ({"time": "tomorrow"}, f"{ATTRIBUTES}/time"),
            ({"time": "2026-13-01T00:00:00Z"}, f"{ATTRIBUTES}/time"),
            ({"time": "2026-11-20"}, f"{ATTRIBUTES}/time"),
            ({"time": 1795158000}, f"{ATTRIBUTES}/time"),
            ({"time": "1989-12-31T23:59:59Z"}, f"{ATTRIBUTES}/time"),
            ({"time": "2027-11-20T12:00:01Z"}, f"{ATTRIBUTES}/time"),
            ({"value": "9.5"}, f"{ATTRIBUTES}/value"),
            ({"value": True}, f"{ATTRIBUTES}/value"),
            ({"value_currency": "EURO"}, f"{ATTRIBUTES}/value_currency"),
            ({"value_currency": "eur"}, f"{ATTRIBUTES}/value_currency"),
            ({"value_currency": "ABC"}, f"{ATTRIBUTES}/value_currency"),
            ({"unique_id": 17}, f"{ATTRIBUTES}/unique_id"),
            ({"unique_id": ""}, f"{ATTRIBUTES}/unique_id"),
            ({"unique_id": "u" * 256}, f"{ATTRIBUTES}/unique_id"),
            ({"backfill": "yes"}, f"{ATTRIBUTES}/backfill"),
            ({"metric": None}, f"{ATTRIBUTES}/metric"),
            ({"metric": {"data": {"type": "metric", "attributes": {}}}}, f"{METRIC}/attributes/name"),
            ({"metric": {"data": {"type": "metric", "attributes": {"name": "  "}}}}, f"{METRIC}/attributes/name"),
            ({"metric": {"data": {"type": "metric", "attributes": {"name": "m" * 128}}}}, f"{METRIC}/attributes/name"),
            ({"metric": {"data": {"type": "event", "attributes": {"name": "m"}}}}, f"{METRIC}/type"),
            ({"metric": {"data": []}}, METRIC),
            ({"profile": {}}, f"{ATTRIBUTES}/profile"),
            (
                {"profile": {"data": {"type": "profile", "attributes": {"first_name": "Ada"}}}},
                f"{ATTRIBUTES}/profile/data/attributes",
            ),
            ({"profile": profile(1, email="nobody")}, f"{ATTRIBUTES}/profile/data/attributes/email"),
            ({"profile": profile(1, phone_number="+999")}, f"{ATTRIBUTES}/profile/data/attributes/phone_number"),
            ({"colour": "red"}, f"{ATTRIBUTES}/colour"),
        ],
        ids=lambda value: value if isinstance(value, str) else next(iter(value)),
    )
    def test_each_fault_is_named_by_its_pointer(self, caller: Caller, change: dict[str, Any], pointer: str) -> None:
        answer = caller.post("/api/events", single(**change))
        assert answer.status_code == 400
        assert pointers(answer) == {pointer}
        assert caller.effects() == []

    @pytest.mark.parametrize(
        "change",
        [
            {"properties": {}},
            {"properties": {f"p{n}": n for n in range(400)}},
            {"properties": {"a": "x" * 100_000}},
            {"time": "1990-01-01T00:00:00Z"},
            {"time": "2027-11-20T12:00:00Z"},
            {"value": 0},
            {"value": -3.5},
            {"value": 2**70},
            {"value": None, "value_currency": None},
            {"unique_id": "u" * 255},
            {"metric": {"data": {"type": "metric", "attributes": {"name": "m" * 127, "service": "api"}}}},
            {"profile": {"data": {"type": "profile", "attributes": {"external_id": "e1"}}}},
            {"profile": {"data": {"type": "profile", "attributes": {"anonymous_id": "a1"}}}},
        ],
        ids=str,
    )
    def test_the_edges_are_inside(self, caller: Caller, change: dict[str, Any]) -> None:
        answer = caller.post("/api/events", single(**change))
        assert answer.status_code == 202, answer.text

    def test_everything_wrong_is_told_at_once(self, caller: Caller) -> None:
        body = single(properties=None, value="1", unique_id=5, profile=profile(1, email="x"))
        del body["data"]["attributes"]["metric"]
        assert pointers(caller.post("/api/events", body)) == {
            f"{ATTRIBUTES}/properties",
            f"{ATTRIBUTES}/value",
            f"{ATTRIBUTES}/unique_id",
            f"{ATTRIBUTES}/metric",
            f"{ATTRIBUTES}/profile/data/attributes/email",
        }

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"NaN", b'{"data":NaN}', b"\xff", b'{"a":"\\ud800"}'])
    @pytest.mark.parametrize("path", ["/api/events", "/api/event-bulk-create-jobs"])
    def test_what_is_not_a_json_object_is_400(self, caller: Caller, path: str, body: bytes) -> None:
        answer = caller.call("POST", path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400

    @pytest.mark.parametrize("data", NOT_OBJECTS)
    @pytest.mark.parametrize("path", ["/api/events", "/api/event-bulk-create-jobs"])
    def test_data_must_be_an_object(self, caller: Caller, path: str, data: object) -> None:
        assert caller.post(path, {"data": data}).status_code == 400

    def test_deep_nesting_does_no_harm(self, caller: Caller) -> None:
        body = b'{"data":' * 100_000
        answer = caller.call("POST", "/api/events", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400

    @pytest.mark.parametrize(("size", "status"), [(4_999_000, 202), (5_000_001, 413)])
    def test_five_megabytes_are_the_limit(self, caller: Caller, size: int, status: int) -> None:
        events = [event(f"u{n}", properties={"filler": "x" * 99_000}) for n in range(50)]
        body = json.dumps(bulk(group(1, *events))).encode()
        body += b" " * (size - len(body))
        headers = {"content-type": "application/json"}
        assert caller.call("POST", "/api/event-bulk-create-jobs", content=body, headers=headers).status_code == status

    def test_the_limit_counts_after_decompression(self, caller: Caller) -> None:
        body = gzip.compress(b" " * 200_000_000)
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        assert caller.call("POST", "/api/events", content=body, headers=headers).status_code == 413

    def test_broken_gzip_is_400(self, caller: Caller) -> None:
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        for body in (b"not gzip", gzip.compress(b"{}")[:-4]):
            assert caller.call("POST", "/api/events", content=body, headers=headers).status_code == 400


class TestBulk:
    def test_one_bad_event_refuses_all_and_points_at_it(self, caller: Caller) -> None:
        body = bulk(group(1, event("a"), event("b")), group(2, event("c"), event("d", value="x")))
        answer = caller.post("/api/event-bulk-create-jobs", body)
        where = "/data/attributes/events-bulk-create/data/1/attributes/events/data/1/attributes/value"
        assert (answer.status_code, pointers(answer)) == (400, {where})
        assert caller.effects() == []

    def test_each_bad_row_has_an_error(self, caller: Caller) -> None:
        groups = [group(n, event(f"u{n}")) for n in range(10)]
        for n in (3, 7):
            groups[n]["attributes"]["profile"]["data"]["attributes"]["email"] = "broken"
        answer = caller.post("/api/event-bulk-create-jobs", bulk(*groups))
        base = "/data/attributes/events-bulk-create/data"
        assert pointers(answer) == {f"{base}/{n}/attributes/profile/data/attributes/email" for n in (3, 7)}

    @pytest.mark.parametrize(("count", "status"), [(1_000, 202), (1_001, 400)])
    def test_a_thousand_events_in_all(self, caller: Caller, count: int, status: int) -> None:
        groups = [group(n, *(event(f"{n}-{m}") for m in range(count // 2 + (count % 2) * n))) for n in range(2)]
        answer = caller.post("/api/event-bulk-create-jobs", bulk(*groups))
        assert answer.status_code == status, answer.text[:300]
        assert len(caller.effects()) == (count if status == 202 else 0)

    @pytest.mark.parametrize("groups", [[], [{}], [None], [{"type": "event-bulk-create", "attributes": {}}], [group(1)]])
    def test_empty_or_malformed_groups_are_400(self, caller: Caller, groups: list[Any]) -> None:
        assert caller.post("/api/event-bulk-create-jobs", bulk(*groups)).status_code == 400

    def test_backfill_of_the_group_is_the_default_of_its_events(self, caller: Caller) -> None:
        body = bulk(group(1, event("a"), event("b", backfill=False), backfill=True), group(2, event("c")))
        caller.post("/api/event-bulk-create-jobs", body)
        flags = {effect["unique_id"]: effect["payload"]["backfill"] for effect in caller.effects()}
        assert flags == {"a": True, "b": False, "c": False}

    def test_the_order_within_a_request_is_kept(self, caller: Caller) -> None:
        ids = [f"u{n}" for n in (5, 3, 9, 1)]
        caller.post("/api/event-bulk-create-jobs", bulk(group(1, *map(event, ids))))
        assert stored(caller) == ids


class TestRepetition:
    def test_a_single_repeated_event_is_dropped_silently(self, caller: Caller) -> None:
        assert [caller.post("/api/events", single(value=v)).status_code for v in (1, 2)] == [202, 202]
        assert [effect["kind"] for effect in caller.effects()] == ["event_stored", "event_duplicate"]
        assert caller.get("/api/events").json()["data"][0]["attributes"]["event_properties"]["$value"] == 1

    def test_the_same_id_for_another_person_or_metric_is_another_event(self, caller: Caller) -> None:
        caller.post("/api/events", single("a", number=1))
        caller.post("/api/events", single("a", number=2))
        caller.post("/api/events", single("a", number=1, metric="Refunded Order"))
        assert stored(caller) == ["a", "a", "a"]

    def test_without_unique_id_the_second_is_the_key(self, caller: Caller) -> None:
        for time in ("2026-11-20T07:00:00.1Z", "2026-11-20T07:00:00.9Z", "2026-11-20T07:00:01Z"):
            caller.post("/api/events", single(None, time=time, properties={"at": time}))
        assert len(stored(caller)) == 2

    FRESH = bulk(group(1, event("a")), group(2, event("b")))
    MIXED = bulk(group(1, event("a"), event("c")))
    INNER = bulk(group(1, event("x"), event("y")), group(1, event("x")))

    @pytest.mark.parametrize(
        ("mode", "mixed_status", "inner_status", "kept"),
        [
            ("in_request", 202, 400, ["a", "b", "c"]),
            ("strict", 400, 400, ["a", "b"]),
            ("silent", 202, 202, ["a", "b", "c", "x", "y"]),
        ],
    )
    def test_bulk_has_three_readings(self, mode: str, mixed_status: int, inner_status: int, kept: list[str]) -> None:
        with serving(dedupe=mode) as served:
            caller = Caller(served.url)
            assert caller.post("/api/event-bulk-create-jobs", self.FRESH).status_code == 202
            mixed = caller.post("/api/event-bulk-create-jobs", self.MIXED)
            inner = caller.post("/api/event-bulk-create-jobs", self.INNER)
            assert (mixed.status_code, inner.status_code) == (mixed_status, inner_status)
            assert stored(caller) == kept
            base = "/data/attributes/events-bulk-create/data"
            if inner.status_code == 400:
                assert pointers(inner) == {f"{base}/1/attributes/events/data/0/attributes/unique_id"}
            if mixed.status_code == 400:
                assert pointers(mixed) == {f"{base}/0/attributes/events/data/0/attributes/unique_id"}

    def test_the_same_batch_again_is_dropped_whole_by_default(self, caller: Caller) -> None:
        for _ in range(2):
            assert caller.post("/api/event-bulk-create-jobs", self.FRESH).status_code == 202
        assert [effect["kind"] for effect in caller.effects()] == ["event_stored"] * 2 + ["event_duplicate"] * 2
