"""The secrets of links that are good for one use. They begin like tokens do, so that no log of ours shows them."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from ferrata.access.schemas import Link, Purpose
from ferrata.audit.schemas import Actor
from ferrata.kit.ids import new_id

PREFIX = "frt_once_"
INVITATION_GOOD_FOR = timedelta(days=7)
RESET_GOOD_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class MadeLink:
    """A new link with its secret, which is never shown again."""

    link: Link
    secret: str

    @property
    def path(self) -> str:
        return f"/{'invitation' if self.link.purpose is Purpose.INVITATION else 'new-password'}/{self.secret}"


def made(link: Link) -> MadeLink:
    return MadeLink(link, PREFIX + secrets.token_urlsafe(32))


def invitation(
    email: str, store_id: str | None, role: str, by: Actor, now: datetime, *, until: datetime | None = None
) -> MadeLink:
    """``until``: when the token ends that it is made with, if it is; no invitation outlives it."""
    end = min(now + INVITATION_GOOD_FOR, until or now + INVITATION_GOOD_FOR)
    return made(Link(new_id(now), Purpose.INVITATION, email, store_id, role, by.id, by.name, now, end))


def reset(email: str, by: Actor, now: datetime, *, until: datetime | None = None) -> MadeLink:
    end = min(now + RESET_GOOD_FOR, until or now + RESET_GOOD_FOR)
    return made(Link(new_id(now), Purpose.RESET, email, None, "", by.id, by.name, now, end))
