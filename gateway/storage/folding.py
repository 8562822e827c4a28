"""Folded states going into the interactions' rows: the columns that deliveries own, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Connection, Dialect, Integer, Text, bindparam, case, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import VersionConflictError
from gateway.ports import FoldedInteraction
from gateway.storage.bulk import Given, Prepared, prepared_insert, prepared_update
from gateway.storage.columns import Json, Listed, Moment, among
from gateway.storage.tables import DIRTY, interactions

_CHANGED = "An interaction was changed by another worker meanwhile."

_insert = insert(interactions).values(
    org=bindparam("org"),
    connection=bindparam("connection"),
    external_id=bindparam("external_id"),
    lane=bindparam("lane"),
    ready=bindparam("ready"),
    created_at=bindparam("now"),
    updated_at=bindparam("now"),
    waiting_since=bindparam("now"),
    state=bindparam("state"),
    # What all begin with is in the words: each parameter of each row is bound anew.
    **{name: text("0") for name in ("written_version", "attempts")},
    **{name: text("'{}'") for name in ("written", "kept")},
    version=text("1"),
)

_changed = Given(
    of_connection=Text(), of_external_id=Text(), onto=Integer(), is_ready=Boolean(), now=Moment(), new_state=Json()
)
_update = (
    update(interactions)
    .where(
        interactions.c.connection == _changed.of_connection,
        interactions.c.external_id == _changed.of_external_id,
        interactions.c.version == _changed.onto,
    )
    .values(
        ready=_changed.is_ready,
        version=interactions.c.version + 1,
        updated_at=_changed.now,
        waiting_since=case((text(DIRTY), interactions.c.waiting_since), else_=_changed.now),
        attempts=0,
        next_at=None,
        parked=None,
        state=_changed.new_state,
    )
)

_lock_in_order = (
    select(interactions.c.id)
    .where(
        among(interactions.c.connection, bindparam("connections", type_=Listed())),
        among(interactions.c.external_id, bindparam("external_ids", type_=Listed())),
    )
    .order_by(interactions.c.id)
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class FoldedRows:
    """What is to be stored: rows that are new, and changes of those at known places."""

    new: Prepared
    changes: Prepared
    known: Sequence[tuple[str, str]]


def rows_of(dialect: Dialect, folded: Sequence[FoldedInteraction]) -> FoldedRows:
    """The rows of the states."""
    new = [_new_row(one) for one in folded if one.version == 0]
    new.sort(key=lambda row: (row["external_id"], row["connection"]))
    known = [one for one in folded if one.version > 0]
    return FoldedRows(
        prepared_insert(dialect, _insert, new),
        prepared_update(dialect, _update, _changed, [_changed_row(one) for one in known]),
        [(one.connection, one.external_id) for one in known],
    )


def store_folded(connection: Connection, rows: FoldedRows) -> None:
    """Insert the new and move the known on by one version. VersionConflictError: one was changed meanwhile."""
    if connection.dialect.name == "postgresql" and rows.known:
        # Everyone locks interactions by ascending id; otherwise two workers could wait for one another.
        connections, external_ids = map(set, zip(*rows.known, strict=True))
        connection.execute(_lock_in_order, {"connections": connections, "external_ids": external_ids})
    if rows.changes.carry_out(connection) != len(rows.known):
        raise VersionConflictError(_CHANGED)
    try:
        rows.new.carry_out(connection)
    except IntegrityError as error:
        raise VersionConflictError(_CHANGED) from error


def _new_row(folded: FoldedInteraction) -> dict[str, Any]:
    return {
        "org": folded.org,
        "connection": folded.connection,
        "external_id": folded.external_id,
        "lane": folded.lane,
        "ready": folded.ready,
        "now": folded.now,
        "state": folded.state,
    }


def _changed_row(folded: FoldedInteraction) -> dict[str, Any]:
    return {
        "of_connection": folded.connection,
        "of_external_id": folded.external_id,
        "onto": folded.version,
        "is_ready": folded.ready,
        "now": folded.now,
        "new_state": folded.state,
    }
