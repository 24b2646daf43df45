"""A Ferrata with an OAuth app at a sandbox on a socket, and a person who walks through the consent."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from ferrata.connections.oauth_app import CALLBACK
from ferrata.kit.clock import Clock
from klaviyo_sandbox.oauth import App
from klaviyo_sandbox.sandbox import Sandbox
from tests.doors import ADDRESS, Doors, open_doors

CLIENT_ID, CLIENT_SECRET = "ferrata-app", "s3cret-of-the-app-which-nobody-sees"
SCOPES = (
    "accounts:read catalogs:read catalogs:write events:read events:write lists:read lists:write metrics:read "
    "profiles:read profiles:write subscriptions:read subscriptions:write"
)
CONNECT = "/ui/stores/default/connect/oauth"
ACCOUNT = "SANDBX"


@dataclass
class Installed:
    doors: Doors
    sandbox: Sandbox
    klaviyo: str

    async def begin(self, browser: httpx2.AsyncClient, store: str = "default") -> dict[str, str]:
        """Leave for Klaviyo; what the address of its page carries."""
        answer = await browser.post(f"/ui/stores/{store}/connect/oauth")
        assert answer.status_code == 200, answer.text
        [address] = re.findall(r'href="([^"]*/oauth/authorize[^"]*)"', answer.text)
        assert unescape(address) == answer.headers["refresh"].removeprefix("0; url=")
        return dict(parse_qsl(urlsplit(unescape(address)).query))

    async def consent(self, asked: dict[str, str], decision: str = "allow", account: str = ACCOUNT) -> str:
        """What the person does at Klaviyo; where it sends them."""
        async with httpx2.AsyncClient() as http:
            form = {**asked, "account": account, "decision": decision}
            answer = await http.post(f"{self.klaviyo}/oauth/authorize", data=form)
        assert answer.status_code == 302, answer.text
        assert answer.headers["location"].startswith(ADDRESS + CALLBACK)
        return str(answer.headers["location"])

    async def connect(self, browser: httpx2.AsyncClient, store: str = "default") -> httpx2.Response:
        return await browser.get(await self.consent(await self.begin(browser, store)))

    def token_calls(self) -> int:
        return len(self.requests("/oauth/token"))

    def requests(self, path: str) -> list[Any]:
        return [request for request in self.sandbox.journal.requests if request.path == path]


def register(sandbox: Sandbox, redirect_uri: str = ADDRESS + CALLBACK) -> None:
    app = App(CLIENT_ID, CLIENT_SECRET, "Ferrata", "ferrata", [redirect_uri], SCOPES.split())
    sandbox.oauth.register(app)


@asynccontextmanager
async def open_installed(
    database_url: str, folder: Path, clock: Clock, sandbox: Sandbox, url: str, **values: Any
) -> AsyncIterator[Installed]:
    register(sandbox)
    given = {
        "klaviyo_base_url": url,
        "oauth_client_id": CLIENT_ID,
        "oauth_client_secret": CLIENT_SECRET,
        "oauth_scopes": SCOPES,
        "klaviyo_timeout_seconds": 3.0,
    }
    async with open_doors(database_url, folder, clock, **(given | values)) as doors:  # type: ignore[arg-type]
        yield Installed(doors, sandbox, url)
