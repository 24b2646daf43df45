"""Who may be written to: consent per channel, suppressions of an e-mail address, and how Klaviyo shows both."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from klaviyo_sandbox.ids import full_time
from klaviyo_sandbox.profile_store import Profile, on_merge
from klaviyo_sandbox.state import State, schema

NEVER: Final = "NEVER_SUBSCRIBED"
SUBSCRIBED: Final = "SUBSCRIBED"
UNSUBSCRIBED: Final = "UNSUBSCRIBED"
EMAIL: Final = "email.marketing"
LIFTED_BY_SUBSCRIBING: Final = ("UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED")

schema(
    """
    CREATE TABLE IF NOT EXISTS consents (
        profile_id TEXT NOT NULL, channel TEXT NOT NULL, consent TEXT NOT NULL, consented_at REAL, updated REAL NOT NULL,
        method TEXT, method_detail TEXT, custom_method_detail TEXT, double_optin INTEGER,
        PRIMARY KEY (profile_id, channel)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS suppressions (
        profile_id TEXT NOT NULL, list_id TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (profile_id, list_id, reason)
    ) WITHOUT ROWID;
    """
)

EVERYWHERE: Final = ""
"""The `list_id` of a suppression that holds for all lists."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A decision on one channel. Times are seconds since 1970."""

    channel: str
    consent: str
    at: float
    method_detail: str | None = None
    custom_method_detail: str | None = None
    double_optin: bool = False


def record(state: State, profile_id: str, consent: Consent, now: float) -> bool:
    """Write a decision down; False when the channel had this consent already."""
    before = find(state, profile_id, consent.channel)
    detail = (consent.method_detail, consent.custom_method_detail, consent.double_optin)
    state.execute(
        "INSERT OR REPLACE INTO consents VALUES (?, ?, ?, ?, ?, 'API', ?, ?, ?)",
        (profile_id, consent.channel, consent.consent, consent.at, now, *detail),
    )
    return before is None or before["consent"] != consent.consent


def find(state: State, profile_id: str, channel: str) -> sqlite3.Row | None:
    """The last decision on a channel."""
    return state.one("SELECT * FROM consents WHERE profile_id = ? AND channel = ?", (profile_id, channel))


def suppress(state: State, profile_id: str, reason: str, at: float, list_id: str = EVERYWHERE) -> bool:
    """Add a suppression; False when it was there."""
    row = (profile_id, list_id, reason, at)
    return state.execute("INSERT OR IGNORE INTO suppressions VALUES (?, ?, ?, ?)", row).rowcount > 0


def lift(state: State, profile_id: str, reasons: Iterable[str], list_id: str = EVERYWHERE) -> bool:
    """Remove suppressions for any of the reasons; False when there were none."""
    rows = [(profile_id, list_id, reason) for reason in reasons]
    where = "profile_id = ? AND list_id = ? AND reason = ?"
    return state.execute_many(f"DELETE FROM suppressions WHERE {where}", rows) > 0  # noqa: S608 - a constant


@on_merge
def move(state: State, source_id: str, destination_id: str) -> None:
    """Give a merged profile's suppressions to its destination, and its consents where the destination has none."""
    for table in ("consents", "suppressions"):
        where = "WHERE profile_id = ?"
        state.execute(f"UPDATE OR IGNORE {table} SET profile_id = ? {where}", (destination_id, source_id))  # noqa: S608 - constant parts
        state.execute(f"DELETE FROM {table} {where}", (source_id,))  # noqa: S608 - one of two names


def subscriptions(state: State, profile: Profile) -> dict[str, Any]:
    """The `subscriptions` attribute of a profile, in the recorded shape."""
    known = {row["channel"]: row for row in state.all("SELECT * FROM consents WHERE profile_id = ?", (profile.id,))}
    suppressed = state.all("SELECT * FROM suppressions WHERE profile_id = ? ORDER BY at", (profile.id,))
    return {
        "email": {
            "marketing": _email_marketing(profile, known.get(EMAIL), suppressed),
            "open_tracking": _tracking(known.get("email.open_tracking")),
            "click_tracking": _tracking(None),
        },
        "sms": {purpose: _sms(known.get(f"sms.{purpose}"), purpose) for purpose in ("marketing", "transactional")},
        "mobile_push": {"marketing": _push(known.get("push.marketing"))},
        "whatsapp": _whatsapp(known),
    }


def _email_marketing(profile: Profile, row: sqlite3.Row | None, suppressed: list[sqlite3.Row]) -> dict[str, Any]:
    everywhere = [entry for entry in suppressed if entry["list_id"] == EVERYWHERE]
    touched = [row["updated"]] if row else []
    touched += [entry["at"] for entry in everywhere]
    consent = row["consent"] if row else NEVER
    return {
        # Without any decision Klaviyo counts an address as reachable (implied consent).
        "can_receive_email_marketing": bool(profile.identifiers.get("email")) and not everywhere and consent != UNSUBSCRIBED,
        "consent": consent,
        "consent_timestamp": _time(row["consented_at"]) if row else None,
        "last_updated": _time(max(touched)) if touched else None,
        "method": row["method"] if row else None,
        "method_detail": row["method_detail"] if row else None,
        "custom_method_detail": row["custom_method_detail"] if row else None,
        "double_optin": bool(row["double_optin"]) if row else None,
        "suppression": [{"reason": entry["reason"], "timestamp": _time(entry["at"])} for entry in everywhere],
        "list_suppressions": [
            {"list_id": entry["list_id"], "reason": entry["reason"], "timestamp": _time(entry["at"])}
            for entry in suppressed
            if entry["list_id"] != EVERYWHERE
        ],
    }


def _tracking(row: sqlite3.Row | None) -> dict[str, Any]:
    return {
        "consent": row["consent"] if row else NEVER,
        "consent_timestamp": _time(row["consented_at"]) if row else None,
        "last_updated": _time(row["updated"]) if row else None,
        "created_timestamp": _time(row["consented_at"]) if row else None,
        "metadata": None,
        "can_receive": bool(row and row["consent"] == SUBSCRIBED),
        "valid_until": None,
    }


def _sms(row: sqlite3.Row | None, purpose: str) -> dict[str, Any]:
    return {
        f"can_receive_sms_{purpose}": bool(row and row["consent"] == SUBSCRIBED),
        "consent": row["consent"] if row else NEVER,
        "consent_timestamp": _time(row["consented_at"]) if row else None,
        "method": row["method"] if row else None,
        "method_detail": row["method_detail"] if row else None,
        "last_updated": _time(row["updated"]) if row else None,
    }


def _push(row: sqlite3.Row | None) -> dict[str, Any]:
    return {
        "can_receive_push_marketing": bool(row and row["consent"] == SUBSCRIBED),
        "consent": row["consent"] if row else NEVER,
        "consent_timestamp": _time(row["consented_at"]) if row else None,
    }


def _whatsapp(known: dict[str, sqlite3.Row]) -> dict[str, Any] | None:
    """None, as recorded, until a decision about WhatsApp exists."""
    purposes = ("marketing", "transactional", "conversational")
    if not any(f"whatsapp.{purpose}" in known for purpose in purposes):
        return None
    return {purpose: _tracking(known.get(f"whatsapp.{purpose}")) | {"phone_number": None} for purpose in purposes}


def _time(at: float) -> str:
    return full_time(datetime.fromtimestamp(at, UTC))
