"""Many rows in one statement, and rows as the driver has them.

A driver lets go of the interpreter at each statement, and SQLite then works beside Python instead of in its place; on
PostgreSQL a statement is a round trip. SQLAlchemy's own way costs more per row than either database does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Connection, Dialect, Insert, Table, Update, literal_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.types import TypeEngine

MOST_PARAMETERS = 32_000
"""SQLite takes 32,766 in one statement, PostgreSQL 65,535."""

Row = dict[str, Any]
Query: TypeAlias = TypedReturnsRows[*tuple[Any, ...]]
_Encoder = Callable[[Any], Any] | None


class Given:
    """The rows that a statement is given, as a table of their own with these columns."""

    def __init__(self, **types: TypeEngine[Any]) -> None:
        self.types = types

    def __getattr__(self, name: str) -> ColumnElement[Any]:
        position = list(self.types).index(name) + 1
        return literal_column(f"given.column{position}", self.types[name])


def fetch_rows(connection: Connection, query: Query, values: Row) -> list[tuple[Any, ...]]:
    """All rows of a query, as the driver has them: for what is asked about every interaction.

    Of a connection that broke SQLAlchemy hears, which replaces all that are as old.
    """
    question, cursor = _question(connection.dialect, query), connection.connection.cursor()
    try:
        cursor.execute(question.before, tuple(question.values([values])))
        return cast("list[tuple[Any, ...]]", cursor.fetchall())
    except connection.dialect.loaded_dbapi.OperationalError as error:
        if connection.dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor):
            connection.execute(query, values)
        raise


@dataclass(frozen=True, slots=True)
class Prepared:
    """Statements with their rows as the driver takes them: encoding takes time, for which nobody should wait."""

    parts: Sequence[tuple[str, tuple[Any, ...]]]

    @property
    def is_one(self) -> bool:
        """Whether it is a single statement."""
        return len(self.parts) == 1

    def carry_out(self, connection: Connection) -> int:
        """How many rows of the table were inserted or changed."""
        return sum(connection.exec_driver_sql(words, values).rowcount for words, values in self.parts)


def prepared_insert(dialect: Dialect, statement: Insert, rows: Sequence[Row]) -> Prepared:
    """An insert of the rows."""
    return _prepared(_insertion(dialect, statement), rows)


def prepared_update(dialect: Dialect, statement: Update, given: Given, rows: Sequence[Row]) -> Prepared:
    """An update that refers to the `given` rows."""
    return _prepared(_updating(dialect, statement, given), rows)


def insert_rows(connection: Connection, statement: Insert, rows: Sequence[Row]) -> int:
    """Insert the rows; how many rows of the table were inserted or changed."""
    return prepared_insert(connection.dialect, statement, rows).carry_out(connection)


def load_rows(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    """Add rows that are not there yet, each with the values of all columns, as a driver takes them.

    For thousands of rows: so many parameters would keep PostgreSQL's driver busier than the rows do the database.
    """
    names = ", ".join(column.name for column in table.c)
    if connection.dialect.name == "postgresql":
        cursor: Any = connection.connection.cursor()
        with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    start = 0
    while left := len(rows) - start:
        count = _power_of_two(min(left, MOST_PARAMETERS // len(table.c)))
        marks = ", ".join([f"({', '.join('?' * len(table.c))})"] * count)
        values = tuple(chain.from_iterable(rows[start : start + count]))
        connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES {marks}", values)  # noqa: S608 - our names
        start += count


def _power_of_two(most: int) -> int:
    """So many rows at once: words that SQLite has read before take a third of the time."""
    return 1 << most.bit_length() - 1


def update_rows(connection: Connection, statement: Update, given: Given, rows: Sequence[Row]) -> int:
    """Carry out an update that refers to the `given` rows; how many rows of the table it met."""
    return prepared_update(connection.dialect, statement, given, rows).carry_out(connection)


@dataclass(frozen=True, slots=True)
class _Statement:
    """The words before and after the rows, and how each value of a row is made ready for the driver."""

    before: str
    after: str
    columns: tuple[tuple[str, _Encoder], ...]
    constants: Row
    first: str
    others: str

    def text(self, count: int) -> str:
        rows = ", ".join([self.first, *[self.others] * (count - 1)])
        return f"{self.before}{rows}{self.after}"

    def values(self, rows: Sequence[Row]) -> Iterator[Any]:
        for row in rows:
            told = self.constants | row
            for name, encode in self.columns:
                yield told[name] if encode is None else encode(told[name])


def _prepared(statement: _Statement, rows: Sequence[Row]) -> Prepared:
    most = MOST_PARAMETERS // len(statement.columns)
    parts = (rows[start : start + most] for start in range(0, len(rows), most))
    return Prepared([(statement.text(len(part)), tuple(statement.values(part))) for part in parts])


@lru_cache(maxsize=64)
def _question(dialect: Dialect, query: Query) -> _Statement:
    compiled = query.compile(dialect=_positional(dialect))
    return _Statement(compiled.string, "", *_parameters(compiled, dialect), "", "")


@lru_cache(maxsize=64)
def _insertion(dialect: Dialect, statement: Insert) -> _Statement:
    compiled = statement.compile(dialect=_positional(dialect))
    before, values, after = compiled.string.partition(" VALUES ")
    row, closed, after = after.partition(")")
    return _Statement(before + values, after, *_parameters(compiled, dialect), row + closed, row + closed)


@lru_cache(maxsize=64)
def _updating(dialect: Dialect, statement: Update, given: Given) -> _Statement:
    compiled = statement.compile(dialect=_positional(dialect), compile_kwargs={"literal_binds": True})
    what, _, which = compiled.string.partition(" WHERE ")
    columns = tuple((name, _encoder(type, dialect)) for name, type in given.types.items())
    others = f"({', '.join([_mark(dialect)] * len(columns))})"
    first = others
    if dialect.name == "postgresql":
        # The first row tells the types of all.
        names = (dialect.type_compiler_instance.process(type.dialect_impl(dialect)) for type in given.types.values())
        first = f"({', '.join(f'{_mark(dialect)}::{name}' for name in names)})"
    return _Statement(f"{what} FROM (VALUES ", f") AS given WHERE {which}", columns, {}, first, others)


def _parameters(compiled: SQLCompiler, dialect: Dialect) -> tuple[tuple[tuple[str, _Encoder], ...], Row]:
    """The parameters in their order, and the values of those that are always the same."""
    encoders = {name: _encoder(bound.type, dialect) for bound, name in compiled.bind_names.items()}
    constants = {name: bound.value for bound, name in compiled.bind_names.items() if not bound.required}
    return tuple((name, encoders[name]) for name in compiled.positiontup or ()), constants


@lru_cache(maxsize=8)
def _positional(dialect: Dialect) -> Dialect:
    """The same dialect with parameters that go by their place."""
    anew: Any = type(dialect)
    return dialect if dialect.positional else anew(paramstyle="format")


def _mark(dialect: Dialect) -> str:
    return "?" if dialect.name == "sqlite" else "%s"


def _encoder(type: TypeEngine[Any], dialect: Dialect) -> _Encoder:
    return type.dialect_impl(dialect).bind_processor(dialect)
