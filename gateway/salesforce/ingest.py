"""Writes by ingest jobs of Bulk API 2.0: a table is uploaded, worked off by the org, and its results are fetched.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0_ingest.htm

Nothing is written before the upload is said to be complete. Results come in any order and bear the columns that were
sent, by which they are matched. The org deletes a job after seven days; until then an admin sees what it did.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from typing import Any

from gateway.domain.contacts import Act
from gateway.domain.creation import Made, RecordDraft
from gateway.domain.records import Kind
from gateway.errors import GatewayError, RejectedError, RetryableError, UnknownOutcomeError
from gateway.salesforce.errors import Refusal, without_personal_data
from gateway.salesforce.people import refused
from gateway.salesforce.session import Session

LONGEST_WAIT = 600.0
_SOONEST, _SLOWING, _SELDOMEST = 1.0, 3.0, 30.0
"""Seconds until the first look at a job, how much longer until each next one, and how long at the most."""

_JOBS = "jobs/ingest"
_OPERATIONS = {Act.CREATE: "insert", Act.UPDATE: "update", Act.DELETE: "delete"}
_NULL = "#N/A"
_ENDED = frozenset({"JobComplete", "Failed", "Aborted"})


class IngestJobs:
    """The ingest jobs of one org, each waited for to its end."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._org = f"Org {session.settings.name!r}"

    def can_carry(self, drafts: Sequence[RecordDraft]) -> bool:
        """Whether no value would be taken for the sign that stands for nothing."""
        return all(value != _NULL for draft in drafts for value in draft.fields.values())

    def carry_out(self, act: Act, kind: Kind, drafts: Sequence[RecordDraft]) -> list[Made]:
        """What became of each record. RejectedError: not a single one was taken, which smaller calls may explain.

        RetryableError: nothing was written. UnknownOutcomeError: all of it may have been, now or later.
        """
        table = _Table(drafts)
        body = {"object": kind.value, "operation": _OPERATIONS[act], "lineEnding": "LF"}
        answer = self._session.read(_JOBS, _JOBS, body=body)
        id = str(self._session.with_members(answer, "id")["id"])
        self._upload(id, table)
        job = self._ended(id)
        if job["state"] != "JobComplete" and not job["numberRecordsProcessed"]:
            said = without_personal_data(job.get("errorMessage") or "")
            raise RejectedError(f"{self._org}: its job is {job['state']}. {said}")
        return self._results(act, id, job, table)

    def _upload(self, id: str, table: _Table) -> None:
        """To the point where the org begins."""
        try:
            self._session.write("PUT", _JOBS, f"{_JOBS}/{id}/batches", table.text)
        except UnknownOutcomeError as error:
            raise RetryableError(f"{error} Nothing was written.") from None
        try:
            self._session.write("PATCH", _JOBS, f"{_JOBS}/{id}", {"state": "UploadComplete"})
        except UnknownOutcomeError:
            if self._look(id)["state"] == "Open":
                raise RetryableError(f"{self._org} did not hear that an upload is complete.") from None

    def _look(self, id: str) -> Mapping[str, Any]:
        try:
            answer = self._session.read(_JOBS, f"{_JOBS}/{id}")
            return self._session.with_members(answer, "state", "numberRecordsProcessed", "numberRecordsFailed")
        except GatewayError as error:
            raise UnknownOutcomeError(f"{error} A job may be at work.") from None

    def _ended(self, id: str) -> Mapping[str, Any]:
        """The job at its end; one that takes too long is stopped, so that nothing is written behind our back."""
        waited, pause = 0.0, _SOONEST
        while waited < LONGEST_WAIT:
            self._session.sleep(pause)
            if (job := self._look(id))["state"] in _ENDED:
                return job
            waited, pause = waited + pause, min(pause * _SLOWING, _SELDOMEST)
        with suppress(GatewayError):
            self._session.write("PATCH", _JOBS, f"{_JOBS}/{id}", {"state": "Aborted"})
        if (job := self._look(id))["state"] in _ENDED and job["numberRecordsProcessed"]:
            return job
        raise UnknownOutcomeError(f"{self._org} has not worked a job off for {LONGEST_WAIT:.0f} seconds.")

    def _results(self, act: Act, id: str, job: Mapping[str, Any], table: _Table) -> list[Made]:
        made: dict[int, Made] = {}
        try:
            for row in self._rows(id, "failedResults") if job["numberRecordsFailed"] else ():
                place = table.place_of(row)
                made[place] = refused([_refusal(row["sf__Error"])], table.drafts[place].fields)
            if act is not Act.CREATE and job["numberRecordsProcessed"] == len(table.drafts):
                # All others were written, and their ids are known.
                return [made.get(at) or Made(draft.fields["Id"]) for at, draft in enumerate(table.drafts)]
            for row in self._rows(id, "successfulResults"):
                made[table.place_of(row)] = Made(row["sf__Id"])
        except KeyError:
            raise UnknownOutcomeError(f"{self._org}: a job's results are not of what was sent.") from None
        except GatewayError as error:
            raise UnknownOutcomeError(f"{error} The results of a job cannot be read.") from None
        untold = Made(reason=f"{self._org} says nothing of this record of a job.", passes=True, is_unknown=True)
        return [made.get(at, untold) for at in range(len(table.drafts))]

    def _rows(self, id: str, which: str) -> Iterator[dict[str, str]]:
        answer = self._session.read(_JOBS, f"{_JOBS}/{id}/{which}")
        return csv.DictReader(StringIO(answer[0] if isinstance(answer, tuple) else "", newline=""))


def _refusal(said: str) -> Refusal:
    """An error such as `REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --`."""
    code, _, rest = said.partition(":")
    message, _, fields = rest.removesuffix("--").rpartition(":")
    return Refusal(code, message, tuple(name for name in fields.replace(",", " ").split() if name))


class _Table:
    """Records as CSV; an empty cell leaves a field as it is.

    A result is a record's by its id; that of a new one by all that was sent, for records that are alike in all of it
    may take each other's place.
    """

    def __init__(self, drafts: Sequence[RecordDraft]) -> None:
        self.drafts = drafts
        self._columns = list(dict.fromkeys(name for draft in drafts for name in draft.fields))
        self._places: dict[tuple[str, ...], list[int]] = {}
        rows = [
            [_cell(draft.fields[name]) if name in draft.fields else "" for name in self._columns] for draft in drafts
        ]
        for place in reversed(range(len(rows))):
            self._places.setdefault(self._key(dict(zip(self._columns, rows[place], strict=True))), []).append(place)
        text = StringIO(newline="")
        csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([self._columns, *rows])
        self.text = text.getvalue()

    def place_of(self, row: Mapping[str, str]) -> int:
        """Where the record of a result stands. KeyError: nowhere."""
        places = self._places[self._key(row)]
        return places.pop() if len(places) > 1 else places[0]

    def _key(self, row: Mapping[str, str]) -> tuple[str, ...]:
        return (row["Id"],) if "Id" in self._columns else tuple(row[name].replace("\r", "") for name in self._columns)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _NULL if value is None or not str(value).strip() else str(value)
