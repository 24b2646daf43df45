"""A small OpenID provider on a socket: discovery, keys, code flow with PKCE. It can be told to misbehave."""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ferrata.kit.clock import MovedClock

CLIENT_ID, CLIENT_SECRET = "ferrata", "the provider's secret"


@dataclass
class OpenIdProvider:
    """``person``: who is signed in there. ``claims`` are put over those of the ID token; a value of None removes one."""

    clock: MovedClock
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "p-1", "email": "rita@corp.example", "email_verified": True})
    claims: dict[str, Any] = field(default_factory=dict)
    signing: str = "RS256"
    told_by_userinfo: dict[str, Any] | None = None
    url: str = ""
    is_broken: bool = False
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    published: list[RSAKey] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.published = [self.key]

    def change_keys(self) -> None:
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        self.published = [self.key]

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", self._jwks),
                Route("/userinfo", self._userinfo),
            ]
        )

    async def _discovery(self, _request: Request) -> Response:
        doors = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "jwks_uri": "jwks",
            "userinfo_endpoint": "userinfo",
        }
        if self.is_broken:
            return Response("out of order", 502)
        return JSONResponse({"issuer": self.url} | {name: f"{self.url}/{path}" for name, path in doors.items()})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", status_code=302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form.get("code")), None)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        challenge = _base64(hashlib.sha256(str(form.get("code_verifier")).encode()).digest())
        fits = asked and asked["code_challenge"] == challenge and asked["redirect_uri"] == form.get("redirect_uri")
        if not fits or request.headers.get("authorization") != f"Basic {basic}":
            return JSONResponse({"error": "invalid_grant"}, 400)
        assert asked
        return JSONResponse({"access_token": "at", "token_type": "Bearer", "id_token": self._id_token(asked["nonce"])})

    def _id_token(self, nonce: str) -> str:
        now = int(self.clock.now().timestamp())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce} | self.person | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.signing, "kid": self.key.kid}
        if self.signing in ("none", "HS256"):
            signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
            shared = self.key.as_pem(private=False)  # what everybody can read
            made = hmac.digest(shared, signed.encode(), "sha256") if self.signing == "HS256" else b""
            return f"{signed}.{_base64(made)}"
        return jwt.encode(header, claims, self.key)

    async def _jwks(self, _request: Request) -> Response:
        return JSONResponse(KeySet([*self.published]).as_dict(private=False))

    async def _userinfo(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer at"
        return JSONResponse(self.told_by_userinfo or self.person)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
