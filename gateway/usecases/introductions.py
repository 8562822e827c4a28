"""Contacts without a link: whose counterpart they are, or that they are to be created on the other side, or a question.

Everything that could be meant is read from what is stored, in two queries for a batch; before a contact is created, the
other side itself is searched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.contacts import ContactRecord, Side
from gateway.domain.pairing import Known, Pairing, keys_of, pair
from gateway.domain.policies import MatchPolicy
from gateway.domain.sync import Link, SyncPolicy
from gateway.ports import ContactLinks, Stray
from gateway.sdk.contacts import ContactPage, ContactSide

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
        takes = [self.policy.sides[side].takes(stray.record) for stray in strays]
        taking = [stray for stray, is_taken in zip(strays, takes, strict=True) if is_taken]
        outside = [Pairing(s.record, side, _OUTSIDE) for s, is_taken in zip(strays, takes, strict=True) if not is_taken]
        pairings = self._pairings(taking, side)
        if nobody := [each.record for each in pairings if not each.candidates and self.creates(each)]:
            found = [each for at in range(0, len(nobody), batch) for each in self._found(nobody[at : at + batch], side)]
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

    def _pairings(self, strays: Sequence[Stray], side: Side) -> list[Pairing]:
        others = self._known(side.other, [stray.record for stray in strays])
        rivals = self._known(side, [known.record for found in others.values() for known in found])
        return [
            pair(
                stray.record, side, others=others, rivals=rivals, policy=self.policy, matching=self.matching,
                answer=stray.answer,
            )
            for stray in strays
        ]  # fmt: skip

    def _known(self, side: Side, records: Collection[ContactRecord]) -> Mapping[str, Sequence[Known]]:
        """Contacts of a side that share a key or an id with any of the other's records, and that take part."""
        keys = {key for record in records for key in (*keys_of(record, self.policy), record.id, record.other_id) if key}
        found = self.store.known(self.pair, side, keys)
        takes = self.policy.sides[side].takes
        return {key: [known for known in all_of if takes(known.record)] for key, all_of in found.items()}
