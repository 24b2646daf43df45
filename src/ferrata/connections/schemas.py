"""Stores, and what may be known of their connections: never the key itself."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ferrata.klaviyo import Auth


@dataclass(frozen=True, slots=True)
class Store:
    id: str
    name: str
    time_zone: str
    currency: str
    created_at: datetime


class Status(StrEnum):
    NOT_CONFIGURED = "not_configured"
    CONNECTED = "connected"
    ERROR = "error"


class Method(StrEnum):
    PRIVATE_KEY = "private_key"
    OAUTH = "oauth"


@dataclass(frozen=True, slots=True)
class Connection:
    """A store's connection as people and programs see it. ``tested_at`` None: the key was taken over without a test."""

    store_id: str
    status: Status
    hint: str | None = None
    account_id: str | None = None
    account_name: str | None = None
    detail: str | None = None
    tested_at: datetime | None = None
    created_at: datetime | None = None
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request to Klaviyo is made with. ``quota_id`` names whose rate limits it spends; keys of one account share them.

    ``shown_broken``: its last use or test failed, and people are told so.
    """

    auth: Auth
    quota_id: str
    version: str
    shown_broken: bool = False


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test of a key has shown. ``detail`` says what is lacking although the key is good."""

    account_id: str | None
    account_name: str | None
    time_zone: str | None
    currency: str | None
    detail: str | None
