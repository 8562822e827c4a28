"""Queries and searches over HTTP, in pages; changes and deletions within a window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


def load_contacts(org: Any, count: int) -> list[str]:
    records = [{"LastName": f"Paged {n:05d}"} for n in range(count)]
    return list(org.control("POST", "/load", {"Contact": records}).json()["ids"]["Contact"])


TEXT = "SELECT Id, LastName FROM Contact WHERE LastName LIKE 'Paged %' ORDER BY LastName"


def test_a_query_comes_in_pages_of_2000(org: Any) -> None:
    load_contacts(org, 4500)

    page = org.call("GET", "/query", params={"q": TEXT}).json()
    pages = [page]
    while not page["done"]:
        page = org.session.get(org.url + page["nextRecordsUrl"], timeout=30).json()
        pages.append(page)

    assert [len(page["records"]) for page in pages] == [2000, 2000, 500]
    assert [page["totalSize"] for page in pages] == [4500] * 3
    assert pages[0]["nextRecordsUrl"].startswith("/services/data/v62.0/query/01g")
    assert pages[0]["nextRecordsUrl"].endswith("-2000")
    names = [record["LastName"] for page in pages for record in page["records"]]
    assert names == [f"Paged {n:05d}" for n in range(4500)]


@pytest.mark.parametrize(("asked", "size"), [("1", 200), ("300", 300), ("5000", 450)])
def test_the_page_size_is_a_hint_within_limits(org: Any, asked: str, size: int) -> None:
    load_contacts(org, 450)

    page = org.call("GET", "/query", params={"q": TEXT}, headers={"Sforce-Query-Options": f"batchSize={asked}"}).json()

    assert len(page["records"]) == size


def test_pages_do_not_move_when_records_change(org: Any) -> None:
    ids = load_contacts(org, 2001)
    first = org.call("GET", "/query", params={"q": TEXT}).json()
    org.call("DELETE", f"/sobjects/Contact/{ids[0]}")

    rest = org.session.get(org.url + first["nextRecordsUrl"], timeout=30).json()

    assert [record["LastName"] for record in rest["records"]] == ["Paged 02000"]


@pytest.mark.parametrize("locator", ["01g000000000001AAA-2000", "nonsense"])
def test_an_unknown_locator_is_refused(org: Any, locator: str) -> None:
    assert org.refusal("GET", f"/query/{locator}") == (400, "INVALID_QUERY_LOCATOR", "invalid query locator")


def test_a_count_has_a_total_and_no_records(org: Any) -> None:
    answer = org.call("GET", "/query", params={"q": "SELECT COUNT() FROM Case"}).json()

    assert answer == {"totalSize": 15, "done": True, "records": []}


def test_a_query_without_text_or_sense_is_refused(org: Any) -> None:
    assert org.refusal("GET", "/query")[:2] == (400, "MALFORMED_QUERY")
    assert org.refusal("GET", "/query", params={"q": "SELECT"})[:2] == (400, "MALFORMED_QUERY")
    assert org.refusal("GET", "/query", params={"q": "SELECT Id FROM Nothing"})[:2] == (400, "INVALID_TYPE")
    assert org.refusal("GET", "/query", params={"q": "SELECT Nope FROM Task"})[:2] == (400, "INVALID_FIELD")


def test_parents_and_children_come_with_a_query(org: Any) -> None:
    text = "SELECT Name, Account.Name, (SELECT CaseNumber FROM Cases) FROM Contact WHERE Name = 'Casey Customer'"

    (record,) = org.query(text)

    assert record["Account"]["Name"] == "Customer Household"
    assert {case["CaseNumber"] for case in record["Cases"]["records"]} == {"00001023", "00001026"}


def test_a_search_finds_a_phone_number(org: Any) -> None:
    text = "FIND {5550123} IN PHONE FIELDS RETURNING Contact(Id, Name)"

    answer = org.call("GET", "/search/", params={"q": text})

    assert answer.status_code == 200
    assert isinstance(answer.json()["searchRecords"], list)
    assert org.refusal("GET", "/search")[:2] == (400, "MALFORMED_SEARCH")


def window(start: timedelta, end: timedelta) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"start": (now + start).isoformat(), "end": (now + end).isoformat()}


LATELY = (timedelta(minutes=-10), timedelta(minutes=10))


def test_updated_lists_what_was_written_in_the_window(org: Any, casey: str) -> None:
    created = org.create("Contact", LastName="x")
    org.update("Contact", casey, Title="x")
    gone = org.create("Contact", LastName="y")
    org.call("DELETE", f"/sobjects/Contact/{gone}")

    answer = org.call("GET", "/sobjects/Contact/updated/", params=window(*LATELY)).json()

    assert answer["ids"] == [created, casey]
    assert answer["latestDateCovered"].endswith(":00.000+0000")


def test_a_task_makes_its_contact_look_changed(org: Any, casey: str) -> None:
    org.create("Task", WhoId=casey)

    assert org.call("GET", "/sobjects/Contact/updated", params=window(*LATELY)).json()["ids"] == [casey]


def test_deleted_lists_what_is_gone_even_without_a_trace(org: Any, casey: str) -> None:
    task = org.create("Task", WhoId=casey)
    relation = org.id_of("TaskRelation", f"TaskId = '{task}'")
    org.call("DELETE", f"/sobjects/Task/{task}")

    tasks = org.call("GET", "/sobjects/Task/deleted/", params=window(*LATELY)).json()
    relations = org.call("GET", "/sobjects/TaskRelation/deleted/", params=window(*LATELY)).json()

    assert [each["id"] for each in tasks["deletedRecords"]] == [task]
    assert [each["id"] for each in relations["deletedRecords"]] == [relation]
    assert set(tasks) == {"deletedRecords", "earliestDateAvailable", "latestDateCovered"}


@pytest.mark.parametrize(
    ("resource", "start", "end"),
    [
        ("updated", timedelta(days=-31), timedelta()),
        ("deleted", timedelta(days=-16), timedelta()),
        ("updated", timedelta(), timedelta(minutes=-5)),
        ("deleted", timedelta(), timedelta(seconds=0)),
    ],
)
def test_a_window_too_old_or_too_short_is_refused(org: Any, resource: str, start: timedelta, end: timedelta) -> None:
    refused = org.refusal("GET", f"/sobjects/Contact/{resource}", params=window(start, end))

    assert refused[:2] == (400, "INVALID_REPLICATION_DATE")


def test_a_window_within_reach_is_taken(org: Any) -> None:
    assert org.call("GET", "/sobjects/Contact/updated", params=window(timedelta(days=-29), timedelta())).ok
    assert org.call("GET", "/sobjects/Contact/deleted", params=window(timedelta(days=-14), timedelta())).ok


def test_a_window_needs_dates_and_an_object_that_replicates(org: Any) -> None:
    assert org.refusal("GET", "/sobjects/Contact/updated", params={"start": "x", "end": "y"})[1] == "INVALID_FIELD"
    assert org.refusal("GET", "/sobjects/TaskStatus/updated", params=window(*LATELY))[1] == "INVALID_TYPE"
