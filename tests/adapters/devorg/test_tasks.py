"""Tasks: defaults, closing, people, relations, and what else moves when one is written."""

from __future__ import annotations

from typing import Any

import pytest


def relations(org: Any, task: str) -> set[tuple[str, bool]]:
    rows = org.query(f"SELECT RelationId, IsWhat FROM TaskRelation WHERE TaskId = '{task}'")
    return {(row["RelationId"], row["IsWhat"]) for row in rows}


def test_a_bare_task_has_the_platforms_defaults(org: Any) -> None:
    task = org.get("Task", org.create("Task"))

    assert (task["Status"], task["Priority"], task["TaskSubtype"]) == ("Not Started", "Normal", "Task")
    assert (task["IsClosed"], task["CompletedDateTime"], task["IsHighPriority"]) == (False, None, False)
    assert (task["WhoCount"], task["WhatCount"], task["TaskWhoIds"]) == (0, 0, [])


def test_completing_and_reopening_a_task_moves_its_closing_fields(org: Any) -> None:
    task = org.create("Task", Status="Completed")
    closed = org.get("Task", task)
    org.update("Task", task, Status="In Progress")
    reopened = org.get("Task", task)

    assert closed["IsClosed"] is True
    assert closed["CompletedDateTime"] == closed["CreatedDate"]
    assert (reopened["IsClosed"], reopened["CompletedDateTime"]) == (False, None)


def test_the_subtype_is_settled_at_creation(org: Any) -> None:
    task = org.create("Task", TaskSubtype="Call")

    status, code, message = org.refusal("PATCH", f"/sobjects/Task/{task}", {"TaskSubtype": "Call"})

    assert (status, code) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert message.startswith("Unable to create/update fields: TaskSubtype.")


def test_the_account_is_that_of_the_contact_unless_the_subject_has_one(
    org: Any, casey: str, case_1026: str, household: str
) -> None:
    other = org.id_of("Account", "Name = 'North Valley Solar'")
    battery = org.id_of("Opportunity", "Name = 'Customer Household Battery'")

    def account(**fields: Any) -> object:
        return org.get("Task", org.create("Task", **fields))["AccountId"]

    assert account(WhoId=casey) == household
    assert account(WhoId=casey, WhatId=case_1026) == household
    assert account(WhoId=casey, WhatId=other) == other
    assert account(WhatId=battery) == household
    assert account(WhatId=case_1026) is None


def test_the_first_of_several_people_is_the_primary_one(org: Any, casey: str, robin: str) -> None:
    task = org.create("Task", TaskWhoIds=[robin, casey])

    record = org.get("Task", task)
    assert (record["WhoId"], record["WhoCount"], record["TaskWhoIds"]) == (robin, 2, [robin, casey])
    assert relations(org, task) == {(robin, False), (casey, False)}


def test_a_primary_person_missing_from_the_list_is_added(org: Any, casey: str, robin: str) -> None:
    record = org.get("Task", org.create("Task", WhoId=casey, TaskWhoIds=[robin]))

    assert record["TaskWhoIds"] == [casey, robin]


def test_changing_the_people_changes_the_relations(org: Any, casey: str, robin: str, case_1026: str) -> None:
    task = org.create("Task", WhoId=casey, WhatId=case_1026)
    org.update("Task", task, TaskWhoIds=[casey, robin])
    two = relations(org, task)
    org.update("Task", task, WhoId=robin, WhatId=None)

    assert two == {(casey, False), (robin, False), (case_1026, True)}
    assert relations(org, task) == {(robin, False)}


def test_emptying_the_primary_person_promotes_another(org: Any, casey: str, robin: str) -> None:
    task = org.create("Task", TaskWhoIds=[casey, robin])

    org.update("Task", task, WhoId=None)

    assert org.get("Task", task)["WhoId"] == robin


def test_who_relations_show_the_people_only(org: Any, casey: str, case_1026: str) -> None:
    task = org.create("Task", WhoId=casey, WhatId=case_1026)

    (row,) = org.query(f"SELECT RelationId, Type FROM TaskWhoRelation WHERE TaskId = '{task}'")

    assert (row["RelationId"], row["Type"]) == (casey, "Contact")


def test_fifty_contacts_fit_and_one_more_does_not(org: Any) -> None:
    loaded = org.control("POST", "/load", {"Contact": [{"LastName": f"Many {n}"} for n in range(51)]})
    people = loaded.json()["ids"]["Contact"]

    assert org.get("Task", org.create("Task", TaskWhoIds=people[:50]))["WhoCount"] == 50
    assert org.refusal("POST", "/sobjects/Task", {"TaskWhoIds": people})[:2] == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_leads_and_contacts_do_not_mix(org: Any, casey: str, gina: str) -> None:
    other_lead = org.id_of("Lead", "Name = 'Hugo Baker'")

    for people in ([gina, casey], [gina, other_lead]):
        refused = org.refusal("POST", "/sobjects/Task", {"TaskWhoIds": people})
        assert refused[:2] == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_a_lead_excludes_any_other_related_record(org: Any, gina: str, case_1026: str) -> None:
    answer = org.call("POST", "/sobjects/Task", {"WhoId": gina, "WhatId": case_1026})

    (error,) = answer.json()
    assert (answer.status_code, error["errorCode"]) == (400, "FIELD_INTEGRITY_EXCEPTION")
    assert error["fields"] == ["WhoId", "WhatId"]
    assert org.get("Task", org.create("Task", WhoId=gina))["WhoId"] == gina


def test_a_person_in_the_list_must_exist(org: Any, casey: str) -> None:
    refused = org.refusal("POST", "/sobjects/Task", {"TaskWhoIds": [casey, "003000000000001AAA"]})

    assert refused == (400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    assert len(org.query("SELECT Id FROM Task")) == 3


def test_writing_a_task_moves_the_stamp_of_everything_it_touches(
    org: Any, casey: str, case_1026: str, household: str
) -> None:
    def stamps() -> list[str]:
        touched = (("Contact", casey), ("Case", case_1026), ("Account", household))
        return [org.get(name, record_id)["SystemModstamp"] for name, record_id in touched]

    before = stamps()
    modified = org.get("Contact", casey)["LastModifiedDate"]

    task = org.create("Task", WhoId=casey, WhatId=case_1026, Status="Completed", ActivityDate="2026-03-02")

    created = org.get("Task", task)["CreatedDate"]
    contact = org.get("Contact", casey)
    assert stamps() == [created] * 3
    assert all(stamp < created for stamp in before)
    assert contact["LastModifiedDate"] == modified
    assert contact["LastActivityDate"] == "2026-03-02"


def test_an_older_or_open_task_leaves_the_last_activity(org: Any, casey: str) -> None:
    org.create("Task", WhoId=casey, Status="Completed", ActivityDate="2026-03-02")
    org.create("Task", WhoId=casey, Status="Completed", ActivityDate="2026-03-01")
    org.create("Task", WhoId=casey, Status="Not Started", ActivityDate="2026-04-01")

    assert org.get("Contact", casey)["LastActivityDate"] == "2026-03-02"


def test_a_relation_made_by_hand_joins_the_task(org: Any, casey: str, robin: str, case_1026: str) -> None:
    task = org.create("Task", WhoId=casey)

    org.create("TaskRelation", TaskId=task, RelationId=robin, IsWhat=False)
    org.create("TaskRelation", TaskId=task, RelationId=case_1026, IsWhat=True)

    record = org.get("Task", task)
    assert record["TaskWhoIds"] == [casey, robin]
    assert (record["WhatId"], record["WhoCount"], record["WhatCount"]) == (case_1026, 2, 1)


@pytest.mark.parametrize("is_what", [True, False])
def test_a_relation_of_the_wrong_kind_is_refused(org: Any, casey: str, case_1026: str, is_what: bool) -> None:
    target = casey if is_what else case_1026
    body = {"TaskId": org.create("Task"), "RelationId": target, "IsWhat": is_what}

    assert org.refusal("POST", "/sobjects/TaskRelation", body)[:2] == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_a_task_has_room_for_one_subject_and_each_person_once(
    org: Any, casey: str, case_1026: str, household: str
) -> None:
    task = org.create("Task", WhoId=casey, WhatId=case_1026)

    again = {"TaskId": task, "RelationId": casey, "IsWhat": False}
    second = {"TaskId": task, "RelationId": household, "IsWhat": True}

    assert org.refusal("POST", "/sobjects/TaskRelation", again)[1] == "DUPLICATE_VALUE"
    assert org.refusal("POST", "/sobjects/TaskRelation", second)[1] == "FIELD_INTEGRITY_EXCEPTION"


def test_a_relation_deleted_by_hand_leaves_the_task_and_no_trace(org: Any, casey: str, robin: str) -> None:
    task = org.create("Task", TaskWhoIds=[casey, robin])
    relation = org.id_of("TaskRelation", f"RelationId = '{casey}' AND TaskId = '{task}'")

    assert org.call("DELETE", f"/sobjects/TaskRelation/{relation}").status_code == 204

    assert org.get("Task", task)["WhoId"] == robin
    assert org.query(f"SELECT Id FROM TaskRelation WHERE Id = '{relation}'", "queryAll") == []


def test_deleting_a_contact_leaves_the_task_to_the_others(org: Any, casey: str) -> None:
    other = org.create("Contact", LastName="Second")
    shared = org.create("Task", TaskWhoIds=[other, casey])
    alone = org.create("Task", WhoId=other)

    org.call("DELETE", f"/sobjects/Contact/{other}")

    assert org.get("Task", shared)["TaskWhoIds"] == [casey]
    assert org.refusal("GET", f"/sobjects/Task/{alone}")[1] == "ENTITY_IS_DELETED"


def test_without_shared_activities_a_task_has_one_person(org: Any, casey: str, robin: str) -> None:
    org.control("POST", "/shared-activities", {"on": False})

    fields = {field["name"] for field in org.call("GET", "/sobjects/Task/describe").json()["fields"]}
    refused = org.refusal("POST", "/sobjects/Task", {"TaskWhoIds": [casey, robin]})
    task = org.get("Task", org.create("Task", WhoId=casey))
    missing = [
        org.call("GET", f"/sobjects/{name}/describe").status_code for name in ("TaskRelation", "TaskWhoRelation")
    ]
    query = org.refusal("GET", "/query", params={"q": "SELECT Id FROM TaskWhoRelation"})

    assert not fields & {"TaskWhoIds", "WhoCount", "WhatCount"}
    assert refused[:2] == (400, "INVALID_FIELD")
    assert task["WhoId"] == casey
    assert missing == [404, 404]
    assert query[:2] == (400, "INVALID_TYPE")


def test_high_priority_shows(org: Any) -> None:
    assert org.get("Task", org.create("Task", Priority="High"))["IsHighPriority"] is True


def test_an_event_takes_its_account_and_day_from_what_it_knows(org: Any, casey: str, household: str) -> None:
    event = org.create("Event", WhoId=casey, StartDateTime="2026-03-02T14:54:30Z", DurationInMinutes=30)

    record = org.get("Event", event)
    assert (record["AccountId"], record["ActivityDate"], record["ShowAs"]) == (household, "2026-03-02", "Busy")
