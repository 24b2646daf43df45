"""Statements that run for every event: compiled once per engine, then handed to the driver as they are.

Measured, to execute a statement through SQLAlchemy costs several times what SQLite needs to carry it out: it looks for the
compiled text again, and goes over every parameter of every row. Here that is done once, and a row is a tuple.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Insert,
    Integer,
    Select,
    String,
    Text,
    bindparam,
    cast,
    column,
    func,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from ferrata.infra.database.many_rows import AsJson, as_json, texts_of_many

Row = tuple[Any, ...]
Convert = Callable[[Any], Any]
_DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": PGDialect_psycopg(paramstyle="format"),  # type: ignore[no-untyped-call]  # SQLAlchemy has no types there
}
UPSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""The ``insert`` of each engine that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement for one engine: its text, and how a row of values becomes the driver's parameters."""

    text: str
    converts: tuple[tuple[int, Convert], ...]
    constants: Row
    arrange: Callable[[Row], Row]
    reads: tuple[tuple[int, Convert], ...]
    texts_of_many: tuple[tuple[int, str], ...]
    as_json: AsJson | None

    def parameters(self, values: Row) -> Row:
        return self.arrange((*self.converted(values), *self.constants))

    def converted(self, values: Row) -> Sequence[Any]:
        if not self.converts:
            return values
        converted = list(values)
        for index, convert in self.converts:
            converted[index] = convert(converted[index])
        return converted

    def read(self, row: Sequence[Any]) -> Row:
        if not self.reads:
            return tuple(row)
        values = list(row)
        for index, convert in self.reads:
            values[index] = convert(values[index])
        return tuple(values)


class Prepared:
    """``names`` are those of the statement's parameters, in the order in which each row gives their values.

    ``statement`` is one for both engines, or one by the name of each. It has no expanding parameters: see ``one_of``.
    """

    def __init__(self, statement: Executable | Mapping[str, Executable], names: Sequence[str]) -> None:
        self._statements = statement if isinstance(statement, Mapping) else dict.fromkeys(_DIALECTS, statement)
        self._names = tuple(names)
        self._ready: dict[str, _Ready] = {}

    def many(self, connection: Connection, rows: Iterable[Row]) -> int:
        """Run it for each row; returns how many rows of the table were written."""
        ready = self._for(connection)
        written = 0
        if ready.as_json:
            for piece in ready.as_json.pieces([ready.converted(row) for row in rows]):
                written += connection.exec_driver_sql(ready.as_json.text, (*ready.constants, piece)).rowcount
            return written
        parameters = [ready.parameters(row) for row in rows]
        for size, text in ready.texts_of_many:
            while len(parameters) >= size:
                together, parameters = parameters[:size], parameters[size:]
                written += connection.exec_driver_sql(text, tuple(chain.from_iterable(together))).rowcount
        return written + (connection.exec_driver_sql(ready.text, parameters).rowcount if parameters else 0)

    def run(self, connection: Connection, *values: Any) -> int:
        """Run it once; returns how many rows were written."""
        ready = self._for(connection)
        return connection.exec_driver_sql(ready.text, ready.parameters(values)).rowcount

    def rows(self, connection: Connection, *values: Any) -> list[Row]:
        """What it selects."""
        ready = self._for(connection)
        return [ready.read(row) for row in connection.exec_driver_sql(ready.text, ready.parameters(values)).all()]

    def _for(self, connection: Connection) -> _Ready:
        name = connection.dialect.name
        ready = self._ready.get(name)
        if ready is None:
            ready = self._ready[name] = _prepare(self._statements[name], self._names, _DIALECTS[name])
        return ready


def _prepare(statement: Any, names: tuple[str, ...], dialect: Dialect) -> _Ready:
    compiled: SQLCompiler = statement.compile(dialect=dialect, column_keys=None)
    order = compiled.positiontup or []
    converts = {name: bind.type.bind_processor(dialect) for name, bind in compiled.binds.items()}
    fixed = [name for name in dict.fromkeys(order) if name not in names]
    constants = tuple(_converted(compiled.params[name], converts[name]) for name in fixed)
    place = {name: index for index, name in enumerate((*names, *fixed))}
    reads = statement.selected_columns if isinstance(statement, Select) else ()
    text, is_insert = str(compiled), isinstance(statement, Insert)
    types = {name: bind.type for name, bind in compiled.binds.items()}
    return _Ready(
        text=text,
        converts=_numbered(converts.get(name) for name in names),
        constants=constants,
        arrange=_arrangement([place[name] for name in order], len(place)),
        reads=_numbered(each.type.result_processor(dialect, None) for each in reads),
        texts_of_many=texts_of_many(text) if is_insert and dialect.name == "sqlite" else (),
        as_json=as_json(text, order, names, types, dialect) if is_insert and dialect.name == "postgresql" else None,
    )


def _converted(value: Any, convert: Convert | None) -> Any:
    return convert(value) if convert else value


def _numbered(converts: Iterable[Convert | None]) -> tuple[tuple[int, Convert], ...]:
    return tuple((index, convert) for index, convert in enumerate(converts) if convert)


def _arrangement(order: list[int], width: int) -> Callable[[Row], Row]:
    if order == list(range(width)):
        return tuple
    if len(order) == 1:
        return lambda row: (row[order[0]],)
    return itemgetter(*order)


class Texts(TypeDecorator[list[str]]):
    """A list of texts as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(String()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        texts = list(value or ())
        return texts if dialect.name == "postgresql" else msgspec.json.encode(texts).decode()


class _Listed(FunctionElement[str]):
    """The texts of a list, as a subquery."""

    type = String()
    inherit_cache = True


@compiles(_Listed, "postgresql")
def _of_array(element: _Listed, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **options)}))"


@compiles(_Listed, "sqlite")
def _of_json(element: _Listed, compiler: SQLCompiler, **options: Any) -> str:
    parameter = compiler.process(element.clauses, **options)
    return f"(SELECT value FROM json_each({parameter}))"  # noqa: S608 - a placeholder, not a value


def one_of(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a column's text is in the list that the parameter ``name`` holds: one text of SQL, however long the list."""
    return column.bool_op("IN")(_Listed(bindparam(name, type_=Texts())))


def in_order(name: str, engine: str) -> tuple[ColumnElement[str], ColumnElement[int]]:
    """The texts of the list that the parameter ``name`` holds, and the place of each, from 0: columns of a table to join with."""
    texts = bindparam(name, type_=Texts())
    if engine == "sqlite":
        listed = func.json_each(texts).table_valued(column("key", Integer), column("value", String))
        return listed.c.value, listed.c.key
    listed = func.unnest(texts).table_valued(column("value", String), with_ordinality="place").render_derived()
    return listed.c.value, cast(listed.c.place, Integer) - 1
