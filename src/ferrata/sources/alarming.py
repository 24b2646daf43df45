"""Tells people that a source fails: that it refused messages, cannot be read, or gets nothing but what proves nothing.

Nobody from outside may alarm anybody: what does not prove where it comes from never counts as refused by the source.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from ferrata.infra.incidents import Condition, clear_alert, open_incidents, opened_since, raise_alert
from ferrata.sources import store
from ferrata.sources.schemas import LineKey

KIND, UNVERIFIED = "source.failing", "source.unverified"
API, QUEUE = "API", "queue"
CANNOT_READ_FOR = timedelta(minutes=15)
MANY_UNVERIFIED = 10
UNVERIFIED_WITHIN = timedelta(hours=1)
TOLD_ONCE_IN = timedelta(days=1)


def look(connection: Connection, line: LineKey, now: datetime) -> None:
    """Raise or clear the alert, by what is refused now. What names no store is nobody's alert."""
    if not line.store_id:
        return
    condition = Condition(KIND, line.store_id, line.kind)
    count = store.count_refused(connection, line)
    if not count:
        clear_alert(connection, condition, now=now, ending="Every refused message was mapped again or discarded.")
        return
    words = "1 message is" if count == 1 else f"{count:,} messages are"
    raise_alert(
        connection,
        condition,
        f"{words} refused by the source {line.kind}",
        now=now,
        detail=f"They are kept with their bytes and the reason. See /ui/sources/{line.kind}?state=refused",
    )


def cannot_read(connection: Connection, line: LineKey, what: str, *, since: datetime, reason: str, now: datetime) -> None:
    """Say that the API or a queue of a source has given nothing but errors ``since`` then."""
    minutes = int((now - since).total_seconds() // 60)
    condition, detail = (
        unread(line, what),
        f"For {minutes} minutes at least: {reason} What waits there is read as soon as it answers.",
    )
    raise_alert(
        connection, condition, f"The {what} of the source {line.kind} cannot be read", now=now, detail=detail, severity="critical"
    )


def reads_again(connection: Connection, line: LineKey, what: str, now: datetime) -> None:
    ending = f"The {what} of the source {line.kind} answers again, or the source was switched off."
    clear_alert(connection, unread(line, what), now=now, ending=ending)


def unread(line: LineKey, what: str) -> Condition:
    return Condition(KIND, line.store_id, f"{line.kind} {what}")


def look_at_unverified(connection: Connection, line: LineKey, now: datetime) -> None:
    """Of a source that is set up: many deliveries that prove nothing, and none that does, as after a change of its secret.

    It is over with the first one that proves itself, or after a day without any. It begins once a day at most.
    """
    condition = Condition(UNVERIFIED, line.store_id, line.kind)
    proven = store.last_proven_at(connection, line)
    going = next((each for each in open_incidents(connection, UNVERIFIED) if each.condition == condition), None)
    if going:
        if (proven and proven > going.opened_at) or not store.count_unproven(connection, line, now - TOLD_ONCE_IN):
            clear_alert(
                connection, condition, now=now, ending=f"The source {line.kind} gets what proves itself, or nothing any more."
            )
        return
    since = max(now - UNVERIFIED_WITHIN, proven) if proven else now - UNVERIFIED_WITHIN
    count = store.count_unproven(connection, line, since)
    if count < MANY_UNVERIFIED or opened_since(connection, condition, now - TOLD_ONCE_IN):
        return
    detail = (
        f"{MANY_UNVERIFIED} or more came within an hour, and none that does. Was its secret changed at the other side? Or "
        f"somebody else sends them. They are kept: /ui/sources/{line.kind}?state=refused"
    )
    raise_alert(
        connection, condition, f"What comes to the source {line.kind} does not prove where it comes from", now=now, detail=detail
    )


def end_all(connection: Connection, line: LineKey, now: datetime) -> None:
    """Of a source that is switched off, or set up no more: nothing of it is read or expected."""
    for what in (API, QUEUE):
        reads_again(connection, line, what, now)
    clear_alert(connection, Condition(UNVERIFIED, line.store_id, line.kind), now=now, ending="The source was switched off.")
