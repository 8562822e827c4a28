"""Brings a database to the tables of this version; Alembic's environment and the revisions lie beside it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from gateway.errors import ConfigError


def migrate(connection: Connection) -> None:
    """Bring the database up to date within the connection's transaction. ConfigError: it is newer than this code."""
    current, known = _current(connection), revisions()
    if current == known[-1]:
        return
    if current not in {None, *known}:
        raise ConfigError(
            f"database: it is at revision {current}, which this version of the gateway does not know, so a newer "
            "version has written to it; install that version again, or restore a copy made before it ran"
        )
    from alembic import command  # noqa: PLC0415 - takes long, and nearly every start finds nothing to bring up to date
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def revisions() -> list[str]:
    """The revisions that this version knows, in their order: their files' names begin with them."""
    return sorted(file.name.partition("_")[0] for file in (Path(__file__).parent / "versions").glob("[0-9]*.py"))


def _current(connection: Connection) -> str | None:
    """The revision that the database is at, None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
