"""What comes with a request of ours: addresses, cookies, compressed bodies, cursors, and the bodies of carts."""

import asyncio
import base64
import contextlib
import email.utils
import gzip
import io
import ipaddress
import json
import logging
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import httpx2
import structlog
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from starlette.requests import Request

from ferrata.access.errors import UnknownToken
from ferrata.access.revealed import Revealed
from ferrata.access.sessions import _network
from ferrata.alerts.channels import _read_addresses
from ferrata.audit.refusals import network
from ferrata.carts.changing import change, opened
from ferrata.carts.documents import ActsBody, SettingsDocument
from ferrata.carts.errors import BadLink, LinkExpired
from ferrata.carts.links import cart_in, check, make_token
from ferrata.carts.schemas import Settings as CartSettings
from ferrata.client.message import Message as ClientMessage
from ferrata.client.posting import Away, Poster
from ferrata.client.posting import TooLarge as ClientTooLarge
from ferrata.commerce.rates import UnreadableRates, read_ecb, read_table
from ferrata.commerce.terms import Terms
from ferrata.connections.connect_bodies import read_fields, text_of
from ferrata.connections.errors import TicketExpired
from ferrata.connections.models import stores
from ferrata.connections.schemas import StoreSort
from ferrata.connections.store_order import ordered
from ferrata.connections.tickets import Tickets
from ferrata.events.importing.rows import Row
from ferrata.events.importing.sender import Sender
from ferrata.events.importing.sender import Target as SenderTarget
from ferrata.health.doctor.klaviyo import _time
from ferrata.infra.crypto import SecretBox, Undecryptable, parse_keys
from ferrata.infra.errors import FerrataError, Rejected
from ferrata.infra.http.body import read_body
from ferrata.infra.http.instants import AskedInstant
from ferrata.infra.http.negotiation import local_path
from ferrata.infra.http.origin import is_cross_site
from ferrata.infra.logging import configure_logging
from ferrata.infra.paging import instant_in, make_cursor, read_cursor
from ferrata.infra.public_addresses import NotAllowed, PublicAddresses, is_public, read_url
from ferrata.infra.settings import Settings
from ferrata.klaviyo.answer import Answer
from ferrata.readthrough.days import read_day
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.explain_view import _lines
from ferrata.sources.explain_view import _read as _as_explained
from ferrata.sources.explaining import _leaves
from ferrata.sources.form_fields import Filled, document_of, fields_of, names_of
from ferrata.sources.rules import MappingRules
from ferrata.sources.segment.api import _basic, _write_key
from ferrata.sources.settings_pages import _read
from ferrata.sources.stripe.settings import StripeSettings
from ferrata.ui.addresses import day_begins, day_ends
from ferrata.ui.flash import read_flash
from ferrata.ui.json_view import json_view
from tests.doors import ADDRESS, MASTER_KEY
from tests.events.test_quick import PLAIN
from tests.fuzz.inputs import HOSTILE, JSON, TEXT, bodies, documents, tampered, written
from tests.fuzz.target import target
from tests.sources.commercetools.driving import HastyClock

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BOX = SecretBox(parse_keys(MASTER_KEY))


def _request(headers: list[tuple[str, str]], body: bytes = b"", method: str = "POST") -> Request:
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
        body = asyncio.run(read_body(_request([("content-encoding", given[1])], given[0]), LIMIT))
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
    scope = dict(_request([("origin", asked), ("host", host)]).scope)
    if not is_cross_site(scope, ADDRESS):
        assert asked == ADDRESS or urlsplit(asked).netloc == host != ""


@target(
    "ui.flash", inputs=st.one_of(TEXT, bodies(["a", "dead", "/ui"]).map(lambda body: base64.urlsafe_b64encode(body).decode()))
)
def flash_cookie(text: str) -> None:
    found = read_flash(_request([("cookie", f"ferrata_flash={text}")], method="GET"))
    assert found is None or found.undo_url is None or local_path(found.undo_url, "") or found.undo_url.startswith("/")


@target(
    "access.revealed",
    "infra.crypto",
    inputs=st.one_of(TEXT, tampered(BOX.seal("1 secret", row="x").encode()).map(lambda b: b.decode("latin-1"))),
)
def sealed_cookie(text: str) -> None:
    clock = HastyClock()
    request = _request([("cookie", f"ferrata_revealed={text}")], method="GET")

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


_ITEM = {
    "productId": "p",
    "name": "Mug",
    "price": "9.90",
    "quantity": 2,
    "variantId": "v",
    "categories": ["a"],
    "url": "https://s.example/p",
}
_ACTS = {
    "acts": [
        {
            "act": "items",
            "cartId": "c-1",
            "items": [_ITEM],
            "email": "j@example.com",
            "currency": "EUR",
            "actId": "1",
            "coupons": ["A"],
        },
        {"act": "update", "cartId": "c-1", "items": [_ITEM, _ITEM | {"price": 1}], "time": "2026-11-20T11:00:00Z"},
        {"act": "remove", "cartId": "c-1", "lineId": "p:v"},
        {"act": "checkout", "cartId": "c-1", "checkoutUrl": "https://s.example/c"},
        {"act": "purchase", "cartId": "c-1", "orderId": "o", "phone": "+4915112345678"},
        {"act": "clear", "cartId": "c-1"},
    ]
}


@target("carts.documents", "carts.changing", inputs=bodies(_ACTS))
def cart_acts(body: bytes) -> None:
    try:
        acts = [each.act(each.act_name, each.cart_id, NOW) for each in ActsBody.model_validate_json(body).acts]
    except (ValidationError, Rejected):
        return
    for first in acts[:20]:
        cart = opened("default", first, "0193", "EUR")
        for act in acts[:20]:
            told = change(cart, act, CartSettings(), Terms(), "https://f.example/c")
            cart = told.cart
            assert len(told.said) < 100_000
            for event in told.events:
                assert event.value is None or abs(event.value) < Decimal(10) ** 30
            assert len(str(cart.total)) < 80


_SETTINGS = {
    "silenceMinutes": 10,
    "names": {"Started Checkout": "Begun"},
    "silent": ["Added to Cart"],
    "shopUrl": "https://s.example/{cart_id}",
}


@target("carts.schemas", inputs=documents(_SETTINGS))
def cart_settings(given: Any) -> None:
    try:
        SettingsDocument.model_validate(given).settings()
    except (ValidationError, Rejected):
        return


_LINK = make_token("01930000-0000-7000-8000-000000000000", datetime(2027, 1, 1, tzinfo=UTC), b"secret")


@target("carts.links", inputs=st.one_of(TEXT, tampered(_LINK.encode()).map(lambda data: data.decode("latin-1"))))
def link_of_a_cart(text: str) -> None:
    try:
        cart_in(text)
        check(text, b"secret", NOW)
    except (BadLink, LinkExpired):
        return
    assert text == _LINK


@target("connections.connect_bodies", inputs=bodies({"apiKey": "pk_1", "action": "test", "conversionMetricId": None}))
def connect_body(body: bytes) -> None:
    try:
        fields = asyncio.run(read_fields(_request([], body)))
        for name in ("apiKey", "action"):
            found = text_of(fields, name, needed=f"{name} is required")
            assert isinstance(found, str)
    except Rejected:
        return


_ECB = (
    '<gesmes:Envelope><Cube><Cube time="2026-11-20"><Cube currency="USD" rate="1.0850"/></Cube><Cube time="2026-11-19">'
    '<Cube currency="USD" rate="1.08"/></Cube></Cube></gesmes:Envelope>'
)
_TABLES = ("EUR,USD,1.0850\n# no\nEUR JPY 160\n", "Date, USD, JPY\n20 November 2026, 1.08, 160\n2026-11-19,1.07,N/A\n", _ECB)


@target(
    "commerce.rates",
    inputs=st.one_of(
        TEXT, st.builds(lambda data: data.decode("utf-8", "replace"), tampered(*(text.encode() for text in _TABLES)))
    ),
    once_broke=(
        "Date,USD\n2026-11-20," + "1" * 200_000,
        "<Cube time='2020-13-40'></Cube></Cube>",
        "<" + "<Cube time='2020-01-01'>" * 3_000,
        'Date,USD\n"' + "x" * 200_000,
        "Date,USD\n2026-11-20,1E+999999999999999999999",
    ),
)
def file_of_rates(text: str) -> None:
    for read in (read_table, read_ecb):
        try:
            rates = read(text)
        except UnreadableRates:
            continue
        rates.find("EUR", "USD", NOW.date())
        rates.find("USD", "EUR", NOW.date())


_VALUES = {
    "database_url": "sqlite:////tmp/f.db", "public_url": "https://f.example", "log_level": "info",
    "trusted_proxies": "10.0.0.0/8",
    "private_networks": "10.0.0.0/8,192.168.0.1", "klaviyo_base_url": "https://a.klaviyo.com", "port": "8000",
    "master_key": MASTER_KEY, "oidc_issuer": "https://id.example", "timezone": "UTC", "commerce_currency": "EUR",
}  # fmt: skip


@target("infra.settings", inputs=documents(_VALUES))
def settings_of_the_process(given: Any) -> None:
    try:
        made = Settings(_env_file=None, **{str(name): value for name, value in dict(given).items()})
        parse_keys(made.master_key.get_secret_value() if made.master_key else "")
        PublicAddresses(str(made.private_networks))
        made.public_address()
    except (ValidationError, FerrataError, TypeError, ValueError) as error:
        assert MASTER_KEY not in str(error)


@target("infra.logging", "infra.log_masking", inputs=st.tuples(TEXT, JSON, st.sampled_from(["json", "text"])))
def line_of_the_log(given: tuple[str, Any, str]) -> None:
    before = logging.getLogger().handlers, logging.getLogger().level
    out = io.StringIO()
    try:
        configure_logging("info", given[2], lambda: 0.0, stream=out)
        logging.getLogger("a").warning("%s %s", given[0], given[1])
        structlog.get_logger("b").info("b.happened", path=given[0], value=given[1], api_key=given[0])
    finally:
        logging.getLogger().handlers, level = before
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
    lines = out.getvalue().split("\n")
    assert len(lines) == 3, "one line for each record"
    assert not any(ord(letter) < 32 or ord(letter) == 127 for line in lines for letter in line)
    if given[2] == "json":
        assert json.loads(lines[1])["event"] == "b.happened"


def _nested(levels: int) -> Any:
    found: Any = "<script>"
    for level in range(levels):
        found = [found] if level % 2 else {"a": found}
    return found


@target(
    "ui.json_view",
    "sources.explain_view",
    "sources.explaining",
    inputs=st.tuples(JSON, JSON),
    once_broke=((_nested(700), _nested(600)),),
)
def json_on_a_page(given: tuple[Any, Any]) -> None:
    for shown in (json_view(given[0]), json_view(*given)):
        assert "<script" not in shown
    assert list(_lines(_as_explained(json.dumps(given[0])), "a"))
    assert isinstance(_leaves(json.dumps(given[0]).encode()), dict)


@target("alerts.channels", inputs=TEXT)
def addresses_of_mail(text: str) -> None:
    found, wrong = _read_addresses(text)
    assert found or wrong
    for address in found:
        assert len([*email.utils.getaddresses([address])]) == 1
        assert "\n" not in address and "\r" not in address


@target("sources.segment.api", inputs=st.tuples(TEXT, bodies({"writeKey": "frt_1", "batch": []})))
def write_key(given: tuple[str, bytes]) -> None:
    assert isinstance(_write_key(given[1]), str)
    for scheme in ("Basic ", "Bearer ", ""):
        try:
            _basic(_request([("authorization", scheme + given[0])]))
        except UnknownToken:
            assert scheme == "Basic "


@target("sources.settings_pages", inputs=TEXT, once_broke=("[" * 100_000,))
def settings_in_a_form(text: str) -> None:
    problems: list[Any] = []
    assert isinstance(_read("settings", {"settings": text}, problems), dict)


_MODELS = {"settings": CommercetoolsSettings, "stripe": StripeSettings, "rules": MappingRules}
_NAMES = [name for at, model in _MODELS.items() for name in names_of(fields_of(model, at, {}, Filled()))]
_NAMES += [
    "settings.queue",
    "rules.properties.0.key",
    "rules.properties.0.only",
    "rules.properties.0.add",
    "rules.properties.٣.key",
]


@target(
    "sources.form_fields",
    inputs=st.dictionaries(
        st.sampled_from(_NAMES), st.one_of(st.sampled_from(["SQS", "GoogleCloudPubSub", "true"]), TEXT), max_size=12
    ),
    once_broke=({"settings.order": "[" * 100_000, "rules.profile": "[" * 100_000},),
)
def form_of_a_source(form: dict[str, str]) -> None:
    for at, model in _MODELS.items():
        problems: list[Any] = []
        document = document_of(model, at, form, problems)
        with contextlib.suppress(ValidationError):
            model.model_validate(document)
        assert fields_of(model, at, document, Filled(posted=form))


_ORDERED = st.builds(lambda sort, values: make_cursor(sort, *values), st.sampled_from([*StoreSort]), st.lists(TEXT, max_size=3))


@target(
    "connections.store_order",
    inputs=st.one_of(TEXT, _ORDERED),
    once_broke=(make_cursor("changed", "0001-01-01T00:00:00+23:59", "x"),),
)
def cursor_of_stores(text: str) -> None:
    for sort in StoreSort:
        with contextlib.suppress(Rejected):
            ordered(select(stores), sort, text)


_TOLD = [{"id": "1", "repeated": False}, {"message": ["no"]}]


@target(
    "client.posting",
    "events.importing.sender",
    inputs=st.tuples(st.sampled_from([200, 202, 207, 400, 401, 413, 429, 503]), bodies(_TOLD)),
)
def answer_to_our_own_client(given: tuple[int, bytes]) -> None:
    """Something else may answer in Ferrata's place."""
    answering = httpx2.MockTransport(lambda _request: httpx2.Response(given[0], content=given[1]))
    poster = Poster("http://f.example", "frt_1", None, 1.0, answering)
    messages = [ClientMessage(f"{number}", b"{}") for number in range(2)]
    try:
        posted = poster.post(messages)
        assert posted.accepted + len(posted.refused) == 2
    except (Away, ClientTooLarge):
        pass
    finally:
        poster.close()

    async def send() -> None:
        sender = Sender(
            SenderTarget("http://f.example", "frt_1"), HastyClock(), lambda _said: None, patience_seconds=5, transport=answering
        )
        await sender.send([Row(1, "1", {}), Row(2, "2", {})])

    with contextlib.suppress(FerrataError):
        asyncio.run(send())


@target("health.doctor.klaviyo", inputs=TEXT, once_broke=("Fri, 20 Nov 2026 10:00:00 -0000",))
def time_of_klaviyo(text: str) -> None:
    assert _time(Answer(200, {"date": text}), NOW).name == "clock.klaviyo"
