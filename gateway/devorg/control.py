"""The control surface below ``/devorg/``: what a test or a bench does to the org behind the API's back.

======================  ============================================================================================
``reset``               back to the seed, or to ``{"seed": …}``, and every switch as at the start
``load``                records by object, past every rule; answers with their ids
``setup``               GET, POST: custom fields, the interaction key, duplicate and validation rules (see ``setup``)
``faults``              GET, DELETE, POST: a list replaces all, one fault or script is added (see ``faults``)
``locks``               GET, DELETE, POST ``{ids, times}``; ``{contention: {probability, seed, milliseconds}}``
``calls``               GET, DELETE: the API calls counted by method and resource, and how many are under way
``quota``               ``{max, used}`` of the calls in 24 hours
``concurrency``         ``{max, milliseconds}``: so many calls at once that have been under way for so long
``clock``               ``{skew_milliseconds}``: how far the org's clock is ahead
``search``              ``{lag_milliseconds}`` until search finds a new record; ``{index_now: true}``
``replication``         ``{most_ids}`` in one answer of ``updated``
``sessions/expire``     every access token is void
``shared-activities``,  ``{on}``
``person-accounts``
``public-key``          ``{client_id, public_key}`` for the JWT flow
``merge``               ``{winner, losers, user}``
``convert``             ``{lead, account, contact, opportunity_name, user}``
``archive``             ``{ids}`` of activities
``undelete``, ``purge`` ``{ids}``; the whole Recycle Bin
``records/ID``          GET, and PATCH ``{fields, user}``, DELETE as a person does it
``tasks``               GET, with ``?since=``: every Task in the order of change
======================  ============================================================================================

``/devorg/`` itself is a page with a form for most of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, cast

from gateway.devorg import faults, ids, lifecycle, seed, setup
from gateway.devorg.errors import RecordError, RequestError, UnreadableValueError, bad_request, not_found
from gateway.devorg.exchange import Request, Response, parse_json, unreadable
from gateway.devorg.locks import Contention
from gateway.devorg.org import Org
from gateway.devorg.values import parse_datetime, to_json

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Control:
    """Answers control calls for one org."""

    org: Org
    faults: faults.FaultBook

    def answer(self, request: Request, segments: tuple[str, ...]) -> Response:
        """Do what the call says; problems are one sentence under ``error``."""
        try:
            return self._route(request, segments)
        except RequestError as problem:
            return Response(problem.status, {"error": problem.message})
        except UnreadableValueError as problem:
            return Response(HTTPStatus.BAD_REQUEST, {"error": unreadable(problem, request.body).message})
        except (faults.FaultError, seed.SeedError, setup.SetupError, RecordError) as problem:
            return Response(HTTPStatus.BAD_REQUEST, {"error": str(problem)})

    def _route(self, request: Request, segments: tuple[str, ...]) -> Response:
        match (request.method, *segments):
            case ("POST", "reset"):
                return self._reset(_body(request))
            case ("POST", "load"):
                return self._load(_body(request))
            case ("GET" | "POST" | "DELETE", "faults"):
                return self._faults(request)
            case ("GET" | "DELETE", "calls"):
                return self._calls(request)
            case ("POST", "sessions", "expire"):
                self.org.sessions.clear()
                return Response(HTTPStatus.NO_CONTENT)
            case ("POST", "shared-activities" | "person-accounts" as feature):
                return self._switch(feature, _body(request))
            case ("GET" | "POST", "setup"):
                return self._setup(request)
            case ("GET" | "POST" | "DELETE", "locks"):
                return self._locks(request)
            case ("POST", "quota"):
                return self._quota(_body(request))
            case ("POST", "concurrency"):
                return self._concurrency(_body(request))
            case ("POST", "clock"):
                self.org.settings.skew = timedelta(milliseconds=_whole_number(_body(request), "skew_milliseconds"))
                return Response(HTTPStatus.NO_CONTENT)
            case ("POST", "public-key"):
                return self._register_key(_body(request))
            case ("POST", "merge"):
                return self._merge(_body(request))
            case ("POST", "convert"):
                return self._convert(_body(request))
            case ("POST", "archive" | "undelete" | "purge" as deed):
                return self._bin(deed, _body(request))
            case ("POST", "search"):
                return self._search(_body(request))
            case ("POST", "replication"):
                self.org.settings.most_replicated = _whole_number(_body(request), "most_ids")
                return Response(HTTPStatus.NO_CONTENT)
            case ("GET", "tasks"):
                return self._tasks(request)
            case ("PATCH" | "DELETE", "records", record_id):
                return self._edit(request, record_id)
            case ("GET", "records", record_id):
                return self._show(record_id)
        raise not_found("No such control call")

    def _reset(self, body: Json) -> Response:
        content = body.get("seed")
        if content is not None and not isinstance(content, dict):
            raise bad_request("", "seed must be an object")
        self.org.reset(cast("Mapping[str, object] | None", content))
        self.faults.order([])
        return Response(HTTPStatus.NO_CONTENT)

    def _load(self, body: Json) -> Response:
        """Records by object, as in a seed; the answer gives their ids in order."""
        loaded: dict[str, list[str]] = {}
        with self.org.writing():
            labels: dict[str, str] = {}
            for name, records in body.items():
                loaded[name] = seed.plant_records(self.org, name, records, labels)
        return Response(HTTPStatus.CREATED, {"ids": loaded})

    def _faults(self, request: Request) -> Response:
        if request.method == "GET":
            return Response(content=self.faults.shown())
        content = parse_json(request.body) if request.method == "POST" else []
        if isinstance(content, dict) and "faults" not in content:
            self.faults.add(faults.read_one(content))
        else:
            self.faults.order(faults.read(content["faults"] if isinstance(content, dict) else content))
        return Response(HTTPStatus.NO_CONTENT)

    def _calls(self, request: Request) -> Response:
        with self.org.lock:
            counted = dict(self.org.calls)
            if request.method == "DELETE":
                self.org.calls.clear()
                self.org.allowance.used = 0
        total, under_way = sum(counted.values()), self.org.underway.others()
        return Response(content={"total": total, "calls": counted, "under_way": under_way})

    def _switch(self, feature: str, body: Json) -> Response:
        if not isinstance(body.get("on"), bool):
            raise bad_request("", 'Send {"on": true} or {"on": false}')
        switched: dict[str, Any] = {feature.replace("-", "_"): body["on"]}
        self.org.switch(replace(self.org.settings.features, **switched))
        return Response(HTTPStatus.NO_CONTENT)

    def _quota(self, body: Json) -> Response:
        """``max`` calls in 24 hours, of which ``used`` are gone; as hours pass on the org's clock they come back."""
        with self.org.lock:
            if "max" in body:
                self.org.allowance.most = _whole_number(body, "max")
            if "used" in body:
                self.org.allowance.used = _whole_number(body, "used")
            return Response(content={"max": self.org.allowance.most, "used": self.org.allowance.used})

    def _concurrency(self, body: Json) -> Response:
        """At most ``max`` calls that have been under way for ``milliseconds`` or more."""
        self.org.underway.most = _whole_number(body, "max")
        self.org.underway.milliseconds = _whole_number(body, "milliseconds")
        return Response(HTTPStatus.NO_CONTENT)

    def _setup(self, request: Request) -> Response:
        with self.org.lock:
            if request.method == "POST":
                setup.apply(self.org, _body(request))
            return Response(content=setup.shown(self.org))

    def _locks(self, request: Request) -> Response:
        """Hold record ids ``for`` a number of writes or until DELETE; or set how often writes collide by chance."""
        body = _body(request)
        with self.org.lock:
            if request.method == "DELETE":
                self.org.locks.release()
            if "ids" in body:
                times = _whole_number(body, "times") if body.get("times") is not None else None
                self.org.locks.hold([_known(self.org, each) for each in _listed(body, "ids")], times)
            if "contention" in body:
                self.org.locks.contend(_contention(body["contention"]))
            contention = asdict(self.org.locks.contention)
            return Response(content={"held": self.org.locks.held(), "contention": contention})

    def _register_key(self, body: Json) -> Response:
        client_id, pem = body.get("client_id"), body.get("public_key")
        if not isinstance(client_id, str) or not isinstance(pem, str):
            raise bad_request("", "Send client_id and public_key (PEM, a key or a certificate)")
        self.org.settings.public_keys[client_id] = pem
        return Response(HTTPStatus.NO_CONTENT)

    def _merge(self, body: Json) -> Response:
        winner, losers = _known(self.org, body.get("winner")), _listed(body, "losers")
        with self.org.writing():
            lifecycle.merge(self.org, winner, [_known(self.org, each) for each in losers], self._stamp_user(body))
        return Response(HTTPStatus.NO_CONTENT)

    def _convert(self, body: Json) -> Response:
        lead = _known(self.org, body.get("lead"))
        account = _known(self.org, body["account"]) if body.get("account") else None
        contact = _known(self.org, body["contact"]) if body.get("contact") else None
        name = body.get("opportunity_name")
        target = lifecycle.Target(account, contact, None if name is None else str(name))
        with self.org.writing():
            made = lifecycle.convert(self.org, lead, self._stamp_user(body), target)
        return Response(content=made)

    def _bin(self, deed: str, body: Json) -> Response:
        """Archive or undelete the records of ``ids``, or empty the whole Recycle Bin."""
        known = [] if deed == "purge" else [_known(self.org, each) for each in _listed(body, "ids")]
        with self.org.writing():
            if deed == "archive":
                lifecycle.archive(self.org, known)
            elif deed == "purge":
                lifecycle.purge(self.org)
            for record_id in known if deed == "undelete" else ():
                lifecycle.undelete(self.org, record_id, self._stamp_user(body))
        return Response(HTTPStatus.NO_CONTENT)

    def _search(self, body: Json) -> Response:
        """New records are found ``lag_milliseconds`` after their creation, or when told to ``index_now``."""
        with self.org.lock:
            if "lag_milliseconds" in body:
                self.org.search.lag = timedelta(milliseconds=_whole_number(body, "lag_milliseconds"))
            if body.get("index_now") is True:
                self.org.search.catch_up()
        return Response(HTTPStatus.NO_CONTENT)

    def _stamp_user(self, body: Json) -> str:
        """The person a control call speaks for: named by ``user``, else the first one."""
        username = body.get("user")
        found = (
            self.org.user_id(username)
            if isinstance(username, str)
            else next(iter(self.org.records.tables["User"].rows))
        )
        if found is None:
            raise bad_request("", f"No active user {username}")
        return found

    def _edit(self, request: Request, record_id: str) -> Response:
        """An edit by a person: ``{"user": …, "fields": {…}}``; the rules of the object hold."""
        body = _body(request)
        known = _known(self.org, record_id)
        sobject = self.org.records.object_of(known)
        assert sobject is not None  # noqa: S101  # _known has found it
        stamp = self.org.stamp(self._stamp_user(body))
        with self.org.writing():
            if request.method == "DELETE":
                self.org.writer.delete(sobject, known, stamp)
            else:
                self.org.writer.update(sobject, known, cast("Json", body.get("fields", {})), stamp)
        return Response(HTTPStatus.NO_CONTENT)

    def _show(self, record_id: str) -> Response:
        known = _known(self.org, record_id)
        sobject = self.org.records.object_of(known)
        assert sobject is not None  # noqa: S101
        row = self.org.records.tables[sobject.name].rows[known]
        return Response(content={name: to_json(value) for name, value in row.items()})

    def _tasks(self, request: Request) -> Response:
        """Every Task, or those changed since a moment, in the order of change."""
        text = request.query.get("since", "")
        since = parse_datetime(text.replace(" ", "+")) if text else None
        if text and since is None:
            raise bad_request("", f"since is no date and time: {text}")
        with self.org.lock:
            table = self.org.records.tables["Task"]
            rows = list(table.newest_first() if since is None else self.org.records.modified_since("Task", since))
        return Response(content=[{name: to_json(value) for name, value in row.items()} for row in reversed(rows)])


def _body(request: Request) -> Json:
    content = parse_json(request.body) if request.body else {}
    if not isinstance(content, dict):
        raise bad_request("", "Send a JSON object")
    return content


def _whole_number(body: Json, name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int):
        raise bad_request("", f"{name} must be a whole number")
    return value


def _listed(body: Json, name: str) -> list[object]:
    value = body.get(name)
    if not isinstance(value, list):
        raise bad_request("", f"{name} must be a list")
    return value


def _contention(content: object) -> Contention:
    known = {each.name for each in fields(Contention)}
    if not isinstance(content, dict) or not set(content) <= known:
        raise bad_request("", f"contention has these members only: {', '.join(sorted(known))}")
    if not all(isinstance(value, int | float) for value in content.values()):
        raise bad_request("", "contention: give numbers")
    return Contention(**content)


def _known(org: Org, given: object) -> str:
    record_id = ids.canonical(str(given))
    sobject = None if record_id is None else org.records.object_of(record_id)
    if record_id is None or sobject is None or org.records.get(sobject.name, record_id) is None:
        raise not_found(f"No record {given}")
    return record_id
