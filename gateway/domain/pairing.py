"""Which contact on one side is the one on the other, where no link says so: a pure decision that asks when in doubt."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import log2

from gateway.domain.contacts import ContactRecord, Side, first_text, identity_keys
from gateway.domain.evidence import Evidence
from gateway.domain.identity import is_shared_mailbox, opening
from gateway.domain.names import Agreement, agreement, is_person
from gateway.domain.policies import MatchPolicy
from gateway.domain.sync import SyncPolicy


@dataclass(frozen=True, slots=True)
class Known:
    """A contact of a side that has one of the keys asked for.

    `is_linked`: it is somebody already; `is_waiting`: its counterpart is being created.
    """

    record: ContactRecord
    is_linked: bool = False
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Likeness:
    """A contact of the other side that could be the same, with what speaks for and against it, in points.

    `is_certain`: an id that one of them bears, or a key that both sides verified, says so.
    """

    record: ContactRecord
    evidence: tuple[Evidence, ...]
    score: float
    is_certain: bool = False
    is_linked: bool = False
    is_waiting: bool = False


@dataclass(frozen=True, slots=True)
class Pairing:
    """The decision on a contact without a link: `same` is the other side's, or nobody is, or only a person can say.

    `candidates` are all that could be meant, best first; `reason` is a sentence.
    """

    record: ContactRecord
    side: Side
    reason: str
    same: ContactRecord | None = None
    candidates: tuple[Likeness, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether it may be what is just being created for somebody."""
        return self.same is None and any(each.is_waiting for each in self.candidates)

    @property
    def is_question(self) -> bool:
        """Whether a person has to say."""
        return self.same is None and bool(self.candidates)


def keys_of(record: ContactRecord, policy: SyncPolicy) -> dict[str, bool]:
    """The identity keys of a contact, each with whether it is verified."""
    return identity_keys(record.values, policy.readings)


def pair(
    record: ContactRecord,
    side: Side,
    *,
    others: Mapping[str, Sequence[Known]],
    rivals: Mapping[str, Sequence[Known]],
    policy: SyncPolicy,
    matching: MatchPolicy,
    answer: str | None = None,
) -> Pairing:
    """Who on the other side a contact is.

    `others` are that side's contacts by identity key, and by the ids that they, the record or the answer bear; `rivals`
    the same of the record's own side, for each of the others could be one of those instead. `answer` is the other's id
    that a person named, or "" where they said that it is nobody.
    """
    likenesses = _likenesses(record, others, policy, matching)
    best = _decided(likenesses, matching)
    if answer is not None:
        return _answered(record, side, likenesses, others, answer)
    if not likenesses:
        return Pairing(record, side, "Nobody there has a number, an address or an id of theirs.")
    if best is None:
        return Pairing(record, side, "Nobody there is it for certain.", candidates=likenesses)
    if best.is_linked:
        return Pairing(record, side, "Who it seems to be is another contact's counterpart.", candidates=likenesses)
    back = _decided(_likenesses(best.record, rivals, policy, matching), matching)
    if back is None or back.record.id != record.id:
        return Pairing(record, side, "Another contact here could be the same person.", candidates=likenesses)
    return Pairing(record, side, " ".join(e.sentence for e in best.evidence), best.record, likenesses)


def suspected(
    record: ContactRecord, side: Side, suspects: Sequence[Known], reason: str, *, policy: SyncPolicy,
    matching: MatchPolicy,
) -> Pairing:  # fmt: skip
    """The question about a contact that the other side did not take, since it takes `suspects` for the same."""
    own = keys_of(record, policy)
    found = [_likeness(record, own, known, {}, policy=policy, matching=matching) for known in suspects]
    return Pairing(record, side, reason, candidates=tuple(sorted(found, key=_place)))


def _answered(
    record: ContactRecord,
    side: Side,
    likenesses: tuple[Likeness, ...],
    others: Mapping[str, Sequence[Known]],
    answer: str,
) -> Pairing:
    chosen = next((each for each in others.get(answer, ()) if each.record.id == answer and not each.is_linked), None)
    if answer and chosen is None:
        return Pairing(record, side, "Whom a person chose is there no more, or is linked.", candidates=likenesses)
    return Pairing(record, side, "A person said so.", chosen.record if chosen else None)


def _decided(likenesses: Sequence[Likeness], matching: MatchPolicy) -> Likeness | None:
    """The best one, where nothing is in doubt."""
    if not likenesses:
        return None
    best, *others = likenesses
    if best.is_certain:
        return None if any(each.is_certain for each in others) else best
    ahead = best.score - (others[0].score if others else 0)
    return best if best.score >= matching.threshold and ahead >= matching.margin else None


def _likenesses(
    record: ContactRecord, others: Mapping[str, Sequence[Known]], policy: SyncPolicy, matching: MatchPolicy
) -> tuple[Likeness, ...]:
    """All who could be the same, best first; also those whom the name speaks against, so that nobody is doubled."""
    own = keys_of(record, policy)
    people = {known.record.id: known for key in (*own, *_ids(record)) for known in others.get(key, ())}
    people |= {k.record.id: k for k in others.get(record.id, ()) if k.record.other_id == record.id}
    found = [_likeness(record, own, known, others, policy=policy, matching=matching) for known in people.values()]
    return tuple(sorted(found, key=_place))


def _place(likeness: Likeness) -> tuple[bool, float, str]:
    return (not likeness.is_certain, -likeness.score, likeness.record.id)


def _ids(record: ContactRecord) -> Collection[str]:
    return (record.other_id,) if record.other_id else ()


def _likeness(
    record: ContactRecord,
    own: Mapping[str, bool],
    known: Known,
    others: Mapping[str, Sequence[Known]],
    *,
    policy: SyncPolicy,
    matching: MatchPolicy,
) -> Likeness:
    theirs = keys_of(known.record, policy)
    holders = {key: {each.record.id for each in others.get(key, ())} for key in own}
    shared = {key: len(ids) for key, ids in holders.items() if known.record.id in ids}
    evidence = [_by_key(key, count, matching) for key, count in shared.items()]
    name = _by_name(record, known.record, policy, matching)
    if name:
        evidence.append(name)
    is_named = known.record.other_id == record.id or record.other_id == known.record.id
    if is_named:
        evidence.insert(0, Evidence("One bears the other's id.", matching.reference))
    verified = any(own[key] and theirs.get(key) and count == 1 for key, count in shared.items())
    if verified:
        evidence.append(Evidence("Both sides verified it.", matching.verified))
    is_other = name is not None and name.points <= matching.other_name
    return Likeness(
        known.record, tuple(evidence), round(sum(e.points for e in evidence), 1),
        is_certain=is_named or (verified and not is_other), is_linked=known.is_linked, is_waiting=known.is_waiting,
    )  # fmt: skip


def _by_key(key: str, sharing: int, matching: MatchPolicy) -> Evidence:
    weight = matching.national if key.startswith("national:") else matching.phone
    if key.startswith("email:"):
        weight = matching.mailbox if is_shared_mailbox(key, matching.mailboxes) else matching.email
    if sharing > 1:
        return Evidence(f"{opening(key)} is shared by {sharing} people.", round(weight / (1 + log2(sharing)), 1))
    return Evidence(f"{opening(key)} is on both.", weight)


def _by_name(one: ContactRecord, other: ContactRecord, policy: SyncPolicy, matching: MatchPolicy) -> Evidence | None:
    """A name that stands in the place of one, such as Anonymous, says nothing."""
    here, there = first_text(one.values, policy.names), first_text(other.values, policy.names)
    if not is_person(here) or not is_person(there):
        return None
    match agreement(here, there):
        case Agreement.SAME:
            return Evidence("The names agree.", matching.name)
        case Agreement.PARTLY:
            return Evidence("The names agree in part.", matching.first_name)
        case Agreement.RELATIVE:
            return Evidence("Only the last names agree.", matching.relative)
        case Agreement.OTHER:
            return Evidence("The names are those of two people.", matching.other_name)
        case _:
            return None
