"""Brings a database to the tables of this version; Alembic's environment and the revisions lie beside it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from gateway.errors import ConfigError


def migrate(connection: Connection) -> None:
    """Bring the database up to date within the connection's transaction. ConfigError: it is newer than this code."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    if current not in {None, *(script.revision for script in scripts.walk_revisions())}:
        raise ConfigError(
            f"database: it is at revision {current}, which this version of the gateway does not know, so a newer "
            "version has written to it; install that version again, or restore a copy made before it ran"
        )
    command.upgrade(config, "head")
