"""What shops, Segment's libraries, Stripe and commercetools send, and the merchant's rules over it."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st
from pydantic import ValidationError

from ferrata.commerce.tracked import PersonRef, ProfileChange, TrackedEvent, json_of
from ferrata.infra.errors import Rejected
from ferrata.profiles.changing import read_change
from ferrata.sources import templates
from ferrata.sources.applying import apply
from ferrata.sources.commercetools import SOURCE as COMMERCETOOLS
from ferrata.sources.commercetools import envelopes, reading
from ferrata.sources.commercetools.plugin import from_plugin
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import REMEMBERED, Lookup, Mapped, Message, RawMessage, Received, Source, Unreadable, Unverified
from ferrata.sources.erasing import _tells_of
from ferrata.sources.errors import Later, Refused
from ferrata.sources.receiving import message_of
from ferrata.sources.rules import MappingRules
from ferrata.sources.schemas import LineKey
from ferrata.sources.segment import SOURCE as SEGMENT
from ferrata.sources.segment.calls import TYPE, TYPES
from ferrata.sources.segment.settings import SegmentSettings
from ferrata.sources.stripe import SOURCE as STRIPE
from ferrata.sources.stripe import shapes, signature
from ferrata.sources.stripe.settings import StripeSettings
from tests.fuzz.inputs import JSON, LEAVES, TEXT, bodies, documents
from tests.fuzz.target import target
from tests.sources.commercetools import shop
from tests.sources.commercetools.test_strange_messages import EVERYTHING, MESSAGES
from tests.sources.stripe import shop as stripe

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROUNDS = 8


def _mapped(source: Source, raw: RawMessage, answers: dict[Lookup, Any], settings: Any) -> Mapped | None:
    """As a line drives it. What a message holds may refuse it, and nothing else may come of it."""
    message = message_of(LineKey("default", source.kind), raw, NOW)
    assert len(message.message_id) <= 255
    assert len(message.business_key) <= 255
    assert isinstance(source.title_of(message), str)
    looked_up = dict(answers)
    try:
        for _ in range(ROUNDS):
            for wanted in source.lookups(message, looked_up, settings):
                looked_up.setdefault(wanted, None)
        mapped = source.map(message, looked_up, settings)
    except (Refused, Later):
        return None
    assert mapped == source.map(message, looked_up, settings)
    for event in mapped.events:
        assert event.metric
        assert event.occurred_at.tzinfo
        json.loads(json_of(event.properties))
    for change in mapped.profiles:
        with contextlib.suppress(Rejected):
            read_change(change)
    return mapped


def _opened(source: Source, received: Received, settings: Any) -> list[RawMessage]:
    try:
        first = [*source.open(received, settings)]
    except Unreadable:
        return []
    assert [each.message_id for each in first] == [each.message_id for each in source.open(received, settings)]
    return first


_CALL = {
    "type": "track", "event": "Order Completed", "userId": "u-1", "anonymousId": "a-1", "messageId": "m-1",
    "timestamp": "2026-11-20T10:00:00Z", "sentAt": "2026-11-20T10:00:01Z", "writeKey": "frt_1",
    "context": {"traits": {"email": "jane@example.com"}, "page": {"url": "https://shop.example/"}},
    "traits": {"email": "jane@example.com", "address": {"city": "Graz"}, "company": {"name": "C"}, "name": "Jane Roe", "tier": 3},
    "properties": {"total": 19.9, "currency": "EUR", "products": [{"product_id": "1", "price": "9.95", "quantity": 2}]},
    "previousId": "a-1", "groupId": "g",
}  # fmt: skip
_CLOCKS = b'{"type":"track","event":"A","userId":"u","sentAt":"9997-01-01T00:00:00Z","timestamp":"1970-01-03T00:00:00Z"}'
_HUGE = b'{"type":"track","event":"Product Added","userId":"u","properties":{"price":1e99999999999999999999}}'


@target(
    "sources.segment.calls",
    "sources.segment.mapping",
    "sources.segment.people",
    "sources.segment.commerce",
    "profiles.changing",
    inputs=st.tuples(
        st.sampled_from((*TYPES, "batch")), bodies(_CALL, {"batch": [_CALL, _CALL | {"type": "identify"}], "sentAt": "x"})
    ),
    once_broke=(
        ("track", _CLOCKS),
        ("track", _HUGE),
        ("track", b'{"event":"A","userId":"u","sentAt":"\x802026"}'),
        ("batch", b'{"batch":[{"type":"track","userId":1e999,"messageId":"\\ud800"}]}'),
    ),
)
def segment(given: tuple[str, bytes]) -> None:
    received = Received(body=given[1], at=NOW, headers={TYPE: given[0]}, trusted=True)
    settings = SegmentSettings(context=("page.url", "traits"))
    answers = {Lookup(REMEMBERED, "user_of:a-1"): "u-2", Lookup(REMEMBERED, "email_of:u-1"): "jane@example.com"}
    for raw in _opened(SEGMENT, received, settings)[:20]:
        _mapped(SEGMENT, raw, answers, settings)


_NOTICE = shop.message("OrderCreated", "order", "order-1", order=shop.order())
_TEXT = msgspec.json.encode(_NOTICE).decode()
_ENVELOPES = (
    _NOTICE,
    [_NOTICE, {"data": _NOTICE}],
    {"message": {"data": "eyJub3RpZmljYXRpb25UeXBlIjoiTWVzc2FnZSJ9", "messageId": "1"}, "subscription": "s"},
    {"Records": [{"body": _TEXT}, {"Sns": {"Message": _TEXT}}]},
    {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": _TEXT, "MessageId": "1"},
    {"detail": _NOTICE, "source": "aws.partner"},
    {"specversion": "1.0", "type": "t", "data_base64": "eyJub3RpZmljYXRpb25UeXBlIjoiTWVzc2FnZSJ9"},
    [{"eventType": envelopes.GRID_VALIDATION, "data": {"validationCode": "1"}}],
)
_EARLIEST = {**_NOTICE, "createdAt": "0001-01-01T00:00:00+23:59"}
_MANY = b"[" + b"0," * 200_000 + _TEXT.encode() + b"]"


@target(
    "sources.commercetools.envelopes",
    "sources.commercetools.notification",
    "sources.commercetools.source",
    inputs=bodies(*_ENVELOPES),
    once_broke=(msgspec.json.encode(_EARLIEST), _MANY, b'{"notificationType":"Message","id":"a\\u0000b"}'),
)
def commercetools_envelope(body: bytes) -> None:
    received = Received(body=body, at=NOW, headers={}, trusted=True)
    COMMERCETOOLS.handshake(received, EVERYTHING)
    for raw in _opened(COMMERCETOOLS, received, EVERYTHING)[:20]:
        message = message_of(LineKey("default", "commercetools"), raw, NOW)
        assert COMMERCETOOLS.title_of(message) is not None


@target(
    "sources.commercetools.mapping",
    "sources.commercetools.reading",
    inputs=st.sampled_from(sorted(MESSAGES)).flatmap(
        lambda name: st.tuples(
            documents(MESSAGES[name][0]),
            st.fixed_dictionaries({looked: documents(answer) for looked, answer in MESSAGES[name][1].items()}),
        )
    ),
)
def commercetools_message(given: tuple[Any, dict[tuple[str, str], Any]]) -> None:
    body, answers = given
    try:
        raw = envelopes.opened(json.dumps(body).encode("utf-8", "surrogatepass"))[0]
    except Unreadable:
        return
    _mapped(COMMERCETOOLS, raw, {Lookup(*name): found for name, found in answers.items()}, EVERYTHING)


@target("sources.commercetools.reading", inputs=JSON, once_broke=("0001-01-01T00:00:00+23:59",))
def commercetools_value(found: Any) -> None:
    reading.instant(found)
    reading.amount(found)
    reading.text_in(found, ("en-GB", "de"))
    if found_ := reading.amount({"centAmount": found, "currencyCode": "EUR", "fractionDigits": found}):
        assert found_.rounded() is not None


_STRIPE = tuple(
    stripe.event(type_, about)
    for type_, about in (
        ("checkout.session.completed", stripe.session()),
        ("payment_intent.succeeded", stripe.intent()),
        ("charge.refunded", stripe.charge()),
        ("invoice.paid", stripe.invoice()),
        ("customer.subscription.updated", stripe.subscription()),
        ("customer.subscription.created", stripe.subscription(stripe.OLD)),
        ("customer.updated", {"id": "cus_1", "object": "customer", "email": "j@example.com", "address": {"city": "Graz"}}),
    )
)
_THIN = {"id": "evt_1", "object": "v2.core.event", "type": "v1.customer.updated", "created": "2026-11-20T10:00:00Z"}
_ACCOUNT: dict[Lookup, Any] = {
    Lookup("line_items", "cs_1"): stripe.LINE_ITEMS,
    Lookup("customer", "cus_1"): {"id": "cus_1", "email": "jane@example.com"},
}


@target(
    "sources.stripe.opening",
    "sources.stripe.mapping",
    "sources.stripe.source",
    inputs=st.tuples(
        bodies(*_STRIPE, {"detail": _STRIPE[0]}, _THIN | {"related_object": {"id": "cus_1", "url": "/v1/customers/cus_1"}}),
        st.fixed_dictionaries({lookup: documents(answer) for lookup, answer in _ACCOUNT.items()}),
    ),
)
def stripe_event(given: tuple[bytes, dict[Lookup, Any]]) -> None:
    for raw in _opened(STRIPE, Received(body=given[0], at=NOW), stripe.WITH_KEY):
        _mapped(STRIPE, raw, given[1], stripe.WITH_KEY)


@target("sources.stripe.shapes", inputs=st.tuples(JSON, st.sampled_from(["eur", "jpy", "ISK", "kwd", "e", None])))
def stripe_value(given: tuple[Any, Any]) -> None:
    shapes.at(given[0])
    amount = shapes.money(*given)
    if amount is not None:
        assert len(str(amount)) < 10_000


_SIGNED = stripe.signed(b"{}", stripe.SECRET, "whsec_other")


@target("sources.stripe.signature", inputs=st.one_of(TEXT, st.tuples(TEXT, TEXT).map(lambda two: f"t={two[0]},v1={two[1]}")))
def stripe_signature(header: str) -> None:
    at = datetime.fromtimestamp(stripe.NOW, UTC)
    signature.prove(_SIGNED, b"{}", [stripe.SECRET], at)
    for spoiled in (header, f"{_SIGNED},{header}", f"{header},{_SIGNED.partition(',')[0]}"):
        try:
            signature.prove(spoiled, b"{}", [stripe.SECRET], at)
        except Unverified:
            continue
        assert "v1=" + _SIGNED.split(",")[1].partition("=")[2] in spoiled, "only the signature itself proves"


_RULES = {
    "off": ["Viewed"], "metrics": {"Placed Order": "Order"}, "mapper": None, "person_fields": ["email"],
    "properties": {"*": {"only": ["OrderId", "Items.Name"], "rename": {"Items.Name": "Items.n"},
    "add": {"n": "{{ properties.a.0 }}"}}},
    "profile": {"drop": ["first_name"], "hash": ["properties.x"], "add": {"properties.t": "a {{ message.id }} b"}},
}  # fmt: skip
_TRACKED = {"OrderId": "1", "Items": [{"Name": "a", "n": {"b": [1, None]}}, "x"], "a": [1], "a.b": 2, "": 0}


@target(
    "sources.rules",
    "sources.applying",
    "sources.paths",
    inputs=st.tuples(documents(_RULES), documents(_TRACKED), bodies({"id": 1})),
)
def mapping_rules(given: tuple[Any, Any, bytes]) -> None:
    try:
        rules = MappingRules.model_validate(given[0])
    except ValidationError:
        return
    assert MappingRules.model_validate(rules.model_dump()) == rules
    properties = given[1] if isinstance(given[1], dict) else {}
    person = PersonRef("jane@example.com", None, "1")
    event = TrackedEvent("Placed Order", "1", NOW, person, properties, profile=properties)
    change = ProfileChange(person, properties, NOW, "1")
    message = Message(store_id="default", kind="shop", message_id="1", business_key="1", received_at=NOW, body=given[2])
    once = apply(rules, Mapped(events=(event,), profiles=(change,)), message, b"salt")
    assert once == apply(rules, Mapped(events=(event,), profiles=(change,)), message, b"salt")


@target(
    "sources.templates",
    inputs=st.tuples(TEXT, documents(_TRACKED)),
    once_broke=(("{{" + " " * 1_990, {}), ("{{ " * 660, {}), ("{{" * 900, {})),
)
def template(given: tuple[str, Any]) -> None:
    if templates.complaint(given[0]) is None:
        filled = templates.fill(given[0], {"properties": given[1], "a": given[1]})
        if "{{" not in given[0]:
            assert filled == given[0], "text without places stands as it is: nothing is run"


_CT = EVERYTHING.model_dump(mode="json") | {
    "client_secret": "s", "push": {"secret": "s", "snsTopicArns": ["arn:x"]}, "region": "europe-west1.gcp",
    "queue": {"type": "SQS", "queueUrl": "https://sqs.eu-central-1.amazonaws.com/1/q"},
}  # fmt: skip
_STRIPES = {"webhook_secret": "whsec_1", "api_key": "rk_test_1"}


@target(
    "sources.commercetools.settings",
    "sources.commercetools.queue_settings",
    "sources.stripe.settings",
    "sources.segment.settings",
    inputs=st.one_of(documents(_CT), documents(_STRIPES), documents({"context": ["page.url"], "pages": True})),
)
def source_settings(given: Any) -> None:
    for model in (CommercetoolsSettings, StripeSettings, SegmentSettings):
        try:
            read = model.model_validate(given)
        except ValidationError as error:
            assert "whsec_1" not in str(error)
            continue
        assert "whsec_1" not in repr(read)


_PLUGIN = {"order": {"states": {"changed": {"cancelledOrder": ["x"]}}}, "customer": {}, "debug": 1}
_CLIENT = json.dumps({"clientId": "c", "secret": "s"})


@target(
    "sources.commercetools.plugin",
    inputs=st.tuples(
        documents(_PLUGIN), st.sampled_from(["NODE_CONFIG", "CT_API_CLIENT"]), st.one_of(TEXT, LEAVES.map(json.dumps))
    ),
)
def plugin_configuration(given: tuple[Any, str, str]) -> None:
    config, name, text = given
    try:
        settings, _left = from_plugin(config if isinstance(config, dict) else {}, {"CT_API_CLIENT": _CLIENT, name: text})
        CommercetoolsSettings.model_validate({"projectKey": "p"} | settings)
    except (Rejected, ValidationError):
        return


_OF_JANE = {
    "email": "Jane@example.com",
    "message": {"data": "eyJlbWFpbCI6ImphbmVAZXhhbXBsZS5jb20ifQ=="},
    "n": "j\u00e4ne@example.com",
}


@target("sources.erasing", inputs=bodies(_OF_JANE))
def message_of_somebody_erased(body: bytes) -> None:
    found = _tells_of(body, {"jane@example.com"})
    assert found or b"jane@example.com" not in body.lower()
