"""A Salesforce org in memory, with switches for what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.creation import Made, RecordDraft
from gateway.domain.identity import domain_key, email_key, phone_key
from gateway.domain.records import Kind, Record
from gateway.domain.tasks import Abilities, FoundTask, Outcome, TaskDraft, TaskField, TaskFields, Verdict
from gateway.ports import ChangePage

KEY_FIELD = "Gateway_Interaction_Key__c"
CREATE_ONLY = frozenset({"TaskSubtype"})

_FIELDS = {
    "Subject": ("combobox", 255), "Status": ("picklist", 255), "Priority": ("picklist", 255), "OwnerId": ("reference", 18),
    "WhoId": ("reference", 18), "WhatId": ("reference", 18), "ActivityDate": ("date", 0), "Description": ("textarea", 32000),
    "Type": ("picklist", 255), "CallType": ("picklist", 255), "CallDurationInSeconds": ("int", 0),
    "CallDisposition": ("string", 255), "CallObject": ("string", 255), "TaskSubtype": ("picklist", 255),
}  # fmt: skip
_PICKLISTS = {
    "CallType": ("Inbound", "Internal", "Outbound"),
    "TaskSubtype": ("Task", "Email", "Call", "ListEmail", "LinkedIn", "Cadence", "Note"),
}


@dataclass(slots=True)
class StandingTask:
    """A Task as it stands in the org."""

    id: str
    fields: dict[str, Any]
    is_deleted: bool = False


@dataclass(slots=True)
class Switches:
    """What goes wrong, and how often; each entry of the lists is used up by one call."""

    before: list[Exception] = field(default_factory=list)
    """Raised by the next calls before anything is done."""
    after: list[Exception] = field(default_factory=list)
    """Raised by the next writes after they took effect: the answer is lost."""
    refused: dict[str, list[Outcome]] = field(default_factory=dict)
    """Outcomes of the next writes of a key, in place of the write."""
    unmade: list[Made] = field(default_factory=list)
    """What becomes of the next drafts of people and cases, in place of a record."""


class FakeOrg:
    """`ports.Org` without Salesforce. `calls` lists the API calls it stands for; `on_call` runs before each.

    A test edits `tasks`, `people_edit`s them or `delete`s them as a person would, and `change`s records. An org that
    `is_large` leaves the first load to `load`.
    """

    def __init__(
        self,
        name: str = "main",
        *,
        key_field: str | None = KEY_FIELD,
        shared_activities: bool = True,
        is_large: bool = False,
    ) -> None:
        self.is_large = is_large
        self.name = name
        self.key_field = key_field
        self.shared_activities = shared_activities
        self.tasks: dict[str, StandingTask] = {}
        self.switches = Switches()
        self.calls: list[str] = []
        self.on_call: Callable[[str], None] = lambda _: None
        self.record_types: dict[tuple[Kind, str], str] = {}
        self.made: list[RecordDraft] = []
        self.amended: list[RecordDraft] = []
        self._log: list[Record | str] = []

    # --- what a test does to it

    def change(self, *records: Record) -> None:
        """Create or change records."""
        self._log += records

    def delete(self, *ids: str) -> None:
        """Delete Tasks or records."""
        for id in ids:
            if id in self.tasks:
                self.tasks[id].is_deleted = True
            else:
                self._log.append(id)

    def merge(self, loser: Record, winner: Record) -> None:
        """Merge a record into another of its kind."""
        keys = tuple(key for key in loser.keys if key.startswith("case:"))
        self.change(Record(kind=loser.kind, id=loser.id, name="", keys=keys, is_open=False, merged_into=winner.id))

    def people_edit(self, task_id: str, **fields: Any) -> None:
        """Change a Task as a person would in Salesforce."""
        self.tasks[task_id].fields.update(fields)

    def task(self, key: str) -> StandingTask:
        """The one live Task of a key; fails if there are several."""
        (only,) = [task for task in self.tasks.values() if self._key(task) == key and not task.is_deleted]
        return only

    # --- ports.Org

    def abilities(self) -> Abilities:
        self._called("describe")
        names = {**_FIELDS, **({self.key_field: ("string", 255)} if self.key_field else {})}
        if self.shared_activities:
            names["TaskWhoIds"] = ("junctionidlist", 0)
        fields = {
            name: TaskField(name, type, length, True, name not in CREATE_ONLY, _PICKLISTS.get(name, ()))
            for name, (type, length) in names.items()
        }
        return Abilities(fields, self.key_field)

    def changes(self, cursors: Mapping[str, str], *, can_wait: bool = False) -> Iterator[ChangePage]:
        del can_wait
        self._called("composite")
        if not self.loading(cursors) or not self.is_large:
            yield self._page(cursors)

    def loading(self, cursors: Mapping[str, str]) -> Mapping[str, int]:
        return {} if "Contact" in cursors else {"Contact": 0}

    def load(self, cursors: Mapping[str, str]) -> Iterator[ChangePage]:
        self._called("jobs/query")
        if self.loading(cursors):
            yield self._page(cursors)

    def look_up(self, keys: Collection[str], ids: Collection[str]) -> list[Record]:
        if not (keys or ids):
            return []
        self._called("composite")
        there = self._records().values()
        found = {record.id: record for record in there if record.id in ids or not set(keys).isdisjoint(record.keys)}
        while new := [record for record in there if record.id not in found and self._belongs(record, found)]:
            found |= {record.id: record for record in new}
        return list(found.values())

    def _page(self, cursors: Mapping[str, str]) -> ChangePage:
        start = int(cursors.get("Contact", "0"))
        news = self._log[start:]
        deleted = [item for item in news if isinstance(item, str)]
        latest = {item.id: item for item in news if isinstance(item, Record)}
        records = [record for record in latest.values() if record.id not in deleted]
        return ChangePage(records, deleted if start else [], {"Contact": str(len(self._log))})

    def find(self, keys: Collection[str], fields: Collection[str]) -> dict[str, FoundTask]:
        if not keys:
            return {}
        self._called("queryAll")
        found: dict[str, FoundTask] = {}
        for task in sorted(self.tasks.values(), key=lambda task: task.is_deleted):
            key = self._key(task)
            if key in keys and key not in found:
                found[key] = FoundTask(task.id, task.is_deleted, self._values(task, fields))
        return found

    def read(self, task_ids: Collection[str], fields: Collection[str]) -> dict[str, TaskFields]:
        if not task_ids:
            return {}
        self._called("composite/sobjects")
        there = (self.tasks[id] for id in dict.fromkeys(task_ids) if id in self.tasks)
        return {task.id: self._values(task, fields) for task in there if not task.is_deleted}

    def create(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        return self._write(drafts, self._create)

    def update(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        return self._write(drafts, self._update)

    def record_type(self, kind: Kind, name: str) -> str | None:
        return self.record_types.get((kind, name))

    def make(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        if len(drafts) > 200:
            raise ValueError("one call writes at most 200 records")
        if not drafts:
            return []
        self._called("composite/sobjects")
        made = [self._make(draft) for draft in drafts]
        if self.switches.after:
            raise self.switches.after.pop(0)
        return made

    def amend(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        if not drafts:
            return []
        self._called("composite/sobjects")
        made = [self.switches.unmade.pop(0) if self.switches.unmade else Made(draft.fields["Id"]) for draft in drafts]
        self.amended += [draft for draft, result in zip(drafts, made, strict=True) if result.record_id]
        if self.switches.after:
            raise self.switches.after.pop(0)
        return made

    # --- its insides

    def _records(self) -> dict[str, Record]:
        """Those that there are now."""
        there: dict[str, Record] = {}
        for item in self._log:
            if isinstance(item, Record):
                there[item.id] = item
            else:
                there.pop(item, None)
        return there

    def _belongs(self, record: Record, found: Mapping[str, Record]) -> bool:
        """Whether one of them belongs to it, was merged into it, or has it as an open case or a relation."""
        owners = {id for one in found.values() for id in (one.account_id, one.contact_id, one.merged_into)}
        if record.id in owners:
            return True
        is_case = record.kind is Kind.CASE and record.contact_id is None and record.account_id in found
        return record.is_open and (is_case or (record.kind in _OF_CONTACTS and record.contact_id in found))

    def _make(self, draft: RecordDraft) -> Made:
        if self.switches.unmade:
            return self.switches.unmade.pop(0)
        self.made.append(draft)
        record = _record(draft, len(self.made))
        self.change(record)
        return Made(record.id)

    def _called(self, resource: str) -> None:
        self.calls.append(resource)
        self.on_call(resource)
        if self.switches.before:
            raise self.switches.before.pop(0)

    def _write(self, drafts: Sequence[TaskDraft], write: Callable[[TaskDraft], Outcome]) -> list[Outcome]:
        if len(drafts) > 200:
            raise ValueError("one call writes at most 200 Tasks")
        if not drafts:
            return []
        self._called("composite/sobjects")
        outcomes = [self._refused(draft) or write(draft) for draft in drafts]
        if self.switches.after:
            raise self.switches.after.pop(0)
        return outcomes

    def _refused(self, draft: TaskDraft) -> Outcome | None:
        waiting = self.switches.refused.get(draft.key)
        return waiting.pop(0) if waiting else _unfit(draft.fields)

    def _create(self, draft: TaskDraft) -> Outcome:
        standing = [task for task in self.tasks.values() if self._key(task) == draft.key and not task.is_deleted]
        if self.key_field and standing:
            if not CREATE_ONLY.isdisjoint(draft.fields):
                return Outcome(Verdict.UNKNOWN, reason="A Task with this key exists already.")
            standing[0].fields.update(_stored(draft.fields))
            return Outcome(Verdict.WRITTEN, standing[0].id)
        task = StandingTask(f"00T{len(self.tasks) + 1:012d}AAA", {**_DEFAULTS, **_stored(draft.fields)})
        task.fields[self.key_field or "CallObject"] = draft.key
        self.tasks[task.id] = task
        return Outcome(Verdict.WRITTEN, task.id)

    def _update(self, draft: TaskDraft) -> Outcome:
        if draft.task_id is None:
            raise ValueError("an update needs the Task's id")
        task = self.tasks.get(draft.task_id)
        if task is None or task.is_deleted:
            return Outcome(Verdict.GONE, reason="The Task was deleted in Salesforce.")
        refused = CREATE_ONLY & draft.fields.keys()
        if refused:
            return Outcome(Verdict.PARK, reason=f"A field cannot be set in this way [{', '.join(refused)}].")
        task.fields.update(_stored(draft.fields))
        return Outcome(Verdict.WRITTEN, task.id)

    def _key(self, task: StandingTask) -> str | None:
        return task.fields.get(self.key_field or "CallObject")

    def _values(self, task: StandingTask, fields: Collection[str]) -> TaskFields:
        whos = task.fields.get("TaskWhoIds") or ([task.fields["WhoId"]] if task.fields.get("WhoId") else [])
        if task.is_deleted:
            whos = None
        return {name: whos if name == "TaskWhoIds" else task.fields.get(name) for name in fields}


_OF_CONTACTS = (Kind.CASE, Kind.RELATION)

_ID_PREFIXES = {Kind.CONTACT: "003", Kind.LEAD: "00Q", Kind.CASE: "500"}


def _record(draft: RecordDraft, number: int) -> Record:
    fields = draft.fields
    keys = [phone_key(fields[name]) for name in ("Phone", "MobilePhone", "SuppliedPhone") if fields.get(name)]
    keys += [email_key(fields["Email"]), domain_key(fields["Email"])] if fields.get("Email") else []
    case_number = f"{90000 + number:08d}" if draft.kind is Kind.CASE else None
    name = " ".join(filter(None, (fields.get("FirstName"), fields.get("LastName"), fields.get("Subject"))))
    return Record(
        kind=draft.kind,
        id=f"{_ID_PREFIXES[draft.kind]}{900 + number:012d}AAA",
        name=name,
        keys=tuple(key for key in (*keys, case_number and f"case:{case_number}") if key),
        account_id=fields.get("AccountId"),
        contact_id=fields.get("ContactId"),
        number=case_number,
        topics=tuple(filter(None, (fields.get("Subject"),))),
    )


_DEFAULTS = {"Status": "Not Started", "Priority": "Normal"}


def _stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Empty texts are stored as null; the first related contact is the name of the Task."""
    stored = {name: None if value == "" else value for name, value in fields.items()}
    if stored.get("TaskWhoIds") and not stored.get("WhoId"):
        stored["WhoId"] = stored["TaskWhoIds"][0]
    return stored


def _unfit(fields: Mapping[str, Any]) -> Outcome | None:
    for name, value in fields.items():
        longest = _FIELDS.get(name, ("", 0))[1]
        if isinstance(value, str) and longest and len(value) > longest:
            return Outcome(Verdict.PARK, reason=f"A text is longer than its field allows [{name}].")
        if value and name in _PICKLISTS and value not in _PICKLISTS[name]:
            return Outcome(Verdict.PARK, reason=f"A value is not in a restricted picklist [{name}].")
    return None
