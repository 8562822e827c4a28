"""Interactions as kept, the rounds that write them, and the questions people ask about them."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, bindparam, case, func, or_, select, text, update
from sqlalchemy.sql.elements import TextClause

from gateway.domain.tasks import TaskFields
from gateway.errors import VersionConflictError
from gateway.ports import AuditLine, Backlog, Lease, Lesson, Settlement, StoredInteraction
from gateway.storage import choices, history, lanes, searches
from gateway.storage.bulk import Given, Prepared, Query, fetch_rows, prepared_update
from gateway.storage.columns import Json, Listed, Moment, among
from gateway.storage.tables import DIRTY, OPEN, PARKED, UNSURE, WRITTEN, interactions
from gateway.storage.transactions import Transactions

MATCH_STATES = ("matched", "ambiguous", "unmatched")

_columns = select(*(interactions.c[name] for name in StoredInteraction.__struct_fields__))
_by_id = _columns.where(interactions.c.id == bindparam("row_id"))
_by_key = _columns.where(
    among(interactions.c.connection, bindparam("connections", type_=Listed())),
    among(interactions.c.external_id, bindparam("external_ids", type_=Listed())),
)

_DUE = (
    text(DIRTY),
    interactions.c.org == bindparam("of_org"),
    or_(interactions.c.next_at.is_(None), interactions.c.next_at <= bindparam("now", type_=Moment())),
    or_(interactions.c.unsure_until.is_(None), interactions.c.unsure_until <= bindparam("now", type_=Moment())),
)
_DUE_IN_LANE = (*_DUE, interactions.c.lane == bindparam("of_lane"))
_head = (
    select(interactions.c.waiting_since)
    .where(*_DUE_IN_LANE)
    .order_by(interactions.c.waiting_since)
    .limit(bindparam("limit"))
    .subquery()
)
_backlog = select(func.count(), func.min(_head.c.waiting_since))
_take = (
    _columns.where(*_DUE_IN_LANE).order_by(interactions.c.waiting_since, interactions.c.id).limit(bindparam("limit"))
)


def _held(given: Given) -> tuple[ColumnElement[bool], ...]:
    """The row that is given, while its lane is leased to who gives it."""
    in_lane = (interactions.c.org == bindparam("of_org"), interactions.c.lane == bindparam("of_lane"))
    return interactions.c.id == given.row_id, *in_lane, lanes.STANDS


_intended = Given(row_id=BigInteger(), sent=Json(), until=Moment())
_intend = update(interactions).where(*_held(_intended)).values(intended=_intended.sent, unsure_until=_intended.until)

_OWN = (
    "written_version",
    "written_at",
    "match",
    "match_state",
    "task_id",
    "intended",
    "written",
    "kept",
    "companions",
    "matched_at",
    "unsure_until",
)
_TRIALS = ("attempts", "next_at", "parked")
_settled = Given(
    row_id=BigInteger(),
    taken=Integer(),
    **{f"new_{name}": interactions.c[name].type for name in (*_OWN, *_TRIALS)},
)


def _unless_newer(name: str) -> ColumnElement[Any]:
    """A version that came during the round has made a fresh start, which the end of the round must not undo."""
    column = interactions.c[name]
    return case((interactions.c.version == _settled.taken, getattr(_settled, f"new_{name}")), else_=column)


_settle = (
    update(interactions)
    .where(*_held(_settled))
    .values({name: getattr(_settled, f"new_{name}") for name in _OWN} | {name: _unless_newer(name) for name in _TRIALS})
)
_unsure = (
    _columns.where(
        text(UNSURE),
        interactions.c.org == bindparam("of_org"),
        interactions.c.lane == bindparam("of_lane"),
        interactions.c.updated_at <= bindparam("before", type_=Moment()),
    )
    .order_by(interactions.c.updated_at)
    .limit(bindparam("limit"))
)
_OF_LANE_TOO = (
    among(interactions.c.id, bindparam("ids", type_=Listed(BigInteger))),
    text(UNSURE),
    interactions.c.org == bindparam("of_org"),
    interactions.c.lane == bindparam("of_lane"),
)
_confirm = update(interactions).where(*_OF_LANE_TOO).values(matched_at=bindparam("at"))
_reopen = _confirm.values(version=interactions.c.version + 1, waiting_since=bindparam("at"))
_unpark = (
    update(interactions)
    .where(among(interactions.c.id, bindparam("ids", type_=Listed(BigInteger))), text(PARKED))
    .values(
        parked=None,
        attempts=0,
        next_at=None,
        # Also what was parked after its newest state was written is to be written again.
        version=case(
            (interactions.c.version > interactions.c.written_version, interactions.c.version),
            else_=interactions.c.written_version + 1,
        ),
    )
)

_reopen_written = (
    update(interactions)
    .where(
        among(interactions.c.id, bindparam("ids", type_=Listed(BigInteger))),
        text(WRITTEN),
        text("ready AND chosen IS NULL"),
    )
    .values(version=interactions.c.version + 1, waiting_since=bindparam("now", type_=Moment()))
)
_choose = (
    update(interactions)
    .where(interactions.c.id == bindparam("row_id"), interactions.c.version == bindparam("before"))
    .values(
        chosen=bindparam("choice", type_=Json()),
        version=interactions.c.version + 1,
        waiting_since=case((text(DIRTY), interactions.c.waiting_since), else_=bindparam("now", type_=Moment())),
        attempts=0,
        next_at=None,
    )
)

_unpark_anew = _unpark.values(task_id=None, intended=None, written={}, kept={}, companions={})

_count_all = select(func.count()).select_from(interactions)
_counts = {
    name: _count_all.where(text(condition))
    for name, condition in (("waiting", DIRTY), ("parked", PARKED), ("open", OPEN))
}
_count_matches = (
    select(interactions.c.match_state, func.count())
    .where(interactions.c.match_state.is_not(None))
    .group_by(interactions.c.match_state)
)


class InteractionTable:
    """The interactions of all connections, and the lanes of all orgs."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def load(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredInteraction]:
        wanted = set(keys)
        values = {"connections": {key[0] for key in wanted}, "external_ids": {key[1] for key in wanted}}
        found = self._all(_by_key, values)
        # Two connections may use the same external ids.
        return {key: one for one in found if (key := (one.connection, one.external_id)) in wanted}

    def backlog(self, org: str, lane: int, *, now: datetime, limit: int) -> Backlog | None:
        values = {"of_org": org, "of_lane": lane, "now": now, "limit": limit}
        with self._transactions.reading() as connection:
            ((count, oldest),) = fetch_rows(connection, _backlog, values)
        return Backlog(count, oldest) if count else None

    def lease(self, org: str, lane: int, *, owner: str, now: datetime, seconds: float) -> Lease | None:
        with self._transactions.writing() as connection:
            return lanes.lease(connection, org, lane, owner=owner, now=now, seconds=seconds)

    def take(self, lease: Lease, *, now: datetime, limit: int) -> builtins.list[StoredInteraction]:
        values = {"of_org": lease.org, "of_lane": lease.lane, "now": now, "limit": limit}
        return self._all(_take, values)

    def intend(self, lease: Lease, intents: Mapping[int, TaskFields], *, unsure_until: datetime | None = None) -> None:
        rows = [{"row_id": id, "sent": intents[id], "until": unsure_until} for id in sorted(intents)]
        intended = prepared_update(self._transactions.dialect, _intend, _intended, rows, lanes.names(lease))
        with self._transactions.writing(alone=intended.is_one) as connection:
            lanes.keep(connection, lease)
            _carry_out(intended, connection, lease)

    def settle(self, lease: Lease, settlements: Sequence[Settlement]) -> None:
        rows = [_settled_row(one) for one in sorted(settlements, key=lambda one: one.id)]
        settled = prepared_update(self._transactions.dialect, _settle, _settled, rows, lanes.names(lease))
        is_all = not any(one.search or one.audit or one.lessons for one in settlements)
        with self._transactions.writing(alone=is_all and settled.is_one) as connection:
            lanes.keep(connection, lease)
            outdated = searches.outdated(connection, lease.org, settlements)
            _carry_out(settled, connection, lease)
            searches.store(connection, lease.org, settlements)
            searches.doubt(connection, outdated)
            history.append(connection, [line for one in settlements for line in one.audit])
            choices.learn(connection, [lesson for one in settlements for lesson in one.lessons])

    def unsure(self, org: str, lane: int, *, before: datetime, limit: int) -> builtins.list[StoredInteraction]:
        values = {"of_org": org, "of_lane": lane, "before": before, "limit": limit}
        return self._all(_unsure, values)

    def reconsider(
        self, lease: Lease, *, same: Collection[int], other: Collection[int], matched_at: datetime,
        mirror_version: int | None = None,
    ) -> None:  # fmt: skip
        with self._transactions.writing() as connection:
            lanes.check(connection, lease)
            if mirror_version not in {None, searches.version(connection, lease.org, is_held=True)}:
                same = ()
            for statement, ids in ((_confirm, same), (_reopen, other)):
                values = {"ids": sorted(ids), "of_org": lease.org, "of_lane": lease.lane, "at": matched_at}
                connection.execute(statement, values)

    def release(self, lease: Lease) -> None:
        with self._transactions.writing() as connection:
            lanes.release(connection, lease)

    def get(self, id: int) -> StoredInteraction | None:
        with self._transactions.reading() as connection:
            row = connection.execute(_by_id, {"row_id": id}).one_or_none()
        return None if row is None else _stored(row)

    def list(
        self,
        *,
        org: str | None = None,
        connection: str | None = None,
        state: str | None = None,
        external_id: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> builtins.list[StoredInteraction]:
        query = _columns.order_by(interactions.c.id.desc()).limit(limit)
        for column, value in (("org", org), ("connection", connection), ("external_id", external_id)):
            if value is not None:
                query = query.where(interactions.c[column] == value)
        if state is not None:
            query = query.where(_in_state(state))
        if before is not None:
            query = query.where(interactions.c.id < before)
        with self._transactions.reading() as reader:
            return [_stored(row) for row in reader.execute(query)]

    def unpark(self, ids: Collection[int], *, anew: bool = False) -> int:
        with self._transactions.writing() as connection:
            return connection.execute(_unpark_anew if anew else _unpark, {"ids": ids}).rowcount

    def reopen(self, ids: Collection[int], now: datetime) -> int:
        with self._transactions.writing() as connection:
            return connection.execute(_reopen_written, {"ids": sorted(ids), "now": now}).rowcount

    def choose(self, id: int, chosen: Mapping[str, Any], line: AuditLine, lessons: Sequence[Lesson]) -> None:
        with self._transactions.writing() as connection:
            values = {"row_id": id, "choice": chosen, "before": chosen["version"] - 1, "now": line.at}
            if not connection.execute(_choose, values).rowcount:
                raise VersionConflictError("The interaction was changed by another worker meanwhile.")
            searches.stop(connection, [id])
            history.append(connection, [line])
            choices.learn(connection, lessons)

    def history(self, id: int) -> builtins.list[AuditLine]:
        with self._transactions.reading() as connection:
            return history.of_interaction(connection, id)

    def waits(self, org: str) -> bool:
        with self._transactions.reading() as connection:
            return searches.are_there(connection, org)

    def look_anew(self, org: str, *, told_after: datetime) -> None:
        with self._transactions.writing() as connection:
            searches.wake_all(connection, org, told_after)

    def give_up(self, org: str, *, told_before: datetime) -> int:
        with self._transactions.writing() as connection:
            return searches.give_up(connection, org, told_before)

    def _all(self, query: Query, values: dict[str, Any]) -> builtins.list[StoredInteraction]:
        with self._transactions.reading() as connection:
            rows = fetch_rows(connection, query, values)
        return [StoredInteraction(*row) for row in rows]

    def counts(self) -> Mapping[str, int]:
        with self._transactions.reading() as connection:
            total: int = connection.execute(_count_all).scalar_one()
            counts: dict[str, int] = {name: connection.execute(query).scalar_one() for name, query in _counts.items()}
            # The written are nearly all of them: what is left is cheaper to know than to count.
            counts["written"] = max(0, total - sum(counts.values()))
            counts |= dict.fromkeys(MATCH_STATES, 0)
            for state, count in connection.execute(_count_matches):
                counts[state] = count
        return counts


def _stored(row: Any) -> StoredInteraction:
    return StoredInteraction(*row)


def _in_state(state: str) -> TextClause | ColumnElement[bool]:
    if state in MATCH_STATES:
        return interactions.c.match_state == state
    conditions = {"waiting": DIRTY, "parked": PARKED}
    if state not in conditions:
        raise ValueError(f"{state} is no state of an interaction")
    return text(conditions[state])


def _carry_out(update: Prepared, connection: Connection, lease: Lease) -> None:
    """VersionConflictError: it met no row because the lease is lost."""
    if not update.carry_out(connection):
        lanes.check(connection, lease)


def _settled_row(settlement: Settlement) -> dict[str, Any]:
    match = settlement.match
    return {
        "row_id": settlement.id,
        "taken": settlement.version,
        "new_written_version": settlement.written_version,
        "new_written_at": settlement.written_at,
        "new_match": match,
        "new_match_state": None if match is None else match.get("state"),
        "new_task_id": settlement.task_id,
        "new_intended": settlement.intended,
        "new_written": settlement.written,
        "new_kept": settlement.kept,
        "new_companions": settlement.companions,
        "new_matched_at": settlement.matched_at,
        "new_unsure_until": settlement.unsure_until,
        "new_attempts": settlement.attempts,
        "new_next_at": settlement.next_at,
        "new_parked": settlement.parked,
    }
