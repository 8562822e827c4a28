"""Why an interaction was decided on as it was, in words for an admin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import zip_longest
from typing import Any

from gateway.domain.choosing import RELATIONS, has_decided
from gateway.domain.reports import is_same_decision, match_report
from gateway.ports import Interactions, StoredInteraction
from gateway.usecases.decisions import Decider

_WHERE = {
    "phone": "the number {}", "email": "the e-mail {}", "domain": "the e-mail domain {}", "handle": "the handle {}",
    "case": "case {}", "id": "record {}",
}  # fmt: skip

_TOO_LONG = 19
"""Digits that no id of a store has."""


def found(interactions: Interactions, name: str) -> StoredInteraction | None:
    """The interaction of an id, or of `connection:external_id`."""
    if name.isdecimal():
        return interactions.get(int(name)) if len(name) < _TOO_LONG else None
    connection, _, external_id = name.partition(":")
    return interactions.load([(connection, external_id)]).get((connection, external_id))


def explanation(row: StoredInteraction, interactions: Interactions, decider: Decider | None = None) -> dict[str, Any]:
    """The stored decision and what became of it, as JSON; with a decider also what would be decided now."""
    decision = row.match
    shown = {
        "id": row.id,
        "org": row.org,
        "connection": row.connection,
        "external_id": row.external_id,
        "task_id": row.task_id,
        "decided_at": row.matched_at,
        "decision": decision,
        "in_words": list(in_words(decision)) if decision else ["Nothing is decided yet."],
        "waits_for": [spoken_key(key) for key in (decision or {}).get("awaits", ())],
        "by_a_person": has_decided(row.chosen, row.kept),
        "chosen": row.chosen,
        "kept": {name: value for name, value in row.kept.items() if name in RELATIONS},
        "history": [_line(line) for line in interactions.history(row.id)],
    }
    return shown | ({"now": _now(row, decider)} if decider else {})


def history_of(interactions: Interactions, id: int) -> list[dict[str, Any]]:
    """The lines about an interaction's Task, as they are shown."""
    return [_line(line) for line in interactions.history(id)]


def in_words(report: Mapping[str, Any]) -> Iterator[str]:
    """A decision in sentences: the weights, what was decided on each party, and why it was none of the others."""
    needs = f"; {report['threshold']:g} points are needed, {report['margin']:g} ahead" if "threshold" in report else ""
    yield f"By version {report.get('policy')} of the weights: {report['state']}{needs}."
    for position, party in enumerate(report.get("parties", ()), 1):
        called = party.get("role") or party.get("party") or f"party {position}"
        yield f"{called}: {party['state']}. {party.get('reason', '')}".strip()
        yield from _others(party)
    for name in ("account", "case"):
        if named := report.get(name):
            yield f"The {name} is {named.get('name') or named['id']}."
    if offered := report.get("cases_offered"):
        yield f"Open cases to choose from: {', '.join(case.get('number') or case['id'] for case in offered)}."
    if not report.get("parties") and report.get("reason"):
        yield report["reason"]
    yield from report.get("problems", ())


def _others(party: Mapping[str, Any]) -> Iterator[str]:
    """Each candidate with its evidence, and what it lacks."""
    for candidate in party.get("candidates", ()):
        lacks = f" Not taken: {candidate['lacks']}." if candidate.get("lacks") else ""
        yield f"{candidate['name']} has {candidate.get('score', 0):g} points: {'; '.join(_evidence(candidate))}.{lacks}"
    if (more := party.get("candidates_in_all", 0) - len(party.get("candidates", ()))) > 0:
        yield f"There are {more} more, with fewer points."


def _evidence(candidate: Mapping[str, Any]) -> Iterator[str]:
    """Each sentence with its points, as far as they were kept."""
    for sentence, points in zip_longest(candidate.get("evidence", ()), candidate.get("points", ())):
        yield sentence.removesuffix(".") + ("" if points is None else f" ({points:+g})")


def spoken_key(key: str) -> str:
    """A key in words, such as `the number +14155550123`."""
    kind, _, value = key.partition(":")
    return _WHERE.get(kind, f"{kind} {{}}").format(value)


def _now(row: StoredInteraction, decider: Decider) -> dict[str, Any]:
    _, (decided,) = decider.decide(row.org, [row])
    report, is_same = match_report(decided.match, ()), is_same_decision(decided.match, row.match)
    return {"decision": report, "in_words": list(in_words(report)), "is_same": is_same}


def _line(line: Any) -> dict[str, Any]:
    told = asdict(line)
    return {name: told[name] for name in ("at", "what", "before", "after")}
