"""Decisions as they are stored, and shown to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.matching import Match
from gateway.domain.records import Record


def match_report(match: Match, problems: Sequence[str]) -> dict[str, Any]:
    """The decision as JSON, for the API and the wrap-up page: states, records, candidates and evidence sentences."""
    return {
        "state": match.state.value,
        "reason": match.reason,
        "policy": match.policy,
        "account": _named(match.account),
        "case": _named(match.case.record),
        "cases_offered": [_named(case) for case in match.case.offered],
        "parties": [
            {
                "party": party.party.id,
                "role": party.party.role,
                "state": party.state.value,
                "reason": party.reason,
                "who": _named(party.who),
                "account": _named(party.account),
                "evidence": [e.sentence for c in party.candidates[:1] for e in c.evidence] if party.who else [],
                "candidates": [
                    {
                        **(_named(candidate.record) or {}),
                        "account_id": candidate.record.account_id,
                        "score": candidate.score,
                        "evidence": [item.sentence for item in candidate.evidence],
                    }
                    for candidate in party.candidates[:20]
                ],
            }
            for party in match.parties
        ],
        "problems": list(problems),
    }


def is_same_decision(match: Match, report: Mapping[str, Any] | None) -> bool:
    """Whether a decision leads to the same records as the one reported."""
    return report is not None and _records(match_report(match, ())) == _records(report)


def _records(report: Mapping[str, Any]) -> list[Any]:
    named = [
        report["account"],
        report["case"],
        *(side[what] for side in report["parties"] for what in ("who", "account")),
    ]
    return [report["state"], *(record and record["id"] for record in named)]


def _named(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    named = {"kind": record.kind.value, "id": record.id, "name": record.name}
    return named | ({"number": record.number} if record.number else {})
