"""Contacts of an org and of a folder of files, kept the same by commands and by a gateway, over real processes."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

from gateway import cli
from tests.end_to_end.processes import ENVIRONMENT, PATIENCE, Gateway, Org, Store, eventually, run

SETTINGS = """\
database: {database}
orgs:
  main:
    login_url: {org}
    auth: {{flow: client_credentials, client_id: devorg-client, client_secret: {{env: SF_SECRET}}}}
connections:
  phonebook:
    connector: csv
    org: main
    settings:
      folder: {folder}
      id_column: Number
      quiet_seconds: 0
      required: [last]
      columns: {{first: First, last: Last, title: Title, phones.mobile: Mobile, emails.work: Mail}}
sync:
  crm-phonebook: {{org: main, connection: phonebook, {when}}}
"""
HEADER = ("Number", "First", "Last", "Title", "Mobile", "Mail")
MANY = 300


@pytest.fixture
def crm(tmp_path: Path) -> Iterator[Org]:
    """An org of the test's own: all of its contacts are synced."""
    (tmp_path / "org").mkdir()
    with Org(tmp_path / "org") as org:
        yield org


def write_settings(
    folder: Path, org: Org, *, when: str = "paused: true", database: str = "sqlite:///gateway.db"
) -> None:
    (folder / "book" / "import").mkdir(parents=True)
    text = SETTINGS.format(database=database, org=org.url, folder=folder / "book", when=when)
    (folder / "gateway.yaml").write_text(text)


def put(folder: Path, *rows: Sequence[str], name: str = "new.csv", header: Sequence[str] = HEADER) -> None:
    """A file that is taken in by the next run."""
    beside = folder / "book" / f".{name}"
    with beside.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    beside.rename(folder / "book" / "import" / name)


def book(folder: Path) -> dict[str, dict[str, str]]:
    """What the folder has, by the number of the contact."""
    with (folder / "book" / "contacts.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["Number"]: row for row in csv.DictReader(file)}


def titles(folder: Path) -> Counter[str]:
    """How many in the folder have which."""
    return Counter(row["Title"] for row in book(folder).values())


def person(number: int) -> tuple[str, ...]:
    return (str(number), f"First{number}", f"Last{number}", "", phone(number), f"p{number}@example.com")


def phone(number: int) -> str:
    return f"+1{203 + number // 100}55501{number % 100:02d}"


def people(org: Org, where: str = "LastName LIKE 'Last%'") -> list[dict[str, Any]]:
    return org.query(f"SELECT Id, FirstName, LastName, Title, MobilePhone, Email FROM Contact WHERE {where}")


@pytest.fixture
def sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`gateway sync`, in this process: what it prints."""
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def synced(*arguments: str, exit_code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["gateway", "sync", *arguments])
        try:
            cli.main()
            code: Any = 0
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        assert (code or 0) == exit_code, printed.out + printed.err
        return printed.out

    return synced


def test_the_commands_from_the_first_plan_to_an_undo(crm, tmp_path, sync):
    write_settings(tmp_path, crm)
    casey, robin = person(101), person(102)
    put(tmp_path, casey, robin)
    before = len(people(crm, "Id != null"))

    assert "once it is not paused" in run(tmp_path, "check").stdout
    plan = sync("plan", "crm-phonebook")
    assert "First101 Last101 (platform 101); create on salesforce (first, last, phones, emails)" in plan
    assert "2 created on salesforce" in plan
    assert people(crm) == []

    assert "2 created on salesforce" in run(tmp_path, "sync", "run", "crm-phonebook").stdout
    found = {each["MobilePhone"]: each for each in people(crm)}
    assert found[phone(101)]["Email"] == "p101@example.com"
    assert len(book(tmp_path)) == before + 2
    assert "written" not in sync("run", "crm-phonebook"), "a second run writes nothing"

    # An edit of one side, and one of both.
    crm.edit(found[phone(102)]["Id"], Title="Owner")
    crm.edit(found[phone(101)]["Id"], Title="Chair")
    put(tmp_path, ("101", "Boss"), header=("Number", "Title"))
    sync("run", "crm-phonebook")
    assert book(tmp_path)["102"]["Title"] == "Owner"
    told = sync("conflicts", "crm-phonebook")
    assert "salesforce: Chair" in told
    assert "platform: Boss" in told
    settle = re.search(r"sync resolve (crm-phonebook \d+ title --winner )", told)
    assert settle
    sync("resolve", *settle[1].split(), "platform")
    sync("run", "crm-phonebook")
    assert {each["Title"] for each in people(crm, f"MobilePhone = '{phone(101)}'")} == {"Boss"}
    assert "conflict about" not in sync("conflicts", "crm-phonebook")
    (loss,) = json.loads(sync("history", "crm-phonebook", "--losses", "--json"))
    assert (loss["value"], loss["decided"]) == ("Chair", "The command line chose platform")

    # The choice is undone, and stays so; the next edit travels again.
    runs = json.loads(sync("history", "crm-phonebook", "--json"))
    last = next(each for each in runs if each["counts"]["written"])
    (change,) = json.loads(sync("history", "crm-phonebook", str(last["id"]), "--json"))
    assert (change["before"], change["after"]) == ({"title": "Chair"}, {"title": "Boss"})
    sync("undo", "crm-phonebook", str(last["id"]))
    sync("run", "crm-phonebook")
    assert {each["Title"] for each in people(crm, f"MobilePhone = '{phone(101)}'")} == {"Chair"}
    assert book(tmp_path)["101"]["Title"] == "Boss"
    crm.edit(found[phone(101)]["Id"], Title="President")
    sync("run", "crm-phonebook")
    assert book(tmp_path)["101"]["Title"] == "President"


def test_a_brake_stops_a_run_until_a_person_agrees(crm, tmp_path, sync):
    write_settings(tmp_path, crm)
    put(tmp_path, *(person(number) for number in range(40)))
    sync("run", "crm-phonebook")

    put(tmp_path, *((str(number), "Same") for number in range(40)), header=("Number", "Title"))
    stopped = sync("run", "crm-phonebook", exit_code=1)
    assert "stopped" in stopped
    assert "changes on salesforce: 40 of" in stopped
    assert {each["Title"] for each in people(crm)} == {None}
    assert "changes on salesforce" in sync("status")
    assert "40 changed on salesforce" in sync("approve", "crm-phonebook")
    assert {each["Title"] for each in people(crm)} == {"Same"}


def test_whom_a_duplicate_rule_keeps_out_is_joined_with_whom_a_person_names(crm, tmp_path, sync):
    write_settings(tmp_path, crm, when="paused: true, create: {platform: false}")
    rule = {"name": "Last names", "object": "Contact", "fields": ["LastName"], "action": "block"}
    crm.control("POST", "setup", {"duplicate_rules": [rule]})
    there = crm.create("Contact", FirstName="Casey", LastName="Last101", Email="casey@example.com")
    put(tmp_path, person(101), person(102))

    assert "1 questions, 1 created on salesforce" in sync("run", "crm-phonebook")
    told = sync("conflicts", "crm-phonebook")
    assert "duplicate rule Last names" in told
    assert f"could be {there}" in told
    sync("resolve", "crm-phonebook", "platform", "101", "--same", there)
    sync("run", "crm-phonebook")

    (joined,) = people(crm, "LastName = 'Last101'")
    assert (joined["Id"], joined["MobilePhone"]) == (there, phone(101))
    assert "duplicate rule" not in sync("conflicts", "crm-phonebook")


def test_two_who_ask_at_once_both_hear_of_it(crm, tmp_path):
    write_settings(tmp_path, crm)
    put(tmp_path, *(person(number) for number in range(30)))
    crm.faults({"kind": "latency", "milliseconds": 300})

    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: run(tmp_path, "sync", "run", "crm-phonebook"), range(2)))
    assert [each.returncode for each in done] == [0, 0]
    assert len(people(crm)) == 30


@pytest.mark.parametrize("pair", ["crm", "crm-phonebook x"])
def test_wrong_use_is_told(org, tmp_path, pair):
    write_settings(tmp_path, org)
    done = run(tmp_path, "sync", "run", *pair.split())

    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_gateway_killed_amid_a_sync_goes_on_and_doubles_nobody(url, crm, tmp_path):
    write_settings(tmp_path, crm, when="every: 1s", database=url)
    put(tmp_path, *(person(number) for number in range(MANY)))
    crm.faults({"kind": "latency", "milliseconds": 300})

    for share in (0, 1, MANY // 2):
        with Gateway(tmp_path), Store(tmp_path, url):
            eventually(lambda share=share: len(people(crm)) >= share, f"{share} contacts")
        with Store(tmp_path, url) as store:
            store.end_leases()
    crm.faults()
    with Gateway(tmp_path), Store(tmp_path, url) as store:
        eventually(lambda: len(people(crm)) >= MANY and is_at_rest(store), "both sides the same")

    counted = Counter(each["MobilePhone"] for each in people(crm))
    assert counted == {phone(number): 1 for number in range(MANY)}
    assert {str(number) for number in range(MANY)} <= set(book(tmp_path))


def is_at_rest(store: Store, linked: int = MANY) -> bool:
    counts = store.sync_counts("crm-phonebook")
    return counts["due"] == counts["due_strays"] == 0 and counts["linked"] >= linked


# --- two gateways

SECONDS = 3
"""From one slot of the pair that two gateways have to the next."""
ROUNDS = 6


@dataclass(frozen=True)
class Office:
    """Two gateways with the same pair on one PostgreSQL, and what anybody may ask them."""

    gateways: tuple[Gateway, Gateway]
    store: Store
    token: str

    def ask(self, which: int, method: str, path: str, **body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.gateways[which].url}/api/sync/crm-phonebook{path}"
        answer = requests.request(method, url, headers=headers, json=body or None, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def ask_both(self) -> None:
        """For a run at once, at the same time."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda which: self.ask(which, "POST", "/runs", kind="sync"), (0, 1)))

    def runs(self, which: int) -> list[dict[str, Any]]:
        """All runs, the oldest first."""
        found: list[dict[str, Any]] = self.ask(which, "GET", "/runs?limit=200")["items"]
        return found[::-1]

    def history(self, which: int) -> list[dict[str, Any]]:
        """All runs, once the pair rests for good."""
        self.ask(which, "POST", "/pause")

        def ended() -> list[dict[str, Any]]:
            runs = self.runs(which)
            return [] if any(each["state"] == "running" for each in runs) else runs

        return eventually(ended, "the end of the last run")

    def writes(self, runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """What they wrote."""
        paths = [f"/runs/{each['id']}/changes?limit=200" for each in runs]
        return [change for path in paths for change in self.ask(0, "GET", path)["items"]]

    def worker(self) -> Gateway | None:
        """The gateway that has the pair in hand."""
        owner = self.store.owner("phonebook", "sync-crm-phonebook")
        return next((each for each in self.gateways if owner and f":{each.pid}:" in owner), None)


@pytest.fixture
def office(url: str, crm: Org, tmp_path: Path) -> Iterator[Office]:
    write_settings(tmp_path, crm, when=f"every: {SECONDS}s", database=url)
    token = run(tmp_path, "token", "create", "--role", "operator").stdout.strip()
    with Gateway(tmp_path) as one, Gateway(tmp_path) as two, Store(tmp_path, url) as store:
        yield Office((one, two), store, token)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_two_gateways_share_the_slots_of_a_pair(office, crm, tmp_path):
    """In each round somebody is new on either side and somebody is changed; in every other one both are asked to run."""
    crm.faults({"kind": "latency", "milliseconds": 100})
    put(tmp_path, person(0), person(1))
    eventually(lambda: len(people(crm)) == 2, "the first two")
    known = next(each["Id"] for each in people(crm) if each["MobilePhone"] == phone(0))

    for each in range(1, ROUNDS + 1):
        put(tmp_path, person(100 + each), name=f"new-{each}.csv")
        put(tmp_path, ("1", f"Book {each}"), header=("Number", "Title"), name=f"edit-{each}.csv")
        crm.create("Contact", **made(200 + each))
        crm.edit(known, Title=f"Crm {each}")
        if each % 2:
            office.ask_both()
        eventually(lambda each=each: has_arrived(crm, tmp_path, each), f"round {each}")
    eventually(lambda: is_at_rest(office.store, 2 + 2 * ROUNDS), "both sides the same")

    expected = [0, 1, *range(101, 101 + ROUNDS), *range(201, 201 + ROUNDS)]
    assert Counter(each["MobilePhone"] for each in people(crm)) == {phone(number): 1 for number in expected}
    here = Counter(row["Last"] for row in book(tmp_path).values() if re.fullmatch(r"Last\d+", row["Last"]))
    assert here == {f"Last{number}": 1 for number in expected}
    runs = office.history(0)
    check_once(office.writes(runs))
    check_slots(runs)


def made(number: int) -> dict[str, str]:
    return {
        "FirstName": f"First{number}", "LastName": f"Last{number}", "MobilePhone": phone(number),
        "Email": f"p{number}@example.com",
    }  # fmt: skip


def has_arrived(org: Org, folder: Path, number: int) -> bool:
    there = {each["MobilePhone"]: each for each in people(org)}
    here = {row["Last"]: row for row in book(folder).values()}
    return (
        phone(100 + number) in there
        and f"Last{200 + number}" in here
        and there[phone(1)]["Title"] == f"Book {number}"
        and here["Last0"]["Title"] == f"Crm {number}"
    )


def check_once(writes: Sequence[dict[str, Any]]) -> None:
    """Every edit arrived by one write, and everybody who was new by another one."""
    assert {each["written"] for each in writes} == {"done"}
    titles = Counter(each["after"]["title"] for each in writes if each["act"] == "update" and "title" in each["after"])
    assert titles == {f"{side} {number}": 1 for side in ("Book", "Crm") for number in range(1, ROUNDS + 1)}
    made = [(each["side"], each["after"]["last"]) for each in writes if each["act"] == "create"]
    numbers = range(1, ROUNDS + 1)
    assert Counter(each for each in made if re.fullmatch(r"Last\d{3}", each[1])) == {
        **{("salesforce", f"Last{100 + number}"): 1 for number in numbers},
        **{("platform", f"Last{200 + number}"): 1 for number in numbers},
    }


def check_slots(runs: Sequence[dict[str, Any]]) -> None:
    """One run after the other, and but one of the schedule in a slot."""
    assert {each["state"] for each in runs} == {"done"}
    assert all(one["ended_at"] <= other["started_at"] for one, other in pairwise(runs))
    scheduled = Counter(slot(each) for each in runs if each["by"] == "schedule")
    assert scheduled
    assert set(scheduled.values()) == {1}
    asked = [each for each in runs if each["by"] != "schedule"]
    assert ROUNDS // 2 <= len(asked) <= ROUNDS


def slot(run: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(run["started_at"]).timestamp() // SECONDS)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_the_other_gateway_takes_over_from_one_killed_amid_a_run(office, crm, tmp_path):
    # Only what a run asks is slow, so that the first contacts are seen long before it ends.
    crm.faults({"kind": "latency", "method": "POST", "path": "/composite", "milliseconds": 1000})
    put(tmp_path, *(person(number) for number in range(MANY)))
    eventually(lambda: people(crm), "the first contacts")
    killed = eventually(office.worker, "a run")
    killed.kill()
    left = 1 - office.gateways.index(killed)
    broken = office.runs(left)[-1]
    assert broken["state"] == "running"

    crm.edit(people(crm)[0]["Id"], Title="Chair")
    crm.faults()
    office.store.end_leases()
    eventually(lambda: "Chair" in titles(tmp_path), "the edit on the other side")
    eventually(lambda: len(people(crm)) >= MANY and is_at_rest(office.store), "both sides the same")

    assert Counter(each["MobilePhone"] for each in people(crm)) == {phone(number): 1 for number in range(MANY)}
    assert titles(tmp_path)["Chair"] == 1
    runs = office.history(left)
    assert [each["id"] for each in runs if each["state"] == "cut_off"] == [broken["id"]]
    later = [each for each in runs if each["id"] > broken["id"]]
    assert {each["state"] for each in later} == {"done"}
    assert set(Counter(slot(each) for each in later).values()) == {1}
