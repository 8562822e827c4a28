"""The API of contact syncs: how each pair is, its runs, and what a person decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import g

from gateway.domain.contacts import Side
from gateway.errors import RejectedError
from gateway.ports import RunKind
from gateway.usecases.operations import Role
from gateway.usecases.sync_operations import NoSuchError, change_view, loss_view, run_view
from gateway.web import sync_schemas as schemas
from gateway.web.operations import Operations
from gateway.web.problems import plain_refusal
from gateway.web.schemas import ID_IN_PATH, Paging
from gateway.web.services import Services
from gateway.web.views import page_from, page_of

_PAIR = "/sync/<string:pair>"


def operations(services: Services) -> Operations:
    """All operations on pairs."""
    made, syncs = Operations("sync", "Contacts that are kept the same on two sides."), services.syncs

    @made.add("GET", "/sync", schemas.SyncPairs)
    def list_pairs() -> Any:
        """How each pair is."""
        return {"items": syncs.overview()}

    @made.add("GET", _PAIR, schemas.SyncPair, refusals=(404,))
    def get_pair(pair: str) -> Any:
        """How one pair is: what is linked, what waits for a person, the run that goes on or was the last."""
        return _found(lambda: syncs.status(pair))

    @made.add("POST", f"{_PAIR}/pause", schemas.Requested, role=Role.OPERATOR, refusals=(404,))
    def pause_pair(pair: str) -> Any:
        """Have it run only when somebody asks."""
        return _done(pair, lambda: syncs.pause(pair, _who()))

    @made.add("POST", f"{_PAIR}/resume", schemas.Requested, role=Role.OPERATOR, refusals=(404,))
    def resume_pair(pair: str) -> Any:
        """Have it run at its times again, and now."""
        return _done(pair, lambda: syncs.resume(pair))

    @made.add("POST", f"{_PAIR}/approve", schemas.Requested, status=202, role=Role.OPERATOR, refusals=(404, 409))
    def approve_stop(pair: str) -> Any:
        """Agree to what a run would have done that a brake stopped, and have it done."""
        return _done(pair, lambda: syncs.approve(pair, _who()))

    _runs(made, services)
    _decisions(made, services)
    return made


def _runs(made: Operations, services: Services) -> None:
    syncs = services.syncs

    @made.add("GET", f"{_PAIR}/runs", schemas.SyncRunPage, query=Paging, refusals=(404, 422))
    def list_runs(query: dict[str, Any], pair: str) -> Any:
        """List the runs of a month, newest first; those that nobody asked for and that changed nothing are left out."""
        _found(lambda: syncs.status(pair))
        rows = syncs.runs.list(pair, **{**query, "limit": query["limit"] + 1})
        return page_of(rows, query["limit"], run_view)

    @made.add(
        "POST", f"{_PAIR}/runs", schemas.Requested, status=202, body=schemas.NewRun, role=Role.OPERATOR,
        refusals=(400, 404, 409, 422),
    )  # fmt: skip
    def request_run(wanted: dict[str, Any], pair: str) -> Any:
        """Have it done at once: sync, plan what a sync would do, or undo a run."""
        kind: RunKind = wanted["kind"]
        return _done(pair, lambda: syncs.request(pair, kind, _who(), wanted.get("undoes")))

    @made.add("GET", f"{_PAIR}/runs/{ID_IN_PATH}", schemas.PlannedRun, refusals=(404,))
    def get_run(pair: str, id: int) -> Any:
        """One run, with what a plan found."""
        run = _found(lambda: syncs.run(pair, id))
        return run_view(run) | {"told": list(run.told)}

    @made.add(
        "GET", f"{_PAIR}/runs/{ID_IN_PATH}/changes", schemas.ChangePage, query=schemas.Onward, role=Role.OPERATOR,
        refusals=(404, 422),
    )  # fmt: skip
    def list_changes(query: dict[str, Any], pair: str, id: int) -> Any:
        """What a run wrote, in order."""
        _found(lambda: syncs.run(pair, id))
        rows = syncs.runs.changes(id, after=query["after"], limit=query["limit"] + 1)
        return page_from([change_view(row.id, row.change) for row in rows], query["limit"], "id")


def _decisions(made: Operations, services: Services) -> None:
    syncs = services.syncs

    @made.add(
        "GET",
        f"{_PAIR}/conflicts",
        schemas.UnsettledPage,
        query=schemas.Onward,
        role=Role.OPERATOR,
        refusals=(404, 422),
    )
    def list_conflicts(query: dict[str, Any], pair: str) -> Any:
        """List the links with conflicts, which wait for a choice, or with problems."""
        found = _found(lambda: syncs.unsettled(pair, after=query["after"], limit=query["limit"] + 1))
        return page_from(found, query["limit"], "link")

    @made.add(
        "POST", f"{_PAIR}/conflicts/{ID_IN_PATH}", schemas.Requested, body=schemas.Winner, role=Role.OPERATOR,
        refusals=(400, 404, 422),
    )  # fmt: skip
    def resolve_conflict(wanted: dict[str, Any], pair: str, id: int) -> Any:
        """Say which side is right; the next run carries it out, and it is remembered."""
        return _done(pair, lambda: syncs.choose(pair, id, wanted["field"], wanted["winner"], _who()))

    @made.add(
        "GET", f"{_PAIR}/questions", schemas.QuestionPage, query=schemas.QuestionFilter, role=Role.OPERATOR,
        refusals=(404, 422),
    )  # fmt: skip
    def list_questions(query: dict[str, Any], pair: str) -> Any:
        """List the contacts of a side of which only a person can say who they are on the other one."""
        side, limit = query["side"], query["limit"]
        found = _found(lambda: syncs.questions(pair, side, after=query["after"], limit=limit + 1))
        return page_from(found, limit, "id")

    @made.add(
        "POST", f"{_PAIR}/questions/<any(salesforce, platform):side>/<string:id>", schemas.Requested,
        body=schemas.Answer, role=Role.OPERATOR, refusals=(400, 404, 409, 422),
    )  # fmt: skip
    def answer_question(wanted: dict[str, Any], pair: str, side: str, id: str) -> Any:
        """Say who a contact is on the other side, or that it is nobody there; the next run heeds it."""
        return _done(pair, lambda: syncs.answer(pair, Side(side), id, wanted["same"]))

    @made.add("GET", f"{_PAIR}/losses", schemas.LossPage, query=Paging, role=Role.OPERATOR, refusals=(404, 422))
    def list_losses(query: dict[str, Any], pair: str) -> Any:
        """List the values that gave way, newest first, and by whose decision."""
        _found(lambda: syncs.status(pair))
        rows = syncs.links.lost(pair, **{**query, "limit": query["limit"] + 1})
        return page_of(rows, query["limit"], loss_view)


def _who() -> str:
    return f"Token {g.token.name}"


def _found(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except NoSuchError as error:
        raise plain_refusal(404, error.reason) from error


def _done(pair: str, act: Callable[[], None]) -> dict[str, Any]:
    try:
        _found(act)
    except RejectedError as error:
        raise plain_refusal(409, error.reason) from error
    return {"pair": pair, "requested": True}
