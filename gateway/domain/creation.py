"""Whom and what the gateway creates: pure decisions about people whom nobody knows, and about cases that are due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from gateway.domain.cases import CaseChoice, is_on_topic
from gateway.domain.evidence import Candidate, Evidence
from gateway.domain.identity import email_key, is_shared_mailbox, phone_key
from gateway.domain.interactions import Direction, Interaction, Party
from gateway.domain.mappings import FieldMapping
from gateway.domain.matching import Match, MatchState, PartyMatch, Sought
from gateway.domain.names import is_person
from gateway.domain.policies import CaseRule, ContactPoint, Creates
from gateway.domain.records import Kind, Known, Record

KINDS = {
    Creates.CONTACT: Kind.CONTACT,
    Creates.CONTACT_UNDER_DOMAIN_ACCOUNT: Kind.CONTACT,
    Creates.LEAD: Kind.LEAD,
}

ON_STOP_LIST = "They are on the stop list."


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody to be created for a party of an interaction; `keys` are what he or she is known by."""

    position: int
    policy: Creates
    keys: tuple[str, ...]
    account: Record | None

    @property
    def kind(self) -> Kind:
        """What is created."""
        return KINDS[self.policy]


@dataclass(frozen=True, slots=True)
class RecordDraft:
    """One record to create."""

    kind: Kind
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What became of a draft: the new record, or those that a duplicate rule takes for it, or why there is none.

    `passes`: it may be taken later; `is_unknown`: it may have been taken all the same; `is_stopped`: a duplicate rule
    stopped it, which does not say for whom.
    """

    record_id: str | None = None
    candidates: tuple[str, ...] = ()
    reason: str | None = None
    passes: bool = False
    is_unknown: bool = False
    is_stopped: bool = False


def wish_of(position: int, keys: Sequence[str], match: Match, point: ContactPoint, known: Known) -> Wish | str | None:
    """Who is to be created for a party; a sentence where policy stands against it; None where it is not asked.

    Only somebody without a single candidate is created, and nobody by a number that is an account's own.
    """
    party = match.parties[position]
    owned = any(record.kind is Kind.ACCOUNT for key in keys for record in known.by_key.get(key, ()))
    if not point.create.is_active or party.who or party.candidates or owned:
        return None
    policy = point.create.under(party.account.type if party.account else None)
    own = tuple(key for key in keys if key.startswith(_IDENTIFYING) and not _is_office(key, match))
    return _obstacle(policy, own, party.account, point) or Wish(position, policy, own, party.account)


_IDENTIFYING = ("phone:", "email:", "handle:")


def _is_office(key: str, match: Match) -> bool:
    """An address such as info@ is nobody's own."""
    return key.startswith("email:") and is_shared_mailbox(key, match.policy.mailboxes)


def _obstacle(policy: Creates, keys: Sequence[str], account: Record | None, point: ContactPoint) -> str | None:
    if point.stop_list.covers(keys):
        return "Nobody is created for them."
    if policy is Creates.NEVER:
        return f"Policy creates nobody for accounts of type {account.type}." if account else "Policy creates nobody."
    if not any(key.startswith(("phone:", "email:")) for key in keys):
        return "Nobody is created without a number or an e-mail address of their own."
    if policy is Creates.CONTACT_UNDER_DOMAIN_ACCOUNT and account is None:
        return "Nobody is created, for the e-mail's domain leads to no account."
    return None


def objection(record: Mapping[str, Any], point: ContactPoint) -> str | None:
    """Why policy creates nobody for an interaction, whose canonical record this is; None where it may."""
    if record["direction"] == Direction.INTERNAL:
        return "Nobody is created for an internal interaction."
    unless, approval = point.create.unless, point.create.approval
    if unless and unless.holds(record):
        return f"Nobody is created where {unless.text}."
    if approval and not approval.holds(record):
        return f"Nobody is created without approval ({approval.text})."
    return None


def creation_record(
    record: Mapping[str, Any], party: Party, keys: Sequence[str], account: Record | None, told: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What the mappings of contact.yaml and lead.yaml see: the canonical record, and more.

    `party` is who is created, as the interaction has it; `person` what the directory told of them, else the same with
    a clean name and number; `account` where they belong.
    """
    given = {name: getattr(party, name) for name in ("role", "phone", "email", "name", "handle", "verified")}
    own = {"name": real_name(party.name), "phone": value_of("phone", keys), "email": value_of("email", keys)}
    there = {"id": account.id, "name": account.name, "type": account.type} if account else None
    return {**record, "party": given, "person": dict(own if told is None else told), "account": there}


def value_of(kind: str, keys: Sequence[str]) -> str | None:
    """The first number, or address, among identity keys."""
    return next((key.partition(":")[2] for key in keys if key.startswith(f"{kind}:")), None)


def real_name(name: str | None) -> str | None:
    """A person's name; None for what stands in the place of one: a number, an address, `Anonymous`."""
    spelt = " ".join((name or "").split())
    return spelt if is_person(spelt) else None


def person_draft(wish: Wish, record: Mapping[str, Any], mapping: FieldMapping) -> RecordDraft | str:
    """The record to create, or a sentence that says what is missing."""
    values = mapping.fill(record)
    if missing := mapping.missing(values):
        return f"No {wish.kind.value.lower()} is created: nothing is known for {', '.join(missing)}."
    if wish.kind is Kind.CONTACT and wish.account:
        values["AccountId"] = wish.account.id
    return RecordDraft(wish.kind, values)


def told_keys(told: Mapping[str, Any], region: str) -> tuple[str, ...]:
    """The identity keys of what a directory told of a person."""
    phones = [phone_key(str(told[name]), region) for name in ("phone", "mobile") if told.get(name)]
    emails = [email_key(str(told["email"]))] if told.get("email") else []
    return tuple(key for key in (*phones, *emails) if key)


# --- cases ---------------------------------------------------------------------------------------------------------


def case_wish(interaction: Interaction, looked_for: Sought, match: Match, rules: Sequence[CaseRule]) -> CaseRule | None:
    """The first rule by which a case is opened for an interaction; None where it has one, or one may be meant.

    Somebody must be known, the interaction must name no case, and no open case may be about the same issue.
    """
    offered = [case for case in match.case.offered if is_on_topic(case, interaction)]
    named = looked_for.references.get("case_number") or looked_for.references.get("case_id")
    if match.case.record or offered or named or not (match.account or match.people):
        return None
    return next((rule for rule in rules if rule.covers(interaction.disposition, interaction.queue)), None)


def case_draft(match: Match, record: Mapping[str, Any], mapping: FieldMapping) -> RecordDraft | str:
    """The case to open, under the account and for the contact of the match."""
    values = mapping.fill(record)
    if missing := mapping.missing(values):
        return f"No case is opened: nothing is known for {', '.join(missing)}."
    contact = next((person for person in match.people if person.kind is Kind.CONTACT), None)
    account_id = match.account.id if match.account else contact.account_id if contact else None
    related = {"AccountId": account_id, "ContactId": contact.id if contact else None}
    return RecordDraft(Kind.CASE, values | {name: id for name, id in related.items() if id})


def with_own_case(match: Match, case: Record) -> Match:
    """The match with the case that was opened for the interaction, unless another one was named."""
    if match.case.is_explicit:
        return match
    reason = f"Case {case.number or case.id} was opened for this interaction."
    told = f"{match.reason} {reason}" if not match.case.reason else match.reason.replace(match.case.reason, reason)
    return replace(match, case=CaseChoice(case, reason), reason=told, state=MatchState.MATCHED)


def stop_listed(looked_for: Sought, point: ContactPoint) -> list[int]:
    """The positions of the parties that are on the stop list."""
    if not point.stop_list.identities:
        return []
    return [position for position, keys in enumerate(looked_for.parties) if point.stop_list.covers(keys)]


# --- what is said about it -----------------------------------------------------------------------------------------


def with_sentence(match: Match, position: int, sentence: str) -> Match:
    """The match with one more reason at a party."""
    return _with_party(match, position, sentence)


def with_evidence(match: Match, position: int, sentence: str) -> Match:
    """The match with one more piece of evidence for the person that a party is."""
    party = match.parties[position]
    best = [replace(c, evidence=(Evidence(sentence, 0), *c.evidence)) for c in party.candidates[:1]]
    return _with_party(match, position, sentence, candidates=(*best, *party.candidates[1:]))


def with_candidates(match: Match, position: int, people: Collection[Record], sentence: str) -> Match:
    """The match where a party that nobody is known for could be these."""
    found = tuple(Candidate(person, (Evidence(sentence, 0),), 0) for person in people)
    accounts = {person.account_id for person in people}
    party = match.parties[position]
    keeps = party.account and accounts <= {party.account.id}
    changed = {"state": MatchState.AMBIGUOUS, "candidates": found, "account": party.account if keeps else None}
    names = ", ".join(person.name for person in people)
    match = _with_party(match, position, f"Could be {names}: {sentence}", **changed)
    account = next((party.account for party in match.parties if party.account), None)
    return replace(match, state=MatchState.AMBIGUOUS, account=match.account if match.case.record else account)


def _with_party(match: Match, position: int, sentence: str, **changes: Any) -> Match:
    party: PartyMatch = match.parties[position]
    changed = replace(party, reason=f"{party.reason} {sentence}".strip(), **changes)
    parties = tuple(changed if at == position else each for at, each in enumerate(match.parties))
    return replace(match, parties=parties, reason=f"{match.reason} {sentence}")
