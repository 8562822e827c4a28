"""What undecided interactions wait for, the history of Tasks, choices: alike on every store, and nothing slips between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from gateway.domain.records import Kind, Record
from gateway.errors import VersionConflictError
from gateway.ports import AuditLine, ChangePage, Lesson, Search
from gateway.storage.choices import NOTHING_SECONDS, ChoiceTable
from tests.adapters.storage.examples import LATER, NOW, case, contact, folded, written
from tests.values import replace

KEY = "phone:+14155550123"


def _fold(store, *names, **changes):
    store.deliveries.fold([folded(name, **changes) for name in names], [])
    found = store.interactions.load([("front-desk", name) for name in names])
    return [found["front-desk", name] for name in names]


def _search(*keys, version=0, told_at=NOW):
    return Search(keys, told_at, version)


def _settle(store, *ends, lane=1, org="main"):
    lease = store.interactions.lease(org, lane, owner="worker", now=NOW, seconds=30)
    store.interactions.settle(lease, ends)
    store.interactions.release(lease)


def _waiting(store, name="c-1", *keys, version=None, **changes):
    """A written interaction that waits for these."""
    (row,) = _fold(store, name, **changes)
    search = _search(*(keys or (KEY,)), version=store.mirror.version(row.org) if version is None else version)
    _settle(store, written(row, matched_at=LATER, search=search), lane=row.lane, org=row.org)
    return row


def _change(store, *records, deleted=(), org="main"):
    store.mirror.apply(org, ChangePage(records, deleted, {"Contact": "1"}))


def _unsure(store, org="main"):
    rows = [row for lane in (1, 2) for row in store.interactions.unsure(org, lane, before=LATER, limit=50)]
    return [row.external_id for row in rows]


def _line(row, what="It moved."):
    return AuditLine(row.org, row.id, NOW, what, {"who": None}, {"who": {"id": "003", "name": "Ada"}})


class TestWaking:
    @pytest.mark.parametrize(
        ("awaited", "before", "after"),
        [
            (KEY, (), (contact("a", KEY),)),
            (KEY, (contact("a", KEY),), (contact("a", "phone:+14155550124"),)),
            (KEY, (contact("a", KEY),), (contact("a", KEY, name="Ada Married"),)),
            (KEY, (contact("a", KEY),), (replace(contact("a"), merged_into="b", is_open=False),)),
            ("id:a", (), (contact("a"),)),
            ("id:a", (), (case("c", contact_id="a", account_id="b"),)),
            ("id:b", (), (case("c", account_id="b"),)),
            ("id:a", (), (Record(kind=Kind.LEAD, id="l", name="Lee", contact_id="a", is_open=False),)),
            ("id:a", (), (Record(kind=Kind.RELATION, id="r", name="", contact_id="a", account_id="b"),)),
        ],
    )
    def test_a_change_under_a_key_wakes_who_waits_for_it(self, store, awaited, before, after):
        _change(store, *before)
        _waiting(store, "c-1", awaited)
        _waiting(store, "c-2", "phone:+14155550199", "id:z", lane=2)
        assert _unsure(store) == []
        _change(store, *after)

        assert _unsure(store) == ["c-1"]
        assert store.interactions.get(1).version == store.interactions.get(1).written_version

    def test_what_goes_wakes_too(self, store):
        _change(store, contact("a", KEY))
        _waiting(store)
        _change(store, deleted=["a"])

        assert _unsure(store) == ["c-1"]

    def test_what_is_read_again_unchanged_wakes_nobody(self, store):
        _change(store, contact("a", KEY))
        version = store.mirror.version("main")
        _waiting(store)
        _change(store, contact("a", KEY), deleted=["z"])

        assert _unsure(store) == []
        assert store.mirror.version("main") == version

    def test_agents_and_cases_of_others_are_no_evidence(self, store):
        _waiting(store, "c-1", KEY, "id:b")
        _change(
            store, Record(kind=Kind.USER, id="u", name="Ada", keys=(KEY,)), case("c", contact_id="x", account_id="b")
        )

        assert _unsure(store) == []

    def test_lanes_are_all_woken_and_other_orgs_are_not(self, store):
        for name, lane, org in (("a", 1, "main"), ("b", 2, "main"), ("c", 1, "sandbox")):
            _waiting(store, name, KEY, lane=lane, org=org)
        _change(store, contact("a", KEY))

        assert _unsure(store) == ["a", "b"]
        assert _unsure(store, "sandbox") == []

    def test_what_is_parked_or_to_be_written_anyway_is_left_alone(self, store):
        (first, second) = _fold(store, "c-1", "c-2")
        _settle(store, written(first, matched_at=LATER, parked="No such field.", search=_search(KEY)),
                written(second, matched_at=LATER, written_version=0, search=_search(KEY)))  # fmt: skip
        _change(store, contact("a", KEY))

        assert [store.interactions.get(row.id).matched_at for row in (first, second)] == [LATER, LATER]

    def test_a_change_between_the_match_and_the_end_of_a_round_is_not_missed(self, store):
        _change(store, contact("a", KEY))
        _waiting(store, "c-1", version=store.mirror.version("main") - 1)
        _waiting(store, "c-2")

        assert _unsure(store) == ["c-1"]

    def test_looking_again_with_an_older_mirror_confirms_nothing(self, store):
        row = _waiting(store)
        _change(store, contact("a", KEY))
        version = store.mirror.version("main")
        lease = store.interactions.lease("main", 1, owner="w", now=NOW, seconds=30)
        store.interactions.reconsider(lease, same={row.id}, other=(), matched_at=LATER, mirror_version=version - 1)
        assert _unsure(store) == ["c-1"]
        store.interactions.reconsider(lease, same={row.id}, other=(), matched_at=LATER, mirror_version=version)
        assert _unsure(store) == []


class TestWaiting:
    def test_what_is_decided_waits_no_more(self, store):
        row = _waiting(store)
        assert store.interactions.waits("main")
        assert not store.interactions.waits("sandbox")
        _settle(store, written(row, search=_search()))

        assert not store.interactions.waits("main")

    def test_what_is_not_said_stays_and_what_is_said_replaces(self, store):
        row = _waiting(store, "c-1", KEY, "id:a")
        _settle(store, written(row, matched_at=LATER))
        _settle(store, written(row, matched_at=LATER, search=_search("id:b", "id:a")))
        _change(store, contact("x", KEY))
        assert _unsure(store) == []
        _change(store, contact("b"))

        assert _unsure(store) == ["c-1"]

    def test_those_told_of_since_then_are_woken_whatever_changed(self, store):
        for name, minutes, org in (("old", 3, "main"), ("young", 1, "main"), ("other", 1, "sandbox")):
            (row,) = _fold(store, name, org=org)
            search = _search(KEY, told_at=LATER - timedelta(minutes=minutes))
            _settle(store, written(row, matched_at=LATER, search=search), org=org)

        store.interactions.look_anew("main", told_after=LATER - timedelta(minutes=2))
        assert (_unsure(store), _unsure(store, "sandbox")) == (["young"], [])

    def test_what_was_told_of_long_ago_is_given_up(self, store):
        for name, days in (("old", 91), ("young", 89)):
            (row,) = _fold(store, name)
            _settle(store, written(row, search=_search(KEY, told_at=LATER - timedelta(days=days))))

        assert store.interactions.give_up("sandbox", told_before=LATER) == 0
        assert store.interactions.give_up("main", told_before=LATER - timedelta(days=90)) == 1
        assert store.interactions.waits("main")
        assert store.interactions.give_up("main", told_before=LATER) == 1
        assert not store.interactions.waits("main")

    def test_a_lost_lease_stores_nothing_of_a_settlement(self, store):
        (row,) = _fold(store, "c-1")
        lease = store.interactions.lease("main", 1, owner="w", now=NOW, seconds=30)
        store.interactions.release(lease)
        lesson = Lesson("main", KEY, "003", True, NOW)
        with pytest.raises(VersionConflictError):
            store.interactions.settle(
                lease, [written(row, search=_search(KEY), audit=(_line(row),), lessons=(lesson,))]
            )

        assert not store.interactions.waits("main")
        assert store.interactions.history(row.id) == []
        assert store.choices.remembered("main", [KEY]) == {}


def test_history_is_told_in_order_and_by_interaction(store):
    (first, second) = _fold(store, "c-1", "c-2")
    _settle(
        store,
        written(first, audit=(_line(first, "One."), _line(first, "Two."))),
        written(second, audit=(_line(second),)),
    )
    _settle(store, written(first, audit=(_line(first, "Three\x00."),)))

    assert [line.what for line in store.interactions.history(first.id)] == ["One.", "Two.", "Three."]
    assert store.interactions.history(second.id) == [_line(second)]


class TestChoices:
    def test_lessons_are_counted_by_key_and_record(self, store):
        (row,) = _fold(store, "c-1")
        lessons = [
            Lesson("main", KEY, "a", False, NOW), Lesson("main", KEY, "b", True, NOW), Lesson("main", KEY, "b", True, LATER),
            Lesson("main", "email:x@example.com", "b", True, NOW), Lesson("sandbox", KEY, "c", True, NOW),
        ]  # fmt: skip
        assert store.choices.remembered("main", []) == {}
        _settle(store, written(row, lessons=tuple(lessons)))
        found = store.choices.remembered("main", [KEY, "phone:+1"])

        assert {key: [(r.record_id, r.confirmed, r.rejected, r.at) for r in of] for key, of in found.items()} == {
            KEY: [("a", 0, 1, NOW), ("b", 2, 0, LATER)]
        }

    def test_a_choice_is_kept_due_told_and_learnt(self, store):
        row = _waiting(store)
        chosen = {"who": "003", "by": "Token ops", "at": NOW.isoformat(), "version": row.version + 1}
        store.interactions.choose(row.id, chosen, _line(row), [Lesson("main", KEY, "003", True, NOW)])
        after = store.interactions.get(row.id)

        assert (after.chosen, after.version, after.written_version) == (chosen, row.version + 1, row.version)
        assert not store.interactions.waits("main")
        assert store.interactions.history(row.id) == [_line(row)]
        assert [one.record_id for one in store.choices.remembered("main", [KEY])[KEY]] == ["003"]
        lease = store.interactions.lease("main", 1, owner="w", now=NOW, seconds=30)
        assert [taken.id for taken in store.interactions.take(lease, now=NOW, limit=9)] == [row.id]

    def test_a_choice_on_what_has_changed_meanwhile_is_none(self, store):
        (row,) = _fold(store, "c-1")
        _fold_again = store.deliveries.fold
        _fold_again([folded("c-1", row.version)], [])
        with pytest.raises(VersionConflictError):
            store.interactions.choose(row.id, {"who": "003", "version": row.version + 1}, _line(row), [])

        assert store.interactions.get(row.id).chosen is None
        assert store.interactions.history(row.id) == []

    def test_an_org_without_choices_is_not_asked_again_at_once(self, database):
        seconds = 0.0
        table = ChoiceTable(database._transactions, lambda: seconds)
        assert table.remembered("main", [KEY]) == {}
        (row,) = _fold(database, "c-1")
        _settle(database, written(row, lessons=(Lesson("main", KEY, "a", True, NOW),)))
        assert table.remembered("main", [KEY]) == {}
        seconds = NOTHING_SECONDS

        assert list(table.remembered("main", [KEY])) == [KEY]


def test_only_what_is_written_and_nobody_chose_for_is_reopened(store):
    rows = _fold(store, "written", "due", "parked", "chosen", "other")
    _settle(store, *(written(row, parked="No." if row is rows[2] else None) for row in rows if row is not rows[1]))
    store.interactions.choose(rows[3].id, {"who": None, "version": 2}, _line(rows[3]), [])
    _settle(store, written(store.interactions.get(rows[3].id)))
    assert store.interactions.reopen([row.id for row in rows[:4]], LATER) == 1

    assert [store.interactions.get(row.id).version for row in rows] == [2, 1, 1, 2, 1]


def test_whatever_meets_whoever_waits_is_woken(database):
    """Rounds that end and mirrors that change at once: a change is seen by the match, or wakes."""
    rows = _fold(database, *(f"c-{number}" for number in range(30)))
    keys = [f"phone:+1415555{number:04}" for number in range(30)]
    at_once = Barrier(2)

    def end_rounds():
        at_once.wait()
        seen = {}
        for row, key in zip(rows, keys, strict=True):
            version = database.mirror.version("main")
            seen[row.id] = bool(database.mirror.around("main", [key], ()))
            _settle(database, written(row, matched_at=LATER, search=_search(key, version=version)))
        return seen

    def change_mirror():
        at_once.wait()
        for number, key in enumerate(keys):
            _change(database, contact(f"a-{number}", key))

    with ThreadPoolExecutor(2) as pool:
        rounds, changes = pool.submit(end_rounds), pool.submit(change_mirror)
        changes.result()
        seen = rounds.result()

    unsure = {row.id for row in database.interactions.unsure("main", 1, before=LATER, limit=50)}
    assert {row.id for row in rows} == unsure | {id for id, saw in seen.items() if saw}
