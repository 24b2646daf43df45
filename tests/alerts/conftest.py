"""A Ferrata whose alerts go to a program and a mail server on this machine, both real."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ferrata.alerts.schemas import Made, NewChannel, Way
from ferrata.alerts.service import Alerts
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from tests.browser import serve
from tests.doors import Doors, open_doors
from tests.mail import Mailbox, mail_settings

HERE = "127.0.0.0/8"


@dataclass
class Receiver:
    """What came in, and what it is answered with."""

    url: str = ""
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False

    async def take(self, request: Request) -> Response:
        self.seen.append((dict(request.headers), await request.body()))
        while self.hangs:
            await asyncio.sleep(0.02)
        return Response("", self.status, self.headers)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.seen]

    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]


def verified(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """As docs/operate/alerts.md tells whoever receives a webhook."""
    parts = [part.split("=", 1) for part in headers["ferrata-signature"].split(",")]
    [at] = [value for name, value in parts if name == "t"]
    expected = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(expected, value) for name, value in parts if name == "v1")


@pytest.fixture
async def receiver(anyio_backend: str) -> AsyncIterator[Receiver]:
    made = Receiver()
    async with serve(Starlette(routes=[Route("/hook", made.take, methods=["POST"])])) as url:
        made.url = url + "/hook"
        yield made


@pytest.fixture
async def doors(
    database_url: str, tmp_path: Path, clock: MovedClock, mailbox: tuple[Mailbox, int], anyio_backend: str
) -> AsyncIterator[Doors]:
    mail = mail_settings(mailbox[1])
    async with open_doors(database_url, tmp_path, clock, private_networks=HERE, **mail) as opened:
        yield opened


@pytest.fixture
async def on_sqlite(
    sqlite_template: Path, tmp_path: Path, clock: MovedClock, mailbox: tuple[Mailbox, int], anyio_backend: str
) -> AsyncIterator[Doors]:
    """Where time is moved: PostgreSQL keeps leases by its own clock."""
    file = tmp_path / "ferrata.db"
    file.write_bytes(sqlite_template.read_bytes())
    mail = {
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox[1],
        "smtp_security": "none",
        "smtp_from": "Ferrata <ferrata@shop.test>",
    }
    async with open_doors(f"sqlite:///{file}", tmp_path, clock, private_networks=HERE, **mail) as opened:
        yield opened


async def webhook(alerts: Alerts, receiver: Receiver, *kinds: str, every_store: bool = True) -> Made:
    asked = NewChannel(Way.WEBHOOK, "on-call", receiver.url, kinds, every_store)
    return await alerts.channels.add("default", asked, actor=SYSTEM)
