"""Custom fields as data: an org with the interaction key, with one that is not unique, and without."""

from __future__ import annotations

from typing import Any

import pytest
import requests

KEY = "Gateway_Interaction_Key__c"
BY_KEY = f"/composite/sobjects/Task/{KEY}"


def described(org: Any, name: str) -> dict[str, Any]:
    return {field["name"]: field for field in org.call("GET", f"/sobjects/{name}/describe").json()["fields"]}


def test_the_key_is_there_and_unique_from_the_start(org: Any) -> None:
    shown = org.control("GET", "/setup").json()

    assert shown["activity_key"] == "unique"
    assert (shown["duplicate_rules"], shown["validation_rules"]) == ([], [])
    for name in ("Task", "Event"):
        assert (described(org, name)[KEY]["unique"], described(org, name)[KEY]["externalId"]) == (True, True)


def test_an_org_without_the_key_knows_nothing_of_it(org: Any) -> None:
    org.create("Task", **{KEY: "k"})

    org.control("POST", "/setup", {"activity_key": "absent"})

    assert KEY not in described(org, "Task")
    message = f"No such column '{KEY}' on sobject of type Task"
    assert org.refusal("POST", "/sobjects/Task", {KEY: "k"}) == (400, "INVALID_FIELD", message)
    assert org.refusal("PATCH", f"/sobjects/Task/{KEY}/k", {})[:2] == (404, "NOT_FOUND")
    assert org.refusal("PATCH", BY_KEY, {"records": []})[:2] == (404, "NOT_FOUND")
    status, code, _ = org.refusal("GET", "/query", params={"q": f"SELECT Id FROM Task WHERE {KEY} = 'k'"})
    assert (status, code) == (400, "INVALID_FIELD")


def test_a_key_that_is_deleted_loses_its_values(org: Any) -> None:
    task = org.create("Task", Subject="x", **{KEY: "k"})
    org.control("POST", "/setup", {"activity_key": "absent"})

    org.control("POST", "/setup", {"activity_key": "unique"})

    record = org.get("Task", task)
    assert (record[KEY], record["Subject"]) == (None, "x")
    assert org.create("Task", **{KEY: "k"}) != task
    assert org.query(f"SELECT Id FROM Task WHERE {KEY} = 'k'") != []


def test_a_plain_key_can_be_held_by_several_and_then_names_none(org: Any) -> None:
    org.control("POST", "/setup", {"activity_key": "plain"})
    first, second = org.create("Task", **{KEY: "k"}), org.create("Task", **{KEY: "k"})

    answer = org.call("PATCH", f"/sobjects/Task/{KEY}/k", {"Subject": "x"})
    (result,) = org.call("PATCH", BY_KEY, {"records": [{"attributes": {"type": "Task"}, KEY: "k"}]}).json()

    assert answer.status_code == 300
    assert answer.json() == [f"/services/data/v62.0/sobjects/Task/{each}" for each in (first, second)]
    assert result["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"


def test_other_switches_leave_the_key_as_it_is(org: Any) -> None:
    org.control("POST", "/setup", {"activity_key": "absent"})

    org.control("POST", "/shared-activities", {"on": False})

    assert KEY not in described(org, "Task")
    org.control("POST", "/reset", {})
    assert described(org, "Task")[KEY]["unique"] is True


def test_custom_fields_come_and_go(org: Any, casey: str) -> None:
    fields = {
        "Activity": ["Queue__c | string(20) | Queue | cu"],
        "Contact": ["Tier__c | picklist(40) | Tier | cu"],
    }

    org.control("POST", "/setup", {"custom_fields": fields})

    org.update("Contact", casey, Tier__c="Gold")
    assert [row["Id"] for row in org.query("SELECT Id FROM Contact WHERE Tier__c = 'gold'")] == [casey]
    assert org.get("Task", org.create("Task", Queue__c="Solar"))["Queue__c"] == "Solar"
    assert described(org, "Contact")["Tier__c"]["custom"] is True
    assert "Customer_Number__c" not in described(org, "Account")
    assert org.control("GET", "/setup").json()["activity_key"] == "absent"


def test_a_seed_brings_its_own_setup(org: Any) -> None:
    user = {"Username": "integration@devorg.example", "LastName": "I", "Email": "i@example.com", "Alias": "i"}
    setup = {"activity_key": "plain", "custom_fields": {"Case": ["Level__c | double(4,1) | Level | cu"]}}
    seed = {"User": [user], "Case": [{"Subject": "x", "Level__c": 2.5}], "setup": setup}

    org.control("POST", "/reset", {"seed": seed})
    org.log_in()

    assert org.query("SELECT Level__c FROM Case")[0]["Level__c"] == 2.5
    assert org.control("GET", "/setup").json()["activity_key"] == "plain"
    assert described(org, "Task")[KEY]["unique"] is False


@pytest.mark.parametrize(
    ("setup", "reason"),
    [
        ({"colour": "red"}, "A set-up has these members only"),
        ({"activity_key": "maybe"}, "'maybe' is not a valid ActivityKey"),
        ({"custom_fields": []}, "give lists of field lines by object"),
        ({"custom_fields": {"Task": []}}, "Task is no object that has a list of fields (Task and Event: Activity)"),
        ({"custom_fields": {"Contact": ["Tier | string | Tier | cu"]}}, "does not read Name__c | type"),
        ({"custom_fields": {"Contact": ["Tier__c | colour | Tier | cu"]}}, "'colour' is not a valid FieldType"),
    ],
)
def test_a_setup_that_makes_no_sense_changes_nothing(org: Any, setup: Any, reason: str) -> None:
    before = org.control("GET", "/setup").json()

    answer = requests.post(f"{org.url}/devorg/setup", json=setup, timeout=30)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert org.control("GET", "/setup").json() == before
