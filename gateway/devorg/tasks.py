"""What Tasks, their relations and Events do beyond the common rules.

https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_task.htm
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_taskrelation.htm
"""

from __future__ import annotations

from datetime import date, datetime
from typing import cast

from gateway.devorg import tables
from gateway.devorg.errors import RecordError
from gateway.devorg.records import Row
from gateway.devorg.values import MAX_PEOPLE
from gateway.devorg.writing import NoRules, Stamp, Values, Writer

_LEAD = "00Q"
_ACCOUNT = "001"
_OPPORTUNITY = "006"


class TaskRules(NoRules):
    """People, account, closing and relations of a Task."""

    def __init__(self, writer: Writer, *, shared: bool) -> None:
        self._writer = writer
        self._records = writer.records
        self._shared = shared

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:
        """Settle the people first: account and counts follow from them."""
        if old is None or "WhoId" in given or "TaskWhoIds" in given:
            people = self._people(new, old, given)
            new["TaskWhoIds"] = people
            new["WhoId"] = people[0] if people else None
        refuse_lead_with_what(new)
        _close(new, old, stamp)
        new["IsHighPriority"] = new["Priority"] == "High"
        new["TaskSubtype"] = new["TaskSubtype"] or "Task"
        new["AccountId"] = account_of(self._writer, new)
        new["WhoCount"] = len(cast("tuple[str, ...]", new["TaskWhoIds"]))
        new["WhatCount"] = 0 if new["WhatId"] is None else 1

    def _people(self, new: Row, old: Row | None, given: Values) -> tuple[str, ...]:
        """Everyone the Task is with, the primary first."""
        people = cast("tuple[str, ...]", given["TaskWhoIds"]) if "TaskWhoIds" in given else _former(new, old, given)
        if "TaskWhoIds" in given:
            self._check_people(people)
        primary = cast("str | None", given.get("WhoId"))
        if primary is None and old is not None and old["WhoId"] in people:
            primary = str(old["WhoId"])
        if primary is not None:
            people = (primary, *(person for person in people if person != primary))
        _refuse_mixture(people)
        return people

    def _check_people(self, people: tuple[str, ...]) -> None:
        field = self._records.schema["task"].fields["taskwhoids"]
        for person in people:
            self._writer.check_target(field, person)

    def stored(self, new: Row, old: Row | None, stamp: Stamp) -> None:
        """Keep the relation rows equal to the Task, and let its people and subject notice."""
        if self._shared:
            self._relate(new, old, stamp)
        touch_related(self._writer, new, stamp)

    def locked(self, row: Row, *, creating: bool) -> tuple[str, ...]:
        """Account, person and subject; a new Task that is completed or has no due date locks none of them."""
        if creating and (row["IsClosed"] or row["ActivityDate"] is None):
            return ()
        return tuple(str(row[name]) for name in ("AccountId", "WhoId", "WhatId") if row[name] is not None)

    def _relate(self, new: Row, old: Row | None, stamp: Stamp) -> None:
        wanted = _relations(new)
        if old is not None:
            if wanted == _relations(old) and new["AccountId"] == old["AccountId"]:
                return
            for row in self._records.tables["TaskRelation"].found("TaskId", new["Id"]):
                if wanted.pop(str(row["RelationId"]), None) is None:
                    self._records.erase("TaskRelation", str(row["Id"]), stamp.moment)
        for target, is_what in wanted.items():
            values: Values = {
                "TaskId": new["Id"],
                "RelationId": target,
                "IsWhat": is_what,
                "AccountId": new["AccountId"],
            }
            self._writer.create_bare("TaskRelation", values, stamp)

    def deleting(self, row: Row, stamp: Stamp) -> None:
        """Its relation rows go with it."""
        for relation in self._records.tables["TaskRelation"].found("TaskId", row["Id"]):
            self._records.erase("TaskRelation", str(relation["Id"]), stamp.moment)
        touch_related(self._writer, row, stamp)


class TaskRelationRules(NoRules):
    """A relation row made or deleted by hand changes its Task."""

    leaves_trace = False

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._records = writer.records

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:  # noqa: ARG002
        """The Task must have room for it."""
        task = self._task(new)
        is_person = str(new["RelationId"])[:3] in {"003", _LEAD}
        if is_person == bool(new["IsWhat"]):
            raise _integrity("IsWhat does not agree with the kind of record related.", "IsWhat")
        people = cast("tuple[str, ...]", task["TaskWhoIds"])
        if new["RelationId"] in (*people, task["WhatId"]):
            raise RecordError(
                "DUPLICATE_VALUE", f"duplicate value found: RelationId duplicates value on record with id: {task['Id']}"
            )
        if is_person:
            _refuse_mixture((*people, str(new["RelationId"])))
        elif task["WhatId"] is not None:
            raise _integrity("A task can be related to one record besides contacts or leads.", "RelationId")
        new["AccountId"] = task["AccountId"]

    def stored(self, new: Row, old: Row | None, stamp: Stamp) -> None:  # noqa: ARG002
        """Write it into the Task."""
        task = self._task(new)
        if new["IsWhat"]:
            self._rewrite({**task, "WhatId": new["RelationId"]}, stamp)
        else:
            people = (*cast("tuple[str, ...]", task["TaskWhoIds"]), str(new["RelationId"]))
            self._rewrite({**task, "TaskWhoIds": people}, stamp)

    def deleting(self, row: Row, stamp: Stamp) -> None:
        """Take it out of the Task; another person becomes the primary."""
        task = self._task(row)
        if row["IsWhat"]:
            self._rewrite({**task, "WhatId": None}, stamp)
            return
        people = tuple(each for each in cast("tuple[str, ...]", task["TaskWhoIds"]) if each != row["RelationId"])
        self._rewrite({**task, "TaskWhoIds": people}, stamp)

    def _task(self, relation: Row) -> Row:
        return self._records.tables["Task"].rows[str(relation["TaskId"])]

    def _rewrite(self, task: Row, stamp: Stamp) -> None:
        people = cast("tuple[str, ...]", task["TaskWhoIds"])
        task["WhoId"] = people[0] if people else None
        refuse_lead_with_what(task)
        task["WhoCount"] = len(people)
        task["WhatCount"] = 0 if task["WhatId"] is None else 1
        task["AccountId"] = account_of(self._writer, task)
        task["SystemModstamp"] = stamp.moment
        self._records.put("Task", task)
        touch_related(self._writer, task, stamp)


class EventRules(NoRules):
    """Times, account and echoes of an Event."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:  # noqa: ARG002
        """An Event has a start, and an end or a duration."""
        start = new["StartDateTime"] = new["StartDateTime"] or new["ActivityDateTime"]
        new["ActivityDateTime"] = start
        if start is None and not new["IsAllDayEvent"]:
            raise RecordError(
                "REQUIRED_FIELD_MISSING", "Required fields are missing: [StartDateTime]", ("StartDateTime",)
            )
        if new["DurationInMinutes"] is None and new["EndDateTime"] is None and not new["IsAllDayEvent"]:
            message = "Required fields are missing: [DurationInMinutes]"
            raise RecordError("REQUIRED_FIELD_MISSING", message, ("DurationInMinutes",))
        new["ActivityDate"] = start.date() if isinstance(start, datetime) else new["ActivityDate"]
        refuse_lead_with_what(new)
        new["AccountId"] = account_of(self._writer, new)

    def stored(self, new: Row, old: Row | None, stamp: Stamp) -> None:  # noqa: ARG002
        """Let its people and subject notice."""
        touch_related(self._writer, {**new, "TaskWhoIds": (), "IsClosed": True}, stamp)


def _former(new: Row, old: Row | None, given: Values) -> tuple[str, ...]:
    """The people of a write that names the primary only: the former primary makes way."""
    if old is None:
        return (str(new["WhoId"]),) if new["WhoId"] is not None else ()
    people = cast("tuple[str, ...]", old["TaskWhoIds"])
    return tuple(person for person in people if person != old["WhoId"] or person == given["WhoId"])


def _refuse_mixture(people: tuple[str, ...]) -> None:
    leads = sum(person.startswith(_LEAD) for person in people)
    if leads and len(people) > 1:
        raise _integrity("A task can be related to one lead or to contacts, not to both.", "TaskWhoIds")
    if len(people) > MAX_PEOPLE:
        raise _integrity(f"A task can be related to up to {MAX_PEOPLE} contacts.", "TaskWhoIds")


def _integrity(message: str, *fields: str) -> RecordError:
    return RecordError("FIELD_INTEGRITY_EXCEPTION", message, fields)


def refuse_lead_with_what(row: Row) -> None:
    """A lead excludes any other related record."""
    who = row["WhoId"]
    if who is not None and row["WhatId"] is not None and str(who).startswith(_LEAD):
        raise _integrity("You can't relate a lead and another record to the same activity.", "WhoId", "WhatId")


def _close(new: Row, old: Row | None, stamp: Stamp) -> None:
    closed = str(new["Status"]).lower() in tables.CLOSED_TASK_STATUSES
    if not closed:
        new["CompletedDateTime"] = None
    elif old is None or not old["IsClosed"]:
        new["CompletedDateTime"] = stamp.moment
    new["IsClosed"] = closed


def account_of(writer: Writer, row: Row) -> str | None:
    """The account an activity counts for: of what it is about, else of its primary contact."""
    what = row["WhatId"]
    if what is not None:
        prefix = str(what)[:3]
        if prefix == _ACCOUNT:
            return str(what)
        if prefix == _OPPORTUNITY:
            return cast("str | None", writer.records.tables["Opportunity"].rows[str(what)]["AccountId"])
    contact = writer.records.get("Contact", str(row["WhoId"])) if row["WhoId"] is not None else None
    return None if contact is None else cast("str | None", contact["AccountId"])


def _relations(task: Row) -> dict[str, bool]:
    """What a Task is related to, and whether as subject."""
    relations = dict.fromkeys(cast("tuple[str, ...]", task["TaskWhoIds"]), False)
    if task["WhatId"] is not None:
        relations[str(task["WhatId"])] = True
    return relations


def touch_related(writer: Writer, task: Row, stamp: Stamp) -> None:
    """Move ``LastActivityDate`` and ``SystemModstamp`` of the people, subject and account of an activity."""
    people = cast("tuple[str, ...]", task["TaskWhoIds"])
    for record_id in {*people, task["WhoId"], task["WhatId"], task["AccountId"]}:
        if record_id is not None:
            _touch(writer, str(record_id), _activity_day(task), stamp)


def _activity_day(task: Row) -> date | None:
    """A closed activity counts on its due date, or on the day it was completed."""
    if not task["IsClosed"]:
        return None
    completed = task.get("CompletedDateTime")
    return cast("date | None", task["ActivityDate"]) or (completed.date() if isinstance(completed, datetime) else None)


def _touch(writer: Writer, record_id: str, day: date | None, stamp: Stamp) -> None:
    sobject = writer.records.object_of(record_id)
    row = None if sobject is None else writer.records.get(sobject.name, record_id)
    if sobject is None or row is None:
        return
    former = cast("date | None", row.get("LastActivityDate"))
    later = day is not None and "LastActivityDate" in row and (former is None or day > former)
    if not later and row["SystemModstamp"] == stamp.moment:
        return
    changed = {**row, "SystemModstamp": stamp.moment}
    if later:
        changed["LastActivityDate"] = day
    writer.records.put(sobject.name, changed)
