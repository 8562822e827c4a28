"""What commands open: the settings, the store, the clock. What takes long to import waits until it is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.printing import err
from gateway.engine.clock import now
from gateway.sdk.discovery import discover

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.storage.database import Database

__all__ = ["now", "open_store", "read_config"]


def read_config(path: Path | None) -> Config:
    """The settings, with the connectors that are installed."""
    from gateway.config import load  # noqa: PLC0415 - help, and commands without settings, start faster without it

    installed = discover()
    return load(path, os.environ, installed.connectors, installed.broken)


@contextmanager
def open_store(path: Path | None, *, connection: str | None = None, org: str | None = None) -> Iterator[Database]:
    """The store of the settings in a file, closed at the end.

    Of a connection or an org that is asked for and is not in the settings a note is printed: the store may still have
    what came while it was.
    """
    from gateway.storage.database import Database  # noqa: PLC0415 - only commands that read the store wait for it

    config = read_config(path)
    for kind, name, known in (("connection", connection, config.connections), ("org", org, config.orgs)):
        if name is not None and name not in known:
            err.print(f"Note: {config.path} has no {kind} {name!r}; it has {', '.join(known)}.", highlight=False)
    store = Database(config.database)
    try:
        yield store
    finally:
        store.close()
