"""What happened to the relations of Tasks, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select

from gateway.ports import AuditLine
from gateway.storage.tables import audit

_append = insert(audit)
_of_interaction = select(audit).where(audit.c.interaction_id == bindparam("of_interaction")).order_by(audit.c.id)


def append(connection: Connection, lines: Sequence[AuditLine]) -> None:
    """Add the lines."""
    if lines:
        connection.execute(_append, [_row(line) for line in lines])


def of_interaction(connection: Connection, id: int) -> list[AuditLine]:
    """Its lines, oldest first."""
    rows = connection.execute(_of_interaction, {"of_interaction": id})
    return [AuditLine(row.org, row.interaction_id, row.at, row.what, row.before, row.after) for row in rows]


def _row(line: AuditLine) -> dict[str, object]:
    return {
        "org": line.org, "interaction_id": line.interaction_id, "at": line.at, "what": line.what,
        "before": line.before, "after": line.after,
    }  # fmt: skip
