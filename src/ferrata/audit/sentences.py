"""Says a record as a sentence, and how much it matters. No I/O."""

import re
from collections.abc import Mapping
from typing import Any

from ferrata.audit.schemas import Record, Risk

_DONE = {
    "access.signed_in": "signed in",
    "access.signed_out": "signed out",
    "access.password_changed": "changed a password",
    "audit.old_records_deleted": "deleted audit records that were older than they are kept",
    "audit.exported": "exported the audit",
    "access.key_created": "made a token",
    "access.key_revoked": "revoked a token",
    "access.key_rotated": "renewed a token",
    "access.password_reset_offered": "offered somebody a new password",
    "connections.disconnected": "ended the connection to Klaviyo",
    "connections.replaced_key_forgotten": "forgot the replaced key",
    "connections.oauth_begun": "began to connect Klaviyo by OAuth",
    "connections.oauth_connected": "connected Klaviyo by OAuth",
    "connections.oauth_lost": "lost the access by OAuth",
    "connections.oauth_refused": "was not let in by Klaviyo's OAuth",
    "connections.keys_resealed": "encrypted the stored secrets anew",
    "delivery.dead_letters_replayed": "had dead letters sent again",
    "delivery.dead_letters_discarded": "discarded dead letters",
    "flags.held_events_released": "had events sent that flags had held back",
    "delivery.lanes_opened": "opened parked lanes",
    "retention.cleaned_up": "deleted what was due",
}
_OF_PEOPLE = {
    "access.person_invited": "invited {email} to {place} as {role}",
    "access.invitation_withdrawn": "withdrew the invitation of {email} to {place}",
    "access.member_added": "made {email} {role} of {place}",
    "access.member_changed": "made {email} {role} of {place}, who was {former}",
    "access.member_removed": "removed {email} from {place}",
    "access.person_created": "added {email} as {role} of {place}",
    "access.person_removed": "removed {email} from {place}",
}
"""Said so where the record names somebody. Their addresses are masked in it."""
_ABOUT_EVERYTHING = {"flags.stopped": "stopped sending", "flags.resumed": "let sending go on"}
_REFUSED = {
    "access.sign_in_refused": "could not sign in",
    "access.refused": "was refused",
}
_CODES = {
    "unauthenticated": "without having signed in",
    "unknown_token": "with a token that is not good",
    "lacks_right": "for lack of a right",
    "other_store": "at a store that is not theirs",
    "not_signed_in": "with a wrong password or address",
    "too_many_guesses": "after too many guesses",
    "foreign_origin": "from a page of another site",
}
_PLACES = (
    (re.compile(r"^\w+ /ui/(stores/[^/]+/(dis)?connect|connect/)"), "from the connect page"),
    (re.compile(r"^\w+ /ui/stores"), "from the stores page"),
    (re.compile(r"^\w+ /ui/settings/members"), "from the members page"),
    (re.compile(r"^\w+ /ui/settings/roles"), "from the roles page"),
    (re.compile(r"^\w+ /ui/settings/tokens"), "from the tokens page"),
    (re.compile(r"^\w+ /ui/settings/people"), "from the people page"),
    (re.compile(r"^\w+ /ui/settings"), "from the settings page"),
    (re.compile(r"^\w+ /ui/flags"), "from the flags page"),
    (re.compile(r"^\w+ /ui/dead-letters"), "from the dead letters page"),
    (re.compile(r"^\w+ /ui/(?P<page>[a-z-]+)"), "from the {page} page"),
    (re.compile(r"^\w+ /sign-in"), "from the sign-in page"),
    (re.compile(r"^\w+ /setup"), "from the set-up page"),
    (re.compile(r"^\w+ /"), "over the API"),
)
_CRITICAL = ("flags.stopped", "audit.old_records_deleted", "access.person_removed")
_HIGH = ("key", "token", "role", "person", "password", "connect", "oauth", "secret", "member", "invitation", "discard", "flags.")


def sentence(record: Record) -> str:
    """Such as: Mira rotated the key of the store outdoor, from the settings page."""
    said = f"{record.actor.name} {_phrase(record)}"
    place = place_of(record)
    return f"{said}, {place}" if place else said


def _phrase(record: Record) -> str:
    if record.outcome == "refused":
        phrase = _REFUSED.get(record.action) or _act(record.action) + " in vain"
        why = _CODES.get(str(record.after.get("code")), "")
        place = record.via if record.via and record.count == 1 else record.target  # of many alike, what they have in common
        at = f" at {place}" if record.action == "access.refused" else ""
        times = f", {record.count:,} times" if record.count > 1 else ""
        return f"{phrase}{at}{' ' + why if why else ''}{times}"
    if record.action == "flags.flag_set":
        where = f" in the store {record.store_id}" if record.store_id else ""
        return f"set the flag of {record.after.get('metric')} from {_flag(record.before)} to {_flag(record.after)}{where}"
    if record.action in _OF_PEOPLE and (email := record.after.get("email") or record.before.get("email")):
        roles = {"role": record.after.get("role", "one"), "former": record.before.get("role", "another")}
        place = f"the store {record.store_id}" if record.store_id else "the installation"
        return _OF_PEOPLE[record.action].format(email=email, place=place, **roles)
    phrase = _DONE.get(record.action) or _ABOUT_EVERYTHING.get(record.action) or _act(record.action)
    about = _about(record)
    return f"{phrase}{' ' + about if about else ''}"


def _flag(values: Mapping[str, Any]) -> str:
    mode = str(values.get("mode", "not set")).replace("_", " ")
    return f"{values['percentage']} % of the profiles" if "percentage" in values else mode


def _act(action: str) -> str:
    """``connections.key_rotated`` reads: rotated the key."""
    thing, _, verb = action.partition(".")[2].rpartition("_")
    return f"{verb} the {thing.replace('_', ' ')}" if thing else verb or action


def _about(record: Record) -> str:
    if record.action in _ABOUT_EVERYTHING:
        return f"for the store {record.store_id}" if record.store_id else "for every store"
    if record.target == f"store/{record.store_id}" and record.action.startswith("connections.store_"):
        return str(record.store_id)
    name = record.after.get("name") or record.before.get("name") or record.after.get("metric") or record.before.get("metric")
    if name:
        return f"“{name}”" + (f" in the store {record.store_id}" if record.store_id else "")
    return f"of the store {record.store_id}" if record.store_id else ""


def place_of(record: Record) -> str:
    """Where it was done from; empty where that is not known or goes without saying."""
    if record.actor.kind == "command" or not record.via:
        return ""
    for pattern, words in _PLACES:
        found = pattern.search(record.via)
        if found:
            return words.format(**found.groupdict())
    return ""


def risk_of(action: str, outcome: str) -> Risk:
    """How much somebody should care: what opens doors is high, what stops or erases is critical."""
    if action in _CRITICAL:
        return "critical"
    if outcome == "refused":
        return "medium"
    return "high" if any(word in action for word in _HIGH) else "low"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Name, value before and value after of everything that differs."""
    names = sorted({*before, *after})
    return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]
