"""Contacts of a sync: whom links join, who has none, what is due, what people say, and what was lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.brakes import Stop
from gateway.domain.contacts import ContactRecord, Entry, Side
from gateway.domain.evidence import Evidence
from gateway.domain.pairing import Likeness, Pairing
from gateway.domain.sync import RECORD, Choice, Conflict, Ended, Intent, Link, Loss
from gateway.errors import VersionConflictError
from gateway.sdk.contacts import ContactPage
from gateway.storage import Database
from tests.adapters.storage.examples import LATER, NOW

CRM, DESK = Side.SALESFORCE, Side.PLATFORM
PAIR = "crm-phonebook"
PHONES = (Entry("+1 415 555 0123", "work", is_primary=True, is_verified=True), Entry("555-0199"))
VALUES = {"first": "Casey\x00", "age": 41, "share": 0.5, "is_vip": False, "title": None, "phones": PHONES, "emails": ()}


def record(id="c1", **changes):
    return ContactRecord(
        id=id, **({"values": VALUES, "version": "7", "changed_at": NOW, "changed_by": "ada"} | changes)
    )


def take_in(store, side, *records, keys=(), pair=PAIR, **page):
    store.links.take_in(pair, side, ContactPage(records=records, **page), {each.id: keys for each in records})


def add(store, crm="c1", desk="p1", pair=PAIR, **changes):
    ids = {side: id for side, id in ((CRM, crm), (DESK, desk)) if id}
    (link,) = store.links.add(pair, [Link(ids=ids, decided="the same e-mail address", **changes)])
    return link


def save(store, *links, losses=(), due=()):
    store.links.save(PAIR, links, dict(losses), due=due)


def due(store, now=NOW, after=0, limit=10, pair=PAIR):
    return list(store.links.due(pair, now=now, after=after, limit=limit))


def at_rest(store, *ids):
    """Links of these contacts of the org, each with one of the platform, about which nothing is to be done."""
    links = [add(store, id, id.replace("c", "p")) for id in ids]
    save(store, *links)
    return links


def strays(store, side=CRM, **page):
    return [stray.record.id for stray in store.links.strays(PAIR, side, **({"limit": 10} | page))]


def known(store, side, *keys):
    return {key: [each.record.id for each in found] for key, found in store.links.known(PAIR, side, keys).items()}


def conflict(**changes):
    told = {
        "field": "phones", "values": {CRM: PHONES, DESK: ()}, "base": {CRM: None, DESK: "x"},
        "by": {CRM: "ada", DESK: None}, "at": {CRM: NOW, DESK: None},
    }  # fmt: skip
    return Conflict(**(told | changes))


CHOICE = Choice(winner=DESK, against=PHONES, by="ada", at=NOW)
LOSS = Loss(field="phones", side=CRM, value=PHONES, by="ada", at=NOW, decided="policy: newest")


class TestLinks:
    def test_everything_about_a_link_comes_back(self, store):
        full = Link(
            ids={CRM: "c1"},
            decided="Ada said so.",
            base={CRM: VALUES, DESK: {"first": "C."}},
            intent=Intent(sent={DESK: VALUES}, source={DESK: {"first": ()}}, created=frozenset({DESK})),
            conflicts={"phones": conflict(), RECORD: conflict(field=RECORD, values={CRM: "c1"})},
            choices={"phones": CHOICE},
            problems={"title on platform": "The text is cut."},
            ended=Ended.KEPT,
            not_before=NOW,
        )
        (added,) = store.links.add(PAIR, [full])
        assert added == replace(full, key=added.key)
        assert due(store) == [added]
        assert all(isinstance(side, Side) for side in due(store)[0].ids)

        plain = Link(ids={CRM: "c1", DESK: "p1"}, decided="x", key=added.key)
        save(store, plain)
        assert store.links.linked(PAIR, DESK, ["p1", "p2"]) == {"p1": plain}

    def test_due_links_come_in_order_of_key(self, store):
        links = [add(store, f"c{n}", f"p{n}") for n in range(4)]
        add(store, pair="other")
        save(store, links[1])

        keys = [link.key for link in links]
        assert keys == sorted(set(keys))
        assert [link.key for link in due(store, limit=2)] == [keys[0], keys[2]]
        assert [link.key for link in due(store, after=keys[2])] == [keys[3]]

    def test_what_is_to_wait_is_not_given_out_before(self, store):
        link = add(store)
        save(store, replace(link, not_before=LATER), due=[link.key])

        assert due(store) == []
        assert [each.key for each in due(store, now=LATER)] == [link.key]

    def test_many_are_added_in_their_order(self, store):
        links = [Link(ids={side: f"{side[0]}{n}" for side in Side}, decided="x") for n in range(3000)]
        added = store.links.add(PAIR, links)

        assert [link.ids for link in added] == [link.ids for link in links]
        assert [link.key for link in due(store, limit=5000)] == [link.key for link in added]
        assert store.links.active(PAIR) == 3000

    @pytest.mark.parametrize("ids", [{CRM: "c1"}, {DESK: "p1"}, {CRM: "c1", DESK: "p1"}])
    def test_a_contact_is_linked_once(self, store, ids):
        at_rest(store, "c1")
        with pytest.raises(VersionConflictError):
            store.links.add(PAIR, [Link(ids={CRM: "c2", DESK: "p2"}, decided="x"), Link(ids=ids, decided="x")])

        assert store.links.linked(PAIR, CRM, ["c2"]) == {}
        assert due(store) == []

    def test_two_of_one_call_do_not_join_one_contact(self, store):
        with pytest.raises(VersionConflictError):
            store.links.add(PAIR, [Link(ids={CRM: id, DESK: "p1"}, decided="x") for id in ("c1", "c2")])

        assert due(store) == []

    def test_of_many_at_once_one_links_it(self, store):
        def link(_):
            try:
                return add(store)
            except VersionConflictError:
                return None

        with ThreadPoolExecutor(8) as pool:
            assert sum(each is not None for each in pool.map(link, range(8))) == 1
        assert len(due(store)) == 1

    def test_a_link_takes_what_another_lets_go_of(self, store):
        one, two = at_rest(store, "c1", "c2")
        save(store, replace(one, ids={CRM: "c1", DESK: "p2"}), replace(two, ids={CRM: "c2"}, ended=Ended.MERGED))

        assert {id: link.key for id, link in store.links.linked(PAIR, DESK, ["p1", "p2"]).items()} == {"p2": one.key}

    def test_two_links_change_places(self, store):
        one, two = at_rest(store, "c1", "c2")
        save(store, replace(one, ids={CRM: "c1", DESK: "p2"}), replace(two, ids={CRM: "c2", DESK: "p1"}))

        found = store.links.linked(PAIR, DESK, ["p1", "p2"])
        assert {id: link.ids[CRM] for id, link in found.items()} == {"p1": "c2", "p2": "c1"}

    def test_one_that_would_join_what_another_joins_stays_as_it_was_and_is_due(self, store):
        one, two, three = at_rest(store, "c1", "c2", "c3")
        taking = replace(one, ids={CRM: "c1", DESK: "p2"}, problems={RECORD: "x"})
        told = replace(three, problems={RECORD: "x"})
        refused = store.links.save(PAIR, [taking, told], {one.key: [LOSS], three.key: [LOSS]}, due=())

        assert set(refused) == {one.key}
        assert due(store) == [one]
        found = store.links.linked(PAIR, DESK, ["p1", "p2", "p3"])
        assert {id: (link.key, link.problems) for id, link in found.items()} == {
            "p1": (one.key, {}), "p2": (two.key, {}), "p3": (three.key, {RECORD: "x"}),
        }  # fmt: skip
        assert [each.link for each in store.links.lost(PAIR)] == [three.key]

    def test_of_two_that_would_join_one_contact_the_first_does(self, store):
        one, two, three = at_rest(store, "c1", "c2", "c3")
        links = [replace(link, ids={**link.ids, DESK: id}) for link, id in ((one, "p9"), (two, "p9"), (three, "p2"))]
        take_in(store, DESK, record("p9"))

        assert set(store.links.save(PAIR, links, {}, due=())) == {two.key, three.key}
        assert {link.ids[DESK] for link in store.links.at(PAIR, [one.key])} == {"p9"}
        assert due(store) == [two, three]
        assert strays(store, DESK) == []

    def test_another_pair_s_contacts_are_in_nobody_s_way(self, store):
        (one,) = at_rest(store, "c1")
        add(store, "c2", "p2", pair="other")

        assert not store.links.save(PAIR, [replace(one, ids={CRM: "c1", DESK: "p2"})], {}, due=())

    def test_those_in_sync_are_counted(self, store):
        one, two, _ = at_rest(store, "c1", "c2", "c3")
        save(store, replace(one, ended=Ended.KEPT), replace(two, ids={CRM: "c2"}))

        assert store.links.active(PAIR) == 1
        assert (store.links.active("other"), store.links.active(PAIR, 0)) == (0, 0)

    def test_those_with_something_to_tell_are_listed(self, store):
        one, two, three = at_rest(store, "c1", "c2", "c3")
        save(store, replace(one, conflicts={"phones": conflict()}), replace(three, problems={RECORD: "No room."}))
        at_rest(store, "c4")

        assert [link.key for link in store.links.unsettled(PAIR, limit=10)] == [one.key, three.key]
        assert [link.key for link in store.links.unsettled(PAIR, after=two.key, limit=1)] == [three.key]


class TestWhatBefalls:
    @pytest.mark.parametrize(
        "told",
        [record(), record(is_deleted=True), record(merged_into="c9"), record("c8", merged_into="c1")],
        ids=["changed", "deleted", "merged", "merged into it"],
    )
    def test_a_link_is_due_whose_contact_is_told_of(self, store, told):
        (link, _) = at_rest(store, "c1", "c2")
        take_in(store, CRM, told)

        assert [each.key for each in due(store)] == [link.key]
        assert strays(store) == []

    def test_ids_are_those_of_a_side_and_a_pair(self, store):
        at_rest(store, "c1")
        take_in(store, DESK, record("c1"))
        take_in(store, CRM, record("c1"), pair="other")

        assert due(store) == []

    def test_what_befell_it_since_it_was_given_out_is_not_lost(self, store):
        add(store)
        (given,) = due(store)
        take_in(store, CRM, record())
        save(store, replace(given, problems={RECORD: "x"}))

        (again,) = due(store)
        assert again.problems == {RECORD: "x"}
        save(store, again)
        assert due(store) == []

    def test_a_choice_makes_it_due_and_is_not_overwritten(self, store):
        link = add(store)
        save(store, replace(link, conflicts={"phones": conflict()}))
        (given,) = store.links.unsettled(PAIR, limit=1)

        assert store.links.choose(PAIR, link.key, "phones", CHOICE) is True
        save(store, replace(given, choices={"title": CHOICE}))

        (chosen,) = due(store)
        assert chosen.choices == {"phones": CHOICE, "title": CHOICE}
        save(store, replace(chosen, choices={}))
        assert due(store) == []
        assert store.links.linked(PAIR, CRM, ["c1"])["c1"].choices == {}

    def test_only_on_conflicts_there_are_choices(self, store):
        link = add(store)
        save(store, replace(link, conflicts={"phones": conflict()}))

        assert store.links.choose(PAIR, link.key, "title", CHOICE) is False
        assert store.links.choose(PAIR, link.key + 1, "phones", CHOICE) is False
        assert store.links.choose("other", link.key, "phones", CHOICE) is False
        assert due(store) == []


class TestRules:
    def test_with_other_rules_everything_is_due_again(self, store):
        store.links.adopt(PAIR, "one")
        links = at_rest(store, "c1", "c2")
        take_in(store, CRM, record("c8"))
        store.links.ask(PAIR, [Pairing(record("c8"), CRM, "Nobody.")])
        store.links.adopt(PAIR, "one")
        store.links.adopt("other", "two")
        assert (due(store), strays(store)) == ([], [])

        (given,) = store.links.at(PAIR, [links[0].key])
        store.links.adopt(PAIR, "two")
        assert [link.key for link in due(store)] == [link.key for link in links]
        assert strays(store) == ["c8"]
        save(store, given)
        assert links[0].key in [link.key for link in due(store)], "it was planned by the rules before"

    def test_the_first_rules_of_a_pair_make_nothing_due(self, store):
        at_rest(store, "c1")
        store.links.adopt(PAIR, "one")

        assert due(store) == []

    def test_rules_stand_beside_cursors(self, store):
        take_in(store, CRM, cursor={"page": 1})
        store.links.adopt(PAIR, "one")
        store.links.adopt(PAIR, "two")

        assert store.links.cursor(PAIR, CRM) == {"page": 1}


class TestCounts:
    def test_what_waits_is_counted(self, store):
        names = ("linked", "unsettled", "due", "questions", "due_strays")
        assert store.links.counts(PAIR) == dict.fromkeys(names, 0)
        one, two, three, _ = at_rest(store, "c1", "c2", "c3", "c4")
        save(store, replace(one, conflicts={"phones": conflict()}), replace(two, problems={RECORD: "x"}), due=[two.key])
        save(store, replace(three, ended=Ended.KEPT))
        take_in(store, CRM, record("c7"), record("c8"), record("c9"))
        asked = Pairing(record("c8"), CRM, "Who is it?", candidates=(Likeness(record("p9"), (), 1.0),))
        store.links.ask(PAIR, [asked, Pairing(record("c9"), CRM, "Nobody.")])
        add(store, "c1", "p1", pair="other")

        assert dict(store.links.counts(PAIR)) == dict(zip(names, (3, 2, 1, 1, 1), strict=True))
        assert dict(store.links.counts("other")) == dict(zip(names, (1, 0, 1, 0, 0), strict=True))
        assert (store.links.due_count(PAIR), store.links.due_count("other")) == (2, 1)

    def test_what_waits_for_its_time_is_due_all_the_same(self, store):
        link = add(store)
        save(store, replace(link, not_before=LATER), due=[link.key])

        assert store.links.counts(PAIR)["due"] == 1


class TestByKey:
    def test_links_come_in_order_as_they_are(self, store):
        one, two, three = at_rest(store, "c1", "c2", "c3")
        save(store, replace(two, ended=Ended.MERGED))
        other = add(store, pair="other")
        take_in(store, CRM, record("c3"))

        found = store.links.at(PAIR, {three.key, two.key, other.key, 999})
        assert [(link.key, link.ended) for link in found] == [(two.key, Ended.MERGED), (three.key, None)]
        assert store.links.at(PAIR, []) == []
        save(store, *found)
        assert due(store) == [], "what befell it before it was given out is known"
        assert one.key not in [link.key for link in found]

    def test_one_stray_is_found_by_its_id(self, store):
        take_in(store, CRM, record("c1"), record("c2"))
        at_rest(store, "c3")

        assert store.links.stray(PAIR, CRM, "c1").record == record("c1")
        assert store.links.stray(PAIR, DESK, "c1") is None
        assert store.links.stray("other", CRM, "c1") is None
        assert store.links.stray(PAIR, CRM, "c3") is None


class TestLosses:
    def test_each_is_kept_once(self, store):
        one, two = at_rest(store, "c1", "c2")
        other = replace(LOSS, value="x", at=None, by=None)
        save(store, one, two, losses={one.key: [LOSS, other], two.key: [LOSS]}.items())
        save(store, one, losses={one.key: [other, LOSS]}.items())

        listed = store.links.lost(PAIR)
        assert [(each.link, each.loss) for each in listed] == [(two.key, LOSS), (one.key, other), (one.key, LOSS)]
        assert store.links.lost(PAIR, limit=1) == listed[:1]
        assert store.links.lost(PAIR, before=listed[0].id) == listed[1:]
        assert store.links.lost("other") == []


class TestStrays:
    def test_who_has_no_link_is_one(self, store):
        at_rest(store, "c1")
        told = record("c2", other_id="p7")
        take_in(store, CRM, record("c1"), told, record("c3", is_deleted=True))

        (stray,) = store.links.strays(PAIR, CRM, limit=10)
        assert (stray.record, stray.question, stray.answer) == (told, None, None)
        assert strays(store, DESK) == []

    def test_they_come_in_order_of_id(self, store):
        take_in(store, CRM, *(record(f"c{n}") for n in (3, 1, 4, 2)))

        assert strays(store, limit=3) == ["c1", "c2", "c3"]
        assert strays(store, after="c3") == ["c4"]

    def test_what_is_gone_or_linked_is_none(self, store):
        take_in(store, CRM, record("c1"), record("c2"), record("c3"), record("c4"))
        take_in(store, CRM, record("c1", is_deleted=True), record("c2", merged_into="c9"))
        add(store, "c3", None)

        assert strays(store) == ["c4"]
        (link,) = due(store)
        save(store, replace(link, ids={CRM: "c4"}))
        assert strays(store) == []

    def test_asked_about_they_wait_until_they_are_told_of_or_answered(self, store):
        take_in(store, CRM, record("c1"), record("c2"))
        likeness = Likeness(record("p1", other_id="c1"), (Evidence("The same name.", 1.5),), 1.5, is_waiting=True)
        open_one = Pairing(record("c1"), CRM, "Who is it?", candidates=(likeness,))
        nobody = Pairing(record("c2"), CRM, "Nobody.")
        store.links.ask(PAIR, [open_one, nobody, Pairing(record("c9"), CRM, "Gone meanwhile.")])

        assert strays(store) == []
        (asked,) = store.links.in_question(PAIR, CRM, limit=10)
        assert asked.question == open_one
        assert store.links.in_question(PAIR, CRM, after="c1", limit=10) == []
        assert store.links.answer(PAIR, CRM, "c1", "p1") is True
        assert store.links.answer(PAIR, DESK, "c1", "p1") is False
        assert [(each.answer, each.question) for each in store.links.strays(PAIR, CRM, limit=9)] == [("p1", open_one)]
        take_in(store, CRM, record("c2"))
        assert [each.question for each in store.links.strays(PAIR, CRM, limit=9)] == [open_one, nobody]

    def test_whose_link_is_given_up_is_one_again_and_in_question(self, store):
        take_in(store, CRM, record("c1"), keys=["email:a"])
        alone, other = add(store, "c1", None), add(store, "c2", "p2")
        intent = Intent(sent={DESK: VALUES}, source={DESK: {}}, created=frozenset({DESK}))
        save(store, replace(alone, problems={RECORD: "Refused."}, intent=intent), other)
        likeness = Likeness(record("p2"), (Evidence("A rule says so.", 0.0),), 0.0)
        question = Pairing(record("c1"), CRM, "Refused.", candidates=(likeness,))
        store.links.part(PAIR, {alone.key: question})

        assert store.links.stray(PAIR, CRM, "c1").question == question
        assert [each.record.id for each in store.links.in_question(PAIR, CRM, limit=9)] == ["c1"]
        assert (strays(store), due(store), list(store.links.unsettled(PAIR, limit=9))) == ([], [], [])
        assert store.links.linked(PAIR, CRM, ["c1", "c2"]).keys() == {"c2"}
        assert known(store, CRM, "email:a") == {"email:a": ["c1"]}
        assert [(each.ended, each.intent) for each in store.links.at(PAIR, [alone.key])] == [(Ended.PARTED, None)]
        assert add(store, "c1", "p1").key not in {alone.key, other.key}

    @pytest.mark.parametrize(
        ("side", "told", "keys"),
        [
            (CRM, record("c9"), ["email:a"]),
            (DESK, record("p9"), ["email:a", "email:b"]),
            (DESK, record("p9", other_id="c1"), []),
            (DESK, record("p1"), []),
        ],
        ids=["its own side", "the other side", "who bears its id", "whose id it bears"],
    )
    def test_they_are_due_again_when_somebody_comes_who_could_be_meant(self, store, side, told, keys):
        take_in(store, CRM, record("c1", other_id="p1"), keys=["email:a"])
        store.links.ask(PAIR, [Pairing(record("c1"), CRM, "Nobody.")])
        take_in(store, side, record("x"), keys=["email:x"])
        assert "c1" not in strays(store)

        take_in(store, side, told, keys=keys)
        assert "c1" in strays(store)

    def test_they_are_due_again_when_a_key_leaves_another(self, store):
        take_in(store, CRM, record("c1"), record("c2"), keys=["email:a"])
        store.links.ask(PAIR, [Pairing(record(id), CRM, "Nobody.") for id in ("c1", "c2")])
        take_in(store, CRM, record("c2"))

        assert strays(store) == ["c1", "c2"]
        assert known(store, CRM, "email:a") == {"email:a": ["c1"]}


class TestKnown:
    def test_contacts_are_found_by_key_by_id_and_by_the_id_that_they_bear(self, store):
        take_in(store, DESK, record("p1", other_id="c1"), keys=["email:a", "phone:1"])
        take_in(store, DESK, record("p2"), keys=["email:a"])
        take_in(store, CRM, record("c2"), keys=["email:a"])

        assert known(store, DESK, "email:a", "phone:1", "p2", "c1", "c2", "email:b") == {
            "email:a": ["p1", "p2"], "phone:1": ["p1"], "p2": ["p2"], "c1": ["p1"],
        }  # fmt: skip
        assert store.links.known(PAIR, DESK, []) == {}
        assert store.links.known("other", DESK, ["email:a"]) == {}

    def test_linked_ones_come_with_what_both_agreed_on(self, store):
        take_in(store, DESK, record("p1"), record("p2"), record("p3"), keys=["email:a"])
        base = {DESK: {"first": "Casey"}}
        add(store, "c1", "p1", base=base)
        add(store, "c2", "p2", intent=Intent(sent={}, source={}, created=frozenset({CRM})))

        take_in(store, DESK, record("p1", other_id="c9"), keys=["email:a"])
        assert known(store, DESK, "c9") == {}
        one, two, three = store.links.known(PAIR, DESK, ["email:a"])["email:a"]
        assert (one.record, one.is_linked, one.is_waiting) == (ContactRecord(id="p1", values=base[DESK]), True, False)
        assert (two.is_linked, two.is_waiting) == (True, True)
        assert (three.record.version, three.is_linked) == ("7", False)

    def test_those_of_ended_links_take_nobody_s_place(self, store):
        ids = [f"p{n:03}" for n in range(120)]
        take_in(store, DESK, *map(record, ids), keys=["phone:0"])
        links = [Link(ids={DESK: id}, decided="x", ended=Ended.DELETED) for id in ids[:60]]
        save(store, *store.links.add(PAIR, links))

        assert known(store, DESK, "phone:0") == {"phone:0": ids[60:110]}

    def test_those_of_ended_links_are_told_while_they_are_being_written(self, store):
        take_in(store, CRM, record("c1"), keys=["email:a"])
        take_in(store, CRM, *(record(f"d{n:02}") for n in range(60)), keys=["email:a"])
        (link,) = store.links.add(PAIR, [Link(ids={CRM: "c1", DESK: "p1"}, decided="x", ended=Ended.KEPT)])
        assert "c1" not in known(store, CRM, "email:a")["email:a"]
        save(store, replace(link, intent=Intent(sent={DESK: VALUES}, source={}, created=frozenset({DESK}))))

        first, *_ = store.links.known(PAIR, CRM, ["email:a"])["email:a"]
        assert (first.record.id, first.is_linked, first.is_waiting) == ("c1", True, True)


class TestCursorsAndListings:
    def test_a_page_and_its_cursor_are_stored_together(self, store):
        assert store.links.cursor(PAIR, CRM) is None
        take_in(store, CRM, record("c1"), cursor={"since": "2026-03-02", "deep": [1, None]})
        take_in(store, CRM, record("c2"))
        take_in(store, DESK, cursor={"page": 2})

        assert store.links.cursor(PAIR, CRM) == {"since": "2026-03-02", "deep": [1, None]}
        assert store.links.cursor(PAIR, DESK) == {"page": 2}
        assert store.links.cursor("other", CRM) is None

    def test_who_is_in_none_of_its_pages_is_looked_at(self, store):
        one, two, _ = at_rest(store, "c1", "c2", "c3")
        take_in(store, DESK, record("p7"), record("p8"))
        take_in(store, DESK, record("p1"), record("p8"), listing="one")
        take_in(store, DESK, record("p1"), record("p8"))
        save(store, *due(store))
        take_in(store, DESK, record("p3"), listing="one")
        save(store, *due(store))
        assert due(store) == []
        take_in(store, DESK, listing="one", ends=True)

        assert [link.key for link in due(store)] == [two.key]
        assert strays(store, DESK) == ["p8"]
        assert known(store, DESK, "p7", "p8") == {"p8": ["p8"]}
        save(store, *due(store))
        take_in(store, DESK, record("p2"), record("p3"), listing="two", ends=True)
        assert one.key in [link.key for link in due(store)]

    def test_the_other_side_has_listings_of_its_own(self, store):
        at_rest(store, "c1")
        take_in(store, CRM, record("c8"))
        take_in(store, DESK, record("p1"), listing="one", ends=True)
        save(store, *due(store))
        take_in(store, CRM, listing="one", ends=True)

        assert len(due(store)) == 1
        assert strays(store) == []


class TestStops:
    def test_it_stays_until_it_is_taken_back(self, store):
        stop = Stop(reasons=("empty: …",), counts={"changed": {"salesforce": 3}}, sample=("c1: x",), at=NOW)
        assert store.links.stop(PAIR) is None
        take_in(store, CRM, cursor={"page": 1})
        store.links.set_stop(PAIR, stop)
        assert store.links.stop(PAIR) == stop
        store.links.set_stop(PAIR, replace(stop, approved_by="ada"))
        assert store.links.stop(PAIR) == replace(stop, approved_by="ada")
        store.links.set_stop(PAIR, None)

        assert store.links.stop(PAIR) is None
        assert store.links.cursor(PAIR, CRM) == {"page": 1}


def test_pages_of_many_processes_at_once_leave_each_contact_once(url, database):
    stores = [database, Database(url)]
    pages = [[record(f"c{n}") for n in range(start, start + 60)] for start in range(0, 120, 20)]
    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(take_in, stores[n % 2], CRM, *page, keys=["email:a"]) for n, page in enumerate(pages)]
    for each in work:
        each.result()

    assert len(strays(database, limit=1000)) == 160
    stores[1].close()


def test_a_second_file_of_nothing_is_empty(store):
    assert (due(store), strays(store), store.links.unsettled(PAIR, limit=1)) == ([], [], [])
    save(store)
    store.links.ask(PAIR, [])
    take_in(store, CRM)
    assert due(store, now=NOW + timedelta(days=1)) == []
