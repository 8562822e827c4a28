"""The API of contact syncs: what each pair did, what waits for a person, and what people decide."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.brakes import Stop
from gateway.domain.policies import MatchPolicy
from gateway.ports import Request, RunKind, RunState, SyncRun
from gateway.usecases.contacts import Pair
from gateway.usecases.operations import Role
from gateway.usecases.sync import ContactSync
from gateway.web.views import page_from
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import CRM, SyncDesk
from tests.unit.web.doubles import NOW, PAIR, Gateway

ADDRESS = f"/api/sync/{PAIR}"
CASEY = {"first": "Casey", "last": "Customer", "emails": phones("casey@example.com"), "phones": ()}


def begin(gateway: Gateway) -> SyncDesk:
    """Run 1 synced a contact, s1, of which both sides then changed the title: that waits, and who s2 is, too."""
    desk = SyncDesk(store=gateway.links)
    desk.crm.people_create(**CASEY, title="Owner")
    run = gateway.runs.begin(SyncRun(pair=PAIR, kind=RunKind.SYNC, by="schedule", started_at=NOW))
    sync(desk, run.id)
    gateway.runs.tell(run)
    desk.crm.people_edit("s1", title="Chair")
    desk.platform.people_edit("p1", title="Boss", by="bob")
    desk.crm.people_create(first="Robin", last="Roe", phones=phones("+14155550124"))
    desk.platform.people_create(first="Someone", last="Else", phones=phones("+14155550124"))
    desk.run()
    return desk


def sync(desk: SyncDesk, run: int) -> None:
    desk.clock.tick()
    pair = Pair(name=PAIR, policy=desk.policy, matching=MatchPolicy(version="test"))
    ContactSync(pair, desk.sides, desk.store, now=desk.clock, run=run).run()


@pytest.fixture
def desk(gateway: Gateway) -> SyncDesk:
    return begin(gateway)


@pytest.fixture
def ask(gateway: Gateway, desk: SyncDesk):
    """Ask the API as an operator."""
    bearer = gateway.bearer(Role.OPERATOR)

    def asked(method: str, path: str = "", *, status: int = 200, **body: Any) -> Any:
        response = gateway.client.open(f"{ADDRESS}{path}", method=method, headers=bearer, json=body or None)
        assert response.status_code == status, response.json
        return response.json

    return asked


def test_how_a_pair_is(ask):
    told = ask("GET")

    assert told["name"] == PAIR
    assert told["times"] == "every 60s"
    assert told["counts"] == {"linked": 1, "unsettled": 1, "due": 0, "questions": 2, "due_strays": 0}
    assert (told["paused_by"], told["stop"]) == (None, None)
    assert told["last_run"]["id"] == 1


def test_a_conflict_is_shown_with_both_values_and_decided(ask, desk):
    (link,) = ask("GET", "/conflicts")["items"]
    (conflict,) = link["conflicts"]

    assert link["ids"] == {"salesforce": "s1", "platform": "p1"}
    assert conflict["values"] == {"salesforce": "Chair", "platform": "Boss"}
    assert conflict["base"] == {"salesforce": "Owner", "platform": "Owner"}
    assert conflict["by"] == {"salesforce": "ada", "platform": "bob"}

    ask("POST", f"/conflicts/{link['link']}", field="title", winner="platform")
    (chosen,) = (each["chosen"] for item in ask("GET", "/conflicts")["items"] for each in item["conflicts"])
    assert (chosen["winner"], chosen["by"]) == ("platform", "Token a operator")
    desk.run()
    assert desk.record(CRM, "s1").values["title"] == "Boss"
    assert ask("GET", "/conflicts")["items"] == []
    assert [(loss["field"], loss["value"], loss["decided"]) for loss in ask("GET", "/losses")["items"]] == [
        ("title", "Chair", "Token a operator chose platform")
    ]


def test_a_question_is_shown_with_its_candidates_and_answered(ask, desk):
    (question,) = ask("GET", "/questions?side=salesforce")["items"]
    (candidate,) = question["candidates"]

    assert (question["id"], question["side"], candidate["id"]) == ("s2", "salesforce", "p2")
    assert candidate["evidence"]
    assert "p1" in ask("POST", "/questions/salesforce/s2", status=409, same="p1")["detail"]
    ask("POST", "/questions/salesforce/s2", same="p2")
    assert [each["answer"] for each in ask("GET", "/questions")["items"]] == ["p2"]
    desk.settle()
    assert desk.counterpart("s2") == "p2"
    assert ask("GET", "/questions")["items"] == []


def test_nobody_is_an_answer(ask, desk):
    ask("POST", "/questions/salesforce/s2", same=None)
    ask("POST", "/questions/platform/p2", same=None)
    desk.settle()

    assert desk.counterpart("s2") not in {"p1", "p2"}
    assert len(desk.crm.living()) == len(desk.platform.living()) == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/conflicts/1", {"field": "first", "winner": "salesforce"}),
        ("/conflicts/99", {"field": "title", "winner": "salesforce"}),
        ("/questions/salesforce/s1", {"same": "p2"}),
        ("/questions/platform/nobody", {"same": None}),
        ("/runs", {"kind": "undo", "undoes": 99}),
    ],
)
def test_what_is_not_there_is_not_found(ask, path, body):
    ask("POST", path, status=404, **body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/conflicts/1", {"field": "title", "winner": "nobody"}),
        ("/questions/salesforce/s2", {"same": ""}),
        ("/runs", {"kind": "undo"}),
        ("/runs", {"kind": "sync", "undoes": 1}),
        ("/runs", {"kind": "everything"}),
    ],
)
def test_a_wrong_wish_is_refused(ask, gateway, path, body):
    ask("POST", path, status=422, **body)
    assert gateway.runs.requested(PAIR) is None


def test_a_pair_that_is_not_there(gateway):
    response = gateway.client.get("/api/sync/other", headers=gateway.bearer(Role.READER))
    assert response.status_code == 404
    assert response.json["detail"] == "There is no pair other; there is crm-phonebook."


@pytest.mark.parametrize("wish", [{"kind": "sync"}, {"kind": "plan"}, {"kind": "undo", "undoes": 1}])
def test_a_run_is_requested(ask, gateway, wish):
    ask("POST", "/runs", status=202, **wish)

    told = {**wish, "kind": RunKind(wish["kind"])}
    assert gateway.runs.requested(PAIR) == Request(by="Token a operator", at=NOW, **told)


def test_a_plan_is_not_undone(ask, gateway):
    run = gateway.runs.begin(SyncRun(pair=PAIR, kind=RunKind.PLAN, by="ada", started_at=NOW, told=("A line.",)))

    assert "wrote nothing" in ask("POST", "/runs", status=409, kind="undo", undoes=run.id)["detail"]
    assert ask("GET", f"/runs/{run.id}")["told"] == ["A line."]


def test_runs_and_what_they_wrote(ask, gateway):
    (run,) = ask("GET", "/runs")["items"]
    (change,) = ask("GET", "/runs/1/changes")["items"]

    assert (run["id"], run["kind"], run["by"], run["state"]) == (1, "sync", "schedule", RunState.RUNNING)
    assert (change["side"], change["act"], change["record_id"], change["written"]) == (
        "platform",
        "create",
        "p1",
        "done",
    )
    assert change["after"]["title"] == "Owner"
    assert change["after"]["emails"][0]["value"] == "casey@example.com"


def test_lists_are_paged(ask, gateway):
    for _ in range(3):
        gateway.runs.begin(SyncRun(pair=PAIR, kind=RunKind.SYNC, by="schedule", started_at=NOW))

    page = ask("GET", "/runs?limit=3")
    assert [run["id"] for run in page["items"]] == [4, 3, 2]
    assert [run["id"] for run in ask("GET", f"/runs?before={page['next_before']}")["items"]] == [1]
    assert ask("GET", "/runs/1/changes?after=1") == {"items": [], "next_after": None}


def test_a_pause_and_its_end(ask):
    ask("POST", "/pause")
    assert ask("GET")["paused_by"] == "Token a operator"
    ask("POST", "/resume")
    assert ask("GET")["paused_by"] is None


def test_an_approval_is_kept_and_has_it_done(ask, gateway):
    assert "waits for an approval" in ask("POST", "/approve", status=409)["detail"]
    stop = Stop(reasons=("deletes on platform: 9 of 10 linked contacts.",), counts={}, sample=("A line.",), at=NOW)
    gateway.links.set_stop(PAIR, stop)

    assert ask("GET")["stop"]["reasons"] == list(stop.reasons)
    ask("POST", "/approve", status=202)
    kept = gateway.links.stop(PAIR)
    assert kept is not None
    assert kept.approved_by == "Token a operator"
    assert gateway.runs.requested(PAIR) == Request(kind=RunKind.SYNC, by="Token a operator", at=NOW)


def test_a_further_page_is_told_by_one_item_more():
    items = [{"id": n} for n in (4, 3, 2)]

    assert page_from(items, 2, "id") == {"items": items[:2], "next_after": 3}
    assert page_from(items, 3, "id") == {"items": items, "next_after": None}
    assert page_from([], 3, "id") == {"items": [], "next_after": None}
