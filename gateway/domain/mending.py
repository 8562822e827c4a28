"""What an undecided interaction waits for, and what a change in the org stirs: both as keys, so that they can meet.

They are identity keys (`domain.identity`), and `id:…` for a record itself and for what belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from gateway.domain.matching import Match, PartyMatch, Sought
from gateway.domain.records import Kind, Record

Change: TypeAlias = tuple[Record | None, Record | None]
"""A record as it was and as it is; None before it came and after it went."""


def awaited(match: Match, looked_for: Sought) -> tuple[str, ...]:
    """The keys under which evidence could still appear; none where all is decided.

    Undecided is who is not known by a record of a person, and a case that was named but is not there.
    """
    lacking = [position for position, party in enumerate(match.parties) if party.who is None]
    keys = [key for position in lacking for key in _of_party(match.parties[position], looked_for, position)]
    is_missing = not match.case.is_explicit and any(map(looked_for.references.get, ("case_number", "case_id")))
    if is_missing:
        keys += looked_for.cases
    if lacking or is_missing:
        keys += (*looked_for.numbers, *map(id_key, looked_for.ids))
    return tuple(sorted(set(keys)))


def _of_party(party: PartyMatch, looked_for: Sought, position: int) -> Iterator[str]:
    """Its keys and domain, and those between whom it was not decided, with their accounts."""
    yield from looked_for.parties[position]
    if domain := looked_for.domains[position]:
        yield domain
    for candidate in party.candidates:
        yield id_key(candidate.record.id)
        if candidate.record.account_id:
            yield id_key(candidate.record.account_id)


def stirred(changes: Iterable[Change]) -> set[str]:
    """The keys about which something is new."""
    return {key for change in changes for record in change if record for key in _shown(record)}


def _shown(record: Record) -> Iterator[str]:
    """What a record is evidence for; agents are none."""
    if record.kind is Kind.USER:
        return
    yield id_key(record.id)
    yield from record.keys
    belongs_to = {
        Kind.CASE: record.contact_id or record.account_id,
        Kind.LEAD: record.contact_id,
        Kind.RELATION: record.contact_id,
    }.get(record.kind)
    if belongs_to:
        yield id_key(belongs_to)


def id_key(id: str) -> str:
    """The key of a record itself."""
    return f"id:{id}"
