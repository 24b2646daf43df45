"""Counters of what came and what became of it, by hour: each transaction adds its own."""

from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.sources.models import source_hours
from ferrata.sources.schemas import Counts, LineKey

_NAMES = Counts.__struct_fields__


def add(connection: Connection, line: LineKey, more: Counts, *, worker: str, now: datetime) -> None:
    values = {name: count for name, count in msgspec.structs.asdict(more).items() if count}
    if not values:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    hour = now.replace(minute=0, second=0, microsecond=0)
    row = dialect.insert(source_hours).values(store_id=line.store_id, kind=line.kind, hour=hour, worker=worker, **values)
    added = {name: source_hours.c[name] + row.excluded[name] for name in values}
    connection.execute(row.on_conflict_do_update(index_elements=["store_id", "kind", "hour", "worker"], set_=added))


def since(connection: Connection, line: LineKey, since: datetime) -> Counts:
    """The sums over the hours from that instant on, the hour that holds it included."""
    sums = [func.coalesce(func.sum(source_hours.c[name]), 0) for name in _NAMES]
    of = (source_hours.c.store_id == line.store_id, source_hours.c.kind == line.kind)
    hour = since.replace(minute=0, second=0, microsecond=0)
    return Counts(*connection.execute(select(*sums).where(*of, source_hours.c.hour >= hour)).one())


def in_all(connection: Connection) -> dict[LineKey, Counts]:
    """The sums of every line since it was set up."""
    sums = [func.sum(source_hours.c[name]) for name in _NAMES]
    lines = (source_hours.c.store_id, source_hours.c.kind)
    rows = connection.execute(select(*lines, *sums).group_by(*lines))
    return {LineKey(store_id, kind): Counts(*map(int, found)) for store_id, kind, *found in rows}
