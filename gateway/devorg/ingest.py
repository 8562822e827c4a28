"""Ingest jobs of Bulk API 2.0: a CSV of records, written 200 at a time as sObject Collections writes them.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0_ingest.htm
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from http import HTTPStatus
from typing import cast
from urllib.parse import quote

from gateway.devorg import ids, jobs, sobject_collections
from gateway.devorg.calls import Call
from gateway.devorg.csv_rows import NULL, CsvError, CsvForm, value_of
from gateway.devorg.errors import RecordError, RequestError, bad_request, not_found
from gateway.devorg.exchange import Request, Response, request_for
from gateway.devorg.jobs import ENDED, Job, Json, State
from gateway.devorg.schema import Field, FieldType, SObject
from gateway.devorg.values import wrong_id_type

BATCH = 10_000
CHUNK = 200
_FIRST_VERSION = 41
_NOT_IN_CSV = frozenset({FieldType.ADDRESS, FieldType.JUNCTION})

Record = Mapping[str, object]


class Operation(StrEnum):
    """What a job does with each row."""

    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"
    HARD_DELETE = "hardDelete"


class _BatchError(Exception):
    """A header that makes the whole upload unusable."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row."""

    record_id: str
    created: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that holds the values of one field."""

    field: Field

    def read(self, text: str) -> tuple[str, object]:
        return self.field.name, value_of(self.field, text)


@dataclass(frozen=True, slots=True)
class _ParentColumn:
    """A column that names the record a reference points at by an indexed field: ``ReportsTo.Email``."""

    call: Call
    reference: Field
    target: SObject
    key: Field

    def read(self, text: str) -> tuple[str, object]:
        if text == NULL:
            return self.reference.name, None
        held = [str(row["Id"]) for row in self._holders(text) if not row.get("IsDeleted")]
        if len(held) > 1:
            message = f"{self.key.name}: more than one record found for external id field: [{', '.join(held)}]"
            raise RecordError("DUPLICATE_EXTERNAL_ID", message, (self.reference.name,))
        if not held:
            message = (
                f"Foreign key external ID: {text} not found for field {self.key.name} in entity {self.target.name}"
            )
            raise RecordError("INVALID_FIELD", message)
        return self.reference.name, held[0]

    def _holders(self, text: str) -> list[Mapping[str, object]]:
        records = self.call.org.records
        indexed = records.lookup(self.target.name, self.key.name, [text])
        if indexed is not None:
            return list(indexed)
        rows = records.rows(self.target.name, include_deleted=False)
        return [row for row in rows if str(row[self.key.name]).casefold() == text.casefold()]


class IngestJob(Job):
    """A job that writes; its rows are independent of each other."""

    kind = "V2Ingest"
    deletable = ENDED | {State.UPLOAD_COMPLETE}

    def __init__(self, call: Call, operation: Operation, sobject: SObject, key: Field | None, form: CsvForm) -> None:
        super().__init__(call, operation, sobject, form, State.OPEN)
        self.key = key
        self.uploads: list[bytes] = []
        self.outcomes: list[Outcome] = []

    def summary(self) -> Json:
        """As every job, with where to upload while that is possible."""
        shown = super().summary()
        if self.key is not None:
            shown["externalIdFieldName"] = self.key.name
        if self.state is State.OPEN:
            shown["contentUrl"] = f"{self.call.base[1:]}/jobs/ingest/{self.id}/batches"
        return shown

    def progress(self) -> Json:
        """How many rows are done."""
        return {
            "numberRecordsProcessed": len(self.outcomes),
            "numberRecordsFailed": sum(outcome.error is not None for outcome in self.outcomes),
            "retries": 0,
            "totalProcessingTime": 0,
            "apiActiveProcessingTime": 0,
            "apexProcessingTime": 0,
        }

    @cached_property
    def table(self) -> tuple[list[str], list[list[str]]]:
        """The header and the rows that were uploaded."""
        if not self.uploads:
            raise CsvError("No data was uploaded")
        return self.form.read(self.uploads[0])

    @cached_property
    def columns(self) -> list[_Column | _ParentColumn]:
        """What each column means."""
        header = self.table[0]
        if self.operation == Operation.DELETE and [name.lower() for name in header] != ["id"]:
            raise _BatchError("The 'delete' batch must contain only ids")
        return [_column(self.call, self.sobject, name) for name in header]

    def work(self) -> None:
        """Write the next batch of rows."""
        try:
            columns, rows = self.columns, self.table[1]
        except CsvError as problem:
            self.enter(State.FAILED, f"ClientInputError : {problem}")
            return
        except _BatchError as problem:
            self.enter(State.FAILED, f"InvalidBatch : {problem}")
            return
        end = len(self.outcomes) + BATCH
        for start in range(len(self.outcomes), min(end, len(rows)), CHUNK):
            self.outcomes += self._written(columns, rows[start : min(start + CHUNK, end)])
        if len(self.outcomes) == len(rows):
            self.enter(State.JOB_COMPLETE)

    def _written(self, columns: Sequence[_Column | _ParentColumn], rows: Sequence[Sequence[str]]) -> list[Outcome]:
        """What became of the rows of one chunk, those that cannot be read left out of the write."""
        outcomes: dict[int, Outcome] = {}
        records: dict[int, Record] = {}
        for number, row in enumerate(rows):
            try:
                records[number] = self._record(columns, row)
            except RecordError as problem:
                outcomes[number] = _failed("", problem.as_result())
        write = _WRITERS[Operation(self.operation)]
        outcomes |= zip(records, write(self, list(records.values())), strict=True)
        return [outcomes[number] for number in range(len(rows))]

    def _record(self, columns: Sequence[_Column | _ParentColumn], row: Sequence[str]) -> Record:
        """The record of a row; empty cells say nothing."""
        values = dict(column.read(text) for column, text in zip(columns, row, strict=True) if text)
        return {"attributes": {"type": self.sobject.name}, **values}


def _column(call: Call, sobject: SObject, name: str) -> _Column | _ParentColumn:
    relationship, dot, key_name = name.partition(".")
    if dot:
        reference = sobject.parents.get(relationship.lower())
        # How a column would name one of several kinds of parents is not told for API 2.0.
        if reference is not None and not reference.polymorphic:
            target = call.org.sobject(reference.reference_to[0])
            key = target.find(key_name)
            if key is not None and (key.id_lookup or key.external_id):
                return _ParentColumn(call, reference, target, key)
    field = sobject.find(name)
    if field is None or field.type in _NOT_IN_CSV:
        raise _BatchError(f"Field name not found : {name}")
    return _Column(field)


def _collections(
    job: IngestJob, write: Callable[..., Response], records: Sequence[Record], *path: str
) -> list[Outcome]:
    """Write one chunk as a call of sObject Collections does."""
    if not records:
        return []
    request = Request("", "", {}, {}, content={"records": list(records)})
    return _outcomes(write(job.call, request, *path))


def _outcomes(response: Response) -> list[Outcome]:
    return [_outcome(result) for result in cast("list[Json]", response.content)]


def _outcome(result: Json) -> Outcome:
    record_id = str(result.get("id") or "")
    if result["success"]:
        return Outcome(record_id, created=result.get("created") is True)
    return _failed(record_id, cast("list[Json]", result["errors"])[0])


def _failed(record_id: str, error: Json) -> Outcome:
    fields = ", ".join(cast("list[str]", error["fields"]))
    return Outcome(record_id, error=f"{error['statusCode']}:{error['message']}:{fields and fields + ' '}--")


def _insert(job: IngestJob, records: Sequence[Record]) -> list[Outcome]:
    outcomes = _collections(job, sobject_collections.create, records)
    return [Outcome(each.record_id, created=each.error is None, error=each.error) for each in outcomes]


def _update(job: IngestJob, records: Sequence[Record]) -> list[Outcome]:
    return _collections(job, sobject_collections.update, records)


def _upsert(job: IngestJob, records: Sequence[Record]) -> list[Outcome]:
    assert job.key is not None  # noqa: S101  # an upsert job is not created without one
    if job.key.name != "Id":
        return _collections(job, sobject_collections.upsert, records, job.sobject.name, job.key.name)
    known = iter(_update(job, [record for record in records if "Id" in record]))
    new = iter(_insert(job, [record for record in records if "Id" not in record]))
    return [next(known if "Id" in record else new) for record in records]


def _delete(job: IngestJob, records: Sequence[Record]) -> list[Outcome]:
    return [_deleted(job, str(record.get("Id") or "")) for record in records]


def _deleted(job: IngestJob, record_id: str) -> Outcome:
    """Delete one record, which must be of the job's own object."""
    known = ids.canonical(record_id)
    if known is None or job.call.org.records.object_of(known) is not job.sobject:
        problem = wrong_id_type(job.sobject.fields["id"], record_id)
        return _failed(record_id, problem.as_result())
    request = request_for("DELETE", f"/composite/sobjects?ids={quote(known)}", {})
    (outcome,) = _outcomes(sobject_collections.delete(job.call, request))
    return outcome


_WRITERS: dict[Operation, Callable[[IngestJob, Sequence[Record]], list[Outcome]]] = {
    Operation.INSERT: _insert,
    Operation.UPDATE: _update,
    Operation.UPSERT: _upsert,
    Operation.DELETE: _delete,
}


def create(call: Call, request: Request) -> Response:
    """``POST /jobs/ingest``."""
    _check_version(call)
    body = jobs.description(request, "object", "externalIdFieldName", "assignmentRuleId")
    operation = jobs.word(body, "operation", Operation)
    sobject = _sobject(call, body.get("object"), operation)
    if operation is Operation.HARD_DELETE:
        message = (
            "hardDelete operation requires special user profile permission, please contact your system administrator"
        )
        raise bad_request("FEATURENOTENABLED", message)
    if "assignmentRuleId" in body:
        raise bad_request("INVALIDJOB", f"No assignment rule has the id {body['assignmentRuleId']}")
    key = _key(sobject, body.get("externalIdFieldName")) if operation is Operation.UPSERT else None
    return jobs.started(IngestJob(call, operation, sobject, key, jobs.form_of(body)))


def _check_version(call: Call) -> None:
    if call.number < _FIRST_VERSION:
        raise not_found()


def _sobject(call: Call, name: object, operation: Operation) -> SObject:
    found = call.org.schema.get(str(name).lower())
    if found is None:
        raise bad_request("INVALIDJOB", f"Unable to find object: {name}")
    able = {
        Operation.INSERT: found.createable,
        Operation.UPDATE: found.updateable,
        Operation.UPSERT: found.createable and found.updateable,
    }.get(operation, found.deletable)
    if not able:
        raise bad_request("INVALIDENTITY", f"Entity '{found.name}' is not supported by the Bulk API.")
    return found


def _key(sobject: SObject, name: object) -> Field:
    """The field an upsert goes by: an external id, or the record id itself."""
    if not name:
        message = f"External ID was blank for {sobject.name}. An External ID must be specified for upsert."
        raise bad_request("INVALIDJOB", message)
    field = sobject.find(str(name))
    if field is None or not (field.external_id or field.name == "Id"):
        message = f"Field name provided, {name} does not match an External ID for {sobject.name}"
        raise bad_request("INVALIDJOB", message)
    return field


def upload(call: Call, request: Request, job_id: str) -> Response:
    """``PUT /jobs/ingest/id/batches``."""
    job = jobs.found(call, IngestJob, job_id)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/csv":
        message = f"Content type {kind or 'none'} not supported. Supported: text/csv"
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
    if job.state is not State.OPEN:
        raise bad_request("INVALIDJOBSTATE", f"Data can be uploaded to an Open job only; this one is {job.state}")
    job.uploads.append(request.body)
    return Response(HTTPStatus.CREATED)


def change(call: Call, request: Request, job_id: str) -> Response:
    """``PATCH /jobs/ingest/id``: end the upload, or the job."""
    job = jobs.found(call, IngestJob, job_id)
    if jobs.wanted_state(request, State.UPLOAD_COMPLETE, State.ABORTED) is State.ABORTED:
        return jobs.abort(job)
    if len(job.uploads) > 1:
        # A second upload is accepted, and only told of here.
        message = (
            f"Found multipe contents for job: <{job.id}>, please 'Close' / 'Abort' / 'Delete' the current Job then "
            "create a new Job and make sure you only do 'PUT' once on a given Job."
        )
        raise bad_request("INVALIDJOB", message)
    jobs.close(job)
    return Response(content=job.summary())


def successful(call: Call, job_id: str) -> Response:
    """``GET /jobs/ingest/id/successfulResults``, in another order than that of the upload, as is to be expected.

    https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/get_job_successful_results.htm
    """
    job = _ended(call, job_id)
    rows = [
        [outcome.record_id, str(outcome.created).lower(), *row]
        for outcome, row in zip(job.outcomes, _rows(job), strict=False)
        if outcome.error is None
    ]
    return _csv(job, ["sf__Id", "sf__Created", *_header(job)], rows[::-1])


def failed(call: Call, job_id: str) -> Response:
    """``GET /jobs/ingest/id/failedResults``, in another order too."""
    job = _ended(call, job_id)
    rows = [
        [outcome.record_id, outcome.error, *row]
        for outcome, row in zip(job.outcomes, _rows(job), strict=False)
        if outcome.error is not None
    ]
    return _csv(job, ["sf__Id", "sf__Error", *_header(job)], rows[::-1])


def unprocessed(call: Call, job_id: str) -> Response:
    """``GET /jobs/ingest/id/unprocessedrecords``."""
    job = _ended(call, job_id)
    return _csv(job, _header(job), _rows(job)[len(job.outcomes) :])


def _ended(call: Call, job_id: str) -> IngestJob:
    job = jobs.found(call, IngestJob, job_id)
    if job.state not in ENDED:
        raise jobs.not_complete(job)
    return job


def _header(job: IngestJob) -> list[str]:
    return _readable(job)[0]


def _rows(job: IngestJob) -> list[list[str]]:
    return _readable(job)[1]


def _readable(job: IngestJob) -> tuple[list[str], list[list[str]]]:
    """The upload; nothing where it could not be read."""
    try:
        return job.table
    except CsvError:
        return [], []


def _csv(job: IngestJob, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Response:
    return Response(csv=job.form.write(header, rows))
