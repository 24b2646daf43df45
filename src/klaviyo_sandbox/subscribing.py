"""What subscribing and unsubscribing do to profiles, lists, consents and suppressions.

Rules: a double opt-in waits for the person's confirmation, and a new address becomes a profile only then (recorded);
a historical import never waits. Unsubscribing from a list one is not on unsubscribes from everything.
"""

from typing import Any, Final

import msgspec

from klaviyo_sandbox import consents, mailing_lists, profile_store
from klaviyo_sandbox.consents import EMAIL, LIFTED_BY_SUBSCRIBING, SUBSCRIBED, UNSUBSCRIBED, Consent
from klaviyo_sandbox.contact_points import email_key
from klaviyo_sandbox.deferred import Turn, work
from klaviyo_sandbox.errors import ApiError
from klaviyo_sandbox.identity import upsert_profile
from klaviyo_sandbox.mailing_lists import DOUBLE
from klaviyo_sandbox.profile_documents import ProfileWrite
from klaviyo_sandbox.profile_store import Profile
from klaviyo_sandbox.state import schema

CONFIRMED_CHANNELS: Final = (EMAIL, "sms.marketing")
"""Channels that a double opt-in asks the person to confirm."""

schema(
    """
    CREATE TABLE IF NOT EXISTS pending_opt_ins (
        id INTEGER PRIMARY KEY AUTOINCREMENT, account_id TEXT NOT NULL, address TEXT NOT NULL, requested_at REAL NOT NULL,
        payload TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS opt_ins_by_address ON pending_opt_ins (account_id, address);
    """
)


class Subscription(msgspec.Struct):
    """One profile's part of a subscribe or unsubscribe request."""

    channels: dict[str, float | None]
    """Channel, and when the person consented (seconds since 1970; None: now)."""

    id: str | None = None
    email: str | None = None
    phone_number: str | None = None
    list_id: str | None = None
    custom_source: str | None = None
    historical_import: bool = False


@work("subscribe")
def _subscribe(turn: Turn, payload: Any) -> None:
    for entry in msgspec.convert(payload, list[Subscription]):
        waiting = [] if entry.historical_import or _opt_in(turn, entry.list_id) != DOUBLE else _waiting(turn, entry)
        if waiting:
            later = {channel: entry.channels.pop(channel) for channel in waiting}
            _ask(turn, msgspec.structs.replace(entry, channels=later))
        if entry.channels:
            _take_effect(turn, entry, double_optin=False)


@work("unsubscribe")
def _unsubscribe(turn: Turn, payload: Any) -> None:
    for entry in msgspec.convert(payload, list[Subscription]):
        profile = _profile(turn, entry)
        if profile is None:
            continue
        if entry.list_id and mailing_lists.has(turn.state, entry.list_id, profile.id):
            mailing_lists.leave(turn.state, entry.list_id, [profile.id])
            if EMAIL in entry.channels:
                consents.suppress(turn.state, profile.id, "UNSUBSCRIBE", turn.timestamp, entry.list_id)
            turn.journal.effect(turn, "unsubscribed_from_list", subject=entry.list_id, profile_id=profile.id)
            continue
        for channel in entry.channels:
            consents.record(turn.state, profile.id, Consent(channel, UNSUBSCRIBED, turn.timestamp), turn.timestamp)
            turn.journal.effect(turn, "unsubscribed", subject=channel, profile_id=profile.id)
        if EMAIL in entry.channels:
            consents.suppress(turn.state, profile.id, "UNSUBSCRIBE", turn.timestamp)


def confirm(turn: Turn, address: str) -> int:
    """The person behind an address confirms every pending double opt-in; returns how many there were."""
    where = "account_id = ? AND address = ?"
    key = (turn.account_id, email_key(address))
    rows = turn.state.all(f"SELECT payload FROM pending_opt_ins WHERE {where} ORDER BY id", key)  # noqa: S608 - constant parts
    turn.state.execute(f"DELETE FROM pending_opt_ins WHERE {where}", key)  # noqa: S608 - a constant
    for row in rows:
        _take_effect(turn, msgspec.json.decode(row["payload"], type=Subscription), double_optin=True)
    return len(rows)


def _opt_in(turn: Turn, list_id: str | None) -> str:
    row = mailing_lists.find(turn.state, turn.account_id, list_id) if list_id else None
    return str(row["opt_in_process"]) if row else turn.sandbox.switches.default_opt_in


def _waiting(turn: Turn, entry: Subscription) -> list[str]:
    """Channels to confirm: those that need it and are not subscribed already."""
    known = _known_profile(turn, entry)
    waiting = []
    for channel in entry.channels:
        row = consents.find(turn.state, known, channel) if known else None
        if channel in CONFIRMED_CHANNELS and not (row and row["consent"] == SUBSCRIBED):
            waiting.append(channel)
    return waiting


def _known_profile(turn: Turn, entry: Subscription) -> str | None:
    owners = [("email", entry.email), ("phone_number", entry.phone_number)]
    found = (profile_store.owner_of(turn.state, turn.account_id, kind, value) for kind, value in owners if value)
    return entry.id or next((owner for owner in found if owner), None)


def _ask(turn: Turn, entry: Subscription) -> None:
    """Remember a subscription until its address confirms it."""
    address = entry.email if EMAIL in entry.channels else entry.phone_number
    if not address and entry.id:
        profile = profile_store.find(turn.state, turn.account_id, entry.id)
        kind = "email" if EMAIL in entry.channels else "phone_number"
        address = profile.identifiers.get(kind) if profile else None
    if address:
        row = (turn.account_id, email_key(address), turn.timestamp, msgspec.json.encode(entry).decode())
        turn.state.execute("INSERT INTO pending_opt_ins (account_id, address, requested_at, payload) VALUES (?, ?, ?, ?)", row)
    turn.journal.effect(turn, "opt_in_requested", subject=address, payload=entry)


def _take_effect(turn: Turn, entry: Subscription, *, double_optin: bool) -> None:
    profile = _profile(turn, entry)
    if profile is None:
        return
    for channel, consented_at in entry.channels.items():
        at = turn.timestamp if consented_at is None else consented_at
        consent = Consent(channel, SUBSCRIBED, at, entry.list_id, entry.custom_source, double_optin)
        consents.record(turn.state, profile.id, consent, turn.timestamp)
        turn.journal.effect(turn, "subscribed", subject=channel, profile_id=profile.id)
    if EMAIL in entry.channels:
        consents.lift(turn.state, profile.id, LIFTED_BY_SUBSCRIBING)
        if entry.list_id:
            consents.lift(turn.state, profile.id, LIFTED_BY_SUBSCRIBING, entry.list_id)
    if entry.list_id and mailing_lists.find(turn.state, turn.account_id, entry.list_id):
        mailing_lists.join(turn.state, entry.list_id, [profile.id], turn.timestamp)


def _profile(turn: Turn, entry: Subscription) -> Profile | None:
    """The profile of a row, created if it is new; None, and an effect that says so, when its id leads nowhere."""
    identifiers = {"email": entry.email, "phone_number": entry.phone_number}
    sent: dict[str, str | None] = {kind: value for kind, value in identifiers.items() if value}
    write = ProfileWrite(id=entry.id, identifiers=sent)
    try:
        upserted = upsert_profile(turn.state, turn.ids, turn.account_id, write, turn.timestamp, conflict="keep_stronger")
    except ApiError as error:
        turn.journal.effect(turn, "subscription_dropped", subject=entry.id, payload=str(error))
        return None
    if upserted.created:
        turn.journal.effect(turn, "profile_created", profile_id=upserted.profile.id)
    return upserted.profile
