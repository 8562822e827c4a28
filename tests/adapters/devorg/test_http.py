"""Paths, methods, headers, sessions and sizes: what holds for every REST call."""

from __future__ import annotations

import gzip
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests


def test_versions_need_no_session(org: Any) -> None:
    versions = requests.get(f"{org.url}/services/data/", timeout=30).json()

    assert (versions[0]["version"], versions[-1]["version"]) == ("31.0", "66.0")
    assert versions[-1] == {"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"}
    assert {each["version"]: each["label"] for each in versions}["62.0"] == "Winter '25"


@pytest.mark.parametrize(
    ("version", "status", "code"),
    [
        ("v30.0", 410, "UNSUPPORTED_API_VERSION"),
        ("v67.0", 404, "NOT_FOUND"),
        ("62.0", 404, "NOT_FOUND"),
        ("vX.0", 404, "NOT_FOUND"),
    ],
)
def test_a_version_that_is_not_served_is_refused(org: Any, version: str, status: int, code: str) -> None:
    answer = org.session.get(f"{org.url}/services/data/{version}/limits", timeout=30)

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (status, code)


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic abc", "Bearer"])
def test_a_call_without_a_living_session_is_refused(org: Any, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = requests.get(f"{org.url}/services/data/v62.0/limits", headers=headers, timeout=30)

    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_every_answer_tells_the_usage(org: Any) -> None:
    org.control("DELETE", "/calls")

    usage = [org.call("GET", path).headers["Sforce-Limit-Info"] for path in ("/limits", "/sobjects/Nothing", "/limits")]

    assert usage == [f"api-usage={n}/100000" for n in (1, 2, 3)]


def test_the_daily_allowance_ends_with_403(org: Any) -> None:
    org.control("DELETE", "/calls")
    org.control("POST", "/quota", {"max": 2})

    answers = [org.call("GET", "/limits") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert answers[1].json()["DailyApiRequests"] == {"Max": 2, "Remaining": 0}
    assert answers[2].json() == [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/sobjects/Task", "GET,HEAD,POST"),
        ("DELETE", "/sobjects/Task", "GET,HEAD,POST"),
        ("POST", "/sobjects/Task/00T000000000001AAA", "DELETE,GET,HEAD,PATCH"),
        ("POST", "/limits", "GET,HEAD"),
        ("GET", "/composite", "POST"),
        ("PATCH", "/query", "GET,HEAD"),
    ],
)
def test_a_method_a_resource_does_not_have_is_405(org: Any, method: str, path: str, allowed: str) -> None:
    message = f"HTTP Method '{method}' not allowed. Allowed are {allowed}"

    assert org.refusal(method, path) == (405, "METHOD_NOT_ALLOWED", message)


@pytest.mark.parametrize(
    "path", ["/nothing", "/sobjects/Nothing", "/sobjects/Nothing/describe", "/sobjects/Task/a/b/c", "/tooling"]
)
def test_a_path_that_leads_nowhere_is_404(org: Any, path: str) -> None:
    assert org.refusal("GET", path) == (404, "NOT_FOUND", "The requested resource does not exist")


def test_trailing_slashes_are_accepted(org: Any, casey: str) -> None:
    for path in (
        "/limits/",
        "/sobjects/",
        "/sobjects/Contact/",
        f"/sobjects/Contact/{casey}/",
        "/sobjects/Contact/describe/",
    ):
        assert org.call("GET", path).status_code == 200
    assert org.call("POST", "/sobjects/Contact/", {"LastName": "x"}).status_code == 201
    assert org.call("GET", "/query/", params={"q": "SELECT Id FROM Contact"}).status_code == 200


def test_a_method_may_be_put_into_the_query(org: Any, casey: str) -> None:
    answer = org.call("POST", f"/sobjects/Contact/{casey}?_HttpMethod=PATCH", {"Title": "Owner"})

    assert answer.status_code == 204
    assert org.get("Contact", casey)["Title"] == "Owner"


def test_a_body_that_is_not_json_by_name_is_415(org: Any) -> None:
    refused = org.refusal("POST", "/sobjects/Contact", data={"LastName": "x"})

    assert refused[:2] == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "body", [b"{", b"", b'{"LastName": NaN}', b'{"LastName": "\xff"}', b"[" * 100_000, b"[]", b"3"]
)
def test_a_body_that_is_no_json_object_is_unreadable(org: Any, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    status, code, message = org.refusal("POST", "/sobjects/Contact", data=body, headers=headers)

    assert (status, code) == (400, "JSON_PARSER_ERROR")
    assert " at [line:1, column:" in message


def test_a_compressed_body_is_read(org: Any) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps({"LastName": "Small"}).encode())

    assert org.call("POST", "/sobjects/Contact", data=body, headers=headers).status_code == 201


def test_a_chunked_body_is_read(org: Any) -> None:
    headers = {"Content-Type": "application/json"}

    assert (
        org.call("POST", "/sobjects/Contact", data=iter([b'{"LastName":', b'"Pieces"}']), headers=headers).status_code
        == 201
    )


def test_an_address_beyond_16_kib_is_414_and_headers_431(org: Any) -> None:
    long = requests.get(f"{org.url}/services/data/v62.0/query?q={'x' * 16400}", timeout=30)
    wide = requests.get(f"{org.url}/services/data/v62.0/limits", headers={"X-Wide": "x" * 16400}, timeout=30)

    assert (long.status_code, wide.status_code) == (414, 431)


def test_one_connection_carries_many_calls(org: Any) -> None:
    connection = http.client.HTTPConnection(urlsplit(org.url).netloc, timeout=30)
    connection.connect()
    sock = connection.sock
    for _ in range(3):
        connection.request("GET", "/services/data")
        assert connection.getresponse().read()
        assert connection.sock is sock
    connection.close()


def test_head_has_the_headers_of_get_and_no_body(org: Any) -> None:
    answer = org.call("HEAD", "/limits")

    assert answer.status_code == 200
    assert int(answer.headers["Content-Length"]) > 0
    assert answer.content == b""


def test_describe_has_the_shape_clients_read(org: Any) -> None:
    described = org.call("GET", "/sobjects/Task/describe").json()
    fields = {field["name"]: field for field in described["fields"]}

    assert (described["name"], described["keyPrefix"], described["createable"]) == ("Task", "00T", True)
    key = fields["Gateway_Interaction_Key__c"]
    assert (key["externalId"], key["unique"], key["idLookup"], key["length"], key["custom"]) == (
        True,
        True,
        True,
        255,
        True,
    )
    subtype = fields["TaskSubtype"]
    assert (subtype["createable"], subtype["updateable"], subtype["restrictedPicklist"]) == (True, False, True)
    who = fields["WhoId"]
    assert (who["referenceTo"], who["relationshipName"], who["polymorphicForeignKey"]) == (
        ["Contact", "Lead"],
        "Who",
        True,
    )
    assert [value["value"] for value in fields["CallType"]["picklistValues"]] == ["Internal", "Inbound", "Outbound"]
    assert (fields["Description"]["filterable"], fields["Status"]["nillable"]) == (False, False)
    assert {"Tasks", "Cases"} <= {
        each["relationshipName"] for each in org.call("GET", "/sobjects/Contact/describe").json()["childRelationships"]
    }


def test_the_global_describe_lists_every_object(org: Any) -> None:
    listed = {each["name"]: each["keyPrefix"] for each in org.call("GET", "/sobjects").json()["sobjects"]}

    expected = {
        "Account": "001",
        "Contact": "003",
        "User": "005",
        "Opportunity": "006",
        "Lead": "00Q",
        "Case": "500",
        "Task": "00T",
    }
    assert expected.items() <= listed.items()


def test_the_resources_of_a_version_are_listed(org: Any) -> None:
    assert org.call("GET", "/").json()["sobjects"] == "/services/data/v62.0/sobjects"


def test_basic_information_lists_recent_records(org: Any) -> None:
    basic = org.call("GET", "/sobjects/Lead").json()

    assert basic["objectDescribe"]["name"] == "Lead"
    assert len(basic["recentItems"]) == 6


def test_the_org_has_no_apex(org: Any) -> None:
    answer = org.session.get(f"{org.url}/services/apexrest/Anything")

    assert answer.status_code == 404
    assert answer.json() == [{"errorCode": "NOT_FOUND", "message": "Could not find a match for URL"}]
