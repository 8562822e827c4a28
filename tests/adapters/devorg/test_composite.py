"""Several requests in one: composite, batch, graph and tree."""

from __future__ import annotations

from typing import Any

import pytest

BASE = "/services/data/v62.0"


def post(name: str, sobject: str, **body: Any) -> dict[str, Any]:
    return {"method": "POST", "url": f"{BASE}/sobjects/{sobject}", "referenceId": name, "body": body}


def get(name: str, path: str) -> dict[str, Any]:
    return {"method": "GET", "url": f"{BASE}{path}", "referenceId": name}


def composite(org: Any, *subrequests: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    answer = org.call("POST", "/composite", {"compositeRequest": list(subrequests), **options})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["compositeResponse"])


def test_later_subrequests_refer_to_earlier_answers(org: Any) -> None:
    account, contact, found, again = composite(
        org,
        post("account", "Account", Name="New"),
        post("contact", "Contact", LastName="New", AccountId="@{account.id}"),
        get("found", "/query?q=SELECT+Id,AccountId+FROM+Contact+WHERE+AccountId='@{account.id}'"),
        get("again", "/sobjects/Contact/@{found.records[0].Id}"),
    )

    assert [answer["httpStatusCode"] for answer in (account, contact, found, again)] == [201, 201, 200, 200]
    assert account["httpHeaders"] == {"Location": f"{BASE}/sobjects/Account/{account['body']['id']}"}
    assert again["body"]["AccountId"] == account["body"]["id"]
    assert again["referenceId"] == "again"


def test_references_reach_into_collection_answers(org: Any) -> None:
    records = [{"attributes": {"type": "Account"}, "Name": name} for name in ("a", "b")]
    many = {"method": "POST", "url": f"{BASE}/composite/sobjects", "referenceId": "many", "body": {"records": records}}

    _, second = composite(org, many, get("second", "/sobjects/Account/@{many[1].id}"))

    assert second["body"]["Name"] == "b"


def test_a_composite_counts_as_one_call(org: Any) -> None:
    org.control("DELETE", "/calls")

    composite(org, *(get(f"g{n}", "/limits") for n in range(5)))

    assert org.control("GET", "/calls").json() == {"total": 1, "calls": {"POST composite": 1}, "under_way": 0}


def test_a_failed_subrequest_halts_only_those_that_need_it(org: Any) -> None:
    bad, dependent, free = composite(
        org,
        post("bad", "Contact"),
        post("dependent", "Task", WhoId="@{bad.id}"),
        post("free", "Contact", LastName="Free"),
    )

    assert bad["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert dependent["httpStatusCode"] == 400
    assert dependent["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert free["httpStatusCode"] == 201


def test_all_or_none_rolls_everything_back(org: Any) -> None:
    good, bad, later = composite(
        org,
        post("good", "Contact", LastName="Rolled back"),
        post("bad", "Contact"),
        post("later", "Contact", LastName="Never"),
        allOrNone=True,
    )

    assert bad["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    for halted in (good, later):
        assert halted["body"][0]["errorCode"] == "PROCESSING_HALTED"
        assert halted["httpStatusCode"] == 400
    assert org.query("SELECT Id FROM Contact WHERE LastName IN ('Rolled back', 'Never')") == []


def test_a_composite_is_limited_to_25_subrequests_five_of_them_queries(org: Any) -> None:
    many = [get(f"g{n}", "/limits") for n in range(26)]
    queries = [get(f"q{n}", "/query?q=SELECT+Id+FROM+Lead") for n in range(6)]

    for subrequests in (many, queries):
        assert org.refusal("POST", "/composite", {"compositeRequest": subrequests})[:2] == (400, "LIMIT_EXCEEDED")
    assert len(composite(org, *many[:25])) == 25
    assert len(composite(org, *queries[:5])) == 5


@pytest.mark.parametrize("names", [("a", "a"), ("a b",), ("",), (None,)])
def test_reference_ids_are_plain_and_unique(org: Any, names: tuple[Any, ...]) -> None:
    subrequests = [get(name, "/limits") for name in names]

    assert org.refusal("POST", "/composite", {"compositeRequest": subrequests})[:2] == (400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "url", ["/limits", "https://elsewhere.example/services/data/v62.0/limits", f"{BASE}/composite"]
)
def test_a_subrequest_stays_within_the_rest_resources(org: Any, url: str) -> None:
    (answer,) = composite(org, {"method": "POST", "url": url, "referenceId": "a", "body": {}})

    assert answer["httpStatusCode"] == 400


def test_an_unreadable_value_fails_its_subrequest_only(org: Any) -> None:
    bad, good = composite(org, post("bad", "Contact", LastName=5), post("good", "Contact", LastName="x"))

    assert bad["body"][0]["errorCode"] == "JSON_PARSER_ERROR"
    assert good["httpStatusCode"] == 201


def test_a_batch_runs_independent_requests(org: Any, casey: str) -> None:
    requests = [
        {"method": "PATCH", "url": f"v62.0/sobjects/Contact/{casey}", "richInput": {"Title": "Batched"}},
        {"method": "GET", "url": f"v62.0/sobjects/Contact/{casey}?fields=Title"},
        {"method": "GET", "url": "v62.0/sobjects/Nothing"},
    ]

    body = org.call("POST", "/composite/batch", {"batchRequests": requests}).json()

    assert body["hasErrors"] is True
    assert [result["statusCode"] for result in body["results"]] == [204, 200, 404]
    assert body["results"][1]["result"]["Title"] == "Batched"


def test_a_batch_halts_on_the_first_error_if_asked_to(org: Any) -> None:
    requests = [{"method": "GET", "url": "v62.0/sobjects/Nothing"}, {"method": "GET", "url": "v62.0/limits"}]

    body = org.call("POST", "/composite/batch", {"batchRequests": requests, "haltOnError": True}).json()

    assert body["results"][1]["statusCode"] == 412
    assert body["results"][1]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"


def test_each_graph_is_written_whole_or_not_at_all(org: Any) -> None:
    graphs = [
        {
            "graphId": "1",
            "compositeRequest": [
                post("a", "Account", Name="G"),
                post("c", "Contact", LastName="G", AccountId="@{a.id}"),
            ],
        },
        {"graphId": "2", "compositeRequest": [post("a", "Account", Name="Undone"), post("c", "Contact")]},
    ]

    one, two = org.call("POST", "/composite/graph", {"graphs": graphs}).json()["graphs"]

    assert (one["isSuccessful"], two["isSuccessful"]) == (True, False)
    assert org.query("SELECT Id FROM Account WHERE Name = 'Undone'") == []


def tree(*contacts: dict[str, Any]) -> dict[str, Any]:
    children = [
        {"attributes": {"type": "Contact", "referenceId": f"c{n}"}, **fields} for n, fields in enumerate(contacts)
    ]
    root = {"attributes": {"type": "Account", "referenceId": "a"}, "Name": "Tree", "Contacts": {"records": children}}
    return {"records": [root]}


def test_a_tree_writes_parents_before_children(org: Any) -> None:
    answer = org.call("POST", "/composite/tree/Account", tree({"LastName": "Leaf"}, {"LastName": "Twig"}))

    results = {each["referenceId"]: each["id"] for each in answer.json()["results"]}
    assert (answer.status_code, answer.json()["hasErrors"]) == (201, False)
    assert org.get("Contact", results["c1"])["AccountId"] == results["a"]


def test_a_tree_with_a_bad_leaf_is_not_planted(org: Any) -> None:
    answer = org.call("POST", "/composite/tree/Account", tree({"LastName": "Leaf"}, {}))

    assert (answer.status_code, answer.json()["hasErrors"]) == (400, True)
    (failed,) = answer.json()["results"]
    assert (failed["referenceId"], failed["errors"][0]["statusCode"]) == ("c1", "REQUIRED_FIELD_MISSING")
    assert org.query("SELECT Id FROM Account WHERE Name = 'Tree'") == []


def test_a_tree_is_limited_to_200_records(org: Any) -> None:
    body = tree(*({"LastName": f"L{n}"} for n in range(200)))

    assert org.refusal("POST", "/composite/tree/Account", body)[:2] == (400, "LIMIT_EXCEEDED")
