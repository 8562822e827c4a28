"""What a test does behind the API's back: reset, load, edit as a person, merge, convert."""

from __future__ import annotations

from typing import Any

import pytest
import requests


def test_reset_brings_the_seed_back_with_the_same_ids(org: Any, casey: str) -> None:
    org.update("Contact", casey, Title="Changed")
    created = org.create("Contact", LastName="New")

    org.control("POST", "/reset", {})

    assert org.get("Contact", casey)["Title"] is None
    assert org.call("GET", f"/sobjects/Contact/{created}").status_code == 404


def test_reset_takes_a_seed_of_its_own(org: Any) -> None:
    user = {"Username": "integration@devorg.example", "LastName": "I", "Email": "i@example.com", "Alias": "i"}
    seed = {
        "User": [user],
        "Account": [{"$": "a", "Name": "Only"}],
        "Contact": [{"LastName": "One", "AccountId": "$a"}],
    }

    org.control("POST", "/reset", {"seed": seed})
    org.log_in()
    assert [row["Account"]["Name"] for row in org.query("SELECT Account.Name FROM Contact")] == ["Only"]
    org.control("POST", "/reset", {})
    org.log_in()
    assert len(org.query("SELECT Id FROM Contact")) == 40


@pytest.mark.parametrize(
    "seed", [{"Nothing": []}, {"Contact": [{"Nope": 1}]}, {"Contact": [{"AccountId": "$missing"}]}, 3]
)
def test_a_seed_that_cannot_be_planted_is_refused(org: Any, seed: Any) -> None:
    assert requests.post(f"{org.url}/devorg/load", json=seed, timeout=30).status_code == 400


def test_load_takes_many_records_at_once_and_gives_their_ids(org: Any) -> None:
    contacts = [{"$": f"c{n}", "LastName": f"Loaded {n}", "Phone": f"+1415555{n:04d}"} for n in range(500)]
    cases = [{"ContactId": f"$c{n}", "Subject": "x", "CreatedDate": "2026-01-02T03:04:05Z"} for n in range(500)]

    ids = org.control("POST", "/load", {"Contact": contacts, "Case": cases}).json()["ids"]

    case = org.get("Case", ids["Case"][7])
    assert (len(ids["Contact"]), case["ContactId"]) == (500, ids["Contact"][7])
    assert case["CreatedDate"] == "2026-01-02T03:04:05.000+0000"


def test_a_load_that_fails_loads_nothing(org: Any) -> None:
    body = {"Contact": [{"LastName": "Good"}, {"Nope": 1}]}

    assert requests.post(f"{org.url}/devorg/load", json=body, timeout=30).status_code == 400
    assert org.query("SELECT Id FROM Contact WHERE LastName = 'Good'") == []


def test_an_edit_by_a_person_bears_their_name(org: Any) -> None:
    task = org.create("Task", Subject="Ours")
    ben = org.id_of("User", "Username = 'ben@example.com'")

    org.control("PATCH", f"/records/{task}", {"user": "ben@example.com", "fields": {"Subject": "Mine"}})

    record = org.get("Task", task)
    assert (record["Subject"], record["LastModifiedById"]) == ("Mine", ben)
    assert record["CreatedById"] != ben
    assert org.control("GET", f"/records/{task}").json()["Subject"] == "Mine"


def test_an_edit_by_a_person_keeps_the_rules(org: Any, casey: str) -> None:
    answer = requests.patch(f"{org.url}/devorg/records/{casey}", json={"fields": {"LastName": None}}, timeout=30)

    assert answer.status_code == 400
    assert "REQUIRED_FIELD_MISSING" in answer.json()["error"]


def test_a_deletion_by_a_person_is_a_deletion(org: Any) -> None:
    task = org.create("Task")

    org.control("DELETE", f"/records/{task}", {"user": "ben@example.com"})

    assert org.refusal("GET", f"/sobjects/Task/{task}")[1] == "ENTITY_IS_DELETED"


def test_calls_are_counted_by_method_and_resource(org: Any, casey: str) -> None:
    org.control("DELETE", "/calls")
    org.get("Contact", casey)
    org.get("Contact", casey)
    org.call("PATCH", "/sobjects/Task/Gateway_Interaction_Key__c/k", {})
    org.call("PATCH", "/composite/sobjects/Task/Gateway_Interaction_Key__c", {"records": []})
    org.query("SELECT Id FROM Lead")

    assert org.control("GET", "/calls").json() == {
        "total": 5,
        "under_way": 0,
        "calls": {
            "GET sobjects/Contact": 2,
            "PATCH sobjects/Task": 1,
            "PATCH composite/sobjects/Task": 1,
            "GET query": 1,
        },
    }


def test_expired_sessions_are_refused(org: Any) -> None:
    org.control("POST", "/sessions/expire")

    assert org.refusal("GET", "/limits") == (401, "INVALID_SESSION_ID", "Session expired or invalid")


def test_a_merge_moves_everything_to_the_winner(org: Any, casey: str, robin: str, case_1026: str) -> None:
    task = org.create("Task", TaskWhoIds=[casey, robin])

    org.control("POST", "/merge", {"winner": robin, "losers": [casey]})

    assert org.get("Case", case_1026)["ContactId"] == robin
    assert org.get("Task", task)["TaskWhoIds"] == [robin]
    (loser,) = org.query(f"SELECT IsDeleted, MasterRecordId FROM Contact WHERE Id = '{casey}'", "queryAll")
    assert (loser["IsDeleted"], loser["MasterRecordId"]) == (True, robin)


def test_a_merge_takes_records_of_one_kind(org: Any, casey: str, household: str) -> None:
    answer = requests.post(f"{org.url}/devorg/merge", json={"winner": casey, "losers": [household]}, timeout=30)

    assert answer.status_code == 400


def test_a_converted_lead_names_its_contact_and_hands_over_its_tasks(org: Any, gina: str) -> None:
    task = org.create("Task", WhoId=gina)

    made = org.control("POST", "/convert", {"lead": gina}).json()

    lead = org.get("Lead", gina)
    assert (lead["IsConverted"], lead["ConvertedContactId"], lead["ConvertedAccountId"]) == (
        True,
        made["contact"],
        made["account"],
    )
    assert org.get("Contact", made["contact"])["Email"] == "gina@fieldsfarm.example"
    assert org.get("Task", task)["WhoId"] == made["contact"]
    assert requests.post(f"{org.url}/devorg/convert", json={"lead": gina}, timeout=30).status_code == 400


def test_tasks_are_listed_in_the_order_of_change(org: Any) -> None:
    first, second = org.create("Task", Subject="a"), org.create("Task", Subject="b")
    since = org.get("Task", first)["CreatedDate"].replace(".000+0000", "Z")

    listed = [task["Id"] for task in org.control("GET", f"/tasks?since={since}").json()]

    assert listed == [first, second]
    assert len(org.control("GET", "/tasks").json()) == 5


def test_an_unknown_control_call_is_404(org: Any) -> None:
    assert requests.post(f"{org.url}/devorg/nothing", timeout=30).status_code == 404
    assert requests.get(f"{org.url}/devorg/records/003000000000001AAA", timeout=30).status_code == 404


def test_person_accounts_can_be_switched_on(org: Any) -> None:
    org.control("POST", "/person-accounts", {"on": True})

    assert "PersonContactId" in {
        field["name"] for field in org.call("GET", "/sobjects/Account/describe").json()["fields"]
    }


def test_a_person_account_holds_a_contact_with_the_same_values(org: Any) -> None:
    org.control("POST", "/person-accounts", {"on": True})
    one, two = ({"LastName": name, "IsPersonAccount": True, "PersonEmail": f"{name}@example.com"} for name in "ab")
    accounts = org.control("POST", "/load", {"Account": [one, two]}).json()["ids"]["Account"]
    kept, gone = (org.control("GET", f"/records/{account}").json()["PersonContactId"] for account in accounts)

    org.call("PATCH", f"/sobjects/Account/{accounts[0]}", {"FirstName": "Nora", "PersonEmail": "n@example.com"})
    org.control("POST", "/merge", {"winner": accounts[0], "losers": [accounts[1]]})

    (row,) = org.query(f"SELECT Name, Email, IsPersonAccount, AccountId FROM Contact WHERE Id = '{kept}'")
    assert (row["Name"], row["Email"], row["IsPersonAccount"]) == ("Nora a", "n@example.com", True)
    assert row["AccountId"] == accounts[0]
    assert org.query(f"SELECT Name FROM Account WHERE Id = '{accounts[0]}'")[0]["Name"] == "Nora a"
    assert org.control("GET", f"/records/{gone}").json()["IsDeleted"]
