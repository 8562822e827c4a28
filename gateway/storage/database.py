"""A database by its URL, and the stores that live in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import disk_usage

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gateway.errors import ConfigError, RetryableError
from gateway.storage import creations, jobs, lanes
from gateway.storage.choices import ChoiceTable
from gateway.storage.creations import CreationTable
from gateway.storage.deliveries import DeliveryTable
from gateway.storage.engine import file_of, open_engine, read_url
from gateway.storage.fetches import FetchTable
from gateway.storage.inbox import GroupCommitInbox
from gateway.storage.interactions import InteractionTable
from gateway.storage.jobs import JobTable
from gateway.storage.links import LinkTables
from gateway.storage.locks import FileLock
from gateway.storage.migrations import migrate
from gateway.storage.mirror import MirrorTables
from gateway.storage.status import StatusTable
from gateway.storage.sync_runs import SyncRunTables
from gateway.storage.tokens import TokenTable
from gateway.storage.transactions import Transactions

LEAST_FREE = 64 * 1024**2
"""Bytes that a file's disk must have left: with less, one large delivery more may find no room."""

_MIGRATING = 4_729_330_117
"""Our number among PostgreSQL's advisory locks."""


def _nobody() -> None:
    """Nobody waits for hints."""


class Database:
    """The open store, its tables brought up to date. Safe to share between threads.

    `on_commit` is called after deliveries were committed that wait to be folded, from the thread that stored them:
    a hint such as `threading.Event().set`. `queue` is how many deliveries may wait for their commit.

    ConfigError: a person must change something. RetryableError: the database cannot be reached now.
    """

    def __init__(self, url: str, *, on_commit: Callable[[], object] = _nobody, queue: int = 1000) -> None:
        self.url = read_url(url)
        self._engine = open_engine(self.url)
        self._file = file_of(self.url)
        self._claim: FileLock | None = None
        self._transactions = Transactions(self._engine)
        self.inbox = GroupCommitInbox(self._transactions, on_commit=on_commit, queue=queue)
        self.deliveries = DeliveryTable(self._transactions, on_commit=on_commit)
        self.interactions = InteractionTable(self._transactions)
        self.mirror = MirrorTables(self._transactions)
        self.creations = CreationTable(self._transactions)
        self.choices = ChoiceTable(self._transactions)
        self.jobs = JobTable(self._transactions)
        self.fetches = FetchTable(self._transactions)
        self.links = LinkTables(self._transactions)
        self.runs = SyncRunTables(self._transactions)
        self.tokens = TokenTable(self._transactions)
        self.status = StatusTable(self._transactions)
        try:
            self._bring_up_to_date()
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Store what still waits in the inbox, then let go of everything. Safe to repeat."""
        self.inbox.close()
        self._engine.dispose()
        if self._claim is not None:
            self._claim.release()

    def check_writable(self) -> None:
        """Return if writes can be committed now, and some more after this one; RetryableError says why not."""
        if self._file is not None and (free := disk_usage(self._file.parent).free) < LEAST_FREE:
            raise RetryableError(
                f"Its disk has {free // 1024**2} MiB left; make room for at least {LEAST_FREE // 1024**2}."
            )
        with self._transactions.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))

    def claim_file(self) -> None:
        """Refuse a second serving process on one SQLite file, for as long as this process lives.

        What a process that ended suddenly still held is free at once. PostgreSQL serves any number of processes, so
        nothing is claimed there, and leases end by time.
        """
        if self._file is None or self._claim is not None:
            return
        claim = FileLock(_beside(self._file, "serving"))
        if not claim.acquire(wait=False):
            raise ConfigError(
                f"database: another gateway process already serves {self._file}; stop that one first, "
                "or move to PostgreSQL, which serves any number of processes"
            )
        self._claim = claim
        with self._transactions.writing() as connection:
            lanes.free_all(connection)
            creations.free_all(connection)
            jobs.free_all(connection)

    def _bring_up_to_date(self) -> None:
        if self._file is None:
            self._migrate("SET LOCAL statement_timeout = 0", f"SELECT pg_advisory_xact_lock({_MIGRATING})")
        else:
            self._migrate_file(self._file)

    def _migrate_file(self, file: Path) -> None:
        """Two processes that open a new file at once would trip over the change to WAL, which no time-out covers."""
        opening = FileLock(_beside(file, "opening"))
        try:
            opening.acquire(wait=True)
            self._migrate()
        except (OSError, DatabaseError, RetryableError) as error:
            if "locked" in str(error) or "busy" in str(error):
                raise
            why = error.orig if isinstance(error, DatabaseError) else error
            raise ConfigError(
                f"database: {file} cannot be opened: {why}; name another file, or mend this one"
            ) from error
        finally:
            opening.release()

    def _migrate(self, *preparations: str) -> None:
        with self._transactions.writing() as connection:
            for preparation in preparations:
                connection.execute(text(preparation))
            migrate(connection)


def _beside(file: Path, purpose: str) -> Path:
    return file.with_name(f"{file.name}.{purpose}")
