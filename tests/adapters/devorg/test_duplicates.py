"""Duplicate rules: what they stop, what they say, and who may save all the same."""

from __future__ import annotations

from typing import Any

import pytest
import requests

MANY = "/composite/sobjects"
ALLOW = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
EMAIL = "casey@freemail.example"


def rule(**changes: Any) -> dict[str, Any]:
    return {"object": "Contact", "fields": ["Email"], "action": "block", **changes}


def set_rules(org: Any, *rules: dict[str, Any]) -> None:
    org.control("POST", "/setup", {"duplicate_rules": list(rules)})


def contact(**fields: Any) -> dict[str, Any]:
    return {"LastName": "Copy", "Email": EMAIL, **fields}


def attempt(org: Any, headers: dict[str, str] | None = None, **fields: Any) -> requests.Response:
    return org.call("POST", "/sobjects/Contact", contact(**fields), headers=headers)


def test_a_blocked_create_names_what_it_duplicates(org: Any, casey: str) -> None:
    set_rules(org, rule(name="Contacts"))

    answer = attempt(org, Email="CASEY@freemail.example")

    record = {"attributes": {"type": "Contact", "url": f"/services/data/v62.0/sobjects/Contact/{casey}"}, "Id": casey}
    found = {"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record}
    match = {
        "entityType": "Contact",
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": [found],
        "rule": "Contacts_Match_Rule",
        "size": 1,
        "success": True,
    }
    result = {
        "allowSave": False,
        "duplicateRule": "Contacts",
        "duplicateRuleEntityType": "Contact",
        "errorMessage": "Use one of these records?",
        "matchResults": [match],
    }
    assert answer.status_code == 400
    assert answer.json() == [
        {"duplicateResult": result, "errorCode": "DUPLICATES_DETECTED", "message": "Use one of these records?"}
    ]
    assert org.query("SELECT Id FROM Contact WHERE LastName = 'Copy'") == []


def test_older_versions_misspell_the_result(org: Any, casey: str) -> None:
    set_rules(org, rule())
    url = f"{org.url}/services/data/v56.0/sobjects/Contact"

    (error,) = org.session.post(url, json=contact(), timeout=30).json()

    assert error["duplicateResut"]["matchResults"][0]["matchRecords"][0]["record"]["Id"] == casey
    assert "duplicateResult" not in error


@pytest.mark.parametrize(
    ("action", "headers", "saved"),
    [
        ("alert", {}, False),
        ("alert", ALLOW, True),
        ("alert", {"Sforce-Duplicate-Rule-Header": "includeRecordDetails=true; allowSave=true"}, True),
        ("alert", {"Sforce-Duplicate-Rule-Header": "allowSave=false"}, False),
        ("block", ALLOW, False),
    ],
)
def test_the_header_overrides_an_alert_only(org: Any, action: str, headers: dict[str, str], saved: bool) -> None:
    set_rules(org, rule(action=action))

    answer = attempt(org, headers)

    assert (answer.status_code == 201) is saved
    if not saved:
        assert answer.json()[0]["duplicateResult"]["allowSave"] is (action == "alert")


def test_before_v52_there_is_no_such_header(org: Any) -> None:
    set_rules(org, rule(action="alert"))
    url = f"{org.url}/services/data/v51.0/sobjects/Contact"

    assert org.session.post(url, json=contact(), headers=ALLOW, timeout=30).status_code == 400


def test_an_alert_has_words_of_its_own(org: Any) -> None:
    set_rules(org, rule(action="alert"), rule(object="Lead", message="Ask first"))

    (error,) = attempt(org).json()
    lead = {"LastName": "x", "Company": "x", "Email": "gina@fieldsfarm.example"}
    (other,) = org.call("POST", "/sobjects/Lead", lead).json()

    assert error["message"] == "You're creating a duplicate record. We recommend you use an existing record instead."
    assert (other["message"], other["duplicateResult"]["errorMessage"]) == ("Ask first", "Ask first")


def test_details_are_given_on_request(org: Any) -> None:
    set_rules(org, rule())

    (error,) = attempt(org, {"Sforce-Duplicate-Rule-Header": "includeRecordDetails=true"}).json()

    record = error["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]
    assert (record["Name"], record["Phone"]) == ("Casey Customer", "+1 415 555 0123")


def test_a_rule_runs_on_what_it_is_for(org: Any, robin: str) -> None:
    set_rules(org, rule(on=["create"]))
    org.update("Contact", robin, Email=EMAIL)
    set_rules(org, rule(on=["update"]))

    assert attempt(org).status_code == 201
    assert org.refusal("PATCH", f"/sobjects/Contact/{robin}", {"Email": "CASEY@freemail.example"})[1] == (
        "DUPLICATES_DETECTED"
    )


def test_an_edit_of_other_fields_concerns_no_rule(org: Any, casey: str, robin: str) -> None:
    org.update("Contact", robin, Email=EMAIL)
    set_rules(org, rule())

    org.update("Contact", robin, Title="x")
    org.update("Contact", casey, Email=EMAIL, Title="y")

    assert org.get("Contact", robin)["Title"] == "x"


@pytest.mark.parametrize("phone", ["4155550123", "1 (415) 555-0123", "+1.415.555.0123"])
def test_phone_numbers_match_however_written(org: Any, casey: str, phone: str) -> None:
    set_rules(org, rule(fields={"Phone": "phone"}))

    (error,) = attempt(org, Phone=phone).json()

    match = error["duplicateResult"]["matchResults"][0]
    assert match["matchEngine"] == "FuzzyMatchEngine"
    assert [each["record"]["Id"] for each in match["matchRecords"]] == [casey]


def test_all_fields_of_a_rule_must_match_and_none_be_empty(org: Any) -> None:
    set_rules(org, rule(fields={"Email": "exact", "LastName": "exact"}), rule(fields=["Title"]))

    assert attempt(org).status_code == 201
    assert attempt(org, LastName="customer").status_code == 400


def test_a_rule_may_look_among_another_object(org: Any, gina: str) -> None:
    set_rules(org, rule(among="Lead"))

    (error,) = attempt(org, Email="gina@fieldsfarm.example").json()

    match = error["duplicateResult"]["matchResults"][0]
    assert (match["entityType"], match["matchRecords"][0]["record"]["Id"]) == ("Lead", gina)
    assert error["duplicateResult"]["duplicateRuleEntityType"] == "Contact"


def test_deleted_records_are_no_duplicates(org: Any) -> None:
    org.call("DELETE", f"/sobjects/Contact/{org.create('Contact', LastName='x', Email='x@example.com')}")
    set_rules(org, rule())

    assert attempt(org, Email="x@example.com").status_code == 201


def test_in_collections_the_others_pass_and_the_result_is_short(org: Any) -> None:
    set_rules(org, rule())
    kind = {"attributes": {"type": "Contact"}}

    good, bad = org.call("POST", MANY, {"records": [kind | contact(Email="n@example.com"), kind | contact()]}).json()

    assert good["success"] is True
    error = {"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": []}
    assert bad == {"success": False, "errors": [error]}


def test_what_is_saved_together_is_not_compared(org: Any) -> None:
    set_rules(org, rule())
    record = {"attributes": {"type": "Contact"}, **contact(Email="twin@example.com")}

    results = org.call("POST", MANY, {"records": [record, record]}).json()
    third = org.call("POST", MANY, {"records": [record]}).json()

    assert [result["success"] for result in results + third] == [True, True, False]


def test_the_header_holds_for_collections_upserts_and_composites(org: Any) -> None:
    set_rules(org, rule(action="alert"))
    record = {"attributes": {"type": "Contact"}, **contact()}
    sub = {"method": "POST", "url": "/services/data/v62.0/sobjects/Contact", "referenceId": "a", "body": contact()}

    refused, allowed = (org.call("POST", MANY, {"records": [record]}, headers=each).json() for each in ({}, ALLOW))
    composite = [
        org.call("POST", "/composite", {"compositeRequest": [sub]}, headers=each).json()["compositeResponse"][0]
        for each in ({}, ALLOW)
    ]
    own = {"compositeRequest": [{**sub, "httpHeaders": ALLOW}]}
    inner = org.call("POST", "/composite", own).json()["compositeResponse"][0]

    assert (refused[0]["success"], allowed[0]["success"]) == (False, True)
    assert [each["httpStatusCode"] for each in composite] == [400, 201]
    assert composite[0]["body"][0]["duplicateResult"]["allowSave"] is True
    assert inner["httpStatusCode"] == 201


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "object: there is none called None"),
        ({"object": "Contact"}, "fields: a list of fields"),
        (rule(fields=["Nope"]), "have no field Nope in common"),
        (rule(fields={"Email": "soundex"}), "'soundex' is not a valid MatchKind"),
        (rule(action="ignore"), "'ignore' is not a valid Action"),
        (rule(on=["delete"]), "on: a list of create, update, or both"),
        (rule(colour="red"), "these members only"),
        (3, "object, fields and action"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(org: Any, given: Any, reason: str) -> None:
    answer = requests.post(f"{org.url}/devorg/setup", json={"duplicate_rules": [given]}, timeout=30)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert org.control("GET", "/setup").json()["duplicate_rules"] == []
