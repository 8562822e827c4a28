"""What agents did by hand, and need not any more: the nine points that the gateway is for, each seen from outside."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.end_to_end.processes import PATIENCE, Gateway, Org, Store, event, eventually, run, write_settings

LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
INSTALLER, HOME_OWNER = "+15305550151", "+15305550161"
NORTH_VALLEY_SWITCHBOARD, FAMILY = "+15305550142", "+15305550160"


@pytest.fixture(scope="session")
def headers(gateway: Gateway) -> dict[str, str]:
    """Of somebody who may read the API."""
    token = run(gateway.folder, "token", "create", "--role", "operator").stdout.strip()
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def shown(gateway: Gateway, store: Store, headers: dict[str, str]) -> Any:
    """The interaction as the API shows it, once it is written."""

    def shown(id: str) -> dict[str, Any]:
        row = eventually(lambda: store.are_written(id) and store.interaction(id))
        answer = requests.get(f"{gateway.url}/api/interactions/{row.id}", headers=headers, timeout=PATIENCE)
        return answer.json()

    return shown


def customer(**known: Any) -> dict[str, Any]:
    return {"parties": [{"role": "customer", **known}]}


def written(gateway: Gateway, org: Org, store: Store, told: dict[str, Any]) -> dict[str, Any]:
    """The Task of an interaction that was posted."""
    assert gateway.post(told).status_code == 202
    eventually(lambda: store.are_written(told["id"]))
    task = org.task(told["id"])
    assert task
    return task


def account(org: Org, name: str) -> str:
    return org.record_id(name, "Account")


def case(org: Org, number: str) -> str:
    (found,) = org.query(f"SELECT Id FROM Case WHERE CaseNumber = '{number}'")
    return str(found["Id"])


def test_1_every_interaction_is_related_to_an_account_at_least_and_to_the_case_where_there_is_one(
    gateway, org, store, id
):
    without = written(gateway, org, store, event(f"{id}-a", **customer(phone="+14085550133")))
    assert (without["WhoId"], without["WhatId"]) == (org.record_id("Linh Nguyễn"), account(org, "Nguyễn Household"))

    with_case = written(gateway, org, store, event(f"{id}-b", **customer(phone="+14155550123")))
    assert (with_case["WhoId"], with_case["WhatId"]) == (org.record_id("Casey Customer"), case(org, "00001026"))


def test_2_one_match_is_filled_in_and_several_are_shown_with_evidence_and_their_common_account(
    gateway, org, store, id, shown
):
    one = written(gateway, org, store, event(f"{id}-one", **customer(phone="+14085550133")))
    assert one["WhoId"] == org.record_id("Linh Nguyễn")

    several = written(gateway, org, store, event(f"{id}-several", **customer(phone=NORTH_VALLEY_SWITCHBOARD)))
    assert (several["WhoId"], several["WhatId"]) == (None, account(org, "North Valley Solar"))
    (party,) = shown(f"{id}-several")["match"]["parties"]
    assert {candidate["name"] for candidate in party["candidates"]} >= {"Nora Vale", "Owen Park", "Quinn Doyle"}
    assert all(candidate["evidence"] for candidate in party["candidates"])
    scores = [candidate["score"] for candidate in party["candidates"]]
    assert scores == sorted(scores, reverse=True)

    family = written(gateway, org, store, event(f"{id}-family", **customer(phone=FAMILY)))
    assert (family["WhoId"], family["WhatId"]) == (None, account(org, "Ortega Household")), "of all, one by a relation"


def test_3_without_a_case_the_account_is_all_and_a_case_needs_no_open_tab(gateway, org, store, id):
    without = written(gateway, org, store, event(f"{id}-a", **customer(phone="+15105550138")))
    assert without["WhatId"] == account(org, "Tanaka Household")

    references = {"case_number": "1025"}
    named = written(gateway, org, store, event(f"{id}-b", references=references, **customer(phone="+14155550102")))
    assert (named["WhoId"], named["WhatId"]) == (org.record_id("Bella Santos"), case(org, "00001025"))


@pytest.mark.parametrize("channel", ["voice", "chat", "email", "whatsapp"])
def test_4_chat_and_email_are_filled_in_as_voice_is(gateway, org, store, id, channel):
    known = {"phone": "+14085550133"} if channel in {"voice", "whatsapp"} else {"email": "Linh@freemail.example"}
    task = written(gateway, org, store, event(id, channel=channel, **customer(**known)))
    assert (task["WhoId"], task["WhatId"]) == (org.record_id("Linh Nguyễn"), account(org, "Nguyễn Household"))


def test_5_an_unknown_sales_rep_belongs_to_the_organisation_and_no_contact_is_invented(gateway, org, store, id):
    rep = customer(email=f"rep-{id}@northvalleysolar.example", name="Riley Rep")
    task = written(gateway, org, store, event(id, channel="email", **rep))
    assert (task["WhoId"], task["WhatId"]) == (None, account(org, "North Valley Solar"))
    assert org.query("SELECT Id FROM Contact WHERE Name = 'Riley Rep'") == []


class SystemOfRecord(BaseHTTPRequestHandler):
    """Tells who has a number, as the company's own system knows it."""

    people: ClassVar[dict[str, dict[str, str]]] = {}

    def do_GET(self) -> None:
        (phone,) = parse_qs(urlsplit(self.path).query)["phone"]
        known = self.people.get(phone)
        body = json.dumps(known or {}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is said about it."""


@pytest.fixture
def system_of_record() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SystemOfRecord)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


CREATING = """
platforms:
  generic:
    create: {policy: contact, from: front-desk, approval: attributes.authorised_signer}
"""


def test_6_a_contact_is_created_only_where_policy_allows_and_from_the_system_of_record(
    org, tmp_path, id, system_of_record
):
    number, surname = f"+1{930 + int(id[:4], 16) % 60}5550142", f"s{id}".translate(LETTERS)
    SystemOfRecord.people[number] = {"name": f"Robin {surname}", "phone": number, "email": f"r.{surname}@example.com"}
    write_settings(tmp_path, org.url)
    settings = (tmp_path / "gateway.yaml").read_text()
    asked = f'directory: {{url: "{system_of_record}/people?phone={{phone}}"}}, token'
    (tmp_path / "gateway.yaml").write_text(settings.replace("token", asked, 1) + CREATING)
    caller = customer(phone=number, email=f"other-{id}@freemail.example", name="Bobby")
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        home_owner = written(gateway, org, store, event(f"{id}-a", **caller))
        assert home_owner["WhoId"] is None, "nobody has approved it"
        signer = written(gateway, org, store, event(f"{id}-b", attributes={"authorised_signer": True}, **caller))
        stranger = customer(phone=f"{number[:-1]}9", name="Not in the system")
        unknown = written(gateway, org, store, event(f"{id}-c", attributes={"authorised_signer": True}, **stranger))

    (contact,) = org.query(f"SELECT Id, Name, Email, Phone FROM Contact WHERE LastName = '{surname}'")
    assert (contact["Id"], contact["Name"]) == (signer["WhoId"], f"Robin {surname}")
    assert (contact["Email"], contact["Phone"]) == (f"r.{surname}@example.com", number), "as the system has it"
    assert unknown["WhoId"] is None
    assert org.query("SELECT Id FROM Contact WHERE LastName IN ('Bobby', 'system', 'Not in the system')") == []


def test_7_open_cases_on_the_same_issue_are_looked_for_and_offered(gateway, org, store, id, shown):
    billing = event(f"{id}-a", queue="Mechanical", **customer(phone="+14155550102"))
    assert written(gateway, org, store, billing)["WhatId"] == case(org, "00001025"), "of two, the one on this topic"

    unclear = event(f"{id}-b", **customer(phone="+14155550102"))
    assert written(gateway, org, store, unclear)["WhatId"] == account(org, "Bayside Renewables")
    offered = shown(f"{id}-b")["match"]["cases_offered"]
    assert {one["number"] for one in offered} == {"00001024", "00001025"}


def test_8_a_complaint_has_two_parties_on_one_task_and_both_accounts_are_reachable(org, tmp_path, id):
    write_settings(tmp_path, org.url, companion_tasks=True)
    with (tmp_path / "gateway.yaml").open("a") as settings:
        settings.write("defaults: {second_party: {dispositions: [complaint], missing: ask}}\n")
    installer, home_owner = {"role": "installer", "phone": INSTALLER}, {"role": "home owner", "phone": HOME_OWNER}
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        alone = written(gateway, org, store, event(f"{id}-a", parties=[installer], disposition="Complaint"))
        lacking = store.interaction(f"{id}-a").match
        gateway.post(event(f"{id}-b", parties=[installer, home_owner], disposition="Complaint"))
        eventually(lambda: store.are_written(f"{id}-b"))

    assert (alone["WhoId"], lacking["state"]) == (org.record_id("Owen Park"), "ambiguous")
    assert "second party" in lacking["reason"]
    own, companion = (org.tasks(id)[one][0] for one in sorted(org.tasks(id)) if one.startswith(f"{id}-b"))
    owen, marta = org.record_id("Owen Park"), org.record_id("Marta Ortega")
    assert (set(own["TaskWhoIds"]), own["WhatId"]) == ({owen, marta}, account(org, "North Valley Solar"))
    assert (set(companion["TaskWhoIds"]), companion["WhatId"]) == ({marta}, account(org, "Ortega Household"))


def test_9_it_may_happen_in_wrap_up_and_a_persons_edit_is_never_overwritten(gateway, org, store, id):
    first = written(gateway, org, store, event(id, **customer(phone="+15305550199")))
    assert (first["WhoId"], first["WhatId"]) == (None, None)

    wrap_up = event(id, "wrapped_up", 5, references={"case_number": "00001026"})
    corrected = written(gateway, org, store, wrap_up)
    assert (corrected["Id"], corrected["WhatId"]) == (first["Id"], case(org, "00001026"))

    org.edit(first["Id"], WhatId=account(org, "Helios Finance"), Priority="High")
    late = event(id, "updated", 9, notes="A late note", references={"case_number": "00001024"})
    task = written(gateway, org, store, late)
    assert (task["WhatId"], task["Priority"]) == (account(org, "Helios Finance"), "High")
    assert "A late note" in task["Description"]
