"""What becomes of one field of a linked contact: three-way, each side against what it held when both last agreed.

Nothing here knows whose value is right: a value that changed on one side goes to the other, and `wins` is asked where
both changed. Sets are merged entry by entry, so that numbers which were added or removed on both sides meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from gateway.domain.contacts import (
    Entries,
    Entry,
    FieldLimits,
    Fitted,
    Reading,
    Side,
    Value,
    entries,
    fitted,
    is_empty,
)

Both: TypeAlias = Mapping[Side, Value]
"""A field's value on each side."""


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """What a field needs: values to `send` to a side, those that are `lost` on a side by it, problems in sentences.

    `undecided`: both sides changed it and nobody wins. `is_open`: something stays to be done, though not now.
    """

    send: Both = field(default_factory=dict)
    lost: Both = field(default_factory=dict)
    problems: Mapping[Side, str] = field(default_factory=dict)
    undecided: bool = False
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class FieldCase:
    """One field of a linked contact: what each side held when they agreed, and holds now, and can hold.

    `master`: the side that is always right, for a field that is copied in one direction. `wins`: the side that is
    right where both changed; None: nobody.
    """

    reading: Reading
    base: Both
    held: Both
    limits: Mapping[Side, FieldLimits]
    master: Side | None = None
    wins: Side | None = None

    def changed(self) -> set[Side]:
        """The sides on which it is another value than when both agreed."""
        return {side for side in Side if not self.reading.same(self.held.get(side), self.base.get(side))}


def plan_field(case: FieldCase) -> FieldPlan:
    """What has to be done about one field; nothing where both sides are as they were."""
    if not case.changed():
        return FieldPlan()
    if case.reading.meaning.is_set and case.master is None:
        return _merged(case)
    if agreed := _agreed(case):
        return agreed
    winner = _winner(case)
    return FieldPlan(undecided=True) if winner is None else _copied(case, winner)


def _agreed(case: FieldCase) -> FieldPlan | None:
    """That nothing is to be sent where one side holds what the other's value is there."""
    for side in Side if case.master is None else (case.master.other,):
        fit = _fit(case, side, case.held.get(side.other))
        if case.reading.same(fit.value, case.held.get(side)):
            return FieldPlan(problems={side: fit.problem} if fit.problem else {})
    return None


def _winner(case: FieldCase) -> Side | None:
    if case.master:
        return case.master
    changed = case.changed()
    return changed.pop() if len(changed) == 1 else case.wins


def _fit(case: FieldCase, side: Side, value: Value) -> Fitted:
    return fitted(value, case.limits[side], case.reading, case.held.get(side))


def _copied(case: FieldCase, winner: Side) -> FieldPlan:
    loser = winner.other
    fit = _fit(case, loser, case.held.get(winner))
    lost = {loser: case.held.get(loser)} if loser in case.changed() and not is_empty(case.held.get(loser)) else {}
    return _sent(case, {loser: fit}, lost)


def _sent(case: FieldCase, fits: Mapping[Side, Fitted], lost: Both) -> FieldPlan:
    """The plan that brings each side to its value, as far as the side lets it be written."""
    send: dict[Side, Value] = {}
    problems: dict[Side, str] = {}
    is_open = False
    for side, fit in fits.items():
        if fit.problem:
            problems[side] = fit.problem
        if case.reading.same(fit.value, case.held.get(side)):
            continue
        if refusal := _refusal(case.limits[side], fit.value):
            problems[side] = refusal
            is_open = True
        else:
            send[side] = fit.value
    return FieldPlan(send, {side: value for side, value in lost.items() if side in send}, problems, is_open=is_open)


def _refusal(limits: FieldLimits, value: Value) -> str | None:
    if limits.is_read_only:
        return "The field cannot be written there."
    if limits.is_required and is_empty(value):
        return "The field must not be empty there."
    return None


# --- sets ----------------------------------------------------------------------------------------------------------


def _merged(case: FieldCase) -> FieldPlan:
    """Entry by entry: what one side removed goes, what it added comes, unless the other side changed it since."""
    base = {side: case.reading.keyed(case.base.get(side)) for side in Side}
    held = {side: case.reading.keyed(case.held.get(side)) for side in Side}
    staying = [key for key in {**held[Side.SALESFORCE], **held[Side.PLATFORM]} if _stays(key, base, held)]
    types = {key: _settled(*_types(key, base, held), case.wins) for key in staying}
    primary = _settled(_primaries(base), _primaries(held), case.wins)
    primary = primary if primary in {*staying, _UNDECIDED} else _EACH_ITS_OWN
    if _UNDECIDED in (primary, *types.values()):
        return FieldPlan(undecided=True)
    fits = {side: _fit(case, side, _lens(side, case, staying, types, primary)) for side in Side}
    return _sent(case, fits, _overruled(case, base, held, types))


_Keyed: TypeAlias = Mapping[Side, Mapping[str, Entry]]
_Words: TypeAlias = Mapping[Side, str | None]


def _stays(key: str, base: _Keyed, held: _Keyed) -> bool:
    """An entry that one side removed is removed on the other, if that one still has it as it was."""
    for side in Side:
        if key not in held[side] and key in base[side]:
            there, before = held[side.other].get(key), base[side.other].get(key)
            return there is not None and (before is None or there.type != before.type)
    return True


def _types(key: str, base: _Keyed, held: _Keyed) -> tuple[_Words, _Words]:
    """An entry's type as it was and is; a side that lacks it says nothing, nor does one that had none to agree on."""
    now = {side: held[side][key].type for side in Side if key in held[side]}
    before = {side: base[side][key].type if key in base[side] else now[side] for side in now}
    return before, now


def _primaries(keyed: _Keyed) -> _Words:
    return {side: next((key for key, e in keyed[side].items() if e.is_primary), None) for side in Side if keyed[side]}


_UNDECIDED = "\0undecided"
_EACH_ITS_OWN = None


def _settled(before: _Words, now: _Words, wins: Side | None) -> str | None:
    """The word that a side changed; `_EACH_ITS_OWN` where nobody did."""
    changed = {side for side in now if side in before and now[side] != before[side] and now[side] is not None}
    if not changed or len({now[side] for side in now}) == 1:
        return _EACH_ITS_OWN
    if len({now[side] for side in changed}) == 1:
        return now[next(iter(changed))]
    return _UNDECIDED if wins is None else now[wins]


def _lens(
    side: Side, case: FieldCase, staying: list[str], types: Mapping[str, str | None], primary: str | None
) -> Entries:
    """The set as this side is to have it: its own entries as they are spelt there, then what it lacks."""
    own = [each for each in entries(case.held.get(side)) if case.reading.key(each) in staying]
    here = {case.reading.key(each) for each in own}
    theirs = case.reading.keyed(case.held.get(side.other))
    lacking = [theirs[key] for key in staying if key not in here]
    has_primary = any(each.is_primary for each in own)
    return tuple(
        replace(
            each,
            type=types[case.reading.key(each)] or each.type,
            is_primary=_is_primary(each, case.reading.key(each), primary, has_primary and each in lacking),
            is_verified=False,
        )
        for each in own + lacking
    )


def _is_primary(entry: Entry, key: str, primary: str | None, stands_back: bool) -> bool:
    """Where nobody chose a primary entry, each side keeps its own."""
    if primary is not None:
        return key == primary
    return entry.is_primary and not stands_back


def _overruled(case: FieldCase, base: _Keyed, held: _Keyed, types: Mapping[str, str | None]) -> Both:
    """The whole set of a side whose choice of a type or of a primary entry gives way to the other's."""
    if case.wins is None:
        return {}
    loser = case.wins.other
    clashes = [k for k in types if _is_clash(*_types(k, base, held))] or _is_clash(_primaries(base), _primaries(held))
    return {loser: case.held.get(loser)} if clashes else {}


def _is_clash(before: _Words, now: _Words) -> bool:
    return len(now) == len(Side) == len({now[s] for s in now}) and all(now[s] != before.get(s, now[s]) for s in now)


# --- after a crash -------------------------------------------------------------------------------------------------


def settled_base(reading: Reading, base: Both, side: Side, *, held: Value, sent: Value, source: Value) -> Both:
    """What both sides agreed on, where `sent` may have been written to one of them, made of the other's `source`.

    As far as the side holds what was sent it took it, and the other's value is agreed on as it was then: what changed
    there since is an edit.
    """
    if not reading.meaning.is_set:
        return {side: held, side.other: source} if reading.same(held, sent) else base
    there, given, from_ = reading.keyed(held), reading.keyed(sent), reading.keyed(source)
    before = {each: reading.keyed(base.get(each)) for each in Side}
    mine, others = before[side], before[side.other]
    for key in {**there, **given, **from_, **mine, **others}:
        if (key in there) == (key in given) == (key in from_):
            _put(mine, key, _as_taken(mine.get(key), there.get(key), given.get(key)))
            _put(others, key, from_.get(key))
        elif key in there and key in given:
            # The other side was to have it too, and may not have got it.
            _put(mine, key, None)
            _put(others, key, None)
    return {side: tuple(mine.values()), side.other: tuple(others.values())}


def _as_taken(before: Entry | None, there: Entry | None, given: Entry | None) -> Entry | None:
    if before is None or there is None or given is None or (there.type, there.is_primary) == (
        given.type, given.is_primary,
    ):  # fmt: skip
        return there
    return before


def _put(keyed: dict[str, Entry], key: str, entry: Entry | None) -> None:
    if entry is None:
        keyed.pop(key, None)
    else:
        keyed[key] = entry
