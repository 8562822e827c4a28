"""One statement for many rows, past SQLAlchemy's bookkeeping, which costs more per row than the databases do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.dml import UpdateBase

Row = dict[str, Any]


def execute_rows(connection: Connection, statement: UpdateBase, rows: Sequence[Row]) -> int:
    """Carry the statement out for each of the rows, one at least; how many rows of the table it met."""
    sql, parameters_of = _compiled(connection.dialect, statement)
    return connection.exec_driver_sql(sql, [parameters_of(row) for row in rows]).rowcount


@lru_cache(maxsize=64)
def _compiled(dialect: Dialect, statement: UpdateBase) -> tuple[str, Callable[[Row], Any]]:
    """The statement in the driver's words, and what makes a row its parameters."""
    compiled = statement.compile(dialect=dialect)
    constants = {name: bound.value for bound, name in compiled.bind_names.items() if not bound.required}
    encoded = {name: encode for bound, name in compiled.bind_names.items() if (encode := _encoder(bound.type, dialect))}
    encoders = [(name, encoded.get(name)) for name in compiled.positiontup or compiled.bind_names.values()]

    def positional(row: Row) -> tuple[Any, ...]:
        told = constants | row
        return tuple([told[name] if encode is None else encode(told[name]) for name, encode in encoders])

    def named(row: Row) -> dict[str, Any]:
        told = constants | row
        return {name: told[name] if encode is None else encode(told[name]) for name, encode in encoders}

    return compiled.string, positional if compiled.positional else named


def _encoder(type: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    encoder: Callable[[Any], Any] | None = type.dialect_impl(dialect).bind_processor(dialect)
    return encoder
