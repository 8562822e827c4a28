"""Who an interaction was with: a pure decision, with its evidence, that abstains where the evidence does not decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log2

from rapidfuzz import fuzz

from gateway.domain.cases import CaseChoice, choose_case, explicit_case
from gateway.domain.identity import case_key, domain_key, email_key, handle_key, phone_key
from gateway.domain.interactions import Interaction, Party
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Kind, Known, Record, full_id

NAMES_AGREE = 88
"""Least similarity (0-100, word order ignored) at which two names are taken for one."""


class MatchState(StrEnum):
    """How a match ended."""

    MATCHED = "matched"
    AMBIGUOUS = "ambiguous"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for a candidate: a sentence for people and what it weighs, in points."""

    sentence: str
    points: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person that could be meant."""

    record: Record
    evidence: tuple[Evidence, ...]

    @property
    def score(self) -> float:
        """The sum of the evidence, in points."""
        return round(sum(item.points for item in self.evidence), 1)


@dataclass(frozen=True, slots=True)
class PartyMatch:
    """The decision on one outside person; `candidates` best first, `account` also where no person is certain."""

    party: Party
    state: MatchState
    reason: str
    who: Record | None = None
    account: Record | None = None
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """The decision on an interaction: people, account and case, with reasons; `policy` names the weights used."""

    state: MatchState
    reason: str
    policy: str
    parties: tuple[PartyMatch, ...]
    account: Record | None
    case: CaseChoice

    @property
    def people(self) -> tuple[Record, ...]:
        """The matched people, the primary party's first, each once."""
        return tuple({p.who.id: p.who for p in self.parties if p.who}.values())


@dataclass(frozen=True, slots=True)
class Sought:
    """The identity keys of an interaction: per party, and those of its references and agents."""

    parties: tuple[tuple[str, ...], ...]
    domains: tuple[str | None, ...]
    cases: tuple[str, ...]
    ids: tuple[str, ...]
    agents: tuple[str, ...]

    def all_keys(self) -> set[str]:
        """All keys under which a record may stand."""
        return {key for keys in self.parties for key in keys}.union(self.cases, self.agents)


def sought(interaction: Interaction, region: str, policy: MatchPolicy) -> Sought:
    """What to look for; numbers without a country code are taken to be dialled in `region`."""
    references = interaction.references
    number = case_key(references.get("case_number", ""))
    return Sought(
        parties=tuple(_keys(party, interaction, region) for party in interaction.parties),
        domains=tuple(domain_key(p.email, policy.public_domains) if p.email else None for p in interaction.parties),
        cases=(number,) if number else (),
        ids=tuple(full_id(references[name]) for name in _ID_REFERENCES if references.get(name)),
        agents=tuple(key for leg in interaction.legs if leg.agent_email and (key := email_key(leg.agent_email))),
    )


def match(interaction: Interaction, looked_for: Sought, known: Known, policy: MatchPolicy) -> Match:
    """Decide on each outside person, then on the case and the account that the interaction belongs to."""
    explicit = explicit_case(interaction.references, known)
    sides = zip(interaction.parties, looked_for.parties, looked_for.domains, strict=True)
    parties = tuple(
        _match_party(party, keys, domain, _Scene(interaction, position == 0, explicit, known, policy))
        for position, (party, keys, domain) in enumerate(sides)
    )
    account = next((party.account for party in parties if party.account), None)
    keys = [key for party_keys in looked_for.parties for key in party_keys]
    case = choose_case(interaction, [p.who for p in parties if p.who], account, keys, known)
    if case.record and case.record.account_id:
        account = known.by_id.get(case.record.account_id, account)
    told = [*(party.reason for party in parties), case.reason]
    if account is None and (account := _named_account(interaction, known)):
        told.append(_naming(interaction.references["account_id"], account, account.name))
    state = _overall(parties, account, case)
    reason = " ".join(filter(None, map(str.strip, told))) or "Nobody outside is named."
    return Match(state, reason, policy.version, parties, account, case)


_ID_REFERENCES = ("contact_id", "lead_id", "account_id", "case_id")


@dataclass(frozen=True, slots=True)
class _Scene:
    """What one party's decision may look at; references speak of the primary party."""

    interaction: Interaction
    is_primary: bool
    explicit: Record | None
    known: Known
    policy: MatchPolicy


def _keys(party: Party, interaction: Interaction, region: str) -> tuple[str, ...]:
    keys = [
        phone_key(party.phone, region) if party.phone else None,
        email_key(party.email) if party.email else None,
    ]
    if party.handle:
        keys.append(phone_key(party.handle, region) or handle_key(interaction.channel, party.handle))
    return tuple(dict.fromkeys(key for key in keys if key))


def _overall(parties: Sequence[PartyMatch], account: Record | None, case: CaseChoice) -> MatchState:
    states = {party.state for party in parties}
    if MatchState.AMBIGUOUS in states:
        return MatchState.AMBIGUOUS
    return MatchState.MATCHED if MatchState.MATCHED in states or account or case.record else MatchState.UNMATCHED


def _named_account(interaction: Interaction, known: Known) -> Record | None:
    named = known.named(interaction.references.get("account_id"))
    return named if named and named.kind is Kind.ACCOUNT else None


def _naming(reference: str, named: Record, called: str) -> str:
    if named.id == full_id(reference):
        return f"The platform named {called}."
    return f"The platform named {reference}, which was merged into {called}."


def _match_party(party: Party, keys: Sequence[str], domain: str | None, scene: _Scene) -> PartyMatch:
    candidates = _candidates(party, keys, scene)
    if not candidates:
        return _match_account(party, keys, domain, scene)
    best, policy = candidates[0], scene.policy
    lead_over_next = best.score - candidates[1].score if len(candidates) > 1 else best.score
    if best.score >= policy.threshold and lead_over_next >= policy.margin:
        account = scene.known.by_id.get(best.record.account_id or "")
        reason = f"{best.record.name}: {_sentences(best.evidence)}"
        return PartyMatch(party, MatchState.MATCHED, reason, best.record, account, tuple(candidates))
    return _abstain(party, candidates, scene)


def _abstain(party: Party, candidates: list[Candidate], scene: _Scene) -> PartyMatch:
    contenders = [c for c in candidates if candidates[0].score - c.score < scene.policy.margin]
    accounts = {c.record.account_id for c in contenders}
    account = scene.known.by_id.get(accounts.pop() or "") if len(accounts) == 1 else None
    names = _listed([c.record.name for c in contenders])
    reason = f"Could be {names}: {_sentences(candidates[0].evidence)} That does not decide between them."
    if len(contenders) == 1:
        reason = f"Could be {names}: {_sentences(candidates[0].evidence)} That alone is too weak to decide."
    if account:
        reason += f" All belong to {account.name}." if len(contenders) > 1 else f" The account is {account.name}."
    return PartyMatch(party, MatchState.AMBIGUOUS, reason, None, account, tuple(candidates))


def _match_account(party: Party, keys: Sequence[str], domain: str | None, scene: _Scene) -> PartyMatch:
    """Nobody is known by these keys; the organisation may be."""
    known = scene.known
    for key in keys:
        own = [record for record in known.by_key.get(key, ()) if record.kind is Kind.ACCOUNT]
        if len(own) == 1:
            reason = f"{_opening(key)} is that of {own[0].name}, and of no contact."
            return PartyMatch(party, MatchState.MATCHED, reason, None, own[0])
    accounts = known.domains.get(domain or "", {})
    unknown = f"No contact or lead has {_any_of(keys)}." if keys else "Nothing that identifies the customer was given."
    if len(accounts) == 1 and (account := known.by_id.get(next(iter(accounts)))):
        domain_name = (domain or "").partition(":")[2]
        reason = f"{unknown} The e-mail domain {domain_name} belongs to {account.name}."
        return PartyMatch(party, MatchState.MATCHED, reason, None, account)
    if len(accounts) > 1:
        unknown += f" The e-mail domain is used by {len(accounts)} accounts, so it does not decide."
    return PartyMatch(party, MatchState.UNMATCHED, unknown)


def _candidates(party: Party, keys: Sequence[str], scene: _Scene) -> list[Candidate]:
    found: dict[str, list[Evidence]] = {}
    people: dict[str, Record] = {}
    for person, evidence in _evidence(party, keys, scene):
        people[person.id] = person
        found.setdefault(person.id, []).append(evidence)
    if len(found) > 1 and party.name:
        for person in people.values():
            if fuzz.token_sort_ratio(party.name.casefold(), person.name.casefold()) >= NAMES_AGREE:
                found[person.id].append(Evidence("The name given agrees.", scene.policy.name))
    candidates = [Candidate(people[id], tuple(evidence)) for id, evidence in found.items()]
    return sorted(candidates, key=lambda c: (-c.score, c.record.name, c.record.id))


def _evidence(party: Party, keys: Sequence[str], scene: _Scene) -> Iterable[tuple[Record, Evidence]]:
    known, policy = scene.known, scene.policy
    for name in ("contact_id", "lead_id"):
        reference = scene.interaction.references.get(name, "") if scene.is_primary else ""
        named = known.named(reference)
        if named and (person := _person(named, known)):
            called = "this record" if person is named else "the lead that became this contact"
            yield person, Evidence(_naming(reference, named, called), policy.reference)
    for key in keys:
        people = _people(known.by_key.get(key, ()), known)
        for person in people:
            yield person, _shared_key(key, len(people), party, policy)
    if scene.is_primary and scene.explicit and (contact := known.by_id.get(scene.explicit.contact_id or "")):
        yield contact, Evidence(f"Case {scene.explicit.number} is theirs.", policy.case_contact)


def _shared_key(key: str, sharing: int, party: Party, policy: MatchPolicy) -> Evidence:
    """A key that k people share is worth less by log k: a switchboard's number alone never decides."""
    weight: Mapping[str, float] = {"phone": policy.phone, "email": policy.email, "handle": policy.handle}
    points = weight[key.partition(":")[0]] / (1 + log2(sharing))
    if sharing > 1:
        return Evidence(f"{_opening(key)} is shared by {sharing} people.", round(points, 1))
    verified = policy.verified if party.verified else 0
    return Evidence(f"{_opening(key)} is theirs alone{', and verified' if verified else ''}.", points + verified)


def _people(records: Iterable[Record], known: Known) -> list[Record]:
    return list({p.id: p for record in records if (p := _person(record, known))}.values())


def _person(record: Record, known: Known) -> Record | None:
    """The contact or open lead that a record stands for; a converted lead stands for its contact."""
    if record.kind is Kind.CONTACT or (record.kind is Kind.LEAD and record.is_open):
        return record
    if record.kind is Kind.LEAD and record.contact_id:
        return known.by_id.get(record.contact_id)
    return None


def _spoken(key: str) -> str:
    kind, _, value = key.partition(":")
    return {"phone": f"the number {value}", "email": f"the e-mail {value}"}.get(kind, f"the handle {value}")


def _opening(key: str) -> str:
    """The key at the beginning of a sentence."""
    return "T" + _spoken(key)[1:]


def _any_of(keys: Sequence[str]) -> str:
    return " or ".join(_spoken(key) for key in keys)


def _listed(names: list[str]) -> str:
    if len(names) > 4:
        names = [*names[:3], f"{len(names) - 3} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _sentences(evidence: Iterable[Evidence]) -> str:
    return " ".join(item.sentence for item in evidence)
