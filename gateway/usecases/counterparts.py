"""What stands at the two ends of links now: read in batches, with merges followed and created contacts found again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.contacts import ContactRecord, Limits, Side, Values, identity_keys
from gateway.domain.identity import is_shared_mailbox
from gateway.domain.sync import Ended, Link, SyncPolicy
from gateway.ports import ContactLinks
from gateway.sdk.contacts import ContactSide
from gateway.usecases.contacts import in_batches

_LONGEST_CHAIN = 20
"""Merges of merges that are followed; who is behind more of them is read again the next time."""


@dataclass(slots=True)
class Ends:
    """Links with the records at their ids, and links that `gave_way` to those that follow a merge.

    `claimed` are the records that links came to join by that.
    """

    links: list[tuple[Link, dict[Side, ContactRecord | None]]] = field(default_factory=list)
    gave_way: list[Link] = field(default_factory=list)
    claimed: set[tuple[Side, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Sought:
    """Contacts that may have been created, by what marks them; by None those that a side found in a way of its own."""

    taken: Mapping[str, Link]
    by_mark: dict[str | None, dict[str, ContactRecord]] = field(default_factory=dict)

    def with_any(self, marks: Collection[str]) -> Collection[ContactRecord]:
        """Those with one of the marks, else those of which nobody can tell whom the side meant."""
        found = {id: record for mark in marks for id, record in self.by_mark.get(mark, {}).items()}
        return (found or self.by_mark.get(None, {})).values()


@dataclass(frozen=True, slots=True)
class Counterparts:
    """Reads the two ends of links, as many in one call as the limits of a side say."""

    pair: str
    sides: Mapping[Side, ContactSide]
    store: ContactLinks
    policy: SyncPolicy

    def of(self, links: Sequence[Link], limits: Mapping[Side, Limits]) -> Ends:
        """The ends of some links."""
        records = {side: self.read(side, {id for link in links if (id := link.ids.get(side))}, limits) for side in Side}
        ends = Ends()
        # Who was created is somebody's before others are merged into them.
        for link in self.found(links, records, ends, limits):
            if link.key not in {each.key for each in ends.gave_way}:
                ends.links.append(self._followed(link, records, ends, limits))
        lapsed = {link.key for link in ends.gave_way}
        ends.links = [(link, here) for link, here in ends.links if link.key not in lapsed]
        return ends

    def read(self, side: Side, ids: Collection[str], limits: Mapping[Side, Limits]) -> dict[str, ContactRecord]:
        """The records with these ids, and what took the place of those that were merged, by id."""
        records: dict[str, ContactRecord] = {}
        wanted = set(ids)
        for _ in range(_LONGEST_CHAIN):
            records |= {record.id: record for record in self._got(side, wanted, limits[side].batch)}
            wanted = {record.merged_into for record in records.values() if record.merged_into} - records.keys()
            if not wanted:
                break
        return records

    def _got(self, side: Side, ids: Collection[str], batch: int) -> Iterator[ContactRecord]:
        return (record for some in in_batches(sorted(ids), batch) for record in self.sides[side].get(some))

    # --- merges

    def _followed(
        self, link: Link, records: Mapping[Side, dict[str, ContactRecord]], ends: Ends, limits: Mapping[Side, Limits]
    ) -> tuple[Link, dict[Side, ContactRecord | None]]:
        """The link joins what took a record's place, unless that is another contact's counterpart."""
        here: dict[Side, ContactRecord | None] = {}
        for side in Side:
            here[side] = record = records[side].get(link.ids.get(side, ""))
            survivor = _survivor(record, records[side])
            if survivor is None or survivor is record or (side, survivor.id) in ends.claimed:
                continue
            rival = self.store.linked(self.pair, side, [survivor.id]).get(survivor.id)
            if rival and rival.key != link.key:
                if not self._gives_way(rival, side, link, records, limits):
                    continue
                left = {each: id for each, id in rival.ids.items() if each is not side}
                ends.gave_way.append(replace(rival, ids=left, ended=Ended.MERGED, conflicts={}, choices={}))
            ends.claimed.add((side, survivor.id))
            link = replace(
                link,
                ids={**link.ids, side: survivor.id},
                base={**link.base, side: self._left(link, survivor, side)},
                ended=None,
            )
            here[side] = survivor
        return link, here

    def _left(self, link: Link, survivor: ContactRecord, side: Side) -> Values:
        """What was agreed on that a merge leaves: its survivor's texts are its own, also where they are the same."""
        texts = [rule for rule in self.policy.fields if not rule.meaning.is_set]
        own = {
            r.name for r in texts if self.policy.reading(r).same(survivor.values.get(r.name), link.known(side, r.name))
        }
        return {name: value for name, value in link.base.get(side, {}).items() if name not in own}

    def _gives_way(
        self,
        rival: Link,
        side: Side,
        link: Link,
        records: Mapping[Side, dict[str, ContactRecord]],
        limits: Mapping[Side, Limits],
    ) -> bool:
        """Whether the other link joins nobody else: its counterpart is gone, or became this link's own."""
        if rival.intent is not None:
            return False
        if rival.ended is not None or (id := rival.ids.get(side.other)) is None:
            return True
        records[side.other].update(self.read(side.other, [id], limits))
        there = records[side.other].get(id)
        left = _survivor(there, records[side.other])
        return left is None or left.is_gone or left.id == link.ids.get(side.other)

    # --- what may have been created

    def found(
        self, links: Sequence[Link], records: Mapping[Side, dict[str, ContactRecord]], ends: Ends,
        limits: Mapping[Side, Limits],
    ) -> list[Link]:  # fmt: skip
        """The links with the contacts that writes of unknown outcome created; these come among the records."""
        there = {side: self._sought(side, links, limits[side].batch) for side in Side}
        return [self._joined(link, there, records, ends) for link in links]

    def _sought(self, side: Side, links: Sequence[Link], batch: int) -> _Sought:
        """What a side has now of what was to be created there."""
        lost = [(link, self._marks(link, side)) for link in links if link.intent and side in link.intent.created]
        found: dict[str, ContactRecord] = {}
        for some in in_batches(lost, batch):
            marks = {mark for _, of_link in some for mark in of_link}
            ids = {link.ids[side.other] for link, _ in some}
            # Of many a side finds those alone that came since it told of all others, who are known here.
            known = self.store.known(self.pair, side, marks)
            told = {each.record.id for all_of in known.values() for each in all_of if not each.is_linked}
            here = [*self.sides[side].find(marks - ids, sorted(ids)), *self._got(side, told, batch)]
            found |= {record.id: record for record in here if not record.is_gone}
        sought = _Sought(self.store.linked(self.pair, side, found))
        wanted = {mark for _, marks in lost for mark in marks}
        for record in found.values():
            own = {*identity_keys(record.values, self.policy.readings), record.other_id}
            for mark in own & wanted or {None}:
                sought.by_mark.setdefault(mark, {})[record.id] = record
        return sought

    def _marks(self, link: Link, side: Side) -> set[str]:
        """What tells who was to be created: the identity keys that were sent, and the id of the counterpart."""
        assert link.intent  # noqa: S101 — asked only of links with one
        return {*identity_keys(link.intent.sent[side], self.policy.readings), link.ids[side.other]}

    def _joined(
        self, link: Link, there: Mapping[Side, _Sought], records: Mapping[Side, dict[str, ContactRecord]], ends: Ends
    ) -> Link:
        for side in link.intent.created if link.intent else ():
            if created := self._created(link, side, there[side], ends):
                records[side][created.id] = created
                ends.claimed.add((side, created.id))
                return replace(link, ids={**link.ids, side: created.id})
        return link

    def _created(self, link: Link, side: Side, there: _Sought, ends: Ends) -> ContactRecord | None:
        assert link.intent  # noqa: S101 — asked only of links with one
        sent, from_, taken = link.intent.sent[side], link.ids[side.other], there.taken
        free = [
            record for record in there.with_any(self._marks(link, side))
            if (record.id not in taken or taken[record.id].key == link.key)
            and record.other_id in {None, from_} and (side, record.id) not in ends.claimed
        ]  # fmt: skip
        bearing = [record for record in free if record.other_id == from_]
        alike = [record for record in free if self._is_alike(record, sent)]
        return min(bearing or alike, key=lambda record: record.id, default=None)

    def _is_alike(self, record: ContactRecord, sent: Values) -> bool:
        """Whether it is what was sent, though people may have edited it since: by an address, or by most fields."""
        given, there = (identity_keys(values, self.policy.readings) for values in (sent, record.values))
        if any(key in there and key.startswith("email:") and not is_shared_mailbox(key) for key in given):
            return True
        rules = [rule for rule in self.policy.fields if rule.name in sent]
        same = [self.policy.reading(rule).same(record.values.get(rule.name), sent[rule.name]) for rule in rules]
        return sum(same) * 2 > len(same)


def _survivor(record: ContactRecord | None, records: Mapping[str, ContactRecord]) -> ContactRecord | None:
    for _ in range(_LONGEST_CHAIN):
        if record is None or record.merged_into is None:
            return record
        record = records.get(record.merged_into)
    return None
