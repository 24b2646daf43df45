"""OAuth: consent, code with PKCE, refresh, revocation, and windows of an installation's own."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from klaviyo_sandbox.oauth import challenge_of
from klaviyo_sandbox.server import Running

from .driving import Caller, serving

BACK = "https://ferrata.test/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-1234"
APP = {
    "name": "Acme",
    "redirect_uris": [BACK],
    "scopes": ["accounts:read", "events:read", "events:write", "metrics:read"],
    "client_id": "acme-id",
    "client_secret": "acme-secret",
}
ASKED = {
    "response_type": "code",
    "client_id": "acme-id",
    "redirect_uri": BACK,
    "scope": "events:read metrics:read",
    "state": "st&te",
    "code_challenge_method": "S256",
    "code_challenge": challenge_of(VERIFIER),
}


@pytest.fixture
def app(caller: Caller) -> Caller:
    """A caller at whose sandbox the app is registered."""
    assert caller.control("POST", "/apps", APP).status_code == 201
    return caller


def consent(app: Caller, **changes: str) -> str:
    """What a person does on the consent page; returns the code."""
    answer = app.http.post("/oauth/authorize", data={**ASKED, "account": "SANDBX", "decision": "allow", **changes})
    assert answer.status_code == 302, answer.text
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert back["state"] == ["st&te"]
    return back["code"][0]


def token(app: Caller, *, secret: str = "acme-secret", **form: str) -> httpx.Response:
    return app.http.post("/oauth/token", data=form, auth=("acme-id", secret))


def exchange(app: Caller, issued: str, **changes: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": issued, "code_verifier": VERIFIER, "redirect_uri": BACK}
    return token(app, **(form | changes))


def refresh(app: Caller, refresh_token: str) -> httpx.Response:
    return token(app, grant_type="refresh_token", refresh_token=refresh_token)


class TestConsent:
    def test_the_page_names_app_scopes_and_accounts(self, app: Caller) -> None:
        page = app.http.get("/oauth/authorize", params=ASKED)
        assert page.status_code == 200
        for text in ("Acme", "events:read", "SANDBX", "st&amp;te"):
            assert text in page.text

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"client_id": "nobody"}, "invalid_client"),
            ({"redirect_uri": "https://evil.test"}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge": ""}, "invalid_request"),
            ({"scope": "events:read lists:write"}, "invalid_scope"),
        ],
        ids=str,
    )
    def test_bad_requests_never_redirect(self, app: Caller, change: dict[str, str], error: str) -> None:
        answer = app.http.get("/oauth/authorize", params={**ASKED, **change})
        assert (answer.status_code, answer.json()["error"]) == (400, error)

    def test_denial_goes_back_without_code(self, app: Caller) -> None:
        answer = app.http.post("/oauth/authorize", data={**ASKED, "decision": "deny"})
        back = parse_qs(urlsplit(answer.headers["location"]).query)
        assert back == {"error": ["access_denied"], "state": ["st&te"]}


class TestExchange:
    def test_a_code_buys_tokens_that_open_what_was_consented(self, app: Caller, served: Running) -> None:
        answer = exchange(app, consent(app))
        assert answer.status_code == 200
        tokens = answer.json()
        assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
        assert tokens["scope"] == "accounts:read events:read metrics:read"
        bearer = Caller(served.url, authorization=f"Bearer {tokens['access_token']}")
        assert bearer.get("/api/metrics").status_code == bearer.get("/api/accounts").status_code == 200
        assert bearer.get("/api/profiles").status_code == 403

    @pytest.mark.parametrize(
        "change", [{"code_verifier": "wrong"}, {"code_verifier": ""}, {"redirect_uri": "https://x"}, {"code": "no"}], ids=str
    )
    def test_a_wrong_part_is_an_invalid_grant(self, app: Caller, change: dict[str, str]) -> None:
        answer = exchange(app, consent(app), **change)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")

    def test_a_code_is_good_once_and_for_five_minutes(self, app: Caller, served: Running) -> None:
        code = consent(app)
        assert exchange(app, code).status_code == 200
        assert exchange(app, code).json()["error"] == "invalid_grant"
        late = consent(app)
        served.sandbox.clock.advance(301)
        assert exchange(app, late).json()["error"] == "invalid_grant"

    def test_the_client_must_prove_itself(self, app: Caller) -> None:
        answer = token(app, secret="guess", grant_type="refresh_token", refresh_token="x")
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert app.http.post("/oauth/token", data={}).json()["error"] == "invalid_client"

    def test_other_grants_are_refused(self, app: Caller) -> None:
        assert token(app, grant_type="password").json()["error"] == "invalid_grant_type"


class TestRefresh:
    @pytest.fixture
    def tokens(self, app: Caller) -> dict[str, Any]:
        tokens: dict[str, Any] = exchange(app, consent(app)).json()
        return tokens

    def bearer(self, served: Running, tokens: dict[str, Any]) -> int:
        return Caller(served.url, authorization=f"Bearer {tokens['access_token']}").get("/api/metrics").status_code

    def test_the_same_refresh_token_comes_back_and_old_access_lives_on(
        self, app: Caller, served: Running, tokens: dict[str, Any]
    ) -> None:
        renewed = refresh(app, tokens["refresh_token"]).json()
        assert renewed["refresh_token"] == tokens["refresh_token"]
        assert renewed["access_token"] != tokens["access_token"]
        assert self.bearer(served, tokens) == self.bearer(served, renewed) == 200

    def test_rotation_by_switch_retires_the_old_one(self, app: Caller, tokens: dict[str, Any]) -> None:
        app.control("POST", "/switches", {"rotate_refresh_tokens": True})
        renewed = refresh(app, tokens["refresh_token"]).json()
        assert refresh(app, tokens["refresh_token"]).json()["error"] == "invalid_grant"
        assert refresh(app, renewed["refresh_token"]).status_code == 200

    def test_access_ends_after_its_hour(self, app: Caller, served: Running, tokens: dict[str, Any]) -> None:
        served.sandbox.clock.advance(3599)
        assert self.bearer(served, tokens) == 200
        served.sandbox.clock.advance(1)
        assert self.bearer(served, tokens) == 401
        assert self.bearer(served, refresh(app, tokens["refresh_token"]).json()) == 200

    def test_ninety_idle_days_end_the_installation(self, app: Caller, served: Running, tokens: dict[str, Any]) -> None:
        served.sandbox.clock.advance(90 * 86_400 + 1)
        assert refresh(app, tokens["refresh_token"]).json()["error"] == "invalid_grant"

    def test_ten_refreshes_a_minute(self, app: Caller, served: Running, tokens: dict[str, Any]) -> None:
        answers = [refresh(app, tokens["refresh_token"]).status_code for _ in range(11)]
        assert answers == [200] * 10 + [429]
        served.sandbox.clock.advance(60)
        assert refresh(app, tokens["refresh_token"]).status_code == 200

    def test_revoking_ends_refresh_and_access(self, app: Caller, served: Running, tokens: dict[str, Any]) -> None:
        form = {"token": tokens["refresh_token"], "token_type_hint": "refresh_token"}
        assert app.http.post("/oauth/revoke", data=form, auth=("acme-id", "acme-secret")).status_code == 200
        assert refresh(app, tokens["refresh_token"]).json()["error"] == "invalid_grant"
        assert self.bearer(served, tokens) == 401

    def test_uninstalling_in_klaviyo_does_the_same(self, app: Caller, served: Running, tokens: dict[str, Any]) -> None:
        (installation,) = app.control("GET", "/installations").json()["installations"]
        app.control("DELETE", f"/installations/{installation['id']}")
        assert refresh(app, tokens["refresh_token"]).json()["error"] == "invalid_grant"

    def test_an_installation_has_windows_of_its_own(self, app: Caller, served: Running, tokens: dict[str, Any]) -> None:
        bearer = Caller(served.url, authorization=f"Bearer {tokens['access_token']}")
        assert [app.get("/api/accounts").status_code for _ in range(2)] == [200, 429]
        assert [bearer.get("/api/accounts").status_code for _ in range(2)] == [200, 429]


def test_tokens_survive_a_restart_on_a_file(tmp_path: Any) -> None:
    path = str(tmp_path / "sandbox.db")
    with serving(path=path) as served:
        caller = Caller(served.url)
        caller.control("POST", "/apps", APP)
        wanted = {"client_id": "acme-id", "account_id": "SANDBX"}
        access = caller.control("POST", "/installations", wanted).json()["access_token"]
    with serving(path=path) as served:
        assert Caller(served.url, authorization=f"Bearer {access}").get("/api/metrics").status_code == 200
