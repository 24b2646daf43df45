"""The OAuth app that this installation is at Klaviyo: its name and secret, what it asks for, and where people come back to."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from httpx2 import AsyncBaseTransport

from ferrata.connections.oauth_errors import NoOAuthApp
from ferrata.connections.scopes import ALL_SCOPES
from ferrata.infra.settings import Environment, Settings
from ferrata.kit.clock import Clock
from ferrata.klaviyo import Secret
from ferrata.klaviyo.oauth import TokenEndpoint, authorize_url

CALLBACK = "/ui/connect/oauth/callback"
KLAVIYO = "https://a.klaviyo.com"
KLAVIYO_CONSENT = "https://www.klaviyo.com/oauth/authorize"
DEADLINE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """``redirect_uri`` comes from the settings alone: no header of a request can change where codes are sent."""

    client_id: str
    client_secret: Secret
    redirect_uri: str
    scopes: tuple[str, ...]
    consent_url: str
    endpoint: TokenEndpoint

    def consent_address(self, state: str, verifier: Secret) -> str:
        """Where to send the person who connects a store."""
        return authorize_url(
            client_id=self.client_id,
            redirect_uri=self.redirect_uri,
            scopes=self.scopes,
            state=state,
            code_verifier=verifier,
            base=self.consent_url,
        )

    @property
    def consent_host(self) -> str:
        return urlsplit(self.consent_url).netloc


def redirect_address(settings: Settings) -> str:
    """Where Klaviyo sends people back to: from the settings alone."""
    return settings.public_address() + CALLBACK


def read_app(settings: Settings, clock: Clock, transport: AsyncBaseTransport) -> OAuthApp | None:
    """The app of the settings; None if there is none. ``transport`` is the pool that Klaviyo is reached through."""
    if not (settings.oauth_client_id and settings.oauth_client_secret):
        return None
    secret = Secret(settings.oauth_client_secret.get_secret_value())
    base = re.sub(r"/api/?\Z", "", str(settings.klaviyo_base_url)).rstrip("/")
    token_url = str(settings.klaviyo_token_url or f"{base}/oauth/token")
    consent = KLAVIYO_CONSENT if base == KLAVIYO else f"{base}/oauth/authorize"
    return OAuthApp(
        client_id=settings.oauth_client_id,
        client_secret=secret,
        redirect_uri=redirect_address(settings),
        scopes=tuple(sorted({"accounts:read", *(settings.oauth_scopes.split() or ALL_SCOPES)})),
        consent_url=str(settings.oauth_authorize_url or consent),
        endpoint=TokenEndpoint(
            settings.oauth_client_id,
            secret,
            token_url=token_url,
            revoke_url=token_url.removesuffix("/token") + "/revoke",
            transport=transport,
            allow_http=settings.environment is not Environment.PRODUCTION,
            deadline_seconds=min(DEADLINE_SECONDS, settings.klaviyo_timeout_seconds),
            now=lambda: clock.now().timestamp(),
        ),
    )


def require(app: OAuthApp | None) -> OAuthApp:
    """Raises NoOAuthApp."""
    if app is None:
        raise NoOAuthApp
    return app
