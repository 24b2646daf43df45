"""The control API: journal, effects, clock, switches, state, token, page; and the command line."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from klaviyo_sandbox import cli, operations
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running, running
from klaviyo_sandbox.tenants import DEFAULT_KEY, key_for

from .driving import NOON, Caller, bulk, event, group, serving, single


class TestJournal:
    def test_a_request_is_remembered_with_its_circumstances(self, caller: Caller) -> None:
        answer = caller.post("/api/events", single())
        (record,) = caller.requests()
        assert record["body_sha256"] == hashlib.sha256(answer.request.content).hexdigest()
        wanted = {
            "method": "POST",
            "path": "/api/events",
            "operation": "create_event",
            "account_id": "SANDBX",
            "auth": "key",
            "status": 202,
            "fault": None,
            "times_seen": 1,
            "executed": True,
            "at": NOON,
            "revision": "2026-07-15",
            "body": None,
        }
        assert {name: record[name] for name in wanted} == wanted
        assert record["rate"]["ratelimit-remaining"] == "349"
        assert record["body_bytes"] == len(answer.request.content)

    def test_the_state_of_the_windows_is_part_of_it(self, caller: Caller) -> None:
        for _ in range(2):
            caller.get("/api/accounts")
        first, refused = (record["rate"] for record in caller.requests())
        assert (first["ratelimit-remaining"], refused) == ("0", {"retry-after": "1"})

    def test_repeated_bodies_are_counted(self, caller: Caller) -> None:
        for body in (single("a"), single("b"), single("a")):
            caller.post("/api/events", body)
        assert [record["times_seen"] for record in caller.requests()] == [1, 1, 2]

    def test_bodies_are_kept_on_demand(self, caller: Caller) -> None:
        caller.control("POST", "/switches", {"journal_bodies": True})
        caller.post("/api/events", single())
        assert caller.requests()[0]["body"]

    def test_refused_and_unknown_requests_are_there_too(self, caller: Caller, served: Running) -> None:
        Caller(served.url, "pk_no").get("/api/events")
        caller.get("/api/nothing")
        found = [(r["status"], r["account_id"], r["operation"], r["executed"]) for r in caller.requests()]
        assert found == [(401, None, "get_events", False), (404, "SANDBX", None, False)]

    def test_it_filters_pages_and_forgets(self, caller: Caller) -> None:
        for n in range(4):
            caller.post("/api/events", single(f"u{n}"))
            caller.get("/api/metrics")
        found = caller.requests(operation="create_event", status="202", executed="true", limit="2")
        assert len(found) == 2
        assert len(caller.requests(operation="create_event", after=str(found[-1]["id"]))) == 2
        assert caller.control("GET", "/requests?colour=red").status_code == 400
        caller.control("DELETE", "/requests")
        assert caller.requests() == []

    def test_it_is_bounded_and_effects_are_not(self) -> None:
        with serving(journal_limit=3, limits=False) as served:
            caller = Caller(served.url)
            for n in range(6):
                caller.post("/api/events", single(f"u{n}"))
            assert len(caller.requests()) == 3
            assert len(caller.effects()) >= 6


class TestEffects:
    def test_they_name_the_request_that_caused_them(self, caller: Caller) -> None:
        caller.post("/api/events", single("a"))
        caller.post("/api/events", single("b"))
        by_id = {record["id"]: record for record in caller.requests()}
        (effect,) = caller.effects(unique_id="b", kind="event_stored")
        assert by_id[effect["request_id"]]["operation"] == "create_event"
        assert effect["request_id"] == max(by_id)
        assert len(caller.get(f"/api/events/{effect['subject']}").json()["data"]["id"]) == 11

    def test_a_refused_request_leaves_none(self, caller: Caller) -> None:
        caller.post("/api/event-bulk-create-jobs", bulk(group(1, event("a"), event("a"))))
        assert caller.effects() == []
        assert caller.get("/api/profiles").json()["data"] == []

    def test_counts_find_what_was_stored_twice(self, caller: Caller) -> None:
        caller.post("/api/events", single("a", number=1))
        caller.post("/api/events", single("a", number=2))  # the same purchase under two people: doubled
        caller.post("/api/events", single("b"))
        query = {"kind": "event_stored", "by": "unique_id", "at_least": "2"}
        assert caller.control("GET", "/effects/counts", params=query).json() == {"counts": [{"unique_id": "a", "count": 2}]}
        assert caller.control("GET", "/effects/counts?by=colour").status_code == 400

    def test_they_stream_as_ndjson(self, caller: Caller) -> None:
        for part in range(3):
            events = [event(f"{part}-{n}") for n in range(900)]
            assert caller.post("/api/event-bulk-create-jobs", bulk(group(1, *events))).status_code == 202
        answer = caller.control("GET", "/effects.ndjson?kind=event_stored")
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert [line["unique_id"] for line in lines] == [f"{p}-{n}" for p in range(3) for n in range(900)]
        rest = caller.control("GET", "/effects.ndjson", params={"kind": "event_stored", "after": str(lines[-2]["seq"])})
        assert [json.loads(line)["unique_id"] for line in rest.text.splitlines()] == ["2-899"]


class TestClockAndState:
    def test_the_clock_is_read_set_advanced_and_scaled(self, caller: Caller) -> None:
        assert caller.control("GET", "/clock").json() == {"timestamp": NOON, "now": "2026-11-20T12:00:00Z", "scale": 0.0}
        assert caller.control("POST", "/clock", {"advance": 90}).json()["timestamp"] == NOON + 90
        moved = caller.control("POST", "/clock", {"set": "2027-01-01T00:00:00Z", "advance": 1}).json()
        assert moved["now"] == "2027-01-01T00:00:01Z"
        assert caller.control("POST", "/clock", {"scale": 100}).json()["scale"] == 100
        assert caller.control("POST", "/clock", {"jump": 1}).status_code == 400

    def test_switches_change_together_or_not_at_all(self, caller: Caller) -> None:
        assert caller.control("POST", "/switches", {"dedupe": "strict"}).json()["dedupe"] == "strict"
        assert caller.control("POST", "/switches", {"limits": False, "dedupe": "sometimes"}).status_code == 400
        assert caller.control("POST", "/switches", {"colour": "red"}).status_code == 400
        assert caller.control("GET", "/switches").json()["limits"] is True

    def test_state_counts_rows_and_reset_empties_them(self, caller: Caller) -> None:
        caller.post("/api/events", single())
        caller.fault("slow", probability=0)
        assert caller.control("GET", "/state").json()["rows"]["events"] == 1
        after = caller.control("POST", "/reset").json()
        assert (after["rows"]["events"], after["rows"]["effects"], after["faults"], after["requests"]) == (0, 0, [], 0)
        assert caller.get("/api/accounts").status_code == 200

    def test_a_file_keeps_everything(self, tmp_path: Path) -> None:
        path = str(tmp_path / "sandbox.db")
        with serving(path=path) as served:
            Caller(served.url).post("/api/events", single())
        with serving(path=path) as served:
            caller = Caller(served.url)
            assert len(caller.get("/api/events").json()["data"]) == 1
            caller.post("/api/events", single())
            assert {e["kind"] for e in caller.effects(unique_id="order-1")} == {"event_stored", "event_duplicate"}
            assert len({e["request_id"] for e in caller.effects(unique_id="order-1")}) == 2


class TestToken:
    def test_it_is_asked_for_everywhere_below_the_prefix(self) -> None:
        with serving(token="s3cret") as served:
            caller = Caller(served.url)
            for path in ("/", "/state", "/effects"):
                assert caller.control("GET", path).status_code == 401
            headers = {"authorization": "Bearer s3cret"}
            assert caller.control("GET", "/state", headers=headers).status_code == 200
            assert caller.get("/api/metrics").status_code == 200

    def test_the_page_remembers_it_in_a_cookie(self) -> None:
        with serving(token="s3cret") as served:
            caller = Caller(served.url)
            assert caller.control("GET", "/?token=s3cret").status_code == 200
            assert caller.control("GET", "/").status_code == 200
            assert caller.control("GET", "/?token=wrong", headers={"cookie": "x=y"}).status_code == 401

    def test_other_sites_cannot_press_buttons(self, caller: Caller) -> None:
        headers = {"sec-fetch-site": "cross-site"}
        assert caller.control("POST", "/press/reset", headers=headers).status_code == 403


class TestPage:
    def test_it_shows_accounts_faults_requests_and_effects(self, caller: Caller) -> None:
        caller.fault({"status": 500}, name="<b>mine</b>", nth=2)
        caller.post("/api/events", single("<i>u1</i>"))
        page = caller.http.get("/_sandbox/")
        assert page.status_code == 200
        for text in (DEFAULT_KEY, "&lt;b&gt;mine&lt;/b&gt;", "/api/events", "&lt;i&gt;u1&lt;/i&gt;", "1 event_stored"):
            assert text in page.text
        assert "<b>mine" not in page.text and "<i>u1" not in page.text

    def test_its_buttons_work(self, caller: Caller, served: Running) -> None:
        def press(button: str, value: str = "") -> None:
            assert caller.http.post(f"/_sandbox/press/{button}", data={"value": value}).status_code == 303

        press("add-fault", "server_error")
        assert caller.get("/api/metrics").status_code == 500
        press("clear-faults")
        press("toggle-key", DEFAULT_KEY)
        assert caller.get("/api/metrics").status_code == 401
        press("toggle-key", DEFAULT_KEY)
        press("advance", "60")
        assert served.sandbox.clock.timestamp() == NOON + 60
        press("halve")
        assert caller.get("/api/metrics").headers["ratelimit-limit"].startswith("5, ")
        press("toggle-limits")
        assert "ratelimit-limit" not in caller.get("/api/metrics").headers
        press("outage", "30")
        assert served.sandbox.outage.resets_connections
        press("end-outage")
        press("reset")
        assert caller.requests() == []
        assert caller.http.post("/_sandbox/press/nothing").status_code == 404

    def test_a_bad_value_is_400(self, caller: Caller) -> None:
        for button, value in (("add-fault", "no such"), ("advance", "soon"), ("remove-fault", "x")):
            assert caller.http.post(f"/_sandbox/press/{button}", data={"value": value}).status_code == 400


class TestCommand:
    def test_it_serves_and_says_how_to_use_it(self, tmp_path: Path) -> None:
        arguments = ["--port", "0", "--state", str(tmp_path / "s.db"), "--no-limits", "--dedupe", "strict"]
        arguments += ["--seed-account", "SHOP01:pk_shop:events:write,metrics:read", "--switch", "access_token_seconds=60"]
        arguments += ["--switch", "statuses=spec"]
        command = [sys.executable, "-m", "klaviyo_sandbox", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().split()[-1]
                rest = "".join(process.stdout.readline() for _ in range(6))
                assert "pk_shop" in rest and f'test_host="{url}"' in rest and f"KLAVIYO_BASE_URL={url}" in rest
                switches = httpx.get(f"{url}/_sandbox/switches").json()
                assert (switches["dedupe"], switches["limits"], switches["access_token_seconds"]) == ("strict", False, 60)
                keys = httpx.get(f"{url}/_sandbox/accounts").json()["keys"]
                assert [(key["key"], sorted(key["scopes"])) for key in keys] == [("pk_shop", ["events:write", "metrics:read"])]
            finally:
                process.terminate()
            assert process.wait(timeout=10) in (0, -15)

    @pytest.mark.parametrize("switch", ["dedupe=never", "colour=red", "limits"])
    def test_an_unusable_switch_is_told_in_one_line(self, switch: str) -> None:
        command = [sys.executable, "-m", "klaviyo_sandbox", "--port", "0", "--switch", switch]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
        assert ended.stderr.startswith("--switch: ")

    @pytest.mark.parametrize(
        ("text", "key", "scopes"),
        [
            ("SANDBX", DEFAULT_KEY, None),
            ("SHOP01", "pk_sandbox0key0of0SHOP010000000000000", None),
            ("SHOP01:pk_x", "pk_x", None),
            ("SHOP01::lists:read,tags:read", key_for("SHOP01"), ["lists:read", "tags:read"]),
        ],
    )
    def test_seeds_are_read(self, text: str, key: str, scopes: list[str] | None) -> None:
        seed = cli.seed_from(text)
        assert (seed.key, seed.scopes) == (key, scopes)
        assert len(key_for(text[:6])) == len("pk_") + 34


def test_several_sandboxes_live_side_by_side() -> None:
    with running() as one, running() as two:
        Caller(one.url).post("/api/events", single())
        assert len(Caller(one.url).effects()) > 0
        assert Caller(two.url).effects() == []


def test_every_operation_is_found_by_its_own_path() -> None:
    table = operations.load()
    assert len(table.by_id) == 345
    for operation in table.by_id.values():
        path = "/".join("X%2FY" if part.startswith("{") else part for part in operation.path.split("/"))
        found = table.match(operation.method, f"{path}/")
        assert found is not None and found.operation == operation
        assert set(found.path.values()) <= {"X/Y"}


def test_reading_from_another_thread_sees_whole_requests(served: Running, caller: Caller) -> None:
    sandbox: Sandbox = served.sandbox
    caller.post("/api/event-bulk-create-jobs", bulk(group(1, *(event(f"u{n}") for n in range(500)))))
    found: list[dict[str, Any]] = sandbox.effects(kind="event_stored")
    assert len(found) == 500
    assert found[0]["payload"]["properties"] == {"OrderId": "u0"}


class TestAMetricOfAnIntegration:
    def test_is_made_once_and_listed_as_that_integrations(self, caller: Caller) -> None:
        asked = {"account_id": "SANDBX", "name": "Placed Order", "integration": "shopify"}
        made = [caller.control("POST", "/metrics", asked) for _ in range(2)]
        assert [answer.status_code for answer in made] == [201, 201]
        assert made[0].json() == made[1].json()
        (listed,) = caller.get("/api/metrics").json()["data"]
        assert (listed["id"], listed["attributes"]["name"]) == (made[0].json()["metric_id"], "Placed Order")
        integration = listed["attributes"]["integration"]
        assert (integration["key"], integration["name"], integration["category"]) == ("shopify", "Shopify", "eCommerce")

    def test_is_refused_without_its_account_or_name(self, caller: Caller) -> None:
        asked = {"account_id": "NOBODY", "name": "Placed Order", "integration": "shopify"}
        assert caller.control("POST", "/metrics", asked).status_code == 404
        assert caller.control("POST", "/metrics", asked | {"name": ""}).status_code == 400
