"""Rate windows: fixed, per caller and operation, with the headers exactly as recorded."""

import pytest

from klaviyo_sandbox.server import Running

from .driving import Caller, serving, single


def statuses(caller: Caller, path: str, times: int) -> list[int]:
    return [caller.get(path).status_code for _ in range(times)]


class TestHeaders:
    def test_two_windows_are_told_in_the_recorded_syntax(self, caller: Caller) -> None:
        headers = caller.get("/api/lists").headers
        assert headers["ratelimit-limit"] == "75, 75;w=1, 750;w=60"
        assert (headers["ratelimit-remaining"], headers["ratelimit-reset"]) == ("74", "0")

    def test_a_daily_window_is_one_element_more(self, caller: Caller) -> None:
        body = {"data": {"type": "list", "attributes": {"name": "News"}}}
        assert caller.post("/api/lists", body).headers["ratelimit-limit"] == "10, 10;w=1, 150;w=60, 150;w=86400"

    def test_refusals_carry_them_too_except_401_and_429(self, caller: Caller, served: Running) -> None:
        assert "ratelimit-limit" in caller.post("/api/events", {}).headers
        assert "ratelimit-limit" in caller.get("/api/events/short").headers
        assert "ratelimit-limit" not in Caller(served.url, "pk_no").get("/api/events").headers


class TestWindows:
    def test_the_burst_window_refuses_until_the_next_second(self, caller: Caller, served: Running) -> None:
        assert statuses(caller, "/api/metrics", 11) == [200] * 10 + [429]
        served.sandbox.clock.advance(0.999)
        assert statuses(caller, "/api/metrics", 1) == [429]
        served.sandbox.clock.advance(0.001)
        assert statuses(caller, "/api/metrics", 1) == [200]

    def test_the_429_says_when(self, caller: Caller, served: Running) -> None:
        for _ in range(15):
            caller.get("/api/accounts")
            served.sandbox.clock.advance(1)
        answer = caller.get("/api/accounts")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "45")
        error = answer.json()["errors"][0]
        assert error["detail"] == "Request was throttled. Expected available in 45 seconds."
        assert error["source"] == {"pointer": "/data"}
        assert (error["code"], error["title"]) == ("throttled", "Request was throttled.")
        assert "rate_limits" in error["links"]["type"]
        assert set(answer.headers) == {"date", "retry-after", "content-length"}

    def test_a_refused_request_uses_nothing(self, caller: Caller, served: Running) -> None:
        for _ in range(15):
            caller.get("/api/accounts")
            caller.get("/api/accounts")  # refused by the burst window
            served.sandbox.clock.advance(1)
        served.sandbox.clock.advance(45)
        assert caller.get("/api/accounts").status_code == 200

    def test_a_daily_window_waits_until_midnight(self, caller: Caller, served: Running) -> None:
        body = {"data": {"type": "list", "attributes": {"name": "News"}}}
        for _ in range(150):
            assert caller.post("/api/lists", body).status_code == 201
            served.sandbox.clock.advance(1)
        answer = caller.post("/api/lists", body)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, str(12 * 3600 - 150))

    def test_windows_can_begin_with_the_first_request(self) -> None:
        with serving(window_alignment="first_request") as served:
            caller = Caller(served.url)
            served.sandbox.clock.advance(0.5)
            assert statuses(caller, "/api/accounts", 2) == [200, 429]
            served.sandbox.clock.advance(0.7)
            assert statuses(caller, "/api/accounts", 1) == [429]
            served.sandbox.clock.advance(0.3)
            assert statuses(caller, "/api/accounts", 1) == [200]

    def test_operations_have_windows_of_their_own(self, caller: Caller) -> None:
        assert statuses(caller, "/api/accounts", 2) == [200, 429]
        assert caller.get("/api/accounts/SANDBX").status_code == 200

    def test_keys_of_one_account_share_and_accounts_do_not(self, caller: Caller, served: Running) -> None:
        sibling = caller.control("POST", "/keys", {"account_id": "SANDBX"}).json()["key"]
        stranger = caller.control("POST", "/accounts", {}).json()["key"]
        assert caller.get("/api/accounts").status_code == 200
        assert Caller(served.url, sibling).get("/api/accounts").status_code == 429
        assert Caller(served.url, stranger).get("/api/accounts").status_code == 200

    def test_a_costly_parameter_draws_from_a_second_bucket(self, caller: Caller, served: Running) -> None:
        body = {"data": {"type": "list", "attributes": {"name": "News"}}}
        list_id = caller.post("/api/lists", body).json()["data"]["id"]
        costly = f"/api/lists/{list_id}?additional-fields[list]=profile_count"
        assert statuses(caller, costly, 2) == [200, 429]
        assert caller.get(f"/api/lists/{list_id}").status_code == 200

    def test_they_can_be_switched_off(self, caller: Caller) -> None:
        caller.control("POST", "/switches", {"limits": False})
        answers = [caller.get("/api/accounts") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert "ratelimit-limit" not in answers[0].headers


class TestChangedQuotas:
    def test_halving_shows_in_headers_and_effect(self, caller: Caller) -> None:
        caller.control("POST", "/limits", {"scale": 0.5})
        assert caller.get("/api/metrics").headers["ratelimit-limit"] == "5, 5;w=1, 75;w=60"
        assert statuses(caller, "/api/metrics", 5) == [200] * 4 + [429]

    def test_one_owner_alone_can_be_scaled(self, caller: Caller, served: Running) -> None:
        stranger = caller.control("POST", "/accounts", {"id": "OTHER1"}).json()["key"]
        caller.control("POST", "/limits", {"owner_scales": {"account:OTHER1": 0.1}})
        assert Caller(served.url, stranger).get("/api/metrics").headers["ratelimit-limit"].startswith("1, ")
        assert caller.get("/api/metrics").headers["ratelimit-limit"].startswith("10, ")

    def test_a_neighbour_uses_part_of_every_window(self, caller: Caller, served: Running) -> None:
        caller.control("POST", "/limits", {"neighbour_share": 0.8})
        for _ in range(3):
            assert statuses(caller, "/api/metrics", 3) == [200, 200, 429]
            served.sandbox.clock.advance(1)

    def test_a_neighbour_uses_up_the_present_window(self, caller: Caller, served: Running) -> None:
        asked = {"operation": "get_metrics", "requests": 10, "owner": "account:SANDBX"}
        caller.control("POST", "/limits/consume", asked)
        assert statuses(caller, "/api/metrics", 1) == [429]
        served.sandbox.clock.advance(1)
        assert statuses(caller, "/api/metrics", 1) == [200]

    @pytest.mark.parametrize("change", [{"scale": 0}, {"neighbour_share": 2}, {"speed": 1}])
    def test_nonsense_is_refused(self, caller: Caller, change: dict[str, float]) -> None:
        assert caller.control("POST", "/limits", change).status_code == 400


def test_a_scaled_clock_makes_windows_pass_faster(caller: Caller, served: Running) -> None:
    real = [0.0]
    clock = type(served.sandbox.clock)(real=lambda: real[0], start=1_000_000.0, scale=60)
    served.sandbox.clock = clock
    assert statuses(caller, "/api/accounts", 2) == [200, 429]
    real[0] += 1 / 60
    assert statuses(caller, "/api/accounts", 1) == [200]


def test_an_event_counts_even_when_it_is_invalid(caller: Caller) -> None:
    caller.post("/api/events", {})
    assert caller.post("/api/events", single()).headers["ratelimit-remaining"] == "348"
