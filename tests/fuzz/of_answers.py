"""What Klaviyo, the shops' APIs, queues and providers answer."""

import asyncio
import base64
import gzip
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from ferrata.access.errors import ProviderRefused, ProviderUnavailable
from ferrata.access.oidc_provider import Provider, Registration
from ferrata.delivery.families import FAMILIES
from ferrata.delivery.jobs import judge_job, taken
from ferrata.delivery.request import Job
from ferrata.delivery.schemas import Family
from ferrata.delivery.verdict import Case, Verdict
from ferrata.infra.errors import FerrataError
from ferrata.klaviyo.address import Address
from ferrata.klaviyo.answer import Answer
from ferrata.klaviyo.auth import OAuthTokens, PrivateKey, Secret
from ferrata.klaviyo.classify import classify
from ferrata.klaviyo.client import Klaviyo
from ferrata.klaviyo.documents import document_of, view
from ferrata.klaviyo.errors import KlaviyoError, UnreadableAnswer
from ferrata.klaviyo.filters import equals
from ferrata.klaviyo.oauth import TokenEndpoint
from ferrata.klaviyo.operations import extra_bucket
from ferrata.klaviyo.problems import MOST_PROBLEMS, read_problems
from ferrata.klaviyo.rate_headers import parse_limits
from ferrata.klaviyo.retry_after import LONGEST_SECONDS, parse_retry_after
from ferrata.klaviyo.wire import Bounds, exchange
from ferrata.sources.commercetools import SOURCE as COMMERCETOOLS
from ferrata.sources.commercetools.proofs import Proofs
from ferrata.sources.commercetools.sns import Sns, is_amazons, signed_text
from ferrata.sources.contract import Lookup, Received, Span, Surroundings, Unverified
from ferrata.sources.stripe import SOURCE as STRIPE
from tests.fuzz.inputs import JSON, TEXT, bodies, documents, tampered, written
from tests.fuzz.target import target
from tests.klaviyo.test_filters import parse, unquoted
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import HastyClock, settings
from tests.sources.stripe import shop as stripe

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_SOURCE = {"pointer": "/data/attributes/properties", "parameter": "filter"}
_REFUSAL = {"errors": [{"code": "invalid", "title": "t", "detail": "pk_live_0123 is wrong", "source": _SOURCE, "meta": {"x": 1}}]}
_RESOURCE = {
    "type": "metric",
    "id": "a",
    "attributes": {"name": "n", "created": "2026-11-20T10:00:00+00:00", "integration": {"name": "x"}},
}
_LISTED = {"data": [_RESOURCE], "links": {"next": "https://a.klaviyo.com/api/metrics/?page%5Bcursor%5D=b"}, "meta": {}}
_HEADERS = st.dictionaries(
    st.sampled_from(
        ["retry-after", "ratelimit-limit", "content-type", "x-request-id", "content-encoding", "location", "cf-mitigated"]
    ),
    TEXT,
    max_size=4,
)
_STATUS = st.sampled_from(
    [200, 201, 202, 204, 207, 301, 303, 400, 401, 403, 404, 405, 408, 409, 410, 413, 422, 425, 429, 500, 503, 599]
)
_OPERATION = st.sampled_from(
    ["POST /api/events", "GET /api/metrics", "POST /api/event-bulk-create-jobs", "GET /api/profiles/{id}"]
)


class _Shape(msgspec.Struct):
    id: str
    name: str | None = None
    resource: Any = None


@target(
    "klaviyo.problems",
    "klaviyo.documents",
    "klaviyo.classify",
    inputs=st.tuples(_STATUS, _HEADERS, bodies(_REFUSAL, _LISTED, {"data": _RESOURCE}), _OPERATION, st.booleans()),
)
def klaviyo_answer(given: tuple[int, dict[str, str], bytes, str, bool]) -> None:
    status, headers, body, operation, reads = given
    answer = Answer(status, headers, body)
    outcome = classify(answer, operation, NOW, reads=reads)
    assert outcome == classify(answer, operation, NOW, reads=reads)
    assert len(read_problems(body)) <= MOST_PROBLEMS
    assert "pk_live_0123" not in f"{outcome.reason} {outcome.problems} {outcome.excerpt}"
    assert "\n" not in outcome.reason + outcome.excerpt
    assert outcome.retry_after_seconds is None or 0 <= outcome.retry_after_seconds <= LONGEST_SECONDS
    assert outcome.sentence
    try:
        document = document_of(answer, outcome)
        for resource in document.many():
            resource.related_id("metric")
            view(resource, _Shape)
        document.first()
    except UnreadableAnswer:
        return


@target(
    "klaviyo.retry_after", inputs=TEXT, once_broke=("9" * 400, "Fri, 99 Nov 2026 10:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +2359")
)
def retry_after(text: str) -> None:
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_SECONDS
    assert all(0 < window <= LONGEST_SECONDS for window in parse_limits(text))


@target(
    "klaviyo.address",
    "klaviyo.operations",
    inputs=st.one_of(
        TEXT, TEXT.map(lambda text: "https://a.klaviyo.com/api/x?" + text), TEXT.map(lambda text: "https://a.klaviyo.com" + text)
    ),
    once_broke=("https://a.klaviyo.com/api/metrics?a=\x00", "https://a.kla\nviyo.com/", "https://a.klaviyo.com:443\t/"),
)
def link_of_klaviyo(link: str) -> None:
    address = Address("https://a.klaviyo.com")
    if not address.owns(link):
        return
    extra_bucket(link)
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return httpx2.Response(200, content=b'{"data":[]}')

    async def follow() -> None:
        async with Klaviyo(PrivateKey("pk_test"), transport=httpx2.MockTransport(answer)) as klaviyo:
            await klaviyo.read("GET /api/metrics", url=link)

    try:
        asyncio.run(follow())
    except KlaviyoError:
        return
    assert set(asked) <= {"a.klaviyo.com"}


@target("klaviyo.filters", inputs=st.tuples(TEXT, TEXT))
def filter_of_klaviyo(given: tuple[str, str]) -> None:
    try:
        [(operator, field, [value])] = parse(str(equals(given[0], given[1])))
    except ValueError as error:
        assert "unpack" not in str(error)
        return
    assert (operator, field, unquoted(value)) == ("equals", given[0], given[1])


_JOB = {"data": {"type": "profile-bulk-import-job", "id": "j", "attributes": {"status": "complete", "failed_count": 1}}}
_ERRORS = {"data": [{"attributes": {"source": {"pointer": "/data/attributes/profiles/data/0"}}}], "links": {"next": None}}


@target("delivery.jobs", inputs=st.tuples(_STATUS, bodies(_JOB, _ERRORS), st.sampled_from([None, "", "c"])))
def job_of_klaviyo(given: tuple[int, bytes, str | None]) -> None:
    status, body, cursor = given
    outcome = classify(Answer(status, {}, body), "GET /api/profile-bulk-import-jobs/{id}", NOW, reads=True)
    family = FAMILIES[Family.PROFILES]
    case = Case(2, bulk=True)
    assert isinstance(taken(outcome), Verdict)
    verdict = judge_job(outcome, Job("j", cursor=cursor, total_failed=1), case, family)
    assert all(0 <= position < case.item_count for position in verdict.alone or ())


_GRANTED = {
    "access_token": "a",
    "refresh_token": "r",
    "expires_in": 3600,
    "scope": "events:write profiles:read",
    "token_type": "bearer",
}


@target("klaviyo.oauth", inputs=st.tuples(_STATUS, bodies(_GRANTED, {"error": "invalid_grant"}), _HEADERS))
def tokens_of_klaviyo(given: tuple[int, bytes, dict[str, str]]) -> None:
    former = OAuthTokens(Secret("a"), Secret("r"), 0.0, frozenset(), 0.0)

    async def refresh() -> None:
        endpoint = TokenEndpoint("app", Secret("s"), transport=_answering(given[0], given[1], given[2]), now=lambda: 1_000.0)
        found = await endpoint.refresh(former)
        assert found.expires_at < 1e10
        httpx2.Headers({"authorization": f"Bearer {found.access.reveal()}"})

    _only(refresh, KlaviyoError)


def _answering(status: int, body: bytes, headers: dict[str, str]) -> httpx2.MockTransport:
    sendable = {name: value for name, value in headers.items() if value.isascii() and value.isprintable()}
    if status < 200 or status == 204:
        body = b""

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=sendable, stream=httpx2.ByteStream(body))

    return httpx2.MockTransport(answer)


def _only(work: Any, *errors: type[Exception]) -> None:
    try:
        asyncio.run(work())
    except errors:
        return


@target(
    "klaviyo.wire",
    inputs=st.tuples(
        tampered(gzip.compress(written(_LISTED), mtime=0), written(_LISTED)),
        st.sampled_from(["gzip", "deflate", "br", "identity", ""]),
    ),
    once_broke=((gzip.compress(b"\0" * 3_000_000, mtime=0), "gzip"),),
)
def compressed_answer(given: tuple[bytes, str]) -> None:
    async def ask() -> None:
        request = httpx2.Request("GET", "https://a.klaviyo.com/")
        transport = _answering(200, given[0], {"content-encoding": given[1]})
        bounds = Bounds(success=100_000, error=1_000)
        seen = await exchange(transport, request, connect_timeout_seconds=1.0, deadline_seconds=5.0, bounds=bounds)
        assert isinstance(seen, Answer)
        assert len(seen.body) <= 100_000

    asyncio.run(ask())


_API = {"results": [shop.order()], "total": 1, "offset": 0, "limit": 20}


@target(
    "sources.commercetools.api",
    "sources.commercetools.tokens",
    inputs=st.tuples(_STATUS, bodies(_GRANTED, _API, {"message": "no"}), _HEADERS),
    once_broke=((429, b"", {"retry-after": "9" * 400}), (200, b"x", {"content-encoding": "gzip"})),
)
def commercetools_answer(given: tuple[int, bytes, dict[str, str]]) -> None:
    transport = _answering(*given)

    async def ask() -> None:
        reader = COMMERCETOOLS.reader(settings(), Surroundings(store_id="default", clock=HastyClock(), transport=transport))
        assert reader is not None
        try:
            await reader.look_up([Lookup("order", "1")])
        except FerrataError as error:
            assert 0 <= (error.retry_after_seconds or 0) <= LONGEST_SECONDS
        finally:
            await reader.close()

    asyncio.run(ask())


@target(
    "sources.stripe.reader",
    inputs=st.tuples(
        _STATUS, bodies({"object": "list", "data": [{"id": "a"}], "has_more": True}, {"id": "cus_1"}), _HEADERS, TEXT
    ),
    once_broke=(
        (429, b"", {"retry-after": "9" * 400}, "cus_1"),
        (200, b"{}", {}, "../charges"),
        (200, b"{}", {}, "acct\r\nx/cus_1"),
        (200, b"{}", {}, "é/cus_1"),
        (200, b"[" * 100_000, {}, "cus_1"),
    ),
)
def stripe_answer(given: tuple[int, bytes, dict[str, str], str]) -> None:
    asked: list[httpx2.Request] = []
    answering = _answering(*given[:3])

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return answering.handle_request(request)

    around = Surroundings(store_id="default", clock=HastyClock(), transport=httpx2.MockTransport(answer))

    async def ask() -> None:
        reader = STRIPE.reader(stripe.WITH_KEY, around)
        assert reader is not None
        for what in ("customer", "line_items", "object"):
            try:
                await reader.look_up([Lookup(what, given[3])])
                await reader.page("charges", None, Span(until=NOW))
            except FerrataError as error:
                assert 0 <= (error.retry_after_seconds or 0) <= LONGEST_SECONDS
        await reader.close()

    asyncio.run(ask())
    for request in asked:
        assert request.url.host == "api.stripe.com"
        path = request.url.raw_path.decode().partition("?")[0]
        assert path.startswith(("/v1/customers/", "/v1/checkout/sessions/", "/v1/charges", "/v1/", "/v2/"))
        assert ".." not in path.split("/")


_PULLED = {"receivedMessages": [{"ackId": "a", "message": {"data": base64.b64encode(b"{}").decode(), "messageId": "1"}}]}
_QUEUES = (
    {"type": "GoogleCloudPubSub", "subscription": "projects/p/subscriptions/s"},
    {
        "type": "AzureServiceBus",
        "path": "q",
        "connectionString": "Endpoint=sb://b.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=a",
    },
)


@target(
    "sources.commercetools.queues.pubsub",
    "sources.commercetools.queues.servicebus",
    inputs=st.tuples(st.sampled_from(_QUEUES), _STATUS, bodies(_PULLED), _HEADERS),
    once_broke=(
        (_QUEUES[0], 200, b"[]", {}),
        (_QUEUES[0], 200, b"{", {}),
        (_QUEUES[0], 200, b'{"receivedMessages":[{"message":{"data":"e30="}}]}', {}),
        (_QUEUES[0], 200, b'{"receivedMessages":[{"ackId":"a","message":[]}]}', {}),
        (_QUEUES[1], 201, b"{}", {"location": "@evil.example/x"}),
        (_QUEUES[1], 201, b"{}", {"location": "http://["}),
    ),
)
def queue(given: tuple[Any, int, bytes, dict[str, str]]) -> None:
    asked: list[str] = []
    answering = _answering(*given[1:])

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return answering.handle_request(request)

    around = Surroundings(store_id="default", clock=HastyClock(), transport=httpx2.MockTransport(answer))

    async def pull() -> None:
        [made] = COMMERCETOOLS.queues(settings(queue=given[0]), around)
        pulled = await made.pull()
        await made.acknowledge([each.receipt for each in pulled])

    _only(pull, FerrataError)
    assert set(asked) <= {"pubsub.googleapis.com", "b.servicebus.windows.net"}


_SNS = {
    "Type": "Notification", "TopicArn": "arn:t", "MessageId": "1", "Message": "m", "Timestamp": "2026-11-20T10:00:00Z",
    "SignatureVersion": "1", "Signature": "AAAA", "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem",
}  # fmt: skip


@target("sources.commercetools.sns", inputs=st.tuples(documents(_SNS), st.one_of(TEXT, JSON.map(repr))))
def sns(given: tuple[Any, str]) -> None:
    found = given[0] if isinstance(given[0], dict) else {}
    asked: list[str] = []

    async def fetch(address: str) -> bytes:
        asked.append(address)
        return given[1].encode("utf-8", "replace")

    async def prove() -> None:
        signed_text(found)
        await Sns().verify(found, ("arn:t",), fetch)
        raise AssertionError("nothing of this is signed by Amazon")

    _only(prove, Unverified)
    for address in (*asked, *([given[1]] if is_amazons(given[1]) else [])):
        assert urlsplit(address).hostname is not None
        assert str(urlsplit(address).hostname).endswith((".amazonaws.com", ".amazonaws.com.cn"))


_KEY = RSAKey.import_key(rsa.generate_private_key(public_exponent=65537, key_size=2048), {"kid": "1", "use": "sig"})
_KEYS = {"keys": [_KEY.as_dict(private=False)]}
_CLAIMS = {
    "iss": "https://id.example", "aud": "ferrata", "sub": "1", "exp": 1_795_180_000, "iat": 1_795_167_000, "nonce": "n",
    "email": "j@example.com", "email_verified": True, "name": "Jane",
}  # fmt: skip


def _token(claims: Any) -> str:
    try:
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, _KEY)
    except Exception:  # noqa: BLE001 - claims of a shape that the library itself does not write
        return ""


_HEADS = bodies({"alg": "none"}, {"alg": "HS256", "kid": "1"}, {"alg": "RS256", "b64": False, "crit": ["b64"]})


def _unsigned(head: bytes, claims: bytes) -> str:
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (head, claims)), ""])


_TOKENS = st.one_of(
    documents(_CLAIMS).map(_token),
    st.builds(lambda data: data.decode("latin-1"), tampered(_token(_CLAIMS).encode())),
    st.builds(_unsigned, _HEADS, bodies(_CLAIMS)),
    TEXT,
)


@target("access.oidc_provider", inputs=st.tuples(_TOKENS, st.booleans()))
def token_of_a_provider(given: tuple[str, bool]) -> None:
    clock = HastyClock()
    registration = Registration("https://id.example", "ferrata", "s", "P", frozenset(), "https://f.example/cb")
    provider = Provider(registration, clock)
    provider._keys = (KeySet.import_key_set(_KEYS), 1e9)
    claims: dict[str, Any] = {}

    async def read() -> None:
        claims.update(await provider._claims(given[0], "n"))

    _only(read, ProviderRefused, ProviderUnavailable)
    if claims:
        assert (claims["iss"], claims["nonce"]) == ("https://id.example", "n")
        assert claims["aud"] == "ferrata" or "ferrata" in claims["aud"]
        assert isinstance(claims["sub"], str | int | float | list | dict | bool | None)


@target("sources.commercetools.proofs", inputs=st.tuples(_TOKENS, st.one_of(st.just(written(_KEYS)), bodies(_KEYS))))
def token_of_google(given: tuple[str, bytes]) -> None:
    chosen = settings(push={"google_audience": "ferrata", "google_service_account": "j@example.com"})
    headers = {"authorization": f"Bearer {given[0]}"}
    received = Received(body=b"{}", at=NOW, headers=headers, query={"secret": given[0]})

    async def prove() -> None:
        await Proofs().google(received, chosen, HastyClock(), _answering(200, given[1], {}))
        raise AssertionError("this issuer is not Google")

    _only(prove, FerrataError)
