"""What stands at the two ends of links now: read in batches, with merges followed and created contacts found again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.contacts import ContactRecord, Limits, Side, Values, identity_keys
from gateway.domain.identity import is_shared_mailbox
from gateway.domain.sync import Ended, Link, SyncPolicy
from gateway.ports import ContactLinks
from gateway.sdk.contacts import ContactSide

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
        for link in [self.found(each, records, ends) for each in links]:
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
            for some in _batches(sorted(wanted), limits[side].batch):
                records |= {record.id: record for record in self.sides[side].get(some)}
            wanted = {record.merged_into for record in records.values() if record.merged_into} - records.keys()
            if not wanted:
                break
        return records

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

    def found(self, link: Link, records: Mapping[Side, dict[str, ContactRecord]], ends: Ends) -> Link:
        """The link with the contact that a write of unknown outcome created, if it did; it comes among the records."""
        for side in link.intent.created if link.intent else ():
            if created := self._created(link, side, ends):
                records[side][created.id] = created
                ends.claimed.add((side, created.id))
                return replace(link, ids={**link.ids, side: created.id})
        return link

    def _created(self, link: Link, side: Side, ends: Ends) -> ContactRecord | None:
        assert link.intent  # noqa: S101 — asked only of links with one
        sent, from_ = link.intent.sent[side], link.ids[side.other]
        found = self.sides[side].find(identity_keys(sent, self.policy.readings), [from_])
        taken = self.store.linked(self.pair, side, [record.id for record in found])
        free = [
            record for record in found
            if not record.is_gone and (record.id not in taken or taken[record.id].key == link.key)
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


def _batches(ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (ids[at : at + size] for at in range(0, len(ids), size))
