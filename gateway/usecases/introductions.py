"""Contacts without a link: whose counterpart they are, or that they are to be created on the other side, or a question.

Everything that could be meant is read from what is stored, in two queries for a batch; before a contact is created, the
other side itself is searched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.contacts import ContactRecord, Limits, Side
from gateway.domain.pairing import Known, Pairing, keys_of, pair, suspected
from gateway.domain.policies import MatchPolicy
from gateway.domain.sync import Link, SyncPolicy
from gateway.ports import ContactLinks, Stray
from gateway.sdk.contacts import ContactPage, ContactSide
from gateway.usecases.contacts import Refused, in_batches

_OUTSIDE = "The contact is outside the filter."


@dataclass(frozen=True, slots=True)
class Introductions:
    """Decides on the strays of a pair."""

    pair: str
    sides: Mapping[Side, ContactSide]
    store: ContactLinks
    policy: SyncPolicy
    matching: MatchPolicy

    def decide(self, strays: Sequence[Stray], side: Side, batch: int) -> list[Pairing]:
        """Who they are; what the other side has of those who would be created is taken in first, so many in a call.

        Of several who are the same one there only the first is told; the others stay to be decided on.
        """
        takes = self.policy.sides[side].takes
        taking = [stray for stray in strays if takes(stray.record)]
        outside = [Pairing(stray.record, side, _OUTSIDE) for stray in strays if not takes(stray.record)]
        pairings = self._pairings(taking, side)
        if nobody := [each.record for each in pairings if not each.candidates and self.creates(each)]:
            found = [each for some in in_batches(nobody, batch) for each in self._found(some, side)]
            if found:
                self.take_in(side.other, ContactPage(records=found))
                pairings = self._pairings(taking, side)
        first = {each.same.id: each for each in reversed(pairings) if each.same}
        return [each for each in pairings if each.same is None or first[each.same.id] is each] + outside

    def _found(self, records: Sequence[ContactRecord], side: Side) -> Sequence[ContactRecord]:
        keys = {key for record in records for key in keys_of(record, self.policy)}
        return self.sides[side.other].find(keys, [record.id for record in records])

    def take_in(self, side: Side, page: ContactPage) -> None:
        """Store a page with the identity keys of its records."""
        keys = {record.id: tuple(keys_of(record, self.policy)) for record in page.records}
        self.store.take_in(self.pair, side, page, keys)

    def creates(self, pairing: Pairing) -> bool:
        """Whether policy has a contact created that has no counterpart."""
        takes, creates = self.policy.sides[pairing.side].takes, self.policy.sides[pairing.side.other].creates
        return creates and pairing.same is None and not pairing.candidates and takes(pairing.record)

    def link(self, pairing: Pairing) -> Link | None:
        """The new link of a contact, to its counterpart or to the one that is to be created."""
        ids = {pairing.side: pairing.record.id}
        if pairing.same:
            return Link(ids={**ids, pairing.side.other: pairing.same.id}, decided=pairing.reason)
        return Link(ids=ids, decided=f"created from {pairing.side}") if self.creates(pairing) else None

    def ask_about(self, refused: Sequence[Refused], limits: Mapping[Side, Limits]) -> int:
        """Have a person asked who those are whom a side did not create, where candidates take part; how many."""
        questions = {}
        for side in {each.side for each in refused}:
            of_side = [each for each in refused if each.side is side]
            known = self._known(side, [], {id for each in of_side for id in each.candidates})
            ids = [each.link.ids[side.other] for each in of_side]
            records = self._read(side.other, ids, limits[side.other].batch)
            for each, id in zip(of_side, ids, strict=True):
                suspects = [one for at in each.candidates for one in known.get(at, ()) if one.record.id == at]
                if suspects and id in records:
                    questions[each.link.key] = self._suspected(records[id], side.other, suspects, each.reason)
        self.store.part(self.pair, questions)
        return len(questions)

    def _read(self, side: Side, ids: Sequence[str], batch: int) -> dict[str, ContactRecord]:
        here = (record for some in in_batches(ids, batch) for record in self.sides[side].get(some))
        return {record.id: record for record in here if not record.is_gone}

    def _suspected(self, record: ContactRecord, side: Side, suspects: Sequence[Known], reason: str) -> Pairing:
        return suspected(record, side, suspects, reason, policy=self.policy, matching=self.matching)

    def _pairings(self, strays: Sequence[Stray], side: Side) -> list[Pairing]:
        suspects = {each.record.id for s in strays if s.question for each in s.question.candidates}
        answers = {stray.answer for stray in strays if stray.answer}
        others = self._known(side.other, [stray.record for stray in strays], suspects | answers)
        rivals = self._known(side, [known.record for found in others.values() for known in found])
        return [self._pairing(stray, side, others, rivals) for stray in strays]

    def _pairing(
        self, stray: Stray, side: Side, others: Mapping[str, Sequence[Known]], rivals: Mapping[str, Sequence[Known]]
    ) -> Pairing:
        pairing = pair(
            stray.record, side, others=others, rivals=rivals, policy=self.policy, matching=self.matching,
            answer=stray.answer,
        )  # fmt: skip
        is_nobody = pairing.same is None and not pairing.candidates and stray.answer is None
        # The side itself doubts that they are nobody there, and would again.
        return stray.question if is_nobody and stray.question and _is_as_asked(stray, others) else pairing

    def _known(
        self, side: Side, records: Collection[ContactRecord], ids: Collection[str] = ()
    ) -> Mapping[str, Sequence[Known]]:
        """Contacts of a side that share a key or an id with any of the other's records, and that take part."""
        keys = {key for record in records for key in (*keys_of(record, self.policy), record.id, record.other_id) if key}
        keys.update(ids)
        found = self.store.known(self.pair, side, keys)
        takes = self.policy.sides[side].takes
        return {key: [known for known in all_of if takes(known.record)] for key, all_of in found.items()}


def _is_as_asked(stray: Stray, others: Mapping[str, Sequence[Known]]) -> bool:
    """Whether a contact and those whom it could be are what they were when a person was asked."""
    asked = stray.question
    if asked is None or not asked.is_question or asked.record != stray.record:
        return False
    there = {known.record.id: known.record for all_of in others.values() for known in all_of}
    return all(there.get(each.record.id) == each.record for each in asked.candidates)
