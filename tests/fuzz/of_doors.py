"""What comes with a request of ours: addresses, cookies, compressed bodies and cursors."""

import asyncio
import base64
import contextlib
import gzip
import ipaddress
import json
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from ferrata.access.revealed import Revealed
from ferrata.access.sessions import _network
from ferrata.audit.refusals import network
from ferrata.connections.errors import TicketExpired
from ferrata.connections.tickets import Tickets
from ferrata.infra.crypto import SecretBox, Undecryptable, parse_keys
from ferrata.infra.errors import FerrataError, Rejected
from ferrata.infra.http.body import read_body
from ferrata.infra.http.instants import AskedInstant
from ferrata.infra.http.negotiation import local_path
from ferrata.infra.http.origin import is_cross_site
from ferrata.infra.paging import instant_in, make_cursor, read_cursor
from ferrata.infra.public_addresses import NotAllowed, PublicAddresses, is_public, read_url
from ferrata.readthrough.days import read_day
from ferrata.ui.addresses import day_begins, day_ends
from ferrata.ui.flash import read_flash
from tests.doors import ADDRESS, MASTER_KEY
from tests.events.test_quick import PLAIN
from tests.fuzz.inputs import HOSTILE, JSON, TEXT, bodies, tampered, written
from tests.fuzz.target import target
from tests.sources.commercetools.driving import HastyClock

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BOX = SecretBox(parse_keys(MASTER_KEY))


def request_of(headers: list[tuple[str, str]], body: bytes = b"", method: str = "POST") -> Request:
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]

    async def messages() -> AsyncIterator[dict[str, Any]]:
        for at in range(0, len(body), 700):
            yield {"type": "http.request", "body": body[at : at + 700], "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": method, "path": "/ui", "query_string": b"", "headers": raw}
    return Request(scope, receive=messages().__anext__)


_BODY = written(PLAIN)
_ENCODINGS = st.sampled_from(["gzip", "x-gzip", "deflate", "identity", "", "br", "gzip, gzip", "GZIP"])
LIMIT = 50_000


@target(
    "infra.http.body",
    inputs=st.tuples(
        tampered(gzip.compress(_BODY, mtime=0), zlib.compress(_BODY), gzip.compress(b"", mtime=0), _BODY), _ENCODINGS
    ),
    once_broke=((gzip.compress(b"\0" * 5_000_000, mtime=0), "gzip"), (zlib.compress(b"\0" * 5_000_000), "deflate")),
)
def compressed_body(given: tuple[bytes, str]) -> None:
    try:
        body = asyncio.run(read_body(request_of([("content-encoding", given[1])], given[0]), LIMIT))
    except FerrataError as error:
        assert error.status in (400, 413, 415)
        return
    assert len(body) <= LIMIT


@target(
    "infra.paging",
    inputs=st.one_of(TEXT, JSON.map(lambda found: make_cursor(json.dumps(found))), st.lists(TEXT).map(lambda t: make_cursor(*t))),
)
def cursor(text: str) -> None:
    for count in (1, 2):
        try:
            keys = read_cursor(text, count)
        except Rejected:
            continue
        assert read_cursor(make_cursor(*keys), count) == keys
        assert all("\0" not in key for key in keys)


@target("infra.paging", inputs=TEXT)
def instant_in_a_cursor(text: str) -> None:
    try:
        assert instant_in(text).year >= 1969
    except Rejected:
        return


_ASKED: TypeAdapter[datetime] = TypeAdapter(AskedInstant)
_ZONES = st.sampled_from(["UTC", "Europe/Vienna", "Pacific/Apia", "America/St_Johns"]).map(ZoneInfo)


@target("ui.addresses", "readthrough.days", inputs=st.tuples(TEXT, _ZONES))
def day_in_an_address(given: tuple[str, ZoneInfo]) -> None:
    text, zone = given
    for read in (day_begins, day_ends):
        try:
            found = read("since", text, zone)
        except Rejected:
            continue
        assert found is None or found.astimezone(UTC).year >= 1970
    with contextlib.suppress(Rejected):
        read_day(text)
    try:
        assert _ASKED.validate_python(text).astimezone(UTC).year >= 1970
    except ValidationError:
        return


@target(
    "infra.http.origin", inputs=st.tuples(TEXT, TEXT), once_broke=(("http://[", "x"), ("http://a]", ""), ("null", ""), ("", ""))
)
def origin(given: tuple[str, str]) -> None:
    asked, host = given
    scope = dict(request_of([("origin", asked), ("host", host)]).scope)
    if not is_cross_site(scope, ADDRESS):
        assert asked == ADDRESS or urlsplit(asked).netloc == host != ""


@target(
    "ui.flash", inputs=st.one_of(TEXT, bodies(["a", "dead", "/ui"]).map(lambda body: base64.urlsafe_b64encode(body).decode()))
)
def flash_cookie(text: str) -> None:
    found = read_flash(request_of([("cookie", f"ferrata_flash={text}")], method="GET"))
    assert found is None or found.undo_url is None or local_path(found.undo_url, "") or found.undo_url.startswith("/")


@target(
    "access.revealed",
    "infra.crypto",
    inputs=st.one_of(TEXT, tampered(BOX.seal("1 secret", row="x").encode()).map(lambda b: b.decode("latin-1"))),
)
def sealed_cookie(text: str) -> None:
    clock = HastyClock()
    request = request_of([("cookie", f"ferrata_revealed={text}")], method="GET")

    class Somebody:
        actor = None
        session_hash = id = "p"

        def __getattr__(self, _name: str) -> str:
            return "p"

    assert Revealed(BOX, clock, secure=False).read(request, Somebody()) is None  # type: ignore[arg-type]  # anybody will do
    for read, fault in (
        (lambda: BOX.open(text, row="y"), Undecryptable),
        (lambda: Tickets(BOX, clock).redeem(text, "s", "p"), TicketExpired),
    ):
        try:
            read()
        except fault:
            continue
        raise AssertionError("nothing of this was sealed for that row")


@target("infra.http.negotiation", inputs=TEXT)
def next_page(text: str) -> None:
    there = local_path(text, "/ui")
    for base in ("https://f.example/sign-in", "http://f.example/"):
        assert urlsplit(urljoin(base, there)).netloc == "f.example"
    assert not there.startswith(("//", "/\\"))
    assert "\n" not in there and "\t" not in there and "\r" not in there


_PLACES = [
    *(text for text in HOSTILE if ":" in text),
    "https://h.example/x?y=z",
    "http://10.0.0.1/",
    "https://[::1]/",
    "https://h.example:8443/",
]


@target(
    "infra.public_addresses",
    inputs=st.tuples(st.one_of(st.sampled_from(_PLACES), TEXT, TEXT.map("https://{}/".format)), st.ip_addresses()),
)
def address_of_a_webhook(given: tuple[str, Any]) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return [str(given[1])]

    try:
        read_url(given[0])
        goes = asyncio.run(PublicAddresses(resolve=resolve).check(given[0]))
    except NotAllowed:
        return
    host = urlsplit(goes.url).hostname
    assert goes.url.startswith("https://")
    assert is_public(ipaddress.ip_address(str(host)))
    assert ipaddress.ip_address(str(host)) == given[1]


@target(
    "access.sessions",
    "audit.refusals",
    inputs=st.one_of(TEXT, st.ip_addresses().map(str), st.ip_addresses(v=6).map(lambda a: f"{a}%eth0")),
)
def address_of_a_caller(text: str) -> None:
    assert len(_network(text)) <= 64
    assert network(text) is not None
