"""Writing: one right Task per interaction, whatever the org answers, and a person's edit is never overwritten."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from gateway.domain.interactions import CallType, Event, Party
from gateway.domain.mappings import compile_mapping
from gateway.domain.policies import ConnectionPolicy, ContactPoint
from gateway.domain.tasks import DELETED, Outcome, TaskDraft, Verdict
from gateway.errors import ConfigError, RetryableError, UnknownOutcomeError
from gateway.usecases import operations
from gateway.usecases.interactions import LANES
from gateway.usecases.tasks import BATCH, FRESH, LEASE_SECONDS, MANY_ATTEMPTS, MANY_MATCHES, AccountsInWork
from tests.fakes.org import KEY_FIELD, FakeOrg
from tests.unit.usecases.desk import (
    ADA,
    BEN,
    CASEY,
    CASEY_CALLS,
    HOUSE,
    INSTALLER,
    OWEN,
    OWEN_CALLS,
    START,
    Desk,
    contact,
    leg,
    sometimes,
    told,
)
from tests.values import replace

PATIENCE = 60

COMPLETED = told(legs=(leg(disposition="Resolved"),), started_at=START - timedelta(minutes=5), ended_at=START)
WRAPPED_UP = told(Event.WRAPPED_UP, at=2, parties=(), notes="Sent replacement", disposition="Sold")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def lost() -> UnknownOutcomeError:
    return UnknownOutcomeError("The answer to a write was lost.")


# --- the main job


def test_a_finished_interaction_becomes_a_task_with_everybody_filled_in(desk):
    desk.receive([COMPLETED])
    desk.fold()
    desk.pass_time(3)
    assert desk.write() == 1

    fields = desk.task().fields
    assert fields["WhoId"] == CASEY.id
    assert fields["TaskWhoIds"] == [CASEY.id]
    assert fields["WhatId"] == HOUSE.id
    assert fields["OwnerId"] == ADA.id
    assert fields[KEY_FIELD] == fields["CallObject"] == "desk:c-1"
    assert fields["Subject"] == "Inbound call from Casey Customer · Resolved"
    assert (fields["Status"], fields["Priority"]) == ("Completed", "Normal")
    assert (fields["TaskSubtype"], fields["CallType"], fields["CallDurationInSeconds"]) == ("Call", "Inbound", 300)
    row = desk.row()
    assert (row.version, row.written_version, row.task_id) == (1, 1, desk.task().id)
    assert (row.parked, row.intended, row.kept, row.attempts) == (None, None, {}, 0)
    assert row.written_at == desk.clock
    assert row.match["state"] == "matched"
    assert row.match["problems"] == []
    assert desk.ledger.results == {"created": 1}
    assert desk.ledger.lags == [3.0]


@pytest.mark.parametrize(
    ("others", "owner", "disposition"),
    [
        ([leg(disposition="Resolved", started_at=START)], ADA, "Resolved"),
        ([leg(started_at=START)], ADA, None),
        ([], BEN, "Internal advice"),
    ],
)
def test_who_was_only_consulted_does_not_get_the_task(desk, others, owner, disposition):
    consulted = leg(
        "ben",
        id="l-2",
        call_type=CallType.CONSULT,
        disposition="Internal advice",
        started_at=START + timedelta(minutes=2),
    )
    desk.take_in(told(legs=(*others, consulted)))

    assert desk.task().fields["OwnerId"] == owner.id
    assert desk.task().fields.get("CallDisposition") == disposition


def test_who_took_over_gets_the_task(desk):
    given = leg("ben", id="l-2", call_type=CallType.TRANSFER, started_at=START + timedelta(minutes=2))
    desk.take_in(told(legs=(leg(started_at=START), given)))

    assert desk.task().fields["OwnerId"] == BEN.id


def test_whose_part_has_no_time_does_not_come_before_who_had_it_at_last(desk):
    desk.take_in(told(legs=(leg(started_at=START), leg("ben", id="l-2"))))

    assert desk.task().fields["OwnerId"] == ADA.id


def test_what_is_written_is_not_written_again(desk):
    desk.take_in(COMPLETED)
    desk.org.calls.clear()

    assert desk.write() == 0
    assert desk.org.calls == []


def test_an_open_interaction_is_not_written(desk):
    desk.take_in(told(Event.STARTED))

    assert desk.org.tasks == {}
    assert desk.org.calls == []


def test_ten_updates_become_one_write_of_the_newest_state(desk):
    for minute in range(10):
        desk.receive([told(Event.UPDATED, at=minute, notes=f"Note {minute}")])
    desk.receive([told(at=20)])
    desk.fold()
    desk.write()

    assert len(desk.tasks()) == 1
    assert "Note 9" in desk.task().fields["Description"]
    assert desk.org.calls.count("composite/sobjects") == 1


def test_two_hundred_interactions_are_one_call(desk):
    for number in range(200):
        desk.receive([replace(COMPLETED, id=f"c-{number}")])
    desk.fold()
    assert desk.write() == 200

    assert desk.org.calls == ["describe", "composite", "composite/sobjects"]
    assert len(desk.org.tasks) == 200


def test_more_than_a_batch_is_written_in_rounds(desk):
    for number in range(250):
        desk.receive([replace(COMPLETED, id=f"c-{number}")])
    desk.fold()

    assert [desk.write(), desk.write(), desk.write()] == [200, 50, 0]
    assert len(desk.org.tasks) == 250


@pytest.mark.parametrize(("seconds_a_call", "rounds"), [(0, [400, 50, 0]), (10, [200, 200, 50])])
def test_a_lane_is_kept_for_a_while_as_long_as_whole_batches_wait(desk, seconds_a_call, rounds):
    desk.receive([replace(COMPLETED, id=f"c-{number}") for number in range(450)])
    desk.fold()
    desk.org.on_call = lambda _: desk.pass_time(seconds_a_call)

    assert [desk.write(), desk.write(), desk.write()] == rounds
    assert len(desk.org.tasks) == 450


def test_an_update_sends_only_what_differs(desk):
    desk.take_in(COMPLETED)
    sent = _sent(desk, desk.org.update)
    desk.take_in(WRAPPED_UP)

    ((draft,),) = sent
    assert draft.task_id == desk.task().id
    assert set(draft.fields) == {"Subject", "CallDisposition", "Description"}
    assert draft.fields["CallDisposition"] == "Sold"
    assert desk.ledger.results == {"created": 1, "updated": 1}
    assert desk.row().written == desk.row().written | draft.fields


def _sent(desk: Desk, write: Callable[..., Any]) -> list[Any]:
    """The drafts of each call from now on."""
    calls = []

    def noted(drafts):
        calls.append(list(drafts))
        return write(drafts)

    setattr(desk.org, write.__name__, noted)
    return calls


def test_an_update_that_changes_no_field_writes_nothing(desk):
    desk.take_in(COMPLETED)
    sent = _sent(desk, desk.org.update)
    desk.take_in(told(Event.UPDATED, at=1, attributes={"order": "A-17"}))

    assert sent == []
    assert desk.row().written_version == desk.row().version == 2
    assert desk.ledger.results == {"created": 1, "unchanged": 1}


def test_evidence_that_comes_late_corrects_the_task_in_place(desk):
    desk.take_in(told(parties=(Party(role="customer", phone="+14155559999"),)))
    assert "WhoId" not in desk.task().fields
    first = desk.task().id

    desk.take_in(told(Event.WRAPPED_UP, at=1, parties=(OWEN_CALLS,)))

    assert desk.task().id == first
    assert (desk.task().fields["WhoId"], desk.task().fields["WhatId"]) == (OWEN.id, INSTALLER.id)


def test_what_the_interaction_no_longer_has_is_emptied_if_it_is_still_ours(desk):
    desk.take_in(told(parties=(CASEY_CALLS,)))
    desk.take_in(told(Event.WRAPPED_UP, at=1, parties=(Party(role="customer", phone="+14155559999", name="Nobody"),)))

    assert (desk.task().fields["WhoId"], desk.task().fields["WhatId"]) == (None, None)
    assert "WhoId" not in desk.row().written


def test_a_contact_point_gives_its_label_to_the_subject(desk):
    policy = ConnectionPolicy(name="desk", org="main", contact_points={"+18005550100": ContactPoint(label="Support")})
    desk.rules = replace(desk.rules, connections={"desk": policy})
    desk.writer = desk.new_writer()
    desk.take_in(replace(COMPLETED, contact_point="+18005550100"))

    assert desk.task().fields["Subject"] == "Support · Inbound call from Casey Customer · Resolved"


def test_an_interaction_of_a_connection_that_was_taken_out_is_still_written(desk):
    desk.receive([COMPLETED])
    desk.fold()
    desk.rules = replace(desk.rules, connections={})
    desk.writer = desk.new_writer()
    desk.write()

    assert desk.task().fields["WhoId"] == CASEY.id


# --- people's edits

EDITS = {
    "Subject": "Call about the roof", "Status": "In Progress", "Priority": "High", "ActivityDate": "2026-04-01",
    "CallType": "Outbound", "CallDurationInSeconds": 7, "CallDisposition": "Escalated", "CallObject": "ours",
    "Description": "I wrote this", "OwnerId": "005000000000009AAA", "WhoId": "003000000000009AAA",
    "WhatId": "001000000000009AAA", "TaskWhoIds": ["003000000000009AAA", "003000000000008AAA"],
}  # fmt: skip

EVERYTHING_ELSE = told(
    Event.WRAPPED_UP,
    at=60 * 24,
    parties=(OWEN_CALLS,),
    legs=(leg("ben", id="l-2", disposition="Sold"),),
    notes="All is different now",
    direction="internal",
    ended_at=START + timedelta(days=1),
)


@pytest.mark.parametrize("field", sorted(EDITS))
def test_a_persons_edit_of_any_field_stands_and_all_other_fields_follow(desk, field):
    desk.take_in(COMPLETED)
    before = dict(desk.task().fields)
    desk.org.people_edit(desk.task().id, **{field: EDITS[field]})
    desk.take_in(EVERYTHING_ELSE)

    fields = desk.task().fields
    assert fields[field] == EDITS[field]
    theirs = {"WhoId", "TaskWhoIds"} if field in {"WhoId", "TaskWhoIds"} else {field}
    assert all(fields[name] == EDITS[name] if name == field else fields[name] == before[name] for name in theirs)
    expected = {
        "Subject": "Internal call from Owen Park · Sold", "ActivityDate": "2026-03-03", "CallType": "Internal",
        "CallDurationInSeconds": 86700, "CallDisposition": "Sold", "OwnerId": BEN.id, "WhoId": OWEN.id,
        "WhatId": INSTALLER.id, "TaskWhoIds": [OWEN.id], "Status": "Completed", "Priority": "Normal",
        "CallObject": "desk:c-1", "TaskSubtype": "Call",
    }  # fmt: skip
    assert {name: fields[name] for name in expected if name not in theirs} == {
        name: value for name, value in expected.items() if name not in theirs
    }
    assert field == "Description" or "All is different now" in fields["Description"]
    assert fields["Description"] != before["Description"]
    assert desk.row().kept == {field: EDITS[field]}
    assert desk.row().written_version == desk.row().version


def test_a_person_who_names_another_contact_first_has_decided_on_all_of_them(desk):
    both = (CASEY_CALLS, replace(OWEN_CALLS, role="installer"))
    desk.take_in(told(parties=both))
    desk.org.people_edit(desk.task().id, WhoId=OWEN.id, TaskWhoIds=[OWEN.id, CASEY.id])
    nobody = Party(role="installer", phone="+14155559999")
    desk.take_in(told(Event.UPDATED, at=1, parties=(CASEY_CALLS, nobody), notes="Late"))

    assert (desk.task().fields["WhoId"], desk.task().fields["TaskWhoIds"]) == (OWEN.id, [OWEN.id, CASEY.id])
    assert "Late" in desk.task().fields["Description"]


def test_a_value_that_a_person_emptied_stays_empty(desk):
    desk.take_in(COMPLETED)
    desk.org.people_edit(desk.task().id, CallDisposition=None)
    desk.take_in(WRAPPED_UP)

    assert desk.task().fields["CallDisposition"] is None
    assert desk.row().kept == {"CallDisposition": None}


def test_an_edit_stands_through_any_number_of_updates_and_restarts(desk):
    desk.take_in(COMPLETED)
    desk.org.people_edit(desk.task().id, CallDisposition="Escalated")
    for minute in range(3, 6):
        desk.writer = desk.new_writer()
        desk.take_in(told(Event.UPDATED, at=minute, disposition=f"Ours {minute}", notes=f"Note {minute}"))

    assert desk.task().fields["CallDisposition"] == "Escalated"
    assert "Note 5" in desk.task().fields["Description"]


def test_an_edit_that_was_taken_back_is_ours_again(desk):
    desk.take_in(COMPLETED)
    desk.org.people_edit(desk.task().id, CallDisposition="Escalated")
    desk.take_in(WRAPPED_UP)
    desk.org.people_edit(desk.task().id, CallDisposition="Resolved")
    desk.take_in(told(Event.FOLLOWED_UP, at=9, disposition="Reached"))

    assert desk.task().fields["CallDisposition"] == "Reached"
    assert desk.row().kept == {}


def test_what_salesforce_stores_differently_is_not_taken_for_an_edit(desk):
    desk.take_in(replace(COMPLETED, notes="First line\nSecond line"))
    fields = desk.task().fields
    desk.org.people_edit(desk.task().id, Description=fields["Description"].replace("\n", "\r\n") + " ")
    desk.take_in(WRAPPED_UP)

    assert "Sent replacement" in desk.task().fields["Description"]
    assert desk.row().kept == {}


# --- unknown outcomes


@pytest.mark.parametrize("key_field", [KEY_FIELD, None])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_create_whose_answer_is_lost_is_read_back_and_never_doubled(moment, key_field):
    desk = Desk(org=FakeOrg(key_field=key_field))
    _lose(desk, moment)
    desk.receive([COMPLETED])
    desk.fold()
    with pytest.raises(UnknownOutcomeError):
        desk.write()
    assert desk.row().intended["WhoId"] == CASEY.id
    assert desk.row().written_version == 0
    if key_field is None:
        _leaves_it_alone_for_a_minute(desk)
    desk.write()

    assert len(desk.tasks()) == 1
    assert desk.task().fields["CallDisposition"] == "Resolved"
    assert (desk.row().task_id, desk.row().intended) == (desk.task().id, None)
    assert desk.row().written_version == desk.row().version
    assert desk.row().attempts == 0


def _leaves_it_alone_for_a_minute(desk: Desk) -> None:
    """Also who starts only then, and also when more is told meanwhile."""
    tasks = len(desk.tasks())
    desk.pass_time(59)
    desk.writer = desk.new_writer()
    desk.take_in(told(Event.UPDATED, at=5))
    assert len(desk.tasks()) == tasks
    assert desk.row().written_version == 0
    desk.pass_time(1)


def _lose(desk: Desk, moment: str) -> None:
    """The next write's answer is lost, before or after it took effect."""
    if moment == "after":
        desk.org.switches.after.append(lost())
        return

    def refuse(drafts):
        del desk.org.create, desk.org.update
        raise lost()

    desk.org.create = desk.org.update = refuse


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_update_whose_answer_is_lost_is_compared_and_finished(desk, moment):
    desk.take_in(COMPLETED)
    _lose(desk, moment)
    with pytest.raises(UnknownOutcomeError):
        desk.take_in(WRAPPED_UP)
    desk.take_in(told(Event.FOLLOWED_UP, at=9, disposition="Reached", notes="Done"))

    fields = desk.task().fields
    assert fields["CallDisposition"] == "Reached"
    assert "Done" in fields["Description"]
    assert desk.row().kept == {}
    assert desk.row().intended is None


@pytest.mark.parametrize("second", ["before", "after", "killed"])
@pytest.mark.parametrize("first", ["create", "update"])
def test_two_lost_answers_in_a_row_leave_no_value_that_is_taken_for_a_persons(desk, first, second):
    if first == "update":
        desk.take_in(told())
    _lose(desk, "after")
    with pytest.raises(UnknownOutcomeError):
        desk.take_in(COMPLETED if first == "create" else told(Event.UPDATED, at=1, disposition="Resolved"))
    assert desk.task().fields["CallDisposition"] == "Resolved"

    desk.receive([WRAPPED_UP])
    desk.fold()
    _lose_second(desk, second)
    desk.take_in(told(Event.FOLLOWED_UP, at=9, disposition="Reached", notes="Done"))

    assert desk.row().kept == {}
    assert desk.task().fields["CallDisposition"] == "Reached"
    assert "Done" in desk.task().fields["Description"]
    assert len(desk.tasks()) == 1


def _lose_second(desk: Desk, how: str) -> None:
    if how != "killed":
        _lose(desk, how)
        with pytest.raises(UnknownOutcomeError):
            desk.write()
        return

    class KilledError(BaseException):
        pass

    def die(drafts):
        del desk.org.update
        raise KilledError

    desk.org.update = die
    with pytest.raises(KilledError):
        desk.write()
    desk.writer = desk.new_writer()


def test_an_edit_between_a_lost_answer_and_the_next_try_is_a_persons(desk):
    _lose(desk, "after")
    with pytest.raises(UnknownOutcomeError):
        desk.take_in(COMPLETED)
    desk.org.people_edit(desk.task().id, CallDisposition="Escalated")
    desk.take_in(WRAPPED_UP)

    assert desk.task().fields["CallDisposition"] == "Escalated"
    assert "Sent replacement" in desk.task().fields["Description"]
    assert desk.row().kept == {"CallDisposition": "Escalated"}


def test_a_task_that_was_deleted_after_its_answer_was_lost_is_not_written_twice(desk):
    _lose(desk, "after")
    with pytest.raises(UnknownOutcomeError):
        desk.take_in(COMPLETED)
    desk.org.delete(desk.task().id)
    desk.write()

    assert len(desk.tasks()) == 1
    assert desk.row().parked == DELETED


def test_a_create_that_meets_its_own_task_is_settled_by_reading(desk):
    """The org committed late: the read found nothing yet, the second create met the first one's Task."""
    desk.receive([COMPLETED])
    desk.fold()
    desk.org.switches.refused["desk:c-1"] = [Outcome(Verdict.UNKNOWN, reason="A Task with this key exists already.")]
    desk.write()
    assert desk.row().intended is not None
    assert desk.row().next_at > desk.clock
    desk.pass_time(61)
    desk.write()

    assert desk.row().written_version == 1
    assert len(desk.tasks()) == 1


def test_a_create_that_the_org_carries_out_late_is_found_also_after_a_failed_try():
    desk = Desk(org=FakeOrg(key_field=None))
    _lose(desk, "before")
    with pytest.raises(UnknownOutcomeError):
        desk.take_in(COMPLETED)
    late = TaskDraft("desk:c-1", desk.row().intended)
    desk.pass_time(60)
    sometimes(desk, "composite/sobjects", lambda: desk.org.switches.before.append(RetryableError("Busy")))
    with pytest.raises(RetryableError):
        desk.write()
    desk.org.create([late])
    desk.write()

    assert len(desk.tasks()) == 1
    assert desk.row().written_version == 1


# --- a mirror that was a little older


def _before_its_contact(desk: Desk) -> None:
    """A call is written with a mirror that was read just before its caller became a contact."""
    desk.take_in(told(id="c-0"))
    desk.pass_time(1)
    desk.org.change(DANA)
    desk.take_in(told(parties=(Party(role="customer", phone="+14085550111"),)))


DANA = contact(7, "Dana Late", "+14085550111", INSTALLER)


def test_a_few_interactions_do_not_wait_for_the_mirror_and_are_matched_again_soon(desk):
    _before_its_contact(desk)
    assert (desk.task().fields.get("WhoId"), desk.org.calls.count("composite")) == (None, 1)
    assert desk.look_again() == 0, "too soon: it would cost a call for each"

    desk.pass_time(FRESH.total_seconds())
    assert desk.look_again() == 1
    desk.write()
    assert (desk.task().fields["WhoId"], desk.task().fields["WhatId"]) == (DANA.id, INSTALLER.id)
    assert len(desk.tasks()) == 1
    assert (desk.look_again(), desk.write()) == (0, 0)


def test_a_second_look_that_changes_nothing_writes_nothing(desk):
    desk.take_in(told(id="c-0"))
    desk.pass_time(1)
    desk.take_in(COMPLETED)
    desk.pass_time(FRESH.total_seconds())
    calls = len(desk.org.calls)

    assert desk.look_again() == 1
    assert desk.write() == 0
    assert desk.org.calls[calls:] == ["composite"]
    assert desk.look_again() == 0


def test_a_persons_choice_outlives_a_second_look(desk):
    _before_its_contact(desk)
    desk.org.people_edit(desk.task().id, WhoId=OWEN.id, TaskWhoIds=[OWEN.id])
    desk.pass_time(FRESH.total_seconds())
    desk.look_again()
    desk.write()
    assert desk.task().fields["WhoId"] == OWEN.id


def test_a_full_batch_is_worth_reading_the_mirror_for(desk):
    desk.take_in(told(id="c-0"))
    desk.pass_time(1)
    desk.org.change(DANA)
    same_lane = [told(id=f"d-{n}", parties=(Party(role="customer", phone="+14085550111"),)) for n in range(BATCH)]
    desk.take_in(*same_lane)
    assert {desk.task(partial.id).fields["WhoId"] for partial in same_lane} == {DANA.id}


# --- two lanes at one account


@pytest.mark.parametrize(("others", "meet"), [({"shared", "b"}, False), ({"b"}, True)])
def test_two_lanes_never_write_to_one_account_at_once(others, meet):
    """Inside, each waits for the other: at one account in vain, at two without delay."""
    accounts, both = AccountsInWork(), Barrier(2)

    def write(ids: set[str]) -> bool:
        with accounts.holding(ids):
            try:
                both.wait(PATIENCE if meet else 0.2)
            except BrokenBarrierError:
                return False
            return True

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, [{"shared", "a"}, others])) == [meet, meet]


def test_what_a_call_locks_is_free_again_whatever_becomes_of_it(desk):
    desk.receive([COMPLETED])
    desk.fold()
    desk.org.switches.before += [lost(), lost()]
    with pytest.raises(UnknownOutcomeError):
        desk.write()
    with pytest.raises(UnknownOutcomeError):
        desk.write()
    assert desk.write() == 1


# --- results of single records


def _two(desk: Desk, *outcomes: Outcome) -> None:
    """One record is refused in the same call in which another is written."""
    desk.org.switches.refused["desk:bad"] = list(outcomes)
    desk.receive([replace(COMPLETED, id="bad"), replace(COMPLETED, id="good")])
    desk.fold()
    desk.write()
    assert desk.row("good").written_version == 1


def test_a_record_to_be_tried_again_holds_nobody_back(desk):
    _two(desk, Outcome(Verdict.RETRY, reason="Locked"), Outcome(Verdict.RETRY, reason="Locked", after=30))
    assert (desk.row("bad").attempts, desk.row("bad").parked) == (1, None)
    assert desk.clock < desk.row("bad").next_at <= desk.clock + timedelta(seconds=1)
    assert desk.write() == 0

    desk.pass_time(1)
    desk.write()
    assert desk.row("bad").next_at == desk.clock + timedelta(seconds=30)
    desk.pass_time(30)
    desk.write()
    row = desk.row("bad")
    assert (row.written_version, row.attempts, row.next_at) == (1, 0, None)
    assert desk.ledger.results == {"created": 2, "retried": 2}


def test_a_record_that_fails_too_often_is_parked_with_its_reason(desk):
    _two(desk, *[Outcome(Verdict.RETRY, reason="Salesforce asks to try again.")] * MANY_ATTEMPTS)
    for _ in range(MANY_ATTEMPTS - 1):
        assert desk.row("bad").parked is None
        desk.pass_time(61)
        desk.write()

    assert desk.row("bad").parked == "Salesforce asks to try again."
    desk.pass_time(61)
    assert desk.write() == 0
    assert operations.retry(desk.store.interactions, desk.row("bad").id) == operations.Again.QUEUED
    desk.write()
    assert desk.row("bad").written_version == 1


def test_a_record_whose_contact_is_gone_is_matched_again_with_what_changed_since(desk):
    gone = Outcome(Verdict.REMATCH, reason="A related record was deleted or merged.")
    desk.org.switches.refused["desk:bad"] = [gone]
    sometimes(desk, "composite/sobjects", lambda: desk.org.change(replace(CASEY, name="Casey Merged")))
    desk.receive([replace(COMPLETED, id="bad")])
    desk.fold()
    desk.write()
    assert (desk.row("bad").written_version, desk.row("bad").attempts) == (0, 1)

    desk.pass_time(1)
    desk.write()
    assert "Casey Merged" in desk.task("bad").fields["Subject"]


def test_a_record_that_no_match_helps_is_parked_soon(desk):
    _two(desk, *[Outcome(Verdict.REMATCH, reason="A related record is hidden.")] * MANY_MATCHES)
    for _ in range(MANY_MATCHES - 1):
        assert desk.row("bad").parked is None
        desk.pass_time(61)
        desk.write()
    assert desk.row("bad").parked == "A related record is hidden."


def test_records_that_met_a_lock_go_in_ever_smaller_company(desk, monkeypatch):
    partials = [replace(COMPLETED, id=f"c-{n}") for n in range(120)]
    for partial in partials:
        desk.org.switches.refused[f"desk:{partial.id}"] = [Outcome(Verdict.LOCKED, reason="Locked")] * 2
    sizes: list[int] = []
    monkeypatch.setattr(
        desk.org, "create", lambda drafts: sizes.append(len(drafts)) or FakeOrg.create(desk.org, drafts)
    )
    desk.receive(partials)
    desk.fold()
    for _ in range(3):
        desk.write()
        desk.pass_time(60)

    assert sizes == [120, 50, 50, 20, *[20] * 6]
    assert {desk.row(partial.id).written_version for partial in partials} == {1}


def test_a_refused_record_is_parked_and_listed(desk):
    _two(desk, Outcome(Verdict.PARK, reason="A validation rule of the org refuses this record."))

    row = desk.row("bad")
    assert (row.parked, row.written_version) == ("A validation rule of the org refuses this record.", 0)
    assert row.match["state"] == "matched"
    assert desk.store.interactions.list(state="parked") == [row]
    assert desk.ledger.results == {"created": 1, "parked": 1}


def test_news_of_a_parked_interaction_are_a_new_try(desk):
    _two(desk, Outcome(Verdict.PARK, reason="No"))
    desk.take_in(replace(WRAPPED_UP, id="bad"))

    assert desk.row("bad").parked is None
    assert desk.task("bad").fields["CallDisposition"] == "Sold"


def test_news_that_come_while_a_record_is_refused_are_not_parked_with_it(desk):
    desk.org.switches.refused["desk:c-1"] = [Outcome(Verdict.PARK, reason="No")]
    desk.receive([COMPLETED])
    desk.fold()

    def news() -> None:
        desk.receive([WRAPPED_UP])
        desk.fold()

    sometimes(desk, "composite/sobjects", news)
    desk.write()
    assert (desk.row().parked, desk.row().version) == (None, 2)

    desk.write()
    assert desk.task().fields["CallDisposition"] == "Sold"


def test_news_that_come_while_a_task_is_written_are_written_next(desk):
    desk.receive([COMPLETED])
    desk.fold()

    def news() -> None:
        desk.receive([WRAPPED_UP])
        desk.fold()

    sometimes(desk, "composite/sobjects", news)
    desk.write()
    assert (desk.row().version, desk.row().written_version) == (2, 1)
    assert desk.task().fields["CallDisposition"] == "Resolved"
    desk.write()
    assert desk.task().fields["CallDisposition"] == "Sold"
    assert desk.row().written_version == 2


# --- deleted Tasks


def test_a_task_that_a_person_deleted_is_not_brought_back_by_news(desk):
    desk.take_in(COMPLETED)
    desk.org.delete(desk.task().id)
    desk.take_in(WRAPPED_UP)

    assert desk.row().parked == DELETED
    assert [task.is_deleted for task in desk.tasks()] == [True]
    desk.take_in(told(Event.FOLLOWED_UP, at=9))
    assert desk.row().parked == DELETED
    assert len(desk.tasks()) == 1


def test_a_task_that_is_deleted_while_it_is_updated_is_not_brought_back(desk):
    desk.take_in(COMPLETED)
    desk.receive([WRAPPED_UP])
    desk.fold()
    id = desk.task().id
    sometimes(desk, "composite/sobjects", lambda: desk.org.delete(id), nth=2)
    desk.write()

    assert desk.row().parked == DELETED
    assert len(desk.tasks()) == 1


def test_a_deleted_task_is_written_anew_when_a_person_asks_for_it_by_name(desk):
    desk.take_in(COMPLETED)
    desk.org.people_edit(desk.task().id, CallDisposition="Escalated")
    desk.org.delete(desk.task().id)
    desk.take_in(WRAPPED_UP)

    assert operations.retry_all(desk.store.interactions) == 0
    assert desk.row().parked == DELETED
    assert operations.retry(desk.store.interactions, desk.row().id) == operations.Again.QUEUED
    desk.write()

    assert [task.is_deleted for task in desk.tasks()] == [True, False]
    assert desk.task().fields["CallDisposition"] == "Sold"
    assert (desk.row().task_id, desk.row().parked) == (desk.task().id, None)


# --- the org as a whole


@pytest.mark.parametrize("error", [RetryableError("Busy", after=3), ConfigError("The key field is missing.")])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_an_org_that_fails_as_a_whole_costs_no_interaction_an_attempt(desk, error, call):
    desk.receive([COMPLETED])
    desk.fold()
    resources = ["describe", "composite", "composite/sobjects"]
    sometimes(desk, resources[call - 1], lambda: desk.org.switches.before.append(error))
    with pytest.raises(type(error)):
        desk.write()

    row = desk.row()
    assert (row.attempts, row.next_at, row.parked, row.intended, row.written_version) == (0, None, None, None, 0)
    desk.write()
    assert len(desk.tasks()) == 1
    assert desk.row().written_version == 1


def test_a_call_that_fails_keeps_what_an_earlier_one_may_have_done(desk):
    desk.take_in(COMPLETED)
    _lose(desk, "after")
    with pytest.raises(UnknownOutcomeError):
        desk.take_in(WRAPPED_UP)
    assert desk.task().fields["CallDisposition"] == "Sold"
    desk.receive([told(Event.FOLLOWED_UP, at=9, disposition="Reached")])
    desk.fold()
    sometimes(desk, "composite/sobjects", lambda: desk.org.switches.before.append(RetryableError("Busy")), nth=2)
    with pytest.raises(RetryableError):
        desk.write()
    desk.write()

    assert desk.task().fields["CallDisposition"] == "Reached"
    assert desk.row().kept == {}


# --- leases


def _seize(desk: Desk) -> None:
    """Another worker takes every lane, as after this one slept past its lease."""
    later = desk.clock + timedelta(seconds=LEASE_SECONDS)
    for lane in range(LANES):
        assert desk.store.interactions.lease("main", lane, owner="other", now=later, seconds=1)


@pytest.mark.parametrize(("resource", "nth"), [("describe", 1), ("composite", 1), ("composite/sobjects", 1)])
def test_a_worker_that_lost_its_lease_changes_no_row(desk, resource, nth):
    desk.receive([COMPLETED])
    desk.fold()
    sometimes(desk, resource, lambda: _seize(desk), nth=nth)
    before = desk.row()
    desk.write()

    row = desk.row()
    assert replace(row, intended=None) == before
    assert len(desk.tasks()) == (1 if resource == "composite/sobjects" else 0)
    desk.pass_time(LEASE_SECONDS + 2)
    desk.write()
    assert len(desk.tasks()) == 1
    assert desk.row().written_version == 1


def test_a_held_lane_is_left_alone(desk):
    desk.receive([COMPLETED])
    desk.fold()
    lane = desk.row().lane
    assert desk.store.interactions.lease("main", lane, owner="other", now=desk.clock, seconds=60)

    assert desk.writer.write_lane(lane) == 0
    assert desk.org.calls == []
    desk.pass_time(61)
    assert desk.writer.write_lane(lane) == 1


@pytest.mark.parametrize("error", [RetryableError("Busy"), ValueError("a defect")])
def test_the_lane_is_given_back_whatever_happens(desk, error):
    desk.receive([COMPLETED])
    desk.fold()
    desk.org.switches.before.append(error)
    with pytest.raises(type(error)):
        desk.write()

    assert desk.write() == 1


# --- mappings and what the org allows


def test_a_required_field_without_a_value_parks_with_a_sentence_until_it_comes(desk):
    mapping = compile_mapping(
        {"fields": {"Subject": "summary", "CallDisposition": {"from": "disposition", "required": True}}}
    )
    desk.writer = desk.new_writer(mapping)
    desk.receive([told(id="c-1"), told(id="c-2", disposition="Sold")])
    desk.fold()
    desk.write()

    assert desk.row("c-1").parked == "The mapping requires CallDisposition, but the interaction has no value for it."
    assert desk.tasks("c-1") == []
    assert desk.task("c-2").fields["CallDisposition"] == "Sold"
    desk.take_in(told(Event.WRAPPED_UP, id="c-1", at=1, disposition="Resolved"))
    assert desk.task("c-1").fields["CallDisposition"] == "Resolved"
    assert desk.row("c-1").parked is None


def test_fields_that_cannot_be_written_are_listed_and_the_rest_is_written(desk):
    mapping = compile_mapping(
        {"fields": {"Subject": "summary", "Plan__c": {"value": "Gold"}, "CallType": {"value": "Smoke"}}}
    )
    desk.writer = desk.new_writer(mapping)
    desk.take_in(COMPLETED)

    assert desk.task().fields["Subject"] == "Inbound call from Casey Customer"
    problems = desk.row().match["problems"]
    assert any("has no field Task.Plan__c" in problem for problem in problems)
    assert any("Task.CallType takes Inbound, Internal, Outbound only" in problem for problem in problems)
    assert desk.row().written_version == 1


def test_a_field_that_the_user_may_not_write_is_a_listed_problem(desk):
    abilities = desk.org.abilities()
    closed = replace(abilities.task_fields["Priority"], createable=False, updateable=False)
    desk.org.abilities = lambda: replace(abilities, task_fields={**abilities.task_fields, "Priority": closed})
    desk.take_in(COMPLETED)

    assert desk.task().fields["Priority"] == "Normal", "the org's own default"
    (problem,) = desk.row().match["problems"]
    assert (
        problem
        == "The org does not let the integration user write Task.Priority; check field-level security and the mapping."
    )


def test_an_org_without_shared_activities_gets_one_name_per_task():
    desk = Desk(org=FakeOrg(shared_activities=False))
    desk.take_in(told(parties=(CASEY_CALLS, replace(OWEN_CALLS, role="installer"))))

    assert desk.task().fields["WhoId"] == CASEY.id
    assert "TaskWhoIds" not in desk.task().fields


def test_both_people_stand_on_one_task(desk):
    desk.take_in(told(parties=(CASEY_CALLS, replace(OWEN_CALLS, role="installer"))))

    assert desk.task().fields["TaskWhoIds"] == [CASEY.id, OWEN.id]
    assert desk.task().fields["WhoId"] == CASEY.id


def test_a_subtype_is_sent_when_the_task_is_created_and_never_after(desk):
    desk.take_in(told(channel="email"))
    sent = _sent(desk, desk.org.update)
    desk.take_in(told(Event.WRAPPED_UP, at=1, channel="voice", notes="It was a call"))

    assert desk.task().fields["TaskSubtype"] == "Email"
    assert all("TaskSubtype" not in draft.fields for call in sent for draft in call)


def test_dates_are_written_as_dates(desk):
    desk.take_in(COMPLETED)

    assert date.fromisoformat(desk.task().fields["ActivityDate"]) == START.date()
