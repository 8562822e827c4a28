"""Reads and writes Tasks, as many per call as Salesforce takes.

Collections: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
(200 records per write, 2,000 per retrieve; one result per record, in order).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.tasks import FoundTask, Outcome, TaskDraft, TaskFields, Verdict
from gateway.errors import GatewayError, RejectedError, UnknownOutcomeError
from gateway.salesforce import soql
from gateway.salesforce.errors import QueryRefusedError, outcome_of, refusals_of
from gateway.salesforce.session import Session

MOST_WRITTEN = 200
MOST_READ = 2000
_FEWEST_WITH_CONTACTS = 10
"""An answer holds at most 500 ids of related contacts, and a Task at most 50."""

_SPLITS = 16
"""Calls spent to find the one record because of which a whole call was refused: twice the halvings of 200."""

_COLLECTION = "composite/sobjects"
_TYPE = {"type": "Task"}
_WITHOUT_KEY = "CallObject"


class Tasks:
    """The Tasks of one org; `key_field` None means that the external key stands in CallObject."""

    def __init__(self, session: Session, key_field: str | None) -> None:
        self._session = session
        self._key_field = key_field

    def find(self, keys: Collection[str], fields: Collection[str]) -> dict[str, FoundTask]:
        """Tasks by external key, a live one before a deleted one, the oldest first."""
        column = self._key_field or _WITHOUT_KEY
        asked = _Asked(keys)
        found: dict[str, FoundTask] = {}
        for statement in soql.tasks_by(column, asked.keys, [name for name in fields if name != "TaskWhoIds"]):
            for row in self._session.query(statement):
                key = asked.key_of(row[column])
                if key not in found or (found[key].is_deleted and not row["IsDeleted"]):
                    found[key] = FoundTask(row["Id"], row["IsDeleted"], {name: row.get(name) for name in fields})
        return self._with_contacts(found) if "TaskWhoIds" in fields else found

    def read(self, task_ids: Collection[str], fields: Collection[str]) -> dict[str, TaskFields]:
        """The fields of the Tasks that exist and are not deleted."""
        ids = list(dict.fromkeys(task_ids))
        found: dict[str, TaskFields] = {}
        for start in range(0, len(ids), MOST_READ):
            found.update(self._retrieve(ids[start : start + MOST_READ], tuple(fields)))
        return found

    def create(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        """Create Tasks, by upsert where the org has a key field, so that a repeated create cannot double one."""
        if self._key_field is None:
            return _Write(self._session, "POST", _COLLECTION, _body_without_key, None, creating=True).send(drafts)
        key_field = self._key_field

        def body(draft: TaskDraft) -> TaskFields:
            return {"attributes": _TYPE, **draft.fields, key_field: draft.key}

        path = f"{_COLLECTION}/Task/{key_field}"
        return _Write(self._session, "PATCH", path, body, key_field, creating=True).send(drafts)

    def update(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        """Change Tasks by id."""
        return _Write(self._session, "PATCH", _COLLECTION, _body_by_id, self._key_field, creating=False).send(drafts)

    def _retrieve(self, ids: list[str], fields: tuple[str, ...]) -> dict[str, TaskFields]:
        body = {"ids": ids, "fields": ["Id", *(name for name in fields if name != "Id")]}
        try:
            rows = self._session.read(_COLLECTION, f"{_COLLECTION}/Task", body=body) or []
        except QueryRefusedError:
            if "TaskWhoIds" not in fields or len(ids) <= _FEWEST_WITH_CONTACTS:
                raise
            middle = len(ids) // 2
            return {**self._retrieve(ids[:middle], fields), **self._retrieve(ids[middle:], fields)}
        return {row["Id"]: {name: row.get(name) for name in fields} for row in rows if row}

    def _with_contacts(self, found: dict[str, FoundTask]) -> dict[str, FoundTask]:
        """A query may return only 500 ids of contacts, so these are read by id; those of deleted Tasks are gone."""
        contacts = self.read([task.task_id for task in found.values() if not task.is_deleted], ("TaskWhoIds",))
        return {
            key: FoundTask(task.task_id, task.is_deleted, {**task.fields, **contacts.get(task.task_id, {})})
            for key, task in found.items()
        }


@dataclass(slots=True)
class _Write:
    """One write of up to 200 drafts, divided only where Salesforce refuses to look at it as a whole."""

    session: Session
    method: str
    path: str
    body: Callable[[TaskDraft], TaskFields]
    key_field: str | None
    creating: bool
    splits: int = _SPLITS

    def send(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        """The drafts' outcomes, in order."""
        if len(drafts) > MOST_WRITTEN:
            raise ValueError(f"one call writes at most {MOST_WRITTEN} Tasks")
        if not drafts:
            return []
        try:
            results = self._results([self.body(draft) for draft in drafts])
        except RejectedError as refused:
            return self._halves(drafts, refused.reason)
        return list(map(self._outcome, drafts, results))

    def _halves(self, drafts: Sequence[TaskDraft], reason: str) -> list[Outcome]:
        """A value that cannot even be read makes Salesforce refuse the whole call and write nothing: find its draft."""
        if len(drafts) == 1:
            return [Outcome(Verdict.PARK, reason=reason)]
        if self.splits < 1:
            return [Outcome(Verdict.RETRY, reason=reason)] * len(drafts)
        self.splits -= 1
        middle = len(drafts) // 2
        return [*self._part(drafts[:middle]), *self._part(drafts[middle:])]

    def _part(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        """Errors of a part are its own: the part before it may have been written."""
        try:
            return self.send(drafts)
        except UnknownOutcomeError as error:
            return [Outcome(Verdict.UNKNOWN, reason=str(error))] * len(drafts)
        except GatewayError as error:
            return [Outcome(Verdict.RETRY, reason=str(error), after=getattr(error, "after", None))] * len(drafts)

    def _results(self, records: list[TaskFields]) -> list[Mapping[str, Any]]:
        answer = self.session.write(self.method, _COLLECTION, self.path, {"allOrNone": False, "records": records})
        if not (isinstance(answer, list) and len(answer) == len(records) and all("success" in each for each in answer)):
            raise UnknownOutcomeError(f"Org {self.session.settings.name!r}: the answer to a write was cut short.")
        return answer

    def _outcome(self, draft: TaskDraft, result: Mapping[str, Any]) -> Outcome:
        if result["success"]:
            return Outcome(Verdict.WRITTEN, result["id"])
        refusals = refusals_of(result["errors"])
        return outcome_of(refusals, draft.fields, key_field=self.key_field, creating=self.creating)


class _Asked:
    """The keys of one search. Salesforce compares text without regard to case, we do not unless there is no other."""

    def __init__(self, keys: Collection[str]) -> None:
        self.keys = tuple(dict.fromkeys(keys))
        self._exact = frozenset(self.keys)
        self._folded = {key.casefold(): key for key in self.keys}

    def key_of(self, value: str) -> str:
        return value if value in self._exact else self._folded.get(value.casefold(), value)


def _body_without_key(draft: TaskDraft) -> TaskFields:
    return {"attributes": _TYPE, **draft.fields, _WITHOUT_KEY: draft.key}


def _body_by_id(draft: TaskDraft) -> TaskFields:
    if draft.task_id is None:
        raise ValueError("an update needs the Task's id")
    return {"attributes": _TYPE, "id": draft.task_id, **draft.fields}
