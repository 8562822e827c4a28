"""What a sync run wrote, kept so that it can be put back: where nothing newer stands, and without a second sync of it.

What is put back is agreed on as different: the other side keeps what it has, and the field is synced again from the
next edit of either side on. A contact whose creation is undone, or that is there again, is left alone on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.contacts import Act, ContactRecord, ContactWrite, Limits, Side, Value, Values, WriteResult, Written
from gateway.domain.sync import Ended, Link, LinkPlan, Records, SyncPolicy, settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One write of a run: the values that it met and those that it left, with the record's version then.

    `written` is None until that is known.
    """

    link: int
    side: Side
    act: Act
    id: str | None = None
    before: Values = field(default_factory=dict)
    after: Values = field(default_factory=dict)
    version: str | None = None
    written: Written | None = None

    @property
    def may_stand(self) -> bool:
        """Whether it was carried out, as far as one knows."""
        return self.written in {None, Written.DONE, Written.UNKNOWN}


def changes_of(plan: LinkPlan) -> dict[Side, Change]:
    """What is about to be written."""
    return {
        side: Change(
            link=plan.link.key, side=side, act=write.act, id=write.id, before=plan.before.get(side, {}),
            after=write.values,
        )
        for side, write in plan.writes.items()
    }  # fmt: skip


def carried_out(change: Change, result: WriteResult) -> Change:
    """The change once it is known what became of it, with the values as the side returned them."""
    record = result.record
    if record is None or change.act is Act.DELETE:
        return replace(change, written=result.written)
    names = change.after if change.act is Act.UPDATE else record.values
    after = {name: record.values.get(name) for name in names}
    return replace(change, written=result.written, id=record.id, after=after, version=record.version)


def plan_undo(
    link: Link, changes: Sequence[Change], records: Records, policy: SyncPolicy, limits: Mapping[Side, Limits]
) -> LinkPlan:
    """What puts a link's changes back, as far as nothing newer stands. `records` are what is at its ids now."""
    link = settled(link, records, policy)
    plan = LinkPlan(link=link)
    for change in changes:
        record = records.get(change.side)
        is_there = record is not None and not record.is_gone
        if not change.may_stand or (change.id is not None and change.id != link.ids.get(change.side)):
            continue
        if change.act is Act.DELETE and not is_there:
            plan = _recreated(plan, change, records, limits)
        elif record and is_there and change.act is Act.UPDATE:
            plan = _updated(plan, change, record, policy)
        elif record and is_there and change.act is Act.CREATE and _is_untouched(change, record, policy):
            plan = _removed(plan, change, record)
    return plan


def _is_untouched(change: Change, record: ContactRecord, policy: SyncPolicy) -> bool:
    """Whether a contact is as it was created: nobody edited it, in any of its fields as far as its side can tell."""
    if change.version and record.version:
        return change.version == record.version
    synced = {rule.name for rule in policy.fields}
    others = [name for name in change.after if name not in synced]
    return _stands(change, record, policy) == synced & change.after.keys() and all(
        record.values.get(name) == change.after[name] for name in others
    )


def _stands(change: Change, record: ContactRecord, policy: SyncPolicy) -> set[str]:
    """The fields that are as the change left them."""
    rules = (rule for rule in policy.fields if rule.name in change.after)
    return {
        rule.name for rule in rules if policy.reading(rule).same(record.values.get(rule.name), change.after[rule.name])
    }


def _updated(plan: LinkPlan, change: Change, record: ContactRecord, policy: SyncPolicy) -> LinkPlan:
    side = change.side
    values = {name: change.before.get(name) for name in sorted(_stands(change, record, policy))}
    if not values:
        return plan
    write = ContactWrite(act=Act.UPDATE, values=values, id=record.id, version=record.version)
    # Agreed on before it is written, and made of nothing that the other side has: a run that finds it half-way takes
    # nothing of it for an edit.
    return _writing(plan, side, write, record.values, _agreed(plan, side, values))


def _removed(plan: LinkPlan, change: Change, record: ContactRecord) -> LinkPlan:
    write = ContactWrite(act=Act.DELETE, id=record.id, version=record.version)
    return _kept(_writing(plan, change.side, write, record.values, {}))


def _recreated(plan: LinkPlan, change: Change, records: Records, limits: Mapping[Side, Limits]) -> LinkPlan:
    """A contact anew: synced again if it was taken from its counterpart, else kept as it is.

    Not where its counterpart came back, for whom the next run creates one.
    """
    side, known = change.side, limits[change.side].fields
    other = records.get(side.other)
    is_alone = other is None or other.is_gone
    if not is_alone and plan.link.ended is not Ended.KEPT:
        return plan
    values = {name: value for name, value in change.before.items() if name in known and not known[name].is_read_only}
    write = ContactWrite(act=Act.CREATE, values=values, other_id=plan.link.ids.get(side.other))
    agreed = _agreed(plan, side, values)
    plan = replace(_writing(plan, side, write, {}, agreed), sources=agreed)
    return _kept(plan) if is_alone else replace(plan, link=replace(plan.link, ended=None))


def _agreed(plan: LinkPlan, side: Side, values: Values) -> dict[str, dict[Side, Value]]:
    """Values of a side as agreed on with what the other one has, or is to have by the same plan."""
    known = {name: {side.other: plan.link.known(side.other, name), **plan.agreed.get(name, {})} for name in values}
    return {name: {**known[name], side: value} for name, value in values.items()}


def _writing(
    plan: LinkPlan, side: Side, write: ContactWrite, held: Values, agreed: Mapping[str, Mapping[Side, Value]]
) -> LinkPlan:
    met = held if write.act is Act.DELETE else {name: held.get(name) for name in write.values}
    return replace(
        plan,
        writes={**plan.writes, side: write},
        before={**plan.before, side: met},
        agreed={**plan.agreed, **agreed},
    )


def _kept(plan: LinkPlan) -> LinkPlan:
    return replace(plan, link=replace(plan.link, ended=Ended.KEPT, conflicts={}, choices={}, problems={}))
