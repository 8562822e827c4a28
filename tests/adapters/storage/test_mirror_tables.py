"""The mirror: records found by their present keys, exactly as they were last read."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from gateway.domain.records import Kind, Record
from gateway.errors import RetryableError
from gateway.ports import ChangePage
from gateway.storage import Database
from tests.adapters.storage.examples import case, contact, raw
from tests.values import replace


def _apply(store, *records, deleted=(), org="main", **cursors):
    store.mirror.apply(org, ChangePage(records, deleted, cursors))


class TestMirror:
    def test_records_come_back_as_they_were(self, store):
        full = Record(
            kind=Kind.CASE,
            id="500000000000001AAA",
            name="שלום 😀 O'Neil",
            keys=("case:00001026", "email:a@example.com"),
            account_id="001000000000001AAA",
            contact_id="003000000000001AAA",
            number="00001026",
            is_open=False,
            topics=("Roof", "Leak", ""),
            merged_into="500000000000002AAA",
            type="Partner 😀",
            record_type="Installation",
        )
        _apply(store, full)

        assert store.mirror.by_ids("main", [full.id, "none"]) == [full]
        assert store.mirror.around("main", ["email:a@example.com", "case:00001026"], ()) == [full]

    def test_every_kind_of_record_is_kept(self, store):
        one_of_each = [Record(kind=kind, id=f"{place}A", name="Ada") for place, kind in enumerate(Kind)]
        relation = Record(
            kind=Kind.RELATION, id="07k000000000001AAA", name="", account_id="001A", contact_id="003A", is_open=False
        )
        _apply(store, *one_of_each, relation)

        assert store.mirror.by_ids("main", [relation.id]) == [relation]
        assert store.mirror.by_ids("main", [record.id for record in one_of_each]) == one_of_each

    def test_found_by_present_keys_only(self, store):
        _apply(store, contact("003A", "phone:1", "phone:2"), contact("003B", "phone:2"))
        _apply(store, contact("003A", "phone:2", "phone:3"))

        assert store.mirror.around("main", ["phone:1"], ()) == []
        assert [record.id for record in store.mirror.around("main", ["phone:2", "phone:3"], ())] == ["003A", "003B"]

    def test_the_last_of_one_page_counts(self, store):
        _apply(store, contact("003A", "phone:1"), contact("003A", "phone:2", name="Grace"))

        assert store.mirror.by_ids("main", ["003A"]) == [contact("003A", "phone:2", name="Grace")]
        assert store.mirror.around("main", ["phone:1"], ()) == []

    def test_every_field_can_change(self, store):
        before = case("500A", topics=("a",))
        changes = {
            "name": "New", "keys": ("k",), "account_id": "001A", "contact_id": "003A", "number": "7",
            "is_open": False, "topics": ("b",), "kind": Kind.LEAD,
            "merged_into": "500B", "type": "Partner", "record_type": "Installation",
        }  # fmt: skip
        _apply(store, before)
        for name, value in changes.items():
            before = replace(before, **{name: value})
            _apply(store, before)
            assert store.mirror.by_ids("main", ["500A"]) == [before]

    def test_the_deleted_are_gone_with_their_keys(self, store):
        _apply(store, contact("003A", "phone:1"), contact("003B", "phone:1"))
        _apply(store, deleted=["003A", "none"])

        assert [record.id for record in store.mirror.around("main", ["phone:1"], ())] == ["003B"]
        assert store.mirror.by_ids("main", ["003A"]) == []

        _apply(store, contact("003A"))
        assert [record.id for record in store.mirror.around("main", ["phone:1"], ())] == ["003B"]

    def test_what_was_merged_away_and_comes_back_is_itself_again(self, store):
        loser = Record(kind=Kind.CONTACT, id="003A", name="", is_open=False, merged_into="003B")
        _apply(store, contact("003A", "phone:1"))
        _apply(store, loser)
        assert store.mirror.by_ids("main", ["003A"]) == [loser]
        assert store.mirror.around("main", ["phone:1"], ()) == []

        _apply(store, contact("003A", "phone:1"))
        assert store.mirror.around("main", ["phone:1"], ()) == [contact("003A", "phone:1")]

    def test_ids_and_keys_are_case_sensitive(self, store):
        _apply(store, contact("003a", "handle:A"), contact("003A", "handle:a"))

        assert [record.id for record in store.mirror.by_ids("main", ["003a"])] == ["003a"]
        assert [record.id for record in store.mirror.around("main", ["handle:a"], ())] == ["003A"]

    def test_orgs_are_apart(self, store):
        _apply(store, contact("003A", "phone:1"), Contact="5")
        _apply(store, contact("003A", "phone:1", name="Sandbox"), org="sandbox", Contact="9")
        _apply(store, deleted=["003A"], org="main")

        assert store.mirror.around("main", ["phone:1"], ()) == []
        assert [record.name for record in store.mirror.around("sandbox", ["phone:1"], ())] == ["Sandbox"]
        assert store.mirror.cursors("main") == {"Contact": "5"}

    def test_cursors_move_with_what_they_cover(self, store):
        assert store.mirror.cursors("main") == {}
        _apply(store, Contact="1", Account="2")
        _apply(store, Contact="3")

        assert store.mirror.cursors("main") == {"Contact": "3", "Account": "2"}

    def test_around_a_record_is_what_belongs_to_it(self, store):
        mine = case("500A", contact_id="003A", account_id="001A")
        ours = case("500B", account_id="001A")
        ada, ben = contact("003A", "phone:1", account="001A"), contact("003B", account="001A")
        north, east = (Record(kind=Kind.ACCOUNT, id=id, name=id) for id in ("001A", "001B"))
        also = Record(kind=Kind.RELATION, id="07kA", name="", account_id="001B", contact_id="003A")
        _apply(
            store,
            *(mine, ours, ada, ben, north, east, also),
            replace(also, id="07kB", is_open=False),
            replace(also, id="07kC", contact_id="003B"),
            case("500C", contact_id="003B", account_id="001A"),
            case("500D", contact_id="003A", is_open=False),
            case("500E", account_id="001B"),
            case("500F", account_id="001A", is_open=False),
        )
        _apply(store, contact("003A", "phone:1"), case("500Z", contact_id="003A"), org="sandbox")

        around = store.mirror.around
        assert around("main", ["phone:1"], []) == around("main", [], ["003A"]) == [north, ada, also, mine, ours]
        assert around("main", [], ["001A"]) == [north, ours]
        assert [record.id for record in around("main", [], ["500C"])] == ["001A", "003B", "500B", "500C"]
        assert [record.id for record in around("main", ["phone:1"], ["001B"])] == [
            "001A", "001B", "003A", "07kA", "500A", "500B", "500E"
        ]  # fmt: skip
        assert around("main", [], []) == around("main", ["phone:2"], ["003Z"]) == []

    def test_accounts_of_domains_are_counted(self, store):
        key = "domain:north.example"
        _apply(
            store,
            Record(kind=Kind.ACCOUNT, id="001A", name="North", keys=(key,)),
            contact("003A", key, account="001A"),
            contact("003B", key, "domain:other.example", account="001B"),
            contact("003C", key, account="001B"),
            contact("003D", key),
            Record(kind=Kind.LEAD, id="00QA", name="Lead", keys=(key,), account_id="001C"),
        )
        _apply(store, contact("003A", key, account="001S"), org="sandbox")

        found = store.mirror.accounts_of_domains("main", [key, "domain:other.example", "domain:none.example"])
        assert found == {key: {"001A": 2, "001B": 2}, "domain:other.example": {"001B": 1}}
        assert store.mirror.accounts_of_domains("main", []) == {}
        assert store.mirror.around("main", [key], ()) == []

    def test_accounts_of_domains_follow_every_change(self, store):
        key, other = "domain:north.example", "domain:other.example"
        _apply(store, contact("003A", key, account="001A"), contact("003B", key, account="001A"))
        _apply(store, contact("003A", key, account="001B"), contact("003C", key, key, account="001A"))
        assert store.mirror.accounts_of_domains("main", [key]) == {key: {"001A": 2, "001B": 1}}

        _apply(store, contact("003A", other, account="001B"), contact("003B", key))
        _apply(store, contact("003A", other, account="001B", name="Grace"))
        assert store.mirror.accounts_of_domains("main", [key, other]) == {key: {"001A": 1}, other: {"001B": 1}}

        _apply(store, replace(contact("003A", other, account="001B"), kind=Kind.LEAD), deleted=["003C", "003C"])
        assert store.mirror.accounts_of_domains("main", [key, other]) == {}

    def test_of_a_domain_with_many_accounts_the_first_are_enough(self, store):
        key = "domain:north.example"
        _apply(store, *[contact(f"003{number}", key, account=f"001{number:02}") for number in range(60)])

        first = {f"001{number:02}": 1 for number in range(50)}
        assert store.mirror.accounts_of_domains("main", [key]) == {key: first}

    def test_of_a_key_that_many_have_the_first_are_enough(self, store):
        crowd = [contact(f"003{number:03}", "phone:0", f"phone:{number}") for number in range(1, 61)]
        _apply(store, *crowd, contact("003AAA", "phone:0"), org="sandbox")
        _apply(store, *crowd, Record(kind=Kind.ACCOUNT, id="001A", name="North", keys=("phone:0",)))

        found = store.mirror.around("main", ["phone:0", "phone:60", "phone:none"], ())
        assert [record.id for record in found] == ["001A", *[record.id for record in crowd[:49]], "003060"]

    def test_the_people_who_share_a_key_are_counted(self, store):
        _apply(
            store,
            *[contact(f"003{number:03}", "phone:0") for number in range(60)],
            *[contact(f"003X{number:03}", "phone:1") for number in range(210)],
            Record(kind=Kind.ACCOUNT, id="001A", name="North", keys=("phone:0",)),
            Record(kind=Kind.LEAD, id="00QA", name="Lee", keys=("phone:0",)),
            contact("003A", "phone:2"),
            *[case(f"500{number:03}", keys=("phone:2",)) for number in range(60)],
        )
        _apply(store, contact("003A", "phone:0", "phone:2"), org="sandbox")

        shared = store.mirror.sharing("main", ["phone:0", "phone:1", "phone:2", "phone:none"])
        assert shared == {"phone:0": 61, "phone:1": 200, "phone:2": 1, "phone:none": 0}
        assert store.mirror.sharing("main", []) == {}

    def test_more_than_any_list_of_parameters_can_hold(self, store):
        records = [contact(f"003{number:06}", f"phone:{number}") for number in range(6000)]
        _apply(store, *records)
        _apply(store, *records)

        assert len(store.mirror.around("main", [f"phone:{number}" for number in range(40_000)], ())) == 6000
        assert len(store.mirror.by_ids("main", [record.id for record in records])) == 6000
        _apply(store, deleted=[record.id for record in records])
        assert store.mirror.around("main", ["phone:5999"], ()) == []


_STAMPS = {"sqlite": "PRAGMA data_version", "postgresql": "SELECT id, xmin::text FROM mirror_records ORDER BY id"}
"""What is another answer after anything was written."""

_FAILURES = {
    "busy": "RAISE EXCEPTION 'no' USING ERRCODE = 'lock_not_available'; RETURN NEW;",
    "gone": "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NEW;",
}


@contextmanager
def _failing(url: str, body: str) -> Iterator[None]:
    """Adding keys fails on PostgreSQL, in the middle of a page."""
    with raw(url) as connection:
        connection.execute(f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
        connection.execute("CREATE TRIGGER fail BEFORE INSERT ON mirror_keys FOR EACH ROW EXECUTE FUNCTION fail()")
        yield
        connection.execute("DROP FUNCTION fail CASCADE")


class TestPages:
    """What only a database can show."""

    def test_what_did_not_change_is_not_written(self, database, url):
        page = [contact(f"003{n}", f"phone:{n}", "domain:a.example", account="001A", type="X") for n in range(9)]
        _apply(database, *page)
        with raw(url) as connection:
            stamp = _STAMPS[url.partition(":")[0].partition("+")[0]]
            before = connection.execute(stamp).fetchall()
            _apply(database, *page)
            assert connection.execute(stamp).fetchall() == before
            _apply(database, *page[:8], replace(page[8], record_type="Other"))
            assert connection.execute(stamp).fetchall() != before

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    @pytest.mark.parametrize("failure", _FAILURES)
    def test_a_page_that_cannot_be_stored_comes_again(self, database, url, failure):
        _apply(database, contact("003A", "phone:1"), Contact="1")
        with _failing(url, _FAILURES[failure]), pytest.raises(RetryableError, match="The database did not do it"):
            _apply(database, contact("003A", "phone:2"), contact("003B"), Contact="2")

        assert database.mirror.around("main", ["phone:1", "phone:2"], ()) == [contact("003A", "phone:1")]
        assert database.mirror.by_ids("main", ["003B"]) == []
        assert database.mirror.cursors("main") == {"Contact": "1"}

        _apply(database, contact("003A", "phone:2"), contact("003B"), Contact="2")
        assert database.mirror.around("main", ["phone:1", "phone:2"], ()) == [contact("003A", "phone:2")]

    @pytest.mark.parametrize("url", ["postgresql"], indirect=True)
    def test_all_connections_that_broke_are_replaced_after_one_failure(self, database, url):
        _apply(database, contact("003A", "phone:1"))
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(database._transactions.reading()).exec_driver_sql("SELECT 1")
        with raw(url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(RetryableError, match="The database did not do it"):
            database.mirror.around("main", ["phone:1"], ())

        for _ in range(4):
            assert [record.id for record in database.mirror.around("main", ["phone:1"], ())] == ["003A"]

    def test_many_who_apply_the_same_pages_at_once_count_once(self, database, url):
        other = Database(url)
        key = "domain:a.example"
        pages = [[contact(f"003{n}", key, account=f"001{(n + turn) % 5}") for n in range(200)] for turn in range(6)]

        def apply(number):
            for page in pages:
                _apply((database, other)[number % 2], *page)

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(apply, range(6)))
        _apply(other, *pages[-1])

        assert database.mirror.accounts_of_domains("main", [key]) == {key: {f"001{n}": 40 for n in range(5)}}
        _apply(database, deleted=[f"003{n}" for n in range(200)])
        assert database.mirror.accounts_of_domains("main", [key]) == {}
        other.close()
