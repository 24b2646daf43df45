"""The channels: made, changed and removed by people, with their targets and secrets sealed for their rows."""

import secrets as chance
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.headerregistry import Address
from typing import Any
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection, Row

from ferrata.alerts import store
from ferrata.alerts.errors import NoChannel, NoMail, TargetRefused, TooManyChannels
from ferrata.alerts.schemas import Channel, Made, NewChannel, Way
from ferrata.alerts.signing import new_secret
from ferrata.alerts.webhook import Webhooks
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.crypto import SecretBox
from ferrata.infra.database import Database
from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.mail import Mailer
from ferrata.infra.public_addresses import NotAllowed
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.kit.names import is_name

MOST = 50
MOST_ADDRESSES = 10
FORMER_SECRET_FOR = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel's target and the secrets that sign what goes there, the current one first."""

    target: str
    secrets: list[str]


class Channels:
    def __init__(
        self, database: Database, clock: Clock, audit: Audit, *, box: SecretBox, webhooks: Webhooks, mailer: Mailer | None
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._box = box
        self._webhooks = webhooks
        self._mailer = mailer

    async def seen_from(self, store_id: str, *, everywhere: bool) -> list[Channel]:
        """Those of a store; with ``everywhere``, those of all stores too."""
        found = await self._database.read(store.channels)
        return [channel for channel in found if channel.store_id == store_id or (everywhere and not channel.store_id)]

    async def one(self, channel_id: str, store_id: str, *, everywhere: bool) -> Channel:
        """Raises NoChannel, for one of another store too."""
        for channel in await self.seen_from(store_id, everywhere=everywhere):
            if channel.id == channel_id:
                return channel
        raise NoChannel

    async def add(self, store_id: str, asked: NewChannel, *, actor: Actor) -> Made:
        """Make a channel; a webhook's secret is answered this once.

        Raises:
            Rejected: name or target cannot be taken; all problems at once.
            TargetRefused: a webhook may not go there.
            NoMail: no mail server is set up.
            TooManyChannels: there are 50.
        """
        target = await self._checked(asked)
        now = self._clock.now()
        channel_id, secret = new_id(now), new_secret() if asked.way is Way.WEBHOOK else None
        channel = Channel(
            id=channel_id,
            store_id="" if asked.every_store else store_id,
            way=asked.way,
            name=asked.name.strip(),
            hint=_hint(asked.way, target),
            kinds=tuple(sorted(set(asked.kinds))),
            created_at=now,
            created_by=actor.name[:255],
        )
        values = {
            **{name: getattr(channel, name) for name in ("id", "store_id", "name", "hint", "created_at", "created_by")},
            "way": channel.way.value,
            "kinds": " ".join(channel.kinds),
            "sealed_target": self._box.seal(target, row=_row(channel_id, "target")),
            "sealed_secret": self._box.seal(secret, row=_row(channel_id, "secret")) if secret else None,
        }

        def work(connection: Connection) -> None:
            if store.channel_count(connection) >= MOST:
                raise TooManyChannels
            store.add_channel(connection, values)
            after = {"name": channel.name, "way": channel.way, "hint": channel.hint, "kinds": list(channel.kinds)}
            self._note(connection, actor, "alerts.channel_added", channel, after=after)

        await self._database.write(work)
        return Made(channel, secret)

    async def remove(self, channel: Channel, *, actor: Actor) -> None:
        """Tell nobody there any more; what waits to be sent there is dropped. Raises NoChannel."""

        def work(connection: Connection) -> None:
            if not store.remove_channel(connection, channel.id):
                raise NoChannel
            before = {"name": channel.name, "way": channel.way, "hint": channel.hint}
            self._note(connection, actor, "alerts.channel_removed", channel, before=before)

        await self._database.write(work)

    async def rotate_secret(self, channel: Channel, *, actor: Actor) -> str:
        """A new secret, answered this once. For two days what is sent is signed with the former one as well.

        Raises:
            Rejected: its way has no secret.
            NoChannel: it was removed.
        """
        if channel.way is not Way.WEBHOOK:
            raise Rejected("Only webhooks are signed.")
        secret, now = new_secret(), self._clock.now()
        sealed = self._box.seal(secret, row=_row(channel.id, "secret"))

        def work(connection: Connection) -> None:
            row = store.channel_row(connection, channel.id)
            if row is None:
                raise NoChannel
            former = self._box.open(row.sealed_secret, row=_row(channel.id, "secret"))
            values = {
                "sealed_secret": sealed,
                "sealed_former_secret": self._box.seal(former, row=_row(channel.id, "former")),
                "former_until": now + FORMER_SECRET_FOR,
            }
            store.change_channel(connection, channel.id, values)
            self._note(connection, actor, "alerts.secret_rotated", channel)

        await self._database.write(work)
        return secret

    def opened(self, row: Row[Any]) -> Opened:
        """Raises Undecryptable."""
        secrets = [self._box.open(row.sealed_secret, row=_row(row.id, "secret"))] if row.sealed_secret else []
        if row.sealed_former_secret and row.former_until and self._clock.now() < row.former_until:
            secrets.append(self._box.open(row.sealed_former_secret, row=_row(row.id, "former")))
        return Opened(self._box.open(row.sealed_target, row=_row(row.id, "target")), secrets)

    async def reseal_all(self, *, actor: Actor) -> int:
        """Encrypt everything with the current master key; how many channels were not."""

        def work(connection: Connection) -> int:
            count = 0
            for row in store.channel_rows(connection):
                if self._box.key_id_of(row.sealed_target) == self._box.current_key_id:
                    continue
                sealed = {}
                for column, part in (
                    ("sealed_target", "target"),
                    ("sealed_secret", "secret"),
                    ("sealed_former_secret", "former"),
                ):
                    if getattr(row, column):
                        plain = self._box.open(getattr(row, column), row=_row(row.id, part))
                        sealed[column] = self._box.seal(plain, row=_row(row.id, part))
                store.change_channel(connection, row.id, sealed)
                count += 1
            if count:
                self._audit.record(connection, actor, "alerts.channels_resealed", "alerts", after={"count": count})
            return count

        return await self._database.write(work)

    async def _checked(self, asked: NewChannel) -> str:
        problems = [] if is_name(asked.name) else [Problem("name", "name must have 1 to 120 characters in one line")]
        strange = [
            kind for kind in asked.kinds if not kind or len(kind) > 40 or not kind.replace(".", "").replace("_", "").isalnum()
        ]
        problems += [Problem("kinds", f"kinds holds {kind[:40]!r}, which is no kind of alert") for kind in strange[:5]]
        target = asked.target.strip()
        if asked.way is Way.EMAIL:
            addresses, wrong = _read_addresses(target)
            problems += [Problem("target", sentence) for sentence in wrong]
            target = ", ".join(addresses)
        if problems:
            raise Rejected(problems=tuple(problems))
        if asked.way is Way.EMAIL:
            if self._mailer is None:
                raise NoMail
            return target
        try:
            await self._webhooks.check(target)
        except NotAllowed as error:
            sentence = f"target cannot be used: {error}"
            raise TargetRefused(problems=(Problem("target", sentence),)) from error
        except (OSError, UnicodeError) as error:
            raise TargetRefused(problems=(Problem("target", "target cannot be used: its name cannot be resolved"),)) from error
        return target

    def _note(
        self,
        connection: Connection,
        actor: Actor,
        action: str,
        channel: Channel,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        target = f"alert_channel/{channel.id}"
        store_id = channel.store_id or None
        self._audit.record(connection, actor, action, target, store_id=store_id, before=before, after=after)


def _read_addresses(text: str) -> tuple[Sequence[str], list[str]]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        return [], ["target must name at least one e-mail address"]
    if len(parts) > MOST_ADDRESSES:
        return [], [f"target may name at most {MOST_ADDRESSES} e-mail addresses"]
    found, wrong = [], []
    for part in parts:
        try:
            read = validate_email(part, check_deliverability=False, allow_smtputf8=False, test_environment=True)
            found.append(str(Address(username=read.local_part, domain=read.ascii_domain)).strip())
        except (EmailNotValidError, ValueError):
            wrong.append(f"target holds {part[:80]!r}, which is no e-mail address")
    return found, wrong


def _hint(way: Way, target: str) -> str:
    """What may be shown: of a webhook the host, and that there is more, which may be secret."""
    if way is Way.EMAIL:
        return target[:300]
    parts = urlsplit(target)
    more = "/…" if len(parts.path) > 1 or parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{more}"[:300]


def _row(channel_id: str, part: str) -> str:
    return f"alert_channels/{channel_id}/{part}"


def new_claim() -> str:
    return chance.token_hex(16)
