"""The token endpoint: what is asked, what is learned, and what each refusal means."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest

from ferrata.klaviyo import OAuthTokens, Secret
from ferrata.klaviyo.errors import KeyRevoked, Throttled, UnreadableAnswer, UpstreamFault
from ferrata.klaviyo.oauth import TokenEndpoint, authorize_url, code_challenge

pytestmark = pytest.mark.anyio

OLD = OAuthTokens(Secret("old-access"), Secret("old-refresh"), 0, frozenset({"events:write"}))
GRANTED = {"access_token": "new-access", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "new-refresh"}


class Endpoint:
    """Plays one answer and remembers what was asked."""

    def __init__(self, response: httpx2.Response) -> None:
        self.asked: list[httpx2.Request] = []
        self._response = response
        self.client = TokenEndpoint("app", Secret("s3cret"), transport=httpx2.MockTransport(self._answer), now=lambda: 1000)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return self._response

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.asked[-1].content.decode()))


class TestTokens:
    async def test_are_exchanged_for_a_code_with_the_verifier(self) -> None:
        endpoint = Endpoint(httpx2.Response(200, json=GRANTED | {"scope": "accounts:read events:write"}))
        new = await endpoint.client.exchange("the-code", Secret("the-verifier"), "https://shop.example/back")
        assert endpoint.form == {
            "grant_type": "authorization_code",
            "code": "the-code",
            "code_verifier": "the-verifier",
            "redirect_uri": "https://shop.example/back",
        }
        assert endpoint.asked[0].headers["authorization"] == "Basic " + base64.b64encode(b"app:s3cret").decode()
        assert str(endpoint.asked[0].url) == "https://a.klaviyo.com/oauth/token"
        assert (new.access.reveal(), new.refresh.reveal(), new.expires_at) == ("new-access", "new-refresh", 4600)
        assert new.scopes == {"accounts:read", "events:write"}

    async def test_are_refreshed_and_may_rotate(self) -> None:
        endpoint = Endpoint(httpx2.Response(200, json=GRANTED))
        new = await endpoint.client.refresh(OLD)
        assert endpoint.form == {"grant_type": "refresh_token", "refresh_token": "old-refresh"}
        assert (new.refresh.reveal(), new.scopes) == ("new-refresh", {"events:write"})

    async def test_keep_the_old_refresh_token_when_none_comes(self) -> None:
        answer = {name: value for name, value in GRANTED.items() if name != "refresh_token"}
        new = await Endpoint(httpx2.Response(200, json=answer)).client.refresh(OLD)
        assert new.refresh.reveal() == "old-refresh"

    async def test_are_revoked(self) -> None:
        endpoint = Endpoint(httpx2.Response(200))
        await endpoint.client.revoke(OLD)
        assert endpoint.form == {"token": "old-refresh", "token_type_hint": "refresh_token"}
        assert endpoint.asked[0].url.path == "/oauth/revoke"


class TestARefusal:
    @pytest.mark.parametrize(("status", "word"), [(400, "invalid_grant"), (401, "invalid_client"), (400, "invalid_client")])
    async def test_of_the_grant_needs_reconnecting(self, status: int, word: str) -> None:
        endpoint = Endpoint(httpx2.Response(status, json={"error": word}))
        with pytest.raises(KeyRevoked, match=word):
            await endpoint.client.refresh(OLD)

    async def test_for_now_is_transient(self) -> None:
        with pytest.raises(Throttled) as slow:
            await Endpoint(httpx2.Response(429, headers={"retry-after": "6"})).client.refresh(OLD)
        assert slow.value.retry_after_seconds == 6
        with pytest.raises(UpstreamFault):
            await Endpoint(httpx2.Response(502, text="<html>")).client.refresh(OLD)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[]",
            b'{"access_token":"canary","expires_in":-1}',
            b'{"access_token":"canary\\r\\nx: y","expires_in":3600,"refresh_token":"r"}',
            b'{"access_token":"canary","expires_in":"soon"}',
        ],
    )
    async def test_to_answer_sensibly_shows_no_token(self, body: bytes) -> None:
        with pytest.raises(UnreadableAnswer) as odd:
            await Endpoint(httpx2.Response(200, content=body)).client.refresh(OLD)
        assert "canary" not in f"{odd.value!r}{odd.value.outcome!r}{odd.value.__context__!r}{odd.value.__cause__!r}"


class TestTheWayToConsent:
    def test_carries_the_challenge_of_the_verifier(self) -> None:
        verifier = Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        url = authorize_url(
            client_id="app",
            redirect_uri="https://shop.example/back?a=b",
            scopes=["accounts:read", "events:write"],
            state="s&t",
            code_verifier=verifier,
        )
        asked = parse_qs(urlsplit(url).query)
        assert asked["scope"] == ["accounts:read events:write"]
        assert asked["redirect_uri"] == ["https://shop.example/back?a=b"]
        assert (asked["state"], asked["code_challenge_method"]) == (["s&t"], ["S256"])
        assert verifier.reveal() not in url

    def test_is_never_plain_http(self) -> None:
        with pytest.raises(ValueError, match="https"):
            TokenEndpoint("app", Secret("s"), token_url="http://klaviyo.example/oauth/token")
