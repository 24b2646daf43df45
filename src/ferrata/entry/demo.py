"""``ferrata demo``: an ordinary server with the example shop around it, and the sandbox as Klaviyo unless a real key is given."""

import asyncio
import contextlib
import os
import secrets
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random, SystemRandom

import httpx2
from pydantic import AnyHttpUrl, SecretStr

from ferrata.client import AsyncFerrata
from ferrata.dashboard.guide import Guide
from ferrata.demo import arrival, entrance
from ferrata.demo.catalogue import SHOP_NAME
from ferrata.demo.folder import DemoState, Folder, Papers
from ferrata.demo.history import history
from ferrata.demo.sandbox import SandboxProcess
from ferrata.demo.traffic import Traffic
from ferrata.demo.welcome import welcome
from ferrata.entry.serve import Role, serve
from ferrata.entry.wiring import Wiring
from ferrata.infra.settings import Environment, Settings
from ferrata.kit.clock import SystemClock

HOST = "127.0.0.1"
CLOSE_SECONDS = 1.0
OAUTH_CLIENT = "ferrata-demo"


@dataclass(frozen=True, slots=True)
class Options:
    """``data`` None: demo-data, or demo-data-real with a real key. ``port`` None: as the settings say."""

    port: int | None
    sandbox_port: int
    data: Path | None
    browser: bool
    fresh: bool


def demo(options: Options, settings: Settings) -> None:
    """Run until told to end.

    Raises:
        Rejected: the data directory is not one that a demo made, or the real key is refused.
        StorageUnavailable: a port is taken, or a demo runs there already.
    """
    key = settings.klaviyo_api_key.get_secret_value().strip() if settings.klaviyo_api_key else ""
    with _opened(options.data or Path("demo-data-real" if key else "demo-data")) as folder:
        state = folder.open("real" if key else "sandbox", fresh=options.fresh, now=SystemClock().now())
        chosen = _settings(settings, folder, options)
        if key:
            serve(chosen, Role.ALL, _Companion(folder, state, None, klaviyo_key=key, browser=options.browser))
            return
        with SandboxProcess(folder.path, options.sandbox_port) as sandbox:
            app = {"oauth_client_id": OAUTH_CLIENT, "oauth_client_secret": SecretStr(secrets.token_urlsafe(24))}
            klaviyo = {"klaviyo_base_url": AnyHttpUrl(sandbox.url), "klaviyo_ca_file": None, "klaviyo_token_url": None}
            chosen = chosen.model_copy(update=klaviyo | app | {"oauth_authorize_url": None})
            serve(chosen, Role.ALL, _Companion(folder, state, sandbox, klaviyo_key=sandbox.api_key, browser=options.browser))


@contextmanager
def _opened(path: Path) -> Iterator[Folder]:
    folder = Folder(path)
    try:
        yield folder
    finally:
        folder.release()


def _settings(given: Settings, folder: Folder, options: Options) -> Settings:
    """What a demo is, whatever the environment says: embedded, on this machine alone, quiet on the terminal."""
    values = {
        "environment": Environment.DEVELOPMENT,
        "data_dir": folder.path,
        "database_url": None,
        "host": HOST,
        "public_url": None,
        "klaviyo_api_key": None,
        "private_networks": "127.0.0.0/8, ::1/128",  # so that webhooks and shops on this machine can be tried
    }
    if options.port is not None:
        values["port"] = options.port
    if "log_level" not in given.model_fields_set:
        values["log_level"] = "warning"
    return given.model_copy(update=values)


class _Companion:
    """What runs beside the server: the way in, the example shop, and the sandbox's keeper. ``sandbox`` None: a real account."""

    def __init__(
        self, folder: Folder, state: DemoState, sandbox: SandboxProcess | None, *, klaviyo_key: str, browser: bool
    ) -> None:
        self._folder = folder
        self._state = state
        self._sandbox = sandbox
        self._klaviyo_key = klaviyo_key
        self._browser = browser
        self._working: asyncio.Task[None] | None = None

    async def prepare(self, wiring: Wiring) -> Wiring:
        earlier = self._folder.papers()
        credentials = await arrival.prepare(
            wiring.access,
            wiring.connections,
            klaviyo_key=self._klaviyo_key,
            shop_name=SHOP_NAME if self._sandbox else "My shop",
            earlier=earlier,
        )
        if self._sandbox and (app := wiring.oauth.app):
            await self._sandbox.register_app(app.client_id, app.client_secret.reveal(), app.redirect_uri, app.scopes)
        address, secret = wiring.settings.public_address(), entrance.new_secret()
        self._clock = wiring.clock
        self._continued = earlier is not None
        self._papers = Papers(
            app_url=address,
            sign_in_url=address + entrance.path_of(secret),
            sandbox_url=self._sandbox.url if self._sandbox else None,
            klaviyo_api_key=self._sandbox.api_key if self._sandbox else None,
            api_token=credentials.api_token,
            admin_token=credentials.admin_token,
            store_id=arrival.STORE_ID,
            admin_email=arrival.EMAIL,
            admin_password=credentials.admin_password,
        )
        door = entrance.router(wiring.access, email=arrival.EMAIL, password=credentials.admin_password, secret=secret)
        return replace(wiring, guide=self._guide(wiring), own_routes=(door,))

    async def run(self) -> None:
        self._working = asyncio.create_task(self._work())
        with contextlib.suppress(asyncio.CancelledError):
            await self._working

    def stop(self) -> None:
        if self._working:
            self._working.cancel()

    def _guide(self, wiring: Wiring) -> Guide | None:
        if self._sandbox is None:
            return None
        return Guide(wiring.events, wiring.clock, arrival.STORE_ID, self._papers.api_token, self._sandbox.set_key_works)

    async def _work(self) -> None:
        await self._answering()
        written = self._folder.write_papers(self._papers)
        print(welcome(self._papers, written, continued=self._continued), flush=True)  # noqa: T201 - for the person there
        if self._browser and _has_display():
            await asyncio.to_thread(webbrowser.open, self._papers.sign_in_url)
        if self._sandbox:
            async with asyncio.TaskGroup() as shop:
                shop.create_task(self._sandbox.keep_alive(self._clock))
                shop.create_task(self._trade())

    async def _answering(self) -> None:
        async with httpx2.AsyncClient(base_url=self._papers.app_url) as client:
            while True:
                try:
                    if (await client.get("/")).is_success:
                        return
                except httpx2.TransportError:
                    pass  # not listening yet
                await self._clock.sleep(0.05)

    async def _trade(self) -> None:
        """Live traffic from the first moment; beside it the history, until all of it was accepted once."""
        client = AsyncFerrata(self._papers.app_url, self._papers.api_token, exit_seconds=CLOSE_SECONDS)
        traffic = Traffic(client, self._clock, Random(SystemRandom().getrandbits(64)))
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(traffic.send_live())
                if not self._state.history_accepted:
                    await traffic.send_history(history(self._state.seed, self._state.history_ends_at))
                    self._folder.note_history_accepted()
        finally:
            await client.aclose()


def _has_display() -> bool:
    """Without one, ``webbrowser`` would start a browser in the terminal itself."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
