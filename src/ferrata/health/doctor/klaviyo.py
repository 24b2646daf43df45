"""Klaviyo: that it can be reached, what time it has, and what each store's key may do there."""

from collections.abc import AsyncIterator
from datetime import datetime
from email.utils import parsedate_to_datetime

from ferrata.connections.schemas import Held, Status
from ferrata.connections.service import INDISPENSABLE, Connections, find_scopes, missing, what_is_missing
from ferrata.health.doctor.findings import Finding, ok, problem, unknown, warning
from ferrata.infra.crypto import Undecryptable
from ferrata.kit.clock import Clock
from ferrata.klaviyo import Answer, Klaviyo, NoAnswer

MOST_SKEW_SECONDS = 30.0


async def klaviyo(connections: Connections, clock: Clock) -> AsyncIterator[Finding]:
    """Store by store; the clock once."""
    told_time = False
    for store in await connections.stores():
        name = f"klaviyo.{store.id}"
        connection = await connections.connection(store.id)
        if connection.status is Status.NOT_CONFIGURED:
            yield warning(
                name,
                "No key is set.",
                "Events are accepted and wait; nothing is delivered.",
                f"`ferrata connections set-key --store {store.id}`, or Settings, Connection.",
            )
            continue
        try:
            credential = await connections.credential(store.id)
        except Undecryptable:
            credential = None
        if credential is None:
            yield problem(
                name,
                "The key does not decrypt.",
                "It was encrypted with another master key; nothing is delivered.",
                "Give the former FERRATA_MASTER_KEY back, behind the new one, or set the key again.",
            )
            continue
        client = connections.client(credential)
        answer = await client.request("GET /api/accounts")
        yield _reached(name, answer, connection.account_name)
        if isinstance(answer, Answer) and not told_time:
            told_time = True
            yield _time(answer, clock.now())
        if isinstance(answer, Answer) and answer.status in (200, 403):
            yield await _rights(name, client, Held.PRESENT if answer.status == 200 else Held.MISSING)


def _reached(name: str, answer: Answer | NoAnswer, account: str | None) -> Finding:
    if isinstance(answer, NoAnswer):
        return problem(
            name,
            f"Klaviyo cannot be reached: {answer.reason}.",
            "Events are accepted and wait.",
            "Look at the network, the proxy and FERRATA_KLAVIYO_CA_FILE from this machine.",
        )
    if answer.status == 401:
        return problem(
            name,
            "Klaviyo refuses the key (401).",
            "Events are accepted and wait.",
            "Set one that works: `ferrata connections set-key`.",
        )
    if answer.status in (200, 403):
        return ok(
            name, f"Klaviyo answers in {answer.duration_ms:.0f} ms and knows the key" + (f" of {account}." if account else ".")
        )
    return warning(
        name,
        f"Klaviyo answers {answer.status}.",
        "It is not well at the moment, or asks to wait. Events wait.",
        "Wait, look again.",
    )


def _time(answer: Answer, now: datetime) -> Finding:
    name = "clock.klaviyo"
    try:
        ahead = (now - parsedate_to_datetime(answer.headers["date"])).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):  # none, or one without a zone
        return unknown(name, "Klaviyo's answer carries no time.")
    if abs(ahead) <= MOST_SKEW_SECONDS:
        return ok(name, "This clock agrees with Klaviyo's.")
    return warning(
        name,
        f"This clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Klaviyo's.",
        "Events without a time of their own get a wrong one.",
        "Let this machine keep time (NTP, chrony).",
    )


async def _rights(name: str, client: Klaviyo, knows_account: Held) -> Finding:
    """``knows_account``: what the first answer has shown. Klaviyo takes that question once a second, so it is not put again."""
    name = f"{name}.scopes"
    found = await find_scopes(client, {"accounts:read": knows_account})
    lacking, unclear = missing(found), [scope for scope, held in found.items() if held is Held.UNKNOWN]
    if not lacking:
        said = f" Klaviyo did not say whether it has {', '.join(unclear)}." if unclear else ""
        return ok(name, f"The key has {', '.join(scope for scope in found if scope not in unclear)}.{said}")
    undelivered = INDISPENSABLE & set(lacking)
    make = problem if undelivered else warning
    return make(
        name,
        f"The key lacks {', '.join(lacking)}.",
        "Events cannot be delivered." if undelivered else (what_is_missing(found) or ""),
        "Make a key in Klaviyo (Settings, API keys) with these scopes, and replace it: `ferrata connections rotate-key`.",
    )
