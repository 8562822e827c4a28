"""Up to 200 records per call, each with its own result."""

from __future__ import annotations

from typing import Any

import pytest

MANY = "/composite/sobjects"
BY_KEY = "/composite/sobjects/Task/Gateway_Interaction_Key__c"


def tasks(*keys: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"attributes": {"type": "Task"}, "Gateway_Interaction_Key__c": key, **fields} for key in keys]


def send(org: Any, method: str, path: str, records: list[dict[str, Any]], all_or_none: bool | None = None) -> Any:
    body: dict[str, Any] = {"records": records}
    answer = org.call(method, path, body if all_or_none is None else {**body, "allOrNone": all_or_none})
    assert answer.status_code == 200, answer.text
    return answer.json()


def count(org: Any) -> int:
    return int(org.call("GET", "/query", params={"q": "SELECT COUNT() FROM Task"}).json()["totalSize"])


def test_upsert_tells_created_from_updated_in_request_order(org: Any) -> None:
    known = org.create("Task", Gateway_Interaction_Key__c="b")

    a, b, c = send(org, "PATCH", BY_KEY, tasks("a", "B", "c", Subject="x"))

    assert [result["created"] for result in (a, b, c)] == [True, False, True]
    assert b == {"id": known, "success": True, "errors": [], "created": False}


def test_one_bad_record_does_not_hold_up_the_others(org: Any) -> None:
    before = count(org)

    good, bad = send(org, "PATCH", BY_KEY, [*tasks("a"), *tasks("b", CallType="Odd")])

    message = "Call Type: bad value for restricted picklist field: Odd"
    error = {"statusCode": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "message": message, "fields": ["CallType"]}
    assert good["success"] is True
    assert bad == {"success": False, "errors": [error]}
    assert count(org) == before + 1


def test_all_or_none_undoes_the_innocent_too(org: Any) -> None:
    before = count(org)

    good, bad = send(org, "PATCH", BY_KEY, [*tasks("a"), *tasks("b", CallType="Odd")], all_or_none=True)

    assert [error["statusCode"] for error in good["errors"]] == ["ALL_OR_NONE_OPERATION_ROLLED_BACK"]
    assert (good["success"], bad["success"]) == (False, False)
    assert bad["errors"][0]["statusCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert count(org) == before


def test_two_hundred_records_fit_and_one_more_does_not(org: Any) -> None:
    keys = [f"k{n}" for n in range(201)]

    assert all(result["success"] for result in send(org, "PATCH", BY_KEY, tasks(*keys[:200])))
    message = "record limit reached. cannot submit more than 200 records into this call"
    for method, path in (("PATCH", BY_KEY), ("POST", MANY), ("PATCH", MANY)):
        assert org.refusal(method, path, {"records": tasks(*keys)}) == (400, "EXCEEDED_ID_LIMIT", message)


def test_a_key_given_twice_in_one_call_fails_both_times(org: Any) -> None:
    first, other, second = send(org, "PATCH", BY_KEY, tasks("a", "b", "A"))

    assert other["success"] is True
    assert first["errors"] == [
        {
            "statusCode": "DUPLICATE_VALUE",
            "message": "Duplicate external id specified: a",
            "fields": ["Gateway_Interaction_Key__c"],
        }
    ]
    assert second["errors"][0]["message"] == "Duplicate external id specified: A"
    assert org.query("SELECT Id FROM Task WHERE Gateway_Interaction_Key__c = 'a'") == []


@pytest.mark.parametrize("key", [None, "", "  "])
def test_upsert_needs_the_key_in_each_record(org: Any, key: Any) -> None:
    (result,) = send(org, "PATCH", BY_KEY, tasks(key))

    assert result["errors"][0]["statusCode"] == "MISSING_ARGUMENT"


def test_upsert_takes_the_type_of_its_path_only(org: Any) -> None:
    (result,) = send(org, "PATCH", BY_KEY, [{"attributes": {"type": "Contact"}, "LastName": "x"}])

    assert result["errors"][0]["statusCode"] == "INVALID_TYPE"


def test_upsert_by_a_key_of_several_records_is_refused(org: Any) -> None:
    for _ in range(2):
        org.create("Account", Name="x", Customer_Number__c="C-77")
    record = {"attributes": {"type": "Account"}, "Customer_Number__c": "C-77", "Site": "x"}

    (result,) = send(org, "PATCH", "/composite/sobjects/Account/Customer_Number__c", [record])

    assert result["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"


def test_records_of_several_types_are_created_in_one_call(org: Any) -> None:
    records = [
        {"attributes": {"type": "Account"}, "Name": "New"},
        {"attributes": {"type": "Contact"}, "LastName": "New"},
        {"attributes": {"type": "Contact"}},
        {"attributes": {"type": "Nothing"}},
    ]

    account, contact, nameless, nothing = send(org, "POST", MANY, records)

    assert (account["id"][:3], contact["id"][:3]) == ("001", "003")
    assert nameless["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert nothing["errors"][0]["statusCode"] == "INVALID_TYPE"


def test_types_that_change_too_often_are_refused(org: Any) -> None:
    records = [
        {"attributes": {"type": name}, "LastName": "x", "Company": "x"}
        for _ in range(6)
        for name in ("Contact", "Lead")
    ]

    assert org.refusal("POST", MANY, {"records": records})[:2] == (400, "INVALID_INPUT")


def test_a_record_without_a_type_is_refused(org: Any) -> None:
    assert org.refusal("POST", MANY, {"records": [{"LastName": "x"}]})[:2] == (400, "INVALID_INPUT")


@pytest.mark.parametrize("body", [{}, {"records": {}}, {"records": [1]}, []])
def test_a_body_without_a_list_of_records_is_unreadable(org: Any, body: Any) -> None:
    assert org.refusal("POST", MANY, body)[:2] == (400, "JSON_PARSER_ERROR")


def test_an_unreadable_value_refuses_the_whole_call(org: Any) -> None:
    before = count(org)

    refused = org.refusal("PATCH", BY_KEY, {"records": [*tasks("a"), *tasks("b", Subject=3)]})

    assert refused[:2] == (400, "JSON_PARSER_ERROR")
    assert count(org) == before


def test_updates_name_their_records(org: Any, casey: str, robin: str) -> None:
    gone = org.create("Contact", LastName="x")
    org.call("DELETE", f"/sobjects/Contact/{gone}")
    kind = {"type": "Contact"}
    records = [
        {"attributes": kind, "id": casey, "Title": "A"},
        {"attributes": kind, "Id": robin[:15], "Title": "B"},
        {"attributes": kind, "Title": "C"},
        {"attributes": kind, "id": "003000000000001AAA", "Title": "D"},
        {"attributes": kind, "id": gone, "Title": "E"},
        {"attributes": kind, "id": "001000000000001AAA", "Title": "F"},
    ]

    results = send(org, "PATCH", MANY, records)

    assert [result["success"] for result in results] == [True, True, False, False, False, False]
    codes = [error["statusCode"] for result in results for error in result["errors"]]
    assert codes == ["MISSING_ARGUMENT", "INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED", "MALFORMED_ID"]
    assert (org.get("Contact", casey)["Title"], org.get("Contact", robin)["Title"]) == ("A", "B")


def test_a_record_updated_twice_in_one_call_is_refused(org: Any, casey: str) -> None:
    records = [{"attributes": {"type": "Contact"}, "id": record_id, "Title": "x"} for record_id in (casey, casey[:15])]

    results = send(org, "PATCH", MANY, records)

    assert [result["errors"][0]["statusCode"] for result in results] == ["DUPLICATE_VALUE"] * 2


def test_records_are_deleted_by_a_list_of_ids(org: Any, casey: str) -> None:
    task, other = org.create("Task"), org.create("Task")

    results = org.call("DELETE", f"{MANY}?ids={task},{casey},{other},nonsense").json()

    assert [result["success"] for result in results] == [True, False, True, False]
    assert [r["errors"][0]["statusCode"] for r in results if r["errors"]] == ["DELETE_FAILED", "MALFORMED_ID"]
    assert org.call("GET", f"/sobjects/Task/{task}").status_code == 404


def test_deleting_all_or_none_keeps_everything_when_one_stays(org: Any, casey: str) -> None:
    task = org.create("Task")

    results = org.call("DELETE", f"{MANY}?ids={task},{casey}&allOrNone=true").json()

    assert results[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert org.call("GET", f"/sobjects/Task/{task}").status_code == 200


def test_records_are_retrieved_in_the_order_asked_for(org: Any, casey: str, robin: str) -> None:
    ids = [robin, "003000000000001AAA", casey[:15]]

    posted = org.call("POST", "/composite/sobjects/Contact", {"ids": ids, "fields": ["Id", "Name"]}).json()
    listed = org.call("GET", f"/composite/sobjects/Contact?ids={','.join(ids)}&fields=Id,Name").json()

    assert [record and record["Name"] for record in posted] == ["Robin Customer", None, "Casey Customer"]
    assert posted == listed


def test_retrieving_is_limited_to_2000_and_known_fields(org: Any, casey: str) -> None:
    path = "/composite/sobjects/Contact"

    assert org.refusal("POST", path, {"ids": [casey] * 2001, "fields": ["Id"]})[1] == "EXCEEDED_ID_LIMIT"
    assert org.refusal("POST", path, {"ids": [casey], "fields": ["Nope"]})[1] == "INVALID_FIELD"
    assert org.refusal("POST", path, {"ids": [casey], "fields": []})[1] == "MALFORMED_QUERY"


def test_a_shared_task_is_undone_with_its_relations(org: Any, casey: str, robin: str) -> None:
    before = len(org.query("SELECT Id FROM TaskRelation"))
    stamp = org.get("Contact", casey)["SystemModstamp"]

    send(org, "PATCH", BY_KEY, [*tasks("a", TaskWhoIds=[casey, robin]), *tasks("b", CallType="Odd")], all_or_none=True)

    assert len(org.query("SELECT Id FROM TaskRelation")) == before
    assert org.get("Contact", casey)["SystemModstamp"] == stamp
