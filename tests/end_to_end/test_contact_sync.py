"""Contacts of an org and of a folder of files, kept the same by commands and by a gateway, over real processes."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway import cli
from tests.end_to_end.processes import ENVIRONMENT, Gateway, Org, Store, eventually, run

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


def is_at_rest(store: Store) -> bool:
    counts = store.sync_counts("crm-phonebook")
    return counts["due"] == counts["due_strays"] == 0 and counts["linked"] >= MANY
