"""Connections: how a database is reached by its URL, and how each connection is set up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from gateway.errors import ConfigError
from gateway.storage.transactions import WAIT_SECONDS

_MILLISECONDS = int(WAIT_SECONDS * 1000)

_ON_SQLITE = (
    f"PRAGMA busy_timeout = {_MILLISECONDS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -65536",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA journal_size_limit = 67108864",
)

_ON_POSTGRESQL = (
    f"SET lock_timeout = {_MILLISECONDS}",
    "SET plan_cache_mode = force_generic_plan",
    "SET statement_timeout = 60000",
    "SET idle_in_transaction_session_timeout = 60000",
)


def read_url(url: str) -> URL:
    """The URL as settings give it, checked; `postgresql://` means psycopg 3."""
    try:
        read = make_url(url)
    except ArgumentError:
        raise ConfigError("database: not a URL; write sqlite:///gateway.db or postgresql+psycopg://…") from None
    if read.drivername == "postgresql":
        read = read.set(drivername="postgresql+psycopg")
    if read.drivername not in ("sqlite", "postgresql+psycopg"):
        raise ConfigError(f"database: {read.drivername} is not supported; write sqlite:///… or postgresql+psycopg://…")
    if read.drivername == "sqlite":
        _check_file(read)
    return read


def file_of(url: URL) -> Path | None:
    """The SQLite file, None on PostgreSQL."""
    return Path(url.database).absolute() if url.drivername == "sqlite" and url.database else None


def open_engine(url: URL) -> Engine:
    """An engine whose connections are set up; nothing is connected yet."""
    if url.drivername == "sqlite":
        engine = create_engine(url, pool_size=8, max_overflow=-1)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_on_sqlite)
        return engine
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=24,
        pool_timeout=WAIT_SECONDS,
        connect_args={"connect_timeout": 5, "application_name": "gateway"} | dict(url.query),
    )
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _check_file(url: URL) -> None:
    file = file_of(url)
    if file is None or url.database == ":memory:":
        raise ConfigError("database: SQLite needs a file, such as sqlite:///gateway.db")
    if not file.parent.is_dir():
        raise ConfigError(f"database: the folder {file.parent} does not exist; create it, or name another file")


def _set_up_sqlite(connection: Any, _: object) -> None:
    # The driver would begin transactions by its own rules, never IMMEDIATE.
    connection.isolation_level = None
    for pragma in _ON_SQLITE:
        connection.execute(pragma)


def _begin_on_sqlite(connection: Connection) -> None:
    # A transaction that reads first and then writes fails at once if another wrote between: take the lock first.
    # Without a beginning every statement is a transaction, as on PostgreSQL.
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _set_up_postgresql(connection: Any, _: object) -> None:
    connection.autocommit = True
    for setting in _ON_POSTGRESQL:
        connection.execute(setting)
    connection.autocommit = False
