"""One Task per key, in orgs with a key field and without one, whatever the keys look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.tasks import TaskDraft, Verdict
from gateway.errors import UnknownOutcomeError
from gateway.salesforce.org import OrgSettings, SalesforceOrg
from gateway.salesforce.tasks import stored_key
from tests.adapters.salesforce.local_org import LocalOrg

Connect = Callable[[OrgSettings], SalesforceOrg]
CALL = {"Subject": "Call", "Status": "Completed", "Priority": "Normal", "TaskSubtype": "Call"}

KEYS = [
    "desk:it's",
    'desk:"quoted"',
    "desk:100%",
    "desk:a_b",
    "desk:axb",
    "desk:back\\slash",
    "desk:line\\n",
    "desk:tab\tand\nline",
    "desk:naïve-Ωμέγα-通話-📞",
    "desk:AbC",
    "desk:ﬁ",
    "desk:' OR Subject LIKE '%",
    f"desk:{'x' * 250}",
    f"desk:{'x' * 251}",
    f"desk:{'x' * 250}y",
    f"desk:{'📞' * 200}",
]
LENGTHS = {len(key) for key in KEYS}


@pytest.fixture
def keyless(connect: Connect, settings: OrgSettings) -> SalesforceOrg:
    return connect(replace(settings, task_key=None))


@pytest.fixture(params=["key field", "CallObject"])
def either(request: pytest.FixtureRequest, org: SalesforceOrg) -> SalesforceOrg:
    """An org of each kind."""
    if request.param == "key field":
        return org
    keyless: SalesforceOrg = request.getfixturevalue("keyless")
    return keyless


def created(org: SalesforceOrg, *keys: str, **fields: object) -> list[str]:
    """The ids of new Tasks."""
    outcomes = org.create([TaskDraft(key, {**CALL, **fields}) for key in keys])
    assert {outcome.verdict for outcome in outcomes} == {Verdict.WRITTEN}
    return [outcome.task_id or "" for outcome in outcomes]


def test_every_key_finds_its_own_task(either: SalesforceOrg) -> None:
    """Quotes, wildcards, backslashes, other scripts and any length: what was written is found again, and no more."""
    ids = created(either, *KEYS)

    found = either.find(KEYS, [])

    assert {255, 256} <= LENGTHS
    assert {key: task.task_id for key, task in found.items()} == dict(zip(KEYS, ids, strict=True))
    for key, id in zip(KEYS, ids, strict=True):
        assert {name: task.task_id for name, task in either.find([key], []).items()} == {key: id}


@pytest.mark.parametrize("key", ["desk:%", "desk:_", "desk:abc", "desk:ABC", "desk:fi", "desk:", "desk:back"])
def test_no_key_finds_another_ones_task(either: SalesforceOrg, key: str) -> None:
    """Salesforce does not look at letter case; a Task of other case is another interaction's."""
    created(either, *KEYS)

    assert either.find([key], []) == {}


def test_keys_are_stored_trimmed(either: SalesforceOrg) -> None:
    """Salesforce trims texts, so that a key with a blank at its end would never be found."""
    (id,) = created(either, " desk:1 ")

    assert either.find([" desk:1 "], [])[" desk:1 "].task_id == id


@pytest.mark.parametrize("key", KEYS)
def test_what_is_stored_fits(key: str) -> None:
    """A key field has 255 characters, however Salesforce counts those beyond the first 65,536."""
    stored = stored_key(key)

    assert len(stored.encode("utf-16-le")) <= 2 * 255
    assert stored == stored_key(stored)
    assert stored == key or len(key.encode("utf-16-le")) > 2 * 255


def test_a_changed_task_keeps_its_key(either: SalesforceOrg, local: LocalOrg) -> None:
    """A mapping that has another value for the key's field does not make the Task impossible to find."""
    column = either.abilities().key_field or "CallObject"
    (id,) = created(either, "desk:1")

    (outcome,) = either.update([TaskDraft("desk:1", {"Subject": "Changed", column: "something else"}, id)])

    assert outcome.verdict is Verdict.WRITTEN
    assert either.find(["desk:1"], ["Subject"])["desk:1"].fields == {"Subject": "Changed"}


# --- without a key field


def test_a_lost_answer_is_found_out_before_a_second_create(keyless: SalesforceOrg, local: LocalOrg) -> None:
    """Nothing in the org prevents a double; the search does."""
    keyless.find(["desk:1"], [])
    local.fault(kind="reset_after", times=1)
    with pytest.raises(UnknownOutcomeError):
        keyless.create([TaskDraft("desk:1", CALL)])

    assert not keyless.find(["desk:1"], [])["desk:1"].is_deleted
    assert [task["CallObject"] for task in local.control("GET", "tasks")].count("desk:1") == 1


def test_a_deleted_task_is_found_as_deleted(keyless: SalesforceOrg, local: LocalOrg) -> None:
    """What a person deleted is not made again."""
    (id,) = created(keyless, "desk:1")
    local.control("DELETE", f"records/{id}", {})

    found = keyless.find(["desk:1"], ["Subject"])["desk:1"]

    assert (found.task_id, found.is_deleted) == (id, True)


def test_an_archived_task_is_found(keyless: SalesforceOrg, local: LocalOrg) -> None:
    """Salesforce archives activities after a year; a query would leave them out."""
    (id,) = local.load(
        "Task", {"Subject": "Old call", "Status": "Completed", "CallObject": "desk:1", "IsArchived": True}
    )

    assert keyless.find(["desk:1"], [])["desk:1"].task_id == id


def test_of_several_tasks_the_oldest_that_lives_is_taken(keyless: SalesforceOrg, local: LocalOrg) -> None:
    """CallObject is not unique: deleted ones stand behind, younger ones too."""
    oldest, second, third = (created(keyless, "desk:1")[0] for _ in range(3))
    assert keyless.find(["desk:1"], [])["desk:1"].task_id == oldest

    local.control("DELETE", f"records/{oldest}", {})
    assert keyless.find(["desk:1"], [])["desk:1"].task_id == second

    for id in (second, third):
        local.control("DELETE", f"records/{id}", {})
    found = keyless.find(["desk:1"], [])["desk:1"]
    assert (found.task_id, found.is_deleted) == (oldest, True)


def test_letter_case_tells_two_tasks_apart(keyless: SalesforceOrg) -> None:
    """Both are met by the search for either."""
    upper, lower = created(keyless, "desk:A", "desk:a")

    found = keyless.find(["desk:A", "desk:a"], [])

    assert (found["desk:A"].task_id, found["desk:a"].task_id) == (upper, lower)


def test_a_field_that_cannot_be_set_does_not_mean_that_the_task_exists(keyless: SalesforceOrg, local: LocalOrg) -> None:
    """Only an upsert meets a Task of its own key; a plain create would look for it for ever."""
    answer = {"statusCode": "INVALID_FIELD_FOR_INSERT_UPDATE", "message": "Unable to create/update fields: TaskSubtype"}
    keyless.find(["desk:1"], [])
    local.fault(
        kind="status",
        status=200,
        method="POST",
        body=[{"success": False, "errors": [{**answer, "fields": ["TaskSubtype"]}]}],
    )

    (outcome,) = keyless.create([TaskDraft("desk:1", CALL)])

    assert outcome.verdict is Verdict.PARK
    assert "TaskSubtype" in (outcome.reason or "")


# --- with a key field


def test_a_key_of_other_case_is_said_to_exist(org: SalesforceOrg) -> None:
    """An org that takes both for one cannot hold a second Task; the first is not touched."""
    (first,) = created(org, "desk:AbC", Description="The first")

    (outcome,) = org.create([TaskDraft("desk:aBc", {**CALL, "Description": "The second"})])

    assert outcome.verdict is Verdict.UNKNOWN
    assert org.find(["desk:aBc"], []) == {}
    assert org.read([first], ["Description"])[first] == {"Description": "The first"}
