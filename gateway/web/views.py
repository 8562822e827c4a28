"""Stored rows as the API shows them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec.structs import asdict

from gateway.domain.interactions import interaction_of
from gateway.ports import StoredDelivery, StoredFetch, StoredInteraction, StoredLoss, SyncRun
from gateway.usecases.connections import Connection

Row = TypeVar("Row", StoredDelivery, StoredFetch, StoredInteraction, StoredLoss, SyncRun)
Shown = dict[str, Any]
TaskLink = Callable[[str, str], str | None]


def page_of(rows: Sequence[Row], limit: int, show: Callable[[Row], Shown]) -> Shown:
    """A page of at most `limit` of the rows; one row more says that there is a further page."""
    shown = rows[:limit]
    return {
        "items": [show(row) for row in shown],
        "next_before": shown[-1].id if len(rows) > limit else None,
    }


def page_from(items: Sequence[Shown], limit: int, key: str) -> Shown:
    """The same of what is listed onwards, and goes on behind the last one's `key`."""
    shown = items[:limit]
    return {"items": shown, "next_after": shown[-1][key] if len(items) > limit else None}


def interaction_view(row: StoredInteraction, task_link: TaskLink, **more: Any) -> Shown:
    """Everything about an interaction: what the platform told, and where the gateway stands with it."""
    told = interaction_of(row.external_id, row.state)
    return {
        **asdict(told),
        "parties": [asdict(party) for party in told.parties],
        "legs": [asdict(leg) for leg in told.legs],
        "id": row.id,
        "org": row.org,
        "connection": row.connection,
        "external_id": row.external_id,
        "match": row.match,
        "task": _task(row.org, row.task_id, task_link),
        "parked": row.parked,
        "version": row.version,
        "written_version": row.written_version,
        "attempts": row.attempts,
        "next_at": row.next_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "written_at": row.written_at,
        "written": row.written,
        "kept": row.kept,
        "companions": [
            {"account_id": account, "task": _task(row.org, state.get("task_id"), task_link)}
            for account, state in row.companions.items()
        ],
        "chosen": row.chosen,
        **more,
    }


def _task(org: str, task_id: str | None, task_link: TaskLink) -> Shown | None:
    return {"id": task_id, "link": task_link(org, task_id)} if task_id else None


def delivery_view(row: StoredDelivery, *, with_body: bool = False) -> Shown:
    """A delivery; its body and headers are left out unless asked for."""
    shown = {
        "id": row.id,
        "org": row.org,
        "connection": row.connection,
        "key": row.key,
        "status": row.status.name.lower(),
        "reason": row.reason,
        "content_type": row.content_type,
        "bytes": len(row.body),
        "received_at": row.received_at,
        "repeats": row.repeats,
        "interactions": row.interactions,
    }
    return {**shown, "headers": row.headers, **_body(row.body)} if with_body else shown


def fetch_view(row: StoredFetch) -> Shown:
    """Something that was given up."""
    return {"id": row.id, "org": row.org, "connection": row.connection, "name": row.name, "reason": row.reason}


def connection_view(connection: Connection, base_url: str) -> Shown:
    """A connection without its settings, which hold secrets."""
    return {
        "name": connection.name,
        "connector": connection.connector.name,
        "title": connection.connector.title,
        "org": connection.org,
        "state": "retired" if connection.retired else "open",
        "webhook_url": f"{base_url}/webhooks/{connection.name}",
    }


def _body(body: bytes) -> Shown:
    try:
        return {"body": body.decode(), "body_encoding": "utf-8"}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(body).decode(), "body_encoding": "base64"}
