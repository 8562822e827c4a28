"""Row locks: which writes take them, and what a write gets that cannot."""

from __future__ import annotations

from typing import Any

import pytest

MANY = "/composite/sobjects"
OPEN = {"Status": "Not Started", "ActivityDate": "2026-03-02"}


def hold(org: Any, *ids: str, times: int | None = None) -> None:
    org.control("POST", "/locks", {"ids": list(ids), "times": times})


def contend(org: Any, **contention: Any) -> None:
    org.control("POST", "/locks", {"contention": {"milliseconds": 600_000, **contention}})


def test_a_locked_record_cannot_be_edited_or_deleted(org: Any, robin: str) -> None:
    task = org.create("Task")
    hold(org, robin, task)

    message = f"unable to obtain exclusive access to this record or 1 records: {robin}"
    assert org.refusal("PATCH", f"/sobjects/Contact/{robin}", {"Title": "x"}) == (400, "UNABLE_TO_LOCK_ROW", message)
    assert org.refusal("DELETE", f"/sobjects/Task/{task}")[1] == "UNABLE_TO_LOCK_ROW"
    assert org.get("Contact", robin)["Title"] is None


@pytest.mark.parametrize(
    ("fields", "locks"),
    [
        ({}, False),
        ({"Status": "Completed", "ActivityDate": "2026-03-02"}, False),
        ({"Status": "Completed"}, False),
        (OPEN, True),
    ],
)
def test_a_new_task_locks_its_parents_only_if_open_and_due(org: Any, casey: str, fields: Any, locks: bool) -> None:
    hold(org, casey)

    answer = org.call("POST", "/sobjects/Task", {"WhoId": casey, **fields})

    assert answer.status_code == (400 if locks else 201)


def test_every_edit_of_a_task_locks_account_person_and_subject(
    org: Any, casey: str, robin: str, household: str, case_1026: str
) -> None:
    task = org.create("Task", WhoId=casey, WhatId=case_1026, Status="Completed")
    assert org.get("Task", task)["AccountId"] == household

    for parent in (casey, case_1026, household):
        hold(org, parent, times=1)
        status, code, message = org.refusal("PATCH", f"/sobjects/Task/{task}", {"Subject": "x"})
        assert (status, code, message[-18:]) == (400, "UNABLE_TO_LOCK_ROW", parent)
    hold(org, robin, times=1)
    assert org.refusal("PATCH", f"/sobjects/Task/{task}", {"WhoId": robin})[1] == "UNABLE_TO_LOCK_ROW"
    org.update("Task", task, WhoId=robin)


def test_several_locked_records_are_all_named(org: Any, casey: str, household: str) -> None:
    hold(org, casey, household)

    _, _, message = org.refusal("POST", "/sobjects/Task", {"WhoId": casey, **OPEN})

    assert message == f"unable to obtain exclusive access to this record or 2 records: {household},{casey}"


def test_a_lock_is_held_for_a_number_of_writes_or_until_released(org: Any, robin: str) -> None:
    hold(org, robin, times=2)
    path = f"/sobjects/Contact/{robin}"
    counted = [org.call("PATCH", path, {"Title": "x"}).status_code for _ in range(3)]
    hold(org, robin)
    held = [org.call("PATCH", path, {"Title": "y"}).status_code for _ in range(3)]
    assert org.control("GET", "/locks").json()["held"] == {robin: None}

    org.control("DELETE", "/locks")

    assert (counted, held) == ([400, 400, 204], [400, 400, 400])
    org.update("Contact", robin, Title="z")


def test_in_collections_the_innocent_pass(org: Any, casey: str, robin: str) -> None:
    hold(org, casey)
    records = [{"attributes": {"type": "Task"}, "WhoId": who, **OPEN} for who in (casey, robin)]

    bad, good = org.call("POST", MANY, {"records": records}).json()

    assert good["success"] is True
    message = f"unable to obtain exclusive access to this record or 1 records: {casey}"
    assert bad == {
        "success": False,
        "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": message, "fields": []}],
    }


def statuses(org: Any, casey: str, count: int) -> list[int]:
    return [org.call("POST", "/sobjects/Task", {"WhoId": casey, **OPEN}).status_code for _ in range(count)]


def test_writes_on_one_parent_collide_by_a_repeatable_chance(org: Any, casey: str) -> None:
    contend(org, probability=0.5, seed=3)
    first = statuses(org, casey, 20)
    contend(org, probability=0.5, seed=3)

    assert statuses(org, casey, 20) == first
    assert first[0] == 201
    assert set(first) == {201, 400}


def test_a_transaction_does_not_collide_with_itself_nor_with_other_parents(org: Any, casey: str, gina: str) -> None:
    contend(org, probability=1.0)
    records = [{"attributes": {"type": "Task"}, "WhoId": casey, **OPEN} for _ in range(5)]

    together = org.call("POST", MANY, {"records": records}).json()
    elsewhere = org.call("POST", "/sobjects/Task", {"WhoId": gina, **OPEN})
    again = org.call("POST", "/sobjects/Task", {"WhoId": casey, **OPEN})

    assert [result["success"] for result in together] == [True] * 5
    assert (elsewhere.status_code, again.status_code) == (201, 400)


def test_without_a_span_of_time_nothing_collides(org: Any, casey: str) -> None:
    contend(org, probability=1.0, milliseconds=0)

    assert statuses(org, casey, 3) == [201, 201, 201]


def test_a_contention_that_makes_no_sense_is_refused(org: Any) -> None:
    for given in ({"colour": "red"}, 3, {"probability": "often"}):
        answer = org.session.post(f"{org.url}/devorg/locks", json={"contention": given}, timeout=30)
        assert (answer.status_code, "contention" in answer.json()["error"]) == (400, True)


def test_a_reset_releases_everything(org: Any, robin: str) -> None:
    hold(org, robin)
    contend(org, probability=1.0)

    org.control("POST", "/reset", {})

    shown = org.control("GET", "/locks").json()
    assert shown["held"] == {}
    assert shown["contention"]["probability"] == 0
