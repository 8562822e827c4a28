"""What speaks for and against each person who could be meant, in sentences and points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2

from gateway.domain.identity import is_shared_mailbox, opening, spoken
from gateway.domain.interactions import Channel, Interaction, Party
from gateway.domain.names import Agreement, agreement, words_of_name
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Kind, Known, Record, Remembered, full_id


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for a candidate: a sentence for people and what it weighs, in points; against it, less than none."""

    sentence: str
    points: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person that could be meant; `score` is the sum of the evidence, in points.

    `is_contradicted`: the name given is that of somebody else.
    """

    record: Record
    evidence: tuple[Evidence, ...]
    score: float
    is_contradicted: bool = False

    @property
    def told(self) -> str:
        """The evidence in sentences."""
        return " ".join(item.sentence for item in self.evidence)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the decision on one party may look at.

    References speak of the primary party only: `explicit` is the case that was named, `named` the account.
    """

    interaction: Interaction
    party: Party
    keys: Sequence[str]
    domain: str | None
    is_primary: bool
    references: Mapping[str, str]
    numbers: Sequence[str]
    explicit: Record | None
    named: Record | None
    known: Known
    policy: MatchPolicy


def candidates_of(scene: Scene) -> tuple[Candidate, ...]:
    """All for whom something speaks, best first."""
    found: dict[str, list[Evidence]] = {}
    people: dict[str, Record] = {}
    for person, evidence in _evidence(scene):
        people[person.id] = person
        found.setdefault(person.id, []).append(evidence)
    candidates = [
        _candidate(people[id], evidence, scene) for id, evidence in found.items() if any(e.points > 0 for e in evidence)
    ]
    if len(candidates) > 1:
        candidates.sort(key=lambda c: (-c.score, c.record.name, c.record.id))
    return tuple(candidates)


def naming(reference: str | None, named: Record, called: str) -> str:
    """That the platform named a record, by its own id or by that of one that was merged into it."""
    if not reference or named.id == full_id(reference):
        return f"The platform named {called}."
    return f"The platform named {reference}, which was merged into {called}."


def _candidate(person: Record, evidence: list[Evidence], scene: Scene) -> Candidate:
    name = _by_name(person, scene)
    if name:
        evidence.append(name)
    if context := _by_account(person, scene):
        evidence.append(context)
    score = round(sum(item.points for item in evidence), 1)
    return Candidate(person, tuple(evidence), score, name is not None and name.points <= scene.policy.other_name)


def _evidence(scene: Scene) -> Iterator[tuple[Record, Evidence]]:
    if scene.is_primary:
        yield from _named(scene)
    for key in scene.keys:
        records = scene.known.by_key.get(key, ())
        people = people_of(records, scene.known)
        for person in people:
            yield person, _by_key(key, len(people), scene)
        if remembered := scene.known.remembered.get(key):
            yield from _by_memory(key, remembered, scene)
        yield from _by_supplied(key, records, {person.id for person in people}, scene)


def _named(scene: Scene) -> Iterator[tuple[Record, Evidence]]:
    known, weight = scene.known, scene.policy.reference
    for name in ("contact_id", "lead_id"):
        reference = scene.references.get(name, "")
        named = known.named(reference)
        if named and (person := _person(named, known)):
            called = "this record" if person is named else "the lead that became this contact"
            yield person, Evidence(naming(reference, named, called), weight)
    for key in scene.numbers:
        people = people_of(known.by_key.get(key, ()), known)
        for person in people:
            yield person, Evidence(f"{opening(key)} is on this record.", _shared(weight, len(people)))
    if scene.explicit and (contact := known.by_id.get(scene.explicit.contact_id or "")):
        yield contact, Evidence(f"Case {scene.explicit.number} is theirs.", scene.policy.case_contact)


def _by_key(key: str, listed: int, scene: Scene) -> Evidence:
    """A key that k people share is worth less by log k: a switchboard's number alone never decides."""
    policy = scene.policy
    sharing = max(listed, scene.known.sharing.get(key, 0))
    kind = key.partition(":")[0]
    weight: float = getattr(policy, kind)
    if kind == "national":
        return Evidence(f"{opening(key)} is on this record, without a country.", _shared(weight, sharing))
    if kind == "email" and is_shared_mailbox(key, policy.mailboxes):
        return Evidence(f"{opening(key)} is on this record, and is an office's.", _shared(policy.mailbox, sharing))
    if sharing > 1:
        return Evidence(f"{opening(key)} is shared by {sharing} people.", _shared(weight, sharing))
    verified = policy.verified if scene.party.verified and _vouched_for(kind, scene) else 0
    return Evidence(f"{opening(key)} is theirs alone{', and verified' if verified else ''}.", weight + verified)


def _vouched_for(kind: str, scene: Scene) -> bool:
    """Which of a party's keys the platform vouches for: the one that the channel runs on."""
    if scene.interaction.channel in _BY_NUMBER:
        return kind == "phone"
    return kind == "email" or not scene.party.email


_BY_NUMBER = frozenset({Channel.VOICE, Channel.SMS, Channel.WHATSAPP})


def _by_memory(key: str, remembered: Iterable[Remembered], scene: Scene) -> Iterator[tuple[Record, Evidence]]:
    """What people confirmed wears off; what they corrected counts against."""
    for memory in remembered:
        record = scene.known.by_id.get(memory.record_id)
        person = _person(record, scene.known) if record else None
        total = memory.confirmed + memory.rejected
        if person is None or not total:
            continue
        age = max((scene.interaction.last_event_at - memory.at).total_seconds() / 86_400, 0)
        worn = 0.5 ** (age / scene.policy.half_life)
        points = round(scene.policy.remembered * (memory.confirmed - memory.rejected) / total * worn, 1)
        said = f"{memory.confirmed} of {total} times people chose this record for {spoken(key)}"
        yield person, Evidence(f"{said}, last on {memory.at:%Y-%m-%d}.", points)


def _by_supplied(
    key: str, records: Iterable[Record], holders: set[str], scene: Scene
) -> Iterator[tuple[Record, Evidence]]:
    """The contact of an open case that was opened with this number or address, and does not have it otherwise."""
    cases = [r for r in records if r.kind is Kind.CASE and r.is_open and r.contact_id and r.contact_id not in holders]
    contacts = {case.contact_id: case for case in cases}
    for contact, case in contacts.items():
        if person := scene.known.by_id.get(contact or ""):
            sharing = len(contacts) + len(holders)
            yield person, Evidence(
                f"Their open case {case.number} was opened with {spoken(key)}.", _shared(scene.policy.supplied, sharing)
            )


def _by_name(person: Record, scene: Scene) -> Evidence | None:
    given, policy = scene.party.name, scene.policy
    if not given:
        return None
    match agreement(given, person.name):
        case Agreement.SAME:
            return Evidence("The name given agrees.", policy.name)
        case Agreement.PARTLY:
            return Evidence("The name given agrees in part.", policy.first_name)
        case Agreement.RELATIVE:
            return Evidence("The name given is that of another with the same last name.", policy.relative)
        case Agreement.OTHER if not _is_their_account(given, person, scene.known):
            return Evidence("The name given is another.", policy.other_name)
        case _:
            return None


def _is_their_account(given: str, person: Record, known: Known) -> bool:
    """Telephone systems tell a company's name for the caller's."""
    account = known.by_id.get(person.account_id or "")
    return account is not None and not set(words_of_name(given)).isdisjoint(words_of_name(account.name))


def _by_account(person: Record, scene: Scene) -> Evidence | None:
    """Where the person belongs tells apart those for whom something else speaks."""
    theirs = {person.account_id, *scene.known.related.get(person.id, ())}
    if scene.is_primary and scene.named and scene.named.id in theirs:
        return Evidence(f"They belong to {scene.named.name}, which was named.", scene.policy.account)
    if scene.domain and not theirs.isdisjoint(scene.known.domains.get(scene.domain, ())):
        domain = scene.domain.partition(":")[2]
        return Evidence(f"The e-mail domain {domain} is that of their account.", scene.policy.domain)
    return None


def _shared(weight: float, sharing: int) -> float:
    return round(weight / (1 + log2(max(sharing, 1))), 1)


def people_of(records: Iterable[Record], known: Known) -> list[Record]:
    """The people behind some records, each once; a lead that a contact of the same name stands beside is that contact."""
    people = {person.id: person for record in records if (person := _person(record, known))}
    if len(people) > 1 and any(person.kind is Kind.LEAD for person in people.values()):
        contacts = {words_of_name(person.name) for person in people.values() if person.kind is Kind.CONTACT}
        return [p for p in people.values() if p.kind is not Kind.LEAD or words_of_name(p.name) not in contacts]
    return list(people.values())


def _person(record: Record, known: Known) -> Record | None:
    """The contact or open lead that a record stands for: a converted lead and a person account for their contact."""
    if record.kind is Kind.CONTACT or (record.kind is Kind.LEAD and record.is_open):
        return record
    if record.kind in _STAND_INS and record.contact_id:
        return known.by_id.get(record.contact_id)
    return None


_STAND_INS = frozenset({Kind.LEAD, Kind.ACCOUNT})
