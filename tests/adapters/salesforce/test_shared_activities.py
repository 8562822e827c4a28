"""Tasks with several contacts, with a lead, and in orgs where a Task names one contact only."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.domain.tasks import MAX_PEOPLE, Outcome, TaskDraft, Verdict
from gateway.salesforce.org import SalesforceOrg
from tests.adapters.salesforce.local_org import LocalOrg

CALL = {"Subject": "Call", "Status": "Completed", "Priority": "Normal"}


def contacts(local: LocalOrg, count: int) -> list[str]:
    return local.load("Contact", *({"LastName": f"Customer {number}"} for number in range(count)))


def write(org: SalesforceOrg, **fields: object) -> Outcome:
    (outcome,) = org.create([TaskDraft("desk:1", {**CALL, **fields})])
    return outcome


def test_as_many_contacts_as_a_task_may_have(org: SalesforceOrg, local: LocalOrg) -> None:
    """All fifty are written and read back, in order."""
    people = contacts(local, MAX_PEOPLE)

    outcome = write(org, WhoId=people[0], TaskWhoIds=people)

    assert outcome.verdict is Verdict.WRITTEN
    assert org.find(["desk:1"], ["WhoId", "TaskWhoIds"])["desk:1"].fields == {"WhoId": people[0], "TaskWhoIds": people}


def test_one_contact_too_many(org: SalesforceOrg, local: LocalOrg) -> None:
    """The domain leaves the fifty-first out; should one come nonetheless, the sentence says how many may."""
    outcome = write(org, TaskWhoIds=contacts(local, MAX_PEOPLE + 1))

    assert outcome.verdict is Verdict.PARK
    assert "TaskWhoIds" in (outcome.reason or "")
    assert "up to 50 contacts" in (outcome.reason or "")


def test_the_primary_contact_comes_first_whatever_the_list_says(org: SalesforceOrg, local: LocalOrg) -> None:
    """Salesforce puts the WhoId at the head; read by key and read by id agree."""
    people = contacts(local, 3)

    outcome = write(org, WhoId=people[2], TaskWhoIds=people)

    expected = {"WhoId": people[2], "TaskWhoIds": [people[2], people[0], people[1]]}
    assert org.find(["desk:1"], ["WhoId", "TaskWhoIds"])["desk:1"].fields == expected
    assert org.read([outcome.task_id or ""], ["WhoId", "TaskWhoIds"]) == {outcome.task_id: expected}


def test_contacts_of_a_deleted_task_are_not_asked_for(
    org: SalesforceOrg, local: LocalOrg, counted: Counter[str]
) -> None:
    """They are gone with it; the Task is still found."""
    outcome = write(org, TaskWhoIds=contacts(local, 2))
    local.control("DELETE", f"records/{outcome.task_id}", {})
    counted.clear()

    found = org.find(["desk:1"], ["Subject", "TaskWhoIds"])["desk:1"]

    assert found.is_deleted
    assert found.fields == {"Subject": "Call", "TaskWhoIds": None}
    assert counted == {"queryAll": 1}


def test_many_tasks_with_many_contacts(org: SalesforceOrg, local: LocalOrg) -> None:
    """200 Tasks of ten contacts are 2,000 ids, more than a query may return."""
    people = contacts(local, 10)
    drafts = [TaskDraft(f"desk:{number}", {**CALL, "TaskWhoIds": people}) for number in range(200)]
    org.create(drafts)

    found = org.find([draft.key for draft in drafts], ["TaskWhoIds"])

    assert len(found) == 200
    assert all(task.fields == {"TaskWhoIds": people} for task in found.values())


@pytest.mark.parametrize("shared", [True, False])
def test_a_lead_alone(org: SalesforceOrg, local: LocalOrg, shared: bool) -> None:
    """A lead is the Task's name in either kind of org."""
    local.control("POST", "shared-activities", {"on": shared})
    (lead,) = local.load("Lead", {"LastName": "Prospect", "Company": "Elm Street 8"})

    outcome = write(org, WhoId=lead)

    assert outcome.verdict is Verdict.WRITTEN
    assert org.read([outcome.task_id or ""], ["WhoId", "WhatId"]) == {outcome.task_id: {"WhoId": lead, "WhatId": None}}


@pytest.mark.parametrize("shared", [True, False])
def test_a_lead_with_a_related_record(org: SalesforceOrg, local: LocalOrg, shared: bool) -> None:
    """Salesforce allows no such Task; the sentence says which fields and why."""
    local.control("POST", "shared-activities", {"on": shared})
    (lead,) = local.load("Lead", {"LastName": "Prospect", "Company": "Elm Street 8"})
    (account,) = local.load("Account", {"Name": "Elm Street 8"})

    outcome = write(org, WhoId=lead, WhatId=account)

    assert outcome.verdict is Verdict.PARK
    assert "WhoId, WhatId" in (outcome.reason or "")
    assert "one lead and no related record" in (outcome.reason or "")


def test_a_lead_among_contacts(org: SalesforceOrg, local: LocalOrg) -> None:
    """One lead or several contacts, never both."""
    (lead,) = local.load("Lead", {"LastName": "Prospect", "Company": "Elm Street 8"})

    outcome = write(org, TaskWhoIds=[*contacts(local, 1), lead])

    assert outcome.verdict is Verdict.PARK
    assert "TaskWhoIds" in (outcome.reason or "")


def test_an_org_where_a_task_names_one_contact(org: SalesforceOrg, local: LocalOrg) -> None:
    """What the description says is enough to write and to read back."""
    local.control("POST", "shared-activities", {"on": False})
    (person,) = contacts(local, 1)

    outcome = write(org, WhoId=person)

    assert "TaskWhoIds" not in org.abilities().task_fields
    assert outcome.verdict is Verdict.WRITTEN
    assert org.find(["desk:1"], ["WhoId"])["desk:1"].fields == {"WhoId": person}


def test_shared_activities_switched_on_later(org: SalesforceOrg, local: LocalOrg) -> None:
    """A Task of one contact takes further ones."""
    local.control("POST", "shared-activities", {"on": False})
    people = contacts(local, 3)
    outcome = write(org, WhoId=people[0])
    local.control("POST", "shared-activities", {"on": True})

    (changed,) = org.update([TaskDraft("desk:1", {"TaskWhoIds": people}, outcome.task_id)])

    assert changed.verdict is Verdict.WRITTEN
    assert org.find(["desk:1"], ["TaskWhoIds"])["desk:1"].fields == {"TaskWhoIds": people}
