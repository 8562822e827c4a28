"""Query jobs of Bulk API 2.0: the answer to a SOQL query as CSV, in sets.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import cast

from gateway.devorg import jobs, soql
from gateway.devorg.calls import Call
from gateway.devorg.csv_rows import CsvForm, cell_of
from gateway.devorg.errors import RequestError, bad_request, not_found
from gateway.devorg.exchange import Request, Response
from gateway.devorg.jobs import Job, Json, State
from gateway.devorg.schema import Field, FieldType, SObject
from gateway.devorg.soql_fields import Run, Scope
from gateway.devorg.soql_groups import is_grouped
from gateway.devorg.soql_records import shape_of
from gateway.devorg.soql_rows import rows_of
from gateway.devorg.soql_syntax import Child, Column, Path, Query, TypeOf, parse

LARGEST_SET = 250_000
_FIRST_VERSION = 47


class Operation(StrEnum):
    """Whether deleted and archived records are part of the answer."""

    QUERY = "query"
    QUERY_ALL = "queryAll"


@dataclass(frozen=True, slots=True)
class Selected:
    """One column of the answer: its name, and the names under which a record holds it."""

    name: str
    keys: tuple[str, ...]
    moment: bool = False

    def cell(self, record: Json) -> str:
        """The text of the column for one record."""
        value: object = record
        for key in self.keys:
            value = None if value is None else cast("Json", value)[key]
        # REST and Bulk API write the same zone in two ways.
        return cell_of(value).replace("+0000", "Z") if self.moment else cell_of(value)


@dataclass(frozen=True, slots=True)
class Question:
    """A query that can be answered in bulk."""

    text: str
    sobject: SObject
    columns: tuple[Selected, ...]


class QueryJob(Job):
    """A job that reads; its answer stays until the job is deleted."""

    kind = "V2Query"

    def __init__(self, call: Call, operation: Operation, question: Question, form: CsvForm) -> None:
        super().__init__(call, operation, question.sobject, form, State.UPLOAD_COMPLETE)
        self.question = question
        self.rows: list[list[str]] = []

    def work(self) -> None:
        """Answer the query."""
        try:
            found = soql.execute(
                self.question.text,
                self.call.org.records,
                include_deleted=self.operation == Operation.QUERY_ALL,
                now=self.call.org.clock(),
                version=self.call.version[1:],
            )
        except soql.QueryError as problem:
            self.enter(State.FAILED, f"InvalidBatch : Failed to process query: {problem.code}: {problem.message}")
            return
        self.rows = [[column.cell(record) for column in self.question.columns] for record in found.records]
        self.enter(State.JOB_COMPLETE)

    def progress(self) -> Json:
        """How many records were found."""
        return {"numberRecordsProcessed": len(self.rows), "retries": 0, "totalProcessingTime": 0}


def create(call: Call, request: Request) -> Response:
    """``POST /jobs/query``; a query that cannot be answered is refused at once."""
    if call.number < _FIRST_VERSION:
        raise not_found()
    body = jobs.description(request, "query")
    operation = jobs.word(body, "operation", Operation)
    text = body.get("query")
    if not isinstance(text, str) or not text:
        raise bad_request("MALFORMED_QUERY", "A query string has to be specified")
    try:
        question = _checked(call, text)
    except soql.QueryError as problem:
        raise bad_request(problem.code, problem.message) from None
    return jobs.started(QueryJob(call, operation, question, jobs.form_of(body)))


def _checked(call: Call, text: str) -> Question:
    query = parse(text)
    _refuse_unsupported(query)
    scope = Run(call.org.records, call.org.clock(), include_deleted=True, version=call.version[1:]).open(
        query.sources[0].path.text, query
    )
    shape_of(query, scope)
    rows_of(query, scope)
    columns = tuple(_selected(cast("Column", column), scope) for column in query.columns)
    return Question(text, scope.sobject, columns)


def _refuse_unsupported(query: Query) -> None:
    for what, is_used in _UNSUPPORTED.items():
        if is_used(query):
            raise _unsupported(what)


def _unsupported(what: str) -> soql.QueryError:
    return soql.QueryError("FUNCTIONALITY_NOT_ENABLED", f"{what} not supported in Bulk Query")


_UNSUPPORTED: dict[str, Callable[[Query], bool]] = {
    "Aggregate Relationships": lambda query: any(isinstance(column, Child) for column in query.columns),
    "TYPEOF": lambda query: any(isinstance(column, TypeOf) for column in query.columns),
    "GROUP BY and aggregate functions": is_grouped,
    "OFFSET": lambda query: query.offset > 0,
}


def _selected(column: Column, scope: Scope) -> Selected:
    """Where the answer has the values of a selected field or function."""
    operand = column.operand
    if isinstance(operand, Path):
        steps, name = scope.steps(operand)
        field = scope.last_field(steps, name, operand)
        _refuse_type(field)
        keys = (*(step.name for step in steps), field.name)
        return Selected(".".join(keys), keys, moment=field.type is FieldType.DATETIME)
    if operand.name == "FIELDS":
        raise _unsupported("FIELDS()")
    name = column.alias or scope.value(operand).label
    return Selected(name, (name,))


def _refuse_type(field: Field) -> None:
    if field.type is FieldType.ADDRESS:
        raise _unsupported("Selecting compound data")
    if field.type is FieldType.JUNCTION:
        raise _unsupported(f"Selecting {field.name}")


def change(call: Call, request: Request, job_id: str) -> Response:
    """``PATCH /jobs/query/id``: end the job."""
    job = jobs.found(call, QueryJob, job_id)
    jobs.wanted_state(request, State.ABORTED)
    return jobs.abort(job)


def results(call: Call, request: Request, job_id: str) -> Response:
    """``GET /jobs/query/id/results``: one set, and the locator of the next."""
    job = jobs.found(call, QueryJob, job_id)
    if job.call.version != call.version:
        message = f"The results of a job have to be read with the API version that created it: {job.call.version}"
        raise RequestError(HTTPStatus.CONFLICT, "API_ERROR", message)
    if job.state is not State.JOB_COMPLETE:
        raise jobs.not_complete(job)
    start = _start(request.query.get("locator"))
    rows = job.rows[start : start + _size(request.query.get("maxRecords"))]
    end = start + len(rows)
    headers = {
        "Sforce-NumberOfRecords": str(len(rows)),
        "Sforce-Locator": _locator(end) if end < len(job.rows) else "null",
    }
    return Response(headers=headers, csv=job.form.write([column.name for column in job.question.columns], rows))


def _size(text: str | None) -> int:
    if text is None:
        return LARGEST_SET
    if not text.isdecimal() or int(text) == 0:
        raise bad_request("API_ERROR", f"maxRecords has to be a positive whole number, not {text}")
    return min(int(text), LARGEST_SET)


def _locator(start: int) -> str:
    """A text that gives nothing away of the number it is made of, without the padding."""
    return base64.urlsafe_b64encode(str(start).encode()).decode().rstrip("=")


def _start(locator: str | None) -> int:
    if locator is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)))
    except (ValueError, binascii.Error):
        raise bad_request("INVALID_QUERY_LOCATOR", "invalid query locator") from None
