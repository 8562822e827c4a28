"""Links, strays and what is asked, lost and stopped, as the JSON in which they are kept, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row

from gateway.domain.brakes import Stop
from gateway.domain.contacts import Act, ContactRecord, Side, Value, Written, as_json, values_of
from gateway.domain.evidence import Evidence
from gateway.domain.pairing import Likeness, Pairing
from gateway.domain.sync import Choice, Conflict, Ended, Intent, Link, Loss
from gateway.domain.undo import Change
from gateway.ports import Stray

_T = TypeVar("_T")
_R = TypeVar("_R")
_VALUE = "value"

ID_COLUMNS: Mapping[Side, str] = {side: f"{side.value}_id" for side in Side}
LINK_COLUMNS = (
    *ID_COLUMNS.values(), "decided", "base", "intent", "conflicts", "choices", "problems", "ended", "not_before",
)  # fmt: skip
"""What `link_row` gives."""

# --- links ---------------------------------------------------------------------------------------------------------


def link_row(link: Link) -> dict[str, Any]:
    """What a link itself tells, by column; nothing is NULL, so that indexes can leave it out."""
    return {
        **{column: link.ids.get(side) for side, column in ID_COLUMNS.items()},
        "decided": link.decided,
        "base": _by_side(link.base, as_json) or None,
        "intent": _intent_json(link.intent) if link.intent else None,
        "conflicts": {name: _conflict_json(each) for name, each in link.conflicts.items()} or None,
        "choices": choices_json(link.choices),
        "problems": dict(link.problems) or None,
        "ended": link.ended.value if link.ended else None,
        "not_before": link.not_before,
    }


def link_of(row: Row[Any]) -> Link:
    """The link of a row that has the columns of `link_row`, `id` and `version`."""
    return Link(
        key=row.id,
        version=row.version,
        ids={side: id for side, column in ID_COLUMNS.items() if (id := getattr(row, column)) is not None},
        decided=row.decided,
        base=_of_sides(row.base or {}, values_of),
        intent=_intent_of(row.intent) if row.intent else None,
        conflicts={name: _conflict_of(name, told) for name, told in (row.conflicts or {}).items()},
        choices=choices_of(row.choices),
        problems=row.problems or {},
        ended=Ended(row.ended) if row.ended else None,
        not_before=row.not_before,
    )


def choices_json(choices: Mapping[str, Choice]) -> dict[str, Any] | None:
    """Choices as JSON, None for none."""
    return {
        name: {"winner": c.winner.value, "against": _json(c.against), "by": c.by, "at": _when(c.at)}
        for name, c in choices.items()
    } or None


def choices_of(told: Mapping[str, Any] | None) -> dict[str, Choice]:
    """The choices that `choices_json` made JSON of."""
    return {
        name: Choice(winner=Side(c["winner"]), against=_value(c["against"]), by=c["by"], at=_moment(c["at"]))
        for name, c in (told or {}).items()
    }


def _intent_json(intent: Intent) -> dict[str, Any]:
    return {
        "sent": _by_side(intent.sent, as_json),
        "source": _by_side(intent.source, as_json),
        "created": sorted(side.value for side in intent.created),
    }


def _intent_of(told: Mapping[str, Any]) -> Intent:
    return Intent(
        sent=_of_sides(told["sent"], values_of),
        source=_of_sides(told["source"], values_of),
        created=frozenset(map(Side, told["created"])),
    )


def _conflict_json(conflict: Conflict) -> dict[str, Any]:
    return {
        "values": _by_side(conflict.values, _json),
        "base": _by_side(conflict.base, _json),
        "by": _by_side(conflict.by, _same),
        "at": _by_side(conflict.at, _when),
    }


def _conflict_of(name: str, told: Mapping[str, Any]) -> Conflict:
    return Conflict(
        field=name,
        values=_of_sides(told["values"], _value),
        base=_of_sides(told["base"], _value),
        by=_of_sides(told["by"], _same),
        at=_of_sides(told["at"], _moment),
    )


# --- losses and stops ----------------------------------------------------------------------------------------------


def loss_json(loss: Loss) -> dict[str, Any]:
    """A loss as JSON."""
    return {
        "field": loss.field, "side": loss.side.value, "value": _json(loss.value), "by": loss.by, "at": _when(loss.at),
        "decided": loss.decided,
    }  # fmt: skip


def loss_of(told: Mapping[str, Any]) -> Loss:
    """The loss that `loss_json` made JSON of."""
    named = {"side": Side(told["side"]), "value": _value(told["value"]), "at": _moment(told["at"])}
    return Loss(**{**told, **named})


def stop_json(stop: Stop) -> dict[str, Any]:
    """A stop as JSON."""
    return {
        "reasons": stop.reasons, "counts": dict(stop.counts), "sample": stop.sample, "at": _when(stop.at),
        "approved_by": stop.approved_by,
    }  # fmt: skip


def stop_of(told: Mapping[str, Any]) -> Stop:
    """The stop that `stop_json` made JSON of."""
    listed = {name: tuple(told[name]) for name in ("reasons", "sample")}
    return Stop(**{**told, **listed, "at": _moment(told["at"])})


# --- changes -------------------------------------------------------------------------------------------------------


def change_row(run: int, change: Change) -> dict[str, Any]:
    """What a run wrote, by column."""
    told = {
        "act": change.act.value, "id": change.id, "before": as_json(change.before), "after": as_json(change.after),
        "version": change.version, "written": change.written.value if change.written else None,
    }  # fmt: skip
    return {"run_id": run, "link_id": change.link, "side": change.side.value, "change": told}


def change_of(row: Row[Any]) -> Change:
    """The change that `change_row` made a row of."""
    told = row.change
    return Change(
        link=row.link_id, side=Side(row.side), act=Act(told["act"]), id=told["id"], before=values_of(told["before"]),
        after=values_of(told["after"]), version=told["version"],
        written=Written(told["written"]) if told["written"] else None,
    )  # fmt: skip


# --- strays --------------------------------------------------------------------------------------------------------


def record_json(record: ContactRecord) -> dict[str, Any]:
    """A contact as JSON, without what it has not."""
    told = {
        "id": record.id, "values": as_json(record.values), "version": record.version,
        "changed_at": _when(record.changed_at), "changed_by": record.changed_by, "other_id": record.other_id,
        "is_deleted": record.is_deleted, "merged_into": record.merged_into,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value not in (None, False)}


def stray_of(row: Row[Any]) -> Stray:
    """The stray of a row with `side`, `record`, `question` and `answer`."""
    question = _pairing_of(Side(row.side), row.question) if row.question else None
    return Stray(_record_of(row.record), question, row.answer)


def pairing_json(pairing: Pairing) -> dict[str, Any]:
    """A decision on a stray as JSON; its side is known."""
    return {
        "record": record_json(pairing.record),
        "reason": pairing.reason,
        "same": record_json(pairing.same) if pairing.same else None,
        "candidates": [_likeness_json(each) for each in pairing.candidates],
    }


def _pairing_of(side: Side, told: Mapping[str, Any]) -> Pairing:
    same = _record_of(told["same"]) if told["same"] else None
    candidates = tuple(_likeness_of(each) for each in told["candidates"])
    return Pairing(_record_of(told["record"]), side, told["reason"], same, candidates)


def _likeness_json(likeness: Likeness) -> dict[str, Any]:
    return {
        "record": record_json(likeness.record),
        "evidence": [[each.sentence, each.points] for each in likeness.evidence],
        "score": likeness.score,
        "is_certain": likeness.is_certain,
        "is_linked": likeness.is_linked,
        "is_waiting": likeness.is_waiting,
    }


def _likeness_of(told: Mapping[str, Any]) -> Likeness:
    evidence = tuple(Evidence(*each) for each in told["evidence"])
    return Likeness(**{**told, "record": _record_of(told["record"]), "evidence": evidence})


def _record_of(told: Mapping[str, Any]) -> ContactRecord:
    values, changed_at = values_of(told.get("values", {})), _moment(told.get("changed_at"))
    return ContactRecord(**{**told, "values": values, "changed_at": changed_at})


# --- parts ---------------------------------------------------------------------------------------------------------


def _by_side(told: Mapping[Side, _T], convert: Callable[[_T], _R]) -> dict[str, _R]:
    return {side.value: convert(each) for side, each in told.items()}


def _of_sides(told: Mapping[str, _T], convert: Callable[[_T], _R]) -> dict[Side, _R]:
    return {Side(name): convert(each) for name, each in told.items()}


def _json(value: Value) -> Any:
    return as_json({_VALUE: value})[_VALUE]


def _value(told: Any) -> Value:
    return values_of({_VALUE: told})[_VALUE]


def _when(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(told: str | None) -> Any:
    return datetime.fromisoformat(told) if told else None


def _same(value: _T) -> _T:
    return value
