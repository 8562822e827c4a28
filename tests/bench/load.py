"""A first load of the mirror, page by page, beside its rows put into the same tables without a question.

`python -m tests.bench.load WAY URL CONTACTS` is one load in a process of its own, and prints what it took.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from os import getpid
from pathlib import Path
from typing import Any

import psycopg

from gateway.domain.records import Record
from gateway.ports import ChangePage
from gateway.salesforce.bulk import ROWS_PER_PAGE
from gateway.storage import Database
from tests.bench.drain import peak_of
from tests.bench.large_org import records
from tests.bench.report import Figure
from tests.bench.stores import stores

CONTACTS = 1_000_000

_RECORDS = (
    "org", "id", "kind", "name", "account_id", "contact_id", "number", "is_open", "keys", "topics", "merged_into",
    "type", "record_type",
)  # fmt: skip
_KEYS = ("org", "key", "record_id")


@dataclass(frozen=True, slots=True)
class Load:
    """What one load took: time in the database and before it, and the most memory."""

    rows: int
    seconds: float
    megabytes: float

    @property
    def rate(self) -> float:
        return self.rows / self.seconds


def measure(*, quick: bool) -> list[Figure]:
    """Rows a second, and memory, on each database."""
    contacts = 50_000 if quick else CONTACTS
    with tempfile.TemporaryDirectory() as temporary, stores(Path(temporary)) as databases:
        return [figure for name, create in databases.items() for figure in _on(name, create, contacts)]


def _on(name: str, create: Callable[[str], str], contacts: int) -> list[Figure]:
    bare, ours = (_load(way, create(way), contacts) for way in _WAYS)
    title = f"first load of {contacts:,} contacts, {name}"
    return [
        Figure(title, f"{ours.rows:,} rows", "", ours.rate, 20_000, form="{:,.0f}/s"),
        Figure("", f"{ours.rate:,.0f}/s", f"bare rows {bare.rate:,.0f}/s", ours.rate / bare.rate),
        Figure("  memory", "", "", ours.megabytes, 300, floor=False, form="{:.0f} MB"),
    ]


def _load(way: str, url: str, contacts: int) -> Load:
    Database(url).close()
    command = [sys.executable, "-m", "tests.bench.load", way, url, str(contacts)]
    return Load(**json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


# --- in the child's process ----------------------------------------------------------------------------------------


def _main(way: str, url: str, contacts: str) -> None:
    rows, seconds = 0, 0.0
    with _WAYS[way](url) as store:
        for page in _pages(int(contacts)):
            began = time.perf_counter()
            store(page)
            seconds += time.perf_counter() - began
            rows += len(page)
    print(json.dumps(asdict(Load(rows, seconds, peak_of(getpid())))))


def _pages(contacts: int) -> Iterator[list[Record]]:
    rows = records(contacts)
    while page := list(islice(rows, ROWS_PER_PAGE)):
        yield page


@contextmanager
def _mirror(url: str) -> Iterator[Callable[[list[Record]], None]]:
    database = Database(url)
    yield lambda page: database.mirror.apply("main", ChangePage(page, [], {"Contact": page[-1].id}))
    database.close()


@contextmanager
def _bare(url: str) -> Iterator[Callable[[list[Record]], None]]:
    put = _insert if url.startswith("sqlite") else _copy
    with _driver(url) as connection:

        def store(page: list[Record]) -> None:
            connection.execute("BEGIN")
            put(connection, "mirror_records", _RECORDS, map(_row, page))
            keys = [("main", key, record.id) for record in page for key in record.keys]
            put(connection, "mirror_keys", _KEYS, keys)
            connection.execute("COMMIT")

        yield store


def _row(record: Record) -> tuple[Any, ...]:
    keys, topics = json.dumps(record.keys), json.dumps(record.topics)
    return (
        "main", record.id, record.kind.value, record.name, record.account_id, record.contact_id, record.number,
        record.is_open, keys, topics, record.merged_into, record.type, record.record_type,
    )  # fmt: skip


def _insert(connection: Any, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def _copy(connection: Any, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
    with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def _driver(url: str) -> Iterator[Any]:
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
    else:
        connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    yield connection
    connection.close()


_WAYS: Mapping[str, Callable[[str], Any]] = {"bare": _bare, "mirror": _mirror}

if __name__ == "__main__":
    _main(*sys.argv[1:])
