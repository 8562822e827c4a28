"""What becomes of two contacts that are linked: a pure decision, field by field, with what it costs.

A link keeps for both sides the values that they had when they last agreed, as each side itself returned them. What is
another value since is an edit, on that side. A plan says what to write to either side, what is lost by it and by whose
decision, and what only a person can decide; that is left as it is on both sides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    FieldLimits,
    Limits,
    Meaning,
    Reading,
    Side,
    Value,
    Values,
    fitted,
    is_empty,
)
from gateway.domain.policies import Condition
from gateway.domain.sync_fields import Both, FieldCase, FieldPlan, plan_field, settled_base

RECORD = "record"
"""Stands for a field's name where the whole record is meant: deleted on one side, still wanted on the other."""

Records = Mapping[Side, ContactRecord | None]
"""A link's records as they are now; None: there is none, or none any more."""


class Flow(StrEnum):
    """Which way a field goes."""

    BOTH = "both"
    TO_SALESFORCE = "to_salesforce"
    TO_PLATFORM = "to_platform"


class Wins(StrEnum):
    """Who is right where both sides changed a field."""

    SALESFORCE = "salesforce"
    PLATFORM = "platform"
    NEWEST = "newest"
    NOBODY = "nobody"


class WhenDeleted(StrEnum):
    """What becomes of a side's record when its counterpart was deleted, or merged into another contact."""

    DELETE = "delete"
    """It is deleted as well, unless it was changed since: then the other one is created anew."""
    KEEP = "keep"
    """It stays, and is not synced any more."""
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """How one field is synced. `is_name`: it is part of the person's name."""

    name: str
    meaning: Meaning = Meaning.TEXT
    flow: Flow = Flow.BOTH
    wins: Wins = Wins.NOBODY
    is_name: bool = False

    @property
    def master(self) -> Side | None:
        """The side that is always right, for a field of one direction."""
        return {Flow.TO_PLATFORM: Side.SALESFORCE, Flow.TO_SALESFORCE: Side.PLATFORM}.get(self.flow)


@dataclass(frozen=True, slots=True, kw_only=True)
class SidePolicy:
    """What may be done on a side; contacts that the `filter` does not hold for take no part."""

    creates: bool = True
    deletes: WhenDeleted = WhenDeleted.ASK
    filter: Condition | None = None

    def takes(self, record: ContactRecord) -> bool:
        """Whether the filter lets it take part."""
        return self.filter is None or self.filter.holds(record.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPolicy:
    """How an org and a platform are kept the same; `region` is where numbers without a country are."""

    fields: tuple[FieldRule, ...]
    sides: Mapping[Side, SidePolicy] = field(default_factory=lambda: {side: SidePolicy() for side in Side})
    region: str = "US"

    def reading(self, rule: FieldRule) -> Reading:
        """How the field's values are read."""
        return Reading(rule.meaning, self.region)

    @property
    def readings(self) -> dict[str, Reading]:
        """How the values of each set of numbers or addresses are read."""
        return {rule.name: self.reading(rule) for rule in self.fields if rule.meaning.is_set}

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that make the person's name."""
        return tuple(rule.name for rule in self.fields if rule.is_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A field that both sides changed where policy lets nobody win: its values now and when they agreed, who and when.

    For `RECORD`, the side where it was deleted has no value.
    """

    field: str
    values: Both
    base: Both
    by: Mapping[Side, str | None]
    at: Mapping[Side, datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A person's decision on a conflict: that side is right, against the value the other had then."""

    winner: Side
    against: Value
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A value that gives way on a side, what was decided for, and whose decision that was: a policy's or a person's."""

    field: str
    side: Side
    value: Value
    by: str | None
    at: datetime | None
    decided: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Values that may have been written to a side, made of what the other side had; () where it was not known."""

    sent: Mapping[Side, Values]
    source: Mapping[Side, Values]
    created: frozenset[Side] = frozenset()


class Ended(StrEnum):
    """Why a link is synced no more; it is kept, so that what it joined is not taken for somebody new."""

    KEPT = "kept"
    """One side was deleted, and policy keeps the other."""
    DELETED = "deleted"
    """Both are gone."""
    MERGED = "merged"
    """What took a record's place is linked already."""
    PARTED = "parted"
    """Whom it joined has no counterpart yet: a person is asked who it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """That a contact there is this one here, as `decided` by whom or what.

    `ids` lacks a side on which the contact is still to be created. `base` holds each side's values when both agreed.
    `problems` are sentences, by field and side, or by `RECORD`. Before `not_before` it is left alone.
    `version` counts what befell it, and is the store's.
    """

    ids: Mapping[Side, str]
    decided: str
    key: int = 0
    base: Mapping[Side, Values] = field(default_factory=dict)
    intent: Intent | None = None
    conflicts: Mapping[str, Conflict] = field(default_factory=dict)
    choices: Mapping[str, Choice] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    ended: Ended | None = None
    not_before: datetime | None = None
    version: int = 0

    def known(self, side: Side, name: str) -> Value:
        """A field's value on a side when both agreed."""
        return self.base.get(side, {}).get(name)


def contested(links: Collection[Link], held: Mapping[tuple[Side, str], int]) -> set[int]:
    """The keys of links that would join a contact which another one joins; `held` tells which link joins it so far."""
    told, refused = {link.key for link in links}, set[int]()
    while True:
        owners = {at: key for at, key in held.items() if key not in told or key in refused}
        late = {
            link.key for link in links
            if link.key not in refused and any(owners.setdefault(at, link.key) != link.key for at in link.ids.items())
        }  # fmt: skip
        if not late:
            return refused
        refused |= late


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """What is to be done about a link, which `link` is once it is done but for the values that are written.

    `agreed` holds, by field, what both sides have that need no writing, or will agree on as different; `sources` what
    the written values were made of; `before` what stands now where something is written or deleted.
    """

    link: Link
    writes: Mapping[Side, ContactWrite] = field(default_factory=dict)
    before: Mapping[Side, Values] = field(default_factory=dict)
    agreed: Mapping[str, Both] = field(default_factory=dict)
    sources: Mapping[str, Both] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()


def plan_link(link: Link, records: Records, policy: SyncPolicy, limits: Mapping[Side, Limits]) -> LinkPlan:
    """What is to be done about a link. `records` are what stands at its ids now.

    A record that was merged into one that has its own link comes as it is left: gone.
    """
    link = settled(link, records, policy)
    alive = {side: record for side in Side if (record := records.get(side)) and not record.is_gone}
    if any(not policy.sides[side].takes(record) for side, record in alive.items()):
        return LinkPlan(link=replace(link, problems={RECORD: "The contact is outside the filter."}))
    if len(alive) == len(Side):
        return _both(replace(link, ended=None), alive, policy, limits)
    if not alive:
        return LinkPlan(link=replace(link, ended=link.ended or Ended.DELETED, conflicts={}, choices={}, problems={}))
    (side,) = alive
    return _one(link, side, records, policy, limits)


def settled(link: Link, records: Records, policy: SyncPolicy) -> Link:
    """The link without its intent, whose end its records show; what is not there is still to be created."""
    if link.intent is None:
        return link
    base = {side: dict(link.base.get(side, {})) for side in Side}
    ended = link.ended
    for side, sent in link.intent.sent.items():
        record = records.get(side)
        if side in link.intent.created and (record is None or record.is_gone):
            ended = Ended.DELETED
        for rule in policy.fields:
            if record and not record.is_gone and rule.name in sent:
                both = settled_base(
                    policy.reading(rule),
                    {each: base[each].get(rule.name) for each in Side},
                    side,
                    held=record.values.get(rule.name),
                    sent=sent[rule.name],
                    source=link.intent.source[side].get(rule.name),
                )
                for each, value in both.items():
                    base[each][rule.name] = value
    return replace(link, base=base, intent=None, ended=ended, not_before=None)


# --- both are there ------------------------------------------------------------------------------------------------


def _both(
    link: Link, records: Mapping[Side, ContactRecord], policy: SyncPolicy, limits: Mapping[Side, Limits]
) -> LinkPlan:
    cases = {rule.name: _case(rule, link, records, policy, limits) for rule in policy.fields if _knows(rule, limits)}
    plans = {name: plan_field(case) for name, case in cases.items()}
    conflicts = {name: _conflict(name, cases[name], records) for name, plan in plans.items() if plan.undecided}
    open_fields = {name for name, plan in plans.items() if plan.undecided or plan.is_open}
    sent = {side: {n: p.send[side] for n, p in plans.items() if side in p.send} for side in Side}
    written = {name for values in sent.values() for name in values}
    planned = replace(
        link,
        conflicts=conflicts,
        choices={name: choice for name, choice in link.choices.items() if name in open_fields | written},
        problems=_problems(link, cases, plans),
    )
    writes = {
        side: ContactWrite(act=Act.UPDATE, values=values, id=records[side].id, version=records[side].version)
        for side, values in sent.items()
        if values
    }
    needed = {name for name, case in cases.items() if name not in open_fields and case.changed()}
    return LinkPlan(
        link=planned,
        writes=writes,
        before={side: {name: records[side].values.get(name) for name in sent[side]} for side in writes},
        agreed={name: cases[name].held for name in needed - written},
        sources={name: cases[name].held for name in written},
        losses=tuple(_losses(cases, plans, records, policy, link)),
    )


def _problems(link: Link, cases: Mapping[str, FieldCase], plans: Mapping[str, FieldPlan]) -> dict[str, str]:
    """By field and side; those of a field that nobody changed are as they were."""
    still = {_at(name, side) for name, case in cases.items() if not case.changed() for side in Side}
    found = {_at(name, side): text for name, plan in plans.items() for side, text in plan.problems.items()}
    return {at: text for at, text in link.problems.items() if at in still} | found


def _at(name: str, side: Side) -> str:
    return f"{name} on {side}"


def _knows(rule: FieldRule, limits: Mapping[Side, Limits]) -> bool:
    return all(rule.name in limits[side].fields for side in Side)


def _case(
    rule: FieldRule,
    link: Link,
    records: Mapping[Side, ContactRecord],
    policy: SyncPolicy,
    limits: Mapping[Side, Limits],
) -> FieldCase:
    held = {side: records[side].values.get(rule.name) for side in Side}
    reading, choice = policy.reading(rule), link.choices.get(rule.name)
    is_chosen = choice and reading.same(held[choice.winner.other], choice.against)
    return FieldCase(
        reading=reading,
        base={side: link.known(side, rule.name) for side in Side},
        held=held,
        limits={side: limits[side].fields[rule.name] for side in Side},
        master=rule.master,
        wins=choice.winner if choice and is_chosen else _policy_winner(rule.wins, records),
    )


def _policy_winner(wins: Wins, records: Mapping[Side, ContactRecord]) -> Side | None:
    """Nobody, where it is not known which is the newest."""
    if wins is not Wins.NEWEST:
        return None if wins is Wins.NOBODY else Side(wins.value)
    here, there = (records[side].changed_at for side in Side)
    if here is None or there is None or here == there:
        return None
    return Side.SALESFORCE if here > there else Side.PLATFORM


def _conflict(name: str, case: FieldCase, records: Mapping[Side, ContactRecord]) -> Conflict:
    return Conflict(
        field=name,
        values=case.held,
        base=case.base,
        by={side: records[side].changed_by for side in Side},
        at={side: records[side].changed_at for side in Side},
    )


def _losses(
    cases: Mapping[str, FieldCase],
    plans: Mapping[str, FieldPlan],
    records: Mapping[Side, ContactRecord],
    policy: SyncPolicy,
    link: Link,
) -> list[Loss]:
    rules = {rule.name: rule for rule in policy.fields}
    return [
        Loss(
            field=name,
            side=side,
            value=value,
            by=records[side].changed_by,
            at=records[side].changed_at,
            decided=_decider(rules[name], cases[name], link),
        )
        for name, plan in plans.items()
        for side, value in plan.lost.items()
    ]


def _decider(rule: FieldRule, case: FieldCase, link: Link) -> str:
    choice = link.choices.get(rule.name)
    if case.master:
        return f"policy: {rule.flow.value}"
    return f"{choice.by} chose {choice.winner.value}" if choice else f"policy: {rule.wins.value}"


# --- one is there --------------------------------------------------------------------------------------------------


def _one(
    link: Link,
    side: Side,
    records: Records,
    policy: SyncPolicy,
    limits: Mapping[Side, Limits],
) -> LinkPlan:
    """One side has the contact: the other is to have it, has it no more, or never gets it."""
    record, gone = records[side], records.get(side.other)
    assert record  # noqa: S101 — it is the one that is there
    is_merged = gone is not None and gone.merged_into is not None
    match _standing(link, side) or _verdict(link, side, record, policy, is_merged=is_merged):
        case Verdict.CREATE:
            return _create(replace(link, ended=None), side, record, policy, limits)
        case Verdict.DELETE:
            return _delete(link, side, record, is_merged=is_merged)
        case Verdict.KEEP:
            return _kept(link)
        case Verdict.ASK:
            return _asked(link, side, record, gone)
        case Verdict.LEAVE:
            return LinkPlan(link=link)


def _standing(link: Link, side: Side) -> Verdict | None:
    """What the link's past decides: it has ended, or there was no counterpart yet."""
    if link.ended is Ended.MERGED and side.other not in link.ids:
        # It was undeleted since its counterpart became another contact's.
        return None if RECORD in link.choices else Verdict.ASK
    if link.ended in {Ended.KEPT, Ended.MERGED}:
        return Verdict.LEAVE
    return Verdict.CREATE if link.ended is Ended.DELETED or side.other not in link.ids else None


class Verdict(StrEnum):
    """What becomes of the record that is left."""

    CREATE = "create"
    DELETE = "delete"
    KEEP = "keep"
    ASK = "ask"
    LEAVE = "leave"


def _verdict(link: Link, side: Side, record: ContactRecord, policy: SyncPolicy, *, is_merged: bool) -> Verdict:
    """A person's choice, else the policy's; an edit wins over a delete, and only a person undoes a merge."""
    choice, rule = link.choices.get(RECORD), policy.sides[side].deletes
    if choice:
        kept = Verdict.KEEP if is_merged else Verdict.CREATE
        return kept if choice.winner is side else Verdict.DELETE
    if rule is WhenDeleted.KEEP or rule is WhenDeleted.ASK:
        return Verdict(rule.value)
    if not _edits(link, side, record, policy):
        return Verdict.DELETE
    return Verdict.CREATE if policy.sides[side.other].creates and not is_merged else Verdict.ASK


def _edits(link: Link, side: Side, record: ContactRecord, policy: SyncPolicy) -> list[str]:
    """The fields that were changed on a side, and that the other one was to have."""
    return [
        rule.name
        for rule in policy.fields
        if rule.master is not side.other
        and not policy.reading(rule).same(record.values.get(rule.name), link.known(side, rule.name))
    ]


def _create(
    link: Link, side: Side, record: ContactRecord, policy: SyncPolicy, limits: Mapping[Side, Limits]
) -> LinkPlan:
    """The contact anew on the other side; what neither has agreed on yet, its base is nothing."""
    there, link = side.other, replace(link, base={}, conflicts={}, choices={})
    if not policy.sides[there].creates:
        return LinkPlan(link=replace(link, ended=Ended.KEPT, problems={}))
    rules = [rule for rule in policy.fields if rule.master is not there and _knows(rule, limits)]
    known = limits[there].fields
    fits = {rule.name: fitted(record.values.get(rule.name), known[rule.name], policy.reading(rule)) for rule in rules}
    values = {n: fit.value for n, fit in fits.items() if not is_empty(fit.value) and not known[n].is_read_only}
    problems = {_at(name, there): fit.problem for name, fit in fits.items() if fit.problem}
    if missing := _missing(known, values):
        text = f"It cannot be created without {', '.join(missing)}."
        return LinkPlan(link=replace(link, problems=problems | {RECORD: text}))
    return LinkPlan(
        link=replace(link, problems=problems),
        writes={there: ContactWrite(act=Act.CREATE, values=values, other_id=record.id)},
        sources={name: {side: record.values.get(name), there: None} for name in values},
    )


def _missing(known: Mapping[str, FieldLimits], values: Values) -> list[str]:
    return [name for name, limits in known.items() if limits.is_required and name not in values]


def _delete(link: Link, side: Side, record: ContactRecord, *, is_merged: bool) -> LinkPlan:
    choice = link.choices.get(RECORD)
    decided = f"{choice.by} chose {choice.winner.value}" if choice else "policy: delete"
    loss = Loss(field=RECORD, side=side, value=record.id, by=record.changed_by, at=record.changed_at, decided=decided)
    return LinkPlan(
        link=replace(link, ended=Ended.MERGED if is_merged else Ended.DELETED, conflicts={}, problems={}),
        writes={side: ContactWrite(act=Act.DELETE, id=record.id, version=record.version)},
        before={side: record.values},
        losses=(loss,),
    )


def _kept(link: Link) -> LinkPlan:
    return LinkPlan(link=replace(link, ended=Ended.KEPT, conflicts={}, choices={}, problems={}))


def _asked(link: Link, side: Side, record: ContactRecord, gone: ContactRecord | None) -> LinkPlan:
    conflict = Conflict(
        field=RECORD,
        values={side: record.id},
        base={each: link.ids.get(each) for each in Side},
        by={side: record.changed_by, side.other: gone.changed_by if gone else None},
        at={side: record.changed_at, side.other: gone.changed_at if gone else None},
    )
    return LinkPlan(link=replace(link, conflicts={RECORD: conflict}, problems={}))


# --- before and after the writing ----------------------------------------------------------------------------------


def intended(plan: LinkPlan, now: datetime, settling: timedelta) -> Link:
    """The link with what is about to be written; until that must be visible nobody else takes it."""
    sent = {
        side: {name: value for name, value in write.values.items() if name in plan.sources}
        for side, write in plan.writes.items()
    }
    source = {side: {name: both.get(side.other) for name, both in plan.sources.items()} for side in sent}
    created = frozenset(side for side, write in plan.writes.items() if write.act is Act.CREATE)
    # What ends by a deletion has not ended until that is carried out; what a person ends has.
    ended = plan.link.ended if plan.link.ended is Ended.KEPT else None
    return replace(
        plan.link, ended=ended, base=_agreed_base(plan), intent=Intent(sent=sent, source=source, created=created),
        not_before=now + settling,
    )  # fmt: skip


def remembered(plan: LinkPlan, returned: Mapping[Side, ContactRecord], policy: SyncPolicy) -> Link:
    """The link once all its writes are done: what was written is known as the sides returned it."""
    base = _agreed_base(plan)
    for side in Side:
        base[side] |= {name: both.get(side) for name, both in plan.sources.items()}
        if side in returned:
            base[side] |= {name: returned[side].values.get(name) for name in plan.writes[side].values}
    ids = {**plan.link.ids, **{side: record.id for side, record in returned.items()}}
    problems = {**plan.link.problems, **_altered(plan, returned, policy)}
    deleted = any(write.act is Act.DELETE for write in plan.writes.values())
    choices = {name: c for name, c in plan.link.choices.items() if not deleted and name not in plan.sources}
    return replace(
        plan.link, ids=ids, base=base, intent=None, problems=problems, choices=choices, not_before=None
    )  # fmt: skip


def _agreed_base(plan: LinkPlan) -> dict[Side, dict[str, Value]]:
    base = {side: dict(plan.link.base.get(side, {})) for side in Side}
    for name, both in plan.agreed.items():
        for side in Side:
            base[side][name] = both.get(side)
    return base


def _altered(plan: LinkPlan, returned: Mapping[Side, ContactRecord], policy: SyncPolicy) -> dict[str, str]:
    """What a side made something else of, without having said that it would."""
    return {
        _at(rule.name, side): "The side keeps another value than was sent."
        for side, write in plan.writes.items()
        for rule in policy.fields
        if rule.name in write.values
        and side in returned
        and not policy.reading(rule).same(write.values[rule.name], returned[side].values.get(rule.name))
    }
