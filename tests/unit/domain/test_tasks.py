"""What a Task should hold, and which of it is sent: never over a person's value, never what the org cannot hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.changes import changes, same
from gateway.domain.tasks import Abilities, Desired, TaskField

OURS = "005U"


def compare(want, written, current, intended=None, create_only=()):
    return changes(Desired(want, frozenset(create_only)), written, intended, current, our_user=OURS)


def test_only_what_differs_is_sent():
    change = compare(
        {"Subject": "a", "Status": "Completed"},
        {"Subject": "b", "Status": "Completed"},
        {"Subject": "b", "Status": "Completed"},
    )

    assert (change.send, change.kept) == ({"Subject": "a"}, {})


def test_a_persons_value_is_kept_and_reported():
    change = compare({"Subject": "new"}, {"Subject": "old"}, {"Subject": "by hand"})

    assert (change.send, change.kept) == ({}, {"Subject": "by hand"})


def test_a_field_that_a_person_filled_before_we_had_a_value_is_theirs():
    change = compare({"CallDisposition": "Resolved"}, {}, {"CallDisposition": "Escalated"})

    assert (change.send, change.kept) == ({}, {"CallDisposition": "Escalated"})


def test_a_field_that_a_person_emptied_stays_empty():
    change = compare({"Description": "long"}, {"Description": "long"}, {"Description": None})

    assert (change.send, change.kept) == ({}, {"Description": None})


def test_a_write_of_unknown_outcome_counts_as_ours_either_way():
    for current in ("before", "sent"):
        change = compare({"Subject": "after"}, {"Subject": "before"}, {"Subject": current}, {"Subject": "sent"})

        assert change.send == {"Subject": "after"}


def test_the_owner_the_org_gave_is_ours_to_change_and_a_persons_is_not():
    assert compare({"OwnerId": "005A"}, {}, {"OwnerId": OURS}).send == {"OwnerId": "005A"}
    assert compare({"OwnerId": "005A"}, {}, {"OwnerId": "005B"}).kept == {"OwnerId": "005B"}


def test_the_people_who_follow_from_who_we_named_are_ours():
    change = compare(
        {"WhoId": "003A", "TaskWhoIds": ["003A", "003B"]}, {"WhoId": "003A"}, {"WhoId": "003A", "TaskWhoIds": ["003A"]}
    )

    assert change.send == {"TaskWhoIds": ["003A", "003B"]}


def test_create_only_fields_are_never_sent_again():
    change = compare(
        {"TaskSubtype": "Email"}, {"TaskSubtype": "Call"}, {"TaskSubtype": "Call"}, create_only=["TaskSubtype"]
    )

    assert change.send == {}


def test_what_the_match_lost_is_emptied_unless_a_task_needs_it():
    change = compare({}, {"WhatId": "500A", "OwnerId": "005A"}, {"WhatId": "500A", "OwnerId": "005A"})

    assert change.send == {"WhatId": None}


def test_line_ends_blanks_and_order_of_ids_are_no_change():
    assert same("a\r\nb ", "a\nb")
    assert same("", None)
    assert same(["1", "2"], ["2", "1"])
    assert same(1, 1.0)
    assert not same("a", "b")


fields = st.dictionaries(st.sampled_from(["A", "B", "C"]), st.sampled_from(["1", "2", "3"]))


@given(fields, fields, fields)
def test_after_a_write_nothing_is_left_to_send_and_every_person_value_stands(want, written, current):
    first = compare(want, written, current)
    after = {name: value for name, value in {**current, **first.send}.items() if value is not None}
    held = {**{n: v for n, v in written.items() if n not in first.held}, **first.held, **first.send}
    second = compare(want, {name: value for name, value in held.items() if value is not None}, after)

    assert second.send == {}
    for name, value in first.kept.items():
        assert after.get(name) == value


def test_shared_activities_show_in_the_fields_of_task():
    field = TaskField("TaskWhoIds", "JunctionIdList", 0, createable=True, updateable=True)

    assert Abilities({"TaskWhoIds": field}, "K").shared_activities
    assert not Abilities({}, "K").shared_activities
