"""Bulk API 2.0 query: SOQL answered as CSV, in sets."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

JOBS = "/jobs/query"


def created(org: Any, text: str, operation: str = "query", **options: Any) -> str:
    answer = org.call("POST", JOBS, {"operation": operation, "query": text, **options})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def finished(org: Any, text: str, operation: str = "query", **options: Any) -> str:
    job = created(org, text, operation, **options)
    while (state := org.call("GET", f"{JOBS}/{job}").json()["state"]) in {"UploadComplete", "InProgress"}:
        pass
    assert state == "JobComplete"
    return job


def results(org: Any, job: str, **parameters: Any) -> Any:
    answer = org.call("GET", f"{JOBS}/{job}/results", params=parameters)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv")
    return answer


def records(org: Any, text: str, operation: str = "query") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(results(org, finished(org, text, operation)).text)))


def test_a_job_goes_through_its_states(org: Any) -> None:
    answer = org.call("POST", JOBS, {"operation": "query", "query": "SELECT Id FROM contact"}).json()
    shown = [org.call("GET", f"{JOBS}/{answer['id']}").json() for _ in range(2)]

    assert [each["state"] for each in (answer, *shown)] == ["UploadComplete", "InProgress", "JobComplete"]
    assert (answer["operation"], answer["object"], answer["apiVersion"]) == ("query", "Contact", 62.0)
    assert shown[-1]["jobType"] == "V2Query"
    assert shown[-1]["numberRecordsProcessed"] == len(org.query("SELECT Id FROM Contact"))


def test_values_are_written_as_csv(org: Any, casey: str, household: str) -> None:
    org.update("Contact", casey, Description='two\nlines, "quoted"')
    text = f"SELECT id, account.name, ReportsTo.Name, DoNotCall, Description, Birthdate, CreatedDate FROM Contact WHERE Id = '{casey}'"

    (row,) = records(org, text)

    created_at = org.get("Contact", casey)["CreatedDate"]
    assert list(row) == [
        "Id",
        "Account.Name",
        "ReportsTo.Name",
        "DoNotCall",
        "Description",
        "Birthdate",
        "CreatedDate",
    ]
    assert row["Account.Name"] == org.get("Account", household)["Name"]
    assert (row["ReportsTo.Name"], row["Birthdate"], row["DoNotCall"]) == ("", "", "false")
    assert row["Description"] == 'two\nlines, "quoted"'
    assert created_at.endswith(".000+0000")
    assert row["CreatedDate"] == created_at.replace("+0000", "Z")


def test_parents_of_several_kinds_and_labels_have_columns(org: Any, casey: str) -> None:
    org.create("Task", Subject="x", WhoId=casey)

    (row,) = records(org, "SELECT Who.Name, toLabel(Status) FROM Task WHERE Subject = 'x'")

    assert row == {"Who.Name": "Casey Customer", "Status": "Not Started"}


def test_deleted_records_are_for_query_all(org: Any) -> None:
    gone = org.create("Contact", LastName="Gone")
    org.call("DELETE", f"/sobjects/Contact/{gone}")
    text = "SELECT Id FROM Contact WHERE LastName = 'Gone'"

    assert records(org, text) == []
    assert records(org, text, "queryAll") == [{"Id": gone}]


def test_no_records_are_a_header(org: Any) -> None:
    answer = results(org, finished(org, "SELECT Id, Name FROM Contact WHERE LastName = 'Nobody'"))

    assert answer.text == '"Id","Name"\n'
    assert (answer.headers["Sforce-NumberOfRecords"], answer.headers["Sforce-Locator"]) == ("0", "null")


def test_results_come_in_sets_that_can_be_read_again(org: Any) -> None:
    org.control("POST", "/load", {"Contact": [{"LastName": f"Paged {n}"} for n in range(5)]})
    job = finished(org, "SELECT LastName FROM Contact WHERE LastName LIKE 'Paged %' ORDER BY LastName")

    first = results(org, job, maxRecords=2)
    second = results(org, job, maxRecords=2, locator=first.headers["Sforce-Locator"])
    last = results(org, job, maxRecords=2, locator=second.headers["Sforce-Locator"])

    assert second.text == '"LastName"\n"Paged 2"\n"Paged 3"\n'
    assert last.text == '"LastName"\n"Paged 4"\n'
    assert [each.headers["Sforce-NumberOfRecords"] for each in (first, second, last)] == ["2", "2", "1"]
    assert last.headers["Sforce-Locator"] == "null"
    assert results(org, job, maxRecords=2).text == first.text


def test_the_delimiter_and_the_line_ending_are_chosen(org: Any, casey: str) -> None:
    text = f"SELECT FirstName, LastName FROM Contact WHERE Id = '{casey}'"

    job = finished(org, text, columnDelimiter="PIPE", lineEnding="CRLF")

    assert results(org, job).text == '"FirstName"|"LastName"\r\n"Casey"|"Customer"\r\n'


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("SELECT COUNT() FROM Contact", "aggregate"),
        ("SELECT COUNT(Id) FROM Contact", "aggregate"),
        ("SELECT LastName FROM Contact GROUP BY LastName", "GROUP BY"),
        ("SELECT Id FROM Contact LIMIT 5 OFFSET 2", "OFFSET"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "Aggregate Relationships"),
        ("SELECT TYPEOF Who WHEN Contact THEN Email END FROM Task", "TYPEOF"),
        ("SELECT MailingAddress FROM Contact", "Selecting compound data"),
        ("SELECT TaskWhoIds FROM Task", "Selecting TaskWhoIds"),
        ("SELECT FIELDS(STANDARD) FROM Contact", "FIELDS()"),
    ],
)
def test_what_cannot_be_asked_in_bulk(org: Any, text: str, part: str) -> None:
    status, code, message = org.refusal("POST", JOBS, {"operation": "query", "query": text})

    assert (status, code) == (400, "FUNCTIONALITY_NOT_ENABLED")
    assert part in message
    assert message.endswith("not supported in Bulk Query")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Nonsense FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Nonsense", "INVALID_TYPE"),
        ("SELECT Id FROM Contact WHERE Nonsense = 1", "INVALID_FIELD"),
        ("", "MALFORMED_QUERY"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_at_once(org: Any, text: str, code: str) -> None:
    assert org.refusal("POST", JOBS, {"operation": "query", "query": text})[:2] == (400, code)


def test_results_wait_for_the_end_of_the_job(org: Any) -> None:
    job = created(org, "SELECT Id FROM Contact")

    status, code, message = org.refusal("GET", f"{JOBS}/{job}/results")

    assert (status, code) == (412, "JOB_NOT_COMPLETE")
    assert message.endswith("with status: JOB_COMPLETE. Current status: IN_PROGRESS")


def test_results_are_read_with_the_version_of_the_job(org: Any) -> None:
    job = finished(org, "SELECT Id FROM Contact")

    answer = org.session.get(f"{org.url}/services/data/v61.0{JOBS}/{job}/results")

    assert answer.status_code == 409


@pytest.mark.parametrize("parameters", [{"locator": "nonsense"}, {"maxRecords": "many"}, {"maxRecords": "0"}])
def test_a_set_that_does_not_exist(org: Any, parameters: dict[str, str]) -> None:
    job = finished(org, "SELECT Id FROM Contact")

    assert org.call("GET", f"{JOBS}/{job}/results", params=parameters).status_code == 400


def test_a_job_is_aborted_and_deleted(org: Any) -> None:
    job = created(org, "SELECT Id FROM Contact")
    assert org.refusal("DELETE", f"{JOBS}/{job}")[:2] == (400, "API_ERROR")

    assert org.call("PATCH", f"{JOBS}/{job}", {"state": "Aborted"}).json()["state"] == "Aborted"

    assert org.refusal("GET", f"{JOBS}/{job}/results")[:2] == (412, "JOB_NOT_COMPLETE")
    assert org.call("DELETE", f"{JOBS}/{job}").status_code == 204
    assert org.call("GET", f"{JOBS}/{job}").status_code == 404


def test_query_jobs_and_ingest_jobs_are_apart(org: Any) -> None:
    job = created(org, "SELECT Id FROM Contact")

    assert [each["id"] for each in org.call("GET", JOBS).json()["records"]] == [job]
    assert org.call("GET", f"/jobs/ingest/{job}").status_code == 404
    assert org.call("GET", "/jobs/ingest").json()["records"] == []
    assert org.refusal("PATCH", f"{JOBS}/{job}", {"state": "UploadComplete"})[1] == "INVALIDJOBSTATE"


def test_the_api_of_before_query_jobs_has_none(org: Any) -> None:
    answer = org.session.post(f"{org.url}/services/data/v46.0{JOBS}", json={})

    assert answer.status_code == 404
