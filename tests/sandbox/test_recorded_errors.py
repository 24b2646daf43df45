"""Errors and rate headers of the live service, recorded on 2026-09-04, field by field against the sandbox's."""

from collections.abc import Callable
from typing import Any

import pytest

from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT

from .documents import a_list, profile
from .judged import JudgedCaller, Reply

RATE = {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
LIMIT_PAGE = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"


def error(status: int, code: str, title: str, detail: str, source: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"status": status, "code": code, "title": title, "detail": detail, "source": source, **more}


def missing(detail: str) -> dict[str, Any]:
    return error(404, "not_found", "Not found.", detail, {"pointer": "/data/"})


def plain(reply: Reply) -> dict[str, Any]:
    """The only error without its id, which must be there."""
    shown = dict(reply.error)
    assert shown.pop("id")
    return shown


class TestTheErrorFor:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/api/profiles/NOPE01", missing("A profile with id NOPE01 does not exist.")),
            ("/api/lists/NOPE01", missing("A list with id `NOPE01` does not exist.")),
            ("/api/metrics/NOPE01", missing("Metric with id NOPE01 does not exist.")),
            ("/api/custom-metrics/NOPE01", missing("Custom metric with id `NOPE01` does not exist.")),
            ("/api/accounts/NOPE01", missing("Account with id NOPE01 not found.")),
            ("/api/profile-bulk-import-jobs/NOPE01", missing("Invalid job id")),
            (
                "/api/profile-suppression-bulk-create-jobs/NOPE01",
                missing("A bulk profile suppression job with the id 'NOPE01' does not exist."),
            ),
            (
                "/api/events/NOPE01",
                error(
                    *(400, "invalid", "Invalid input.", "Invalid Event ID: 'NOPE01'", {"pointer": "/data/id"}),
                    links={},
                    meta={},
                ),
            ),
        ],
    )
    def test_an_unknown_id(self, klaviyo: JudgedCaller, path: str, expected: dict[str, Any]) -> None:
        reply = klaviyo.get(path)
        assert (reply.status, plain(reply)) == (expected["status"], expected)

    def test_an_unknown_include(self, klaviyo: JudgedCaller) -> None:
        detail = "'profiless' is not an allowed include parameter for this resource."
        expected = error(400, "invalid", "Invalid input.", detail, {"parameter": "include"}, links={}, meta={})
        assert plain(klaviyo.get("/api/lists", include="profiless")) == expected

    def test_a_refused_filter_operator(self, klaviyo: JudgedCaller) -> None:
        detail = "'contains' is not an allowed filter operator for name.  Allowed operators are any, equals"
        expected = error(400, "invalid", "Invalid input.", detail, {"parameter": "filter"}, links={}, meta={})
        assert plain(klaviyo.get("/api/lists", filter='contains(name,"x")')) == expected

    def test_a_filter_cut_short(self, klaviyo: JudgedCaller) -> None:
        detail = "Invalid filter provided. Verify your parentheses match."
        expected = error(400, "invalid", "Invalid input.", detail, {"parameter": "filter"}, links={}, meta={})
        assert plain(klaviyo.get("/api/lists", filter='equals(name,"x"')) == expected

    def test_a_taken_identifier(self, klaviyo: JudgedCaller) -> None:
        id_ = klaviyo.post("/api/profiles", profile(email="a@shop.test")).data["id"]
        detail = "A profile already exists with one of these identifiers."
        meta = {"duplicate_profile_id": id_}
        expected = error(409, "duplicate_profile", "Conflict.", detail, {"pointer": "/data/attributes"}, links={}, meta=meta)
        assert plain(klaviyo.post("/api/profiles", profile(email="a@shop.test"))) == expected

    def test_a_missing_scheme(self, klaviyo: JudgedCaller) -> None:
        detail = "Missing or invalid authorization scheme. Please use Klaviyo-API-Key."
        title = "Authentication credentials were not provided."
        reply = klaviyo.send("GET", "/api/accounts", authorization="Basic x")
        assert plain(reply) == error(401, "not_authenticated", title, detail, {"pointer": "/data/"})
        assert not RATE & set(map(str.lower, reply.headers))

    def test_a_refused_credential(self, klaviyo: JudgedCaller) -> None:
        title = "Incorrect authentication credentials."
        reply = klaviyo.send("GET", "/api/accounts", authorization="Bearer x.y.z")
        assert plain(reply) == error(401, "authentication_failed", title, title, {"pointer": "/data/"})

    def test_a_lacking_scope(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        sandbox.tenants.add_key("pk_narrow", DEFAULT_ACCOUNT, ["profiles:read"])
        reply = klaviyo.send("GET", "/api/lists", authorization="Klaviyo-API-Key pk_narrow")
        shown = plain(reply)
        assert shown.pop("detail")
        title = "You do not have permission to perform this action."
        assert shown == {"status": 403, "code": "permission_denied", "title": title, "source": {"pointer": "/data/"}}

    def test_too_many_requests(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        sandbox.switch(limits=True)
        first, second = klaviyo.get("/api/accounts"), klaviyo.get("/api/accounts")
        assert {name: first.headers[name] for name in RATE} == {
            "ratelimit-limit": "1, 1;w=1, 15;w=60",
            "ratelimit-remaining": "0",
            "ratelimit-reset": "0",
        }
        detail = "Request was throttled. Expected available in 1 second."
        source, links = {"pointer": "/data"}, {"type": LIMIT_PAGE}
        assert plain(second) == error(429, "throttled", "Request was throttled.", detail, source, links=links, meta={})
        assert second.headers["retry-after"] == "1"
        assert not RATE & set(map(str.lower, second.headers))


class TestRateHeaders:
    @pytest.mark.parametrize(
        ("act", "limit", "remaining"),
        [
            (lambda api: api.get("/api/events"), "350, 350;w=1, 3500;w=60", "349"),
            (lambda api: api.get("/api/lists"), "75, 75;w=1, 750;w=60", "74"),
            (lambda api: api.post("/api/lists", a_list()), "10, 10;w=1, 150;w=60, 150;w=86400", "9"),
            (lambda api: api.get("/api/profiles/NOPE01"), "75, 75;w=1, 750;w=60", "74"),
            (lambda api: api.get("/api/lists/NOPE01", additional_fields__list="profile_count"), "1, 1;w=1, 15;w=60", "0"),
            (lambda api: api.get("/api/profiles/NOPE01", include="lists"), "75, 75;w=1, 750;w=60", "74"),
            (lambda api: api.post("/api/custom-metrics", {}), "1, 1;w=1, 15;w=60, 15;w=86400", "0"),
        ],
    )
    def test_are_as_recorded(
        self, klaviyo: JudgedCaller, sandbox: Sandbox, act: Callable[[JudgedCaller], Reply], limit: str, remaining: str
    ) -> None:
        sandbox.switch(limits=True)
        headers = act(klaviyo).headers
        assert (headers["ratelimit-limit"], headers["ratelimit-remaining"], headers["ratelimit-reset"]) == (limit, remaining, "0")
