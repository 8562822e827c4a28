"""What a person chose in place of the decision: who it was with, and what the Task is related to.

A choice is plain JSON: `who` and `what`, each a record's id, or None for nobody and nothing, or left out where the
person did not decide on it; `by` and `at`, who chose and when; `version`, that of the interaction since the choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from gateway.domain.cases import CaseChoice
from gateway.domain.interactions import Party
from gateway.domain.matching import Match, MatchState, PartyMatch
from gateway.domain.records import Kind, Known, Record

RELATIONS = frozenset({"WhoId", "TaskWhoIds", "WhatId"})
"""Fields of a Task by which a person decides on an interaction."""


def has_decided(chosen: Mapping[str, Any] | None, kept: Mapping[str, Any]) -> bool:
    """Whether a person chose, here or by an edit in Salesforce that is `kept`."""
    return chosen is not None or not RELATIONS.isdisjoint(kept)


def standing(id: str | None, known: Known) -> Record | None:
    """The record that takes an id's place today: what it was merged into, the contact that a lead became."""
    record = known.named(id)
    if record and record.kind is Kind.LEAD and record.contact_id:
        return known.by_id.get(record.contact_id)
    return record


def as_chosen(match: Match, chosen: Mapping[str, Any], known: Known) -> Match:
    """The decision with what was chosen in its place; a record that is not in the org any more decides nothing."""
    for name, put in (("who", _with_who), ("what", _with_what)):
        record = standing(chosen.get(name), known)
        if name in chosen and (record or chosen[name] is None):
            match = put(match, record, known)
    return match


def _with_who(match: Match, who: Record | None, known: Known) -> Match:
    """The case stays if it can be theirs, and the account is theirs."""
    party = match.parties[0] if match.parties else PartyMatch(Party(role="customer"), MatchState.UNMATCHED, "")
    state, reason = MatchState.UNMATCHED, "A person chose nobody."
    if who:
        state, reason = MatchState.MATCHED, f"A person chose {who.name}."
    account = known.by_id.get(who.account_id or "") if who else party.account
    party = replace(party, state=state, reason=reason, who=who, account=account)
    case = match.case
    if who and case.record and who.id != case.record.contact_id and who.account_id != case.record.account_id:
        case = CaseChoice(None, "")
    if who and not case.record:
        match = replace(match, account=account)
    return _decided(replace(match, parties=(party, *match.parties[1:]), case=case), reason)


def _with_what(match: Match, what: Record | None, known: Known) -> Match:
    case = what if what and what.kind is Kind.CASE else None
    account = known.by_id.get(case.account_id or "") if case else what
    called = f"case {case.number}" if case else what.name if what else "no account or case"
    reason = f"A person chose {called}."
    before = match.reason if match.reason.startswith("A person chose") else ""
    match = replace(match, account=account, case=CaseChoice(case, reason, is_explicit=case is not None))
    return _decided(match, f"{before} {reason}".strip())


def _decided(match: Match, reason: str) -> Match:
    is_known = any(party.who for party in match.parties) or match.account or match.case.record
    return replace(match, state=MatchState.MATCHED if is_known else MatchState.UNMATCHED, reason=reason)
