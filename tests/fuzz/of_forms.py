"""What people and programs fill in: carts, settings, forms, files of rates; and what is written back, in logs and on pages."""

import asyncio
import contextlib
import email.utils
import io
import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import structlog
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import select

from ferrata.access.errors import UnknownToken
from ferrata.alerts.channels import _read_addresses
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
from ferrata.connections.models import stores
from ferrata.connections.schemas import StoreSort
from ferrata.connections.store_order import ordered
from ferrata.events.importing.rows import Row
from ferrata.events.importing.sender import Sender
from ferrata.events.importing.sender import Target as SenderTarget
from ferrata.health.doctor.klaviyo import _time
from ferrata.infra.crypto import parse_keys
from ferrata.infra.errors import FerrataError, Rejected
from ferrata.infra.logging import configure_logging
from ferrata.infra.paging import make_cursor
from ferrata.infra.public_addresses import PublicAddresses
from ferrata.infra.settings import Settings
from ferrata.klaviyo.answer import Answer
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.explain_view import _lines
from ferrata.sources.explain_view import _read as _as_explained
from ferrata.sources.explaining import _leaves
from ferrata.sources.form_fields import Filled, document_of, fields_of, names_of
from ferrata.sources.rules import MappingRules
from ferrata.sources.segment.api import _basic, _write_key
from ferrata.sources.settings_pages import _read
from ferrata.sources.stripe.settings import StripeSettings
from ferrata.ui.json_view import json_view
from tests.doors import MASTER_KEY
from tests.fuzz.inputs import JSON, TEXT, bodies, documents, tampered
from tests.fuzz.of_doors import NOW, request_of
from tests.fuzz.target import target
from tests.sources.commercetools.driving import HastyClock

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
        fields = asyncio.run(read_fields(request_of([], body)))
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
            _basic(request_of([("authorization", scheme + given[0])]))
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
