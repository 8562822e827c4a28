"""The library most integrations use, pointed at the org by a session adapter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceMalformedRequest, SalesforceResourceNotFound, format_soql
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
