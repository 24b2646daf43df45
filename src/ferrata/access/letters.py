"""Links that are mailed to whom they are for, where a mail server is set up. Where none is, or it fails, they are handed over."""

from dataclasses import dataclass

import structlog
from email_validator import EmailNotValidError, validate_email

from ferrata.access.links import MadeLink
from ferrata.access.schemas import Purpose
from ferrata.infra.mail import Mailer, MailFailed

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of a link. ``url`` None: it was mailed, and nobody else is told it. ``why``: why it could not be mailed."""

    url: str | None
    why: str | None = None


class Letters:
    """``address``: how people reach the pages."""

    def __init__(self, mailer: Mailer | None, address: str) -> None:
        self._mailer = mailer
        self._address = address

    @property
    def is_possible(self) -> bool:
        return self._mailer is not None

    async def hand(self, made: MadeLink, *, by_mail: bool = True) -> Handed:
        """Mail the link, if that can be and is wanted; else give it. It stays good in either case."""
        url = self._address + made.path
        if self._mailer is None or not by_mail:
            return Handed(url)
        subject, text = _words(made, url)
        try:
            to = validate_email(made.link.email, check_deliverability=False, allow_smtputf8=False, test_environment=True)
            await self._mailer.send([to.ascii_email or to.normalized], subject, text, message_id=made.link.id)
        except EmailNotValidError:
            return Handed(url, "It could not be mailed: no mail server takes such an address.")
        except MailFailed as error:
            log.warning("access.letter_not_sent", link=made.link.id, error=str(error))
            return Handed(url, f"It could not be mailed: {error}.")
        log.info("access.letter_sent", link=made.link.id)
        return Handed(None)


def _words(made: MadeLink, url: str) -> tuple[str, str]:
    link = made.link
    until = f"{link.expires_at:%d %b %Y, %H:%M} UTC"
    if link.purpose is Purpose.RESET:
        subject = "A new password for Ferrata"
        lines = [f"Choose a new password for {link.email}:", "", url, "", f"This is good once, until {until}."]
        lines += [
            "Until then your old password stays good. If you did not ask for this, do nothing, and tell whoever runs Ferrata."
        ]
    else:
        where = f"the store {link.store_id} in Ferrata" if link.store_id else "Ferrata"
        subject = f"Invitation to {where}"
        lines = [f"{link.made_by_name} invites {link.email} to {where}, as {link.role}.", "", "Join here:", "", url, ""]
        lines += [f"This is good once, until {until}, for {link.email} alone.", "If you did not expect it, do nothing."]
    return subject, "\n".join([*lines, ""])
