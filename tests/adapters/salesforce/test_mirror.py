"""What is read of the org's records, and that the walk misses no row and reads none without need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.records import Kind, Record
from gateway.ports import ChangePage
from gateway.salesforce import soql
from gateway.salesforce.mirror import Position, Walk
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from tests.adapters.salesforce.local_org import LocalOrg

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def collect(pages: Sequence[ChangePage]) -> tuple[dict[str, Record], list[str], dict[str, str]]:
    records = {record.id: record for page in pages for record in page.records}
    deleted = [id for page in pages for id in page.deleted]
    return records, deleted, {name: cursor for page in pages for name, cursor in page.cursors.items()}


# --- against the local org


def test_one_call_reads_five_objects(org: SalesforceOrg, counted: Counter[str]) -> None:
    """A load that fits a page costs two calls beside the description; a refresh costs one, as users may rest a while."""
    records, _, cursors = collect(list(org.changes({})))
    assert counted == {"composite": 3}
    assert {record.kind for record in records.values()} == set(Kind)

    assert collect(list(org.changes(cursors)))[:2] == ({}, [])
    assert counted == {"composite": 4}


def test_further_pages_only_where_one_was_full(org: SalesforceOrg, local: LocalOrg, counted: Counter[str]) -> None:
    """Every row of a long object is read once."""
    before = len(collect(list(org.changes({})))[0])
    ids = local.load("Contact", *({"LastName": f"Contact {number}"} for number in range(4500)))
    counted.clear()

    pages = list(org.changes({}))

    records = [record.id for page in pages for record in page.records]
    assert len(records) == len(set(records)) == before + 4500
    assert set(ids) <= set(records)
    assert counted == {"composite": 4}
    assert [set(page.cursors) for page in pages[1:]] == [{"Contact"}] * 2


def test_a_load_that_was_broken_off_goes_on(org: SalesforceOrg, local: LocalOrg) -> None:
    """The cursors of a page continue behind it."""
    local.load("Contact", *({"LastName": f"Contact {number}"} for number in range(2500)))
    first = next(iter(org.changes({})))

    rest, _, _ = collect(list(org.changes(first.cursors)))

    everything, _, _ = collect(list(org.changes({})))
    assert {record.id for record in first.records} | set(rest) == set(everything)
    assert not rest.keys() & {record.id for record in first.records}


def test_what_each_object_tells(org: SalesforceOrg, local: LocalOrg) -> None:
    """Keys, belongings and state of every kind of record."""
    (account,) = local.load("Account", {"Name": "Acme", "Phone": "415-555-0170", "Website": "www.acme.example"})
    (contact,) = local.load(
        "Contact",
        {
            "FirstName": "Casey", "LastName": "Customer", "AccountId": account, "Email": "Casey@Acme.example",
            "Phone": "(415) 555-0171 x3", "MobilePhone": "+1 415 555 0172", "HomePhone": "4155550171",
            "OtherPhone": "none", "AssistantPhone": "415.555.0173", "Fax": "415 555 0179",
        },
    )  # fmt: skip
    (lead,) = local.load(
        "Lead", {"LastName": "Lead", "Company": "New", "Email": "lead@gmail.com", "MobilePhone": "4155550174"}
    )
    (case,) = local.load(
        "Case",
        {
            "Subject": "Meter", "Reason": "Performance", "ContactId": contact, "AccountId": account,
            "SuppliedPhone": "4155550175", "SuppliedEmail": "web@acme.example",
        },
    )  # fmt: skip

    records, _, _ = collect(list(org.changes({})))

    assert records[account].keys == ("phone:+14155550170", "domain:acme.example")
    assert records[contact].name == "Casey Customer"
    assert records[contact].account_id == account
    assert records[contact].keys == (
        "phone:+14155550171", "phone:+14155550172", "phone:+14155550173", "email:casey@acme.example",
        "domain:acme.example",
    )  # fmt: skip
    assert records[lead].keys == ("phone:+14155550174", "email:lead@gmail.com")
    assert records[lead].is_open
    number = records[case].number
    assert records[case] == Record(
        kind=Kind.CASE,
        id=case,
        name=f"{number} Meter",
        keys=(f"case:{number}", "phone:+14155550175", "email:web@acme.example"),
        account_id=account,
        contact_id=contact,
        number=number,
        topics=("Meter", "Performance"),
    )
    users = [record for record in records.values() if record.kind is Kind.USER]
    assert {record.is_open for record in users} == {True, False}
    assert all(record.keys[0].startswith("email:") for record in users if record.keys)


def test_deletions_merges_and_conversions(org: SalesforceOrg, local: LocalOrg) -> None:
    """What disappears is told after the first load; a converted lead says what it became."""
    keep, lose, drop = local.load("Contact", *({"LastName": name} for name in ("Keep", "Lose", "Drop")))
    (lead,) = local.load("Lead", {"LastName": "Lead", "Company": "New"})
    (case,) = local.load("Case", {"Subject": "Meter"})
    _, _, cursors = collect(list(org.changes({})))

    local.control("POST", "merge", {"winner": keep, "losers": [lose]})
    local.control("DELETE", f"records/{drop}", {})
    made = local.control("POST", "convert", {"lead": lead})
    local.control("PATCH", f"records/{case}", {"fields": {"Status": "Closed"}})
    records, deleted, _ = collect(list(org.changes(cursors)))

    assert deleted == [drop]
    assert records[lose] == Record(kind=Kind.CONTACT, id=lose, name="", is_open=False, merged_into=keep)
    assert not records[lead].is_open
    assert records[lead].contact_id in made.values()
    assert records[lead].account_id in made.values()
    assert not records[case].is_open


MERGEABLE = {
    "Contact": {"LastName": "Customer", "Phone": "4155550171", "Email": "c@example.com"},
    "Account": {"Name": "Customers", "Phone": "4155550170"},
    "Lead": {"LastName": "Lead", "Company": "New", "Phone": "4155550174"},
    "Case": {"Subject": "Meter", "SuppliedPhone": "4155550175"},
}


@pytest.mark.parametrize("kind", MERGEABLE)
def test_what_was_merged_away_says_into_what(org: SalesforceOrg, local: LocalOrg, kind: str) -> None:
    """Also to a first load; of its keys only a case's number is left, and nothing that it belonged to."""
    middle, end, start = local.load(kind, *[MERGEABLE[kind]] * 3)
    before, _, cursors = collect(list(org.changes({})))
    assert before[start].merged_into is None

    local.control("POST", "merge", {"winner": middle, "losers": [start]})
    local.control("POST", "merge", {"winner": end, "losers": [middle]})

    for read in (cursors, {}):
        records, deleted, _ = collect(list(org.changes(read)))
        assert {id: records[id].merged_into for id in (start, middle, end)} == {start: middle, middle: end, end: None}
        assert records[start].keys == tuple(key for key in before[start].keys if key.startswith("case:"))
        assert (records[start].account_id, records[start].is_open) == (None, False)
        assert deleted == []


def test_where_it_is_out_of_sight_a_merge_is_a_deletion(org: SalesforceOrg, local: LocalOrg) -> None:
    """Without the field nobody can say what became of the record."""
    keep, lose = local.load("Contact", {"LastName": "Keep"}, {"LastName": "Lose"})
    description = org._schema.description()
    objects = {
        kind: replace(seen, columns=tuple(name for name in seen.columns if name != "MasterRecordId"))
        for kind, seen in description.objects.items()
    }
    org._schema._known = replace(description, objects=objects)
    _, _, cursors = collect(list(org.changes({})))

    local.control("POST", "merge", {"winner": keep, "losers": [lose]})

    records, deleted, _ = collect(list(org.changes(cursors)))
    assert deleted == [lose]
    assert lose not in records


def test_what_is_taken_out_of_the_recycle_bin_is_a_record_again(org: SalesforceOrg, local: LocalOrg) -> None:
    """With all that it had."""
    (id,) = local.load("Contact", MERGEABLE["Contact"])
    before, _, cursors = collect(list(org.changes({})))
    local.control("DELETE", f"records/{id}", {})
    _, deleted, cursors = collect(list(org.changes(cursors)))
    local.control("POST", "undelete", {"ids": [id]})

    assert deleted == [id]
    assert collect(list(org.changes(cursors)))[0][id] == before[id]


def test_what_is_deleted_while_it_is_loaded_is_told(org: SalesforceOrg, local: LocalOrg) -> None:
    """A load may take longer than rows stay unsettled, so what it has read before must not stay."""
    ids = local.load("Contact", *({"LastName": f"Contact {number}"} for number in range(2500)))
    pages = org.changes({})
    read = {record.id for record in next(pages).records}
    drop = next(id for id in ids if id in read)

    local.control("DELETE", f"records/{drop}", {})

    assert collect(list(pages))[1] == [drop]


SETTINGS = OrgSettings(
    name="main", login_url="http://localhost", flow=Flow.CLIENT_CREDENTIALS, client_id="c", client_secret="s"
)


def walk_of(*columns: str, cursor: str | None = None) -> Walk:
    return Walk(Kind.CONTACT, columns, Position.of(cursor), SETTINGS)


def test_what_was_deleted_before_a_load_costs_it_nothing() -> None:
    """Its pages are asked for without it."""
    first = walk_of("Id", "IsDeleted", "MasterRecordId")
    assert "WHERE (IsDeleted = false OR MasterRecordId != null) ORDER BY" in first.query()

    first.take([{"Id": f"{n}", "SystemModstamp": "2026-03-02T11:00:00.000+0000"} for n in range(soql.PAGE)], START)
    assert "(IsDeleted = false OR MasterRecordId != null OR SystemModstamp >= 2026-03-02T11:59:00Z)" in first.query()
    on = walk_of("Id", "IsDeleted", cursor=first.position.cursor())
    assert "AND (IsDeleted = false OR SystemModstamp >= 2026-03-02T11:59:00Z)" in on.query()

    on.take([], seconds(600))
    later = walk_of("Id", "IsDeleted", cursor=on.position.cursor())
    assert "IsDeleted = false" not in later.query()


def test_an_object_out_of_sight_is_left_out(org: SalesforceOrg, local: LocalOrg) -> None:
    """Objects that the user may not see cost no error and have no cursor."""
    description = org._schema.description()
    objects = {kind: seen for kind, seen in description.objects.items() if kind is not Kind.LEAD}
    org._schema._known = replace(description, objects=objects)

    records, _, cursors = collect(list(org.changes({})))

    assert "Lead" not in cursors
    assert all(record.kind is not Kind.LEAD for record in records.values())


# --- the walk alone, over rows that appear when they are committed


class Table:
    """Rows with a stamp, an id, and the moment from which they are visible."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, datetime]] = []

    def save(self, id: str, stamp: datetime, seen: datetime | None = None) -> None:
        self.rows.append((f"{stamp:%Y-%m-%dT%H:%M:%S}.000+0000", id, seen or stamp))

    def page(self, walk: Walk, now: datetime) -> list[dict[str, Any]]:
        at, id = walk._next
        visible = sorted((stamp, key) for stamp, key, seen in self.rows if seen <= now)
        after = [row for row in visible if (row[0].replace("+0000", "Z"), row[1]) > (at, id)]
        return [{"Id": key, "SystemModstamp": stamp} for stamp, key in after[: soql.PAGE]]


def refresh(table: Table, cursor: str | None, now: datetime, *, pages: int = 1000) -> tuple[list[str], str]:
    """Ids read by one walk, and the cursor it leaves."""
    walk = walk_of("Id", "SystemModstamp", cursor=cursor)
    ids: list[str] = []
    while not walk.is_done and pages:
        pages -= 1
        rows = table.page(walk, now)
        walk.take(rows, now)
        ids += [row["Id"] for row in rows]
    return ids, walk.position.cursor()


def seconds(number: float) -> datetime:
    return START + timedelta(seconds=number)


def test_a_row_that_is_committed_late_is_read() -> None:
    """A row saved before the last one that was read, and visible only after."""
    table = Table()
    table.save("a", seconds(0))
    table.save("late", seconds(5), seen=seconds(30))
    table.save("b", seconds(10))
    first, cursor = refresh(table, None, seconds(20))

    second, cursor = refresh(table, cursor, seconds(40))

    assert first == ["a", "b"]
    assert "late" in second
    third, cursor = refresh(table, cursor, seconds(100))
    fourth, _ = refresh(table, cursor, seconds(160))
    assert fourth == []


def test_settled_rows_are_not_read_again() -> None:
    """A minute after its stamp a row has been seen for the last time."""
    table = Table()
    for number in range(10):
        table.save(f"{number}", seconds(number))

    _, cursor = refresh(table, None, seconds(69))
    second, _ = refresh(table, cursor, seconds(75))

    assert second == []


def test_a_crowd_is_read_again_once() -> None:
    """A bulk load puts more rows into a minute than a page holds: they wait until they are old enough."""
    table = Table()
    for number in range(3000):
        table.save(f"{number:05}", seconds(0))
    first, cursor = refresh(table, None, seconds(5))
    counts = [len(first)]
    for now in (10, 20, 61, 70, 120, 180):
        ids, cursor = refresh(table, cursor, seconds(now))
        counts.append(len(ids))

    assert counts == [3000, 0, 0, 0, 3000, 0, 0]


def test_a_late_row_in_a_crowd_is_read() -> None:
    """Also where the crowd's rows are read only once more."""
    table = Table()
    for number in range(3000):
        table.save(f"{number:05}", seconds(0))
    table.save("00000late", seconds(0), seen=seconds(50))
    seen: set[str] = set()
    cursor: str | None = None
    for now in (5, 20, 61, 70, 120):
        ids, cursor = refresh(table, cursor, seconds(now))
        seen.update(ids)

    assert "00000late" in seen


@pytest.mark.parametrize("age", [1000, 5, 61])
def test_broken_off_after_every_page_it_still_arrives(age: int) -> None:
    """Each walk gets at least one page further, however many rows share a moment."""
    table = Table()
    for number in range(9000):
        table.save(f"{number:05}", seconds(0))
    seen: set[str] = set()
    cursor: str | None = None
    for turn in range(12):
        ids, cursor = refresh(table, cursor, seconds(age + turn), pages=1)
        seen.update(ids)

    assert len(seen) == 9000


def test_without_the_orgs_clock_nothing_is_settled() -> None:
    """A missing Date header costs repeated rows, never a missed one."""
    walk = walk_of("Id")

    walk.take([{"Id": "a", "SystemModstamp": "2026-03-02T12:00:00.000+0000"}], None)

    assert walk.position.settled_at == "2026-03-02T12:00:00.000Z"
    assert walk.position.settled_id == ""
    assert not walk.position.aged


def test_positions_survive_being_stored() -> None:
    """A cursor is text, and says where to go on."""
    position = Position("2026-03-02T12:00:00.000Z", "003", "2026-03-02T11:00:00.000Z", "002", 7, True, True, "2026")

    assert Position.of(position.cursor()) == position
    assert Position.of(None) == Position.of("") == Position()
