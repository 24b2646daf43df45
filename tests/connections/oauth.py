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
from sqlalchemy import Connection as Transaction

from ferrata.audit.schemas import SYSTEM
from ferrata.connections.oauth_app import CALLBACK
from ferrata.connections.schemas import Connection, Method, Status, Tested
from ferrata.connections.store import Kept
from ferrata.entry.wiring import Wiring
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.klaviyo import OAuthTokens, Secret
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
        "klaviyo_timeout_seconds": 20.0,
    }
    async with open_doors(database_url, folder, clock, **(given | values)) as doors:  # type: ignore[arg-type]
        yield Installed(doors, sandbox, url)


async def given_installation(wiring: Wiring, sandbox: Sandbox, store: str = "default") -> str:
    """Connect a store as the callback does, without the walk through the browser; the installation's id."""
    app = sandbox.oauth.find_app(CLIENT_ID)
    assert app
    now = wiring.clock.now()
    granted = sandbox.oauth.install(app, ACCOUNT, SCOPES.split(), sandbox.clock.timestamp())
    access, refresh = Secret(granted["access_token"]), Secret(granted["refresh_token"])
    issued_at = now.timestamp()
    tokens = OAuthTokens(access, refresh, issued_at + granted["expires_in"], frozenset(SCOPES.split()), issued_at)
    seen = Connection(store, Status.CONNECTED, account_id=ACCOUNT, created_at=now, method=Method.OAUTH)

    def work(transaction: Transaction) -> str:
        tested = Tested(ACCOUNT, "Sandbox Shop", None, None, None)
        id_ = wiring.oauth.installations.keep(transaction, tokens, tested, CLIENT_ID)
        wiring.connections.adopt(transaction, Kept(seen, new_id(now), "", f"oauth:{id_}", id_), SYSTEM)
        wiring.oauth.installations.in_use(transaction, id_)
        return id_

    installation_id = await wiring.database.write(work)
    wiring.connections.announce(store)
    return installation_id
