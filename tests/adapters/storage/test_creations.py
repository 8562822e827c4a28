"""Who is created: each key is claimed once, over threads, processes and crashes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from gateway.errors import VersionConflictError
from gateway.ports import Claim, Creation
from gateway.storage import Database
from tests.adapters.storage.examples import LATER, NOW

PHONE, EMAIL, OTHER = "phone:+14155550188", "email:nora@example.com", "phone:+14155550189"
NORA = Claim((PHONE, EMAIL), "desk:1", "contact")


def claim(store, *claims, by="a", now=NOW, seconds=60.0, org="main"):
    return store.creations.claim(org, list(claims), by=by, now=now, seconds=seconds)


class TestClaims:
    def test_a_claim_is_granted_under_all_its_keys(self, store):
        assert claim(store, NORA) == [NORA]

        expected = Creation(EMAIL, "desk:1", "contact", "a", NOW + timedelta(seconds=60))
        assert store.creations.load("main", [PHONE, EMAIL, OTHER]).keys() == {PHONE, EMAIL}
        assert store.creations.load("main", [EMAIL]) == {EMAIL: expected}
        assert store.creations.load("spare", [PHONE]) == {}
        assert store.creations.load("main", []) == {}

    def test_nobody_else_has_any_of_the_keys(self, store):
        claim(store, NORA)
        second, third = Claim((OTHER, EMAIL), "desk:2", "lead"), Claim((OTHER,), "desk:3", "lead")

        assert claim(store, second, third, by="b") == [third]
        assert claim(store, NORA, by="b", org="spare") == [NORA]
        assert store.creations.load("main", [PHONE, EMAIL, OTHER])[EMAIL].by == "a"

    def test_a_claim_that_is_not_granted_leaves_nothing(self, store):
        claim(store, NORA)

        assert claim(store, Claim((OTHER, PHONE), "desk:2", "lead"), by="b") == []

        assert store.creations.load("main", [OTHER]) == {}

    def test_what_was_left_is_taken_over_and_its_intent_stays_known(self, store):
        claim(store, NORA)
        store.creations.intend("main", NORA.keys, by="a", now=NOW)

        assert claim(store, NORA, by="b", now=NOW + timedelta(seconds=59)) == []
        assert claim(store, NORA, by="b", now=LATER + timedelta(seconds=61)) == [NORA]

        row = store.creations.load("main", [PHONE])[PHONE]
        assert (row.by, row.intended_at) == ("b", NOW)

    def test_what_is_only_partly_left_stays_free(self, store):
        claim(store, Claim((PHONE,), "desk:1", "contact"), seconds=0)
        claim(store, Claim((EMAIL,), "desk:2", "contact"), by="b", seconds=900)

        assert claim(store, NORA, by="c", now=LATER) == []
        assert claim(store, Claim((PHONE,), "desk:3", "contact"), by="d", now=LATER) != []

    def test_given_up_it_is_free_at_once_and_its_intent_stays_known(self, store):
        claim(store, NORA)
        store.creations.intend("main", NORA.keys, by="a", now=NOW)
        store.creations.give_up("main", NORA.keys, by="a")

        assert claim(store, NORA, by="b") == [NORA]
        assert store.creations.load("main", [EMAIL])[EMAIL].intended_at == NOW

    def test_forgotten_it_never_was(self, store):
        claim(store, NORA)
        store.creations.forget("main", NORA.keys, by="a")

        assert store.creations.load("main", NORA.keys) == {}

    def test_nothing_at_all(self, store):
        assert claim(store) == []
        store.creations.forget("main", [], by="a")
        store.creations.give_up("main", [], by="a")


class TestEnds:
    def test_what_was_created_is_nobodys_to_claim(self, store):
        claim(store, NORA)
        store.creations.settle("main", NORA.keys, by="a", record_id="003A")

        assert claim(store, NORA, by="b", now=NOW + timedelta(days=9)) == []
        row = store.creations.load("main", [PHONE])[PHONE]
        assert (row.record_id, row.candidates, row.is_over) == ("003A", (), True)

    def test_candidates_are_kept_with_the_reason(self, store):
        claim(store, NORA)
        store.creations.settle("main", NORA.keys, by="a", candidates=["003A", "003B"], reason="Rule \x00 لي")
        store.creations.forget("main", NORA.keys, by="a")
        store.creations.give_up("main", NORA.keys, by="a")

        row = store.creations.load("main", [EMAIL])[EMAIL]
        assert (row.record_id, row.candidates, row.is_over) == (None, ("003A", "003B"), True)
        assert row.until == NOW + timedelta(seconds=60)
        assert claim(store, NORA, by="b", now=LATER + timedelta(days=1)) == []

    def test_who_lost_the_claim_changes_nothing(self, store):
        claim(store, NORA, seconds=0)
        claim(store, NORA, by="b", now=LATER)

        with pytest.raises(VersionConflictError):
            store.creations.intend("main", NORA.keys, by="a", now=LATER)
        store.creations.settle("main", NORA.keys, by="a", record_id="003A")
        store.creations.forget("main", NORA.keys, by="a")
        store.creations.give_up("main", NORA.keys, by="a")

        row = store.creations.load("main", [PHONE])[PHONE]
        assert (row.by, row.record_id, row.intended_at) == ("b", None, None)
        assert row.until > LATER - timedelta(days=1)


class TestAtOnce:
    def test_of_many_at_once_one_has_it(self, store):
        """Each wants two keys, of which it shares one with a neighbour: none may have half of what it wants."""
        keys = [f"phone:+1415555{number:04d}" for number in range(9)]
        claims = [Claim(tuple(keys[at : at + 2]), f"desk:{at}", "contact") for at in range(8)] * 4

        with ThreadPoolExecutor(8) as pool:
            each = [pool.submit(claim, store, one, by=f"w{number}") for number, one in enumerate(claims)]
            granted = [one for done in each for one in done.result()]

        taken = [key for one in granted for key in one.keys]
        assert granted
        assert len(taken) == len(set(taken))
        assert store.creations.load("main", keys).keys() == set(taken)


class TestOneProcess:
    def test_a_files_only_process_takes_over_at_once_what_a_dead_one_left(self, tmp_path):
        first = Database(f"sqlite:///{tmp_path}/gateway.db")
        claim(first, NORA)
        first.creations.settle("main", [EMAIL], by="a", record_id="003A")
        first.close()

        second = Database(f"sqlite:///{tmp_path}/gateway.db")
        second.claim_file()

        assert claim(second, Claim((PHONE,), "desk:1", "contact"), Claim((EMAIL,), "desk:1", "contact"), by="b") == [
            Claim((PHONE,), "desk:1", "contact")
        ]
        second.close()
