"""Who an interaction was with: a pure decision, with its evidence, that abstains where the evidence does not decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain

from msgspec import Struct

from gateway.domain.accounts import AccountChoice, account_of_keys, account_of_person, shared_account
from gateway.domain.cases import CaseChoice, choose_case, explicit_case
from gateway.domain.evidence import Candidate, Scene, candidates_of, naming
from gateway.domain.identity import case_key, domain_key, email_key, foreign_key, handle_key, phone_key, spoken
from gateway.domain.interactions import Interaction, Party
from gateway.domain.policies import MatchPolicy, SecondParty, WhenMissing
from gateway.domain.records import Known, Record, full_id
from gateway.domain.references import ID_REFERENCES, named_account, number_keys, told_references


class MatchState(StrEnum):
    """How a match ended."""

    MATCHED = "matched"
    AMBIGUOUS = "ambiguous"
    UNMATCHED = "unmatched"


MATCHED, AMBIGUOUS, UNMATCHED = MatchState


class PartyMatch(Struct, frozen=True):
    """The decision on one outside person; `candidates` best first, `account` also where no person is certain."""

    party: Party
    state: MatchState
    reason: str
    who: Record | None = None
    account: Record | None = None
    candidates: tuple[Candidate, ...] = ()


class Match(Struct, frozen=True):
    """The decision on an interaction: people, account and case, with reasons, and by which policy."""

    state: MatchState
    reason: str
    policy: MatchPolicy
    parties: tuple[PartyMatch, ...]
    account: Record | None
    case: CaseChoice

    @property
    def people(self) -> tuple[Record, ...]:
        """The matched people, the primary party's first, each once."""
        return tuple({p.who.id: p.who for p in self.parties if p.who}.values())


class Sought(Struct, frozen=True):
    """The identity keys of an interaction: per party, and those of its references and agents.

    `references` are all that the interaction names, `numbers` the keys of those that are neither ids nor case numbers.
    """

    parties: tuple[tuple[str, ...], ...]
    domains: tuple[str | None, ...]
    cases: tuple[str, ...]
    ids: tuple[str, ...]
    agents: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    references: Mapping[str, str] = {}

    def all_keys(self) -> set[str]:
        """All keys under which a record may stand."""
        return {*self.cases, *self.agents, *self.numbers}.union(*self.parties)


def sought(interaction: Interaction, region: str, policy: MatchPolicy) -> Sought:
    """What to look for; numbers without a country code are taken to be dialled in `region`."""
    references = told_references(interaction, policy)
    number = case_key(references.get("case_number", "")) if references else None
    domains = [domain_key(p.email, policy.public_domains) if p.email else None for p in interaction.parties]
    return Sought(
        parties=tuple([_keys(party, interaction, region, policy) for party in interaction.parties]),
        domains=tuple(domains),
        cases=(number,) if number else (),
        ids=tuple([full_id(references[name]) for name in ID_REFERENCES if references.get(name)]) if references else (),
        agents=tuple([key for leg in interaction.legs if leg.agent_email and (key := email_key(leg.agent_email))]),
        numbers=number_keys(references) if references else (),
        references=references,
    )


def match(
    interaction: Interaction,
    looked_for: Sought,
    known: Known,
    policy: MatchPolicy,
    second_party: SecondParty | None = None,
) -> Match:
    """Decide on each outside person, then on the case and the account that the interaction belongs to.

    `second_party` says what requires two people outside, and what to do where there is but one.
    """
    explicit = explicit_case(looked_for.references, looked_for.numbers, known)
    named = named_account(looked_for.references, looked_for.numbers, known)
    scenes = _scenes(interaction, looked_for, known, policy, explicit=explicit, named=named)
    parties = tuple([_match_party(scene) for scene in scenes])
    accounts = [party.account for party in parties if party.account]
    account = named or (accounts[0] if accounts else None)
    case = choose_case(
        interaction,
        known,
        references=looked_for.references,
        explicit=explicit,
        people=[party.who for party in parties if party.who],
        account=account,
        keys=chain.from_iterable(looked_for.parties),
    )
    told = [party.reason for party in parties]
    told.append(case.reason)
    if named:
        told.append(naming(looked_for.references.get("account_id"), named, named.name))
    if case.record and case.record.account_id:
        account = known.by_id.get(case.record.account_id, account)
    state = _overall(parties, account, case)
    if lacking := _lacking(interaction, parties, second_party):
        told.append(lacking)
        state = AMBIGUOUS if second_party and second_party.when_missing is WhenMissing.ASK else state
    reason = " ".join(filter(None, map(str.strip, told))) or "Nobody outside is named."
    return Match(state, reason, policy, parties, account, case)


def _scenes(
    interaction: Interaction,
    looked_for: Sought,
    known: Known,
    policy: MatchPolicy,
    *,
    explicit: Record | None,
    named: Record | None,
) -> Iterator[Scene]:
    told, numbers = looked_for.references, looked_for.numbers
    sides = zip(interaction.parties, looked_for.parties, looked_for.domains, strict=True)
    for position, (party, keys, domain) in enumerate(sides):
        is_primary = position == 0
        yield Scene(interaction, party, keys, domain, is_primary, told, numbers, explicit, named, known, policy)


def _keys(party: Party, interaction: Interaction, region: str, policy: MatchPolicy) -> tuple[str, ...]:
    keys: list[str | None] = []
    if party.phone:
        keys += _phone_keys(party.phone, region, policy)
    if party.email:
        keys.append(email_key(party.email))
    if party.handle:
        keys += _phone_keys(party.handle, region, policy) or (handle_key(interaction.channel, party.handle),)
    return tuple(dict.fromkeys([key for key in keys if key]))


def _phone_keys(text: str, region: str, policy: MatchPolicy) -> tuple[str, ...]:
    """The number's key, and the one that it has where somebody typed it without its country."""
    for place in (region, *policy.regions):
        if key := phone_key(text, place):
            foreign = foreign_key(key, region)
            return (key, foreign) if foreign else (key,)
    return ()


def _overall(parties: Sequence[PartyMatch], account: Record | None, case: CaseChoice) -> MatchState:
    states = {party.state for party in parties}
    if AMBIGUOUS in states:
        return AMBIGUOUS
    return MATCHED if MATCHED in states or account or case.record else UNMATCHED


def _lacking(interaction: Interaction, parties: Sequence[PartyMatch], second_party: SecondParty | None) -> str | None:
    cause = second_party.required_by(interaction.disposition, interaction.queue) if second_party else None
    if cause is None:
        return None
    found = {(party.who or party.account or party.party).id for party in parties if party.state is MATCHED}
    if len(found) > 1:
        return None
    return f"{cause} requires a second party, and {'only one' if found else 'none'} is known."


def _match_party(scene: Scene) -> PartyMatch:
    candidates = candidates_of(scene)
    if not candidates:
        return _match_account(scene)
    best, policy = candidates[0], scene.policy
    lead_over_next = best.score - candidates[1].score if len(candidates) > 1 else best.score
    if best.score < policy.threshold or lead_over_next < policy.margin:
        return _abstain(candidates, scene)
    account = account_of_person(best.record, scene.named, scene.keys, scene.domain, scene.known)
    reason = f"{best.record.name}: {best.told} {account.reason}".rstrip()
    return PartyMatch(scene.party, MATCHED, reason, best.record, account.record, candidates)


def _abstain(candidates: tuple[Candidate, ...], scene: Scene) -> PartyMatch:
    contenders = [c for c in candidates if candidates[0].score - c.score < scene.policy.margin]
    account = _account_for(contenders, scene)
    weak = "alone is too weak to decide" if len(contenders) == 1 else "does not decide between them"
    names = _listed([c.record.name for c in contenders])
    reason = f"Could be {names}: {candidates[0].told} That {weak}. {account.reason}".rstrip()
    return PartyMatch(scene.party, AMBIGUOUS, reason, None, account.record, candidates)


def _account_for(contenders: Sequence[Candidate], scene: Scene) -> AccountChoice:
    """What is certain although the person is not. Whose name is another's says nothing about the account."""
    if scene.named:
        return AccountChoice(scene.named)
    likely = [candidate.record for candidate in contenders if not candidate.is_contradicted]
    shared = shared_account(likely, scene.known)
    return shared if shared.record else account_of_keys(scene.keys, scene.domain, scene.known, scene.policy)


def _match_account(scene: Scene) -> PartyMatch:
    """Nobody is known by these keys; the organisation may be."""
    account = account_of_keys(scene.keys, scene.domain, scene.known, scene.policy)
    spoken_keys = " or ".join(dict.fromkeys(spoken(key) for key in scene.keys if not key.startswith("national:")))
    unknown = (
        f"No contact or lead has {spoken_keys}." if scene.keys else "Nothing that identifies the customer was given."
    )
    state = MATCHED if account.record else UNMATCHED
    return PartyMatch(scene.party, state, f"{unknown} {account.reason}".rstrip(), None, account.record)


def _listed(names: list[str]) -> str:
    if len(names) > 4:
        names = [*names[:3], f"{len(names) - 3} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
