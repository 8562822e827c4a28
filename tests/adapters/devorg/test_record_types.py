"""Record types: a record has one of its own object only, and an active one."""

from __future__ import annotations

from typing import Any

import pytest


def record_type(org: Any, name: str) -> str:
    (row,) = org.query(f"SELECT Id FROM RecordType WHERE DeveloperName = '{name}'")
    return str(row["Id"])


@pytest.mark.parametrize(("sobject", "name"), [("Contact", "Homeowner"), ("Case", "Claim")])
def test_a_record_has_an_active_type_of_its_object(org: Any, sobject: str, name: str) -> None:
    body = {"RecordTypeId": record_type(org, name), **({"LastName": "New"} if sobject == "Contact" else {})}

    id = org.call("POST", f"/sobjects/{sobject}", body).json()["id"]

    (row,) = org.query(f"SELECT RecordType.DeveloperName FROM {sobject} WHERE Id = '{id}'")
    assert row["RecordType"]["DeveloperName"] == name


@pytest.mark.parametrize(("sobject", "name"), [("Contact", "Claim"), ("Contact", "Former"), ("Lead", "Homeowner")])
def test_any_other_is_refused(org: Any, sobject: str, name: str) -> None:
    id = record_type(org, name)

    answer = org.call(
        "POST",
        f"/sobjects/{sobject}",
        {"LastName": "New", "Company": "x", "RecordTypeId": id}
        if sobject == "Lead"
        else {"LastName": "New", "RecordTypeId": id},
    )

    assert (answer.status_code, answer.json()) == (
        400,
        [
            {
                "message": f"Record Type ID: this ID value isn't valid for the user: {id}",
                "errorCode": "INVALID_CROSS_REFERENCE_KEY",
                "fields": ["RecordTypeId"],
            }
        ],
    )
