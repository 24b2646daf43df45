"""Credentials: masked everywhere, renewed once and by one at a time."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable

import httpx2
import pytest

from ferrata.klaviyo import Executed, Kind, Klaviyo, OAuthSession, OAuthTokens, PrivateKey, Secret
from ferrata.klaviyo.errors import KeyRevoked, Unreachable
from ferrata.klaviyo.outcome import Outcome

pytestmark = pytest.mark.anyio

TEXT = "pk_canary0123456789canary0123456789ab"
EVENT = "POST /api/events"


def tokens(number: int, expires_at: float = 1e12) -> OAuthTokens:
    return OAuthTokens(Secret(f"access-canary-{number}"), Secret(f"refresh-canary-{number}"), expires_at)


class TestAPrivateKey:
    @pytest.mark.parametrize("show", [repr, str, format, "{:>80}".format, lambda key: f"{key!s}{key!r}", ascii])
    def test_shows_only_its_last_four(self, show: Callable[[object], str]) -> None:
        assert "canary" not in show(PrivateKey(TEXT))
        assert "89ab" in show(PrivateKey(TEXT))
        assert PrivateKey(TEXT).hint == "…89ab"

    def test_shows_nothing_of_a_short_one(self) -> None:
        assert PrivateKey("pk_short").hint == "…"

    @pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_is_not_pickled_or_copied(self, leave: Callable[[object], object]) -> None:
        with pytest.raises(TypeError) as refused:
            leave(PrivateKey(TEXT))
        assert "canary" not in str(refused.value)

    @pytest.mark.parametrize("text", ["", "sk_1", "pk_", "pk_a b", "pk_a\r\nx: y", "pk_\u00e9", TEXT + "\n"])
    def test_refuses_what_cannot_be_one_without_showing_it(self, text: str) -> None:
        with pytest.raises(ValueError, match="private key") as refused:
            PrivateKey(text)
        assert len(text) <= 3 or text not in str(refused.value)

    def test_equals_by_value_and_cannot_be_read_by_attribute(self) -> None:
        assert PrivateKey(TEXT) == PrivateKey(TEXT) != PrivateKey(TEXT + "c")
        assert len({PrivateKey(TEXT), PrivateKey(TEXT)}) == 1
        assert not hasattr(PrivateKey(TEXT), "__dict__")

    def test_tokens_are_masked_in_their_pair(self) -> None:
        assert "canary" not in repr(OAuthTokens(Secret("canary0123456789"), Secret("canary9876543210"), 0))

    def test_tokens_cannot_split_a_header(self) -> None:
        with pytest.raises(ValueError, match="RFC 6750"):
            OAuthTokens(Secret("a\r\nx: y"), Secret("b"), 0)


class Service:
    """Accepts the access token of `valid` only, and counts."""

    def __init__(self, valid: int) -> None:
        self.valid = valid
        self.requests: list[str] = []

    def client(self, session: OAuthSession) -> Klaviyo:
        return Klaviyo(session, transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        bearer = request.headers["authorization"]
        self.requests.append(bearer)
        return httpx2.Response(202 if bearer == f"Bearer access-canary-{self.valid}" else 401)


class Refreshing:
    """Gives the next pair after a moment; counts how often it was asked."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fault: Exception | None = None

    async def __call__(self, old: OAuthTokens) -> OAuthTokens:
        self.calls.append(old.refresh.reveal())
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        return tokens(len(self.calls) + 1)


class TestAnOAuthSession:
    async def test_refreshes_once_on_a_401_and_sends_once_more(self) -> None:
        service, refresh = Service(valid=2), Refreshing()
        async with service.client(OAuthSession(tokens(1), refresh)) as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
        assert outcome.is_accepted
        assert service.requests == ["Bearer access-canary-1", "Bearer access-canary-2"]

    async def test_does_not_loop_when_the_new_token_is_refused_too(self) -> None:
        service, refresh = Service(valid=99), Refreshing()
        async with service.client(OAuthSession(tokens(1), refresh)) as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
        assert outcome.kind is Kind.CREDENTIAL
        assert (len(service.requests), len(refresh.calls)) == (2, 1)

    async def test_refreshes_once_for_many_at_a_time(self) -> None:
        service, refresh = Service(valid=2), Refreshing()
        async with service.client(OAuthSession(tokens(1), refresh)) as klaviyo:
            outcomes = await asyncio.gather(*(klaviyo.send(EVENT, b"{}") for _ in range(20)))
        assert all(outcome.is_accepted for outcome in outcomes)
        assert len(refresh.calls) == 1

    async def test_refreshes_before_the_token_expires(self) -> None:
        service, refresh = Service(valid=2), Refreshing()
        async with service.client(OAuthSession(tokens(1, expires_at=1059), refresh, now=lambda: 1000)) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).is_accepted
        assert service.requests == ["Bearer access-canary-2"]

    async def test_a_failed_refresh_is_an_outcome_of_a_request_that_stayed_at_home(self) -> None:
        service, refresh = Service(valid=2), Refreshing()
        token_endpoint_down = Outcome(Kind.TRANSIENT_UNKNOWN, "POST /oauth/token", Executed.UNKNOWN, reason="silence")
        refresh.fault = Unreachable(token_endpoint_down)
        async with service.client(OAuthSession(tokens(1), refresh)) as klaviyo:
            outcome = await klaviyo.send(EVENT, b"{}")
        assert (outcome.kind, outcome.executed, outcome.operation) == (Kind.TRANSIENT_NOT_SENT, Executed.NO, EVENT)
        assert "POST /oauth/token" in outcome.reason

    async def test_lives_on_the_old_token_while_it_is_valid_and_the_endpoint_is_down(self) -> None:
        service, refresh, now = Service(valid=1), Refreshing(), [1000.0]
        refresh.fault = Unreachable(Outcome(Kind.TRANSIENT_NOT_SENT, "POST /oauth/token", Executed.NO, reason="down"))
        async with service.client(OAuthSession(tokens(1, expires_at=1030), refresh, now=lambda: now[0])) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).is_accepted
            now[0] = 1030
            assert (await klaviyo.send(EVENT, b"{}")).kind is Kind.TRANSIENT_NOT_SENT
        assert len(service.requests) == 1

    async def test_an_uninstalled_app_needs_reconnecting(self) -> None:
        service, refresh = Service(valid=2), Refreshing()
        refresh.fault = KeyRevoked(Outcome(Kind.CREDENTIAL, "POST /oauth/token", Executed.NO, reason="invalid_grant"))
        async with service.client(OAuthSession(tokens(1), refresh)) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).kind is Kind.CREDENTIAL

    async def test_a_private_key_is_not_tried_twice(self) -> None:
        asked: list[str] = []

        def refuse(request: httpx2.Request) -> httpx2.Response:
            asked.append(request.headers["authorization"])
            return httpx2.Response(401)

        async with Klaviyo(PrivateKey(TEXT), transport=httpx2.MockTransport(refuse)) as klaviyo:
            assert (await klaviyo.send(EVENT, b"{}")).kind is Kind.CREDENTIAL
        assert len(asked) == 1
