"""Column types and one operator that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, Integer, ScalarSelect, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NULLTYPE, TypeDecorator, TypeEngine

from gateway.domain.interactions import clean_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

RowId = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by itself only where the type is exactly INTEGER."""


def micros_of(moment: datetime) -> int:
    """Microseconds UTC since 1970, exactly."""
    if moment.tzinfo is None:
        raise ValueError("a moment must carry a time zone")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment_of(micros: int) -> datetime:
    """The moment that `micros_of` made a number of."""
    return _EPOCH + micros * _MICROSECOND


class Encoded(TypeDecorator[Any]):
    """A type of which two functions make what a driver takes, and values of that again; of NULL neither makes anything.

    Without the second one what a driver gives is the value.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any] | None = None

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        del dialect
        return _unless_null(self.encode)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        del dialect, coltype
        return self.decode and _unless_null(self.decode)


def _unless_null(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_encode_anything = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=_plain).encode


def json_of(value: Any) -> str:
    """`value` as compact JSON that every database can hold."""
    try:
        return orjson.dumps(value, default=_plain).decode()
    except TypeError:
        # Lone surrogates and whole numbers beyond 64 bits are too much for the fast library, to be read as well.
        return _BEYOND + _encode_anything(value)


def value_of(text: str) -> Any:
    """The value that `json_of` made a text of."""
    return json.loads(text) if text.startswith(_BEYOND) else orjson.loads(text)


_BEYOND = " "
"""Stands before what the fast library cannot read exactly; to every other reader of JSON it means nothing."""


class Moment(Encoded):
    """An aware moment, kept as microseconds UTC: the same order, precision and index on every database."""

    impl = BigInteger
    cache_ok = True
    encode = staticmethod(micros_of)
    decode = staticmethod(moment_of)


class Json(Encoded):
    """A JSON value as text, in which escapes carry what a database refuses: NUL, lone surrogates."""

    impl = Text
    cache_ok = True
    encode = staticmethod(json_of)
    decode = staticmethod(value_of)


class CleanText(Encoded):
    """Text that others wrote and people read; what no database can hold is taken out on the way in."""

    impl = Text
    cache_ok = True
    encode = staticmethod(clean_text)


class Listed(TypeDecorator[Collection[Any]]):
    """Any number of values in a single parameter: an array on PostgreSQL, a JSON text on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, item: type[TypeEngine[Any]] = Text) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.item()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return values if dialect.name == "postgresql" else json_of(values)


class unindexed(FunctionElement[Any]):  # noqa: N801 - reads as an operator
    """A column that narrows nothing down: without statistics SQLite would prefer an index on it to a better one."""

    name = "unindexed"
    type = NULLTYPE
    inherit_cache = True


@compiles(unindexed, "sqlite")
def _unindexed_on_sqlite(element: unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


@compiles(unindexed, "postgresql")
def _unindexed_on_postgresql(element: unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


class among(FunctionElement[Any]):  # noqa: N801 - reads as an operator
    """`among(column, bindparam(…, type_=Listed()))`: one statement text for any number of values, found by index.

    Also `among(column, select(…).scalar_subquery())`: the values that it gives, each looked up in the column's index.
    """

    name = "among"
    type = NULLTYPE  # a Boolean would be compared with 1 on SQLite, and no index be used
    inherit_cache = True


@compiles(among, "sqlite")
def _among_on_sqlite(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    if _selects(element):
        return f"{column} IN {values}"
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - compiled parts, values are bound


@compiles(among, "postgresql")
def _among_on_postgresql(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY(ARRAY{values})" if _selects(element) else f"{column} = ANY({values})"


def _selects(element: among) -> bool:
    return isinstance(list(element.clauses)[1], ScalarSelect)


class each_of(FunctionElement[Any]):  # noqa: N801 - reads as an operator
    """`each_of(bindparam(…, type_=Listed())).table_valued("value")`: the values of a single parameter as rows."""

    name = "each_of"
    inherit_cache = True


@compiles(each_of, "sqlite")
def _each_of_on_sqlite(element: each_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(each_of, "postgresql")
def _each_of_on_postgresql(element: each_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **options)}) AS value)"
