"""Contacts by CSV files: a folder as one side of a sync, import files, the export."""

from __future__ import annotations

import csv
import os
import sqlite3
import tracemalloc
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.csv import CsvConnector, CsvSettings
from connectors.csv.folder import Folder
from connectors.csv.layout import defused, undefused
from gateway.domain.contacts import Side
from gateway.domain.policies import MatchPolicy
from gateway.sdk import (
    Act,
    ConfigError,
    ContactWrite,
    Delivery,
    Entry,
    RejectedError,
    Request,
    RetryableError,
    UnauthorizedError,
    Written,
)
from gateway.sdk.discovery import configured
from gateway.sdk.testing import LOST, ContactSideSuite
from gateway.usecases.contacts import Pair
from gateway.usecases.sync import ContactSync
from tests.fakes.contacts import Clock, FakeSide, MemoryLinks, phones
from tests.unit.usecases.sync_desk import policy

COLUMNS = {
    "first": "First name",
    "last": "Last name",
    "title": "Title",
    "notes": "Notes",
    "phones.mobile": "Mobile",
    "phones.work": "Work phone",
    "emails.work": "E-mail",
    "emails.home": "Private e-mail",
}


def side_of(folder: Path, **settings: Any):
    given = {"folder": str(folder), "columns": COLUMNS, "quiet_seconds": 10, **settings}
    return configured(CsvConnector, given).contact_side()


class FlakyConnection(sqlite3.Connection):
    """Fails at one statement, before it or, where it is a commit, after it."""

    left: int | None = None
    late = False

    def execute(self, statement, *arguments):
        is_turn = (statement == "COMMIT") or not FlakyConnection.late
        if is_turn and FlakyConnection.left is not None:
            FlakyConnection.left -= 1
            if FlakyConnection.left < 0:
                FlakyConnection.left = None
                if FlakyConnection.late:
                    super().execute(statement, *arguments)
                raise sqlite3.OperationalError("disk I/O error")
        return super().execute(statement, *arguments)


class TestAFolder(ContactSideSuite):
    lines = "notes"
    faults = ("disk I/O error", LOST)

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path, monkeypatch):
        self.path = tmp_path
        real = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=FlakyConnection))
        monkeypatch.setattr(FlakyConnection, "left", None)
        monkeypatch.setattr("connectors.csv.side.PAGE", 3)

    @contextmanager
    def store(self):
        yield self.path

    def side(self, store):
        return side_of(store)

    def fail(self, store, fault, turn):
        FlakyConnection.left, FlakyConnection.late = turn, fault == LOST


# --- pieces


class Desk:
    """A folder, and the time, which goes on by a minute with each reading."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.path = path
        self.settings = settings
        self.now = datetime.now(UTC)
        self.cursor: Any = None

    @property
    def side(self):
        return side_of(self.path, **self.settings)

    def put(self, text: str | bytes, *, folder: str = "import", name: str = "people.csv") -> Path:
        path = self.path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, *, wait: float = 60):
        self.now += timedelta(seconds=wait)
        records = []
        for page in self.side.changes(self.cursor, self.now):
            records += page.records
            self.cursor = page.cursor or self.cursor
        return records

    def taken(self, text: str | bytes):
        """The report on a file that is put in."""
        self.put(text)
        self.read()
        return self.report()

    def report(self) -> str:
        reports = sorted(self.path.glob("*/*.report.txt"), key=lambda path: path.stat().st_mtime_ns)
        return reports[-1].read_text("utf-8-sig")

    def people(self) -> dict[str, dict[str, Any]]:
        """What everybody's filled values are, by id."""
        records = [record for page in self.side.changes(None, self.now) for record in page.records]
        return {r.id: {n: v for n, v in r.values.items() if v} for r in records if not r.is_gone}

    def exported(self) -> list[dict[str, str]]:
        with (self.path / "contacts.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def files(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.path / folder).iterdir())


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


# --- import


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_taken_in_whatever_the_order_of_its_columns(desk, bom) -> None:
    text = "Mobile,Last name,ID,Shoe size,First name\r\n(415) 555-0101,Müller,7,44,Zoë\r\n"
    report = desk.taken(bom + text.encode())
    assert desk.people() == {"7": {"first": "Zoë", "last": "Müller", "phones": (Entry("(415) 555-0101", "mobile"),)}}
    assert "1 rows: 1 new, 0 changed, 0 as they were, 0 wrong." in report
    assert "not used: Shoe size" in report
    assert desk.files("import") == desk.files("taking") == []
    assert len(desk.files("done")) == 2


def test_another_delimiter_and_other_headers(tmp_path) -> None:
    desk = Desk(tmp_path, delimiter=";", columns={"last": "Nachname"}, id_column="Nr", required=["last"])
    assert "2 rows: 1 new" in desk.taken('Nr;Nachname\n7;Müller; Söhne\n8;"Müller; Söhne"\n')
    assert desk.people() == {"8": {"last": "Müller; Söhne"}}
    assert "Row 2: it has 3 cells, the header has 2." in desk.report()


def test_what_a_file_has_no_column_of_stays_and_an_empty_cell_empties(desk) -> None:
    desk.taken("ID,First name,Last name,Mobile,Work phone\n7,Casey,Customer,+14155550101,+14155550102\n")
    desk.taken("ID,First name,Mobile\n7,,+14155550103\n")
    phones = (Entry("+14155550103", "mobile"), Entry("+14155550102", "work"))
    assert desk.people() == {"7": {"last": "Customer", "phones": phones}}


def test_the_same_file_twice_changes_nothing(desk) -> None:
    text = "First name,Last name\nCasey,Customer\nAda,Agent\n"
    assert "2 new" in desk.taken(text)
    assert len(desk.people()) == 2
    desk.read()
    desk.put(text)
    assert desk.read() == []
    assert "0 new, 0 changed, 2 as they were" in desk.report()


def test_wrong_rows_are_told_by_their_numbers_and_the_others_are_taken(tmp_path) -> None:
    desk = Desk(tmp_path, required=["last"])
    rows = [
        "ID,First name,Last name,Notes",
        '1,Ada,Agent,"two',
        'lines"',
        "2,Casey,,",
        "",
        "3,Casey,Customer,,,",
        "1,Ada,Again,",
        f"4,Casey,Long,{'x' * 32_001}",
        "5,Owen,Owner,",
    ]
    report = desk.taken("\n".join(rows))
    assert report.splitlines()[1:] == [
        "6 rows: 2 new, 0 changed, 0 as they were, 4 wrong.",
        "Row 3: Last name: must not be empty.",
        "Row 5: it has 6 cells, the header has 4.",
        "Row 6: ID: the same as in row 2.",
        "Row 7: Notes: longer than 32000 characters.",
    ]
    assert desk.people().keys() == {"1", "5"}
    assert desk.people()["1"]["notes"] == "two\nlines"
    assert "Casey" not in report


def test_a_report_does_not_grow_without_end(desk) -> None:
    report = desk.taken("ID,Last name\n" + "1,x,y\n" * 3_000)
    assert report.splitlines()[-1] == "And 2,000 more."


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no header"),
        (b"Name;Phone\nx;y\n", "no header that is configured"),
        (b"ID,Last name,Last name\n1,x,y\n", "twice: Last name"),
        ("ID,Last name\n1,Agent\n2,Müller\n".encode("latin-1"), "not UTF-8"),
        ("ID,Last name\n1,Agent\n".encode("utf-16"), "not UTF-8"),
        (b"ID,Last name\n1,Agent\n2,\0\n", "zero characters"),
        (b'ID,Last name\n1,Agent\n2,"Agent"x\n', "After row 2 it cannot be read on"),
        (b'ID,Last name\n1,Agent\n2,"Agent\n', "After row 2 it cannot be read on"),
        (b"ID,Last name\n1,Agent\n2," + b"x" * 1_100_000, "over a million"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(desk, content, says) -> None:
    report = desk.taken(content)
    assert report.startswith("Refused, nothing of it is taken.")
    assert says in report
    assert desk.people() == {}
    assert [name for name in desk.files("refused") if not name.endswith(".txt")]
    assert desk.files("import") == desk.files("taking") == []


def test_a_row_that_was_exported_before_somebody_changed_the_contact_is_not_taken(desk) -> None:
    desk.taken("ID,Last name,Title\n7,Customer,Buyer\n8,Agent,Seller\n")
    old = (desk.path / "contacts.csv").read_bytes()
    (record,) = desk.side.get(["7"])
    desk.side.write([ContactWrite(act=Act.UPDATE, id="7", version=record.version, values={"title": "Director"})])
    report = desk.taken(old.replace(b"Buyer", b"Clerk").replace(b"Seller", b"Lead"))
    assert "Row 2: the contact was changed, or deleted, since this was exported" in report
    assert {id: values["title"] for id, values in desk.people().items()} == {"7": "Director", "8": "Lead"}


def test_a_contact_that_was_deleted_comes_back_by_a_file_that_has_it(desk) -> None:
    desk.taken("ID,Last name\n7,Customer\n")
    (record,) = desk.side.get(["7"])
    desk.side.write([ContactWrite(act=Act.DELETE, id="7", version=record.version)])
    desk.taken("ID,Last name\n7,Customer\n")
    assert desk.people() == {"7": {"last": "Customer"}}


# --- when


def test_a_file_that_is_still_being_written_is_left_alone(desk) -> None:
    path = desk.put("ID,Last name\n7,Cust")
    os.utime(path, (0, 0))
    desk.now = datetime.fromtimestamp(path.stat().st_ctime, UTC)
    assert desk.read(wait=9) == []
    assert desk.files("import") == ["people.csv"]
    desk.put("ID,Last name\n7,Customer\n")
    desk.read(wait=30)
    assert desk.people() == {"7": {"last": "Customer"}}


@pytest.mark.parametrize("name", [".people.csv", "~people.csv", "people.csv.part", "people.csv.TMP", "x.report.txt"])
def test_what_bears_the_name_of_something_unfinished_is_left_alone(desk, name) -> None:
    desk.put("ID,Last name\n7,Customer\n", name=name)
    desk.read()
    assert desk.people() == {}
    assert desk.files("import") == [name]


def test_a_file_that_grows_while_it_is_read_is_taken_when_it_is_whole(desk, monkeypatch) -> None:
    desk.put("ID,Last name\n" + "".join(f"{n},Customer\n" for n in range(1_500)))

    def grow(self, path, outcome) -> None:
        with path.open("ab") as file:
            file.write(b"x,Late\n")

    monkeypatch.setattr("connectors.csv.folder.Folder._tell", grow)
    desk.read()
    assert desk.people() == {}
    monkeypatch.undo()
    desk.read()
    assert len(desk.people()) == 1_501


def test_a_file_of_the_same_name_waits_for_the_first(desk, monkeypatch) -> None:
    desk.read()
    desk.put("ID,Last name\n7,First\n", folder="taking")
    desk.put("ID,Last name\n7,Second\n")
    desk.read()
    assert desk.people() == {"7": {"last": "Second"}}
    assert len(desk.files("done")) >= 2


class Killed(BaseException):
    pass


@pytest.mark.parametrize("where", ["_tell", "_write", "replace"])
def test_a_kill_leaves_a_file_to_be_taken_in_once(desk, monkeypatch, where) -> None:
    desk.read()
    export = "ID,Last name,Version\n" + "".join(f"{n},Customer,\n" for n in range(1_500))
    desk.put(export)

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        targets = {"_tell": "connectors.csv.folder.Folder._tell", "_write": "connectors.csv.folder._write"}
        if where in targets:
            patch.setattr(targets[where], kill)
        else:
            real = Path.replace
            patch.setattr(
                Path,
                "replace",
                lambda self, to: (
                    kill() if to.parent.name == "done" and self.parent.name == "taking" else real(self, to)
                ),
            )
        with pytest.raises(Killed):
            desk.read()
    assert desk.files("import") == []
    assert "people.csv" in desk.files("taking")
    desk.read()
    assert "1,500 rows: 1,500 new, 0 changed, 0 as they were, 0 wrong." in desk.report()
    assert len(desk.people()) == 1_500
    assert desk.files("taking") == []
    assert [name for name in desk.files("done") if name.startswith(".")] == []


# --- preview, progress


def test_a_file_to_check_is_reported_on_and_nothing_is_written(tmp_path) -> None:
    desk = Desk(tmp_path, required=["last"])
    desk.taken("ID,Last name\n7,Customer\n8,Agent\n")
    before, export = desk.people(), desk.exported()
    path = desk.put("ID,Last name\n7,Changed\n8,Agent\n9,New\n10,\n", folder="check")
    assert desk.read() == []
    assert desk.report().splitlines() == [
        "Looked at: 100% of the file.",
        "4 rows: 1 new, 1 changed, 1 as they were, 1 wrong.",
        "Row 5: Last name: must not be empty.",
    ]
    assert (desk.people(), desk.exported()) == (before, export)
    assert path.exists()
    path.replace(desk.path / "import" / path.name)
    desk.read()
    assert {id: values["last"] for id, values in desk.people().items()} == {"7": "Changed", "8": "Agent", "9": "New"}


def test_the_report_on_a_file_to_check_is_made_anew_when_the_file_is_another(desk) -> None:
    desk.put("ID,Last name\n7,Customer\n", folder="check")
    desk.read()
    report = desk.path / "check/people.csv.report.txt"
    report.write_text("kept")
    desk.read()
    assert report.read_text() == "kept"
    os.utime(report, (0, 0))
    desk.put("ID,Last name\n7,Customer\n8,Agent\n", folder="check")
    desk.read()
    assert "2 new" in report.read_text("utf-8-sig")


def test_how_far_a_reading_is_is_told(desk, monkeypatch) -> None:
    told: list[str] = []
    real = Folder._tell

    def tell(self, path, outcome) -> None:
        real(self, path, outcome)
        told.append((desk.path / "taking/people.csv.report.txt").read_text("utf-8-sig"))

    monkeypatch.setattr(Folder, "_tell", tell)
    desk.taken("ID,Last name,Notes\n" + "".join(f"{n},Customer,{'x' * 100}\n" for n in range(10_000)))
    shares = [float(each.split(": ")[1].split("%")[0]) for each in told]
    assert len(told) == 10
    assert shares == sorted(shares)
    assert 5 < shares[0] < 25
    assert "1,000 rows: 1,000 new" in told[0]
    assert desk.files("taking") == []


# --- export


def test_the_export_has_everybody_as_they_are(desk) -> None:
    desk.taken("ID,Last name,Mobile\n7,Customer,+14155550101\n8,Agent,\n")
    (record,) = desk.side.get(["8"])
    desk.side.write(
        [
            ContactWrite(act=Act.DELETE, id="8", version=record.version),
            ContactWrite(act=Act.CREATE, values={"last": "Owner"}, other_id="003000000000001AAA"),
        ]
    )
    rows = {row["ID"]: row for row in desk.exported()}
    assert rows["7"]["Last name"] == "Customer"
    assert rows["7"]["Mobile"] == "'+14155550101"
    assert "8" not in rows
    (new,) = [row for row in rows.values() if row["Last name"] == "Owner"]
    assert new["Salesforce ID"] == "003000000000001AAA"
    assert [path.name for path in desk.path.iterdir() if path.suffix == ".tmp"] == []


FORMULAS = ["=1+1", "+1", "-1", "@x", "＝1", "＋1", "－1", "＠x", "'=1", "''+1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_the_export_is_a_formula_and_it_can_be_taken_in_again(desk, text) -> None:
    values = {"last": text, "title": text, "emails": (Entry(text, "work"),)}
    desk.side.write([ContactWrite(act=Act.CREATE, values=values)])
    (row,) = desk.exported()
    assert {row[name] for name in ("Last name", "Title", "E-mail")} == {f"'{text}"}
    before = desk.people()
    assert "1 as they were" in desk.taken((desk.path / "contacts.csv").read_bytes())
    assert desk.people() == before


@given(st.text(max_size=20) | st.text("'=+-@＝a", max_size=4))
def test_what_is_defused_is_read_as_it_was(text) -> None:
    assert undefused(defused(text)) == text
    assert defused(text)[:1] not in set("=+-@＝＋－＠")


def test_an_export_that_could_not_be_written_is_made_up_for(desk, monkeypatch) -> None:
    desk.read()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _full)
        (result,) = desk.side.write([ContactWrite(act=Act.CREATE, values={"last": "Owner"})])
        assert result.written is Written.DONE
        with pytest.raises(RetryableError, match="No space left"):
            desk.read()
    assert desk.exported() == []
    desk.read()
    assert [row["Last name"] for row in desk.exported()] == ["Owner"]
    assert [path.name for path in desk.path.iterdir() if path.name.startswith(".")] == []


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_an_export_that_somebody_removed_is_written_again(desk) -> None:
    desk.taken("ID,Last name\n7,Customer\n")
    (desk.path / "contacts.csv").unlink()
    desk.read()
    assert [row["ID"] for row in desk.exported()] == ["7"]


# --- the side


def test_a_store_that_was_moved_away_is_told_as_a_new_listing(desk) -> None:
    desk.taken("ID,Last name\n7,Customer\n8,Agent\n")
    cursor = desk.cursor
    (desk.path / "contacts.sqlite").unlink()
    desk.taken("ID,Last name\n8,Agent\n")
    pages = list(desk.side.changes(cursor, desk.now))
    assert [[record.id for record in page.records] for page in pages] == [["8"]]
    assert pages[-1].listing
    assert pages[-1].ends


def test_numbers_are_found_in_another_region_once_it_is_configured(desk) -> None:
    desk.taken("ID,Last name,Mobile\n7,Customer,030 5550101\n")
    other = side_of(desk.path, region="DE")
    list(other.changes(None, desk.now))
    assert [record.id for record in other.find(["phone:+49305550101"], [])] == ["7"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"shoe_size": "44"}, "no column for shoe_size"),
        ({"phones": (Entry("+14155550101", "fax"),)}, "phones of type fax"),
        ({"phones": (Entry("+14155550101", "work"), Entry("+14155550102", "work"))}, "no other one"),
        ({"title": "x" * 32_001}, "longer"),
        ({"last": ""}, "must not be empty"),
    ],
)
def test_what_has_no_place_is_refused_and_nothing_of_it_is_written(tmp_path, values, says) -> None:
    desk = Desk(tmp_path, required=["last"])
    (result,) = desk.side.write([ContactWrite(act=Act.CREATE, values={"last": "Owner", **values})])
    assert result.written is Written.REFUSED
    assert says in result.reason
    assert desk.people() == {}


def test_ten_megabytes_take_no_memory_worth_mentioning(desk) -> None:
    desk.put("ID,Last name,Notes\n" + "".join(f"{n},Customer,{'x' * 1_700}\n" for n in range(6_000)))
    tracemalloc.start()
    try:
        pages = sum(1 for _ in desk.side.changes(None, desk.now + timedelta(minutes=1)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pages > 10
    assert most < 5_000_000, "the file alone has 10 MB"


def test_a_folder_that_is_not_there_is_for_a_person_to_mend(tmp_path) -> None:
    side = side_of(tmp_path / "nowhere")
    for call in (side.limits, lambda: list(side.changes(None, datetime.now(UTC))), lambda: side.get(["7"])):
        with pytest.raises(ConfigError, match="nowhere does not exist"):
            call()


def test_a_damaged_store_is_for_a_person_to_mend(desk) -> None:
    (desk.path / "contacts.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(ConfigError, match="is damaged"):
        desk.side.limits()


def test_another_process_that_writes_is_waited_for(desk, monkeypatch) -> None:
    desk.read()
    monkeypatch.setattr("connectors.csv.store._WAIT_SECONDS", 0.01)
    with closing(sqlite3.connect(desk.path / "contacts.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RetryableError, match="locked"):
            desk.side.write([ContactWrite(act=Act.CREATE, values={"last": "Owner"})])
    assert desk.people() == {}


# --- settings


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"columns": {"phones": "Phone"}}, "phones.TYPE"),
        ({"columns": {"title.x": "Title"}}, "phones.TYPE"),
        ({"columns": {"first": "Name", "last": "Name"}}, "one meaning: Name"),
        ({"columns": {"first": "ID"}}, "one meaning: ID"),
        ({"columns": {"first": "Version"}}, "one meaning: Version"),
        ({"columns": {}}, "Shorter"),
        ({"required": ["shoe_size"]}, "no column for shoe_size"),
        ({"delimiter": "::"}, "Must be one of"),
    ],
)
def test_settings_that_mean_nothing_are_refused(tmp_path, settings, says) -> None:
    with pytest.raises(ConfigError, match=says):
        side_of(tmp_path, **settings)


def test_the_readme_names_every_setting() -> None:
    readme = (Path(__file__).parents[2] / "connectors/csv/README.md").read_text("utf-8")
    assert [name for name in CsvSettings().fields if f"`{name}`" not in readme] == []


def test_it_takes_no_posts(tmp_path) -> None:
    connector = configured(CsvConnector, {"folder": str(tmp_path), "columns": COLUMNS})
    now = datetime.now(UTC)
    with pytest.raises(UnauthorizedError):
        connector.verify(Request(url="https://gateway.example.com/webhooks/x", headers={}, body=b"", received_at=now))
    with pytest.raises(RejectedError):
        connector.parse(Delivery(content_type="text/csv", headers={}, body=b"", received_at=now))


# --- in a sync


def test_a_file_is_synced_both_ways_and_a_second_pass_writes_nothing(desk) -> None:
    how = policy()
    clock = Clock()
    crm, store = FakeSide("salesforce", clock, how.readings), MemoryLinks()
    ada = crm.people_create(first="Ada", last="Agent", phones=phones("+14155550101"))

    def run() -> int:
        desk.now += timedelta(minutes=1)
        clock.tick(61)
        sides = {Side.SALESFORCE: crm, Side.PLATFORM: desk.side}
        pair = Pair(name="crm-csv", policy=how, matching=MatchPolicy(version="test"))
        return ContactSync(pair, sides, store, now=lambda: desk.now).run().written

    desk.put("ID,First name,Last name,Mobile\n7,Ada,Agent,(415) 555-0101\n8,Casey,Customer,+14155550102\n")
    assert run() > 0
    casey = next(record for record in crm.living().values() if record.values["last"] == "Customer")
    assert [(row["ID"], row["Last name"]) for row in desk.exported()] == [("7", "Agent"), ("8", "Customer")]
    assert run() == 0
    crm.people_edit(ada, title="Director")
    desk.put("ID,First name\n8,Cassandra\n")
    assert run() == 2
    assert crm.records[casey.id].values["first"] == "Cassandra"
    assert {row["ID"]: row["Title"] for row in desk.exported()} == {"7": "Director", "8": ""}
    assert run() == 0
