"""Which profile a document means, and what the document does to it.

Rules (Klaviyo's profile guides and recorded answers): an id comes before identifiers; an unknown identifier beside a
known one is added to the profile; identifiers of two profiles conflict; sent fields overwrite, null clears, absent
keeps; properties merge key by key.
"""

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any, Literal

from klaviyo_sandbox import profile_store
from klaviyo_sandbox.errors import duplicate_profile, not_found
from klaviyo_sandbox.ids import Ids
from klaviyo_sandbox.profile_documents import IDENTIFIERS, Patches, ProfileWrite
from klaviyo_sandbox.profile_store import Profile
from klaviyo_sandbox.state import State

Conflict = Literal["refuse", "keep_stronger"]


@dataclass(frozen=True, slots=True)
class Upserted:
    """The outcome of an upsert. `changed` is False when the profile already was as the document says."""

    profile: Profile
    created: bool
    changed: bool


def upsert_profile(
    state: State,
    ids: Ids,
    account_id: str,
    write: ProfileWrite,
    now: float,
    *,
    visible_at: float | None = None,
    conflict: Conflict = "refuse",
) -> Upserted:
    """Find the profile that `write` means and change it, or create it (visible from `visible_at`, default `now`).

    Raises `ApiError` 404 for an unknown `write.id`, and 409 when identifiers belong to another profile; with
    `conflict="keep_stronger"` those identifiers are left with their owner instead, as events do.
    """
    profile = _named(state, account_id, write)
    owners = _owners(state, account_id, write)
    if profile is None and owners:
        profile = profile_store.find(state, account_id, next(iter(owners.values())))
    foreign = {kind: owner for kind, owner in owners.items() if profile is not None and owner != profile.id}
    if foreign and conflict == "refuse":
        raise duplicate_profile(next(iter(foreign.values())))
    if profile is None:
        return Upserted(_create(state, ids, account_id, write, now=now, visible_at=visible_at or now), created=True, changed=True)
    return Upserted(profile, created=False, changed=_change(state, profile, write, now, set(foreign)))


def create_profile(state: State, ids: Ids, account_id: str, write: ProfileWrite, now: float) -> Profile:
    """Create a profile; raises `ApiError` 409 when any identifier has an owner already."""
    owners = _owners(state, account_id, write)
    if owners:
        raise duplicate_profile(next(iter(owners.values())))
    return _create(state, ids, account_id, write, now=now, visible_at=now)


def exchange_id(profile: Profile) -> str:
    """The `_kx` value of a profile: opaque outside, reversible here."""
    return f"{base64.urlsafe_b64encode(profile.id.encode()).decode().rstrip('=')}.{profile.account_id}"


def profile_id_of(exchange_id: str) -> str | None:
    """The profile id inside a `_kx` value, or None when it is not one of ours."""
    text = exchange_id.partition(".")[0]
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, UnicodeError, ValueError):
        return None


def _named(state: State, account_id: str, write: ProfileWrite) -> Profile | None:
    """The profile of an explicit id, or of a `_kx` value unless that leads nowhere."""
    if write.id:
        profile = profile_store.find(state, account_id, write.id)
        if profile is None:
            raise not_found(f"A profile with id {write.id} does not exist.")
        return profile
    known = profile_id_of(write.exchange_id) if write.exchange_id else None
    return profile_store.find(state, account_id, known) if known else None


def _owners(state: State, account_id: str, write: ProfileWrite) -> dict[str, str]:
    """Profile ids that own the identifiers of the document, the strongest identifier first."""
    sent = [(kind, write.identifiers.get(kind)) for kind in IDENTIFIERS]
    sent += [(f"email {address}", address) for address in write.patches.add_emails]
    found = ((kind, profile_store.owner_of(state, account_id, kind.split()[0], value)) for kind, value in sent if value)
    return {kind: owner for kind, owner in found if owner}


def _create(state: State, ids: Ids, account_id: str, write: ProfileWrite, *, now: float, visible_at: float) -> Profile:
    profile = Profile(ids.ulid(now), account_id, now, now, visible_at)
    _apply(profile, write, foreign=set())
    profile_store.save(state, profile)
    _settle_identifiers(state, profile, {}, write, set())
    return profile


def _change(state: State, profile: Profile, write: ProfileWrite, now: float, foreign: set[str]) -> bool:
    before = replace(profile, identifiers=dict(profile.identifiers))  # `_apply` renews everything else
    _apply(profile, write, foreign)
    _settle_identifiers(state, profile, before.identifiers, write, foreign)
    if profile == before:
        return False
    profile.updated = now
    profile_store.save(state, profile)
    return True


def _apply(profile: Profile, write: ProfileWrite, foreign: set[str]) -> None:
    profile.identifiers |= {kind: value or None for kind, value in write.identifiers.items() if kind not in foreign}
    fields = {**profile.fields, **write.fields}
    profile.fields = {name: value for name, value in fields.items() if value is not None}
    location = {} if write.location is None else {**profile.location, **write.location}
    profile.location = {name: value for name, value in location.items() if value is not None}
    profile.properties = {} if write.properties is None else {**profile.properties, **write.properties}
    _patch_properties(profile.properties, write.patches)


def _patch_properties(properties: dict[str, Any], patches: Patches) -> None:
    for name, value in patches.append.items():
        present = _as_list(properties.get(name))
        # Recorded: what is appended stands before what was there.
        properties[name] = [entry for entry in _as_list(value) if entry not in present] + present
    for name, value in patches.unappend.items():
        if name in properties:
            gone = _as_list(value)
            properties[name] = [entry for entry in _as_list(properties[name]) if entry not in gone]
    for name in patches.unset:
        properties.pop(name, None)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _settle_identifiers(
    state: State, profile: Profile, before: dict[str, str | None], write: ProfileWrite, foreign: set[str]
) -> None:
    """Bring the table of identifiers in line with the profile and with the patches of its addresses."""
    for kind in IDENTIFIERS:
        old, new = before.get(kind), profile.identifiers.get(kind)
        if old != new and old:
            profile_store.disown(state, profile, kind, old)
        if old != new and new:
            profile_store.own(state, profile, kind, new)
    for address in write.patches.add_emails:
        if f"email {address}" not in foreign:
            profile_store.own(state, profile, "email", address)
    shown = profile.identifiers.get("email") or ""
    for address in write.patches.remove_emails:
        if profile_store.key_of("email", address) != profile_store.key_of("email", shown):
            profile_store.disown(state, profile, "email", address)
