"""Bulk API 2.0 ingest: the life of a job, the CSV it takes, and what it says of every row."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from gateway.devorg import jobs

JOBS = "/jobs/ingest"
KEY = "Gateway_Interaction_Key__c"


def created(org: Any, operation: str = "insert", name: str = "Contact", **options: Any) -> str:
    answer = org.call("POST", JOBS, {"operation": operation, "object": name, **options})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def put(org: Any, job: str, data: str | bytes, **headers: str) -> Any:
    body = data.encode() if isinstance(data, str) else data
    return org.call("PUT", f"{JOBS}/{job}/batches", data=body, headers={"Content-Type": "text/csv", **headers})


def set_state(org: Any, job: str, state: str) -> Any:
    return org.call("PATCH", f"{JOBS}/{job}", {"state": state})


def seen(org: Any, job: str) -> dict[str, Any]:
    return dict(org.call("GET", f"{JOBS}/{job}").json())


def finished(org: Any, data: str | bytes, operation: str = "insert", name: str = "Contact", **options: Any) -> str:
    job = created(org, operation, name, **options)
    assert put(org, job, data).status_code == 201
    assert set_state(org, job, "UploadComplete").json()["state"] == "UploadComplete"
    while seen(org, job)["state"] in {"UploadComplete", "InProgress"}:
        pass
    return job


def rows(org: Any, job: str, which: str) -> list[dict[str, str]]:
    answer = org.call("GET", f"{JOBS}/{job}/{which}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv")
    listed = list(csv.DictReader(io.StringIO(answer.text)))
    # Results come in another order than the upload.
    return listed[::-1] if which.endswith("Results") else listed


def errors(org: Any, job: str) -> list[str]:
    return [row["sf__Error"] for row in rows(org, job, "failedResults")]


def failure(org: Any, data: str | bytes, operation: str = "insert", name: str = "Contact", **options: Any) -> str:
    shown = seen(org, finished(org, data, operation, name, **options))
    assert shown["state"] == "Failed"
    return str(shown["errorMessage"])


def test_a_job_is_described_as_it_was_asked_for(org: Any) -> None:
    body = {"operation": "upsert", "object": "task", "externalIdFieldName": KEY.lower(), "lineEnding": "CRLF"}

    shown = org.call("POST", JOBS, {**body, "columnDelimiter": "TAB", "contentType": "CSV"}).json()

    assert shown["id"].startswith("750")
    assert shown["contentUrl"] == f"services/data/v62.0/jobs/ingest/{shown['id']}/batches"
    assert {name: shown[name] for name in ("operation", "object", "externalIdFieldName", "state", "apiVersion")} == {
        "operation": "upsert",
        "object": "Task",
        "externalIdFieldName": KEY,
        "state": "Open",
        "apiVersion": 62.0,
    }
    assert (shown["lineEnding"], shown["columnDelimiter"], shown["concurrencyMode"]) == ("CRLF", "TAB", "Parallel")


def test_a_client_sees_every_state_in_turn(org: Any) -> None:
    job = created(org)
    states = [seen(org, job)["state"]]
    put(org, job, "LastName\nA\n")
    states.append(set_state(org, job, "UploadComplete").json()["state"])
    states += [seen(org, job)["state"] for _ in range(3)]

    assert states == ["Open", "UploadComplete", "InProgress", "JobComplete", "JobComplete"]
    shown = seen(org, job)
    assert (shown["jobType"], shown["numberRecordsProcessed"], shown["numberRecordsFailed"]) == ("V2Ingest", 1, 0)
    assert "contentUrl" not in shown


def test_what_nobody_waits_for_is_done_all_the_same(org: Any) -> None:
    job = created(org)
    put(org, job, "LastName\nUnwatched\n")
    set_state(org, job, "UploadComplete")

    found = [org.query("SELECT Id FROM Contact WHERE LastName = 'Unwatched'") for _ in range(2)]

    assert [len(each) for each in found] == [0, 1]


def test_ten_thousand_rows_at_a_time(org: Any) -> None:
    job = created(org, name="Case")
    put(org, job, "Subject\n" + "x\n" * 20_001)
    set_state(org, job, "UploadComplete")

    progress = [(shown["state"], shown["numberRecordsProcessed"]) for shown in (seen(org, job) for _ in range(4))]

    assert progress == [("InProgress", 0), ("InProgress", 10_000), ("InProgress", 20_000), ("JobComplete", 20_001)]


def test_an_aborted_job_keeps_what_is_written_and_gives_the_rest_back(org: Any) -> None:
    job = created(org, name="Case")
    put(org, job, "Subject\n" + "".join(f"n{number}\n" for number in range(10_002)))
    set_state(org, job, "UploadComplete")
    assert [seen(org, job)["numberRecordsProcessed"] for _ in range(2)] == [0, 10_000]

    assert set_state(org, job, "Aborted").json()["state"] == "Aborted"

    assert rows(org, job, "unprocessedrecords") == [{"Subject": "n10000"}, {"Subject": "n10001"}]
    assert len(rows(org, job, "successfulResults")) == 10_000


def test_results_name_the_record_and_repeat_the_row(org: Any, casey: str) -> None:
    data = f'Id,Description,Title\n{casey},"two\nlines, ""quoted""",CEO\n003000000000000AAA,x,y\n'

    job = finished(org, data, "update")

    (good,), (bad,) = rows(org, job, "successfulResults"), rows(org, job, "failedResults")
    text = 'two\nlines, "quoted"'
    assert good == {"sf__Id": casey, "sf__Created": "false", "Id": casey, "Description": text, "Title": "CEO"}
    assert list(bad) == ["sf__Id", "sf__Error", "Id", "Description", "Title"]
    assert bad["sf__Error"] == "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"
    assert org.get("Contact", casey)["Description"] == text
    assert rows(org, job, "unprocessedrecords") == []


def test_an_empty_cell_says_nothing_and_na_empties_the_field(org: Any, casey: str) -> None:
    org.update("Contact", casey, Title="CEO", Department="Sales")

    finished(org, f"Id,Title,Department\n{casey},,#N/A\n", "update")

    contact = org.get("Contact", casey)
    assert (contact["Title"], contact["Department"]) == ("CEO", None)


def test_rows_meet_the_rules_of_the_org(org: Any, casey: str) -> None:
    taken = org.create("Task", **{KEY: "taken"})
    header = f"Subject,{KEY},CallType,ActivityDate,WhoId,IsClosed"
    data = [
        f"good,a,Inbound,2026-03-01Z,{casey},",
        "bad picklist,b,Odd,,,",
        "bad date,c,,1 March,,",
        "read-only,d,,,,true",
        "duplicate,taken,,,,",
        "bad person,e,,,00Q00000000000X,",
    ]

    job = finished(org, "\n".join([header, *data, ""]), name="Task")

    assert [row["Subject"] for row in rows(org, job, "successfulResults")] == ["good"]
    assert [row["sf__Created"] for row in rows(org, job, "successfulResults")] == ["true"]
    assert [error.partition(":")[0] for error in errors(org, job)] == [
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "DUPLICATE_VALUE",
        "INVALID_CROSS_REFERENCE_KEY",
    ]
    assert errors(org, job)[1].endswith(":Due Date Only: value not of required type: 1 March:ActivityDate --")
    assert taken in errors(org, job)[3]
    assert seen(org, job)["numberRecordsFailed"] == 5


def test_a_missing_field_is_named(org: Any) -> None:
    job = finished(org, "FirstName\nA\n")

    assert errors(org, job) == ["REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"]


@pytest.mark.parametrize(("text", "stored"), [("true", True), ("FALSE", False), ("1", True), ("0", False)])
def test_booleans(org: Any, text: str, stored: bool) -> None:
    job = finished(org, f"LastName,DoNotCall\nA,{text}\n")

    (row,) = rows(org, job, "successfulResults")
    assert org.get("Contact", row["sf__Id"])["DoNotCall"] is stored


@pytest.mark.parametrize("cell", ["maybe", "#N/A"])
def test_what_is_no_boolean_fails_its_row(org: Any, cell: str) -> None:
    assert errors(org, finished(org, f"LastName,DoNotCall\nA,{cell}\n"))[0].startswith(
        "INVALID_TYPE_ON_FIELD_IN_RECORD"
    )


def test_numbers_are_read_by_the_field(org: Any, household: str) -> None:
    data = f"Name,StageName,CloseDate,Amount,AccountId\nA,Prospecting,2026-03-01,12.5,{household}\nB,Prospecting,2026-03-01,nan,\n"

    job = finished(org, data, name="Opportunity")

    (row,) = rows(org, job, "successfulResults")
    assert org.get("Opportunity", row["sf__Id"])["Amount"] == 12.5
    assert errors(org, job) == ["INVALID_TYPE_ON_FIELD_IN_RECORD:Amount: value not of required type: nan:Amount --"]


def test_upsert_tells_new_from_known(org: Any) -> None:
    known = org.create("Task", **{KEY: "b"})

    job = finished(org, f"{KEY},Subject\na,x\nb,y\n,z\n", "upsert", "Task", externalIdFieldName=KEY)

    assert [(row["sf__Created"], row[KEY]) for row in rows(org, job, "successfulResults")] == [
        ("true", "a"),
        ("false", "b"),
    ]
    assert org.get("Task", known)["Subject"] == "y"
    assert errors(org, job)[0].startswith("MISSING_ARGUMENT")


def test_a_key_given_twice_fails_both_rows(org: Any) -> None:
    job = finished(org, f"{KEY}\na\nA\nb\n", "upsert", "Task", externalIdFieldName=KEY)

    assert [row[KEY] for row in rows(org, job, "successfulResults")] == ["b"]
    assert [error.partition(":")[0] for error in errors(org, job)] == ["DUPLICATE_VALUE"] * 2


def test_upsert_by_id_creates_where_there_is_none(org: Any, casey: str) -> None:
    job = finished(org, f"LastName,Id\nNew,\nKnown,{casey}\n", "upsert", externalIdFieldName="Id")

    assert [(row["sf__Created"], row["LastName"]) for row in rows(org, job, "successfulResults")] == [
        ("true", "New"),
        ("false", "Known"),
    ]


def test_delete_moves_to_the_recycle_bin_what_is_of_the_jobs_object(org: Any, household: str) -> None:
    contact, task = org.create("Contact", LastName="Goes"), org.create("Task")

    job = finished(org, f"Id\n{contact[:15]}\n{household}\n{contact}\n", "delete")

    assert [row["sf__Id"] for row in rows(org, job, "successfulResults")] == [contact]
    assert [error.partition(":")[0] for error in errors(org, job)] == ["MALFORMED_ID", "ENTITY_IS_DELETED"]
    assert org.query(f"SELECT IsDeleted FROM Contact WHERE Id = '{contact}'", "queryAll")[0]["IsDeleted"] is True
    assert org.get("Task", task)["IsDeleted"] is False


def test_delete_takes_ids_and_nothing_else(org: Any, casey: str) -> None:
    message = failure(org, f"Id,LastName\n{casey},Customer\n", "delete")

    assert message == "InvalidBatch : The 'delete' batch must contain only ids"


def test_a_parent_may_be_named_by_an_indexed_field(org: Any, casey: str) -> None:
    email = org.get("Contact", casey)["Email"]

    job = finished(org, f"LastName,ReportsTo.Email\nA,{email.upper()}\nB,nobody@example.com\nC,#N/A\n")

    found = [org.get("Contact", row["sf__Id"])["ReportsToId"] for row in rows(org, job, "successfulResults")]
    message = "Foreign key external ID: nobody@example.com not found for field Email in entity Contact"
    assert found == [casey, None]
    assert errors(org, job) == [f"INVALID_FIELD:{message}:--"]


def test_a_deleted_record_is_no_parent(org: Any) -> None:
    gone = org.create("Contact", LastName="Gone", Email="gone@example.com")
    org.call("DELETE", f"/sobjects/Contact/{gone}")

    assert errors(org, finished(org, "LastName,ReportsTo.Email\nA,gone@example.com\n"))[0].startswith("INVALID_FIELD:")


def test_a_parent_that_could_be_several_is_refused(org: Any) -> None:
    for name in ("A", "B"):
        org.create("Contact", LastName=name, Email="twins@example.com")

    assert errors(org, finished(org, "LastName,ReportsTo.Email\nC,twins@example.com\n"))[0].startswith(
        "DUPLICATE_EXTERNAL_ID:Email: more than one record found for external id field: ["
    )


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Contact", "Nonsense"),
        ("Contact", "LastName;FirstName"),
        ("Contact", "MailingAddress"),
        ("Contact", "Account.Name"),
        ("Contact", "ReportsTo.ReportsTo.Email"),
        ("Task", "TaskWhoIds"),
        ("Task", "Owner.Username"),
    ],
)
def test_a_column_that_is_no_field_fails_the_job(org: Any, name: str, column: str) -> None:
    job = finished(org, f"{column}\nx\n", name=name)

    shown = seen(org, job)
    assert (shown["state"], shown["errorMessage"]) == ("Failed", f"InvalidBatch : Field name not found : {column}")
    assert rows(org, job, "unprocessedrecords") == [{column: "x"}]
    assert rows(org, job, "successfulResults") == []


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        ("LastName\r\nA\r\n", {}, "LineEnding is invalid on user data. Current LineEnding setting is LF"),
        (
            "LastName\nA\n",
            {"lineEnding": "CRLF"},
            "LineEnding is invalid on user data. Current LineEnding setting is CRLF",
        ),
        ("LastName,Title\nA\n", {}, "Row 1 has 1 cells and the header 2"),
        ('LastName\n"A" B\n', {}, "',' expected after '\"' in line 2"),
        (b"LastName\n\xff\n", {}, "The data is not UTF-8 at byte 9"),
        ("", {}, "The data has no header"),
    ],
)
def test_what_is_not_the_csv_it_should_be_fails_the_job(
    org: Any, data: str | bytes, options: dict[str, str], reason: str
) -> None:
    assert failure(org, data, **options) == f"ClientInputError : {reason}"


@pytest.mark.parametrize(
    ("delimiter", "character"),
    [("BACKQUOTE", "`"), ("CARET", "^"), ("COMMA", ","), ("PIPE", "|"), ("SEMICOLON", ";"), ("TAB", "\t")],
)
def test_delimiters_and_line_endings_hold_for_results_too(org: Any, delimiter: str, character: str) -> None:
    data = f"LastName{character}Title\r\nA{character}B\r\n"

    job = finished(org, data, columnDelimiter=delimiter, lineEnding="CRLF")

    text = org.call("GET", f"{JOBS}/{job}/successfulResults").text
    assert text.splitlines()[0] == character.join(
        f'"{name}"' for name in ("sf__Id", "sf__Created", "LastName", "Title")
    )
    assert text.count("\r\n") == 2


def test_data_is_uploaded_once_only(org: Any) -> None:
    job = created(org)
    assert [put(org, job, "LastName\nA\n").status_code for _ in range(2)] == [201, 201]

    answer = set_state(org, job, "UploadComplete")

    (error,) = answer.json()
    assert (answer.status_code, error["errorCode"]) == (400, "INVALIDJOB")
    assert error["message"].startswith(f"Found multipe contents for job: <{job}>")
    assert set_state(org, job, "Aborted").json()["state"] == "Aborted"


def test_data_goes_to_an_open_job_as_csv(org: Any) -> None:
    job = created(org)
    assert put(org, job, "x", **{"Content-Type": "application/json"}).status_code == 415
    put(org, job, "LastName\nA\n")
    set_state(org, job, "UploadComplete")

    answer = put(org, job, "LastName\nB\n")

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")


def test_a_job_without_data_fails(org: Any) -> None:
    job = created(org)
    set_state(org, job, "UploadComplete")

    assert [seen(org, job)["state"] for _ in range(2)] == ["InProgress", "Failed"]
    assert seen(org, job)["errorMessage"] == "ClientInputError : No data was uploaded"


def test_results_wait_for_the_end_of_the_job(org: Any) -> None:
    job = created(org)

    assert org.refusal("GET", f"{JOBS}/{job}/failedResults")[:2] == (412, "JOB_NOT_COMPLETE")


def test_a_state_can_only_be_left_forwards(org: Any) -> None:
    job = finished(org, "LastName\nA\n")

    assert org.refusal("PATCH", f"{JOBS}/{job}", {"state": "Aborted"}) == (
        400,
        "INVALIDJOBSTATE",
        "Aborting already Completed Job not allowed",
    )
    assert org.refusal("PATCH", f"{JOBS}/{job}", {"state": "UploadComplete"})[1] == "INVALIDJOBSTATE"
    assert org.refusal("PATCH", f"{JOBS}/{job}", {"state": "JobComplete"})[1] == "INVALIDJOBSTATE"
    assert org.refusal("PATCH", f"{JOBS}/{job}", {"state": "Closed"})[1] == "JSON_PARSER_ERROR"


def test_a_job_is_deleted_when_it_no_longer_takes_data(org: Any) -> None:
    job = created(org)
    assert org.refusal("DELETE", f"{JOBS}/{job}")[:2] == (400, "API_ERROR")
    set_state(org, job, "Aborted")

    assert org.call("DELETE", f"{JOBS}/{job}").status_code == 204

    assert org.refusal("GET", f"{JOBS}/{job}")[:2] == (404, "NOT_FOUND")


def test_jobs_are_listed(org: Any) -> None:
    ids = [created(org) for _ in range(2)]

    listed = org.call("GET", JOBS).json()

    assert (listed["done"], listed["nextRecordsUrl"]) == (True, None)
    assert [each["id"] for each in listed["records"]] == ids
    assert org.call("GET", JOBS, params={"jobType": "Classic"}).json()["records"] == []


def test_the_list_of_jobs_goes_on_on_a_second_page(org: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_LISTED", 2)
    last = [created(org) for _ in range(3)][-1]

    page = org.call("GET", JOBS).json()
    path = page["nextRecordsUrl"].removeprefix("/services/data/v62.0")

    assert (len(page["records"]), page["done"]) == (2, False)
    assert [each["id"] for each in org.call("GET", path).json()["records"]] == [last]


@pytest.mark.parametrize(
    ("body", "code", "part"),
    [
        ({"operation": "replace", "object": "Contact"}, "JSON_PARSER_ERROR", "operation"),
        ({"operation": "insert", "object": "Contact", "lineEnding": "CR"}, "JSON_PARSER_ERROR", "lineEnding"),
        ({"operation": "insert", "object": "Contact", "contentType": "JSON"}, "JSON_PARSER_ERROR", "contentType"),
        ({"operation": "insert", "object": "Contact", "colour": "red"}, "JSON_PARSER_ERROR", "colour"),
        ({"operation": "insert", "object": "Nonsense"}, "INVALIDJOB", "Unable to find object: Nonsense"),
        ({"operation": "insert"}, "INVALIDJOB", "Unable to find object"),
        ({"operation": "upsert", "object": "Task"}, "INVALIDJOB", "External ID was blank for Task"),
        (
            {"operation": "upsert", "object": "Task", "externalIdFieldName": "Subject"},
            "INVALIDJOB",
            "Field name provided, Subject does not match an External ID for Task",
        ),
        ({"operation": "insert", "object": "TaskWhoRelation"}, "INVALIDENTITY", "TaskWhoRelation"),
        ({"operation": "update", "object": "TaskRelation"}, "INVALIDENTITY", "TaskRelation"),
        ({"operation": "hardDelete", "object": "Contact"}, "FEATURENOTENABLED", "hardDelete"),
        ({"operation": "insert", "object": "Case", "assignmentRuleId": "01Q0000000000AA"}, "INVALIDJOB", "01Q"),
    ],
)
def test_what_cannot_become_a_job_is_refused(org: Any, body: dict[str, str], code: str, part: str) -> None:
    status, found, message = org.refusal("POST", JOBS, body)

    assert (status, found) == (400, code)
    assert part in message


def test_the_api_of_before_jobs_has_none(org: Any) -> None:
    answer = org.session.get(f"{org.url}/services/data/v40.0/jobs/ingest/750000000000000")

    assert answer.status_code == 404


def test_every_request_about_a_job_is_one_call_of_the_allowance(org: Any) -> None:
    org.control("DELETE", "/calls")
    job = finished(org, "LastName\nA\n")
    rows(org, job, "successfulResults")

    assert org.control("GET", "/calls").json() == {
        "total": 6,
        "under_way": 0,
        "calls": {
            "POST jobs/ingest": 1,
            "PUT jobs/ingest/batches": 1,
            "PATCH jobs/ingest": 1,
            "GET jobs/ingest": 2,
            "GET jobs/ingest/successfulResults": 1,
        },
    }


def test_a_reset_forgets_jobs(org: Any) -> None:
    created(org)
    org.control("POST", "/reset", {})
    org.log_in()

    assert org.call("GET", JOBS).json()["records"] == []
