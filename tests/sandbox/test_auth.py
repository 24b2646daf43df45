"""Who may call: schemes, keys, scopes, accounts, revisions, media types, paths."""

from typing import Any

import pytest

from klaviyo_sandbox.server import Running
from klaviyo_sandbox.tenants import DEFAULT_KEY, SeedAccount

from .driving import JSON_API, Caller, serving, single


def first_error(answer: Any) -> dict[str, Any]:
    error: dict[str, Any] = answer.json()["errors"][0]
    return error


class TestCredentials:
    @pytest.mark.parametrize("header", ["", "Basic abc", "pk_123", "Klaviyo-API-Key sk_123"])
    def test_a_missing_or_foreign_scheme_is_not_authenticated(self, served: Running, header: str) -> None:
        answer = Caller(served.url).get("/api/accounts", headers={"authorization": header or None})
        assert answer.status_code == 401
        error = first_error(answer)
        assert error.pop("id")
        assert error == {
            "status": 401,
            "code": "not_authenticated",
            "title": "Authentication credentials were not provided.",
            "detail": "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.",
            "source": {"pointer": "/data/"},
        }
        assert answer.headers["content-type"] == JSON_API
        assert not [name for name in answer.headers if name.startswith("ratelimit")]

    @pytest.mark.parametrize("header", ["Klaviyo-API-Key pk_unknown", "Bearer nothing.real.here"])
    def test_a_wrong_key_or_token_fails_authentication(self, served: Running, header: str) -> None:
        answer = Caller(served.url, authorization=header).get("/api/accounts")
        assert (answer.status_code, first_error(answer)["code"]) == (401, "authentication_failed")

    def test_the_scheme_is_read_without_case(self, served: Running) -> None:
        assert Caller(served.url, authorization=f"klaviyo-api-key {DEFAULT_KEY}").get("/api/accounts").status_code == 200

    def test_a_key_sees_its_own_account_only(self) -> None:
        seeds = [SeedAccount("FIRST1", "pk_one"), SeedAccount("SECND2", "pk_two")]
        with serving(accounts=seeds) as served:
            one, two = Caller(served.url, "pk_one"), Caller(served.url, "pk_two")
            assert one.get("/api/accounts").json()["data"][0]["id"] == "FIRST1"
            assert two.get("/api/accounts/SECND2").status_code == 200
            one.post("/api/events", single())
            assert len(one.get("/api/events").json()["data"]) == 1
            assert two.get("/api/events").json()["data"] == []
            assert one.get("/api/accounts/SECND2").status_code == 404

    def test_keys_are_revoked_revived_and_added_while_it_runs(self, caller: Caller, served: Running) -> None:
        caller.control("PATCH", f"/keys/{DEFAULT_KEY}", {"revoked": True})
        assert caller.get("/api/metrics").status_code == 401
        caller.control("PATCH", f"/keys/{DEFAULT_KEY}", {"revoked": False})
        assert caller.get("/api/metrics").status_code == 200
        added = caller.control("POST", "/keys", {"account_id": "SANDBX"}).json()["key"]
        assert Caller(served.url, added).get("/api/metrics").status_code == 200


class TestScopes:
    def test_a_key_without_the_scope_is_denied_and_told_which(self, served: Running, caller: Caller) -> None:
        key = caller.control("POST", "/keys", {"account_id": "SANDBX", "scopes": ["events:read"]}).json()["key"]
        narrow = Caller(served.url, key)
        assert narrow.get("/api/events").status_code == 200
        answer = narrow.post("/api/events", single())
        assert (answer.status_code, first_error(answer)["code"]) == (403, "permission_denied")
        assert "events:write" in first_error(answer)["detail"]

    def test_scopes_change_while_it_runs(self, served: Running, caller: Caller) -> None:
        key = caller.control("POST", "/keys", {"account_id": "SANDBX", "scopes": []}).json()["key"]
        assert Caller(served.url, key).get("/api/events").status_code == 403
        caller.control("PATCH", f"/keys/{key}", {"scopes": ["events:read"]})
        assert Caller(served.url, key).get("/api/events").status_code == 200


class TestRevision:
    @pytest.mark.parametrize(
        ("revision", "status"),
        [
            ("2026-07-15", 200),
            ("2026-10-15", 200),
            ("2026-07-15.pre", 200),
            ("2023-02-22", 200),  # retired: served by the oldest living revision
            ("2026-07-16", 404),
            ("2031-01-15", 404),
            ("yesterday", 400),
            (None, 400),
        ],
    )
    def test_the_revision_decides(self, caller: Caller, revision: str | None, status: int) -> None:
        assert caller.get("/api/metrics", headers={"revision": revision}).status_code == status

    def test_a_retired_revision_is_gone_for_those_who_opt_out(self, caller: Caller) -> None:
        headers = {"revision": "2023-02-22", "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}
        assert caller.get("/api/metrics", headers=headers).status_code == 410

    def test_a_missing_revision_can_fall_forward(self) -> None:
        with serving(missing_revision="fall_forward") as served:
            assert Caller(served.url).get("/api/metrics", headers={"revision": None}).status_code == 200


class TestRequestLine:
    def test_both_slash_forms_are_one(self, caller: Caller) -> None:
        assert caller.get("/api/metrics").status_code == caller.get("/api/metrics/").status_code == 200

    @pytest.mark.parametrize("path", ["/api/nothing", "/api", "/", "/api/events/a/b/c", "/api//events"])
    def test_an_unknown_path_is_not_found(self, caller: Caller, path: str) -> None:
        answer = caller.get(path)
        assert (answer.status_code, first_error(answer)["code"]) == (404, "not_found")

    def test_another_method_is_not_allowed(self, caller: Caller) -> None:
        answer = caller.call("DELETE", "/api/events")
        assert (answer.status_code, first_error(answer)["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "POST"}

    def test_an_unacceptable_media_type_is_refused_both_ways(self, caller: Caller) -> None:
        assert caller.get("/api/metrics", headers={"accept": "text/csv"}).status_code == 406
        answer = caller.call("POST", "/api/events", content=b"<event/>", headers={"content-type": "text/xml"})
        assert answer.status_code == 415

    def test_plain_json_is_taken_too(self, caller: Caller) -> None:
        answer = caller.post("/api/events", single(), headers={"content-type": "application/json", "accept": "*/*"})
        assert answer.status_code == 202

    def test_an_operation_that_is_not_emulated_says_so(self, caller: Caller) -> None:
        assert caller.get("/api/campaigns").status_code == 501
