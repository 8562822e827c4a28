"""Runs of contact syncs: what is wanted, what was done, and what each wrote."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.contacts import Act, Side, Written
from gateway.domain.sync import Link
from gateway.domain.undo import Change
from gateway.ports import Request, RunKind, RunState, SyncRun
from tests.adapters.storage.examples import LATER, NOW
from tests.adapters.storage.test_links import VALUES

CRM, DESK = Side.SALESFORCE, Side.PLATFORM
PAIR = "crm-phonebook"
SYNC = Request(kind=RunKind.SYNC, by="ada")
UNDO = Request(kind=RunKind.UNDO, by="ben", at=NOW, undoes=7)


def begin(store, pair=PAIR, **changes) -> SyncRun:
    return store.runs.begin(SyncRun(**({"pair": pair, "kind": RunKind.SYNC, "by": "ada", "started_at": NOW} | changes)))


def links(store, count=1, pair=PAIR) -> list[Link]:
    new = [Link(ids={CRM: f"c{n}", DESK: f"p{n}"}, decided="x") for n in range(count)]
    return list(store.links.add(pair, new))


def wrote(store, run: SyncRun, *changes: Change, of=()) -> None:
    store.links.save(
        run.pair,
        of or store.links.at(run.pair, {each.link for each in changes}),
        {},
        due=(),
        run=run.id,
        changes=changes,
    )


def changes(store, run: SyncRun, **page) -> list[Change]:
    return [stored.change for stored in store.runs.changes(run.id, **page)]


def updated(link: Link, side=CRM, **told) -> Change:
    return Change(**({"link": link.key, "side": side, "act": Act.UPDATE, "id": "c1", "after": {"title": "x"}} | told))


class TestRequests:
    def test_the_last_one_counts(self, store):
        assert store.runs.requested(PAIR) is None
        store.runs.request(PAIR, SYNC)
        store.runs.request(PAIR, UNDO)

        assert store.runs.requested(PAIR) == UNDO
        assert isinstance(store.runs.requested(PAIR).kind, RunKind)
        assert store.runs.requested("other") is None

    def test_what_is_done_is_wanted_no_more_but_what_was_requested_since_is(self, store):
        store.runs.request(PAIR, SYNC)
        store.runs.request("other", SYNC)
        store.runs.fulfil(PAIR, UNDO)
        assert store.runs.requested(PAIR) == SYNC
        store.runs.fulfil(PAIR, SYNC)
        assert (store.runs.requested(PAIR), store.runs.requested("other")) == (None, SYNC)
        store.runs.fulfil("nobody's", SYNC)

    def test_a_pair_is_paused_until_it_is_resumed(self, store):
        assert store.runs.paused(PAIR) is None
        store.runs.request(PAIR, SYNC)
        store.runs.pause(PAIR, "ada")
        assert (store.runs.paused(PAIR), store.runs.paused("other")) == ("ada", None)
        store.runs.pause(PAIR, None)

        assert (store.runs.paused(PAIR), store.runs.requested(PAIR)) == (None, SYNC)

    def test_it_stands_beside_what_else_is_kept_of_the_pair(self, store):
        store.links.adopt(PAIR, "rules")
        store.runs.request(PAIR, SYNC)
        links(store)
        store.links.save(PAIR, store.links.due(PAIR, now=NOW, limit=9), {}, due=())
        store.links.adopt(PAIR, "rules")

        assert store.runs.requested(PAIR) == SYNC
        assert store.links.due(PAIR, now=NOW, limit=9) == []


class TestRuns:
    def test_everything_about_a_run_comes_back(self, store):
        begun = begin(store, kind=RunKind.UNDO, undoes=3)
        told = replace(
            begun, state=RunState.FAILED, ended_at=LATER, counts={"created": {"salesforce": 1}}, told=("Casey: x", "y"),
            problem="Down.",
        )  # fmt: skip
        assert store.runs.get(PAIR, begun.id) == begun
        store.runs.tell(told)

        kept = store.runs.get(PAIR, begun.id)
        assert kept == told
        assert (type(kept.kind), type(kept.state)) == (RunKind, RunState)
        assert store.runs.get("other", begun.id) is None
        assert store.runs.get(PAIR, begun.id + 1) is None

    def test_the_newest_comes_first(self, store):
        runs = [begin(store) for _ in range(3)]
        begin(store, "other")
        ids = [run.id for run in runs]

        assert ids == sorted(set(ids))
        assert [run.id for run in store.runs.list(PAIR)] == ids[::-1]
        assert [run.id for run in store.runs.list(PAIR, limit=1)] == [ids[2]]
        assert [run.id for run in store.runs.list(PAIR, before=ids[2], limit=1)] == [ids[1]]
        assert store.runs.list(PAIR, before=ids[0]) == []

    def test_what_was_still_running_was_cut_off_when_another_begins(self, store):
        first, other = begin(store), begin(store, "other")
        second = begin(store, started_at=LATER)

        cut_off = store.runs.get(PAIR, first.id)
        assert (cut_off.state, cut_off.ended_at) == (RunState.CUT_OFF, LATER)
        assert store.runs.get(PAIR, second.id).state is RunState.RUNNING
        assert store.runs.get("other", other.id).state is RunState.RUNNING

    @pytest.mark.parametrize("state", [RunState.RUNNING, RunState.DONE, RunState.CUT_OFF])
    def test_who_was_cut_off_tells_nothing_more(self, store, state):
        first = begin(store)
        begin(store, started_at=LATER)
        store.runs.tell(replace(first, state=state, ended_at=LATER + timedelta(hours=1), problem="x"))

        kept = store.runs.get(PAIR, first.id)
        assert (kept.state, kept.ended_at, kept.problem) == (RunState.CUT_OFF, LATER, None)

    def test_what_has_ended_stays_as_it_ended(self, store):
        run = begin(store)
        store.runs.tell(replace(run, state=RunState.DONE, ended_at=NOW))
        begin(store, started_at=LATER)

        assert store.runs.get(PAIR, run.id) == replace(run, state=RunState.DONE, ended_at=NOW)

    def test_what_is_dropped_is_gone_and_its_number_is_nobody_s(self, store):
        one, two = begin(store), begin(store)
        store.runs.drop(one)

        assert [run.id for run in store.runs.list(PAIR)] == [two.id]
        store.runs.tell(replace(one, state=RunState.DONE))
        assert store.runs.get(PAIR, one.id) is None


class TestChanges:
    def test_everything_about_a_change_comes_back(self, store):
        run, (link,) = begin(store), links(store)
        full = Change(
            link=link.key, side=DESK, act=Act.UPDATE, id="p1", before=VALUES, after={"first": None, "phones": ()},
            version="7", written=Written.DONE,
        )  # fmt: skip
        plain = Change(link=link.key, side=CRM, act=Act.CREATE)
        wrote(store, run, full, plain)

        assert changes(store, run) == [full, plain]
        kept = changes(store, run)[0]
        assert (type(kept.side), type(kept.act), type(kept.written)) == (Side, Act, Written)

    def test_one_that_is_told_again_takes_the_other_s_place(self, store):
        run, (link,) = begin(store), links(store)
        wrote(store, run, updated(link), updated(link, DESK))
        wrote(store, run, updated(link, written=Written.DONE, version="2"))

        assert changes(store, run) == [updated(link, written=Written.DONE, version="2"), updated(link, DESK)]

    def test_each_run_has_its_own(self, store):
        (link,) = links(store)
        one, two = begin(store), begin(store)
        wrote(store, one, updated(link))
        wrote(store, two, updated(link, version="2"))

        assert changes(store, one) == [updated(link)]
        assert changes(store, two) == [updated(link, version="2")]
        assert changes(store, begin(store)) == []

    def test_without_a_run_none_is_kept(self, store):
        run, (link,) = begin(store), links(store)
        store.links.save(PAIR, [link], {}, due=(), changes=[updated(link)])

        assert changes(store, run) == []

    def test_they_come_in_order_and_page_by_page(self, store):
        run, all_of = begin(store), links(store, 5)
        told = [updated(link, id=f"c{n}") for n, link in enumerate(all_of)]
        wrote(store, run, *told[:3])
        wrote(store, run, *told[3:])

        first = store.runs.changes(run.id, limit=2)
        assert [each.change for each in first] == told[:2]
        assert changes(store, run, after=first[-1].id, limit=2) == told[2:4]
        assert changes(store, run, after=first[-1].id) == told[2:]

    def test_of_a_link_that_is_not_kept_no_change_is(self, store):
        run, (one, two, three) = begin(store), links(store, 3)
        taken = replace(one, ids={**one.ids, DESK: two.ids[DESK]})
        wrote(store, run, updated(one), updated(three), of=[taken, three])

        assert changes(store, run) == [updated(three)]


class TestForgetting:
    def test_what_is_old_goes_with_what_it_wrote(self, store):
        (link,), (other_link,) = links(store), links(store, pair="other")
        old, new = begin(store), begin(store, started_at=LATER)
        other = begin(store, "other")
        for run, of in ((old, link), (new, link), (other, other_link)):
            wrote(store, run, updated(of))
        store.runs.forget(PAIR, LATER)

        assert [run.id for run in store.runs.list(PAIR)] == [new.id]
        assert (changes(store, old), changes(store, new)) == ([], [updated(link)])
        assert (len(store.runs.list("other")), changes(store, other)) == (1, [updated(other_link)])
