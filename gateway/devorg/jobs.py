"""What ingest and query jobs of Bulk API 2.0 share: states, the resource of one job, and the list of all.

Each GET, of whatever and by whomever, first moves every waiting job on by one step: a client sees ``UploadComplete``,
``InProgress`` and ``JobComplete`` in turn, and no clock is needed.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/how_requests_are_processed.htm
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import StrEnum
from http import HTTPStatus
from typing import ClassVar, TypeVar

from gateway.devorg.calls import Call
from gateway.devorg.csv_rows import ColumnDelimiter, CsvForm, LineEnding
from gateway.devorg.errors import RequestError, bad_request, not_found
from gateway.devorg.exchange import Request, Response
from gateway.devorg.org import Org
from gateway.devorg.schema import SObject
from gateway.devorg.values import to_json

MOST_LISTED = 1000

Json = dict[str, object]
Word = TypeVar("Word", bound=StrEnum)
Kind = TypeVar("Kind", bound="Job")


class State(StrEnum):
    """Where a job stands."""

    OPEN = "Open"
    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


ENDED = frozenset({State.JOB_COMPLETE, State.FAILED, State.ABORTED})


class Job(ABC):
    """One job; it works under the user and the API version that created it."""

    kind: ClassVar[str]
    deletable: ClassVar[frozenset[State]] = ENDED

    def __init__(self, call: Call, operation: str, sobject: SObject, form: CsvForm, state: State) -> None:
        self.id = call.org.writer.ids.take("750")
        self.call = call
        self.operation = operation
        self.sobject = sobject
        self.form = form
        self.state = state
        self.error: str | None = None
        self.created = self.changed = call.org.now()

    def enter(self, state: State, error: str | None = None) -> None:
        """Go over to ``state``; ``error`` says why a job has failed."""
        self.state, self.error, self.changed = state, error, self.call.org.now()

    def step(self) -> None:
        """Go on by as much as one request may wait for."""
        if self.state is State.UPLOAD_COMPLETE:
            self.enter(State.IN_PROGRESS)
        elif self.state is State.IN_PROGRESS:
            self.work()

    @abstractmethod
    def work(self) -> None:
        """Do a part of the work, and enter a final state when nothing is left."""

    @abstractmethod
    def progress(self) -> Json:
        """What the resource of the job shows besides its summary."""

    def summary(self) -> Json:
        """The job as the answer to its creation shows it."""
        return {
            "id": self.id,
            "operation": self.operation,
            "object": self.sobject.name,
            "createdById": self.call.user_id,
            "createdDate": to_json(self.created),
            "systemModstamp": to_json(self.changed),
            "state": self.state.value,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.call.number),
            "lineEnding": self.form.ending.value,
            "columnDelimiter": self.form.delimiter.value,
        }

    def shown(self) -> Json:
        """The job as its own resource shows it."""
        failed = {} if self.error is None else {"errorMessage": self.error}
        return {**self.summary(), "jobType": self.kind, **self.progress(), **failed}


def work_on(org: Org) -> None:
    """Move every waiting job on by one step."""
    with org.lock:
        for job in list(org.jobs.values()):
            job.step()


def started(job: Job) -> Response:
    """The answer to the creation of a job, which the org knows from now on."""
    job.call.org.jobs[job.id] = job
    return Response(content=job.summary())


def found(call: Call, kind: type[Kind], job_id: str) -> Kind:
    """The job of that id, which a client may shorten to 15 characters like any other."""
    for job in call.org.jobs.values():
        if job_id in {job.id, job.id[:15]} and isinstance(job, kind):
            return job
    raise not_found()


def show(call: Call, kind: type[Job], job_id: str) -> Response:
    """``GET /jobs/…/id``."""
    return Response(content=found(call, kind, job_id).shown())


def listed(call: Call, request: Request, kind: type[Job], path: str) -> Response:
    """``GET /jobs/…``: up to 1,000 jobs, and where the next ones are."""
    locator = request.query.get("queryLocator", "0")
    if not locator.isdecimal():
        raise bad_request("INVALID_QUERY_LOCATOR", "invalid query locator")
    wanted = request.query.get("jobType", kind.kind)
    jobs = [job.shown() for job in call.org.jobs.values() if isinstance(job, kind) and job.kind == wanted]
    end = int(locator) + MOST_LISTED
    further = f"{call.base}/{path}?queryLocator={end}" if end < len(jobs) else None
    return Response(content={"done": further is None, "records": jobs[int(locator) : end], "nextRecordsUrl": further})


def remove(call: Call, kind: type[Job], job_id: str) -> Response:
    """``DELETE /jobs/…/id``."""
    job = found(call, kind, job_id)
    if job.state not in job.deletable:
        raise bad_request("API_ERROR", "Error encountered when deleting the job because the job is not terminated")
    del call.org.jobs[job.id]
    return Response(HTTPStatus.NO_CONTENT)


def wanted_state(request: Request, *allowed: State) -> State:
    """The state a ``PATCH`` asks for."""
    body = request.record()
    _refuse_unknown(body, {"state"})
    state = word(body, "state", State)
    if state not in allowed:
        raise bad_request("INVALIDJOBSTATE", f"A job cannot be set to state {state}")
    return state


def abort(job: Job) -> Response:
    """End a job that has not ended; what is written stays written."""
    if job.state in ENDED:
        raise _ended("Aborting", job)
    job.enter(State.ABORTED)
    return Response(content=job.summary())


def close(job: Job) -> None:
    """Let an open job be worked off."""
    if job.state is not State.OPEN:
        raise _ended("Closing", job)
    job.enter(State.UPLOAD_COMPLETE)


def _ended(doing: str, job: Job) -> RequestError:
    shown = "Completed" if job.state is State.JOB_COMPLETE else job.state.value
    return bad_request("INVALIDJOBSTATE", f"{doing} already {shown} Job not allowed")


def not_complete(job: Job) -> RequestError:
    """The refusal of results that are not there yet."""
    message = (
        "can only download query results of successfully completed bulk job with status: JOB_COMPLETE. "
        f"Current status: {job.state.name}"
    )
    return RequestError(HTTPStatus.PRECONDITION_FAILED, "JOB_NOT_COMPLETE", message)


def description(request: Request, *names: str) -> Json:
    """The body that describes a new job; ``names`` are the properties it may have besides the common ones."""
    body = request.record()
    _refuse_unknown(body, {"operation", "contentType", "columnDelimiter", "lineEnding", *names})
    if body.get("contentType", "CSV") != "CSV":
        raise _unreadable("contentType", body["contentType"], ("CSV",))
    return body


def form_of(body: Json) -> CsvForm:
    """How the CSV of a new job is written."""
    delimiter = word(body, "columnDelimiter", ColumnDelimiter, ColumnDelimiter.COMMA)
    return CsvForm(delimiter, word(body, "lineEnding", LineEnding, LineEnding.LF))


def word(body: Json, name: str, words: type[Word], default: Word | None = None) -> Word:
    """A property out of a closed list."""
    given = body.get(name, default)
    try:
        return words(str(given))
    except ValueError:
        raise _unreadable(name, given, words) from None


def _refuse_unknown(body: Json, names: set[str]) -> None:
    for name in body:
        if name not in names:
            raise bad_request("JSON_PARSER_ERROR", f'Unrecognized field "{name}" at [line:1, column:1]')


def _unreadable(name: str, given: object, words: Iterable[str]) -> RequestError:
    accepted = ", ".join(words)
    message = f"Cannot deserialize value of {name} from {given!r}: not one of the values accepted: [{accepted}]"
    return bad_request("JSON_PARSER_ERROR", f"{message} at [line:1, column:1]")
