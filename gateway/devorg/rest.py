"""The REST resources below ``/services/data/vNN.0``: which path and method means what."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from gateway.devorg import (
    composite,
    describing,
    ingest,
    jobs,
    parameterized_search,
    queries,
    query_jobs,
    replication,
    sobject_collections,
    sobjects,
)
from gateway.devorg.calls import Call
from gateway.devorg.errors import RecordError, RequestError, UnreadableValueError, not_found
from gateway.devorg.exchange import Request, Response, unreadable

_VERSION = re.compile(r"v(\d{1,3})\.0\Z")
_FIRST_RETIRED, _OLDEST, _NEWEST = 20, 31, 66
_SEASONS = ("Spring", "Summer", "Winter")

Answer = Callable[[], Response]


def versions() -> Response:
    """``GET /services/data``: needs no session."""
    return Response(content=[_version(number) for number in range(_OLDEST, _NEWEST + 1)])


def _version(number: int) -> dict[str, str]:
    """Three releases a year; v66.0 is Spring '26."""
    year, season = divmod(number - _NEWEST + 26 * 3, 3)
    shown = year + 1 if _SEASONS[season] == "Winter" else year
    return {"label": f"{_SEASONS[season]} '{shown:02d}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}


def version_of(segment: str) -> str:
    """The API version a path names, if it is still served."""
    found = _VERSION.match(segment)
    number = int(found.group(1)) if found else 0
    if _FIRST_RETIRED <= number < _OLDEST:
        message = f"API version {number}.0 is retired. Use a supported version."
        raise RequestError(HTTPStatus.GONE, "UNSUPPORTED_API_VERSION", message)
    if not _OLDEST <= number <= _NEWEST:
        raise not_found()
    return segment


def answer(call: Call, request: Request, segments: tuple[str, ...]) -> Response:
    """Do what the request says; ``segments`` is its path after the version.

    One call at a time: what it reads does not change under it, what it writes is seen whole.
    """
    try:
        with call.org.lock:
            _refuse_doomed(call, request, segments)
            return _route(call.headed(request.headers), request, segments)
    except RecordError as problem:
        return Response(problem.status, problem.as_body())
    except RequestError as problem:
        return Response(problem.status, problem.as_body())
    except UnreadableValueError as problem:
        refused = unreadable(problem, request.body)
        return Response(refused.status, refused.as_body())


def _refuse_doomed(call: Call, request: Request, segments: tuple[str, ...]) -> None:
    """A fault that is to befall some of a call's records befalls the one record of a call that has no more."""
    if call.doom is not None and segments[:1] == ("sobjects",) and request.method in {"POST", "PATCH", "DELETE"}:
        record = {} if request.method == "DELETE" else request.record()
        raise call.doom.error({"id": segments[-1], **record})


def _route(call: Call, request: Request, segments: tuple[str, ...]) -> Response:
    match segments:
        case ():
            return _by_method(request, GET=lambda: Response(content=_resources(call)))
        case ("limits",):
            return _by_method(request, GET=lambda: Response(content=_limits(call)))
        case ("query" | "queryAll" as kind,):
            return _by_method(request, GET=lambda: queries.query(call, request, include_deleted=kind == "queryAll"))
        case ("query" | "queryAll", locator):
            return _by_method(request, GET=lambda: queries.more(call, request, locator))
        case ("search",):
            return _by_method(request, GET=lambda: queries.search(call, request))
        case ("parameterizedSearch",):
            found = partial(parameterized_search.search, call, request)
            return _by_method(request, GET=found, POST=found)
        case ("sobjects", *rest):
            return _sobjects(call, request, tuple(rest))
        case ("composite", *rest):
            return _composite(call, request, tuple(rest))
        case ("jobs", "ingest", *rest):
            return _ingest(call, request, tuple(rest))
        case ("jobs", "query", *rest):
            return _query_jobs(call, request, tuple(rest))
    raise not_found()


def _sobjects(call: Call, request: Request, segments: tuple[str, ...]) -> Response:
    match segments:
        case ():
            return _by_method(request, GET=lambda: Response(content=describing.everything(call)))
        case (name,):
            return _by_method(
                request,
                GET=lambda: Response(content=describing.basic(call, call.org.sobject(name))),
                POST=lambda: sobjects.create(call, request, name),
            )
        case (name, "describe"):
            return _by_method(request, GET=lambda: Response(content=describing.full(call, call.org.sobject(name))))
        case (name, "updated"):
            return _by_method(request, GET=lambda: replication.updated(call, request, name))
        case (name, "deleted"):
            return _by_method(request, GET=lambda: replication.deleted(call, request, name))
        case (name, record_id):
            return _by_method(
                request,
                GET=lambda: sobjects.retrieve(call, request, name, record_id),
                PATCH=lambda: sobjects.update(call, request, name, record_id),
                DELETE=lambda: sobjects.delete(call, name, record_id),
            )
        case (name, field, value):
            return _by_method(
                request,
                GET=lambda: sobjects.retrieve_by_key(call, request, name, field, value),
                PATCH=lambda: sobjects.upsert(call, request, name, field, value),
                DELETE=lambda: sobjects.delete_by_key(call, name, field, value),
            )
    raise not_found()


def _composite(call: Call, request: Request, segments: tuple[str, ...]) -> Response:
    match segments:
        case ():
            return _by_method(request, POST=lambda: composite.run(call, request, answer))
        case ("batch",):
            return _by_method(request, POST=lambda: composite.run_batch(call, request, answer))
        case ("graph",):
            return _by_method(request, POST=lambda: composite.run_graphs(call, request, answer))
        case ("tree", name):
            return _by_method(request, POST=lambda: composite.plant_tree(call, request, name))
        case ("sobjects",):
            return _by_method(
                request,
                POST=lambda: sobject_collections.create(call, request),
                PATCH=lambda: sobject_collections.update(call, request),
                DELETE=lambda: sobject_collections.delete(call, request),
            )
        case ("sobjects", name):
            return _by_method(
                request,
                GET=lambda: sobject_collections.retrieve_listed(call, request, name),
                POST=lambda: sobject_collections.retrieve(call, request, name),
            )
        case ("sobjects", name, field):
            return _by_method(request, PATCH=lambda: sobject_collections.upsert(call, request, name, field))
    raise not_found()


def _ingest(call: Call, request: Request, segments: tuple[str, ...]) -> Response:
    match segments:
        case ():
            return _by_method(
                request,
                GET=lambda: jobs.listed(call, request, ingest.IngestJob, "jobs/ingest"),
                POST=lambda: ingest.create(call, request),
            )
        case (job_id,):
            return _by_method(
                request,
                GET=lambda: jobs.show(call, ingest.IngestJob, job_id),
                PATCH=lambda: ingest.change(call, request, job_id),
                DELETE=lambda: jobs.remove(call, ingest.IngestJob, job_id),
            )
        case (job_id, "batches"):
            return _by_method(request, PUT=lambda: ingest.upload(call, request, job_id))
        case (job_id, "successfulResults"):
            return _by_method(request, GET=lambda: ingest.successful(call, job_id))
        case (job_id, "failedResults"):
            return _by_method(request, GET=lambda: ingest.failed(call, job_id))
        case (job_id, "unprocessedrecords" | "unprocessedRecords"):
            return _by_method(request, GET=lambda: ingest.unprocessed(call, job_id))
    raise not_found()


def _query_jobs(call: Call, request: Request, segments: tuple[str, ...]) -> Response:
    match segments:
        case ():
            return _by_method(
                request,
                GET=lambda: jobs.listed(call, request, query_jobs.QueryJob, "jobs/query"),
                POST=lambda: query_jobs.create(call, request),
            )
        case (job_id,):
            return _by_method(
                request,
                GET=lambda: jobs.show(call, query_jobs.QueryJob, job_id),
                PATCH=lambda: query_jobs.change(call, request, job_id),
                DELETE=lambda: jobs.remove(call, query_jobs.QueryJob, job_id),
            )
        case (job_id, "results"):
            return _by_method(request, GET=lambda: query_jobs.results(call, request, job_id))
    raise not_found()


def _by_method(request: Request, **answers: Answer) -> Response:
    """The answer for the request's method, or the 405 that names those allowed."""
    method = request.method
    if method == "POST" and "_HttpMethod" in request.query:
        method = request.query["_HttpMethod"].upper()
    found = answers.get("GET" if method == "HEAD" else method)
    if found is None:
        message = f"HTTP Method '{method}' not allowed. Allowed are {','.join(_with_head(answers))}"
        raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
    return found()


def _with_head(answers: dict[str, Answer]) -> list[str]:
    return sorted({*answers, *({"HEAD"} if "GET" in answers else ())})


def _resources(call: Call) -> dict[str, str]:
    names = ("composite", "jobs", "limits", "parameterizedSearch", "query", "queryAll", "search", "sobjects")
    return {name: f"{call.base}/{name}" for name in names}


def _limits(call: Call) -> dict[str, object]:
    allowance = call.org.allowance
    return {
        "DailyApiRequests": {"Max": allowance.most, "Remaining": max(allowance.most - allowance.used, 0)},
        "DailyBulkApiBatches": {"Max": 15000, "Remaining": 15000},
        "DailyBulkV2QueryJobs": {"Max": 10000, "Remaining": 10000},
        "DataStorageMB": {"Max": 5, "Remaining": 5},
        "FileStorageMB": {"Max": 20, "Remaining": 20},
        "HourlyODataCallout": {"Max": 1000, "Remaining": 1000},
    }
