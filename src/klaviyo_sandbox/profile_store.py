"""Where profiles are kept: one row each, and one row per identifier that finds it.

An identifier belongs to one profile of an account. E-mail addresses are compared without case; a profile may have
further addresses besides the one it shows.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from klaviyo_sandbox.contact_points import email_key
from klaviyo_sandbox.profile_documents import IDENTIFIERS
from klaviyo_sandbox.state import State, schema

schema(
    """
    CREATE TABLE IF NOT EXISTS profiles (
        id TEXT PRIMARY KEY, account_id TEXT NOT NULL, email TEXT, phone_number TEXT, external_id TEXT, anonymous_id TEXT,
        fields TEXT NOT NULL, location TEXT NOT NULL, properties TEXT NOT NULL,
        created REAL NOT NULL, updated REAL NOT NULL, last_event_at REAL, visible_at REAL NOT NULL
    );
    CREATE INDEX IF NOT EXISTS profiles_by_account ON profiles (account_id, id);
    CREATE INDEX IF NOT EXISTS profiles_by_email ON profiles (account_id, email COLLATE NOCASE);
    CREATE TABLE IF NOT EXISTS profile_identifiers (
        account_id TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, profile_id TEXT NOT NULL,
        PRIMARY KEY (account_id, kind, key)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS identifiers_by_profile ON profile_identifiers (profile_id);
    """
)

_SAVE = (
    "INSERT OR REPLACE INTO profiles (id, account_id, email, phone_number, external_id, anonymous_id, fields, location,"
    " properties, created, updated, last_event_at, visible_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(slots=True)
class Profile:
    """One profile. Times are seconds since 1970; `visible_at` is when reads may first see it."""

    id: str
    account_id: str
    created: float
    updated: float
    visible_at: float
    identifiers: dict[str, str | None] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    location: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    last_event_at: float | None = None


def key_of(kind: str, value: str) -> str:
    """The form under which an identifier is compared."""
    return email_key(value) if kind == "email" else value


def from_row(row: sqlite3.Row) -> Profile:
    """A profile from a row of the table."""
    return Profile(
        id=row["id"],
        account_id=row["account_id"],
        created=row["created"],
        updated=row["updated"],
        visible_at=row["visible_at"],
        identifiers={kind: row[kind] for kind in IDENTIFIERS},
        fields=msgspec.json.decode(row["fields"]),
        location=msgspec.json.decode(row["location"]),
        properties=msgspec.json.decode(row["properties"]),
        last_event_at=row["last_event_at"],
    )


def find(state: State, account_id: str, profile_id: str) -> Profile | None:
    """A profile by id, visible or not yet."""
    row = state.one("SELECT * FROM profiles WHERE id = ? AND account_id = ?", (profile_id, account_id))
    return from_row(row) if row else None


def find_many(state: State, profile_ids: Sequence[str]) -> dict[str, Profile]:
    """Profiles by id; those that are gone are left out."""
    found: dict[str, Profile] = {}
    for start in range(0, len(profile_ids), 500):
        part = profile_ids[start : start + 500]
        marks = ", ".join("?" * len(part))
        rows = state.all(f"SELECT * FROM profiles WHERE id IN ({marks})", part)  # noqa: S608 - only question marks
        found |= {row["id"]: from_row(row) for row in rows}
    return found


def owner_of(state: State, account_id: str, kind: str, value: str) -> str | None:
    """Id of the profile that has the identifier."""
    row = state.one(
        "SELECT profile_id FROM profile_identifiers WHERE account_id = ? AND kind = ? AND key = ?",
        (account_id, kind, key_of(kind, value)),
    )
    return row["profile_id"] if row else None


def save(state: State, profile: Profile) -> None:
    """Write a profile's row; identifiers that find it are changed by `own` and `disown`."""
    documents = [msgspec.json.encode(part).decode() for part in (profile.fields, profile.location, profile.properties)]
    identifiers = [profile.identifiers.get(kind) for kind in IDENTIFIERS]
    times = (profile.created, profile.updated, profile.last_event_at, profile.visible_at)
    state.execute(_SAVE, (profile.id, profile.account_id, *identifiers, *documents, *times))


def own(state: State, profile: Profile, kind: str, value: str) -> None:
    """Let an identifier find this profile."""
    row = (profile.account_id, kind, key_of(kind, value), profile.id)
    state.execute("INSERT OR REPLACE INTO profile_identifiers VALUES (?, ?, ?, ?)", row)


def disown(state: State, profile: Profile, kind: str, value: str) -> None:
    """Let an identifier of this profile find nothing any more."""
    state.execute(
        "DELETE FROM profile_identifiers WHERE account_id = ? AND kind = ? AND key = ? AND profile_id = ?",
        (profile.account_id, kind, key_of(kind, value), profile.id),
    )


def move_identifiers(state: State, source: Profile, destination: Profile) -> None:
    """Let everything that found `source` find `destination`."""
    state.execute("UPDATE profile_identifiers SET profile_id = ? WHERE profile_id = ?", (destination.id, source.id))


Move = Callable[[State, str, str], object]
_MOVES: list[Move] = []


def on_merge(move: Move) -> Move:
    """Let a module move what it keeps about a profile when that is merged: called with state, source and destination."""
    _MOVES.append(move)
    return move


def run_moves(state: State, source_id: str, destination_id: str) -> None:
    """Move everything that other modules keep about `source_id`."""
    for move in _MOVES:
        move(state, source_id, destination_id)


def delete(state: State, profile_ids: Iterable[str]) -> None:
    """Remove profiles and what finds them."""
    ids = [(profile_id,) for profile_id in profile_ids]
    state.execute_many("DELETE FROM profile_identifiers WHERE profile_id = ?", ids)
    state.execute_many("DELETE FROM profiles WHERE id = ?", ids)


def saw_event(state: State, profile_id: str, at: float) -> None:
    """Remember the latest event's time (seconds since 1970)."""
    state.execute("UPDATE profiles SET last_event_at = max(coalesce(last_event_at, 0), ?) WHERE id = ?", (at, profile_id))
