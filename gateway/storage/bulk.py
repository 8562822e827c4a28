"""Many rows in one statement, and rows as the driver has them.

A driver lets go of the interpreter at each statement, and SQLite then works beside Python instead of in its place; on
PostgreSQL a statement is a round trip. SQLAlchemy's own way costs more per row than either database does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Dialect, Insert, Table, Update, literal_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.types import TypeEngine

from gateway.storage.columns import Encoded

MOST_PARAMETERS = 32_000
"""SQLite takes 32,766 in one statement, PostgreSQL 65,535."""

Row = Mapping[str, Any]
Query: TypeAlias = TypedReturnsRows[*tuple[Any, ...]]
_Conversion = Callable[[Any], Any] | None


class Given:
    """The rows that a statement is given, as a table of their own with these columns."""

    def __init__(self, **types: TypeEngine[Any]) -> None:
        self.types = types

    def __getattr__(self, name: str) -> ColumnElement[Any]:
        position = list(self.types).index(name) + 1
        return literal_column(f"given.column{position}", self.types[name])


def fetch_rows(connection: Connection, query: Query, values: Row) -> Sequence[tuple[Any, ...]]:
    """All rows of a query: for what is asked about every interaction.

    Of a connection that broke SQLAlchemy hears, which replaces all that are as old.
    """
    question, cursor = _question(connection.dialect, query), connection.connection.cursor()
    try:
        cursor.execute(question.statement.before, question.statement.values((), values))
        return _decoded(cursor.fetchall(), question.decoders)
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
    return _prepared(_insertion(dialect, statement), rows, {})


def prepared_update(
    dialect: Dialect, statement: Update, given: Given, rows: Sequence[Row], shared: Row | None = None
) -> Prepared:
    """An update that refers to the `given` rows, and for all of them to the `shared` values."""
    return _prepared(_updating(dialect, statement, given), rows, shared or {})


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
    """The words before and after the rows, with the names of their parameters and those of each row.

    `constants` are ready for the driver; what makes other values so, is in `encoders`.
    """

    before: str
    after: str
    names_before: Sequence[str]
    names: Sequence[str]
    names_after: Sequence[str]
    encoders: Mapping[str, _Conversion]
    constants: Row
    first: str = ""
    others: str = ""

    def text(self, count: int) -> str:
        rows = ", ".join([self.first, *[self.others] * (count - 1)])
        return f"{self.before}{rows}{self.after}"

    def values(self, rows: Sequence[Row], shared: Row) -> tuple[Any, ...]:
        """All parameters. Those of the rows are made column by column: so each value takes the fewest steps."""
        same = {name: _converted([value], self.encoders[name])[0] for name, value in shared.items()}
        same |= self.constants
        told = {
            name: _converted([row[name] for row in rows], encode)
            for name, encode in self.encoders.items()
            if name not in same
        }
        columns = [told[name] if name in told else repeat(same[name], len(rows)) for name in self.names]
        before, after = ([same[name] for name in names] for names in (self.names_before, self.names_after))
        return (*before, *chain.from_iterable(zip(*columns, strict=True)), *after)


def _converted(values: Sequence[Any], convert: _Conversion) -> Sequence[Any]:
    return values if convert is None else [None if value is None else convert(value) for value in values]


def _decoded(rows: Sequence[tuple[Any, ...]], decoders: Sequence[_Conversion]) -> Sequence[tuple[Any, ...]]:
    if not any(decoders):
        return rows
    columns = zip(zip(*rows, strict=True), decoders, strict=bool(rows))
    return list(zip(*[_converted(column, decode) for column, decode in columns], strict=True))


def _prepared(statement: _Statement, rows: Sequence[Row], shared: Row) -> Prepared:
    further = len(statement.names_before) + len(statement.names_after)
    most = (MOST_PARAMETERS - further) // len(statement.names)
    parts = (rows[start : start + most] for start in range(0, len(rows), most))
    return Prepared([(statement.text(len(part)), statement.values(part, shared)) for part in parts])


@dataclass(frozen=True, slots=True)
class _Question:
    """A statement without rows, and what makes values of the columns that it answers with."""

    statement: _Statement
    decoders: Sequence[_Conversion]


@lru_cache(maxsize=64)
def _question(dialect: Dialect, query: Query) -> _Question:
    compiled = query.compile(dialect=_positional(dialect))
    decoders = [_decoder(column.type, dialect) for column in query.exported_columns]
    return _Question(
        _Statement(compiled.string, "", _places(compiled), (), (), *_parameters(compiled, dialect)), decoders
    )


@lru_cache(maxsize=64)
def _insertion(dialect: Dialect, statement: Insert) -> _Statement:
    compiled = statement.compile(dialect=_positional(dialect))
    before, values, after = compiled.string.partition(" VALUES ")
    row, closed, after = after.partition(")")
    told = ((), _places(compiled), (), *_parameters(compiled, dialect))
    return _Statement(before + values, after, *told, row + closed, row + closed)


@lru_cache(maxsize=64)
def _updating(dialect: Dialect, statement: Update, given: Given) -> _Statement:
    compiled = statement.compile(dialect=_positional(dialect))
    what, _, which = compiled.string.partition(" WHERE ")
    mark, places, (encoders, constants) = _mark(dialect), _places(compiled), _parameters(compiled, dialect)
    encoders |= {name: _encoder(type, dialect) for name, type in given.types.items()}
    others = f"({', '.join([mark] * len(given.types))})"
    first = others
    if dialect.name == "postgresql":
        # The first row tells the types of all.
        names = (dialect.type_compiler_instance.process(type.dialect_impl(dialect)) for type in given.types.values())
        first = f"({', '.join(f'{mark}::{name}' for name in names)})"
    begun = what.count(mark)
    return _Statement(
        f"{what} FROM (VALUES ", f") AS given WHERE {which}",
        places[:begun], tuple(given.types), places[begun:], encoders, constants, first, others,
    )  # fmt: skip


def _places(compiled: SQLCompiler) -> Sequence[str]:
    """The names of the parameters in their order."""
    return tuple(compiled.positiontup or ())


def _parameters(compiled: SQLCompiler, dialect: Dialect) -> tuple[dict[str, _Conversion], Row]:
    """What makes parameters ready for the driver, and the values of those that are always the same."""
    encoders = {name: _encoder(bound.type, dialect) for bound, name in compiled.bind_names.items()}
    constants = {name: bound.value for bound, name in compiled.bind_names.items() if not bound.required}
    return encoders, {name: _converted([value], encoders[name])[0] for name, value in constants.items()}


@lru_cache(maxsize=8)
def _positional(dialect: Dialect) -> Dialect:
    """The same dialect with parameters that go by their place."""
    anew: Any = type(dialect)
    return dialect if dialect.positional else anew(paramstyle="format")


def _mark(dialect: Dialect) -> str:
    return "?" if dialect.name == "sqlite" else "%s"


def _encoder(type: TypeEngine[Any], dialect: Dialect) -> _Conversion:
    return type.encode if isinstance(type, Encoded) else type.dialect_impl(dialect).bind_processor(dialect)


def _decoder(type: TypeEngine[Any], dialect: Dialect) -> _Conversion:
    return type.decode if isinstance(type, Encoded) else type.dialect_impl(dialect).result_processor(dialect, None)
