"""Interactions are decided on anew after a change of the rules: first what would move, then, if wanted, their Tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from gateway.domain.choosing import has_decided
from gateway.domain.reports import is_same_decision, match_report
from gateway.ports import Interactions, StoredInteraction
from gateway.usecases.decisions import Decided, Decider

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Move:
    """An interaction whose decision would be another: with whom and what it is, would be, and why."""

    id: int
    connection: str
    external_id: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True)
class Looked:
    """A page of interactions that was looked at, back to `until`; `by_people` were left as a person decided."""

    count: int
    by_people: int
    until: datetime
    moves: Sequence[Move]


def preview(
    decider: Decider,
    interactions: Interactions,
    since: datetime,
    *,
    org: str | None = None,
    connection: str | None = None,
) -> Iterator[Looked]:
    """What would move of the written interactions that were first told of since then, newest first; changes nothing."""
    before = None
    while page := interactions.list(org=org, connection=connection, before=before, limit=_PAGE):
        rows = [row for row in page if row.created_at >= since]
        yield _looked(decider, rows, page[-1].created_at)
        if page[-1].created_at < since:
            return
        before = page[-1].id


def apply(interactions: Interactions, ids: Collection[int], now: datetime) -> int:
    """Have them decided on anew, and their Tasks corrected; how many are due."""
    ordered = sorted(ids)
    return sum(interactions.reopen(ordered[n : n + _PAGE], now) for n in range(0, len(ordered), _PAGE))


def _looked(decider: Decider, rows: Sequence[StoredInteraction], until: datetime) -> Looked:
    standing = [row for row in rows if row.match and row.version == row.written_version and row.parked is None]
    free = [row for row in standing if not has_decided(row.chosen, row.kept)]
    moves = []
    for org, of_org in groupby(sorted(free, key=lambda row: row.org), key=lambda row: row.org):
        _, decided = decider.decide(org, list(of_org))
        moves += [_move(each) for each in decided if not is_same_decision(each.match, each.row.match)]
    return Looked(len(rows), len(standing) - len(free), until, moves)


def _move(decided: Decided) -> Move:
    row, report = decided.row, match_report(decided.match, ())
    return Move(row.id, row.connection, row.external_id, _spoken(row.match or {}), _spoken(report), report["reason"])


def _spoken(report: Mapping[str, Any]) -> str:
    """Such as `matched: Casey Customer, case 00001026`."""
    people = [party["who"]["name"] for party in report["parties"] if party["who"]]
    case, account = report["case"], report["account"]
    related = f"case {case.get('number') or case['id']}" if case else account["name"] if account else None
    return f"{report['state']}: {', '.join([*people, *([related] if related else [])])}".removesuffix(": ")
