"""Carts: keep what happens to them, tell Klaviyo, and decide which were abandoned - each silence once.

An act and what comes of it - the cart, its story, the events - are kept in one transaction, guarded by the cart's version. So a
crash leaves all or nothing, and of two processes that look at one silence only one tells it.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote, unquote

import msgspec
from sqlalchemy import Connection

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.carts import changing, links, store
from ferrata.carts.errors import BadLink, CartBusy, NoSuchCart, Outrun
from ferrata.carts.forgetting import Forgetting
from ferrata.carts.schemas import CartAct, CartFilter, CartRecord, Entry, Settings, State, Swept, Told
from ferrata.carts.sending import MOST_HELD, act_id_of, freeze, hold
from ferrata.commerce.exchange import Exchange
from ferrata.commerce.metrics import Metric
from ferrata.commerce.terms import Terms
from ferrata.commerce.tracked import TrackedEvent
from ferrata.connections.service import Connections
from ferrata.events.schemas import Frozen
from ferrata.events.service import Events
from ferrata.infra.crypto import SecretBox
from ferrata.infra.database import Database
from ferrata.infra.paging import Page, instant_in, make_cursor, read_cursor
from ferrata.kit.clock import Clock
from ferrata.kit.ids import new_id
from ferrata.profiles.errors import Overtaken

ATTEMPTS = 8
STORY = 200
SWEPT_AT_ONCE = 200


class Ground(msgspec.Struct, frozen=True):
    """What this room stands on. ``public_url``: how people reach Ferrata, for links; without a slash at its end."""

    database: Database
    clock: Clock
    audit: Audit
    box: SecretBox
    connections: Connections
    events: Events
    exchange: Exchange
    public_url: str


class _Known(msgspec.Struct, frozen=True):
    """What is read before something is decided."""

    settings: Settings
    secret: bytes
    cart: CartRecord | None = None
    earlier: Entry | None = None


class Carts:
    def __init__(self, ground: Ground) -> None:
        self.forgetting = Forgetting()
        self._ground = ground
        self._database = ground.database
        self._clock = ground.clock
        self._events = ground.events

    # What the shop tells

    async def tell(self, store_id: str, act: CartAct) -> Told:
        """Keep an act and what comes of it. The same ``act_id`` again gives the answer of the first time.

        Raises:
            Rejected: an event of it breaks Klaviyo's limits. CartBusy, StorageUnavailable, Overloaded: nothing was kept.
        """
        currency = (await self._ground.connections.store(store_id)).currency
        for _ in range(ATTEMPTS):
            known = await self._read(store_id, act.cart_id, act.act_id)
            if known.earlier and known.cart:
                return Told(known.cart, True, known.earlier.event_ids, self._link(known.cart, known))
            cart = known.cart or changing.opened(store_id, act, new_id(self._clock.now()), currency)
            changed = changing.change(cart, act, known.settings, self._terms(known.settings), self._link(cart, known))
            try:
                frozen = await self._keep(cart, changed, known.settings, act.act_id, act.act.value)
            except (Outrun, Overtaken):
                continue
            return Told(changed.cart, False, tuple(each.event.id for each in frozen), self._link(changed.cart, known))
        raise CartBusy

    async def cart(self, store_id: str, cart_id: str) -> Told:
        """The cart as it stands, with its link. Raises NoSuchCart."""
        known = await self._read(store_id, cart_id)
        if known.cart is None:
            raise NoSuchCart
        return Told(known.cart, recovery_url=self._link(known.cart, known))

    async def story(self, store_id: str, cart_id: str) -> list[Entry]:
        """What happened to it, the newest first, at most the last 200."""
        return await self._database.read(lambda connection: store.story(connection, store_id, cart_id, STORY))

    async def page(self, store_id: str, asked: CartFilter, cursor: str | None = None, limit: int = 50) -> Page[CartRecord]:
        """The last touched first. Raises Rejected if the cursor is not one of ours."""
        before = None
        if cursor:
            at, cart_id = read_cursor(cursor, 2)
            before = (instant_in(at), unquote(cart_id).replace("\0", ""))
        rows = await self._database.read(lambda connection: store.page(connection, store_id, asked, before, limit + 1))
        more = rows[limit - 1] if len(rows) > limit else None
        escaped = quote(more.cart_id) if more else ""
        next_cursor = make_cursor(more.updated_at.isoformat(), escaped) if more else None
        return Page(tuple(rows[:limit]), next_cursor)

    async def counts(self, store_id: str) -> dict[State, int]:
        return await self._database.read(lambda connection: store.counts(connection, store_id))

    # How a store wants it

    async def settings(self, store_id: str) -> Settings:
        return (await self._read(store_id)).settings

    async def change_settings(self, store_id: str, settings: Settings, actor: Actor) -> Settings:
        """For everything that happens from now on; silences that are running end when they would have ended."""
        before = (await self._read(store_id)).settings

        def work(connection: Connection) -> None:
            store.put_settings(connection, store_id, settings)
            told = (msgspec.to_builtins(before), msgspec.to_builtins(settings))
            self._ground.audit.record(
                connection, actor, "carts.settings_changed", store_id, store_id=store_id, before=told[0], after=told[1]
            )

        if settings != before:
            await self._database.write(work)
        return settings

    # The way back

    async def recover(self, token: str) -> tuple[CartRecord, Settings]:
        """The cart that a link leads to, and what its store wants done. Raises BadLink, LinkExpired."""
        recovery_id = links.cart_in(token)
        cart = await self._database.read(lambda connection: store.find_by_recovery_id(connection, recovery_id))
        if cart is None:
            raise BadLink
        known = await self._read(cart.store_id)
        links.check(token, known.secret, self._clock.now())
        return cart, known.settings

    # Silence

    async def sweep(self) -> Swept:
        """Look at the carts whose silence has lasted long enough; each is told as abandoned, or found to be bought."""
        now = self._clock.now()
        due = await self._database.read(lambda connection: store.due(connection, now, SWEPT_AT_ONCE))
        swept = Swept(looked_at=len(due))
        for cart in due:
            became = await self._abandon(cart)
            swept = msgspec.structs.replace(swept, **{became: getattr(swept, became) + 1})
        return swept

    async def forget(self) -> int:
        """Delete the carts that nobody has touched for as long as their store keeps them."""
        gone = 0
        for store_id in await self._database.read(store.stores):
            before = self._clock.now() - timedelta(days=(await self.settings(store_id)).keep_days)
            gone += await self._database.write(lambda connection: store.forget(connection, store_id, before))  # noqa: B023 - awaited here
        return gone

    async def _abandon(self, cart: CartRecord) -> str:
        known = await self._read(cart.store_id)
        names = {Metric.PLACED_ORDER.value, known.settings.names.get(Metric.PLACED_ORDER.value, Metric.PLACED_ORDER.value)}
        now = self._clock.now()
        terms = self._terms(known.settings)
        changed = changing.abandoned(cart, now, terms, self._link(cart, known))
        frozen = self._freeze(changed, known.settings)
        bought = changing.ordered(cart, now, None)
        act_id = act_id_of(changed.events[0])
        quoted = msgspec.json.encode(cart.cart_id).decode()
        texts = (f'"CartID":{quoted}', f'"CartID": {quoted}')

        def work(connection: Connection) -> str:
            since, person = cart.opened_at, cart.person
            if self._events.has_happened(connection, cart.store_id, names, since=since, person=person, texts=texts):
                store.put(connection, bought)
                said = "Bought: a Placed Order of this person has arrived."
                store.tell(connection, bought, Entry(id=new_id(now), act_id=act_id, at=now, what="ordered", said=said))
                return "ordered"
            self._write(
                connection, changed, frozen, Entry(id=new_id(now), act_id=act_id, at=now, what="abandoned", said=changed.said)
            )
            return "abandoned"

        try:
            became = await self._database.write(work)
        except (Outrun, Overtaken):
            return "overtaken"
        if became == "abandoned" and frozen:
            self._events.wake(cart.store_id)
        return became

    async def _keep(
        self, before: CartRecord, changed: changing.Changed, settings: Settings, act_id: str, what: str
    ) -> Sequence[Frozen]:
        """Raises Outrun, Overtaken: read again and try again."""
        cart, now = changed.cart, self._clock.now()
        if cart.person.known:
            frozen = self._freeze(changed, settings, earlier=before.held)
            cart = msgspec.structs.replace(cart, held=())
        else:
            frozen = []
            new = [hold(event) for event in self._wanted(changed, settings)]
            cart = msgspec.structs.replace(cart, held=(*before.held, *new)[-MOST_HELD:])
        ids = tuple(each.event.id for each in frozen)
        entry = Entry(id=new_id(now), act_id=act_id, at=now, what=what, said=changed.said, event_ids=ids)
        kept = msgspec.structs.replace(changed, cart=cart)
        await self._database.write(lambda connection: self._write(connection, kept, frozen, entry))
        if frozen:
            self._events.wake(cart.store_id)
        return frozen

    def _write(self, connection: Connection, changed: changing.Changed, frozen: Sequence[Frozen], entry: Entry) -> None:
        store.put(connection, changed.cart)
        receipts = self._events.keep_in(connection, frozen) if frozen else []
        ids = tuple(receipt.event.id for receipt in receipts)
        store.tell(connection, changed.cart, msgspec.structs.replace(entry, event_ids=ids))

    def _freeze(self, changed: changing.Changed, settings: Settings, *, earlier: Sequence[str] = ()) -> list[Frozen]:
        held = [*earlier, *(hold(event) for event in self._wanted(changed, settings))]
        return freeze(self._events, changed.cart.store_id, held, changed.cart.person)

    def _wanted(self, changed: changing.Changed, settings: Settings) -> list[TrackedEvent]:
        silent = {settings.names.get(name, name) for name in settings.silent}
        return [event for event in changed.events if event.metric not in silent]

    async def _read(self, store_id: str, cart_id: str | None = None, act_id: str | None = None) -> _Known:
        def work(connection: Connection) -> tuple[tuple[Settings, str] | None, CartRecord | None, Entry | None]:
            cart = store.find(connection, store_id, cart_id) if cart_id else None
            earlier = store.find_entry(connection, store_id, cart_id, act_id) if cart_id and act_id else None
            return store.find_settings(connection, store_id), cart, earlier

        found, cart, earlier = await self._database.read(work)
        if found is None:
            sealed = self._ground.box.seal(secrets.token_hex(32), row=store.row_name(store_id))
            await self._database.write(lambda connection: store.add_settings(connection, store_id, Settings(), sealed))
            return await self._read(store_id, cart_id, act_id)
        settings, sealed = found
        return _Known(settings, bytes.fromhex(self._ground.box.open(sealed, row=store.row_name(store_id))), cart, earlier)

    async def reseal_all(self) -> int:
        """Encrypt the secrets of recovery links with the current master key; how many were not."""
        return await self._database.write(lambda connection: store.reseal(connection, self._ground.box))

    def _terms(self, settings: Settings) -> Terms:
        return Terms(names=settings.names, exchange=self._ground.exchange)

    def _link(self, cart: CartRecord, known: _Known) -> str:
        """Good for as many days as the store says, in whole days: so the same day gives the same link."""
        midnight = self._clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        expires = midnight + timedelta(days=known.settings.recovery_days + 1)
        return f"{self._ground.public_url}/carts/recover/{links.make_token(cart.recovery_id, expires, known.secret)}"
