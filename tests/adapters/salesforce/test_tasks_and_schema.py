"""Tasks in orgs with and without a key field, long searches, unreadable drafts; and what describe must say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce import format_soql

from gateway.domain.tasks import TaskDraft, Verdict
from gateway.errors import ConfigError
from gateway.salesforce import soql
from gateway.salesforce.org import OrgSettings, SalesforceOrg
from gateway.salesforce.schema import WANTED, Schema
from gateway.salesforce.session import Session
from tests.adapters.salesforce.local_org import KEY_FIELD, LocalOrg

Connect = Callable[[OrgSettings], SalesforceOrg]
CALL = {"Subject": "Call", "Status": "Completed", "Priority": "Normal", "TaskSubtype": "Call"}


@pytest.fixture
def keyless(connect: Connect, settings: OrgSettings) -> SalesforceOrg:
    return connect(replace(settings, task_key=None))


def test_without_a_key_field_the_key_stands_in_callobject(keyless: SalesforceOrg, local: LocalOrg) -> None:
    """An org that nothing was deployed to is searched by a standard field."""
    (outcome,) = keyless.create([TaskDraft("desk:1", {**CALL, "CallObject": "something else"})])

    found = keyless.find(["desk:1"], ["CallObject", "Subject"])

    assert keyless.abilities().key_field is None
    assert outcome.verdict is Verdict.WRITTEN
    assert found["desk:1"].task_id == outcome.task_id
    assert found["desk:1"].fields == {"CallObject": "desk:1", "Subject": "Call"}


def test_of_two_tasks_with_one_key_the_older_is_found(keyless: SalesforceOrg) -> None:
    """CallObject is not unique: the first Task written stays the Task."""
    first, _ = (keyless.create([TaskDraft("desk:1", CALL)])[0] for _ in range(2))

    assert keyless.find(["desk:1"], [])["desk:1"].task_id == first.task_id


def test_a_batch_is_one_call(org: SalesforceOrg, counted: Counter[str]) -> None:
    """200 Tasks are created in one call, found in one and read in one."""
    drafts = [TaskDraft(f"desk:{number}", CALL) for number in range(200)]

    outcomes = org.create(drafts)
    found = org.find([draft.key for draft in drafts], ["Subject"])
    read = org.read([outcome.task_id or "" for outcome in outcomes], ["Subject"])

    assert {outcome.verdict for outcome in outcomes} == {Verdict.WRITTEN}
    assert len(found) == len(read) == 200
    assert counted == {"composite/sobjects": 2, "queryAll": 1}


def test_long_searches_do_not_go_into_the_address(org: SalesforceOrg, counted: Counter[str]) -> None:
    """Keys of any length and number are found; the statement goes in a body where it is long."""
    keys = [f"desk:{number:04}-{'x' * 230}" for number in range(900)]
    org.create([TaskDraft(keys[0], CALL), TaskDraft(keys[-1], CALL)])
    counted.clear()

    assert set(org.find(keys, ["Subject"])) == {keys[0], keys[-1]}
    assert counted == {"composite": 3}


def test_searches_go_on_over_pages(org: SalesforceOrg, keyless: SalesforceOrg) -> None:
    """A search that meets more rows than an answer holds reads on."""
    for start in range(0, 2100, 200):
        keyless.create([TaskDraft("desk:1", CALL) for _ in range(start, min(start + 200, 2100))])
    keyless.create([TaskDraft("desk:2", CALL)])

    assert set(keyless.find(["desk:1", "desk:2"], [])) == {"desk:1", "desk:2"}


def test_one_unreadable_draft_is_parked_alone(org: SalesforceOrg, counted: Counter[str]) -> None:
    """Salesforce refuses a call whole for a value it cannot read; the others are written all the same."""
    drafts = [TaskDraft(f"desk:{number}", {**CALL, "CallDurationInSeconds": 7}) for number in range(64)]
    drafts[40] = TaskDraft("desk:40", {**CALL, "CallDurationInSeconds": "seven"})

    outcomes = org.create(drafts)

    assert [number for number, outcome in enumerate(outcomes) if outcome.verdict is not Verdict.WRITTEN] == [40]
    assert outcomes[40].verdict is Verdict.PARK
    assert "seven" not in (outcomes[40].reason or "")
    assert counted["composite/sobjects"] <= 13


def test_many_unreadable_drafts_do_not_eat_the_allowance(org: SalesforceOrg, counted: Counter[str]) -> None:
    """The search for the guilty ones ends; what was not decided is tried again later."""
    drafts = [TaskDraft(f"desk:{number}", {**CALL, "CallDurationInSeconds": "seven"}) for number in range(200)]

    verdicts = {outcome.verdict for outcome in org.create(drafts)}

    assert verdicts == {Verdict.PARK, Verdict.RETRY}
    assert counted["composite/sobjects"] <= 40


@pytest.mark.parametrize(
    ("status", "verdict"), [(503, Verdict.UNKNOWN), (403, Verdict.RETRY)], ids=["lost answer", "refused"]
)
def test_a_part_that_fails_does_not_lose_the_part_before(
    org: SalesforceOrg, local: LocalOrg, status: int, verdict: Verdict
) -> None:
    """Once halves are sent apart, each has its own outcome."""
    refused = [{"errorCode": "JSON_PARSER_ERROR", "message": "Cannot deserialize"}]
    whole = {"kind": "status", "status": 400, "body": refused, "method": "PATCH", "times": 1}
    later = {"kind": "status", "status": status, "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED"}], "method": "PATCH"}
    if status == 503:
        later["body"] = [{"errorCode": "SERVER_UNAVAILABLE"}]
    org.abilities()
    calls = 0

    def count(_: str, resource: str) -> None:
        nonlocal calls
        if resource == "composite/sobjects":
            calls += 1
            local.control("POST", "faults", {1: [whole], 2: [], 3: [later]}[calls])

    org._session._on_call = count

    outcomes = org.create([TaskDraft("desk:1", CALL), TaskDraft("desk:2", CALL)])

    assert [outcome.verdict for outcome in outcomes] == [Verdict.WRITTEN, verdict]


def test_too_many_related_contacts_are_read_in_parts(connect: Connect, settings: OrgSettings) -> None:
    """An answer may hold 500 ids of contacts; the read is halved until it fits."""
    settings = replace(settings, login_url="https://sunhill.my.salesforce.com")
    instance = "https://sunhill-1.my.salesforce.com"
    sizes: list[int] = []

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        ids = json.loads(request.body)["ids"]
        sizes.append(len(ids))
        if len(ids) > 30:
            return 400, {}, json.dumps([{"errorCode": "MALFORMED_QUERY", "message": "too many junction ids"}])
        return 200, {}, json.dumps([{"Id": id, "TaskWhoIds": ["003"]} for id in ids])

    with responses.RequestsMock() as web:
        web.post(f"{settings.login_url}/services/oauth2/token", json={"access_token": "t", "instance_url": instance})
        web.add_callback(responses.POST, f"{instance}/services/data/v62.0/composite/sobjects/Task", answer)
        found = connect(settings).read([f"00T{number}" for number in range(100)], ["TaskWhoIds"])

    assert len(found) == 100
    assert sizes == [100, 50, 25, 25, 50, 25, 25]


def test_updates_need_an_id(org: SalesforceOrg) -> None:
    """A draft without one is a mistake of the caller."""
    with pytest.raises(ValueError, match="id"):
        org.update([TaskDraft("desk:1", {"Subject": "x"})])


# --- describe


def test_the_description_is_asked_for_once(settings: OrgSettings, counted: Counter[str]) -> None:
    """One call in ten minutes, whoever asks."""
    now = [0.0]
    session = Session(settings, on_call=lambda _, resource: counted.update([resource]))
    schema = Schema(session, clock=lambda: now[0])
    for moment, calls in ((0, 1), (599, 1), (600, 2), (1199, 2)):
        now[0] = moment
        schema.description()
        assert counted["composite"] == calls
    schema.forget()
    schema.description()
    assert counted["composite"] == 3
    session.close()


def test_without_shared_activities(org: SalesforceOrg, local: LocalOrg) -> None:
    """The description says that a Task names one contact only."""
    local.control("POST", "shared-activities", {"on": False})

    assert not org.abilities().shared_activities


@pytest.mark.parametrize(
    ("field", "said"),
    [("Missing_Key__c", "has no field Missing_Key__c"), ("Subject", "not an External ID")],
)
def test_a_key_field_that_cannot_be_one(connect: Connect, settings: OrgSettings, field: str, said: str) -> None:
    """The finding names the field and where in Setup to change it."""
    with pytest.raises(ConfigError, match=said) as caught:
        connect(replace(settings, task_key=field)).abilities()

    assert "Setup → Object Manager → Activity" in str(caught.value)


@pytest.mark.parametrize("path", ["abilities", "changes"])
def test_tasks_out_of_sight(org: SalesforceOrg, local: LocalOrg, path: str) -> None:
    """A user who may not see Tasks cannot be used."""
    missing = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
    names = ("Task", *WANTED)
    parts = [{"body": missing, "httpHeaders": {}, "httpStatusCode": 404, "referenceId": name} for name in names]
    answer = {"compositeResponse": parts}
    local.fault(kind="status", status=200, body=answer, method="POST")

    with pytest.raises(ConfigError, match="may not see Tasks"):
        org.abilities() if path == "abilities" else list(org.changes({}))


# --- quoting


@given(st.text())
def test_texts_are_quoted_as_simple_salesforce_does(text: str) -> None:
    """The same literal, without its import."""
    assert soql.quoted(text) == format_soql("{}", text)


@given(st.lists(st.text(max_size=300), min_size=1, max_size=1000, unique=True))
def test_searches_are_divided_by_length(keys: list[str]) -> None:
    """Every key is in one statement, and no statement is too long."""
    statements = list(soql.tasks_by(KEY_FIELD, keys, ["Subject"]))

    assert all(len(statement) <= soql.LONGEST for statement in statements)
    assert sum(statement.count(soql.quoted(keys[0])) for statement in statements) >= 1
