"""What goes into the profiles room and what comes out of it."""

from datetime import datetime
from functools import lru_cache
from uuid import UUID, uuid5

import msgspec

from ferrata.profiles.attributes import ProfileAttributes, ReadAttributes, read_attributes

__all__ = ["Named", "Profile", "ProfileAttributes", "ReadAttributes", "Sighting", "Untouched", "profile_id", "read_attributes"]

_PROFILES = UUID("6f1d7f0a-4a55-4bb4-9d0c-2f6f4a4b7c11")


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """What one event tells about a person. ``person`` names them by the strongest identifier."""

    store_id: str
    person: str
    attributes: ProfileAttributes
    event_name: str
    event_id: str
    event_at: datetime
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    store_id: str
    person: str
    email: str | None
    phone: str | None
    external_id: str | None
    attributes: ProfileAttributes
    last_event_name: str | None
    last_event_id: str | None
    last_event_at: datetime | None
    klaviyo_id: str | None
    klaviyo_read_at: datetime | None
    change_id: str | None = None
    changed_at: datetime | None = None
    delivery_id: str | None = None
    created_at: datetime
    updated_at: datetime


class Named(msgspec.Struct, frozen=True):
    """A profile by everything that it is known by."""

    id: str
    person: str
    email: str | None
    phone: str | None
    external_id: str | None


class Untouched(msgspec.Struct, frozen=True):
    """A profile that nothing has changed for a while."""

    id: str
    person: str
    created_at: datetime


@lru_cache(16_384)  # asked for again when the event is written, and by whoever buys again
def profile_id(store_id: str, person: str) -> str:
    """The id of this person's profile in this store: always the same, so that nobody has to look it up first."""
    return str(uuid5(_PROFILES, f"{store_id}\0{person}"))
