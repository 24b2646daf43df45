"""Tells people that a source has refused messages, for as long as there are any: in the transaction in which that changes."""

from datetime import datetime

from sqlalchemy import Connection

from ferrata.infra.incidents import Condition, clear_alert, raise_alert
from ferrata.sources import store
from ferrata.sources.schemas import LineKey, State, Wanted

KIND = "source.failing"


def look(connection: Connection, line: LineKey, now: datetime) -> None:
    """Raise or clear the alert, by what is refused now. What names no store is nobody's alert."""
    if not line.store_id:
        return
    condition = Condition(KIND, line.store_id, line.kind)
    count = store.count(connection, Wanted(store_id=line.store_id, kind=line.kind, states=(State.REFUSED,)))
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
