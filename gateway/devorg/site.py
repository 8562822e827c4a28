"""The whole surface of the org: which part of it answers a path, and what holds for every REST call."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import cast

from gateway.devorg import forms, jobs, oauth, rest
from gateway.devorg.allowance import CONCURRENT_EXCEEDED, TOTAL_EXCEEDED
from gateway.devorg.calls import Call
from gateway.devorg.control import Control
from gateway.devorg.errors import RequestError, not_found
from gateway.devorg.exchange import Request, Response
from gateway.devorg.faults import Fault, FaultBook, FaultKind
from gateway.devorg.org import Org
from gateway.devorg.pages import Pages

_NO_APEX = "Could not find a match for URL"


class Site:
    """Everything the server serves."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.faults = FaultBook()
        self._control = Control(org, self.faults)
        self._pages = Pages(org)

    def answer(self, request: Request) -> Response:
        """The answer to one request."""
        if request.method == "GET":
            jobs.work_on(self.org)
        segments = request.segments
        match segments:
            case ("services", "data", *rest_path):
                return self._rest(request, tuple(rest_path))
            case ("services", "oauth2", "token"):
                return oauth.token(self.org, request)
            case ("services", "oauth2", "userinfo"):
                return oauth.userinfo(self.org, request)
            case ("services", "oauth2", "revoke"):
                return oauth.revoke(self.org, request)
            case ("devorg",) if request.method in {"GET", "HEAD"}:
                return self._pages.switches(self.faults)
            case ("devorg", *control_path) if forms.is_form(request):
                return self._switch(request, tuple(control_path))
            case ("devorg", *control_path):
                return self._control.answer(request, tuple(control_path))
            case ("services", *others):
                problem = not_found(_NO_APEX) if others[:1] == ["apexrest"] else not_found()
                return Response(problem.status, problem.as_body())
        return self._pages.answer(request, segments)

    def _switch(self, request: Request, path: tuple[str, ...]) -> Response:
        """A control call sent by a form of the switches' page, which is where its sender sees what came of it."""
        response = self._control.answer(forms.as_control_call(request), path)
        if response.status < HTTPStatus.BAD_REQUEST:
            return Response(HTTPStatus.SEE_OTHER, headers={"Location": "/devorg/"}, html="")
        return self._pages.switches(self.faults, str(cast("dict[str, object]", response.content)["error"]))

    def refusal(self, struck: Mapping[FaultKind, Fault]) -> Response | None:
        """The answer of a fault that keeps a request from being looked at."""
        if FaultKind.STATUS in struck:
            return failure(struck[FaultKind.STATUS])
        if FaultKind.QUOTA in struck:
            problem, most = RequestError(403, *TOTAL_EXCEEDED), self.org.allowance.most
            return Response(problem.status, problem.as_body(), {"Sforce-Limit-Info": f"api-usage={most}/{most}"})
        if FaultKind.CONCURRENT in struck:
            problem = RequestError(403, *CONCURRENT_EXCEEDED)
            return Response(problem.status, problem.as_body(), {"Sforce-Limit-Info": self.org.allowance.shown()})
        return None

    def _rest(self, request: Request, path: tuple[str, ...]) -> Response:
        if not path:
            return rest.versions()
        try:
            version = rest.version_of(path[0])
            session = self.org.session_of(request.headers.get("authorization"))
            self.org.underway.check()
            self._count(request, path[1:])
        except RequestError as problem:
            response = Response(problem.status, problem.as_body())
        else:
            response = rest.answer(Call(self.org, session.user_id, version, doom=request.doom), request, path[1:])
        response.headers["Sforce-Limit-Info"] = self.org.allowance.shown()
        return response

    def _count(self, request: Request, path: tuple[str, ...]) -> None:
        """One call of the daily allowance, filed under its resource without ids."""
        with self.org.lock:
            self.org.allowance.spend()
            self.org.calls[f"{request.method} {resource(path)}"] += 1


def failure(fault: Fault) -> Response:
    """The answer of a server that is not well."""
    default = [{"errorCode": "SERVER_UNAVAILABLE", "message": "The server is temporarily unavailable"}]
    return Response(fault.status, default if fault.body is None else fault.body)


def resource(path: tuple[str, ...]) -> str:
    """The resource of a path: ``sobjects/Task``, ``composite/sobjects/Task``, ``query``."""
    if path[:1] == ("sobjects",):
        kept = path[:3] if path[2:] in {("describe",), ("updated",), ("deleted",)} else path[:2]
        return "/".join(kept)
    if path[:1] == ("jobs",):
        return "/".join(path[:2] + path[3:4])
    return "/".join(path[:1] if path[:1] in {("query",), ("queryAll",)} else path[:3])
