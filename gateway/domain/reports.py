"""Decisions as they are stored, and shown to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.evidence import Candidate
from gateway.domain.matching import Match, PartyMatch
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Record

MOST_CANDIDATES = 10
"""So many of a party's candidates are kept; `candidates_in_all` has their number."""


def match_report(match: Match, problems: Sequence[str]) -> dict[str, Any]:
    """The decision as JSON, for the API and the wrap-up page: states, records, candidates and evidence sentences.

    `policy` is the version of the weights; `threshold` and `margin` are in points, as scores are.
    """
    return {
        "state": str(match.state),
        "reason": match.reason,
        "policy": match.policy.version,
        "threshold": match.policy.threshold,
        "margin": match.policy.margin,
        "account": _named(match.account),
        "case": _named(match.case.record),
        "cases_offered": [_named(case) for case in match.case.offered],
        "parties": [_party(party, match.policy) for party in match.parties],
        "problems": list(problems),
    }


def is_same_decision(match: Match, report: Mapping[str, Any] | None) -> bool:
    """Whether a decision leads to the same records as the one reported."""
    return report is not None and _records(match_report(match, ())) == _records(report)


def _party(party: PartyMatch, policy: MatchPolicy) -> dict[str, Any]:
    candidates = party.candidates[:MOST_CANDIDATES]
    return {
        "party": party.party.id,
        "role": party.party.role,
        "state": str(party.state),
        "reason": party.reason,
        "who": _named(party.who),
        "account": _named(party.account),
        "evidence": [e.sentence for c in party.candidates[:1] for e in c.evidence] if party.who else [],
        "candidates": [_candidate(candidate, party, policy) for candidate in candidates],
        "candidates_in_all": len(party.candidates),
    }


def _candidate(candidate: Candidate, party: PartyMatch, policy: MatchPolicy) -> dict[str, Any]:
    report = _named(candidate.record) or {}
    report["account_id"] = candidate.record.account_id
    report["score"] = candidate.score
    report["evidence"] = [item.sentence for item in candidate.evidence]
    report["points"] = [item.points for item in candidate.evidence]
    report["lacks"] = _lacks(candidate, party, policy)
    return report


def _lacks(candidate: Candidate, party: PartyMatch, policy: MatchPolicy) -> str | None:
    """Why this one was not taken; None for the one who was."""
    best, others = party.candidates[0], party.candidates[1:]
    if party.who and candidate is best:
        return None
    lacks = []
    if candidate.score < policy.threshold:
        lacks.append(f"{policy.threshold - candidate.score:g} points short of the {policy.threshold:g} that are needed")
    if candidate is not best:
        lacks.append(f"{best.score - candidate.score:g} points behind {best.record.name}")
    elif others and best.score - others[0].score < policy.margin:
        lead = f"{best.score - others[0].score:g} points ahead of {others[0].record.name}"
        lacks.append(f"{lead}, where {policy.margin:g} are needed")
    return "; ".join(lacks)


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
    named = {"kind": str(record.kind), "id": record.id, "name": record.name}
    if record.number:
        named["number"] = record.number
    return named
