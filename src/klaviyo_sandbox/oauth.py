"""OAuth 2 as Klaviyo runs it: apps, installations (app x account), codes bound to PKCE S256, access and refresh tokens.

An installation has rate windows of its own. A refresh answers the same refresh token unless the switch
`rotate_refresh_tokens` is on; old access tokens live on to their expiry, as recorded.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from klaviyo_sandbox.auth import Credential
from klaviyo_sandbox.ids import Ids
from klaviyo_sandbox.state import State, schema
from klaviyo_sandbox.switches import Switches

ALWAYS_GRANTED = "accounts:read"
CODE_SECONDS = 300
UNUSED_REFRESH_TOKEN_SECONDS = 90 * 86_400

schema(
    """
    CREATE TABLE IF NOT EXISTS oauth_apps (
        client_id TEXT PRIMARY KEY, client_secret TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL,
        redirect_uris TEXT NOT NULL, scopes TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS oauth_codes (
        code TEXT PRIMARY KEY, client_id TEXT NOT NULL, account_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
        scopes TEXT NOT NULL, challenge TEXT NOT NULL, expires_at REAL NOT NULL, used INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS oauth_installations (
        id TEXT PRIMARY KEY, client_id TEXT NOT NULL, account_id TEXT NOT NULL, scopes TEXT NOT NULL,
        refresh_token TEXT NOT NULL, last_used_at REAL NOT NULL, revoked INTEGER NOT NULL DEFAULT 0,
        UNIQUE (client_id, account_id)
    );
    CREATE TABLE IF NOT EXISTS oauth_access_tokens (
        token TEXT PRIMARY KEY, installation_id TEXT NOT NULL, expires_at REAL NOT NULL
    );
    CREATE TABLE IF NOT EXISTS oauth_refreshes (installation_id TEXT NOT NULL, at REAL NOT NULL);
    """
)


class OAuthError(Exception):
    """A refusal of the token endpoint: the RFC 6749 `error` code, a description and the HTTP status."""

    def __init__(self, code: str, description: str = "", status: int = 400) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class App:
    """A registered OAuth app. `key` names its integration in metric and webhook topic ids."""

    client_id: str
    client_secret: str
    name: str
    key: str
    redirect_uris: list[str]
    scopes: list[str]


class OAuth:
    """Grants, refreshes and revokes; `now` is sandbox time in seconds everywhere."""

    def __init__(self, state: State, ids: Ids, switches: Switches) -> None:
        self._state = state
        self._ids = ids
        self._switches = switches

    def register(self, app: App) -> App:
        """Add or replace an app."""
        columns = (app.client_id, app.client_secret, app.name, app.key, "\n".join(app.redirect_uris), " ".join(app.scopes))
        self._state.execute("INSERT OR REPLACE INTO oauth_apps VALUES (?, ?, ?, ?, ?, ?)", columns)
        return app

    def find_app(self, client_id: str) -> App | None:
        """An app by its client id."""
        row = self._state.one("SELECT * FROM oauth_apps WHERE client_id = ?", (client_id,))
        if row is None:
            return None
        uris, scopes = row["redirect_uris"].split("\n"), row["scopes"].split()
        return App(row["client_id"], row["client_secret"], row["name"], row["key"], uris, scopes)

    def apps(self) -> list[App]:
        """Every app."""
        rows = self._state.all("SELECT client_id FROM oauth_apps ORDER BY client_id")
        return [app for row in rows if (app := self.find_app(row["client_id"]))]

    def installations(self) -> list[dict[str, Any]]:
        """Every installation with its tokens, for tests and people."""
        return [dict(row) for row in self._state.all("SELECT * FROM oauth_installations ORDER BY id")]

    def issue_code(self, app: App, account_id: str, *, redirect_uri: str, scopes: list[str], challenge: str, now: float) -> str:
        """The code that the user's browser carries back to the app after consent. Valid once, for five minutes."""
        code = self._ids.token()
        granted = " ".join(sorted({*scopes, ALWAYS_GRANTED}))
        row = (code, app.client_id, account_id, redirect_uri, granted, challenge, now + CODE_SECONDS)
        self._state.execute("INSERT INTO oauth_codes VALUES (?, ?, ?, ?, ?, ?, ?, 0)", row)
        return code

    def exchange(self, app: App, *, code: str, verifier: str, redirect_uri: str, now: float) -> dict[str, Any]:
        """Trade a code for tokens. Raises `invalid_grant` for used, expired or foreign codes and wrong verifiers."""
        row = self._state.one("SELECT * FROM oauth_codes WHERE code = ? AND client_id = ?", (code, app.client_id))
        if row is None or row["used"] or now > row["expires_at"]:
            raise OAuthError("invalid_grant", "The authorization code is unknown, used or expired.")
        if row["redirect_uri"] != redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri differs from the authorization request.")
        if not verifier or not secrets.compare_digest(challenge_of(verifier), row["challenge"]):
            raise OAuthError("invalid_grant", "code_verifier does not match the code challenge.")
        self._state.execute("UPDATE oauth_codes SET used = 1 WHERE code = ?", (code,))
        return self.install(app, row["account_id"], row["scopes"].split(), now)

    def install(self, app: App, account_id: str, scopes: list[str], now: float) -> dict[str, Any]:
        """Install an app on an account, replacing an earlier installation, and answer its first tokens."""
        installation_id, refresh_token = self._ids.ulid(now), self._ids.token()
        row = (installation_id, app.client_id, account_id, " ".join(scopes), refresh_token, now)
        self._state.execute("INSERT OR REPLACE INTO oauth_installations VALUES (?, ?, ?, ?, ?, ?, 0)", row)
        return self._tokens(installation_id, refresh_token, " ".join(scopes), now)

    def refresh(self, app: App, refresh_token: str, now: float) -> dict[str, Any]:
        """New access token. Raises `invalid_grant` when revoked, uninstalled or unused for 90 days."""
        row = self._state.one(
            "SELECT * FROM oauth_installations WHERE refresh_token = ? AND client_id = ?", (refresh_token, app.client_id)
        )
        if row is None or row["revoked"] or now - row["last_used_at"] > UNUSED_REFRESH_TOKEN_SECONDS:
            raise OAuthError("invalid_grant", "The refresh token is unknown, revoked or expired.")
        self._throttle(row["id"], now)
        if self._switches.rotate_refresh_tokens:
            refresh_token = self._ids.token()
        update = "UPDATE oauth_installations SET refresh_token = ?, last_used_at = ? WHERE id = ?"
        self._state.execute(update, (refresh_token, now, row["id"]))
        return self._tokens(row["id"], refresh_token, row["scopes"], now)

    def _throttle(self, installation_id: str, now: float) -> None:
        limit = self._switches.refreshes_per_minute
        count = "SELECT count(*) AS n FROM oauth_refreshes WHERE installation_id = ? AND at > ?"
        row = self._state.one(count, (installation_id, now - 60))
        if limit and row and row["n"] >= limit:
            raise OAuthError("slow_down", "Too many token refreshes.", status=429)
        self._state.execute("INSERT INTO oauth_refreshes VALUES (?, ?)", (installation_id, now))

    def revoke(self, app: App, token: str) -> None:
        """End the installation that a refresh or access token belongs to. Unknown tokens are fine, as in RFC 7009."""
        self._state.execute(
            "UPDATE oauth_installations SET revoked = 1 WHERE client_id = ? AND (refresh_token = ? OR id IN"
            " (SELECT installation_id FROM oauth_access_tokens WHERE token = ?))",
            (app.client_id, token, token),
        )

    def uninstall(self, installation_id: str) -> bool:
        """What a merchant does in Klaviyo: the next refresh fails and access tokens stop working."""
        update = "UPDATE oauth_installations SET revoked = 1 WHERE id = ?"
        return self._state.execute(update, (installation_id,)).rowcount > 0

    def find_caller(self, token: str, now: float) -> Credential | None:
        """The installation behind a living access token."""
        row = self._state.one(
            "SELECT i.*, a.key AS app_key FROM oauth_access_tokens t JOIN oauth_installations i ON i.id ="
            " t.installation_id JOIN oauth_apps a ON a.client_id = i.client_id"
            " WHERE t.token = ? AND t.expires_at > ? AND NOT i.revoked",
            (token, now),
        )
        if row is None:
            return None
        scopes, owner = frozenset(row["scopes"].split()), f"installation:{row['id']}"
        return Credential("oauth", row["account_id"], token, scopes, owner, row["app_key"])

    def _tokens(self, installation_id: str, refresh_token: str, scopes: str, now: float) -> dict[str, Any]:
        token = f"{self._ids.token(36)}.{self._ids.token(120)}.{self._ids.token(86)}"  # the shape of an ES256 JWT
        seconds = self._switches.access_token_seconds
        self._state.execute("INSERT INTO oauth_access_tokens VALUES (?, ?, ?)", (token, installation_id, now + seconds))
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": seconds,
            "refresh_token": refresh_token,
            "scope": scopes,
        }


def challenge_of(verifier: str) -> str:
    """PKCE S256: base64url(SHA-256(verifier)) without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
