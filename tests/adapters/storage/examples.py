"""Deliveries, interactions and records as the tests need them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg

from gateway.domain.records import Kind, Record
from gateway.ports import DeliveryStatus, FoldedInteraction, NewDelivery, SettledDelivery, Settlement, StoredInteraction

NOW = datetime(2026, 3, 2, 14, 54, 30, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def delivery(key: str = "d-1", body: bytes = b"{}", **changes: Any) -> NewDelivery:
    values: dict[str, Any] = {
        "org": "main",
        "connection": "front-desk",
        "key": key,
        "body_hash": sha256(body).hexdigest(),
        "content_type": "application/json",
        "headers": {"X-Event": "call"},
        "body": body,
        "received_at": NOW,
    }
    return NewDelivery(**(values | changes))


def folded(external_id: str = "c-1", version: int = 0, **changes: Any) -> FoldedInteraction:
    values: dict[str, Any] = {
        "org": "main",
        "connection": "front-desk",
        "external_id": external_id,
        "lane": 1,
        "state": {"told": version},
        "ready": True,
        "version": version,
        "now": NOW,
    }
    return FoldedInteraction(**(values | changes))


def done(id: int, status: DeliveryStatus = DeliveryStatus.FOLDED, **changes: Any) -> SettledDelivery:
    return SettledDelivery(id=id, status=status, **changes)


def written(row: StoredInteraction, **changes: Any) -> Settlement:
    """The end of a round in which the row's newest state was written."""
    values: dict[str, Any] = {
        "id": row.id,
        "version": row.version,
        "written_version": row.version,
        "match": {"state": "matched", "who": "003000000000001AAA"},
        "task_id": "00T000000000001AAA",
        "intended": None,
        "written": {"Subject": "Call"},
        "kept": {},
        "written_at": NOW,
    }
    return Settlement(**(values | changes))


def contact(id: str, *keys: str, account: str | None = None, **changes: Any) -> Record:
    return Record(kind=Kind.CONTACT, id=id, keys=keys, account_id=account, **({"name": "Ada"} | changes))


def case(id: str, **changes: Any) -> Record:
    return Record(kind=Kind.CASE, id=id, **({"name": "Broken inverter"} | changes))


@contextmanager
def raw(url: str) -> Iterator[Any]:
    """A connection past the gateway, as another process would have one; every statement is its own transaction."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    else:
        connection = psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def child(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, killed at the end."""
    started = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def writes_blocked(url: str) -> Iterator[None]:
    """Nothing can be stored meanwhile, as while another process writes for long."""
    with raw(url) as connection:
        connection.execute("BEGIN IMMEDIATE" if url.startswith("sqlite") else "BEGIN")
        if not url.startswith("sqlite"):
            connection.execute("LOCK TABLE deliveries IN EXCLUSIVE MODE")
        yield
        connection.execute("ROLLBACK")


def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; the limit is only there so that a broken test ends."""
    for _ in range(100_000):
        if condition():
            return
        time.sleep(0.0005)
    raise AssertionError("it did not come about")
