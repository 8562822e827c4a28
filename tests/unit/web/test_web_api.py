"""The API: who may what, what is shown, and that its OpenAPI document tells the truth."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.ports import DeliveryStatus, NewFetch
from gateway.usecases.operations import Role
from gateway.usecases.status import overview
from tests.fakes.store import MemoryStore
from tests.unit.web.doubles import NOW, PAIR, Gateway
from tests.unit.web.test_sync_api import begin

MATCH = {
    "state": "ambiguous",
    "reason": "Two contacts have this number.",
    "policy": "7",
    "account": {"id": "0015g00000XyZabAAB", "name": "North Valley"},
    "case": None,
    "parties": [
        {
            "party": "customer", "role": "customer", "state": "ambiguous", "who": None, "account": None, "evidence": ["Same phone."],
            "candidates": [{"kind": "Contact", "id": "003", "name": "Casey", "account_id": "001", "score": 2.5, "evidence": ["Same phone."]}],
        }
    ],
    "cases_offered": [{"id": "500", "number": "00001026", "name": "Broken inverter"}],
    "added_later": {"by": "a newer version"},
}  # fmt: skip


@pytest.fixture
def reader(gateway) -> dict[str, str]:
    return gateway.bearer(Role.READER)


@pytest.fixture
def operator(gateway) -> dict[str, str]:
    return gateway.bearer(Role.OPERATOR)


def give_up(store: MemoryStore, *names: str) -> None:
    store.deliveries.fold([], [], [NewFetch("main", "front-desk", name, NOW) for name in names])
    for fetch in store.fetches.due("front-desk", NOW, len(names)):
        store.fetches.give_up(fetch, "Gone.")


def assert_problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert response.json["status"] == status
    assert response.headers["Cache-Control"] == "no-store"
    return dict(response.json)


OPERATIONS = [
    ("GET", "/api/interactions", Role.READER),
    ("GET", "/api/interactions/1", Role.READER),
    ("POST", "/api/interactions/1/retry", Role.OPERATOR),
    ("GET", "/api/interactions/1/explanation", Role.READER),
    ("POST", "/api/interactions/1/choice", Role.OPERATOR),
    ("GET", "/api/deliveries", Role.READER),
    ("GET", "/api/deliveries/1", Role.READER),
    ("POST", "/api/deliveries/1/replay", Role.OPERATOR),
    ("GET", "/api/fetches", Role.READER),
    ("POST", "/api/fetches/1/retry", Role.OPERATOR),
    ("GET", "/api/orgs", Role.READER),
    ("GET", "/api/connections", Role.READER),
    ("GET", "/api/status", Role.READER),
    ("GET", "/api/sync", Role.READER),
    ("GET", "/api/sync/crm-phonebook", Role.READER),
    ("POST", "/api/sync/crm-phonebook/pause", Role.OPERATOR),
    ("POST", "/api/sync/crm-phonebook/resume", Role.OPERATOR),
    ("POST", "/api/sync/crm-phonebook/approve", Role.OPERATOR),
    ("GET", "/api/sync/crm-phonebook/runs", Role.READER),
    ("POST", "/api/sync/crm-phonebook/runs", Role.OPERATOR),
    ("GET", "/api/sync/crm-phonebook/runs/1", Role.READER),
    ("GET", "/api/sync/crm-phonebook/runs/1/changes", Role.OPERATOR),
    ("GET", "/api/sync/crm-phonebook/conflicts", Role.OPERATOR),
    ("POST", "/api/sync/crm-phonebook/conflicts/1", Role.OPERATOR),
    ("GET", "/api/sync/crm-phonebook/questions", Role.OPERATOR),
    ("POST", "/api/sync/crm-phonebook/questions/salesforce/s2", Role.OPERATOR),
    ("GET", "/api/sync/crm-phonebook/losses", Role.OPERATOR),
]

BODIES = {
    "/choice": {"who": None},
    "/runs": {"kind": "sync"},
    "/conflicts/1": {"field": "title", "winner": "salesforce"},
    "/questions/salesforce/s2": {"same": None},
}


def test_the_list_of_operations_is_complete(gateway):
    rules = {
        (method, _filled(rule.rule))
        for rule in gateway.app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith("/api/") and method not in {"HEAD", "OPTIONS"}
    }

    assert rules == {(method, path) for method, path, _ in OPERATIONS} | {("GET", "/api/openapi.json")}


def _filled(rule: str) -> str:
    """An address of a route."""
    parts = {
        "<int(min=1, max=9223372036854775807):id>": "1", "<string:pair>": PAIR, "<string:id>": "s2",
        "<any(salesforce, platform):side>": "salesforce",
    }  # fmt: skip
    for part, value in parts.items():
        rule = rule.replace(part, value)
    return rule


@pytest.mark.parametrize(("method", "path", "needed"), OPERATIONS)
def test_who_may_what(gateway, method, path, needed):
    gateway.interactions.add(1, parked="No such field.")
    gateway.deliveries.add(1, status=DeliveryStatus.PARKED)
    begin(gateway)

    refused = gateway.client.open(path, method=method)
    assert_problem(refused, 401)
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    roles = list(Role)
    for role in roles:
        body = next((body for end, body in BODIES.items() if method == "POST" and path.endswith(end)), None)
        give_up(gateway.store, "call-0")
        response = gateway.client.open(path, method=method, headers=gateway.bearer(role), json=body)
        if roles.index(role) < roles.index(needed):
            assert_problem(response, 403)
        else:
            assert response.status_code in {200, 202, 409}
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer gw_x", "Basic {}", "{}", "Bearer {}x", "Bearer gw_" + "é" * 43]
)
def test_other_credentials_are_none(gateway, reader, value):
    secret = reader["Authorization"].removeprefix("Bearer ")

    assert_problem(gateway.client.get("/api/orgs", headers={"Authorization": value.format(secret)}), 401)


def test_the_scheme_may_be_written_anyhow(gateway, reader):
    secret = reader["Authorization"].removeprefix("Bearer ")

    assert gateway.client.get("/api/orgs", headers={"Authorization": f"bearer  {secret} "}).status_code == 200


def test_a_revoked_token_and_an_unknown_role_open_nothing(gateway, reader):
    gateway.tokens.revoke(1, NOW)
    assert_problem(gateway.client.get("/api/orgs", headers=reader), 401)

    odd = gateway.bearer(Role.ADMIN)
    digest, token = gateway.tokens.by_digest.popitem()
    gateway.tokens.by_digest[digest] = type(token)(token.id, token.name, "emperor", NOW)
    assert_problem(gateway.client.get("/api/orgs", headers=odd), 403)


def test_interactions_are_listed_newest_first_in_pages(gateway, reader):
    for id in range(1, 6):
        gateway.interactions.add(id)

    ids, query = [], "?limit=2"
    while query:
        page = gateway.client.get(f"/api/interactions{query}", headers=reader).json
        ids.append([item["id"] for item in page["items"]])
        query = f"?limit=2&before={page['next_before']}" if page["next_before"] else ""

    assert ids == [[5, 4], [3, 2], [1]]


def test_a_full_last_page_has_no_next(gateway, reader):
    gateway.interactions.add(1)

    assert gateway.client.get("/api/interactions?limit=1", headers=reader).json["next_before"] is None


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("org=sandbox", [3]), ("connection=forms", [3]), ("external_id=c-1", [1]), ("state=parked", [2]),
        ("state=ambiguous", [1]), ("state=waiting", [3]), ("org=main&state=parked", [2]), ("org=none", []),
    ],
)  # fmt: skip
def test_interactions_by_filter(gateway, reader, query, ids):
    gateway.interactions.add(1, match=MATCH)
    gateway.interactions.add(2, parked="No such field.")
    gateway.interactions.add(3, org="sandbox", connection="forms")

    assert [
        item["id"] for item in gateway.client.get(f"/api/interactions?{query}", headers=reader).json["items"]
    ] == ids


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=201", "limit=x", "before=0", "before=99999999999999999999", "state=odd", "external_id=", "stat=parked",
        "external_id=a%00b", "org=" + "x" * 256,
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_named(gateway, reader, query):
    problem = assert_problem(gateway.client.get(f"/api/interactions?{query}", headers=reader), 422)

    assert query.split("=")[0] in problem["errors"]["query"]


def test_an_interaction_in_full(gateway, reader):
    gateway.interactions.add(
        7, match=MATCH, task_id="00T5g00000ABCdEEAX", kept={"Subject": "By hand"}, written={"Status": "Completed"},
        version=3, written_version=2, written_at=NOW,
    )  # fmt: skip

    shown = gateway.client.get("/api/interactions/7", headers=reader).json

    assert (shown["id"], shown["external_id"], shown["status"], shown["channel"]) == (7, "c-7", "completed", "voice")
    assert shown["match"] == MATCH
    assert shown["task"] == {"id": "00T5g00000ABCdEEAX", "link": "https://main.example.com/00T5g00000ABCdEEAX"}
    assert shown["kept"] == {"Subject": "By hand"}
    assert shown["written"] == {"Status": "Completed"}
    assert (shown["version"], shown["written_version"], shown["written_at"]) == (3, 2, "2026-03-02T15:00:00+00:00")
    assert shown["parties"][0]["phone"] == "+14155550123"
    assert shown["legs"][0]["agent_name"] == "Ada"
    assert shown["references"] == {"case_number": "00001026"}
    assert shown["attributes"] == {"order": "A-17"}
    assert shown["parked"] is None


def test_a_listed_interaction_is_short(gateway, reader):
    gateway.interactions.add(1, match=MATCH)

    (item,) = gateway.client.get("/api/interactions", headers=reader).json["items"]

    assert item["match"] == {"state": "ambiguous", "reason": "Two contacts have this number."}
    assert "parties" not in item
    assert item["task"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/api/interactions/9",
        "/api/deliveries/9",
        "/api/deliveries/99999999999999999999",
        "/api/interactions/x",
        "/api/nope",
    ],
)
def test_what_is_not_there(gateway, reader, path):
    assert_problem(gateway.client.get(path, headers=reader), 404)


def test_other_methods_are_named(gateway, reader):
    response = gateway.client.delete("/api/interactions", headers=reader)

    assert_problem(response, 405)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_deliveries_are_listed_without_bodies(gateway, reader):
    gateway.deliveries.add(1)
    gateway.deliveries.add(2, status=DeliveryStatus.PARKED, reason="No JSON.", interactions=("c-1",))

    (item,) = gateway.client.get("/api/deliveries?status=parked&connection=front-desk", headers=reader).json["items"]

    assert item == {
        "id": 2, "org": "main", "connection": "front-desk", "key": "k2", "status": "parked", "reason": "No JSON.",
        "content_type": "application/json", "bytes": 25, "received_at": "2026-03-02T15:00:00+00:00", "repeats": 0,
        "interactions": ["c-1"],
    }  # fmt: skip


@pytest.mark.parametrize(("role", "shows"), [(Role.READER, False), (Role.OPERATOR, True), (Role.ADMIN, True)])
def test_a_body_is_for_operators(gateway, role, shows):
    gateway.deliveries.add(1)

    shown = gateway.client.get("/api/deliveries/1", headers=gateway.bearer(role)).json

    assert shown["bytes"] == 25
    assert (shown.get("body"), shown.get("body_encoding")) == (
        ('{"phone": "+14155550123"}', "utf-8") if shows else (None, None)
    )
    assert ("headers" in shown) is shows


def test_a_body_that_is_no_text(gateway, operator):
    gateway.deliveries.add(1, body=b"\xff\x00")

    shown = gateway.client.get("/api/deliveries/1", headers=operator).json

    assert shown["body_encoding"] == "base64"
    assert base64.b64decode(shown["body"]) == b"\xff\x00"


def test_a_parked_delivery_is_replayed(gateway, operator):
    gateway.deliveries.add(1, status=DeliveryStatus.PARKED)

    response = gateway.client.post("/api/deliveries/1/replay", headers=operator)

    assert (response.status_code, response.json) == (202, {"id": 1, "queued": True})
    assert gateway.deliveries.rows[1].status is DeliveryStatus.WAITING
    assert_problem(gateway.client.post("/api/deliveries/1/replay", headers=operator), 409)
    assert_problem(gateway.client.post("/api/deliveries/2/replay", headers=operator), 404)


def test_a_parked_interaction_is_retried(gateway, operator):
    gateway.interactions.add(1, parked="No such field.")

    response = gateway.client.post("/api/interactions/1/retry", headers=operator)

    assert (response.status_code, response.json) == (202, {"id": 1, "queued": True})
    assert gateway.interactions.rows[1].parked is None
    assert_problem(gateway.client.post("/api/interactions/1/retry", headers=operator), 409)
    assert_problem(gateway.client.post("/api/interactions/2/retry", headers=operator), 404)


def test_orgs_and_connections_without_secrets(reader, gateway):
    orgs = gateway.client.get("/api/orgs", headers=reader).json["items"]
    connections = gateway.client.get("/api/connections", headers=reader).json["items"]

    assert [org["name"] for org in orgs] == ["main", "sandbox", "spare"]
    assert orgs[1]["connections"] == ["forms"]
    assert {org["problem"] for org in orgs} == {None}
    assert {
        "name": "retired", "connector": "signed", "title": "Signed platform", "org": "main", "state": "retired",
        "webhook_url": "http://localhost/webhooks/retired",
    } in connections  # fmt: skip
    assert {connection["state"] for connection in connections} == {"open", "retired"}


def test_how_the_orgs_are():
    store = MemoryStore()
    store.status = ToldStatus()
    held = store.jobs.lease("main", "front-desk", "calls", owner="me", now=NOW, seconds=9)
    store.jobs.store(held, dataclasses.replace(held.job, cursor={"since": 1}, succeeded_at=NOW, records=3, new=1))
    store.deliveries.fold([], [], [NewFetch("main", "front-desk", "call-1", NOW)])
    told = overview({"front-desk": "main"}, ["main", "spare"], store, NOW)
    gateway = Gateway(status=lambda: told)
    answer = gateway.client.get("/api/status", headers=gateway.bearer(Role.READER))

    assert answer.json["items"] == json.loads(json.dumps(told))
    assert [(org["name"], org["condition"]) for org in told] == [("main", "paused"), ("spare", "stopped")]
    (connection,) = told[0]["connections"]
    assert connection["fetches"] == {"waiting": 1, "given_up": 0}
    assert connection["jobs"] == [{
        "connection": "front-desk", "name": "calls", "cursor": {"since": 1}, "records": 3, "new": 1,
        "due_at": "2026-03-02T15:00:00+00:00", "started_at": "2026-03-02T15:00:00+00:00",
        "succeeded_at": "2026-03-02T15:00:00+00:00", "failures": 0, "is_paused": False, "problem": None,
    }]  # fmt: skip


def test_fetches_that_were_given_up_are_listed_and_asked_for_again(gateway, reader):
    store, operator = gateway.store, gateway.bearer(Role.OPERATOR)
    give_up(store, "call-0", "call-1")
    store.deliveries.fold([], [], [NewFetch("main", "front-desk", "call-2", NOW)])

    page = gateway.client.get("/api/fetches?limit=1", headers=reader).json
    assert page == {
        "items": [{"id": 2, "org": "main", "connection": "front-desk", "name": "call-1", "reason": "Gone."}],
        "next_before": 2,
    }
    assert gateway.client.get("/api/fetches?connection=other", headers=reader).json["items"] == []
    assert_problem(gateway.client.post("/api/fetches/2/retry", headers=reader), 403)
    assert_problem(gateway.client.post("/api/fetches/9/retry", headers=operator), 404)
    assert gateway.client.post("/api/fetches/2/retry", headers=operator).json == {"id": 2, "queued": True}
    assert_problem(gateway.client.post("/api/fetches/2/retry", headers=operator), 404)
    assert [one.name for one in store.fetches.due("front-desk", NOW, 9)] == ["call-1", "call-2"]


class ToldStatus:
    """A status of one org that is paused."""

    def told(self) -> dict[str, Any]:
        told = {
            "problem": "Down.", "paused_until": "2026-03-02T15:05:00+00:00", "gathering_seconds": 1.5, "calls_under_way": 0,
            "calls": {"used": 1, "max": 9, "reserve": 2, "reported_at": "2026-03-02T15:00:00+00:00", "exhausted_at": None}, "concurrent_calls": 4,
            "mirror": {"is_kept": True, "loading": {"Contact": 2000}, "problem": None},
        }  # fmt: skip
        return {"main": (NOW, told)}

    def counts(self) -> dict[str, dict[str, int]]:
        return {"front-desk": {"waiting": 1, "parked": 2, "open": 3, "written": 4}}


def test_a_failure_tells_nothing(gateway, reader, caplog):
    gateway.interactions.get = lambda number: {}["secret"]

    response = gateway.client.get("/api/interactions/1", headers=reader)

    assert_problem(response, 500)
    assert b"secret" not in response.data
    assert "KeyError" in caplog.text


def test_a_choice_is_kept_with_who_chose(gateway, operator):
    gateway.interactions.add(1)
    answer = gateway.client.post("/api/interactions/1/choice", headers=operator, json={"who": None, "what": None})

    assert (answer.status_code, answer.json) == (202, {"id": 1, "queued": True})
    shown = gateway.client.get("/api/interactions/1", headers=operator).json
    assert (shown["chosen"]["who"], shown["chosen"]["by"]) == (None, "Token a operator")
    explained = gateway.client.get("/api/interactions/1/explanation", headers=operator).json
    assert explained["history"] == shown["history"]
    assert [line["what"] for line in shown["history"]] == ["Token a operator chose nobody; the Task was with nobody."]
    assert explained["by_a_person"]
    assert "now" not in explained


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400), (b"{}", 422), (b"[]", 422), (b'{"who": "x"}', 422), (b'{"whom": null}', 422),
        (b'{"who": "003000000000001AAA"}', 422),
    ],
)  # fmt: skip
def test_a_choice_that_makes_no_sense_changes_nothing(gateway, operator, body, status):
    before = gateway.interactions.add(1)
    answer = gateway.client.post(
        "/api/interactions/1/choice", headers=operator, data=body, content_type="application/json"
    )

    assert_problem(answer, status)
    assert gateway.interactions.rows[1] == before


def test_an_explanation_says_what_would_be_decided_now_if_asked(gateway, reader):
    gateway.interactions.add(1, match=MATCH)
    told = gateway.client.get("/api/interactions/1/explanation?now=true", headers=reader).json

    assert told["decision"] == MATCH
    assert told["in_words"][0] == "By version 7 of the weights: ambiguous."
    assert told["now"]["decision"]["state"] == "unmatched"
    assert not told["now"]["is_same"]
    assert_problem(gateway.client.get("/api/interactions/2/explanation", headers=reader), 404)
    assert_problem(gateway.client.get("/api/interactions/1/explanation?then=1", headers=reader), 422)


def test_the_openapi_document_is_complete_and_public(gateway):
    document = gateway.client.get("/api/openapi.json").json

    assert document["openapi"].startswith("3.")
    assert document["security"] == [{"token": []}]
    for path in document["paths"].values():
        for method, operation in path.items():
            if method == "parameters":
                continue
            assert operation["summary"]
            assert {"401", "403"} <= set(operation["responses"])
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    assert set(response) == {"$ref"}
    for name in ("Interaction", "Match", "Delivery", "Problem"):
        for field, schema in document["components"]["schemas"][name]["properties"].items():
            assert "description" in json.dumps(schema), f"{name}.{field}"
    assert "application/problem+json" in document["components"]["responses"]["UNAUTHORIZED"]["content"]


served = Gateway()
for number in range(1, 4):
    served.interactions.add(
        number, match=MATCH if number % 2 else None, parked="No such field." if number == 2 else None, task_id="00T"
    )
    served.deliveries.add(number, status=DeliveryStatus(number))
described = schemathesis.openapi.from_wsgi("/api/openapi.json", served.app)


@described.parametrize()
@settings(max_examples=30, suppress_health_check=list(HealthCheck))
def test_the_api_does_what_its_document_says(case):
    case.call_and_validate(
        headers=served.bearer(Role.ADMIN),
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
    )
