"""The last word on each org, and the counts of each connection."""

from __future__ import annotations

from tests.adapters.storage.examples import LATER, NOW, folded, written


class TestStatus:
    def test_the_last_word_on_each_org_is_kept(self, database):
        database.status.tell("main", {"problem": None}, NOW)
        database.status.tell("spare", {"problem": "Down."}, NOW)
        database.status.tell("main", {"problem": "ليلى"}, LATER)

        assert database.status.told() == {"main": (LATER, {"problem": "ليلى"}), "spare": (NOW, {"problem": "Down."})}

    def test_an_org_nobody_works_for_is_forgotten(self, database):
        database.status.tell("main", {}, NOW)
        database.status.forget("main")
        database.status.forget("main")

        assert database.status.told() == {}

    def test_interactions_are_counted_by_connection(self, database):
        names = ("a", "b", "c", "d")
        database.deliveries.fold([folded(name) for name in names] + [folded("e", ready=False)], [])
        database.deliveries.fold([folded("a", connection="chat")], [])
        rows = [database.interactions.load([("front-desk", name)])["front-desk", name] for name in names]
        lease = database.interactions.lease("main", 1, owner="test", now=NOW, seconds=60)
        ends = [written(rows[0]), written(rows[1]), written(rows[2], written_version=0, parked="Locked.")]
        database.interactions.settle(lease, ends)

        assert database.status.counts() == {
            "front-desk": {"waiting": 1, "parked": 1, "open": 1, "written": 2},
            "chat": {"waiting": 1, "parked": 0, "open": 0, "written": 0},
        }
