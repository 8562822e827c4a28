"""The contacts of a folder, in an SQLite file in it: what import files brought, and what was written from the org.

Each change takes the next number, under the one lock that SQLite has for writing: numbers are a contact's version and
the order in which changes are told. Who is deleted stays as an id and a number.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connectors.csv.layout import Cells, Layout
from gateway.sdk import ConfigError, ContactRecord, RetryableError, UnknownOutcomeError, identity_keys

_WAIT_SECONDS = 30
_IDS = 500
"""So many parameters of one query; SQLite may be built to take no more than 999."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS contacts (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, other_id TEXT, cells TEXT NOT NULL,
    is_deleted INTEGER NOT NULL, changed_at TEXT NOT NULL, changed_by TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS contacts_other_id ON contacts (other_id);
CREATE INDEX IF NOT EXISTS contacts_living ON contacts (is_deleted);
CREATE TABLE IF NOT EXISTS keys (key TEXT, id TEXT, PRIMARY KEY (key, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_id ON keys (id);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A contact as it is stored."""

    id: str
    number: int
    other_id: str | None
    cells: Cells
    is_deleted: bool
    changed_at: datetime
    changed_by: str


class Contacts:
    """What can be asked and changed within one transaction."""

    def __init__(self, db: sqlite3.Connection, layout: Layout) -> None:
        self._db = db
        self._layout = layout
        self.is_taken_back = False

    def take_back(self) -> None:
        """Let nothing of this transaction be done."""
        self.is_taken_back = True

    def count(self) -> int:
        """How many there are."""
        (count,) = self._db.execute("SELECT count(*) FROM contacts WHERE NOT is_deleted").fetchone()
        return int(count)

    def get(self, ids: Collection[str]) -> list[Kept]:
        """Those with the ids, deleted ones too."""
        return list(self._among("SELECT * FROM contacts WHERE id IN", ids))

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> list[Kept]:
        """Those who live and have one of the keys, or one of the ids of the other side."""
        by_key = "SELECT * FROM contacts WHERE NOT is_deleted AND id IN (SELECT id FROM keys WHERE key IN"
        found = [*self._among(by_key, keys, ")"), *self._among("SELECT * FROM contacts WHERE other_id IN", other_ids)]
        return list({kept.id: kept for kept in found if not kept.is_deleted}.values())

    def since(self, number: int, limit: int) -> list[Kept]:
        """The next changes, in their order."""
        rows = self._db.execute("SELECT * FROM contacts WHERE number > ? ORDER BY number LIMIT ?", (number, limit))
        return [_kept(row) for row in rows]

    def living(self) -> Iterator[Kept]:
        """All of them, one by one."""
        return (_kept(row) for row in self._db.execute("SELECT * FROM contacts WHERE NOT is_deleted ORDER BY id"))

    def last(self) -> int:
        """The number of the last change."""
        (number,) = self._db.execute("SELECT coalesce(max(number), 0) FROM contacts").fetchone()
        return int(number)

    def put(self, id: str, cells: Cells | None, *, by: str, at: datetime, other_id: str | None = None) -> Kept:
        """The contact is these cells from now on; None: it is deleted."""
        filled = {column: cell for column, cell in (cells or {}).items() if cell}
        text = json.dumps(filled, ensure_ascii=False)
        row = (id, self.last() + 1, other_id, text, cells is None, at.isoformat(), by)
        self._db.execute("INSERT OR REPLACE INTO contacts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self._index(id, filled)
        return _kept(row)

    def fact(self, name: str) -> str | None:
        """Something else that is known of the folder."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_fact(self, name: str, value: str) -> None:
        """Remember it."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def earlier_row(self, id: str, row: int) -> int | None:
        """The row of the file in which the id was already; within a transaction a file is read once."""
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS rows (id TEXT PRIMARY KEY, row INTEGER)")
        self._db.execute("INSERT OR IGNORE INTO temp.rows VALUES (?, ?)", (id, row))
        (first,) = self._db.execute("SELECT row FROM temp.rows WHERE id = ?", (id,)).fetchone()
        return None if first == row else int(first)

    def index_again(self) -> None:
        """All keys anew, where they were made in another way."""
        how = json.dumps([self._layout.region, sorted(self._layout.columns)])
        if self.fact("keys") != how:
            for kept in list(self.living()):
                self._index(kept.id, kept.cells)
            self.set_fact("keys", how)

    def _index(self, id: str, cells: Cells) -> None:
        self._db.execute("DELETE FROM keys WHERE id = ?", (id,))
        keys = identity_keys(self._layout.values(cells), self._layout.readings)
        self._db.executemany("INSERT INTO keys VALUES (?, ?)", [(key, id) for key in keys])

    def _among(self, query: str, values: Collection[str], end: str = "") -> Iterator[Kept]:
        listed = list(values)
        for at in range(0, len(listed), _IDS):
            some = listed[at : at + _IDS]
            marks = ", ".join("?" * len(some))
            yield from (_kept(row) for row in self._db.execute(f"{query} ({marks}){end}", some))


class Store:
    """The SQLite file."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._layout = layout

    @contextmanager
    def reading(self) -> Iterator[Contacts]:
        """To be asked. RetryableError, ConfigError: it cannot be."""
        with self._opened() as db:
            yield Contacts(db, self._layout)

    @contextmanager
    def writing(self) -> Iterator[Contacts]:
        """All of it is done, or nothing, if it raises. UnknownOutcomeError: nobody knows which."""
        with self._opened() as db:
            db.execute("BEGIN IMMEDIATE")
            contacts = Contacts(db, self._layout)
            try:
                yield contacts
            except BaseException:
                db.execute("ROLLBACK")
                raise
            try:
                db.execute("ROLLBACK" if contacts.is_taken_back else "COMMIT")
            except sqlite3.Error as error:
                raise UnknownOutcomeError(f"Whether {self._path.name} was written is not known: {error}") from None

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)) as db:
                self._prepare(db)
                yield db
        except sqlite3.OperationalError as error:
            if not self._path.parent.is_dir():
                raise ConfigError(f"The folder {self._path.parent} does not exist.") from None
            raise RetryableError(f"{self._path.name} cannot be used now: {error}") from None
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{self._path} is damaged: {error}. Move it away; import files fill a new one.") from None

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA synchronous = FULL")
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone() is None:
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        contacts = Contacts(db, self._layout)
        if contacts.fact("name") is None:
            db.execute("INSERT OR IGNORE INTO facts VALUES ('name', ?)", (uuid.uuid4().hex,))


def as_record(kept: Kept, layout: Layout) -> ContactRecord:
    """The contact as the gateway knows it."""
    return ContactRecord(
        id=kept.id,
        values={} if kept.is_deleted else layout.values(kept.cells),
        version=str(kept.number),
        changed_at=kept.changed_at,
        changed_by=kept.changed_by,
        other_id=kept.other_id,
        is_deleted=kept.is_deleted,
    )


def _kept(row: tuple[object, ...]) -> Kept:
    id, number, other_id, cells, is_deleted, changed_at, changed_by = row
    return Kept(
        id=str(id),
        number=int(str(number)),
        other_id=None if other_id is None else str(other_id),
        cells=json.loads(str(cells)),
        is_deleted=bool(is_deleted),
        changed_at=datetime.fromisoformat(str(changed_at)),
        changed_by=str(changed_by),
    )
