"""The judge itself: it finds what is wrong with an answer, and lets pass what is known to differ."""

import copy
import json
from typing import Any

import pytest

from klaviyo_sandbox.operations import load

from .contract import DEVIATIONS, STATUSES, Contract, Deviation
from .documents import merge, profile
from .judged import JSON_API, JudgedCaller


@pytest.fixture
def judge(openapi: dict[str, Any]) -> Contract:
    return Contract(openapi)


@pytest.fixture
def shown(klaviyo: JudgedCaller) -> dict[str, Any]:
    """A true answer of GET /api/profiles/{id}, to be spoilt."""
    id_ = klaviyo.post("/api/profiles", profile(email="a@shop.test")).data["id"]
    return klaviyo.get(f"/api/profiles/{id_}", additional_fields__profile="subscriptions").body


def spoil(document: dict[str, Any], path: str, value: Any) -> bytes:
    spoilt = copy.deepcopy(document)
    *parents, last = path.split(".")
    place = spoilt
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(spoilt).encode()


class TestTheJudge:
    @pytest.mark.parametrize(
        ("path", "value"),
        [
            ("data", ...),
            ("data", []),
            ("data", None),
            ("data.type", "person"),
            ("data.attributes", ...),
            ("data.attributes.email", 5),
            ("data.attributes.nickname", "A"),
            ("data.attributes.created", "yesterday"),
            ("data.attributes.created", "2026-09-21T14:13:20"),
            ("data.attributes.location.planet", "Earth"),
            ("data.attributes.properties", "none"),
            ("data.attributes.subscriptions.email.marketing.consent", ...),
            ("data.attributes.subscriptions.email.marketing.can_receive_email_marketing", None),
            ("data.attributes.subscriptions.email.marketing.suppression", [{"reason": "WHIM", "timestamp": None}]),
            ("data.relationships.lists.links", {}),
            ("data.links.self", "/api/profiles/x"),
            ("links.self", None),
            ("extra", 1),
        ],
    )
    def test_finds_what_is_wrong(self, judge: Contract, shown: dict, path: str, value: Any) -> None:
        spoilt = spoil(shown, path, value)
        assert judge.problems("GET", "/api/profiles/x", 200, JSON_API, spoilt), "passed although it is wrong"

    @pytest.mark.parametrize("path", ["data.attributes.email", "data.attributes.location", "data.relationships"])
    def test_allows_what_is_optional_or_nullable(self, judge: Contract, shown: dict, path: str) -> None:
        assert not judge.problems("GET", "/api/profiles/x", 200, JSON_API, spoil(shown, path, ...))

    def test_wants_the_described_status_and_content_type(self, judge: Contract, shown: dict) -> None:
        body = json.dumps(shown).encode()
        assert judge.problems("GET", "/api/profiles/x", 201, JSON_API, body)
        assert judge.problems("GET", "/api/profiles/x", 200, "text/html", body)
        assert judge.problems("GET", "/api/nothing", 200, JSON_API, body)
        assert judge.problems("DELETE", "/api/lists/x", 204, JSON_API, b"{}")
        assert judge.problems("POST", "/api/events", 202, JSON_API, b"{}")

    @pytest.mark.parametrize("missing", ["id", "code", "title", "detail"])
    def test_wants_whole_errors(self, judge: Contract, missing: str) -> None:
        error = {"id": "x", "code": "x", "title": "x", "detail": "x", "source": {"pointer": "/data"}}
        assert not judge.problems("GET", "/api/lists", 400, JSON_API, json.dumps({"errors": [error]}).encode())
        del error[missing]
        assert judge.problems("GET", "/api/lists", 400, JSON_API, json.dumps({"errors": [error]}).encode())


@pytest.fixture
def answers(klaviyo: JudgedCaller) -> list[tuple[str, str, int, str, bytes]]:
    """True answers in which every known difference shows: method, path, status, content type, body."""
    made = [klaviyo.post("/api/profiles", profile(email=f"{name}@shop.test")).data["id"] for name in "ab"]
    seen = [
        ("GET", "/api/profiles", klaviyo.get("/api/profiles", additional_fields__profile="subscriptions")),
        ("POST", "/api/profiles", klaviyo.post("/api/profiles", profile(external_id="c"))),
        ("POST", "/api/profiles", klaviyo.post("/api/profiles", profile(external_id="c"))),
        ("POST", "/api/profile-merge", klaviyo.post("/api/profile-merge", merge(*made))),
    ]
    return [(method, path, reply.status, reply.headers["content-type"], reply.raw) for method, path, reply in seen]


class TestEveryKnownDifference:
    def test_is_all_there_is(self, judge: Contract, answers: list) -> None:
        assert not [problem for answer in answers for problem in judge.problems(*answer)]

    @pytest.mark.parametrize("known", DEVIATIONS, ids=lambda known: known.why)
    def test_is_needed(self, openapi: dict, answers: list, known: Deviation) -> None:
        without = Contract(openapi, [other for other in DEVIATIONS if other != known])
        assert [problem for answer in answers for problem in without.problems(*answer)]

    def test_in_status_is_about_a_described_operation(self, openapi: dict) -> None:
        for (operation, recorded), described in STATUSES.items():
            method, path = operation.split()
            responses = openapi["paths"][path][method.lower()]["responses"]
            assert str(described) in responses
            assert str(recorded) not in responses


class TestTheTableOfOperations:
    def test_is_klaviyos_with_limits_and_scopes(self, rate_limits: dict) -> None:
        ours = {
            f"{operation.method} {operation.path}": {
                "operation_id": operation.id,
                "burst": f"{operation.burst}/s",
                "steady": f"{operation.steady}/m",
                "daily": f"{operation.daily}/d" if operation.daily else None,
                "scopes": sorted(operation.scopes),
            }
            for operation in load().by_id.values()
        }
        assert ours == {name: {**row, "scopes": sorted(row["scopes"])} for name, row in rate_limits.items()}
