"""What a source is: the one contract that every connector fulfils.

A source is one folder here. Its ``__init__.py`` says ``SOURCE = MySource()``; nothing else has to know of it, and deleting the
folder deletes the connector. Around it, the room does what is the same for all:

  receive -> ``verify`` -> keep the raw messages -> acknowledge -> ``lookups`` -> ``map`` -> the merchant's rules -> hand over

``verify``, ``lookups`` and ``map`` are pure: no clock, no network, no database; the same input gives the same output.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol

import msgspec
from httpx2 import AsyncBaseTransport
from pydantic import BaseModel, ConfigDict

from ferrata.catalog.schemas import CatalogChange
from ferrata.commerce.tracked import PersonRef, ProfileChange, TrackedEvent
from ferrata.kit.clock import Clock
from ferrata.sources.errors import Later, Refused, Unreadable, Unverified

__all__ = [
    "Backfill",
    "BackfillPage",
    "CatalogChange",
    "Erased",
    "Flow",
    "Later",
    "Learned",
    "Lookup",
    "Mapped",
    "Message",
    "PersonRef",
    "ProfileChange",
    "Pulled",
    "Queue",
    "RawMessage",
    "Reader",
    "Reason",
    "Received",
    "Refused",
    "Reply",
    "Skipped",
    "Source",
    "SourceSettings",
    "Span",
    "Surroundings",
    "TrackedEvent",
    "Unreadable",
    "Unverified",
]


class SourceSettings(BaseModel):
    """A source's own settings for one store. Each field is described; a ``SecretStr`` is sealed when it is kept.

    Validators name every fault; what cannot be used is refused before it is kept, never at the first message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery as it came: a request's body, or what was pulled from a queue. Header names are in lower case.

    ``trusted``: who sent it has been proven already, by a token of ours with the right ``sources:write`` or by the queue's own
    credentials. ``at`` is when it came, for signatures that grow old.
    """

    body: bytes
    at: datetime
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    method: str = "POST"
    trusted: bool = False


class RawMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message, taken out of its envelope, byte for byte.

    ``message_id`` is the sender's own and the same at each redelivery. Among messages of one ``business_key`` (such as
    ``order:4711``) order is kept; others pass each other. ``headers``: only those that mapping or people need.
    """

    message_id: str
    business_key: str
    body: bytes
    headers: Mapping[str, str] = {}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is kept. ``history``: it comes of a backfill, so what it makes is ``backfill`` and starts no flow.

    ``explained``: somebody asks why; else ``map`` need not give reasons.
    """

    store_id: str
    kind: str
    message_id: str
    business_key: str
    received_at: datetime
    body: bytes
    headers: Mapping[str, str] = {}
    history: bool = False
    explained: bool = False


class Lookup(msgspec.Struct, frozen=True):
    """Something of the source's API that mapping has to know first: ``Lookup("order", "4711")``."""

    what: str
    key: str


REMEMBERED = "remembered"
"""``Lookup(REMEMBERED, "customer:cus_1")`` asks what earlier messages of this source taught, not its API: see ``Learned``."""

SETTLED = "settled"
"""``Lookup(SETTLED, "20")`` asks whether the message came at least so many seconds ago: time for a fuller one to come first."""

LookedUp = Mapping[Lookup, Any]
"""What the reader answered, as decoded JSON; None where the source has no such thing (any more)."""


class Skipped(msgspec.Struct, frozen=True):
    """Something of a message that is not sent, and why, in words for people: ``Skipped("order state Open", "no event ...")``."""

    what: str
    why: str


class Reason(msgspec.Struct, frozen=True):
    """Why a field of the output is there. Both are JSON pointers (RFC 6901).

    ``target`` begins with the place in ``Mapped``: ``/events/0/properties/OrderId``, ``/profiles/0/attributes/first_name``,
    ``/catalog/2/attributes/title``. ``source`` points into the message's body, ``/order/id``, or into a lookup,
    ``lookup:order/4711#/totalPrice``; empty where the value comes of no single field.
    """

    target: str
    source: str
    why: str = ""


class Learned(msgspec.Struct, frozen=True):
    """Something a message tells that later ones need, such as a customer's e-mail: kept with what the message made.

    Of two about one key the one with the later ``at`` counts, in whatever order they come. ``memory_store.py`` keeps and recalls.
    """

    key: str
    value: str
    at: datetime


class Erased(msgspec.Struct, frozen=True):
    """Somebody whom the source says to forget: everything kept here of whoever this names is deleted, this message too."""

    person: PersonRef
    why: str


class Mapped(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a message means for Klaviyo. Nothing at all is fine if ``skipped`` says why.

    ``keys`` is not for connectors: the room puts there under which key each event is kept, whatever the rules call its metric.
    """

    events: tuple[TrackedEvent, ...] = ()
    profiles: tuple[ProfileChange, ...] = ()
    catalog: tuple[CatalogChange, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    fields: tuple[Reason, ...] = ()
    learned: tuple[Learned, ...] = ()
    keys: tuple[str, ...] = ()
    erased: tuple[Erased, ...] = ()


class Backfill(msgspec.Struct, frozen=True):
    """A kind of history that can be read: ``Backfill("orders", "Orders", by="created")``. ``by`` says what the dates are.

    ``live``: not history but what was missed; its messages are kept and mapped as if they had just arrived.
    """

    name: str
    title: str
    by: str = ""
    live: bool = False


class Span(msgspec.Struct, frozen=True):
    """Of what time history is read: from ``since`` on, before ``until``. ``until`` is never later than the run's begin."""

    until: datetime
    since: datetime | None = None


class BackfillPage(msgspec.Struct, frozen=True):
    """``cursor`` None: this was the last page. ``total``: how many messages there are in all, where the source can tell.

    ``looked_up`` is what came with the page, so that ``lookups`` of its messages need not be asked one by one.
    """

    messages: tuple[RawMessage, ...]
    cursor: str | None
    total: int | None = None
    looked_up: LookedUp = {}


class Reader(Protocol):
    """A source's API as one store may use it. No transaction is open while it is asked.

    Raises:
        Transient: later; ``retry_after_seconds`` is honoured where the API named it.
        NeedsReconnect, Rejected: credentials or settings must be mended; messages wait meanwhile.
    """

    async def look_up(self, lookups: Sequence[Lookup]) -> LookedUp:
        """Each of these; they may be asked together."""

    async def page(self, backfill: str, cursor: str | None, span: Span) -> BackfillPage:
        """The page after ``cursor``; the same cursor gives the same page, or what has become of it."""

    async def check(self) -> str:
        """Ask whether the credentials are good and lack nothing; a sentence about what answered, for people.

        Raises:
            Rejected: they are not, or lack something; the message names what.
        """

    async def close(self) -> None: ...


class Pulled(msgspec.Struct, frozen=True):
    """What came of a queue, and by what it is acknowledged. ``received.trusted`` is True."""

    received: Received
    receipt: Any


class Queue(Protocol):
    """A queue that is asked for messages. What is not acknowledged comes again; nothing is acknowledged before it is kept."""

    async def pull(self) -> Sequence[Pulled]:
        """What is there, waiting some seconds for it (long polling); empty if nothing came. Raises Transient."""

    async def acknowledge(self, receipts: Sequence[Any]) -> None: ...

    async def close(self) -> None: ...


class Reply(msgspec.Struct, frozen=True):
    """An answer of a source's own, where a sender wants a particular one."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Surroundings(msgspec.Struct, frozen=True):
    """What readers and queues are given. ``transport`` lets them go only where a store's settings may lead; None: anywhere."""

    store_id: str
    clock: Clock
    transport: AsyncBaseTransport | None = None


class Flow(msgspec.Struct, frozen=True):
    """One line of the data-flow document: what of a source's data goes where in Klaviyo.

    ``target``: ``event Placed Order``, ``profile``, ``catalog item``. ``fields``: Klaviyo's names with where they come from.
    ``personal``: those of them that tell about a person, by the names of ``person_fields.py``.
    """

    target: str
    from_: str
    fields: Mapping[str, str]
    personal: tuple[str, ...] = ()


class Source:
    """The base of every connector; what is not overridden is not there."""

    kind: ClassVar[str]
    """The name in addresses, settings and ids: ``commercetools``."""
    title: ClassVar[str]
    settings_type: ClassVar[type[SourceSettings]] = SourceSettings
    backfills: ClassVar[tuple[Backfill, ...]] = ()
    flows: ClassVar[tuple[Flow, ...]] = ()
    together: ClassVar[frozenset[str]] = frozenset()
    """Of which kinds the API tells many things in one answer: many messages' lookups of these are asked together."""

    def verify(self, received: Received, settings: Any) -> None:
        """Raise Unverified unless this delivery is proven to come from the source. Bytes are judged, not their meaning."""
        raise NotImplementedError

    async def prove(self, received: Received, settings: Any, around: "Surroundings") -> None:
        """As ``verify``, for proofs that must be fetched now and then, such as a signer's certificate. It is what is called.

        Raises:
            Unverified: as ``verify``.
            Transient: the proof cannot be had at the moment; nothing is kept, the sender tries again.
        """
        self.verify(received, settings)

    def open(self, received: Received, settings: Any) -> Sequence[RawMessage]:
        """The messages in a delivery, out of whatever envelopes. None at all is fine: a test notification, a handshake.

        Raises:
            Unreadable: it is none that this source knows; the bytes are kept apart.
        """
        raise NotImplementedError

    def handshake(self, received: Received, settings: Any) -> Reply | None:
        """The answer to a delivery that only asks whether we are there; None for all others. Called after ``verify``."""
        return None

    def lookups(self, message: Message, looked_up: LookedUp, settings: Any) -> Sequence[Lookup]:
        """What must be read before this message can be mapped; asked again with the answers until it wants nothing new."""
        return ()

    def map(self, message: Message, looked_up: LookedUp, settings: Any) -> Mapped:
        """What the message means for Klaviyo. ``unique_id`` is made of the thing that happened, never of the delivery.

        Raises:
            Refused: it can't be understood, now or ever; kept apart with the reason.
            Later: something is not known yet; tried again.
        """
        raise NotImplementedError

    def reader(self, settings: Any, around: Surroundings) -> Reader | None:
        """The API of this source with these settings; None if they give no access to one. Nothing is asked yet."""
        return None

    def queues(self, settings: Any, around: Surroundings) -> Sequence[Queue]:
        """The queues that these settings say to pull from. Nothing is asked yet."""
        return ()

    def commands(self, opened: Any) -> Any:
        """Commands of this source's own, as a cyclopts app under ``ferrata sources <kind>``; None if there are none.

        ``opened`` opens what they work with: see ``commands.py``.
        """
        return None

    def title_of(self, message: Message) -> str:
        """A few words for lists: ``OrderCreated``. Must not fail."""
        return message.business_key
