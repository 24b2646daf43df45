"""Counters by minute, written a row per process: what is old is folded into one row a day, so that sums stay what they are."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Integer, Table, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

FOLDED = "folded"
"""Stands where the process's name does."""


def fold_one_day(connection: Connection, table: Table, store_id: str, before: datetime) -> bool:
    """Fold the store's oldest day that is not folded yet and ended before ``before`` (a midnight); False if there is none.

    ``table`` has the key ``store_id, minute, worker`` and otherwise integer columns that may be added up.
    """
    loose = (table.c.store_id == store_id, table.c.worker != FOLDED)
    oldest = connection.execute(select(func.min(table.c.minute)).where(*loose, table.c.minute < before)).scalar_one()
    if oldest is None:
        return False
    day = oldest.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    of_day = (*loose, table.c.minute >= day, table.c.minute < day + timedelta(days=1))
    names = [column.name for column in table.c if isinstance(column.type, Integer)]
    sums = connection.execute(select(*(func.sum(table.c[name]) for name in names)).where(*of_day)).one()
    connection.execute(delete(table).where(*of_day))
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = dialect.insert(table).values(store_id=store_id, minute=day, worker=FOLDED, **dict(zip(names, sums, strict=True)))
    added = {name: table.c[name] + row.excluded[name] for name in names}
    connection.execute(row.on_conflict_do_update(index_elements=["store_id", "minute", "worker"], set_=added))
    return True
