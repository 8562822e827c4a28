"""Single records by id and by external id."""

from __future__ import annotations

import threading
from typing import Any

KEY = "/sobjects/Task/Gateway_Interaction_Key__c"


def test_a_record_is_created_with_its_location(org: Any) -> None:
    answer = org.call("POST", "/sobjects/Contact", {"LastName": "x"})

    record_id = answer.json()["id"]
    assert answer.status_code == 201
    assert answer.json() == {"id": record_id, "success": True, "errors": []}
    assert answer.headers["Location"] == f"/services/data/v62.0/sobjects/Contact/{record_id}"


def test_a_record_is_retrieved_whole_or_in_part(org: Any, casey: str) -> None:
    whole = org.get("Contact", casey)
    part = org.call("GET", f"/sobjects/Contact/{casey}?fields=name,Email").json()

    attributes = {"type": "Contact", "url": f"/services/data/v62.0/sobjects/Contact/{casey}"}
    assert part == {"attributes": attributes, "Name": "Casey Customer", "Email": "casey@freemail.example"}
    assert part.items() <= whole.items()


def test_an_unknown_field_cannot_be_retrieved(org: Any, casey: str) -> None:
    refused = org.refusal("GET", f"/sobjects/Contact/{casey}?fields=Id,Nope")

    assert refused == (400, "INVALID_FIELD", "No such column 'Nope' on sobject of type Contact")


def test_a_record_that_never_was_is_404(org: Any) -> None:
    unknown = "/sobjects/Contact/003000000000001AAA"

    for method in ("GET", "PATCH", "DELETE"):
        assert org.refusal(method, unknown, {})[:2] == (404, "NOT_FOUND")
    malformed = org.refusal("GET", "/sobjects/Contact/abc")
    assert malformed == (404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: abc")


def test_a_deleted_record_is_404_of_another_kind(org: Any) -> None:
    contact = org.create("Contact", LastName="x")

    assert org.call("DELETE", f"/sobjects/Contact/{contact}").status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        refused = org.refusal(method, f"/sobjects/Contact/{contact}", {})
        assert refused == (404, "ENTITY_IS_DELETED", "entity is deleted")
    (row,) = org.query(f"SELECT IsDeleted FROM Contact WHERE Id = '{contact}'", "queryAll")
    assert row["IsDeleted"] is True


def test_an_update_must_not_name_the_id(org: Any, casey: str) -> None:
    refused = org.refusal("PATCH", f"/sobjects/Contact/{casey}", {"Id": casey})

    assert refused == (400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")


def test_upsert_creates_then_updates(org: Any) -> None:
    first = org.call("PATCH", f"{KEY}/desk:c-1", {"Subject": "a"})
    second = org.call("PATCH", f"{KEY}/DESK:C-1", {"Subject": "b"})

    record_id = first.json()["id"]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == {"id": record_id, "success": True, "errors": [], "created": True}
    assert second.json() == {"id": record_id, "success": True, "errors": [], "created": False}
    record = org.get("Task", record_id)
    assert (record["Subject"], record["Gateway_Interaction_Key__c"]) == ("b", "desk:c-1")


def test_upsert_answered_without_body_before_version_46(org: Any) -> None:
    org.call("PATCH", f"{KEY}/k", {})

    answer = org.session.patch(f"{org.url}/services/data/v45.0{KEY}/k", json={}, timeout=30)

    assert (answer.status_code, answer.content) == (204, b"")


def test_upsert_with_update_only_never_creates(org: Any) -> None:
    refused = org.refusal("PATCH", f"{KEY}/k?updateOnly=true", {"Subject": "x"})

    assert refused[:2] == (404, "NOT_FOUND")
    assert org.query("SELECT Id FROM Task WHERE Gateway_Interaction_Key__c = 'k'") == []


def test_upsert_must_not_repeat_the_key_in_the_body(org: Any) -> None:
    refused = org.refusal("PATCH", f"{KEY}/k", {"Gateway_Interaction_Key__c": "k"})

    message = "The Gateway_Interaction_Key__c field should not be specified in the sobject data."
    assert refused == (400, "INVALID_FIELD", message)


def test_upsert_needs_an_external_id_field(org: Any) -> None:
    refused = org.refusal("PATCH", "/sobjects/Task/Subject/x", {})

    assert refused == (404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: Subject")


def test_upsert_repeating_a_create_only_field_is_refused_the_second_time(org: Any) -> None:
    body = {"TaskSubtype": "Call"}

    assert org.call("PATCH", f"{KEY}/k", body).status_code == 201
    assert org.refusal("PATCH", f"{KEY}/k", body)[:2] == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")


def test_a_key_with_reserved_characters_travels_encoded(org: Any) -> None:
    record_id = org.call("PATCH", f"{KEY}/a%20b%2Fc%3Fd", {}).json()["id"]

    assert org.get("Task", record_id)["Gateway_Interaction_Key__c"] == "a b/c?d"
    assert org.call("GET", f"{KEY}/a%20b%2Fc%3Fd").json()["Id"] == record_id


def test_a_record_is_read_and_deleted_by_key(org: Any) -> None:
    record_id = org.create("Task", Gateway_Interaction_Key__c="k")

    assert org.call("GET", f"{KEY}/k?fields=Id").json()["Id"] == record_id
    assert org.call("DELETE", f"{KEY}/k").status_code == 204
    assert org.refusal("GET", f"{KEY}/k") == (404, "NOT_FOUND", "The requested resource does not exist")


def test_a_key_of_several_records_is_answered_with_their_paths(org: Any) -> None:
    ids = [org.create("Account", Name=name, Customer_Number__c="C-77") for name in ("a", "b")]
    paths = [f"/services/data/v62.0/sobjects/Account/{record_id}" for record_id in ids]

    for method in ("GET", "PATCH", "DELETE"):
        answer = org.call(method, "/sobjects/Account/Customer_Number__c/C-77", {"Site": "x"})
        assert (answer.status_code, answer.json()) == (300, paths)
    assert all(org.get("Account", record_id)["Site"] is None for record_id in ids)


def test_upserts_of_one_key_at_once_make_one_record(org: Any) -> None:
    start = threading.Barrier(16)
    answers: list[Any] = []

    def upsert(n: int) -> None:
        start.wait()
        answers.append(org.call("PATCH", f"{KEY}/race", {"Subject": f"{n}"}))

    threads = [threading.Thread(target=upsert, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len(org.query("SELECT Id FROM Task WHERE Gateway_Interaction_Key__c = 'race'")) == 1


def test_text_of_any_script_comes_back_as_sent(org: Any) -> None:
    text = "مرحبا 👩‍🔧 Grüße \u2028 <b>&amp; \U0001f31e"

    assert org.get("Task", org.create("Task", Description=text))["Description"] == text
