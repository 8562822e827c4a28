"""What the org refuses, by code and message, and what it fills in by itself."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "fields", "code", "message"),
    [
        ("Contact", {"FirstName": "Only"}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]"),
        ("Contact", {"LastName": "  "}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]"),
        ("Lead", {}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName, Company]"),
        ("Task", {"Status": None}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Status]"),
        (
            "Contact",
            {"LastName": "x", "FirstName": "y" * 41},
            "STRING_TOO_LONG",
            f"First Name: data value too large: {'y' * 41} (max length=40)",
        ),
        (
            "Task",
            {"Description": "x" * 32001},
            "STRING_TOO_LONG",
            f"Description: data value too large: {'x' * 32001} (max length=32000)",
        ),
        ("Task", {"Nonsense__c": "x"}, "INVALID_FIELD", "No such column 'Nonsense__c' on sobject of type Task"),
        (
            "Task",
            {"IsClosed": True, "Subject": "x", "AccountId": None},
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            (
                "Unable to create/update fields: IsClosed, AccountId. Please check the security settings of this field "
                "and verify that it is read/write for your profile or permission set."
            ),
        ),
        (
            "Contact",
            {"Id": "003000000000001AAA", "LastName": "x"},
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "cannot specify Id in an insert call",
        ),
        (
            "Task",
            {"CallType": "Sideways"},
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Call Type: bad value for restricted picklist field: Sideways",
        ),
        (
            "Task",
            {"TaskSubtype": "Chat"},
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "Task Subtype: bad value for restricted picklist field: Chat",
        ),
        ("Task", {"WhoId": "nobody"}, "MALFORMED_ID", "Name ID: id value of incorrect type: nobody"),
        (
            "Task",
            {"WhoId": "003000000000001ZZZ"},
            "MALFORMED_ID",
            "Name ID: id value of incorrect type: 003000000000001ZZZ",
        ),
        (
            "Task",
            {"WhatId": "003000000000001AAA"},
            "MALFORMED_ID",
            "Related To ID: id value of incorrect type: 003000000000001AAA",
        ),
        ("Task", {"WhoId": "003000000000001AAA"}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        (
            "Contact",
            {"LastName": "x", "Email": "not an address"},
            "INVALID_EMAIL_ADDRESS",
            "Email: invalid email address: not an address",
        ),
        (
            "Account",
            {"Name": "x", "NumberOfEmployees": 100_000_000},
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Employees: value outside of valid range on numeric field: 100000000",
        ),
        (
            "Opportunity",
            {"Name": "x", "StageName": "x", "CloseDate": "2026-01-01", "Amount": 1e17},
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Amount: value outside of valid range on numeric field: 1e+17",
        ),
        (
            "Contact",
            {"LastName": "x", "DoNotCall": None},
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            "Do Not Call: value not of required type: ",
        ),
        ("Event", {"Subject": "x"}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [StartDateTime]"),
        (
            "Event",
            {"StartDateTime": "2026-03-02T14:54:30Z"},
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [DurationInMinutes]",
        ),
    ],
)
def test_a_create_that_breaks_a_rule_is_refused(org: Any, name: str, fields: Any, code: str, message: str) -> None:
    assert org.refusal("POST", f"/sobjects/{name}", fields) == (400, code, message)


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("Contact", {"LastName": 5}, "string from VALUE_NUMBER_INT value 5"),
        ("Contact", {"LastName": {"a": 1}}, "string from START_OBJECT value {"),
        ("Contact", {"LastName": "x", "DoNotCall": "true"}, "boolean from VALUE_STRING value true"),
        ("Task", {"CallDurationInSeconds": "12"}, "int from VALUE_STRING value 12"),
        ("Task", {"CallDurationInSeconds": 12.5}, "int from VALUE_NUMBER_FLOAT value 12.5"),
        ("Task", {"CallDurationInSeconds": True}, "int from VALUE_TRUE value true"),
        ("Task", {"ActivityDate": "02.03.2026"}, "date from VALUE_STRING value 02.03.2026"),
        ("Task", {"ActivityDate": "2026-02-30"}, "date from VALUE_STRING value 2026-02-30"),
        ("Task", {"ReminderDateTime": "2026-03-02 14:54"}, "datetime from VALUE_STRING value 2026-03-02 14:54"),
        ("Task", {"ReminderDateTime": "2026-03-02T14:54:30"}, "datetime from VALUE_STRING value 2026-03-02T14:54:30"),
        ("Account", {"Name": "x", "AnnualRevenue": "1000"}, "currency from VALUE_STRING value 1000"),
        ("Task", {"WhoId": 3}, "string from VALUE_NUMBER_INT value 3"),
        ("Task", {"TaskWhoIds": "x"}, "list from VALUE_STRING value x"),
    ],
)
def test_a_json_value_of_the_wrong_kind_is_unreadable(org: Any, name: str, fields: Any, expected: str) -> None:
    status, code, message = org.refusal("POST", f"/sobjects/{name}", fields)

    assert (status, code) == (400, "JSON_PARSER_ERROR")
    assert message.startswith(f"Cannot deserialize instance of {expected} or request may be missing a required field")


def test_the_refusal_of_a_value_says_where_it_stands(org: Any) -> None:
    body = '{\n  "LastName": 5}'
    headers = {"Content-Type": "application/json"}

    _, _, message = org.refusal("POST", "/sobjects/Contact", data=body, headers=headers)

    assert message.endswith("at [line:2, column:14]")


def test_every_error_names_its_fields(org: Any) -> None:
    (error,) = org.call("POST", "/sobjects/Lead", {}).json()

    assert error["fields"] == ["LastName", "Company"]


def test_text_is_trimmed_and_empty_text_is_null(org: Any) -> None:
    record = org.get("Contact", org.create("Contact", LastName="  Trim\t", FirstName="", Title="   "))

    assert (record["LastName"], record["FirstName"], record["Title"]) == ("Trim", None, None)


def test_attributes_and_letter_case_of_field_names_do_not_matter(org: Any) -> None:
    record_id = org.create("contact", attributes={"type": "Whatever"}, lastname="Case")

    assert org.get("CONTACT", record_id)["LastName"] == "Case"


def test_system_fields_tell_who_and_when(org: Any) -> None:
    me = org.id_of("User", "Username = 'integration@devorg.example'")

    record = org.get("Contact", org.create("Contact", LastName="New"))

    assert record["CreatedById"] == record["LastModifiedById"] == record["OwnerId"] == me
    assert record["CreatedDate"] == record["SystemModstamp"]
    assert record["CreatedDate"].endswith(".000+0000")
    assert record["IsDeleted"] is False


def test_moments_are_kept_in_utc_to_the_second(org: Any) -> None:
    task = org.create("Task", ReminderDateTime="2026-03-02T15:54:30.789+01:00")

    assert org.get("Task", task)["ReminderDateTime"] == "2026-03-02T14:54:30.000+0000"


def test_numbers_are_rounded_to_their_scale(org: Any) -> None:
    record = org.create("Opportunity", Name="x", StageName="Prospecting", CloseDate="2026-06-01", Amount=10.129)

    assert org.get("Opportunity", record)["Amount"] == 10.13


def test_fifteen_character_ids_are_taken_and_eighteen_given(org: Any, casey: str) -> None:
    task = org.get("Task", org.create("Task", WhoId=casey[:15]))

    assert task["WhoId"] == casey
    assert org.get("Contact", casey[:15])["Id"] == casey


def test_ids_are_case_sensitive(org: Any, casey: str) -> None:
    assert org.call("GET", f"/sobjects/Contact/{casey.swapcase()}").status_code == 404


def test_a_picklist_that_is_not_restricted_takes_any_value(org: Any) -> None:
    task = org.create("Task", Status="Somewhere between", Type="Seance")

    assert org.get("Task", task)["IsClosed"] is False


def test_a_unique_key_is_taken_in_any_letter_case(org: Any) -> None:
    first = org.create("Task", Gateway_Interaction_Key__c="Front-Desk:c-1")

    refused = org.refusal("POST", "/sobjects/Task", {"Gateway_Interaction_Key__c": "front-desk:C-1"})

    message = f"duplicate value found: Gateway_Interaction_Key__c duplicates value on record with id: {first}"
    assert refused == (400, "DUPLICATE_VALUE", message)


def test_a_deleted_record_frees_its_key(org: Any) -> None:
    first = org.create("Task", Gateway_Interaction_Key__c="k")
    org.call("DELETE", f"/sobjects/Task/{first}")

    assert org.create("Task", Gateway_Interaction_Key__c="k") != first


def test_an_update_may_keep_its_own_key(org: Any) -> None:
    task = org.create("Task", Gateway_Interaction_Key__c="k")

    org.update("Task", task, Gateway_Interaction_Key__c="K", Subject="x")

    assert org.get("Task", task)["Gateway_Interaction_Key__c"] == "K"


def test_a_required_field_cannot_be_emptied(org: Any, casey: str) -> None:
    refused = org.refusal("PATCH", f"/sobjects/Contact/{casey}", {"LastName": None})

    assert refused == (400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]")


def test_a_failed_update_changes_nothing(org: Any, casey: str) -> None:
    before = org.get("Contact", casey)

    org.call("PATCH", f"/sobjects/Contact/{casey}", {"Title": "x", "Email": "bad"})

    assert org.get("Contact", casey) == before


def test_a_reference_to_a_deleted_record_is_refused(org: Any) -> None:
    contact = org.create("Contact", LastName="Gone")
    org.call("DELETE", f"/sobjects/Contact/{contact}")

    assert org.refusal("POST", "/sobjects/Task", {"WhoId": contact}) == (400, "ENTITY_IS_DELETED", "entity is deleted")


def test_a_contact_gets_a_direct_relation_that_follows_its_account(org: Any, household: str) -> None:
    contact = org.create("Contact", LastName="Mover", AccountId=household)
    other = org.create("Account", Name="Elsewhere")
    text = f"SELECT AccountId, IsDirect FROM AccountContactRelation WHERE ContactId = '{contact}'"
    before = [(row["AccountId"], row["IsDirect"]) for row in org.query(text)]

    org.update("Contact", contact, AccountId=other)

    assert before == [(household, True)]
    assert [(row["AccountId"], row["IsDirect"]) for row in org.query(text)] == [(other, True)]


def test_a_contact_has_one_relation_per_account(org: Any, casey: str, household: str) -> None:
    refused = org.refusal("POST", "/sobjects/AccountContactRelation", {"AccountId": household, "ContactId": casey})

    assert refused[:2] == (400, "DUPLICATE_VALUE")


def test_a_direct_relation_cannot_be_deleted(org: Any, casey: str) -> None:
    relation = org.id_of("AccountContactRelation", f"ContactId = '{casey}'")

    assert org.refusal("DELETE", f"/sobjects/AccountContactRelation/{relation}")[:2] == (400, "DELETE_FAILED")


def test_a_private_contact_has_no_relation(org: Any, household: str) -> None:
    contact = org.create("Contact", LastName="Private")

    refused = org.refusal("POST", "/sobjects/AccountContactRelation", {"AccountId": household, "ContactId": contact})

    assert refused[:2] == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_a_new_case_is_numbered_and_gets_its_contacts_account(org: Any, casey: str, household: str) -> None:
    case = org.get("Case", org.create("Case", ContactId=casey, Subject="x"))

    assert case["CaseNumber"] == "00001035"
    assert (case["AccountId"], case["Status"], case["Priority"]) == (household, "New", "Medium")
    assert (case["IsClosed"], case["ClosedDate"]) == (False, None)


def test_a_case_mirrors_its_contact(org: Any, casey: str, case_1026: str) -> None:
    org.update("Contact", casey, Email="new@freemail.example", Phone="(415) 555-0199")

    case = org.get("Case", case_1026)
    assert (case["ContactEmail"], case["ContactPhone"]) == ("new@freemail.example", "(415) 555-0199")
    refused = org.refusal("PATCH", f"/sobjects/Case/{case_1026}", {"ContactEmail": "x@example.com"})
    assert refused[1] == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_closing_a_case_sets_its_date_and_reopening_clears_it(org: Any, case_1026: str) -> None:
    org.update("Case", case_1026, Status="Closed")
    closed = org.get("Case", case_1026)
    org.update("Case", case_1026, Status="Working")
    reopened = org.get("Case", case_1026)

    assert closed["IsClosed"] is True
    assert closed["ClosedDate"] is not None
    assert (reopened["IsClosed"], reopened["ClosedDate"]) == (False, None)


@pytest.mark.parametrize(
    ("name", "where"), [("Contact", "Name = 'Casey Customer'"), ("Account", "Name = 'Customer Household'")]
)
def test_a_record_with_cases_cannot_be_deleted(org: Any, name: str, where: str) -> None:
    status, code, message = org.refusal("DELETE", f"/sobjects/{name}/{org.id_of(name, where)}")

    assert (status, code) == (400, "DELETE_FAILED")
    assert "associated with the following cases" in message
    assert "00001026" in message


def test_deleting_an_account_takes_its_contacts_and_activities_along(org: Any) -> None:
    account = org.create("Account", Name="Short-lived")
    contact = org.create("Contact", LastName="x", AccountId=account)
    task = org.create("Task", WhatId=account)

    assert org.call("DELETE", f"/sobjects/Account/{account}").status_code == 204

    for name, record_id in (("Account", account), ("Contact", contact), ("Task", task)):
        refused = org.refusal("GET", f"/sobjects/{name}/{record_id}")
        assert refused == (404, "ENTITY_IS_DELETED", "entity is deleted")


def test_names_and_addresses_are_put_together(org: Any) -> None:
    contact = org.get("Contact", org.create("Contact", FirstName="Ada", LastName="Lovelace", MailingCity="London"))

    assert contact["Name"] == "Ada Lovelace"
    assert contact["MailingAddress"]["city"] == "London"
    assert contact["OtherAddress"] is None


def test_an_account_is_not_its_own_parent(org: Any, household: str) -> None:
    assert org.refusal("PATCH", f"/sobjects/Account/{household}", {"ParentId": household})[1] == "CIRCULAR_DEPENDENCY"


def test_objects_without_a_verb_refuse_it(org: Any, casey: str) -> None:
    status = org.id_of("TaskStatus", "IsClosed = true")
    relation = org.query("SELECT Id FROM TaskWhoRelation LIMIT 1")[0]["Id"]

    assert org.call("POST", "/sobjects/TaskStatus", {"ApiName": "x"}).status_code == 400
    assert org.call("DELETE", f"/sobjects/TaskStatus/{status}").status_code == 400
    assert org.call("PATCH", f"/sobjects/TaskRelation/{relation}", {"RelationId": casey}).status_code == 400
    assert org.call("DELETE", f"/sobjects/TaskWhoRelation/{relation}").status_code == 400


def test_person_account_fields_exist_only_when_they_are_on(org: Any) -> None:
    fields = {field["name"] for field in org.call("GET", "/sobjects/Account/describe").json()["fields"]}

    assert not fields & {"IsPersonAccount", "PersonContactId", "PersonEmail"}
