"""What people do to records behind an integration's back: merge, convert, archive, delete, restore, purge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests


def ordered(org: Any, deed: str, body: dict[str, Any]) -> str:
    """The refusal of a control call."""
    answer = requests.post(f"{org.url}/devorg/{deed}", json=body, timeout=30)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def related(org: Any, contact: str) -> set[tuple[str, bool]]:
    text = f"SELECT AccountId, IsDirect FROM AccountContactRelation WHERE ContactId = '{contact}'"
    return {(row["AccountId"], row["IsDirect"]) for row in org.query(text)}


def deleted(org: Any, name: str) -> set[str]:
    now = datetime.now(UTC)
    window = {"start": (now - timedelta(days=1)).isoformat(), "end": (now + timedelta(days=1)).isoformat()}
    answer = org.call("GET", f"/sobjects/{name}/deleted", params=window).json()
    return {each["id"] for each in answer["deletedRecords"]}


def test_a_merge_keeps_the_losers_accounts_as_indirect_ones(org: Any, household: str) -> None:
    elsewhere, third = (org.create("Account", Name=name) for name in ("Elsewhere", "Third"))
    winner = org.create("Contact", LastName="W", AccountId=household)
    loser = org.create("Contact", LastName="L", AccountId=elsewhere)
    org.create("AccountContactRelation", AccountId=third, ContactId=loser)

    org.control("POST", "/merge", {"winner": winner, "losers": [loser]})

    assert related(org, winner) == {(household, True), (elsewhere, False), (third, False)}
    assert related(org, loser) == set()


def test_a_merge_that_would_relate_twice_fails(org: Any, household: str) -> None:
    third = org.create("Account", Name="Third")
    first, second = (org.create("Contact", LastName="x", AccountId=household) for _ in range(2))
    for contact in (first, second):
        org.create("AccountContactRelation", AccountId=third, ContactId=contact)

    problem = ordered(org, "merge", {"winner": first, "losers": [second]})

    assert problem.startswith("MERGE_FAILED: These contacts have the same related account.")
    assert org.get("Contact", second)["IsDeleted"] is False


def test_merged_accounts_hand_over_contacts_cases_and_tasks(org: Any, household: str, casey: str) -> None:
    winner = org.create("Account", Name="Winner")
    task = org.create("Task", WhatId=household)

    org.control("POST", "/merge", {"winner": winner, "losers": [household]})

    assert org.get("Contact", casey)["AccountId"] == winner
    assert related(org, casey) == {(winner, True)}
    assert (org.get("Task", task)["WhatId"], org.get("Task", task)["AccountId"]) == (winner, winner)
    assert {row["RelationId"] for row in org.query(f"SELECT RelationId FROM TaskRelation WHERE TaskId = '{task}'")} == {
        winner
    }


def test_a_merged_record_can_be_neither_edited_nor_named_nor_restored(org: Any, casey: str, robin: str) -> None:
    org.control("POST", "/merge", {"winner": robin, "losers": [casey]})

    gone = (404, "ENTITY_IS_DELETED", "entity is deleted")
    assert org.refusal("PATCH", f"/sobjects/Contact/{casey}", {"Title": "x"}) == gone
    assert org.refusal("POST", "/sobjects/Task", {"WhoId": casey}) == (400, *gone[1:])
    assert ordered(org, "undelete", {"ids": [casey]}) == "UNDELETE_FAILED: Entity is not in the recycle bin"
    assert casey in deleted(org, "Contact")


def test_a_converted_lead_is_read_only(org: Any, gina: str) -> None:
    org.control("POST", "/convert", {"lead": gina})

    refused = (400, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
    assert org.refusal("PATCH", f"/sobjects/Lead/{gina}", {"Title": "x"}) == refused
    assert org.refusal("POST", "/sobjects/Task", {"WhoId": gina}) == refused


def test_a_lead_may_be_converted_into_what_is_there_and_with_an_opportunity(
    org: Any, gina: str, casey: str, household: str
) -> None:
    body = {"lead": gina, "account": household, "contact": casey, "opportunity_name": "Roof"}

    made = org.control("POST", "/convert", body).json()

    contact, lead = org.get("Contact", casey), org.get("Lead", gina)
    assert (contact["Email"], contact["FirstName"]) == ("casey@freemail.example", "Casey")
    assert contact["MobilePhone"] == lead["MobilePhone"]
    assert (made["account"], made["contact"]) == (household, casey)
    assert lead["ConvertedOpportunityId"] == made["opportunity"]
    assert org.get("Opportunity", made["opportunity"])["AccountId"] == household


def test_archived_tasks_are_for_query_all_only(org: Any, casey: str) -> None:
    task = org.create("Task", WhoId=casey)

    org.control("POST", "/archive", {"ids": [task]})

    text = f"SELECT IsArchived, IsDeleted FROM Task WHERE Id = '{task}'"
    assert org.query(text) == []
    (row,) = org.query(text, "queryAll")
    assert (row["IsArchived"], row["IsDeleted"]) == (True, False)


def test_only_activities_are_archived(org: Any, casey: str) -> None:
    assert ordered(org, "archive", {"ids": [casey]}) == f"{casey} is no activity"


def test_an_undeleted_task_has_its_people_again(org: Any, casey: str, robin: str) -> None:
    task = org.create("Task", TaskWhoIds=[casey, robin], Gateway_Interaction_Key__c="k")
    org.call("DELETE", f"/sobjects/Task/{task}")
    assert org.query(f"SELECT Id FROM TaskRelation WHERE TaskId = '{task}'") == []

    org.control("POST", "/undelete", {"ids": [task]})

    assert org.get("Task", task)["TaskWhoIds"] == [casey, robin]
    assert len(org.query(f"SELECT Id FROM TaskRelation WHERE TaskId = '{task}'")) == 2
    assert org.call("PATCH", "/sobjects/Task/Gateway_Interaction_Key__c/k", {}).json()["id"] == task


def test_what_went_with_a_record_comes_back_with_it(org: Any) -> None:
    account = org.create("Account", Name="Short-lived")
    contact = org.create("Contact", LastName="x", AccountId=account)
    org.call("DELETE", f"/sobjects/Account/{account}")

    org.control("POST", "/undelete", {"ids": [account]})

    assert org.get("Contact", contact)["AccountId"] == account
    assert related(org, contact) == {(account, True)}


def test_a_record_whose_key_was_taken_stays_deleted(org: Any) -> None:
    first = org.create("Task", Gateway_Interaction_Key__c="k")
    org.call("DELETE", f"/sobjects/Task/{first}")
    org.create("Task", Gateway_Interaction_Key__c="k")

    assert ordered(org, "undelete", {"ids": [first]}).startswith("DUPLICATE_VALUE")


def test_a_purged_record_is_known_to_get_deleted_only(org: Any) -> None:
    contact = org.create("Contact", LastName="x")
    org.call("DELETE", f"/sobjects/Contact/{contact}")

    org.control("POST", "/purge")

    assert org.query(f"SELECT Id FROM Contact WHERE Id = '{contact}'", "queryAll") == []
    assert org.refusal("GET", f"/sobjects/Contact/{contact}")[:2] == (404, "NOT_FOUND")
    refused = org.refusal("POST", "/sobjects/Task", {"WhoId": contact})
    assert refused == (400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    assert contact in deleted(org, "Contact")


@pytest.mark.parametrize(("resource", "days"), [("updated", 30), ("deleted", 15)])
def test_replication_reaches_back_so_far_and_no_further(org: Any, resource: str, days: int) -> None:
    now = datetime.now(UTC)

    def status(back: timedelta) -> tuple[int, Any]:
        window = {"start": (now - back).isoformat(), "end": now.isoformat()}
        answer = org.call("GET", f"/sobjects/Task/{resource}", params=window)
        return answer.status_code, answer.json()

    assert status(timedelta(days=days) - timedelta(minutes=5))[0] == 200
    code, body = status(timedelta(days=days, minutes=5))
    assert (code, body[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")


def test_too_many_changed_ids_are_refused(org: Any) -> None:
    for _ in range(3):
        org.create("Task")
    org.control("POST", "/replication", {"most_ids": 2})
    now = datetime.now(UTC)
    window = {"start": (now - timedelta(hours=1)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}

    refused = org.call("GET", "/sobjects/Task/updated", params=window)

    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")
    org.control("POST", "/reset", {})
    org.log_in()
    assert org.call("GET", "/sobjects/Task/updated", params=window).status_code == 200
