"""Reading and writing transactions, with the database's errors turned into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    StatementError,
    TimeoutError,  # noqa: A004 - of the pool
)

from gateway.errors import RetryableError
from gateway.storage.locks import FairLock

WAIT_SECONDS = 10.0
"""How long a transaction waits for its turn, for a lock or for a connection before it gives up."""


class LostConnectionError(RetryableError):
    """The connection broke; the next one may be sound, so that trying again at once is worth it."""


class Transactions:
    """Where connections come from.

    On SQLite the writing transactions of this process queue up in front of the database: its own back-off between
    writers is unfair, and some transaction would always wait for long. Other processes are met by its busy time-out.
    """

    def __init__(self, engine: Engine) -> None:
        self.dialect = engine.dialect
        self._driver: Any = engine.dialect.loaded_dbapi
        self.on_sqlite = engine.dialect.name == "sqlite"
        self._reads = engine if self.on_sqlite else engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writes = engine.execution_options(writes=True)
        self._turns = FairLock() if self.on_sqlite else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with; on PostgreSQL every statement sees what is committed when it starts."""
        with self._translated(), self._reads.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Connection]:
        """A transaction: committed at the end, rolled back by any exception.

        `alone`: of a single statement, which on SQLite needs no beginning and no end of its own. At each statement the
        driver lets go of the interpreter and then queues for it behind every busy thread, with all writers behind it.
        """
        begun = self._reads.connect if alone and self.on_sqlite else self._writes.begin
        with self._translated(), self._turn(), begun() as connection:
            yield connection

    @contextmanager
    def driver_writing(self) -> Iterator[Any]:
        """As `writing`, with a cursor of PostgreSQL's driver, whose errors are passed on as they are."""
        connection = self._writes.raw_connection()
        try:
            yield connection.cursor()
            connection.commit()
        finally:
            # Back in the pool it is rolled back, or dropped if it broke.
            connection.close()

    @contextmanager
    def driver_statement(self) -> Iterator[Any]:
        """A cursor of SQLite's driver, before all others, for one statement that is a transaction of its own."""
        with self._turn(first=True):
            connection = self._writes.raw_connection()
            try:
                yield connection.cursor()
            finally:
                connection.close()

    @contextmanager
    def _turn(self, *, first: bool = False) -> Iterator[None]:
        if self._turns is None:
            yield
            return
        if not self._turns.acquire(WAIT_SECONDS, first=first):
            raise RetryableError("The database is busy with other writes.", after=1)
        try:
            yield
        finally:
            self._turns.release()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, InternalError) as error:
            kind = LostConnectionError if error.connection_invalidated else RetryableError
            raise kind(f"The database did not do it: {_first_line(error.orig)}", after=1) from error
        except self._driver.OperationalError as error:
            raise RetryableError(f"The database did not do it: {_first_line(error)}", after=1) from error
        except TimeoutError as error:
            raise RetryableError("All connections to the database are in use.", after=1) from error
        except DBAPIError:
            raise
        except StatementError as error:
            # A value that never reached the database: the reason itself says more than its wrapping.
            raise error.orig or error from None


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0]
