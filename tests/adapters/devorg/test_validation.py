"""Validation rules: an admin's conditions, in an admin's words."""

from __future__ import annotations

from typing import Any

import pytest
import requests

RESULT = {
    "object": "Task",
    "when": "Status = 'Completed' AND CallDisposition = null",
    "message": "A completed call needs a result.",
    "field": "CallDisposition",
}


def set_rules(org: Any, *rules: dict[str, Any]) -> None:
    org.control("POST", "/setup", {"validation_rules": list(rules)})


def test_a_record_that_meets_the_condition_is_refused(org: Any) -> None:
    set_rules(org, RESULT)

    answer = org.call("POST", "/sobjects/Task", {"Status": "Completed"})

    error = {"message": RESULT["message"], "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}
    assert (answer.status_code, answer.json()) == (400, [{**error, "fields": ["CallDisposition"]}])
    assert org.create("Task", Status="Completed", CallDisposition="Done")
    assert org.create("Task", Status="Not Started")


def test_an_edit_is_judged_by_what_would_be_stored(org: Any) -> None:
    task = org.create("Task", Status="Completed")
    set_rules(org, {**RESULT, "field": None})

    (error,) = org.call("PATCH", f"/sobjects/Task/{task}", {"Subject": "x"}).json()
    org.update("Task", task, CallDisposition="Done")

    assert (error["errorCode"], error["fields"]) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", [])


def test_a_condition_may_go_through_parents(org: Any, casey: str, robin: str) -> None:
    set_rules(org, {"object": "Task", "when": "Who.FirstName = 'Casey'", "message": "Not Casey"})

    assert org.refusal("POST", "/sobjects/Task", {"WhoId": casey})[2] == "Not Casey"
    assert org.create("Task", WhoId=robin)


def test_in_collections_the_others_pass(org: Any) -> None:
    set_rules(org, RESULT)
    kind = {"attributes": {"type": "Task"}}
    body = {"records": [{**kind, "Status": "Completed"}, {**kind, "Status": "Deferred"}]}

    bad, good = org.call("POST", "/composite/sobjects", body).json()

    assert good["success"] is True
    assert bad["errors"] == [
        {
            "statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "message": RESULT["message"],
            "fields": ["CallDisposition"],
        }
    ]


def test_a_validation_rule_comes_before_duplicates_and_unique_keys(org: Any) -> None:
    org.create("Task", Gateway_Interaction_Key__c="k", Subject="x")
    duplicates = [{"object": "Task", "fields": ["Subject"], "action": "block"}]
    org.control("POST", "/setup", {"validation_rules": [RESULT], "duplicate_rules": duplicates})
    body = {"Gateway_Interaction_Key__c": "k", "Subject": "x", "Status": "Completed"}

    codes = [
        org.refusal("POST", "/sobjects/Task", {**body, **more})[1]
        for more in ({}, {"CallDisposition": "Done"}, {"CallDisposition": "Done", "Subject": "y"})
    ]

    assert codes == ["FIELD_CUSTOM_VALIDATION_EXCEPTION", "DUPLICATES_DETECTED", "DUPLICATE_VALUE"]


def test_loading_goes_past_the_rules_and_a_persons_edit_does_not(org: Any) -> None:
    set_rules(org, RESULT)

    (task,) = org.control("POST", "/load", {"Task": [{"Status": "Completed"}]}).json()["ids"]["Task"]
    answer = requests.patch(f"{org.url}/devorg/records/{task}", json={"fields": {"Subject": "x"}}, timeout=30)

    assert answer.status_code == 400
    assert "A completed call needs a result." in answer.json()["error"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({**RESULT, "object": "Nope"}, "object: there is none called Nope"),
        ({**RESULT, "field": "Nope"}, "field: Task has no field Nope"),
        ({**RESULT, "when": "Nope = 1"}, "No such column 'Nope'"),
        ({**RESULT, "when": "Status ="}, "when: "),
        ({**RESULT, "when": "Description = 'x'"}, "can not be filtered"),
        ({**RESULT, "object": "TaskRelation"}, "TaskRelation does not support validation rules"),
        ({"object": "Task"}, "needs when and message"),
        ({**RESULT, "colour": "red"}, "A validation rule has object, when"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(org: Any, given: Any, reason: str) -> None:
    answer = requests.post(f"{org.url}/devorg/setup", json={"validation_rules": [given]}, timeout=30)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert org.control("GET", "/setup").json()["validation_rules"] == []
