"""Several requests in one: ``composite``, ``batch``, ``tree`` and ``graph``.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import cast

from gateway.devorg.calls import Call
from gateway.devorg.errors import RecordError, bad_request
from gateway.devorg.exchange import Request, Response, request_for, to_json_bytes

MOST_SUBREQUESTS = 25
MOST_QUERIES = 5
MOST_TREE_RECORDS, MOST_TREE_TYPES, MOST_TREE_LEVELS = 200, 5, 5
MOST_GRAPHS, MOST_NODES = 75, 500

AnswerOne = Callable[[Call, Request, tuple[str, ...]], Response]
Json = dict[str, object]

_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_NAME = re.compile(r"[A-Za-z0-9_]+\Z")
_HALTED = "The transaction was rolled back since another operation in the same transaction failed."


class _UnresolvedError(Exception):
    """A reference to something an earlier answer does not have."""


def run(call: Call, request: Request, answer: AnswerOne) -> Response:
    """``POST /composite``: in order, later ones may refer to earlier answers."""
    body = request.record()
    subrequests = _subrequests(body, "compositeRequest")
    if len(subrequests) > MOST_SUBREQUESTS:
        raise bad_request("LIMIT_EXCEEDED", f"Composite request cannot have more than {MOST_SUBREQUESTS} subrequests")
    heavy = sum(_is_heavy(str(each.get("url"))) for each in subrequests)
    if heavy > MOST_QUERIES:
        message = f"Composite request cannot have more than {MOST_QUERIES} query or sObject Collections subrequests"
        raise bad_request("LIMIT_EXCEEDED", message)
    _check_names(subrequests)
    answers = _run_all(call, subrequests, answer, request.headers, all_or_none=body.get("allOrNone") is True)
    return Response(content={"compositeResponse": answers})


def _subrequests(body: Mapping[str, object], name: str) -> list[Json]:
    found = body.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise bad_request("JSON_PARSER_ERROR", f"The {name} property must be an array of objects at [line:1, column:1]")
    return cast("list[Json]", found)


def _is_heavy(url: str) -> bool:
    return bool(re.search(r"/v\d+\.0/(query|queryAll|composite/sobjects)\b", url))


def _check_names(subrequests: list[Json]) -> None:
    seen: set[str] = set()
    for each in subrequests:
        name = each.get("referenceId")
        if not isinstance(name, str) or not _NAME.match(name):
            raise bad_request(
                "INVALID_INPUT", f"Provided referenceId ('{name}') must contain only letters, numbers or underscores"
            )
        if name in seen:
            raise bad_request("INVALID_INPUT", f"Duplicate referenceId provided in request: {name}")
        seen.add(name)


def _run_all(
    call: Call, subrequests: list[Json], answer: AnswerOne, headers: Mapping[str, str], *, all_or_none: bool
) -> list[Json]:
    with call.org.writing() as undo:
        answers = _run_each(call, subrequests, answer, headers, all_or_none=all_or_none)
        if all_or_none and any(_failed(each) for each in answers):
            undo()
            answers = [each if _failed(each) else _halted(str(each["referenceId"]), _HALTED) for each in answers]
    return answers


def _run_each(
    call: Call, subrequests: list[Json], answer: AnswerOne, headers: Mapping[str, str], *, all_or_none: bool
) -> list[Json]:
    bodies: dict[str, object] = {}
    answers: list[Json] = []
    for each in subrequests:
        name = str(each["referenceId"])
        if all_or_none and any(_failed(former) for former in answers):
            answers.append(_halted(name, _HALTED))
            continue
        try:
            response = _run_one(call, _resolved(each, bodies), answer, headers)
        except _UnresolvedError as problem:
            answers.append(_halted(name, str(problem)))
            continue
        if response.status < HTTPStatus.BAD_REQUEST:
            bodies[name] = response.content
        answers.append(
            {
                "body": response.content,
                "httpHeaders": response.headers,
                "httpStatusCode": int(response.status),
                "referenceId": name,
            },
        )
    return answers


def _failed(answer: Json) -> bool:
    return cast("int", answer["httpStatusCode"]) >= HTTPStatus.BAD_REQUEST


def _halted(name: str, message: str) -> Json:
    body = [{"errorCode": "PROCESSING_HALTED", "message": message}]
    return {"body": body, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": name}


def _resolved(subrequest: Json, bodies: Mapping[str, object]) -> Json:
    """The subrequest with the values of earlier answers in its url and body."""
    changed: Json = {key: _filled(subrequest[key], bodies) for key in ("url", "body") if key in subrequest}
    return {**subrequest, **changed}


def _filled(value: object, bodies: Mapping[str, object]) -> object:
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return _referenced(whole, bodies)
        return _REFERENCE.sub(lambda found: str(_referenced(found, bodies)), value)
    if isinstance(value, list):
        return [_filled(each, bodies) for each in value]
    if isinstance(value, dict):
        return {key: _filled(each, bodies) for key, each in value.items()}
    return value


def _referenced(found: re.Match[str], bodies: Mapping[str, object]) -> object:
    name, path = found.group(1), found.group(2)
    value = bodies.get(name)
    for step, position in _STEP.findall(path):
        if position and isinstance(value, list) and int(position) < len(value):
            value = value[int(position)]
        elif step and isinstance(value, dict) and step in value:
            value = value[step]
        else:
            raise _UnresolvedError(f"Invalid reference specified. No value for {found.group(0)[2:-1]} found in {name}")
    if value is None or isinstance(value, dict | list):
        raise _UnresolvedError(f"Invalid reference specified. No value for {found.group(0)[2:-1]} found in {name}")
    return value


def _run_one(call: Call, subrequest: Json, answer: AnswerOne, headers: Mapping[str, str]) -> Response:
    url = str(subrequest.get("url", ""))
    prefix, _, rest = url.partition("/services/data/")
    version, _, path = rest.partition("/")
    if prefix or not re.match(r"v\d+\.0\Z", version):
        return _refused("NOT_FOUND", f"Invalid subrequest url: {url}")
    if path.split("?")[0].strip("/") in {"composite", "composite/batch", "composite/graph"}:
        return _refused("INVALID_INPUT", "A composite request cannot contain another")
    return answer(call, *_inner(subrequest, path, headers, "body"))


def _inner(subrequest: Json, path: str, headers: Mapping[str, str], body_name: str) -> tuple[Request, tuple[str, ...]]:
    """The subrequest as a request of its own, and its path after the version."""
    own = {str(key).lower(): str(value) for key, value in cast("Json", subrequest.get("httpHeaders") or {}).items()}
    body = subrequest.get(body_name)
    inherited = {key: value for key, value in headers.items() if key.startswith("sforce-")}
    own_headers = {**inherited, **own, "content-type": "application/json"}
    text = b"" if body is None else to_json_bytes(body)
    method = str(subrequest.get("method", "")).upper()
    request = request_for(method, path, own_headers, text, content=body)
    return request, request.segments


def _refused(code: str, message: str) -> Response:
    return Response(HTTPStatus.BAD_REQUEST, [{"errorCode": code, "message": message}])


def run_batch(call: Call, request: Request, answer: AnswerOne) -> Response:
    """``POST /composite/batch``: independent requests, each committed by itself."""
    body = request.record()
    subrequests = _subrequests(body, "batchRequests")
    if len(subrequests) > MOST_SUBREQUESTS:
        raise bad_request("LIMIT_EXCEEDED", f"Batch request cannot have more than {MOST_SUBREQUESTS} subrequests")
    results: list[Json] = []
    for each in subrequests:
        if body.get("haltOnError") is True and any(_is_error(result) for result in results):
            message = "Batch processing halted per request"
            results.append(
                {"statusCode": 412, "result": [{"errorCode": "BATCH_PROCESSING_HALTED", "message": message}]}
            )
            continue
        path = re.sub(r"\A/?(services/data/)?v\d+\.0/", "", str(each.get("url", "")))
        response = answer(call, *_inner(each, path, request.headers, "richInput"))
        results.append({"statusCode": int(response.status), "result": response.content})
    return Response(content={"hasErrors": any(_is_error(result) for result in results), "results": results})


def _is_error(result: Json) -> bool:
    return cast("int", result["statusCode"]) >= HTTPStatus.BAD_REQUEST


def run_graphs(call: Call, request: Request, answer: AnswerOne) -> Response:
    """``POST /composite/graph``: each graph is written whole or not at all."""
    graphs = _subrequests(request.record(), "graphs")
    parts = [(str(graph.get("graphId")), _subrequests(graph, "compositeRequest")) for graph in graphs]
    if len(parts) > MOST_GRAPHS or sum(len(nodes) for _, nodes in parts) > MOST_NODES:
        raise bad_request("LIMIT_EXCEEDED", f"At most {MOST_GRAPHS} graphs and {MOST_NODES} nodes in one request")
    shown = []
    for graph_id, nodes in parts:
        _check_names(nodes)
        answers = _run_all(call, nodes, answer, request.headers, all_or_none=True)
        whole = not any(_failed(each) for each in answers)
        shown.append({"graphId": graph_id, "graphResponse": {"compositeResponse": answers}, "isSuccessful": whole})
    return Response(content={"graphs": shown})


def plant_tree(call: Call, request: Request, name: str) -> Response:
    """``POST /composite/tree/X``: records with their children, all or none."""
    sobject = call.org.sobject(name)
    records = _subrequests(request.record(), "records")
    planting = _Planting(call)
    with call.org.writing() as undo:
        for record in records:
            planting.plant(sobject.name, record, None, level=1)
        if planting.errors:
            undo()
            return Response(HTTPStatus.BAD_REQUEST, {"hasErrors": True, "results": planting.errors})
    return Response(HTTPStatus.CREATED, {"hasErrors": False, "results": planting.results})


class _Planting:
    """One tree while it is being written."""

    def __init__(self, call: Call) -> None:
        self.results: list[Json] = []
        self.errors: list[Json] = []
        self._call = call
        self._kinds: set[str] = set()
        self._stamp = call.stamp()

    def plant(self, name: str, record: Json, parent: tuple[str, str] | None, *, level: int) -> None:
        """Write a record below ``parent`` (reference field and id), then its children."""
        attributes = record.get("attributes")
        reference = str(attributes.get("referenceId", "")) if isinstance(attributes, dict) else ""
        self._count(name, level)
        sobject = self._call.org.sobject(name)
        children = {
            key: value for key, value in record.items() if key.lower() in sobject.children and isinstance(value, dict)
        }
        body = {key: value for key, value in record.items() if key not in children and key != "attributes"}
        if parent is not None:
            body[parent[0]] = parent[1]
        try:
            record_id = self._call.org.writer.create(sobject, body, self._stamp)
        except RecordError as problem:
            self.errors.append({"referenceId": reference, "errors": [problem.as_result()]})
            return
        self.results.append({"referenceId": reference, "id": record_id})
        for key, value in children.items():
            relationship = sobject.children[key.lower()]
            for child in _subrequests(cast("Json", value), "records"):
                self.plant(relationship.child, child, (relationship.field, record_id), level=level + 1)

    def _count(self, name: str, level: int) -> None:
        self._kinds.add(name)
        too_big = (
            len(self.results) >= MOST_TREE_RECORDS or len(self._kinds) > MOST_TREE_TYPES or level > MOST_TREE_LEVELS
        )
        if too_big:
            message = f"At most {MOST_TREE_RECORDS} records of {MOST_TREE_TYPES} types in {MOST_TREE_LEVELS} levels"
            raise bad_request("LIMIT_EXCEEDED", message)
