"""What could not be decided is decided when the evidence appears, once, and never against a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.interactions import PartialInteraction
from gateway.domain.records import Kind, Record
from gateway.errors import RetryableError
from gateway.usecases.interactions import LANES
from gateway.usecases.mending import RETENTION, UNMIRRORED, Mending
from tests.unit.usecases.desk import CASEY, CASEY_CALLS, HOUSE, INSTALLER, Desk, Party, contact, sometimes, told
from tests.values import replace

STRANGER = Party(role="customer", phone="+14085550190", name="Dana New")
DANA = contact(7, "Dana New", "+14085550190", HOUSE)
TWIN = replace(CASEY, id="003000000000008AAA", name="Chris Customer")
HER_CASE = Record(
    kind=Kind.CASE, id="500000000000001AAA", name="Meter", keys=("case:00001026",), number="00001026",
    contact_id=CASEY.id, account_id=HOUSE.id,
)  # fmt: skip
LEAD = Record(kind=Kind.LEAD, id="00Q000000000001AAA", name="Cora Customer", keys=CASEY.keys)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def mending(desk: Desk) -> Mending:
    return Mending("main", desk.store.interactions, desk.writer.feed, desk.now)


def mend(desk: Desk) -> None:
    """The clock strikes, and all that follows from it is done."""
    desk.pass_time(600)
    mending(desk).step()
    desk.look_again()
    desk.write()


def take_in(desk: Desk, *partials: PartialInteraction) -> None:
    """Received, folded, and written a second later."""
    desk.receive(partials)
    desk.fold()
    desk.pass_time(1)
    desk.write()


def calls(desk: Desk, *resources: str) -> int:
    return sum(desk.org.calls.count(resource) for resource in resources or ("composite/sobjects",))


def history(desk: Desk, id: str = "c-1") -> list[str]:
    return [line.what for line in desk.store.interactions.history(desk.row(id).id)]


def test_an_unmatched_call_gets_its_contact_when_that_appears(desk):
    take_in(desk, told(parties=(STRANGER,)))
    task = desk.task()
    assert "WhoId" not in task.fields
    desk.org.change(DANA)
    mend(desk)

    assert [each.id for each in desk.tasks()] == [task.id]
    assert (task.fields["WhoId"], task.fields["WhatId"]) == (DANA.id, HOUSE.id)
    (line,) = desk.store.interactions.history(desk.row().id)
    assert line.before == {"who": None, "what": None}
    assert line.after == {
        "who": {"id": DANA.id, "name": "Dana New"},
        "what": {"id": HOUSE.id, "name": "Customer Household"},
    }
    assert "The Task was with nobody; it is with Dana New and Customer Household now." in line.what
    assert not desk.store.interactions.waits("main")


def test_an_ambiguous_call_is_decided_by_a_merge(desk):
    desk.org.change(TWIN)
    take_in(desk, told(parties=(replace(CASEY_CALLS, name=None),)))
    assert desk.row().match["state"] == "ambiguous"
    desk.org.merge(TWIN, CASEY)
    mend(desk)

    assert desk.task().fields["WhoId"] == CASEY.id
    assert len(history(desk)) == 1


@pytest.mark.parametrize("gone", ["deleted", "another number"])
def test_an_ambiguous_call_is_decided_when_the_other_is_no_longer_meant(desk, gone):
    desk.org.change(TWIN)
    take_in(desk, told(parties=(replace(CASEY_CALLS, name=None),)))
    if gone == "deleted":
        desk.org.delete(TWIN.id)
    else:
        desk.org.change(replace(TWIN, keys=("phone:+14085550191",)))
    mend(desk)

    assert desk.task().fields["WhoId"] == CASEY.id


def test_a_lead_that_became_the_other_candidate_decides(desk):
    desk.org.change(LEAD)
    take_in(desk, told(parties=(replace(CASEY_CALLS, name=None),)))
    assert desk.row().match["state"] == "ambiguous"
    desk.org.change(replace(LEAD, is_open=False, contact_id=CASEY.id, account_id=HOUSE.id))
    mend(desk)

    assert desk.task().fields["WhoId"] == CASEY.id


def test_a_case_that_was_named_and_comes_later_is_taken(desk):
    take_in(desk, told(references={"case_number": "1026"}))
    assert desk.task().fields["WhatId"] == HOUSE.id
    desk.org.change(HER_CASE)
    mend(desk)

    assert desk.task().fields["WhatId"] == HER_CASE.id


def test_a_typed_email_is_waited_for_too(desk):
    take_in(desk, told(parties=(replace(STRANGER, phone=None, id="p"),)))
    assert not desk.store.interactions.waits("main")
    take_in(desk, told(at=1, parties=(replace(STRANGER, phone=None, email="dana@solar.example", id="p"),)))
    desk.org.change(replace(DANA, keys=("email:dana@solar.example",)))
    mend(desk)

    assert desk.task().fields["WhoId"] == DANA.id


def test_exactly_those_are_looked_at_that_wait_for_what_changed(desk):
    take_in(desk, told(parties=(STRANGER,)))
    take_in(desk, told(id="c-2", parties=(replace(STRANGER, phone="+14085550199"),)))
    take_in(desk, told(id="c-3"))
    desk.pass_time(600)
    desk.look_again()
    desk.org.change(DANA, replace(CASEY, name="Casey Married"))
    desk.pass_time(600)
    mending(desk).step()

    unsure = [
        row.external_id for lane in range(LANES)
        for row in desk.store.interactions.unsure("main", lane, before=desk.now(), limit=10)
    ]  # fmt: skip
    assert unsure == ["c-1"]


def test_the_same_decision_writes_nothing_and_is_no_new_version(desk):
    take_in(desk, told(parties=(replace(STRANGER, phone=CASEY_CALLS.phone), replace(STRANGER, role="installer"))))
    before, made = desk.row(), calls(desk)
    desk.org.change(replace(INSTALLER, keys=("phone:+14085550190",)), replace(INSTALLER, id="001000000000009AAA", keys=("phone:+14085550190",)))  # fmt: skip
    for _ in range(3):
        mend(desk)

    assert calls(desk) == made
    assert (desk.row().version, desk.row().task_id, desk.row().match) == (before.version, before.task_id, before.match)
    assert history(desk) == []
    assert desk.look_again() == 0


def test_a_person_who_named_somebody_in_salesforce_is_not_overruled_by_evidence(desk):
    take_in(desk, told(parties=(STRANGER,)))
    desk.org.people_edit(desk.task().id, WhoId=CASEY.id)
    before = dict(desk.task().fields)
    desk.org.change(DANA)
    mend(desk)

    assert desk.task().fields == before
    assert history(desk) == [f"In Salesforce a person put {CASEY.id} in the place of nothing on the Task."]
    assert not desk.store.interactions.waits("main")


def test_what_a_person_wrote_elsewhere_stays_and_the_contact_is_set(desk):
    take_in(desk, told(parties=(STRANGER,)))
    desk.org.people_edit(desk.task().id, Description="Rang about the roof")
    desk.org.change(DANA)
    mend(desk)

    assert desk.task().fields["WhoId"] == DANA.id
    assert desk.task().fields["Description"] == "Rang about the roof"


@pytest.mark.parametrize("when", ["before the write", "after the write"])
def test_what_appears_while_a_round_is_under_way_is_not_missed(desk, when):
    """Another process reads the mirror between the match and the end of the round."""
    other = desk.new_writer()

    def appear() -> None:
        desk.org.on_call = lambda _: None
        desk.org.change(DANA)
        desk.pass_time(1)
        other.feed.reach(desk.now())

    if when == "before the write":
        sometimes(desk, "composite/sobjects", appear)
        take_in(desk, told(parties=(STRANGER,)))
    else:
        take_in(desk, told(parties=(STRANGER,)))
        appear()
    desk.pass_time(10)
    desk.look_again()
    desk.write()

    assert desk.task().fields["WhoId"] == DANA.id


def test_what_changes_while_it_is_looked_at_again_is_looked_at_once_more(desk):
    take_in(desk, told(parties=(STRANGER,)))
    desk.org.change(replace(INSTALLER, keys=("phone:+14085550190",)), replace(INSTALLER, id="001000000000009AAA", keys=("phone:+14085550190",)))  # fmt: skip
    desk.pass_time(600)
    mending(desk).step()
    known = desk.store.mirror.around

    def changing(org, keys, ids):
        found = known(org, keys, ids)
        desk.store.mirror.around = known
        desk.org.change(DANA)
        desk.pass_time(61)
        desk.new_writer().feed.reach(desk.now())
        return found

    desk.store.mirror.around = changing
    desk.look_again()
    desk.look_again()
    desk.write()

    assert desk.task().fields["WhoId"] == DANA.id


def test_the_clock_costs_a_call_only_while_somebody_waits(desk):
    take_in(desk, told())
    desk.pass_time(600)
    before = list(desk.org.calls)
    mending(desk).step()
    assert desk.org.calls == before

    take_in(desk, told(id="c-2", parties=(STRANGER,)))
    before = list(desk.org.calls)
    desk.pass_time(600)
    mending(desk).step()
    assert desk.org.calls == [*before, "composite"]


def test_without_a_mirror_the_org_is_asked_again_about_those_told_of_lately(desk):
    desk.is_mirrored = False
    desk.writer = desk.new_writer()
    take_in(desk, told(parties=(STRANGER,)))
    take_in(desk, told(id="c-2", parties=(replace(STRANGER, phone="+14155550177"),)))
    desk.org.change(DANA)
    desk.pass_time(UNMIRRORED.total_seconds() - 700)
    mend(desk)
    desk.write()
    assert desk.task().fields["WhoId"] == DANA.id
    assert desk.row("c-2").written_version == desk.row("c-2").version

    before = list(desk.org.calls)
    mend(desk)
    assert desk.org.calls == before, "a day is over"


def test_what_is_history_waits_no_longer(desk):
    take_in(desk, told(parties=(STRANGER,)))
    desk.pass_time(RETENTION.total_seconds() + 1)
    before = list(desk.org.calls)
    mending(desk).step()

    assert desk.org.calls == before
    assert not desk.store.interactions.waits("main")


def test_a_mirror_that_cannot_be_read_now_loses_nothing(desk):
    take_in(desk, told(parties=(STRANGER,)))
    desk.org.change(DANA)
    desk.pass_time(600)
    desk.org.switches.before.append(RetryableError("Busy"))
    with pytest.raises(RetryableError):
        mending(desk).step()
    mend(desk)

    assert desk.task().fields["WhoId"] == DANA.id


def test_a_correction_is_no_delay(desk):
    take_in(desk, told(parties=(STRANGER,)))
    desk.org.change(DANA)
    mend(desk)

    assert desk.ledger.results["updated"] == 1
    assert desk.ledger.lags == [1.0]


def test_a_first_load_wakes_nobody(desk):
    take_in(desk, told(parties=(STRANGER,)), told(id="c-2"))
    desk.pass_time(10)

    assert desk.look_again() == 0


def test_a_correction_whose_answer_was_lost_is_told_once(desk):
    take_in(desk, told(parties=(STRANGER,)))
    desk.org.change(DANA)
    desk.pass_time(600)
    mending(desk).step()
    desk.look_again()
    desk.org.switches.after.append(RetryableError("Reset"))
    with pytest.raises(RetryableError):
        desk.write()
    desk.pass_time(600)
    desk.write()

    assert desk.task().fields["WhoId"] == DANA.id
    assert len(history(desk)) == 1


# --- what people's edits teach


def test_an_edit_in_salesforce_is_learnt_once(desk):
    take_in(desk, told())
    desk.org.people_edit(desk.task().id, WhoId=DANA.id)
    desk.pass_time(60)
    for minute in (1, 2):
        take_in(desk, told(at=minute, notes=f"Note {minute}"))

    remembered = desk.store.choices.remembered("main", CASEY.keys)
    assert {(one.record_id, one.confirmed, one.rejected) for one in remembered[CASEY.keys[0]]} == {
        (CASEY.id, 0, 1),
        (DANA.id, 1, 0),
    }
    assert history(desk) == [f"In Salesforce a person put {DANA.id} in the place of Casey Customer on the Task."]


def test_a_second_edit_counts_anew(desk):
    take_in(desk, told())
    for minute, who in ((1, DANA.id), (2, TWIN.id)):
        desk.org.people_edit(desk.task().id, WhoId=who)
        desk.pass_time(60)
        take_in(desk, told(at=minute, notes=f"Note {minute}"))

    remembered = desk.store.choices.remembered("main", CASEY.keys)
    assert {(one.record_id, one.confirmed, one.rejected) for one in remembered[CASEY.keys[0]]} == {
        (CASEY.id, 0, 1),
        (DANA.id, 1, 1),
        (TWIN.id, 1, 0),
    }


def test_a_merge_that_moves_the_task_is_no_persons_edit(desk):
    take_in(desk, told())
    desk.org.change(TWIN)
    desk.org.merge(CASEY, TWIN)
    desk.org.people_edit(desk.task().id, WhoId=TWIN.id, TaskWhoIds=[TWIN.id])
    desk.pass_time(60)
    take_in(desk, told(at=1, notes="More"))

    assert desk.store.choices.remembered("main", CASEY.keys) == {}


def test_what_is_remembered_reaches_the_decision(desk):
    take_in(desk, told())
    desk.org.people_edit(desk.task().id, WhoId=DANA.id)
    desk.pass_time(60)
    take_in(desk, told(at=1, notes="More"))

    known, _ = desk.writer._decide([desk.row()])
    assert [one.record_id for one in known.remembered[CASEY.keys[0]]] == [CASEY.id, DANA.id]
    assert timedelta(0) <= desk.now() - known.remembered[CASEY.keys[0]][0].at < timedelta(minutes=2)
