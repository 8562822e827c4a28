"""Contacts of an org and of a folder of files, kept the same by commands and by a gateway, over real processes."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import Gateway, Org, Store, eventually, run

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
MANY = 600


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
    """What the folder has, by the mobile number of the contact, or by name."""
    with (folder / "book" / "contacts.csv").open(newline="", encoding="utf-8") as file:
        return {row["Mobile"].lstrip("'") or f"{row['First']} {row['Last']}": row for row in csv.DictReader(file)}


def person(number: int) -> tuple[str, ...]:
    return (str(number), f"First{number}", f"Last{number}", "", f"+1415555{number:04d}", f"p{number}@example.com")


def people(org: Org, where: str = "MobilePhone LIKE '+1415555%'") -> list[dict[str, Any]]:
    return org.query(f"SELECT Id, FirstName, LastName, Title, MobilePhone, Email FROM Contact WHERE {where}")


def sync(folder: Path, *arguments: str, exit_code: int = 0) -> str:
    done = run(folder, "sync", *arguments)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout


def test_the_commands_from_the_first_plan_to_an_undo(crm, tmp_path):
    write_settings(tmp_path, crm)
    casey, robin = person(101), person(102)
    put(tmp_path, casey, robin)
    before = len(people(crm, "Id != null"))

    assert "once it is not paused" in run(tmp_path, "check").stdout
    plan = sync(tmp_path, "plan", "crm-phonebook")
    assert "First101 Last101 (platform 101); create on salesforce (first, last, phones, emails)" in plan
    assert "2 created on salesforce" in plan
    assert people(crm) == []

    assert "2 created on salesforce" in sync(tmp_path, "run", "crm-phonebook")
    found = {each["MobilePhone"]: each for each in people(crm)}
    assert found["+14155550101"]["Email"] == "p101@example.com"
    assert len(book(tmp_path)) == before + 2
    assert "written" not in sync(tmp_path, "run", "crm-phonebook"), "a second run writes nothing"

    # An edit of one side, and one of both.
    crm.edit(found["+14155550102"]["Id"], Title="Owner")
    crm.edit(found["+14155550101"]["Id"], Title="Chair")
    put(tmp_path, ("101", "Boss"), header=("Number", "Title"))
    sync(tmp_path, "run", "crm-phonebook")
    assert book(tmp_path)["+14155550102"]["Title"] == "Owner"
    told = sync(tmp_path, "conflicts", "crm-phonebook")
    assert "salesforce: Chair" in told
    assert "platform: Boss" in told
    settle = re.search(r"sync resolve (crm-phonebook \d+ title --winner )", told)
    assert settle
    sync(tmp_path, "resolve", *settle[1].split(), "platform")
    sync(tmp_path, "run", "crm-phonebook")
    assert {each["Title"] for each in people(crm, "MobilePhone = '+14155550101'")} == {"Boss"}
    assert sync(tmp_path, "conflicts", "crm-phonebook") == "Nothing waits for a person.\n"
    assert "chose platform" in sync(tmp_path, "history", "crm-phonebook", "--losses")

    # The choice is undone, and stays so; the next edit travels again.
    runs = json.loads(sync(tmp_path, "history", "crm-phonebook", "--json"))
    last = next(each for each in runs if each["counts"]["written"])
    assert "Boss" in sync(tmp_path, "history", "crm-phonebook", str(last["id"]))
    sync(tmp_path, "undo", "crm-phonebook", str(last["id"]))
    sync(tmp_path, "run", "crm-phonebook")
    assert {each["Title"] for each in people(crm, "MobilePhone = '+14155550101'")} == {"Chair"}
    assert book(tmp_path)["+14155550101"]["Title"] == "Boss"
    crm.edit(found["+14155550101"]["Id"], Title="President")
    sync(tmp_path, "run", "crm-phonebook")
    assert book(tmp_path)["+14155550101"]["Title"] == "President"


def test_a_brake_stops_a_run_until_a_person_agrees(crm, tmp_path):
    write_settings(tmp_path, crm)
    put(tmp_path, *(person(number) for number in range(40)))
    sync(tmp_path, "run", "crm-phonebook")

    put(tmp_path, *((str(number), "Same") for number in range(40)), header=("Number", "Title"))
    stopped = sync(tmp_path, "run", "crm-phonebook", exit_code=1)
    assert "stopped" in stopped
    assert "changes on salesforce: 40 of" in stopped
    assert {each["Title"] for each in people(crm)} == {None}
    assert "changes on salesforce" in sync(tmp_path, "status")
    assert "40 changed on salesforce" in sync(tmp_path, "approve", "crm-phonebook")
    assert {each["Title"] for each in people(crm)} == {"Same"}


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
    assert counted == {person(number)[4]: 1 for number in range(MANY)}
    assert set(counted) <= set(book(tmp_path))


def is_at_rest(store: Store) -> bool:
    counts = store.sync_counts("crm-phonebook")
    return counts["due"] == counts["due_strays"] == 0 and counts["linked"] >= MANY
