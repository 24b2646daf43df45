"""A whole Ferrata at work for page tests: SQLite, the sandbox on a socket, a server on a port, a worker, somebody signed in."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page
from pydantic import AnyHttpUrl, SecretStr

from ferrata.access.schemas import Browser as Agent
from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM
from ferrata.dashboard.guide import Guide
from ferrata.delivery.schemas import Delivery, State
from ferrata.entry.http import create_app
from ferrata.entry.wiring import Wiring, build
from ferrata.events.schemas import Incoming
from ferrata.events.validation import event_from
from ferrata.infra.logging import configure_logging
from ferrata.infra.settings import Settings
from ferrata.sources.contract import Source
from klaviyo_sandbox.fault_presets import Effect, Poison
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.browser import serve

STORE = "default"
EMAIL, PASSWORD = "mira.keller@grat.example", "steep walls, dry feet"
DELIVERED = (State.DELIVERED,)
SETTLED = (State.DELIVERED, State.DEAD, State.DISCARDED)


@dataclass
class Shop:
    """``url`` has no slash at its end."""

    url: str
    wiring: Wiring
    sandbox: Sandbox
    cookies: dict[Role, str] = field(repr=False)

    async def accept(self, *bodies: dict[str, Any], source: str = "api") -> list[str]:
        """Keep events, given as POST /events takes them; their ids."""
        now = self.wiring.clock.now()
        incoming: list[Incoming] = [event_from(body, now) for body in bodies]
        receipts = await self.wiring.events.accept(STORE, incoming, source)
        return [receipt.event.id for receipt in receipts]

    def refuse(self, text: str) -> None:
        """Klaviyo refuses every event that holds this text, naming it by its pointer."""
        self.sandbox.faults.add(Rule(effect=Effect(poison=Poison(text=text))))

    async def until_parked(self) -> None:
        async def is_parked() -> bool:
            return any(lane.parked_code for lane in await self.wiring.delivery.lanes(STORE))

        await until(is_parked)

    async def settled(self, ids: Sequence[str], states: Sequence[State] = SETTLED, seconds: float = 20) -> dict[str, Delivery]:
        """Wait until each is in one of these states."""
        return await until(lambda: self._all_in(ids, states), seconds)

    async def _all_in(self, ids: Sequence[str], states: Sequence[State]) -> dict[str, Delivery] | None:
        found = await self.wiring.delivery.states(ids)
        return found if all(id_ in found and found[id_].state in states for id_ in ids) else None

    async def open(self, browser: Browser, role: Role = Role.ADMINISTRATOR, **options: Any) -> BrowserContext:
        """A fresh browser in which somebody of that role is signed in."""
        context = await browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        await self.sign_in(context, role)
        return context

    async def sign_in(self, context: BrowserContext, role: Role = Role.ADMINISTRATOR) -> None:
        await context.add_cookies([{"name": "ferrata_session", "value": self.cookies[role], "url": self.url}])

    async def visit(self, page: Page, path: str) -> None:
        await self.sign_in(page.context)
        await page.goto(self.url + path)


async def until(holds: Callable[[], Any], seconds: float = 20) -> Any:
    """Ask again until the answer is true, and give it."""
    for _ in range(int(seconds / 0.05)):
        found = holds()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"did not come true within {seconds} s")


@dataclass
class Guided:
    """A shop with the demo's guide, and the token that its command shows."""

    shop: Shop
    token: str


@asynccontextmanager
async def open_shop(
    folder: Path, *, key: str | None = DEFAULT_KEY, token: str | None = None, sources: Mapping[str, Source] | None = None
) -> AsyncIterator[Shop]:
    """Everything runs while the context is open. The database lies in ``folder``. With ``token`` there is a guide.

    ``sources`` are those that are installed; their worker is left to the test.
    """
    configure_logging("warning", "text", time.monotonic)
    sandbox = Sandbox(seed=1)
    with running(sandbox) as klaviyo:
        settings = Settings(
            _env_file=None,
            data_dir=folder,
            klaviyo_base_url=AnyHttpUrl(klaviyo.url),
            klaviyo_timeout_seconds=3.0,
            klaviyo_api_key=SecretStr(key) if key else None,
        )
        wiring = build(settings, sources=sources)
        if token:
            wiring = replace(wiring, guide=_guide(wiring, sandbox, token))
        await wiring.start()
        wiring.delivery.worker = wiring.worker
        working = asyncio.create_task(wiring.worker.run())
        try:
            async with serve(create_app(wiring)) as url:
                yield Shop(url, wiring, sandbox, {role: await _cookie(wiring, role) for role in Role})
                wiring.stopping.set()
            wiring.worker.stop()
            await working
        finally:
            await wiring.close()
    sandbox.close()


def _guide(wiring: Wiring, sandbox: Sandbox, token: str) -> Guide:
    async def set_key_works(works: bool) -> None:
        sandbox.tenants.revoke_key(DEFAULT_KEY, revoked=not works)

    return Guide(wiring.events, wiring.clock, STORE, token, set_key_works)


async def _cookie(wiring: Wiring, role: Role) -> str:
    email = EMAIL if role is Role.ADMINISTRATOR else f"{role.value}@grat.example"
    await wiring.access.people.create(email, "Mira Keller", PASSWORD, role, actor=SYSTEM)
    signed_in = await wiring.access.sign_in(email, PASSWORD, Agent("127.0.0.1", "tests"))
    return signed_in.session_secret
