"""Stores, and what may be known of their connections: never the key itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import Connection as Transaction

from ferrata.klaviyo import Auth


@dataclass(frozen=True, slots=True)
class Store:
    """``id`` is the public id, in addresses and messages. ``archived_at``: put away; it accepts nothing and reaches nobody."""

    id: str
    name: str
    time_zone: str
    currency: str
    created_at: datetime
    archived_at: datetime | None = None


class Status(StrEnum):
    """How a store stands with Klaviyo.

    ``not_configured``: there is neither key nor installation, as before the first connecting and after a disconnect here.
    ``error``: Klaviyo refuses the key, or does not let it do what is needed; another key mends it. ``disconnected``: ended at
    Klaviyo's side, such as an app that was uninstalled; only a new consent mends it.
    """

    NOT_CONFIGURED = "not_configured"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ERROR = "error"

    @property
    def is_broken(self) -> bool:
        """Whether there is a connection that does not work."""
        return self in (Status.ERROR, Status.DISCONNECTED)


class Method(StrEnum):
    PRIVATE_KEY = "private_key"
    OAUTH = "oauth"


class StoreSort(StrEnum):
    """``status``: those whose connection is broken first. ``changed``: whose connection changed last."""

    NAME = "name"
    STATUS = "status"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class StoreFilter:
    """Which stores to list. ``text`` is looked for in names and ids of stores and accounts; ``ids`` None: all of them."""

    text: str = ""
    status: Status | None = None
    archived: bool = False
    ids: frozenset[str] | None = None
    sort: StoreSort = StoreSort.NAME


@dataclass(frozen=True, slots=True)
class StoreOverview:
    """A store with how it is connected, as a list shows it."""

    store: Store
    status: Status
    method: Method | None
    hint: str | None
    account_id: str | None
    account_name: str | None
    detail: str | None
    status_since: datetime | None
    conversion_metric_name: str | None


class Held(StrEnum):
    """Whether a credential has a scope."""

    PRESENT = "present"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Connection:
    """A store's connection as people and programs see it. ``tested_at`` None: the key was taken over without a test.

    ``account`` holds the account's attributes as Klaviyo gave them; ``connected_at`` survives the rotation of a key.
    """

    store_id: str
    status: Status
    hint: str | None = None
    account_id: str | None = None
    account_name: str | None = None
    detail: str | None = None
    tested_at: datetime | None = None
    created_at: datetime | None = None
    method: Method | None = None
    account: Mapping[str, Any] = field(default_factory=dict)
    status_since: datetime | None = None
    connected_at: datetime | None = None
    conversion_metric_id: str | None = None
    conversion_metric_name: str | None = None
    is_shopify_order: bool = False
    scopes: Mapping[str, Held] = field(default_factory=dict)
    scopes_checked_at: datetime | None = None

    @property
    def do_not_order_sync(self) -> bool:
        """Orders are read from Klaviyo only where Shopify's Placed Order is what counts as a conversion."""
        return not self.is_shopify_order


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A connection began to work, broke, was mended or ended."""

    store_id: str
    before: Status
    after: Status
    detail: str | None
    at: datetime


class StatusListener(Protocol):
    def __call__(self, transaction: Transaction, change: StatusChange) -> None:
        """Called inside the transaction that keeps the change: what it writes is kept with it, or neither is."""


class Installations(Protocol):
    """The OAuth half of connections: keeps the tokens, which this half never sees."""

    async def auth(self, installation_id: str) -> Auth | None:
        """What to ask with for this very installation; None if it is gone."""

    def left(self, transaction: Transaction, installation_id: str, store_id: str) -> None:
        """Called inside the transaction in which ``store_id`` ceases to use it: disconnected, archived, or given another."""

    def forget_begun(self, transaction: Transaction, store_id: str) -> None:
        """Authorizations of this store that have not come back yet come back in vain."""

    def reseal_all(self, transaction: Transaction) -> int:
        """Encrypt every token with the current master key; how many were not."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request to Klaviyo is made with. ``quota_id`` names whose rate limits it spends; keys of one account share them.

    ``shown_broken``: its last use or test failed, and people are told so. ``former_quota_id``: under which the same key was
    counted before its account was known.
    """

    auth: Auth
    quota_id: str
    version: str
    shown_broken: bool = False
    former_quota_id: str | None = None


@dataclass(frozen=True, slots=True)
class Retiring:
    """A key that was replaced and may still be in use; at ``forget_at`` it cannot be any more."""

    store_id: str
    version: str
    hint: str
    retired_at: datetime
    forget_at: datetime


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test of a key has shown. ``detail`` says what is lacking although the key is good."""

    account_id: str | None
    account_name: str | None
    time_zone: str | None
    currency: str | None
    detail: str | None
    account: Mapping[str, Any] = field(default_factory=dict)
    lacks_accounts_scope: bool = False
