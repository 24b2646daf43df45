"""Takes what sources send: verified, opened, kept. Only then may it be acknowledged.

What cannot be believed or opened is kept apart with its bytes and the reason: so it neither vanishes nor blocks the rest. Of
these, only the newest of each source and store stay, for their senders are unknown.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection

from ferrata.infra.database import Database
from ferrata.infra.errors import NotFound, Rejected
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.sources import alarming, counting, store
from ferrata.sources.configurations import Configurations
from ferrata.sources.contract import Message, RawMessage, Received, Reply, Surroundings
from ferrata.sources.errors import NotSetUp, Unreadable, Unverified
from ferrata.sources.schemas import Configuration, Counts, KeptMessage, LineKey, Receipt, State

log = structlog.get_logger()

STRAYS_KEPT = 1_000
STRAYS_A_MINUTE = 60
STRAY_BYTES = 1_000_000
NO_STORE = ""
_LONGEST_ID = 255
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Reception:
    """``wake`` is told of each line that has got something new; ``around`` is what a store's proofs are fetched with."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        configurations: Configurations,
        worker: str,
        wake: Callable[[LineKey], None],
        *,
        around: Callable[[str], Surroundings],
    ) -> None:
        self._database = database
        self._clock = clock
        self._configurations = configurations
        self._worker = worker
        self.wake = wake
        self._around = around
        self._strays: dict[LineKey, deque[float]] = {}

    async def receive(self, key: LineKey, received: Received) -> Receipt | Reply:
        """Keep the messages of one delivery; returns once they are on disk.

        Raises:
            Unverified: it does not prove where it comes from; kept apart.
            NotSetUp: this store has no such source; kept apart.
            NoSuchSource: there is no such source at all.
            StorageUnavailable, Overloaded: nothing was kept; it is to be sent again.
        """
        source = self._configurations.source(key.kind)
        configuration = await self._configurations.find(key.store_id, key.kind)
        if configuration is None:
            fault = self.not_set_up(key)
            await self._keep_apart(key, received, fault)
            raise fault
        try:
            await source.prove(received, configuration.settings, self._around(key.store_id))
        except Unverified as fault:
            await self._keep_apart(key, received, fault)
            raise
        if reply := source.handshake(received, configuration.settings):
            return reply
        try:
            opened = self._open(configuration, received)
        except Unreadable as fault:
            await self._keep_apart(key, received, fault)
            return Receipt(refused=1)
        return await self.keep(key, opened)

    async def receive_for_nobody(self, kind: str, received: Received, fault: NotFound) -> None:
        """Keep apart what names a store that does not exist. Raises NoSuchSource."""
        self._configurations.source(kind)
        await self._keep_apart(LineKey(NO_STORE, kind), received, fault)

    def not_set_up(self, key: LineKey) -> NotSetUp:
        """What is said of a store without this source, be there such a store or not. Raises NoSuchSource."""
        return NotSetUp(f"{self._configurations.source(key.kind).title} is not set up for the store {key.store_id!r}.")

    async def take_as_genuine(self, kept: KeptMessage, configuration: Configuration) -> Receipt:
        """Open a delivery that was kept apart as if it had been verified, and keep its messages.

        Raises:
            Unreadable: it is none of this source's.
        """
        message = kept.message
        received = Received(body=message.body, at=message.received_at, headers=message.headers, trusted=True)
        return await self.keep(LineKey(message.store_id, message.kind), self._open(configuration, received))

    async def keep(self, key: LineKey, opened: Sequence[RawMessage]) -> Receipt:
        """Keep messages that were verified; one that is there already stays as it is."""
        if not opened:
            return Receipt()
        now = self._clock.now()
        title_of = self._configurations.source(key.kind).title_of
        kept = []
        for raw in opened:
            message = message_of(key, raw, now)
            kept.append(KeptMessage(id=new_id(now), message=message, title=title_of(message), state=State.WAITING))

        def work(connection: Connection) -> int:
            new = store.insert(connection, kept)
            counts = Counts(kept=new, repeated=len(kept) - new)
            counting.add(connection, key, counts, worker=self._worker, now=now)
            return new

        new = await self._database.write(work)
        if new:
            self.wake(key)
        return Receipt(new, len(kept) - new)

    def _open(self, configuration: Configuration, received: Received) -> Sequence[RawMessage]:
        source = configuration.source
        try:
            opened = source.open(received, configuration.settings)
        except Unreadable:
            raise
        except Exception as error:  # a connector's fault over strange bytes must not make a queue send them for ever
            log.exception("sources.cannot_open", source=source.kind, store=configuration.store_id)
            raise Unreadable(f"{source.title} cannot open this delivery: {type(error).__name__}") from error
        if any(not raw.message_id for raw in opened):
            raise Unreadable("A message without an id cannot be told from its repetition.")
        return opened

    async def _keep_apart(self, key: LineKey, received: Received, fault: Rejected) -> None:
        log.warning("sources.kept_apart", source=key.kind, store=key.store_id, code=fault.code, bytes=len(received.body))
        if not self._may_keep_apart(key):
            return
        now = self._clock.now()
        id_ = new_id(now)
        headers = {name: value for name, value in received.headers.items() if name not in _SECRET_HEADERS}
        message = Message(
            store_id=key.store_id,
            kind=key.kind,
            message_id=f"stray:{id_}",
            business_key=f"stray:{id_}",
            received_at=now,
            body=received.body[:STRAY_BYTES],
            headers=headers,
        )
        stray = KeptMessage(
            id=id_,
            message=message,
            title="Kept apart",
            state=State.REFUSED,
            envelope=True,
            reason_code=fault.code,
            reason=fault.message,
        )

        def work(connection: Connection) -> None:
            store.insert(connection, [stray])
            store.drop_oldest_strays(connection, key, STRAYS_KEPT)
            counting.add(connection, key, Counts(refused=1), worker=self._worker, now=now)
            alarming.look(connection, key, now)

        await self._database.write(work)

    def _may_keep_apart(self, key: LineKey) -> bool:
        """At most so many a minute: whoever sends rubbish must not fill the disk."""
        now, lately = self._clock.monotonic(), self._strays.setdefault(key, deque())
        while lately and lately[0] <= now - 60:
            lately.popleft()
        if len(lately) >= STRAYS_A_MINUTE:
            return False
        lately.append(now)
        return True


def message_of(key: LineKey, raw: RawMessage, now: datetime, *, history: bool = False) -> Message:
    """The message as it is kept. Names too long for the database are kept by their hash."""
    return Message(
        store_id=key.store_id,
        kind=key.kind,
        message_id=_short(raw.message_id),
        business_key=_short(raw.business_key or raw.message_id),
        received_at=now,
        body=raw.body,
        headers=raw.headers,
        history=history,
    )


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_ID else "sha256:" + hashlib.sha256(name.encode()).hexdigest()
