"""The library most integrations use, pointed at the org by a session adapter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from simple_salesforce import (
    Salesforce,
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
    format_soql,
)
from simple_salesforce.exceptions import SalesforceOperationError
from simple_salesforce.format import format_external_id


class ToOrg(HTTPAdapter):
    """Sends https calls for any host to the local org."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def send(self, request: Any, *arguments: Any, **options: Any) -> requests.Response:
        parts = urlsplit(request.url)
        request.headers["Host"] = parts.netloc
        request.url = urlunsplit(("http", self._address, parts.path, parts.query, ""))
        return super().send(request, *arguments, **{**options, "timeout": 30})


@pytest.fixture
def sf(org: Any) -> Iterator[Salesforce]:
    with requests.Session() as session:
        session.mount("https://", ToOrg(urlsplit(org.url).netloc))
        yield Salesforce(
            consumer_key="devorg-client",
            consumer_secret="devorg-secret",
            domain="acme.my",
            session=session,
            version="62.0",
        )


def test_it_creates_reads_updates_and_deletes(sf: Salesforce) -> None:
    created = sf.Contact.create({"LastName": "Library"})
    assert sf.Contact.update(created["id"], {"Title": "x"}) == 204
    assert sf.Contact.get(created["id"])["Title"] == "x"
    assert sf.Contact.delete(created["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        sf.Contact.get(created["id"])


def test_it_upserts_and_reads_by_key(sf: Salesforce) -> None:
    path = format_external_id("Gateway_Interaction_Key__c", "desk:a b/c?d")

    assert sf.Task.upsert(path, {"Subject": "x"}) == 201
    assert sf.Task.upsert(path, {"Subject": "y"}) == 200
    assert sf.Task.get(path)["Subject"] == "y"


def test_it_queries_page_by_page(org: Any, sf: Salesforce) -> None:
    org.control("POST", "/load", {"Contact": [{"LastName": f"Paged {n}"} for n in range(2100)]})
    text = format_soql("SELECT Id FROM Contact WHERE LastName LIKE '{:like}%'", "Paged ")

    page = sf.query(text)
    more = sf.query_more(page["nextRecordsUrl"], identifier_is_url=True)

    assert (len(page["records"]), len(more["records"])) == (2000, 100)
    assert sf.query_all(text)["totalSize"] == 2100


def test_it_reads_limits_descriptions_and_searches(sf: Salesforce) -> None:
    assert sf.limits()["DailyApiRequests"]["Max"] == 100000
    assert sf.Task.describe()["name"] == "Task"
    assert len(sf.describe()["sobjects"]) > 10
    assert sf.Contact.metadata()["objectDescribe"]["name"] == "Contact"
    assert "searchRecords" in sf.search("FIND {Casey} IN NAME FIELDS RETURNING Contact(Id)")
    assert sf.api_usage["api-usage"].total == 100000


def test_it_reads_what_changed_and_what_went(sf: Salesforce) -> None:
    start, end = datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=5)
    created, gone = (sf.Contact.create({"LastName": name})["id"] for name in ("stays", "goes"))
    sf.Contact.delete(gone)

    assert sf.Contact.updated(start, end)["ids"] == [created]
    assert [each["id"] for each in sf.Contact.deleted(start, end)["deletedRecords"]] == [gone]


def test_it_sends_collections_through_restful(sf: Salesforce) -> None:
    body = {"records": [{"attributes": {"type": "Contact"}, "LastName": "x"}]}

    (result,) = sf.restful("composite/sobjects", method="POST", json=body)

    assert result["success"] is True


def test_it_raises_the_orgs_refusals(sf: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.Contact.create({"FirstName": "x"})

    assert caught.value.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"


def test_it_renews_an_expired_session_once(org: Any, sf: Salesforce) -> None:
    org.control("POST", "/sessions/expire")

    assert sf.query("SELECT Id FROM Lead")["totalSize"] == 6


def test_it_pages_without_being_asked(org: Any, sf: Salesforce) -> None:
    org.control("POST", "/load", {"Contact": [{"LastName": f"Paged {n:04}"} for n in range(2001)]})

    found = sf.query_all_iter("SELECT LastName FROM Contact WHERE LastName LIKE 'Paged %' ORDER BY LastName")

    assert [record["LastName"] for record in found] == [f"Paged {n:04}" for n in range(2001)]


def test_it_finds_deleted_records(sf: Salesforce) -> None:
    gone = sf.Contact.create({"LastName": "Gone"})["id"]
    sf.Contact.delete(gone)
    text = "SELECT Id FROM Contact WHERE LastName = 'Gone'"

    assert sf.query(text)["records"] == []
    assert [record["Id"] for record in sf.query_all(text, include_deleted=True)["records"]] == [gone]


def test_it_searches_without_sosl(sf: Salesforce, casey: str) -> None:
    assert casey in {record["Id"] for record in sf.quick_search("Casey")["searchRecords"]}


def test_it_tells_a_sandbox_and_who_it_is(sf: Salesforce) -> None:
    assert sf.is_sandbox() is False
    assert sf.oauth2("userinfo")["preferred_username"] == "integration@devorg.example"


def test_it_reads_by_external_id(sf: Salesforce) -> None:
    created = sf.Task.create({"Subject": "x", "Gateway_Interaction_Key__c": "desk:1"})

    assert sf.Task.get_by_custom_id("Gateway_Interaction_Key__c", "desk:1")["Id"] == created["id"]


def test_it_tells_when_several_records_share_a_key(sf: Salesforce) -> None:
    for name in ("A", "B"):
        sf.Account.create({"Name": name, "Customer_Number__c": "C-1"})

    with pytest.raises(SalesforceMoreThanOneRecord) as caught:
        sf.Account.get_by_custom_id("Customer_Number__c", "C-1")

    assert len(caught.value.content) == 2


def test_it_sends_composite_calls_through_restful(sf: Salesforce) -> None:
    path = "/services/data/v62.0/sobjects/Contact"
    steps = [
        {"method": "POST", "url": path, "referenceId": "made", "body": {"LastName": "Composed"}},
        {"method": "GET", "url": f"{path}/@{{made.id}}?fields=LastName", "referenceId": "read"},
    ]

    answer = sf.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": steps})

    assert [each["httpStatusCode"] for each in answer["compositeResponse"]] == [201, 200]
    assert answer["compositeResponse"][1]["body"]["LastName"] == "Composed"


def test_what_the_org_does_not_have_is_not_found(sf: Salesforce) -> None:
    calls = [
        lambda: sf.apexecute("Anything"),
        lambda: sf.toolingexecute("sobjects"),
        lambda: sf.Contact.describe_layout("012000000000000AAA"),
        lambda: sf.Nonsense__c.create({"Name": "x"}),
        lambda: sf.bulk.Contact.insert([{"LastName": "x"}]),
    ]
    for call in calls:
        with pytest.raises(SalesforceResourceNotFound) as caught:
            call()
        assert caught.value.content[0]["errorCode"] == "NOT_FOUND"


def test_it_logs_in_with_a_signed_assertion(org: Any, sf: Salesforce) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    org.control("POST", "/public-key", {"client_id": "devorg-client", "public_key": public.decode()})

    signed_in = Salesforce(
        username="integration@devorg.example",
        consumer_key="devorg-client",
        privatekey=private.decode(),
        session=sf.session,
        version="62.0",
    )

    assert signed_in.query("SELECT Id FROM Lead")["totalSize"] == 6


def test_it_works_with_a_token_from_elsewhere(org: Any, sf: Salesforce) -> None:
    given = Salesforce(
        session_id=sf.session_id, instance_url="https://acme.my.salesforce.com", session=sf.session, version="62.0"
    )
    assert given.query("SELECT Id FROM Lead")["totalSize"] == 6
    org.control("POST", "/sessions/expire")

    with pytest.raises(SalesforceExpiredSession):
        given.query("SELECT Id FROM Lead")


def test_it_cannot_log_in_with_a_wrong_secret(sf: Salesforce) -> None:
    with pytest.raises(SalesforceAuthenticationFailed):
        Salesforce(consumer_key="devorg-client", consumer_secret="wrong", domain="acme.my", session=sf.session)


def test_it_inserts_in_bulk(sf: Salesforce) -> None:
    records = [{"LastName": "Zoë", "Title": "CEO"}, {"LastName": "", "Title": "nobody"}]

    (job,) = sf.bulk2.Contact.insert(records=records, wait=0)

    assert (job["numberRecordsTotal"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 2, 1)
    results = sf.bulk2.Contact.get_all_ingest_records(job["job_id"])
    (good,), (bad,) = results["successfulRecords"], results["failedRecords"]
    assert (good["Title"], good["sf__Created"]) == ("CEO", "true")
    assert bad["sf__Error"].startswith("REQUIRED_FIELD_MISSING:")
    assert results["unprocessedRecords"] == []
    assert sf.Contact.get(good["sf__Id"])["LastName"] == "Zoë"


def test_it_splits_a_file_over_jobs(sf: Salesforce, tmp_path: Path) -> None:
    source = tmp_path / "contacts.csv"
    source.write_text("LastName\n" + "".join(f"Split {n}\n" for n in range(5)), encoding="utf-8")

    jobs = sf.bulk2.Contact.insert(str(source), batch_size=2, concurrency=2, wait=0)

    assert [job["numberRecordsProcessed"] for job in jobs] == [2, 2, 1]
    assert sf.query("SELECT COUNT() FROM Contact WHERE LastName LIKE 'Split %'")["totalSize"] == 5


def test_it_updates_upserts_and_deletes_in_bulk(sf: Salesforce, casey: str) -> None:
    key = "Gateway_Interaction_Key__c"
    (updated,) = sf.bulk2.Contact.update(records=[{"Id": casey, "Title": "CEO"}], wait=0)
    (by_id,) = sf.bulk2.Contact.upsert(records=[{"Id": casey, "Department": "Sales"}], wait=0)
    for subject in ("x", "y"):
        sf.bulk2.Task.upsert(records=[{key: "desk:1", "Subject": subject}], external_id_field=key, wait=0)
    task = sf.Task.get_by_custom_id(key, "desk:1")
    (deleted,) = sf.bulk2.Task.delete(records=[{"Id": task["Id"]}], wait=0)

    contact = sf.Contact.get(casey)
    assert (contact["Title"], contact["Department"], task["Subject"]) == ("CEO", "Sales", "y")
    assert [each["numberRecordsFailed"] for each in (updated, by_id, deleted)] == [0, 0, 0]
    with pytest.raises(SalesforceResourceNotFound):
        sf.Task.get(task["Id"])


def test_it_is_refused_hard_deletes(sf: Salesforce, casey: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        sf.bulk2.Contact.hard_delete(records=[{"Id": casey}], wait=0)

    assert caught.value.content[0]["errorCode"] == "FEATURENOTENABLED"


def test_it_tells_why_a_bulk_job_failed(sf: Salesforce) -> None:
    with pytest.raises(SalesforceOperationError, match="InvalidBatch : Field name not found : Nonsense"):
        sf.bulk2.Contact.insert(records=[{"Nonsense": "x"}], wait=0)


def test_it_queries_in_bulk_set_by_set(org: Any, sf: Salesforce) -> None:
    org.control("POST", "/load", {"Contact": [{"LastName": f"Bulk {n}"} for n in range(5)]})
    text = "SELECT LastName FROM Contact WHERE LastName LIKE 'Bulk %' ORDER BY LastName"

    sets = list(sf.bulk2.Contact.query(text, max_records=2, wait=0))

    assert sets == ['"LastName"\n"Bulk 0"\n"Bulk 1"\n', '"LastName"\n"Bulk 2"\n"Bulk 3"\n', '"LastName"\n"Bulk 4"\n']


def test_it_queries_deleted_records_in_bulk(sf: Salesforce) -> None:
    gone = sf.Contact.create({"LastName": "Gone"})["id"]
    sf.Contact.delete(gone)

    (found,) = sf.bulk2.Contact.query_all("SELECT Id FROM Contact WHERE LastName = 'Gone'", wait=0)

    assert found == f'"Id"\n"{gone}"\n'


def test_it_downloads_what_it_queried_in_bulk(org: Any, sf: Salesforce, tmp_path: Path) -> None:
    org.control("POST", "/load", {"Contact": [{"LastName": f"Zoë {n}"} for n in range(3)]})
    text = "SELECT LastName FROM Contact WHERE LastName LIKE 'Zoë %' ORDER BY LastName"

    files = sf.bulk2.Contact.download(text, path=str(tmp_path), max_records=2, wait=0)

    assert [each["number_of_records"] for each in files] == [2, 1]
    assert Path(files[1]["file"]).read_text(encoding="utf-8") == '"LastName"\n"Zoë 2"\n'


def test_it_is_refused_bulk_queries_that_group(sf: Salesforce) -> None:
    with pytest.raises(SalesforceMalformedRequest) as caught:
        list(sf.bulk2.Contact.query("SELECT COUNT(Id) FROM Contact", wait=0))

    assert caught.value.content[0]["errorCode"] == "FUNCTIONALITY_NOT_ENABLED"
