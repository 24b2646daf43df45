"""From what is to be said to what was said: messages for every channel that wants them, sent until they arrive.

Incidents, messages and attempts are rows. A message is claimed before it is sent and carries the same id each time, so that
whoever gets it twice, because an answer was lost, can tell.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row

from ferrata.alerts import store
from ferrata.alerts.channels import Channels, Opened, new_claim
from ferrata.alerts.letters import as_one_mail, sample_incident, written
from ferrata.alerts.schemas import Channel, Notice, Saying, Sent, State, Way
from ferrata.alerts.webhook import Webhooks
from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.crypto import Undecryptable, digest
from ferrata.infra.database import Database
from ferrata.infra.incidents import Incident, mark_told, untold
from ferrata.infra.mail import Mailer, MailFailed
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id

log = structlog.get_logger()

AGAIN_AFTER_SECONDS = (10, 30, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800)
"""After so many failures; then it is given up, about 16 hours after the first attempt."""
LONGEST_ASKED_SECONDS = 3600.0
CLAIM = timedelta(seconds=90)
AT_ONCE = 20
BETWEEN_LETTERS = timedelta(minutes=1)
"""What begins and ends meanwhile comes together in the next letter: a hundred alerts are not a hundred letters."""
MOST_IN_ONE_LETTER = 50


@dataclass(frozen=True, slots=True)
class _Taken:
    """What is sent now, together. ``opened`` None: the channel cannot be decrypted."""

    notices: Sequence[Row[Any]]
    way: Way
    opened: Opened | None


class Telling:
    """``pages``: the address that messages lead to."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        *,
        channels: Channels,
        webhooks: Webhooks,
        mailer: Mailer | None,
        pages: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._channels = channels
        self._webhooks = webhooks
        self._mailer = mailer
        self._pages = pages

    def announce(self, connection: Connection, now: datetime) -> int:
        """Put what is new into the queue, within the caller's transaction; returns how many messages that made.

        What was over before anybody could be told of it is told to nobody: it stands in the list of what was.
        """
        made, channels = 0, store.channels(connection)
        for incident, was_told in untold(connection):
            if incident.closed_at is not None and not was_told:
                mark_told(connection, incident.id, opening=True, ending=True)
            elif not was_told and mark_told(connection, incident.id, opening=True):
                wanting = [channel for channel in channels if channel.wants(incident.kind, incident.store_id)]
                made += self._queue(connection, wanting, Saying.OPENED, incident, now)
            elif was_told and mark_told(connection, incident.id, ending=True):
                told = store.told_of(connection, incident.id)
                made += self._queue(connection, [c for c in channels if c.id in told], Saying.CLOSED, incident, now)
        return made

    async def send_due(self) -> int:
        """Send what is due; returns how many messages were tried."""
        now = await self._database.now()
        ids = await self._database.read(lambda connection: store.due(connection, now, AT_ONCE))
        await asyncio.gather(*(self._try(notice_id) for notice_id in ids))
        return len(ids)

    async def test(self, channel: Channel, *, actor: Actor) -> Notice:
        """Send a test now, and give what came of it."""
        now = await self._database.now()
        notice_id = new_id(now)
        incident = sample_incident(now, channel.store_id, notice_id)

        def work(connection: Connection) -> None:
            self._queue(connection, [channel], Saying.TEST, incident, now, notice_id=notice_id)
            target = f"alert_channel/{channel.id}"
            self._audit.record(connection, actor, "alerts.channel_tested", target, store_id=channel.store_id or None)

        await self._database.write(work)
        await self._try(notice_id)
        notice = await self._database.read(lambda connection: store.notice(connection, notice_id))
        assert notice is not None  # noqa: S101 - it was made just now, and is forgotten after months
        return notice

    def _queue(
        self,
        connection: Connection,
        channels: list[Channel],
        saying: Saying,
        incident: Incident,
        now: datetime,
        *,
        notice_id: str | None = None,
    ) -> int:
        for channel in channels:
            id_ = notice_id or new_id(now)
            values = {
                "id": id_,
                "incident_id": None if saying is Saying.TEST else incident.id,
                "channel_id": channel.id,
                "saying": saying.value,
                "body": written(id_, saying, incident, now, self._pages),
                "state": State.WAITING.value,
                "next_at": now,
                "created_at": now,
            }
            store.add_notice(connection, values)
        return len(channels)

    async def _try(self, notice_id: str) -> None:
        now = await self._database.now()
        taken = await self._database.write(lambda connection: self._take(connection, notice_id, now))
        if taken is None:
            return
        if taken.opened is None:
            sent = Sent(False, "Not sent: the channel was encrypted with another master key.", 0)
        elif taken.way is Way.WEBHOOK:
            body = taken.notices[0].body.encode()
            sent = await self._webhooks.send(taken.opened.target, body, notice_id=notice_id, secrets=taken.opened.secrets)
        else:
            sent = await self._mail(taken.opened.target, taken.notices)
        for notice in taken.notices:
            await self._settle(notice.id, notice.claim, Saying(notice.saying), notice.tries + 1, sent)

    def _take(self, connection: Connection, notice_id: str, now: datetime) -> _Taken | None:
        """Claim a message; of mail everything that is due to the channel, if it was not told something just now."""
        row = store.claim(connection, notice_id, new_claim(), now, now + CLAIM)
        channel = store.channel_row(connection, row.channel_id) if row else None
        if row is None or channel is None:
            return None
        notices, way = [row], Way(channel.way)
        if way is Way.EMAIL and row.incident_id is not None:
            last = store.last_told(connection, channel.id)
            if last and now < last + BETWEEN_LETTERS:
                store.put_off(connection, row.id, last + BETWEEN_LETTERS)
                return None
            beside = store.claim_beside(connection, row, now, MOST_IN_ONE_LETTER - 1)
            notices += sorted(beside, key=lambda each: str(each.id))
        try:
            return _Taken(notices, way, self._channels.opened(channel))
        except Undecryptable:
            return _Taken(notices, way, None)

    async def _mail(self, target: str, notices: Sequence[Row[Any]]) -> Sent:
        if self._mailer is None:
            return Sent(False, "Not sent: no mail server is set up.", 0)
        began = self._clock.monotonic()
        subject, text = as_one_mail([notice.body for notice in notices])
        try:
            to = [part.strip() for part in target.split(",")]
            await self._mailer.send(to, subject, text, message_id=_message_id([notice.id for notice in notices]))
        except MailFailed as error:
            return Sent(False, f"{str(error)[:1].upper()}{str(error)[1:]}.", round((self._clock.monotonic() - began) * 1000))
        return Sent(True, "The mail server took it.", round((self._clock.monotonic() - began) * 1000))

    async def _settle(self, notice_id: str, claim: str, saying: Saying, tries: int, sent: Sent) -> None:
        now = await self._database.now()
        values: dict[str, object] = {"tries": tries, "outcome": sent.outcome}
        if sent.ok:
            values |= {"state": State.SENT.value, "settled_at": now, "next_at": None}
        elif tries > len(AGAIN_AFTER_SECONDS) or saying is Saying.TEST:  # whoever tests sees it fail
            values |= {"state": State.GIVEN_UP.value, "settled_at": now, "next_at": None}
        else:
            asked = min(sent.retry_after_seconds or 0.0, LONGEST_ASKED_SECONDS)
            values["next_at"] = now + timedelta(seconds=max(AGAIN_AFTER_SECONDS[tries - 1], asked))
        attempt = {"id": new_id(now), "at": now, "duration_ms": sent.duration_ms, "status": sent.status, "outcome": sent.outcome}
        await self._database.write(lambda connection: store.settle(connection, notice_id, claim, values, attempt))
        if not sent.ok:
            log.warning("alerts.not_sent", notice=notice_id, tries=tries, outcome=sent.outcome)


def _message_id(notice_ids: Sequence[str]) -> str:
    """The same for the same messages, so that mail programs recognise a repeat, and another for others beside them."""
    return notice_ids[0] if len(notice_ids) == 1 else digest(" ".join(notice_ids))[:32]
