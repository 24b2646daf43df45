"""Faults on command: every effect as a client meets it on a real connection, and the rules that aim them."""

import json
import socket
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from klaviyo_sandbox.app import create_app
from klaviyo_sandbox.fault_presets import PRESETS
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running
from klaviyo_sandbox.tenants import DEFAULT_KEY

from .driving import Caller, bulk, event, group, serving, single


def raw_exchange(served: Running, body: dict[str, Any], *, seconds: float = 5) -> bytes:
    """Send an event and read what comes until the connection ends or `seconds` pass."""
    payload = json.dumps(body).encode()
    head = (
        f"POST /api/events HTTP/1.1\r\nhost: x\r\nauthorization: Klaviyo-API-Key {DEFAULT_KEY}\r\n"
        f"revision: 2026-07-15\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as connection:
        connection.sendall(head.encode() + payload)
        received = b""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                chunk = connection.recv(65536)
            except TimeoutError:
                break
            if not chunk:
                break
            received += chunk
    return received


def stored(caller: Caller) -> list[str]:
    return [effect["unique_id"] for effect in caller.effects(kind="event_stored")]


class TestAnswersInsteadOfExecution:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 425, 500, 502, 503, 504, 524])
    def test_any_status_with_an_error_document(self, caller: Caller, status: int) -> None:
        caller.fault({"status": status})
        answer = caller.post("/api/events", single())
        assert answer.status_code == status
        assert answer.json()["errors"][0]["status"] == status
        assert stored(caller) == []

    def test_an_html_page_instead(self, caller: Caller) -> None:
        caller.fault("html_502")
        answer = caller.post("/api/events", single())
        assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=UTF-8")
        assert answer.text.startswith("<!DOCTYPE html>")

    def test_a_cloudflare_challenge(self, caller: Caller) -> None:
        caller.fault("cloudflare_challenge")
        answer = caller.post("/api/events", single())
        assert (answer.status_code, answer.headers["cf-mitigated"]) == (403, "challenge")

    @pytest.mark.parametrize(("body", "shape"), [("empty", b""), ("garbage", b'{"errors":[{"id":"')])
    def test_nothing_or_garbage(self, caller: Caller, body: str, shape: bytes) -> None:
        caller.fault({"status": 500, "body": body})
        answer = caller.post("/api/events", single())
        assert answer.content.startswith(shape) and bool(answer.content) == bool(shape)

    def test_a_body_of_ones_own(self, caller: Caller) -> None:
        caller.fault({"status": 200, "text": '{"data":"surprise"}', "headers": {"content-type": "application/json"}})
        assert caller.get("/api/metrics").json() == {"data": "surprise"}

    @pytest.mark.parametrize(
        ("form", "sent"),
        [
            (7, "7"),
            (-5, "-5"),
            (67_608, "67608"),
            ("soon", "soon"),
            ("date:+90", "Fri, 20 Nov 2026 12:01:30 GMT"),
            (None, None),
        ],
    )
    def test_retry_after_in_every_form(self, caller: Caller, form: object, sent: str | None) -> None:
        caller.fault({"status": 429, "retry_after": form})
        answer = caller.post("/api/events", single())
        assert (answer.status_code, answer.headers.get("retry-after")) == (429, sent)

    def test_a_redirect_elsewhere(self, caller: Caller) -> None:
        caller.fault({"status": 307, "body": "empty", "headers": {"location": "https://elsewhere.invalid/x"}})
        answer = caller.post("/api/events", single())
        assert (answer.status_code, answer.headers["location"]) == (307, "https://elsewhere.invalid/x")

    def test_a_huge_body(self, caller: Caller) -> None:
        caller.fault({"status": 500, "body_bytes": 3_000_000})
        assert len(caller.post("/api/events", single()).content) == 3_000_000

    def test_a_gzip_bomb(self, caller: Caller) -> None:
        caller.fault({"gzip_bomb_bytes": 5_000_000})
        with caller.http.stream("GET", "/api/metrics", headers=caller.headers) as answer:
            packed = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        assert len(packed) < 10_000
        assert len(zlib.decompress(packed, wbits=31)) == 5_000_000

    def test_header_values_travel_as_they_are(self, served: Running, caller: Caller) -> None:
        caller.fault("crlf_header")
        assert b"x-note: first\r\nx-forged: second\r\n\tfolded\r\n" in raw_exchange(served, single())

    def test_a_huge_header(self, served: Running, caller: Caller) -> None:
        caller.fault({"status": 500, "headers": {"x-huge": "h" * 300_000}})
        assert b"h" * 300_000 in raw_exchange(served, single(), seconds=1)

    def test_a_revoked_key_and_a_lost_scope(self, caller: Caller) -> None:
        caller.fault("revoked", times=1)
        caller.fault("lost_scope", times=1)
        answers = [caller.post("/api/events", single()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [401, 403, 202]
        assert answers[0].json()["errors"][0]["code"] == "authentication_failed"
        assert "events:write" in answers[1].json()["errors"][0]["detail"]


class TestBrokenConnections:
    @pytest.mark.parametrize(("effect", "kept"), [("reset_before_read", 0), ("reset_before", 0), ("exec_reset", 1)])
    def test_resets_before_and_after_execution(self, caller: Caller, effect: str, kept: int) -> None:
        caller.fault(effect, times=1)
        with pytest.raises(httpx.TransportError):
            caller.post("/api/events", single())
        assert len(stored(caller)) == kept
        assert caller.post("/api/events", single()).status_code == 202

    def test_a_reset_is_a_real_one(self, served: Running, caller: Caller) -> None:
        caller.fault("exec_reset", times=1)
        with pytest.raises(ConnectionResetError):
            raw_exchange(served, single())

    def test_a_truncated_body(self, caller: Caller) -> None:
        caller.post("/api/events", single())
        caller.fault("truncated")
        with pytest.raises(httpx.RemoteProtocolError):
            caller.get("/api/events")

    def test_a_truncated_answer_to_a_write_tells_its_status(self, served: Running, caller: Caller) -> None:
        caller.fault("truncated")
        received = raw_exchange(served, single())
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 202 ")
        assert f"content-length: {2 * len(body) + 1}".encode() in head
        assert stored(caller) == ["order-1"]

    def test_a_slow_drip(self, served: Running, caller: Caller) -> None:
        caller.fault({"when": "after", "drip_bytes_per_second": 40})
        received = raw_exchange(served, single(), seconds=0.7)
        assert 4 <= len(received) < 40
        assert b"HTTP/1.1 202 Accepted\r\ndate: ".startswith(received[:20])
        assert stored(caller) == ["order-1"]

    @pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 1)])
    def test_hanging_before_and_after_execution(self, caller: Caller, when: str, kept: int) -> None:
        caller.fault({"when": when, "hang_seconds": 30, "reset": True}, times=1)
        with pytest.raises(httpx.ReadTimeout):
            caller.post("/api/events", single(), timeout=0.3)
        assert len(stored(caller)) == kept

    def test_a_slow_answer_is_still_the_true_one(self, caller: Caller) -> None:
        caller.fault({"hang_seconds": 0.2})
        started = time.monotonic()
        assert caller.post("/api/events", single()).status_code == 202
        assert time.monotonic() - started >= 0.2

    @pytest.mark.parametrize("status", [500, 503])
    def test_executed_but_told_otherwise(self, caller: Caller, status: int) -> None:
        caller.fault(f"exec_{status}", times=1)
        assert caller.post("/api/events", single()).status_code == status
        assert caller.post("/api/events", single()).status_code == 202
        assert [effect["kind"] for effect in caller.effects()] == ["event_stored", "event_duplicate"]
        assert caller.requests(fault=f"exec_{status}")[0]["executed"] is True


class TestOutage:
    def test_every_api_connection_can_be_reset_while_control_answers(self, caller: Caller) -> None:
        caller.control("POST", "/outage", {"mode": "reset", "seconds": 60})
        with pytest.raises(httpx.TransportError):
            caller.get("/api/metrics")
        assert caller.control("GET", "/state").status_code == 200
        caller.control("DELETE", "/outage")
        assert caller.get("/api/metrics").status_code == 200

    def test_the_port_can_close_for_a_while(self, served: Running, caller: Caller) -> None:
        caller.control("POST", "/outage", {"mode": "refuse", "seconds": 0.6})
        parts = urlsplit(served.url)
        refused = 0
        for _ in range(200):
            try:
                socket.create_connection((parts.hostname, parts.port), timeout=1).close()
            except ConnectionRefusedError:
                refused += 1
            else:
                if refused:
                    break
            time.sleep(0.02)
        assert refused > 3
        assert Caller(served.url).get("/api/metrics").status_code == 200


class TestLosses:
    def test_events_lost_after_the_202_are_in_the_journal_only(self, caller: Caller) -> None:
        caller.fault("late_drop", times=1)
        assert caller.post("/api/events", single("a")).status_code == 202
        assert caller.get("/api/events").json()["data"] == []
        assert [(e["kind"], e["unique_id"]) for e in caller.effects()] == [("event_late_dropped", "a")]
        caller.post("/api/events", single("a"))
        assert stored(caller) == ["a"]

    def test_poison_names_the_event_by_pointer(self, caller: Caller) -> None:
        caller.fault({"poison": {"text": "bad-7", "where": "unique_id"}})
        answer = caller.post("/api/event-bulk-create-jobs", bulk(group(1, event("ok"), event("bad-7")), group(2, event("b"))))
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert error["source"]["pointer"] == "/data/attributes/events-bulk-create/data/0/attributes/events/data/1"
        assert stored(caller) == []
        assert caller.post("/api/events", single("fine")).status_code == 202

    @pytest.mark.parametrize(
        ("where", "change"),
        [("email", {"number": 66}), ("properties", {"properties": {"note": "person66"}}), ("any", {"number": 66})],
    )
    def test_poison_without_pointer_tells_nothing(self, caller: Caller, where: str, change: dict[str, Any]) -> None:
        caller.fault({"poison": {"text": "person66", "where": where, "pointers": False}})
        answer = caller.post("/api/events", single(**change))
        assert [e["source"] for e in answer.json()["errors"]] == [{"pointer": "/data/"}]
        assert caller.post("/api/events", single("fine")).status_code == 202


class TestRules:
    def test_they_match_by_request_line_and_caller(self, caller: Caller, served: Running) -> None:
        other = caller.control("POST", "/accounts", {"id": "OTHER1"}).json()["key"]
        stranger = Caller(served.url, other)
        by_line = ({"method": "get"}, {"path": "/api/metr*"}, {"operation": "get_m*"})
        by_caller = ({"account": "SANDBX"}, {"key": DEFAULT_KEY})
        for match in by_line + by_caller:
            caller.fault({"status": 500}, match=match)
            assert caller.get("/api/metrics").status_code == 500, match
            assert stranger.get("/api/metrics").status_code == (500 if match in by_line else 200), match
            assert caller.post("/api/events", single()).status_code == (202 if match in by_line else 500), match
            caller.control("DELETE", "/faults")

    def test_they_match_by_body(self, caller: Caller) -> None:
        caller.fault({"status": 500}, match={"body_contains": "order-2"})
        assert [caller.post("/api/events", single(f"order-{n}")).status_code for n in (1, 2, 3)] == [202, 500, 202]

    @pytest.mark.parametrize(
        ("aim", "expected"),
        [
            ({"nth": 3}, [200, 200, 500, 200, 200]),
            ({"skip": 3}, [200, 200, 200, 500, 500]),
            ({"times": 2}, [500, 500, 200, 200, 200]),
            ({"skip": 1, "times": 1}, [200, 500, 200, 200, 200]),
            ({"probability": 0}, [200] * 5),
        ],
        ids=str,
    )
    def test_they_aim(self, caller: Caller, aim: dict[str, Any], expected: list[int]) -> None:
        caller.fault({"status": 500}, **aim)
        assert [caller.get("/api/metrics").status_code for _ in range(5)] == expected

    def test_dice_with_a_seed_repeat(self) -> None:
        def play() -> list[int]:
            with serving(limits=False) as served:
                caller = Caller(served.url)
                rules = [
                    {"effect": "server_error", "probability": 0.3},
                    {"effect": "unavailable", "probability": 0.3},
                ]
                assert caller.control("POST", "/chaos", {"seed": 11, "rules": rules}).status_code == 201
                return [caller.get("/api/metrics").status_code for _ in range(60)]

        first = play()
        assert first == play()
        assert set(first) == {200, 500, 503}

    def test_the_first_rule_that_strikes_wins(self, caller: Caller) -> None:
        caller.fault({"status": 500}, times=1)
        caller.fault({"status": 503})
        assert [caller.get("/api/metrics").status_code for _ in range(3)] == [500, 503, 503]

    def test_they_are_listed_with_counters_and_removed(self, caller: Caller) -> None:
        caller.fault({"status": 500}, name="mine", nth=2)
        for _ in range(3):
            caller.get("/api/metrics")
        (rule,) = caller.control("GET", "/faults").json()["faults"]
        assert (rule["name"], rule["seen"], rule["hits"]) == ("mine", 3, 1)
        assert caller.control("DELETE", f"/faults/{rule['id']}").json() == {"faults": []}
        assert caller.control("DELETE", f"/faults/{rule['id']}").status_code == 404

    @pytest.mark.parametrize(
        "rule",
        [
            {"effect": "no_such_preset"},
            {"effect": {"status": "many"}},
            {"effect": {"colour": "red"}},
            {"effect": "reset_before_read", "match": {"body_contains": "x"}},
            {"effect": "drip", "probability": 2},
            {},
        ],
        ids=str,
    )
    def test_unusable_rules_are_refused(self, caller: Caller, rule: dict[str, Any]) -> None:
        answer = caller.control("POST", "/faults", rule)
        assert (answer.status_code, list(answer.json())) == (400, ["error"])
        assert caller.control("GET", "/faults").json() == {"faults": []}

    def test_a_chaos_profile_comes_whole_or_not_at_all(self, caller: Caller) -> None:
        caller.fault("slow")
        rules = [{"effect": "server_error"}, {"effect": "no_such_preset"}]
        assert caller.control("POST", "/chaos", {"rules": rules}).status_code == 400
        assert [rule["name"] for rule in caller.control("GET", "/faults").json()["faults"]] == ["slow"]

    def test_every_preset_can_be_added(self, caller: Caller) -> None:
        for name in PRESETS:
            caller.fault(name, probability=0)
        assert {rule["name"] for rule in caller.control("GET", "/faults").json()["faults"]} == set(PRESETS)
        assert set(caller.control("GET", "/faults/presets").json()) == set(PRESETS)

    def test_the_control_api_is_never_struck(self, caller: Caller) -> None:
        caller.fault({"status": 500})
        assert caller.control("GET", "/state").status_code == 200
        assert caller.requests() == []

    def test_token_endpoints_can_be_struck(self, caller: Caller) -> None:
        caller.fault({"status": 503}, match={"path": "/oauth/token"})
        assert caller.http.post("/oauth/token").status_code == 503


async def test_in_process_a_reset_raises_at_the_caller() -> None:
    sandbox = Sandbox()
    sandbox.faults.add(Rule(effect="exec_reset", times=1))
    headers = {"authorization": f"Klaviyo-API-Key {DEFAULT_KEY}", "revision": "2026-07-15"}
    transport = httpx.ASGITransport(create_app(sandbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=headers) as client:
        with pytest.raises(ConnectionResetError):
            await client.post("/api/events", json=single())
        assert len(sandbox.effects(kind="event_stored")) == 1
        assert (await client.post("/api/events", json=single())).status_code == 202
    sandbox.close()


def test_under_chaos_a_client_that_repeats_itself_gets_everything_in_once() -> None:
    rules = [
        *({"effect": name, "probability": 0.1} for name in ("exec_500", "exec_reset", "reset_before", "truncated")),
        *({"effect": name, "probability": 0.1} for name in ("html_502", "throttled", "garbage")),
    ]

    def send(url: str, worker: int) -> None:
        caller = Caller(url)
        for n in range(15):
            body = bulk(group(worker, *(event(f"{worker}-{n}-{m}") for m in range(3))))
            for _ in range(200):
                try:
                    if caller.post("/api/event-bulk-create-jobs", body).status_code == 202:
                        break
                except httpx.TransportError:
                    caller = Caller(url)
            else:
                raise AssertionError("never accepted")

    with serving(limits=False) as served:
        caller = Caller(served.url)
        caller.control("POST", "/chaos", {"seed": 5, "rules": rules})
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda worker: send(served.url, worker), range(4)))
        kept = [effect["unique_id"] for effect in served.sandbox.effects(kind="event_stored")]
        hits = [rule["hits"] for rule in served.sandbox.faults.summaries()]
    assert all(hits), hits
    for worker in range(4):
        expected = [f"{worker}-{n}-{m}" for n in range(15) for m in range(3)]
        assert [unique_id for unique_id in kept if unique_id.startswith(f"{worker}-")] == expected
