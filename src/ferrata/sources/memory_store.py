"""Keeps what messages have taught, and recalls it for those that ask: see ``contract.Learned``."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, or_, select

from ferrata.infra.database.prepared import UPSERTS
from ferrata.sources.contract import REMEMBERED, Learned, LookedUp, Lookup
from ferrata.sources.memory_models import source_memory


def learn(connection: Connection, store_id: str, kind: str, learned: Iterable[Learned]) -> None:
    """Keep these, inside the caller's transaction. What is known already and newer stays."""
    latest: dict[str, Learned] = {}
    for each in learned:
        if each.key not in latest or latest[each.key].at <= each.at:
            latest[each.key] = each
    if not latest:
        return
    statement = UPSERTS[connection.dialect.name](source_memory)
    names = ("store_id", "kind", "key", "value", "at")
    adding = statement.values({name: bindparam(name) for name in names}).on_conflict_do_update(
        index_elements=["store_id", "kind", "key"],
        set_={"value": statement.excluded.value, "at": statement.excluded.at},
        where=source_memory.c.at <= statement.excluded.at,
    )
    # In one order, so that two transactions wait for each other and never in a ring.
    rows = [
        {"store_id": store_id, "kind": kind, "key": key, "value": latest[key].value, "at": latest[key].at}
        for key in sorted(latest)
    ]
    connection.execute(adding, rows)


def recall(connection: Connection, store_id: str, kind: str, lookups: Sequence[Lookup]) -> LookedUp:
    """The answers to those lookups that ask for something remembered: its value, or None."""
    keys = [lookup.key for lookup in lookups if lookup.what == REMEMBERED]
    if not keys:
        return {}
    memory = source_memory.c
    query = select(memory.key, memory.value).where(memory.store_id == store_id, memory.kind == kind, memory.key.in_(keys))
    known = {row.key: row.value for row in connection.execute(query)}
    return {Lookup(REMEMBERED, key): known.get(key) for key in keys}


def about(connection: Connection, store_id: str, known: Collection[str]) -> list[tuple[str, str, str]]:
    """Kind, key and value of what tells of somebody: it has one of these as its value or at the end of its key."""
    memory = source_memory.c
    keyed = [memory.key.endswith(f":{each}", autoescape=True) for each in known]
    query = select(memory.kind, memory.key, memory.value).where(memory.store_id == store_id, or_(memory.value.in_(known), *keyed))
    return [(kind, key, value) for kind, key, value in connection.execute(query)]


def forget(connection: Connection, store_id: str, kind: str, keys: Sequence[str]) -> int:
    memory = source_memory.c
    mine = (memory.store_id == store_id, memory.kind == kind, memory.key.in_(keys))
    return connection.execute(delete(source_memory).where(*mine)).rowcount


def forget_before(connection: Connection, before: datetime) -> int:
    """Delete what nobody has told again since then."""
    return connection.execute(delete(source_memory).where(source_memory.c.at < before)).rowcount
