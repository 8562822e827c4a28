"""Tasks of further accounts: where policy asks for them, each account that is involved has one, and they keep step."""

from __future__ import annotations

import pytest

from gateway.domain.interactions import Event
from gateway.domain.policies import ConnectionPolicy, ContactPoint
from gateway.domain.tasks import LONGEST_KEY, Outcome, Verdict, external_key
from gateway.errors import UnknownOutcomeError
from gateway.usecases import operations
from tests.fakes.org import FakeOrg, StandingTask
from tests.unit.usecases.desk import CASEY, CASEY_CALLS, HOUSE, INSTALLER, OWEN, OWEN_CALLS, Desk, told
from tests.values import replace

BOTH = told(parties=(CASEY_CALLS, replace(OWEN_CALLS, role="installer")), disposition="Complaint")
KEY = f"desk:c-1:{INSTALLER.id}"


def desk_with(policy: ConnectionPolicy, org: FakeOrg | None = None) -> Desk:
    desk = Desk(org=org)
    desk.rules = replace(desk.rules, connections={"desk": policy})
    desk.writer = desk.new_writer()
    return desk


@pytest.fixture(params=["with a key field", "without one"])
def desk(request: pytest.FixtureRequest) -> Desk:
    org = FakeOrg() if request.param == "with a key field" else FakeOrg(key_field=None)
    return desk_with(ConnectionPolicy(name="desk", org="main", own=ContactPoint(companion_tasks=True)), org)


def companions(desk: Desk) -> list[StandingTask]:
    """All that ever stood for the installer's account."""
    return [task for task in desk.org.tasks.values() if desk.org._key(task) == KEY]


def companion(desk: Desk) -> StandingTask:
    (only,) = companions(desk)
    return only


def test_the_further_account_has_a_task_with_its_own_people(desk):
    desk.take_in(BOTH)

    own, other = desk.task().fields, companion(desk).fields
    assert (own["WhoId"], own["WhatId"], own["TaskWhoIds"]) == (CASEY.id, HOUSE.id, [CASEY.id, OWEN.id])
    assert (other["WhoId"], other["WhatId"], other["TaskWhoIds"]) == (OWEN.id, INSTALLER.id, [OWEN.id])
    assert other["Subject"] == own["Subject"]
    row = desk.row()
    assert (row.written_version, row.task_id) == (1, own_id(desk))
    assert row.companions[INSTALLER.id]["task_id"] == companion(desk).id
    assert desk.write() == 0


def own_id(desk: Desk) -> str:
    return desk.task().id


def test_without_the_policy_there_is_one_task():
    desk = desk_with(ConnectionPolicy(name="desk", org="main"))
    desk.take_in(BOTH)
    assert len(desk.org.tasks) == 1


def test_a_contact_point_decides_for_itself():
    points = {"+18005550100": ContactPoint(companion_tasks=False), "+18005550101": ContactPoint(companion_tasks=True)}
    desk = desk_with(
        ConnectionPolicy(name="desk", org="main", own=ContactPoint(companion_tasks=True), contact_points=points)
    )
    desk.take_in(replace(BOTH, id="one", contact_point="+18005550100"))
    assert len(desk.org.tasks) == 1
    desk.take_in(replace(BOTH, id="two", contact_point="+18005550101"))
    assert len(desk.org.tasks) == 3


def test_one_account_needs_one_task(desk):
    desk.take_in(told(parties=(CASEY_CALLS,)))
    assert len(desk.org.tasks) == 1


def test_both_keep_step_and_many_share_the_calls(desk):
    partials = [replace(BOTH, id=f"c-{n}") for n in range(40)]
    desk.take_in(*partials)
    assert len(desk.org.tasks) == 80
    assert desk.org.calls.count("composite/sobjects") == 2

    desk.take_in(*(told(Event.WRAPPED_UP, id=f"c-{n}", at=1, parties=(), disposition="Solved") for n in range(40)))
    assert {task.fields["CallDisposition"] for task in desk.org.tasks.values()} == {"Solved"}
    assert len(desk.org.tasks) == 80


def test_a_persons_edit_of_the_further_task_stands(desk):
    desk.take_in(BOTH)
    desk.org.people_edit(companion(desk).id, CallDisposition="Ours to solve")
    desk.take_in(told(Event.WRAPPED_UP, at=1, parties=(), disposition="Solved", notes="Called back"))

    assert companion(desk).fields["CallDisposition"] == "Ours to solve"
    assert "Called back" in companion(desk).fields["Description"]
    assert desk.task().fields["CallDisposition"] == "Solved"
    assert desk.row().companions[INSTALLER.id]["kept"] == {"CallDisposition": "Ours to solve"}


def test_a_further_task_that_a_person_deleted_is_let_go_until_everything_is_written_anew(desk):
    desk.take_in(BOTH)
    desk.org.delete(companion(desk).id)
    desk.take_in(told(Event.WRAPPED_UP, at=1, parties=(), disposition="Solved"))
    desk.take_in(told(Event.WRAPPED_UP, at=2, parties=(), disposition="Solved twice"))

    assert [task.is_deleted for task in companions(desk)] == [True]
    assert (desk.row().parked, desk.task().fields["CallDisposition"]) == (None, "Solved twice")

    desk.org.delete(own_id(desk))
    desk.take_in(told(Event.WRAPPED_UP, at=3, parties=(), disposition="Solved again"))
    operations.retry(desk.store.interactions, desk.row().id)
    desk.write()
    assert desk.task().fields["CallDisposition"] == "Solved again"
    assert [task.is_deleted for task in companions(desk)] == [True, False]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lost_answer_doubles_neither(desk, moment, nth):
    desk.receive([BOTH])
    desk.fold()
    seen: list[str] = []

    def on_call(resource: str) -> None:
        if resource == "composite/sobjects":
            seen.append(resource)
            if len(seen) == nth:
                getattr(desk.org.switches, moment).append(UnknownOutcomeError("The answer to a write was lost."))

    desk.org.on_call = on_call
    with pytest.raises(UnknownOutcomeError):
        desk.write()
    assert desk.row().written_version == 0
    desk.pass_time(61)
    desk.write()

    assert len(desk.org.tasks) == 2
    assert companion(desk).fields["WhatId"] == INSTALLER.id
    assert desk.row().written_version == 1


def test_a_refused_further_task_holds_back_nothing_but_itself(desk):
    desk.org.switches.refused[KEY] = [Outcome(Verdict.PARK, reason="A validation rule of the org refuses this record.")]
    desk.receive([BOTH, told(id="c-2")])
    desk.fold()
    desk.write()

    assert desk.task().fields["CallDisposition"] == "Complaint"
    assert desk.row("c-2").written_version == 1
    assert desk.row().parked == (
        "The Task of the further account North Valley Solar: A validation rule of the org refuses this record."
    )
    operations.retry(desk.store.interactions, desk.row().id)
    desk.write()
    assert companion(desk).fields["WhatId"] == INSTALLER.id
    assert (desk.row().written_version, desk.row().parked) == (1, None)


def test_a_locked_further_task_is_sent_again(desk):
    desk.org.switches.refused[KEY] = [Outcome(Verdict.LOCKED, reason="Locked")]
    desk.take_in(BOTH)
    assert (desk.row().written_version, desk.row().attempts) == (0, 1)
    desk.pass_time(1)
    desk.write()
    assert (desk.row().written_version, len(desk.org.tasks)) == (1, 2)


def test_a_task_of_an_account_that_is_not_involved_any_more_is_left_to_people(desk):
    desk.take_in(BOTH)
    desk.org.change(replace(OWEN, account_id=HOUSE.id))
    desk.pass_time(60)
    desk.take_in(told(Event.WRAPPED_UP, at=1, parties=(), disposition="Solved"))

    (problem,) = desk.row().match["problems"]
    assert companion(desk).id in problem
    assert companion(desk).fields["CallDisposition"] == "Complaint"
    assert desk.row().written_version == 2


def test_keys_fit_their_field_and_tell_accounts_apart():
    keys = {
        external_key("c" * 60, id, account.id) for id in ("i" * 200, "i" * 199 + "j") for account in (HOUSE, INSTALLER)
    }
    assert len(keys) == 4
    assert max(map(len, keys)) <= LONGEST_KEY
    assert external_key("desk", "c-1", INSTALLER.id) == KEY
