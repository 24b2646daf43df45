"""All the SQL of profiles."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, String, bindparam, func, or_, select, update

from ferrata.infra.columns import Instant
from ferrata.infra.database.prepared import UPSERTS, Prepared, one_of
from ferrata.profiles.errors import Overtaken
from ferrata.profiles.models import profiles
from ferrata.profiles.recognising import Seen
from ferrata.profiles.schemas import Profile, ProfileAttributes

_id_of = attrgetter("id")
_FIELDS = Profile.__struct_fields__
_CHANGING = [name for name in _FIELDS if name not in ("id", "store_id", "person", "created_at")]
_OF_EVENTS = [name for name in _CHANGING if name not in ("attributes", "klaviyo_id", "klaviyo_read_at")]
_lock_all = Prepared(
    select(*(profiles.c[name] for name in _FIELDS))
    .where(one_of(profiles.c.id, "ids"))
    .order_by(profiles.c.id)
    .with_for_update(of=profiles),
    ["ids"],
)
_insert = Prepared(
    {
        name: insert(profiles).values({name: bindparam(name) for name in _FIELDS}).on_conflict_do_nothing()
        for name, insert in UPSERTS.items()
    },
    _FIELDS,
)
_update = Prepared(
    update(profiles).where(profiles.c.id == bindparam("of")).values({name: bindparam(name) for name in _CHANGING}),
    ["of", *_CHANGING],
)
_note_event = Prepared(
    update(profiles).where(profiles.c.id == bindparam("of")).values({name: bindparam(name) for name in _OF_EVENTS}),
    ["of", *_OF_EVENTS],
)
_note_seen = Prepared(
    update(profiles)
    .where(
        profiles.c.id == bindparam("of"),
        profiles.c.attributes == bindparam("known"),
        or_(profiles.c.last_event_at.is_(None), profiles.c.last_event_at <= bindparam("first_at", type_=Instant)),
    )
    .values(
        email=func.coalesce(bindparam("seen_email", type_=String), profiles.c.email),
        phone=func.coalesce(bindparam("seen_phone", type_=String), profiles.c.phone),
        external_id=func.coalesce(bindparam("seen_external_id", type_=String), profiles.c.external_id),
        last_event_name=bindparam("event_name"),
        last_event_id=bindparam("event_id"),
        last_event_at=bindparam("event_at"),
        updated_at=bindparam("now"),
    ),
    ("of", "known", "first_at", "seen_email", "seen_phone", "seen_external_id", "event_name", "event_id", "event_at", "now"),
)


def lock_all(connection: Connection, ids: Iterable[str]) -> dict[str, Profile]:
    """The profiles that exist of these, locked in one order, so that two transactions wait for each other and never in a ring."""
    found = [_profile_of(row) for row in _lock_all.rows(connection, sorted(ids))]
    return {profile.id: profile for profile in found}


def find(connection: Connection, id_: str) -> Profile | None:
    row = connection.execute(select(*(profiles.c[name] for name in _FIELDS)).where(profiles.c.id == id_)).one_or_none()
    return _profile_of(tuple(row)) if row else None


def insert_all(connection: Connection, new: Sequence[Profile]) -> None:
    """Raises Overtaken."""
    rows = [_row_of(profile, _FIELDS) for profile in sorted(new, key=lambda profile: profile.id)]
    if _insert.many(connection, rows) != len(rows):
        raise Overtaken


def insert_missing(connection: Connection, first: Sequence[Profile]) -> None:
    """Make profiles that are not there yet; another process that makes the same one is waited for."""
    _insert.many(connection, [_row_of(profile, _FIELDS) for profile in sorted(first, key=lambda profile: profile.id)])


def update_all(connection: Connection, changed: Sequence[Profile]) -> None:
    _update.many(connection, [(profile.id, *_row_of(profile, _CHANGING)) for profile in changed])


def note_events(connection: Connection, seen: Sequence[Profile]) -> None:
    """As ``update_all``, for profiles whose attributes are what they were: the widest column is not written again."""
    _note_event.many(connection, [(profile.id, *(getattr(profile, name) for name in _OF_EVENTS)) for profile in seen])


def note_seen(connection: Connection, seen: Sequence[Seen], now: datetime) -> bool:
    """As ``note_events`` without a look at the profiles first. False: not each of them was as expected; then look at all."""
    rows = [
        (each.id, each.known, each.first_at, each.email, each.phone, each.external_id, *each.last, now)
        for each in sorted(seen, key=_id_of)
    ]
    return _note_seen.many(connection, rows) == len(rows)


def _row_of(profile: Profile, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(profile.attributes.to_json() if name == "attributes" else getattr(profile, name) for name in names)


def _profile_of(row: tuple[Any, ...]) -> Profile:
    values = dict(zip(_FIELDS, row, strict=True))
    return Profile(**values | {"attributes": ProfileAttributes.from_json(values["attributes"])})
