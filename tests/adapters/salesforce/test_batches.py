"""How a round's Tasks are divided among calls, and in which order they go."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.tasks import TaskDraft, Verdict
from gateway.errors import RetryableError, UnknownOutcomeError
from gateway.salesforce import tasks
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from tests.adapters.salesforce.local_org import KEY_FIELD, LocalOrg

Connect = Callable[[OrgSettings], SalesforceOrg]
CALL = {"Subject": "Call", "Status": "Completed", "Priority": "Normal"}
HOST = "https://sunhill.my.salesforce.com"
WRITE_URL = f"{HOST}/services/data/v62.0/composite/sobjects/Task/{KEY_FIELD}"
REMOTE = OrgSettings(
    name="main",
    login_url=HOST,
    flow=Flow.CLIENT_CREDENTIALS,
    client_id="key",
    client_secret="s3cret",
    task_key=KEY_FIELD,
)
BUSY = [{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}]


class Answering:
    """Takes every write, and remembers its size, its keys and the last one's records; `after` a number of calls it fails."""

    def __init__(self, fails_after: int | None = None, status: int = 503) -> None:
        self.sizes: list[int] = []
        self.keys: list[list[str]] = []
        self.records: list[Any] = []
        self._fails_after = fails_after
        self._status = status

    def __call__(self, request: Any) -> tuple[int, dict[str, str], str]:
        if self._fails_after is not None and len(self.sizes) >= self._fails_after:
            self.sizes.append(0)
            return self._status, {}, json.dumps(BUSY if self._status == 503 else [])
        self.sizes.append(len(request.body))
        self.records = json.loads(request.body)["records"]
        self.keys.append([record[KEY_FIELD] for record in self.records])
        return 200, {}, json.dumps([{"id": f"of {key}", "success": True, "errors": []} for key in self.keys[-1]])


def sent(connect: Connect, drafts: list[TaskDraft], answering: Answering) -> list[Any]:
    """The outcomes of a write to a real host."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        web.post(f"{HOST}/services/oauth2/token", json={"access_token": "t", "instance_url": HOST})
        web.add_callback(responses.PATCH, WRITE_URL, answering)
        return connect(REMOTE).create(drafts)


def drafts_of(text: str, count: int = 200) -> list[TaskDraft]:
    return [TaskDraft(f"desk:{number}", {**CALL, "Description": text}) for number in range(count)]


@pytest.mark.parametrize(
    ("text", "calls"), [("x" * 1000, 1), ("x" * 32_000, 1), ("通" * 32_000, 2), ("📞" * 32_000, 4)]
)
def test_a_body_is_never_too_large(connect: Connect, text: str, calls: int) -> None:
    """200 Tasks with the longest of descriptions: every body is within the limit, every outcome its draft's."""
    answering = Answering()

    outcomes = sent(connect, drafts_of(text), answering)

    assert len(answering.sizes) == calls
    assert max(answering.sizes) <= tasks.LARGEST_BODY + 1000
    assert [outcome.task_id for outcome in outcomes] == [f"of desk:{number}" for number in range(200)]


def test_the_local_org_takes_the_longest_descriptions(org: SalesforceOrg, counted: Counter[str]) -> None:
    """A full batch of transcripts is one call and stands in full."""
    drafts = drafts_of("Zeile — ligne\n" * 2285)

    outcomes = org.create(drafts)

    assert {outcome.verdict for outcome in outcomes} == {Verdict.WRITTEN}
    assert counted == {"composite/sobjects": 1}
    stored = org.read([outcomes[199].task_id or ""], ["Description"])[outcomes[199].task_id or ""]
    assert stored["Description"] == drafts[199].fields["Description"].strip()


@pytest.mark.parametrize(
    ("status", "verdict"), [(503, Verdict.UNKNOWN), (429, Verdict.RETRY)], ids=["lost answer", "refused"]
)
def test_a_part_that_fails_ends_the_write(connect: Connect, status: int, verdict: Verdict) -> None:
    """What was sent before is settled, the part itself may be undecided, what comes after was never sent."""
    answering = Answering(fails_after=1, status=status)

    outcomes = sent(connect, drafts_of("📞" * 32_000), answering)

    assert len(answering.sizes) == 2
    size = len(answering.keys[0])
    assert {outcome.verdict for outcome in outcomes[:size]} == {Verdict.WRITTEN}
    assert {outcome.verdict for outcome in outcomes[size : 2 * size]} == {verdict}
    assert {outcome.verdict for outcome in outcomes[2 * size :]} == {Verdict.RETRY}


@pytest.mark.parametrize(("status", "error"), [(503, UnknownOutcomeError), (429, RetryableError)])
def test_a_first_part_that_fails_is_the_orgs_failure(connect: Connect, status: int, error: type[Exception]) -> None:
    """Nothing else was sent: the org is left alone for a while, and nobody's attempts are counted."""
    answering = Answering(fails_after=0, status=status)

    with pytest.raises(error):
        sent(connect, drafts_of("📞" * 32_000), answering)

    assert len(answering.sizes) == 1


@pytest.mark.parametrize("value", ["📞 ☎ ש \u0000", "half of \ud83d", 10**19, -(10**19), [2**64], 0.1, None])
def test_all_that_is_json_is_sent(connect: Connect, value: Any) -> None:
    """Also what a fast library refuses: halves of characters, numbers of more than 64 bits."""
    answering = Answering()

    (outcome,) = sent(connect, [TaskDraft("desk:1", {**CALL, "Score__c": value})], answering)

    assert outcome.verdict is Verdict.WRITTEN
    assert [record["Score__c"] for record in answering.records] == [value]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_know(org: SalesforceOrg, number: float) -> None:
    """It is parked by itself; in the body it would hold up all others for ever."""
    drafts = [TaskDraft("desk:1", CALL), TaskDraft("desk:2", {**CALL, "Score__c": number}), TaskDraft("desk:3", CALL)]

    outcomes = org.create(drafts)

    assert [outcome.verdict for outcome in outcomes] == [Verdict.WRITTEN, Verdict.PARK, Verdict.WRITTEN]
    assert "mapping" in (outcomes[1].reason or "")


def test_tasks_of_one_parent_go_together(connect: Connect) -> None:
    """Two calls that lock the same parents lock them in the same order, so that neither waits for the other."""
    parents = [("500B", "003A"), ("500A", "003B"), ("500B", None), (None, "003A"), ("500A", "003A"), (None, None)]
    drafts = [TaskDraft(f"{what} {who}", {**CALL, "WhatId": what, "WhoId": who}) for what, who in [*parents, *parents]]
    answering = Answering()

    outcomes = sent(connect, drafts, answering)

    ordered = ["None None", "None 003A", "500A 003A", "500A 003B", "500B None", "500B 003A"]
    assert answering.keys == [[key for key in ordered for _ in range(2)]]
    assert [outcome.task_id for outcome in outcomes] == [f"of {draft.key}" for draft in drafts]


@given(st.lists(st.sampled_from([None, "001A", "001B", "500A"]), min_size=1, max_size=40), st.data())
def test_outcomes_belong_to_their_drafts(parents: list[str | None], data: st.DataObject) -> None:
    """In whatever order they were sent, and however the call was divided on the way."""
    unreadable = data.draw(st.sets(st.integers(0, len(parents) - 1), max_size=2))
    rows = [
        tasks._Row(place, TaskDraft(f"desk:{place}", {}), {"WhatId": parent, "key": place})
        for place, parent in enumerate(parents)
    ]

    outcomes = tasks._Write(Refusing(unreadable), "PATCH", "", None, True, lambda: None).send(rows)

    for place, outcome in enumerate(outcomes):
        if place in unreadable:
            assert outcome.verdict in {Verdict.PARK, Verdict.RETRY}
        else:
            assert (outcome.verdict, outcome.task_id) in {(Verdict.WRITTEN, str(place)), (Verdict.RETRY, None)}


class Refusing:
    """Refuses a call whole that has a key among those it cannot read."""

    def __init__(self, unreadable: set[int]) -> None:
        self._unreadable = unreadable

    def write(self, method: str, resource: str, path: str, body: Any) -> Any:
        keys = [record["key"] for record in json.loads(body)["records"]]
        if not self._unreadable.isdisjoint(keys):
            raise tasks.RejectedError("cannot be read")
        return [{"id": str(key), "success": True, "errors": []} for key in keys]


def test_halves_find_the_drafts_of_their_own(org: SalesforceOrg, local: LocalOrg) -> None:
    """A value that nobody can read, among Tasks of many parents."""
    accounts = local.load("Account", *({"Name": f"Account {number}"} for number in range(5)))
    drafts = [TaskDraft(f"desk:{n}", {**CALL, "WhatId": accounts[n % 5], "Subject": f"Call {n}"}) for n in range(40)]
    drafts[17] = TaskDraft("desk:17", {**drafts[17].fields, "CallDurationInSeconds": "long"})

    outcomes = org.create(drafts)

    assert [n for n, outcome in enumerate(outcomes) if outcome.verdict is not Verdict.WRITTEN] == [17]
    standing = org.read([outcome.task_id for outcome in outcomes if outcome.task_id], ["Subject", "WhatId"])
    for number, outcome in enumerate(outcomes):
        if outcome.task_id:
            assert standing[outcome.task_id] == {"Subject": f"Call {number}", "WhatId": accounts[number % 5]}
