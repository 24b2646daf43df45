"""Mail, over a server that the settings name. It blocks while it talks, so it does so in a thread."""

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from ferrata.infra.settings import Settings
from ferrata.kit.clock import Clock

SECONDS = 20.0


class MailFailed(Exception):
    """The server did not take it; the text says what it answered."""


@dataclass(frozen=True, slots=True)
class Mailer:
    """``security``: starttls, tls, or none, which is for a server on this machine or in this network."""

    host: str
    port: int
    security: str
    sender: str
    clock: Clock
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Mailer({self.host}:{self.port})"

    async def send(self, to: Sequence[str], subject: str, text: str, *, message_id: str) -> None:
        """Send one message; ``message_id`` is the same for a repeat, so that mail programs recognise it.

        Raises:
            MailFailed: nobody, or not everybody, was sent it.
        """
        name, address = parseaddr(self.sender)
        local, _, domain = address.rpartition("@")
        message = EmailMessage()
        message["Subject"] = " ".join(subject.split())[:200]
        message["From"] = Address(name, local, domain)
        message["To"] = ", ".join(to)
        message["Date"] = format_datetime(self.clock.now())
        message["Message-ID"] = f"<{message_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        await asyncio.to_thread(self._send, list(to), message)

    def _send(self, to: list[str], message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                refused = server.send_message(message, to_addrs=to)
        except (smtplib.SMTPException, OSError) as error:
            raise MailFailed(_told(error)) from error
        if refused:
            raise MailFailed(f"the mail server refused {len(refused)} of {len(to)} recipients")

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if self.security == "tls":
            server = smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password or "")
        except BaseException:
            server.close()
            raise
        return server


def _told(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the mail server refuses the user and password ({error.smtp_code})"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the mail server refused every recipient"
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else str(error.smtp_error)
        return f"the mail server answered {error.smtp_code}: {said[:200]}"
    return f"the mail server could not be used: {type(error).__name__}"


def read_mailer(settings: Settings, clock: Clock) -> Mailer | None:
    """The mail server of the settings; None if there is none."""
    if not (settings.smtp_host and settings.smtp_from):
        return None
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
    return Mailer(
        settings.smtp_host, settings.smtp_port, settings.smtp_security, settings.smtp_from, clock, settings.smtp_user, password
    )
