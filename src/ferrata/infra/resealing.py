"""After a change of the master key: encrypts what rooms have sealed with the current one, and tells what is sealed with which."""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Row, Text, select, update

from ferrata.infra.crypto import SecretBox

_SEALED = re.compile(r"\bv1\.([0-9a-f]{8})\.")


def reseal_column(connection: Connection, box: SecretBox, column: Column[Any], row_of: Callable[[Row[Any]], str]) -> int:
    """Each secret of a column that holds one a row, bound to the row named by ``row_of``; how many were not current.

    Raises:
        Undecryptable: one was sealed with a master key that is not given any more.
    """
    return _reseal(connection, column, lambda row: box.resealed(getattr(row, column.name), row=row_of(row)))


def reseal_documents(connection: Connection, box: SecretBox, column: Column[Any], row_of: Callable[[Row[Any], str], str]) -> int:
    """The same for a column of JSON objects whose values are secrets; ``row_of`` is given the name of each."""

    def fresh(row: Row[Any]) -> str | None:
        sealed: dict[str, str] = json.loads(getattr(row, column.name))
        changed = {name: box.resealed(each, row=row_of(row, name)) for name, each in sealed.items()}
        if not any(changed.values()):
            return None
        return json.dumps(sealed | {name: each for name, each in changed.items() if each})

    return _reseal(connection, column, fresh)


def _reseal(connection: Connection, column: Column[Any], fresh: Callable[[Row[Any]], str | None]) -> int:
    table, count = column.table, 0
    for row in connection.execute(select(table)).all():
        sealed = fresh(row)
        if sealed is None:
            continue
        mine = [key == getattr(row, key.name) for key in table.primary_key]
        unchanged = column == getattr(row, column.name)
        count += connection.execute(update(table).where(*mine, unchanged).values({column.name: sealed})).rowcount
    return count


def sealed_by_key(connection: Connection, tables: MetaData) -> Counter[str]:
    """How many secrets there are under each master key's id, in every column that is named for holding sealed ones."""
    found: Counter[str] = Counter()
    for table in tables.sorted_tables:
        for column in table.columns:
            if column.name.startswith("sealed") and isinstance(column.type, Text):
                for (text,) in connection.execute(select(column).where(column.is_not(None))):
                    found.update(_SEALED.findall(text))
    return found
