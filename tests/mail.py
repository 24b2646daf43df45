"""A mail server on this machine, and a Ferrata that is told of it."""

import asyncio
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP


class Mailbox:
    """A mail server that keeps what it takes, or refuses it."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.refusal: str | None = None

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        if self.refusal:
            return self.refusal
        letter = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        return "250 taken"


@pytest.fixture
async def mailbox(anyio_backend: str) -> AsyncIterator[tuple[Mailbox, int]]:
    made = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(made, hostname="mail.test"), "127.0.0.1", 0)
    yield made, server.sockets[0].getsockname()[1]
    server.close()


def mail_settings(port: int) -> dict[str, Any]:
    sender = "Ferrata <ferrata@shop.test>"
    return {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "smtp_from": sender}
