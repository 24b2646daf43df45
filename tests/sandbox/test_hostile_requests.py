"""Requests that nobody should send: every one gets a 4xx or is harmless, none breaks the sandbox."""

import base64
import copy
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from klaviyo_sandbox.sandbox import Sandbox

from .documents import (
    a_list,
    consent,
    custom_metric,
    identifiers,
    import_job,
    merge,
    profile,
    row,
    subscription_job,
    suppression_job,
)
from .driving import bulk, event, group, single
from .judged import JudgedCaller

FINE = {200, 201, 202, 204, 400, 404, 409}
STRANGE = [None, True, -1, 1e308, 10**30, "\x00", "😀" * 50, [], [[None]], {}, {"": {}}, [{"type": "profile"}]]
META = {
    "patch_properties": {"append": {"a": 1}, "unappend": {"b": 2}, "unset": ["c"]},
    "patch_identifiers": {"append": {"email": ["q@shop.test"]}, "unappend": {"email": ["q@shop.test"]}},
}
PERSON = {
    "email": "z@shop.test",
    "phone_number": "+12345678901",
    "external_id": "z",
    "first_name": "Z",
    "location": {"city": "Bonn", "latitude": 1},
    "properties": {"a": [1]},
}
PUSH = {"marketing": {"consent": "SUBSCRIBED"}, "tokens": [{"token": "t", "platform": "ios", "vendor": "apns"}]}


def filtered() -> dict[str, Any]:
    condition = {"property": "a", "filter": {"type": "string", "operator": "equals", "value": "x"}}
    groups = [{"metric_id": "METRIC", "value_property": "$value", "metric_filters": [condition]}]
    return custom_metric(aggregation_method="value", metric_groups=groups)


BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "POST /api/profiles": lambda: profile(**PERSON),
    "POST /api/profile-import": lambda: profile(None, META, **PERSON),
    "PATCH /api/profiles/PROFILE": lambda: profile("PROFILE", META, **PERSON),
    "POST /api/lists": lambda: a_list(opt_in_process="double_opt_in"),
    "POST /api/lists/LIST/relationships/profiles": lambda: identifiers("profile", "PROFILE"),
    "DELETE /api/lists/LIST/relationships/profiles": lambda: identifiers("profile", "PROFILE"),
    "POST /api/profile-bulk-import-jobs": lambda: import_job({**row(**PERSON), "meta": META}, lists=("LIST",)),
    "POST /api/profile-subscription-bulk-create-jobs": lambda: subscription_job(
        row(email="z@shop.test", subscriptions={**consent("email.marketing"), "push": PUSH}), list_id="LIST"
    ),
    "POST /api/profile-subscription-bulk-delete-jobs": lambda: subscription_job(
        row(email="z@shop.test", subscriptions=consent("email.marketing", consent="UNSUBSCRIBED")), unsubscribe=True
    ),
    "POST /api/profile-suppression-bulk-create-jobs": lambda: suppression_job("z@shop.test"),
    "POST /api/profile-suppression-bulk-delete-jobs": lambda: suppression_job(list_id="LIST", lift=True),
    "POST /api/profile-merge": lambda: merge("PROFILE", "01OTHER"),
    "POST /api/custom-metrics": filtered,
    "POST /api/events": lambda: single("u-1"),
    "POST /api/event-bulk-create-jobs": lambda: bulk(group(1, event("a"), event("b"))),
}
COLLECTIONS = [
    *("/api/profiles", "/api/lists", "/api/lists/LIST/profiles", "/api/lists/LIST/relationships/profiles"),
    *("/api/metrics", "/api/events", "/api/profile-bulk-import-jobs", "/api/profile-suppression-bulk-create-jobs"),
]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every position in a JSON document, the whole included."""
    yield at
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*at, key))


def replaced(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for key in at[:-1]:
        parent = parent[key]
    parent[at[-1]] = value
    return changed


@pytest.fixture
def fill(klaviyo: JudgedCaller) -> Callable[[str], str]:
    """Puts true ids in the places of LIST, PROFILE and METRIC."""
    klaviyo.post("/api/events", single("u-0"))
    known = {
        "PROFILE": klaviyo.post("/api/profiles", profile(email="known@shop.test")).data["id"],
        "LIST": klaviyo.post("/api/lists", a_list()).data["id"],
        "METRIC": klaviyo.get("/api/metrics").data[0]["id"],
    }

    def filled(text: str) -> str:
        for name, id_ in known.items():
            text = text.replace(name, id_)
        return text

    return filled


class TestABody:
    @pytest.mark.parametrize("request_line", BODIES)
    def test_of_wrong_types_anywhere_is_refused_or_harmless(
        self, klaviyo: JudgedCaller, fill: Callable[[str], str], request_line: str
    ) -> None:
        method, path = fill(request_line).split(" ")
        document = json.loads(fill(json.dumps(BODIES[request_line]())))
        for at in places(document):
            for value in STRANGE:
                reply = klaviyo.send(method, path, replaced(document, at, value))
                assert reply.status in FINE, (at, value)
        assert klaviyo.get("/api/profiles").status == 200

    @pytest.mark.parametrize(
        "raw",
        [
            *(b"", b"{", b"[]", b"null", b'"x"', b"5", b"\xff\xfe", b"\xef\xbb\xbf{}", b" " * 1000),
            *(b'{"data":NaN}', b'{"data":Infinity}', b'{"a":1}{"b":2}', b"{'data':1}", b'{"data":1,}'),
            b'{"data":{"type":"profile","attributes":{"email":"\\ud800@shop.test"}}}',
            b'{"data":' + b"[" * 100_000,
        ],
    )
    @pytest.mark.parametrize("path", ["/api/profiles", "/api/events", "/api/profile-bulk-import-jobs", "/api/lists"])
    def test_that_is_no_json_object_is_refused(self, klaviyo: JudgedCaller, path: str, raw: bytes) -> None:
        assert klaviyo.send("POST", path, raw).status in {400, 415}
        assert klaviyo.get("/api/profiles").data == []


CURSORS = [
    *("[1,2,3]", '["x","y",true]', '[1e999,"y",true]', '[99999999999999999999999999,"x",true]', "[null,null,true]"),
    *("{}", "[{},[],true]", "[1,99999999999999999999999999,true]", '["\\u0000","",false]', "[]", "not json"),
]


class TestAClientThatLeaves:
    def test_while_sending_is_noted_and_changes_nothing(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        head = "POST /api/profiles HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{"
        with socket.create_connection(("127.0.0.1", int(klaviyo.url.rpartition(":")[2]))) as connection:
            connection.sendall(head.encode())
        for _ in range(100):  # the sandbox learns of it on another thread
            klaviyo.get("/api/profiles")
            if any(record.fault == "client left" for record in sandbox.journal.requests):
                break
        (noted,) = [record for record in sandbox.journal.requests if record.method == "POST"]
        assert (noted.fault, noted.status, noted.executed) == ("client left", None, False)
        assert klaviyo.get("/api/profiles").data == []


class TestAQuery:
    @pytest.mark.parametrize("path", COLLECTIONS)
    def test_with_a_made_up_cursor_is_refused_or_harmless(
        self, klaviyo: JudgedCaller, fill: Callable[[str], str], path: str
    ) -> None:
        made_up = [base64.urlsafe_b64encode(text.encode()).decode() for text in CURSORS]
        for cursor in [*made_up, "=", "é", "a" * 5000, "\x00"]:
            assert klaviyo.get(fill(path), page__cursor=cursor).status in {200, 400}, cursor

    @pytest.mark.parametrize(
        "query",
        [
            *("filter", "filter=", "filter=%00", "filter=%FF", "filter=equals(id,'%00')", "sort=", "sort=--id"),
            *("sort=id;drop", "include=x", "include=,", "fields[list]=", "fields[]=x", "unknown=1", "page[number]=1"),
            *("%", "&&&", "=", "page[size]=1&page[size]=2", "additional-fields[list]=x", "filter=" + "(" * 5000),
            "filter=greater-than(created,0001-01-01T00:00:00%2B14:00)",
            "filter=greater-than(created,9999-12-31T23:59:59-12:00)",
            "filter=any(id,[" + ",".join(["'x'"] * 3000) + "])",
        ],
    )
    def test_that_is_odd_is_refused_or_harmless(self, klaviyo: JudgedCaller, query: str) -> None:
        assert klaviyo.send("GET", f"/api/lists?{query}").status in {200, 400}


class TestAPath:
    @pytest.mark.parametrize("id_", ["%00", "%FF", "%F0%9F%98%80", "%27", "%22", "%2E%2E", "a%2Fb", "x" * 5000, "%24custom%3A"])
    @pytest.mark.parametrize("collection", ["profiles", "lists", "events", "metrics", "custom-metrics", "accounts"])
    def test_with_an_odd_id_finds_nothing(self, klaviyo: JudgedCaller, collection: str, id_: str) -> None:
        assert klaviyo.send("GET", f"/api/{collection}/{id_}").status in {400, 404}


class TestManyAtOnce:
    def test_make_one_profile_of_one_address(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        def send(number: int) -> int:
            body = profile(email="Same@shop.test" if number % 2 else "same@SHOP.test", properties={str(number): number})
            return klaviyo.post("/api/profile-import", body).status

        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(send, range(80)))
        assert sorted(statuses) == [200] * 79 + [201]
        (only,) = klaviyo.get("/api/profiles").data
        assert len(only["attributes"]["properties"]) == 80

    def test_are_never_let_through_beyond_the_burst(self, klaviyo: JudgedCaller, sandbox: Sandbox) -> None:
        sandbox.switch(limits=True)
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(lambda _: klaviyo.get("/api/lists").status, range(120)))
        assert (statuses.count(200), statuses.count(429)) == (75, 45)
