"""What speaks for and against each person who could be meant, in sentences and points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log2

from msgspec import Struct

from gateway.domain.identity import is_shared_mailbox, opening, spoken
from gateway.domain.interactions import Channel, Interaction, Party
from gateway.domain.names import Agreement, agreement, words_of_name
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import ACCOUNT, CASE, CONTACT, LEAD, Known, Record, Remembered, full_id


class Evidence(Struct, frozen=True):
    """One reason for a candidate: a sentence for people and what it weighs, in points; against it, less than none."""

    sentence: str
    points: float


class Candidate(Struct, frozen=True):
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
        return " ".join([item.sentence for item in self.evidence])


class Scene(Struct, frozen=True):
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
        _candidate(people[id], told, scene) for id, told in found.items() if max([e.points for e in told]) > 0
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
    score = round(sum([item.points for item in evidence]), 1)
    return Candidate(person, tuple(evidence), score, name is not None and name.sentence is _ANOTHER)


def _evidence(scene: Scene) -> Iterator[tuple[Record, Evidence]]:
    known = scene.known
    if scene.is_primary and scene.references:
        yield from _named(scene)
    for key in scene.keys:
        records = known.by_key.get(key, ())
        people = people_of(records, known)
        if people:
            shown = _by_key(key, len(people), scene)
            for person in people:
                yield person, shown
        if remembered := known.remembered.get(key):
            yield from _by_memory(key, remembered, {person.id for person in people}, scene)
        if records:
            yield from _by_supplied(key, records, people, scene)


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
        shown = Evidence(f"{opening(key)} is on this record.", _shared(weight, len(people)))
        yield from ((person, shown) for person in people)
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


def _by_memory(
    key: str, remembered: Iterable[Remembered], holders: set[str], scene: Scene
) -> Iterator[tuple[Record, Evidence]]:
    """What people confirmed wears off; what they corrected counts against.

    Of a key that several may use, one choice says little about the next time.
    """
    chosen = [(m, p) for m in remembered if (p := _person(scene.known.by_id.get(m.record_id), scene.known))]
    corrected = {person.id for memory, person in chosen if memory.rejected > memory.confirmed}
    users = holders.union(person.id for memory, person in chosen if memory.confirmed > memory.rejected) - corrected
    sharing = max(len(users), scene.known.sharing.get(key, 0), 1)
    for memory, person in chosen:
        net, total = memory.confirmed - memory.rejected, memory.confirmed + memory.rejected
        age = max((scene.interaction.last_event_at - memory.at).total_seconds() / 86_400, 0)
        points = scene.policy.remembered * 0.5 ** (age / scene.policy.half_life) * (1 + log2(abs(net))) if net else 0
        worth = -points if net < 0 else points / (1 + log2(sharing)) ** 2
        said = f"{memory.confirmed} of {total} times people chose this record for {spoken(key)}"
        yield person, Evidence(f"{said}, last on {memory.at:%Y-%m-%d}.", round(worth, 1))


def _by_supplied(
    key: str, records: Iterable[Record], people: Sequence[Record], scene: Scene
) -> Iterator[tuple[Record, Evidence]]:
    """The contact of an open case that was opened with this number or address, and does not have it otherwise."""
    cases = [record for record in records if record.kind is CASE and record.is_open and record.contact_id]
    if not cases:
        return
    holders = {person.id for person in people}
    found = {p.id: (p, c) for c in cases if (p := scene.known.by_id.get(c.contact_id or "")) and p.id not in holders}
    for person, case in found.values():
        sentence = f"Their open case {case.number} was opened with {spoken(key)}."
        yield person, Evidence(sentence, _shared(scene.policy.supplied, len(found) + len(holders)))


_ANOTHER = "The name given is another."
_SAID: Mapping[Agreement, tuple[str, str]] = {
    Agreement.SAME: ("The name given agrees.", "name"),
    Agreement.PARTLY: ("The name given agrees in part.", "first_name"),
    Agreement.RELATIVE: ("The name given is that of another with the same last name.", "relative"),
    Agreement.OTHER: (_ANOTHER, "other_name"),
}
"""What is said of a name, and its weight."""


def _by_name(person: Record, scene: Scene) -> Evidence | None:
    given = scene.party.name
    said = _SAID.get(agreement(given, person.name)) if given else None
    if given is None or said is None or (said[0] is _ANOTHER and _is_their_account(given, person, scene.known)):
        return None
    sentence, weight = said
    return Evidence(sentence, getattr(scene.policy, weight))


def _is_their_account(given: str, person: Record, known: Known) -> bool:
    """Telephone systems tell a company's name, cut short, for the caller's."""
    account = known.by_id.get(person.account_id or "")
    return account is not None and words_of_name(given)[:2] == words_of_name(account.name)[:2]


def _by_account(person: Record, scene: Scene) -> Evidence | None:
    """Where the person belongs tells apart those for whom something else speaks."""
    if scene.domain is None and scene.named is None:
        return None
    theirs = {person.account_id, *scene.known.related.get(person.id, ())}
    if scene.is_primary and scene.named and scene.named.id in theirs:
        return Evidence(f"They belong to {scene.named.name}, which was named.", scene.policy.account)
    domains = scene.known.domains.get(scene.domain or "", ())
    if not theirs.isdisjoint(domains) and not _has_the_address(person, scene):
        domain = (scene.domain or "").partition(":")[2]
        return Evidence(f"The e-mail domain {domain} is that of their account.", scene.policy.domain)
    return None


def _has_the_address(person: Record, scene: Scene) -> bool:
    """Of an address that is on the record itself, the domain says nothing more."""
    return any(key.startswith("email:") and key in person.keys for key in scene.keys)


def _shared(weight: float, sharing: int) -> float:
    return round(weight / (1 + log2(sharing)), 1) if sharing > 1 else weight


def people_of(records: Iterable[Record], known: Known) -> list[Record]:
    """The people behind some records, each once; a lead beside a contact of the same name is that contact."""
    people = {person.id: person for record in records if (person := _person(record, known))}
    if len(people) > 1 and any(person.kind is LEAD for person in people.values()):
        contacts = {words_of_name(person.name) for person in people.values() if person.kind is CONTACT}
        return [p for p in people.values() if p.kind is not LEAD or words_of_name(p.name) not in contacts]
    return list(people.values())


def _person(record: Record | None, known: Known) -> Record | None:
    """The contact or open lead that a record stands for: a converted lead and a person account for their contact."""
    if record is None:
        return None
    if record.kind is CONTACT or (record.kind is LEAD and record.is_open):
        return record
    if record.kind in _STAND_INS and record.contact_id:
        return known.by_id.get(record.contact_id)
    return None


_STAND_INS = frozenset({LEAD, ACCOUNT})
