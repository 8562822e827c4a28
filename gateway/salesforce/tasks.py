"""Reads and writes Tasks, as many per call as Salesforce takes.

Collections: https://developer.salesforce.com/docs/platform/api-rest/guide/resources-composite-sobjects-collections.html
(200 records per write, 2,000 per retrieve; one result per record, in order).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
from msgspec import Struct

from gateway.domain.tasks import LONGEST_KEY, FoundTask, Outcome, TaskDraft, TaskFields, Verdict
from gateway.errors import ConfigError, GatewayError, RejectedError, UnknownOutcomeError
from gateway.salesforce import soql
from gateway.salesforce.errors import STALE, QueryRefusedError, not_an_answer, outcome_of, refusals_of
from gateway.salesforce.session import Session

MOST_WRITTEN = 200
MOST_READ = 2000
_FEWEST_WITH_CONTACTS = 10
"""An answer holds at most 500 ids of related contacts, and a Task at most 50."""

LARGEST_BODY = 25_000_000
"""Half of the 50 MB of text that Salesforce takes in one body, whatever the number of records.

https://developer.salesforce.com/docs/platform/api-rest/guide/dome-sobject-insert-update-blob.html
"""

_SPLITS = 16
"""Calls spent to find the one record because of which a whole call was refused: twice the halvings of 200."""

_KEY_BEGINNING = 95
"""With a digest behind it no longer than a key may be, even where every character counts twice."""

_COLLECTION = "composite/sobjects"
_TYPE = {"type": "Task"}
_WITHOUT_KEY = "CallObject"


class Tasks:
    """The Tasks of one org; `key_field` None means that the external key stands in CallObject.

    `misdescribed` is told that the org's fields are not those it was last described with.
    """

    def __init__(
        self, session: Session, key_field: str | None, misdescribed: Callable[[], None] = lambda: None
    ) -> None:
        self._session = session
        self._key_field = key_field
        self._column = key_field or _WITHOUT_KEY
        self._misdescribed = misdescribed

    def find(self, keys: Collection[str], fields: Collection[str]) -> dict[str, FoundTask]:
        """Tasks by external key, a live one before a deleted one, the oldest first.

        Salesforce compares text without regard to letter case; a key of other case is another interaction's.
        """
        asked = {stored_key(key): key for key in keys}
        found: dict[str, FoundTask] = {}
        with self._described():
            for row in self._rows(asked, [name for name in fields if name != "TaskWhoIds"]):
                key = asked.get(row[self._column])
                if key is not None and (key not in found or (found[key].is_deleted and not row["IsDeleted"])):
                    found[key] = FoundTask(row["Id"], row["IsDeleted"], {name: row.get(name) for name in fields})
        return self._with_contacts(found) if "TaskWhoIds" in fields else found

    def read(self, task_ids: Collection[str], fields: Collection[str]) -> dict[str, TaskFields]:
        """The fields of the Tasks that exist and are not deleted."""
        ids = list(dict.fromkeys(task_ids))
        found: dict[str, TaskFields] = {}
        with self._described():
            for start in range(0, len(ids), MOST_READ):
                found.update(self._retrieve(ids[start : start + MOST_READ], tuple(fields)))
        return found

    def create(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        """Create Tasks, by upsert where the org has a key field, so that a repeated create cannot double one."""
        method, path = ("PATCH", f"{_COLLECTION}/Task/{self._key_field}") if self._key_field else ("POST", _COLLECTION)
        return self._write(drafts, method, path, self._new, creating=True)

    def update(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        """Change Tasks by id."""
        return self._write(drafts, "PATCH", _COLLECTION, self._changed, creating=False)

    def _write(
        self,
        drafts: Sequence[TaskDraft],
        method: str,
        path: str,
        body: Callable[[TaskDraft], TaskFields],
        *,
        creating: bool,
    ) -> list[Outcome]:
        if len(drafts) > MOST_WRITTEN:
            raise ValueError(f"one call writes at most {MOST_WRITTEN} Tasks")
        rows = [_Row(place, draft, body(draft)) for place, draft in enumerate(drafts)]
        write = _Write(self._session, method, path, self._key_field, creating, self._misdescribed)
        with self._described():
            return write.send(rows)

    def _new(self, draft: TaskDraft) -> TaskFields:
        return {"attributes": _TYPE, **draft.fields, self._column: stored_key(draft.key)}

    def _changed(self, draft: TaskDraft) -> TaskFields:
        """The key stays, whatever a mapping has for its field: without it the Task could not be found again."""
        if draft.task_id is None:
            raise ValueError("an update needs the Task's id")
        key = {self._column: stored_key(draft.key)} if self._column in draft.fields else {}
        return {"attributes": _TYPE, "id": draft.task_id, **draft.fields, **key}

    def _rows(self, keys: Collection[str], fields: Iterable[str]) -> Iterator[dict[str, Any]]:
        for statement in soql.tasks_by(self._column, keys, fields):
            yield from self._session.query(statement)

    def _retrieve(self, ids: list[str], fields: tuple[str, ...]) -> dict[str, TaskFields]:
        body = {"ids": ids, "fields": ["Id", *(name for name in fields if name != "Id")]}
        try:
            rows = self._session.read(_COLLECTION, f"{_COLLECTION}/Task", body=body) or []
        except QueryRefusedError:
            if "TaskWhoIds" not in fields or len(ids) <= _FEWEST_WITH_CONTACTS:
                raise
            middle = len(ids) // 2
            return {**self._retrieve(ids[:middle], fields), **self._retrieve(ids[middle:], fields)}
        if not (isinstance(rows, list) and len(rows) == len(ids)):
            raise not_an_answer(f"Org {self._session.settings.name!r}")
        return {row["Id"]: {name: row.get(name) for name in fields} for row in rows if row}

    def _with_contacts(self, found: dict[str, FoundTask]) -> dict[str, FoundTask]:
        """A query may return only 500 ids of contacts, so these are read by id; those of deleted Tasks are gone."""
        contacts = self.read([task.task_id for task in found.values() if not task.is_deleted], ("TaskWhoIds",))
        return {
            key: FoundTask(task.task_id, task.is_deleted, {**task.fields, **contacts.get(task.task_id, {})})
            for key, task in found.items()
        }

    @contextmanager
    def _described(self) -> Iterator[None]:
        try:
            yield
        except ConfigError:
            self._misdescribed()
            raise


def stored_key(key: str) -> str:
    """An external key as its field holds it: Salesforce trims texts, and a key that is too long ends in a digest."""
    key = key.strip()
    if len(key.encode("utf-16-le", "surrogatepass")) <= 2 * LONGEST_KEY:
        return key
    return f"{key[:_KEY_BEGINNING]}~{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


class _Row(Struct, frozen=True):
    """A draft, where it stands among its caller's, and what is sent for it."""

    place: int
    draft: TaskDraft
    body: TaskFields

    @property
    def parent(self) -> tuple[str, str]:
        return str(self.body.get("WhatId") or ""), str(self.body.get("WhoId") or "")

    @property
    def is_readable(self) -> bool:
        """Whether its numbers are any: JSON has no word for the others."""
        return all(math.isfinite(value) for value in self.body.values() if isinstance(value, float))


@dataclass(slots=True)
class _Write:
    """One write of up to 200 drafts, divided only where Salesforce does not take it as a whole."""

    session: Session
    method: str
    path: str
    key_field: str | None
    creating: bool
    misdescribed: Callable[[], None]
    splits: int = _SPLITS
    settled: dict[int, Outcome] = field(default_factory=dict)

    def send(self, rows: Sequence[_Row]) -> list[Outcome]:
        """The rows' outcomes, in order; they are sent by parent, so that two calls lock parents in the same order.

        An error is raised where nothing was sent before; later ones are outcomes of what they leave undecided.
        """
        self._settle((row for row in rows if not row.is_readable), Outcome(Verdict.PARK, reason=_NO_NUMBER))
        ordered = sorted((row for row in rows if row.place not in self.settled), key=lambda row: row.parent)
        waiting = [part for part in _by_size(ordered) if part][::-1]
        sent = False
        while waiting:
            part = waiting.pop()
            try:
                self._send_part(part)
            except RejectedError as refused:
                waiting += self._halves(part, refused.reason)
            except GatewayError as error:
                if not sent:
                    raise
                self._undecided(part, waiting, error)
                break
            sent = True
        return [self.settled[row.place] for row in rows]

    def _send_part(self, part: Sequence[_Row]) -> None:
        for row, result in zip(part, self._results([row.body for row in part]), strict=True):
            self.settled[row.place] = self._outcome(row.draft, result)

    def _halves(self, part: list[_Row], reason: str) -> list[list[_Row]]:
        """A value that cannot even be read makes Salesforce refuse the whole call and write nothing: find its draft."""
        if len(part) > 1 and self.splits > 0:
            self.splits -= 1
            middle = len(part) // 2
            return [part[middle:], part[:middle]]
        self._settle(part, Outcome(Verdict.PARK if len(part) == 1 else Verdict.RETRY, reason=reason))
        return []

    def _undecided(self, part: Iterable[_Row], unsent: Iterable[Iterable[_Row]], error: GatewayError) -> None:
        verdict = Verdict.UNKNOWN if isinstance(error, UnknownOutcomeError) else Verdict.RETRY
        after = getattr(error, "after", None)
        self._settle(part, Outcome(verdict, reason=str(error), after=after))
        for rows in unsent:
            self._settle(rows, Outcome(Verdict.RETRY, reason=str(error), after=after))

    def _settle(self, rows: Iterable[_Row], outcome: Outcome) -> None:
        self.settled.update((row.place, outcome) for row in rows)

    def _results(self, records: list[TaskFields]) -> list[Mapping[str, Any]]:
        body = _json_of({"allOrNone": False, "records": records})
        answer = self.session.write(self.method, _COLLECTION, self.path, body)
        if not (isinstance(answer, list) and len(answer) == len(records) and all("success" in each for each in answer)):
            raise UnknownOutcomeError(f"Org {self.session.settings.name!r}: the answer to a write was cut short.")
        return answer

    def _outcome(self, draft: TaskDraft, result: Mapping[str, Any]) -> Outcome:
        if result["success"]:
            return Outcome(Verdict.WRITTEN, result["id"])
        refusals = refusals_of(result["errors"])
        if any(refusal.code == STALE for refusal in refusals):
            self.misdescribed()
        return outcome_of(refusals, draft.fields, key_field=self.key_field, creating=self.creating)


def _json_of(value: Any) -> bytes:
    """JSON of finite numbers: 200 Tasks take the fast library 0.06 ms instead of 0.95; not all that is JSON, though."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


_NO_NUMBER = "A number of the mapping is none (such as 0 divided by 0): correct the mapping."


def _by_size(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """The rows in parts, each of which a body can carry. Escaped, a text takes three times its bytes at the most."""
    if 3 * len(_json_of([row.body for row in rows])) <= LARGEST_BODY:
        yield list(rows)
        return
    part: list[_Row] = []
    used = 0
    for row in rows:
        size = len(json.dumps(row.body))
        if part and used + size > LARGEST_BODY:
            yield part
            part, used = [], 0
        part.append(row)
        used += size
    yield part
