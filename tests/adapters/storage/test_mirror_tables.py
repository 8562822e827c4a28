"""The mirror: records found by their present keys, exactly as they were last read."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.records import Kind, Record
from gateway.ports import ChangePage
from tests.adapters.storage.examples import case, contact


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
        )
        _apply(store, full)

        assert store.mirror.by_ids("main", [full.id, "none"]) == [full]
        assert store.mirror.by_keys("main", ["email:a@example.com", "case:00001026"]) == [full]

    def test_found_by_present_keys_only(self, store):
        _apply(store, contact("003A", "phone:1", "phone:2"), contact("003B", "phone:2"))
        _apply(store, contact("003A", "phone:2", "phone:3"))

        assert store.mirror.by_keys("main", ["phone:1"]) == []
        assert [record.id for record in store.mirror.by_keys("main", ["phone:2", "phone:3"])] == ["003A", "003B"]

    def test_the_last_of_one_page_counts(self, store):
        _apply(store, contact("003A", "phone:1"), contact("003A", "phone:2", name="Grace"))

        assert store.mirror.by_ids("main", ["003A"]) == [contact("003A", "phone:2", name="Grace")]
        assert store.mirror.by_keys("main", ["phone:1"]) == []

    def test_every_field_can_change(self, store):
        before = case("500A", topics=("a",))
        changes = {
            "name": "New", "keys": ("k",), "account_id": "001A", "contact_id": "003A", "number": "7",
            "is_open": False, "topics": ("b",), "kind": Kind.LEAD,
            "merged_into": "500B",
        }  # fmt: skip
        _apply(store, before)
        for name, value in changes.items():
            before = replace(before, **{name: value})
            _apply(store, before)
            assert store.mirror.by_ids("main", ["500A"]) == [before]

    def test_the_deleted_are_gone_with_their_keys(self, store):
        _apply(store, contact("003A", "phone:1"), contact("003B", "phone:1"))
        _apply(store, deleted=["003A", "none"])

        assert [record.id for record in store.mirror.by_keys("main", ["phone:1"])] == ["003B"]
        assert store.mirror.by_ids("main", ["003A"]) == []

        _apply(store, contact("003A"))
        assert [record.id for record in store.mirror.by_keys("main", ["phone:1"])] == ["003B"]

    def test_what_was_merged_away_and_comes_back_is_itself_again(self, store):
        loser = Record(kind=Kind.CONTACT, id="003A", name="", is_open=False, merged_into="003B")
        _apply(store, contact("003A", "phone:1"))
        _apply(store, loser)
        assert store.mirror.by_ids("main", ["003A"]) == [loser]
        assert store.mirror.by_keys("main", ["phone:1"]) == []

        _apply(store, contact("003A", "phone:1"))
        assert store.mirror.by_keys("main", ["phone:1"]) == [contact("003A", "phone:1")]

    def test_ids_and_keys_are_case_sensitive(self, store):
        _apply(store, contact("003a", "handle:A"), contact("003A", "handle:a"))

        assert [record.id for record in store.mirror.by_ids("main", ["003a"])] == ["003a"]
        assert [record.id for record in store.mirror.by_keys("main", ["handle:a"])] == ["003A"]

    def test_orgs_are_apart(self, store):
        _apply(store, contact("003A", "phone:1"), Contact="5")
        _apply(store, contact("003A", "phone:1", name="Sandbox"), org="sandbox", Contact="9")
        _apply(store, deleted=["003A"], org="main")

        assert store.mirror.by_keys("main", ["phone:1"]) == []
        assert [record.name for record in store.mirror.by_keys("sandbox", ["phone:1"])] == ["Sandbox"]
        assert store.mirror.cursors("main") == {"Contact": "5"}

    def test_cursors_move_with_what_they_cover(self, store):
        assert store.mirror.cursors("main") == {}
        _apply(store, Contact="1", Account="2")
        _apply(store, Contact="3")

        assert store.mirror.cursors("main") == {"Contact": "3", "Account": "2"}

    def test_open_cases_of_contacts_and_of_accounts_without_a_contact(self, store):
        mine = case("500A", contact_id="003A", account_id="001A")
        ours = case("500B", account_id="001A")
        _apply(
            store,
            mine,
            ours,
            case("500C", contact_id="003B", account_id="001A"),
            case("500D", contact_id="003A", is_open=False),
            case("500E", account_id="001B"),
            contact("003A", account="001A"),
        )

        assert store.mirror.open_cases("main", contacts=["003A"], accounts=["001A"]) == [mine, ours]
        assert store.mirror.open_cases("main", contacts=["003A"], accounts=[]) == [mine]
        assert store.mirror.open_cases("main", contacts=[], accounts=["001A"]) == [ours]
        assert store.mirror.open_cases("main", contacts=[], accounts=[]) == []

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

        found = store.mirror.accounts_of_domains("main", [key, "domain:other.example", "domain:none.example"])
        assert found == {key: {"001A": 2, "001B": 2}, "domain:other.example": {"001B": 1}}
        assert store.mirror.accounts_of_domains("main", []) == {}

    def test_more_than_any_list_of_parameters_can_hold(self, store):
        records = [contact(f"003{number:06}", f"phone:{number}") for number in range(6000)]
        _apply(store, *records)
        _apply(store, *records)

        assert len(store.mirror.by_keys("main", [f"phone:{number}" for number in range(40_000)])) == 6000
        assert len(store.mirror.by_ids("main", [record.id for record in records])) == 6000
        _apply(store, deleted=[record.id for record in records])
        assert store.mirror.by_keys("main", ["phone:5999"]) == []
