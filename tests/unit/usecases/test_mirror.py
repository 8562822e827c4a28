"""The mirror is as fresh as the interactions that are matched with it, and is asked in a handful of queries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise, permutations
from threading import Barrier, Event

import pytest

from gateway.domain.matching import Sought
from gateway.domain.records import Kind, Record
from gateway.errors import RetryableError
from gateway.usecases.mirror import PATIENCE, MirrorFeed, known_of, owner_of
from tests.unit.usecases.desk import ADA, BEN, CASEY, HOUSE, INSTALLER, OWEN, RECORDS, START, Desk, contact
from tests.values import replace

LATER = timedelta(seconds=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def feed(desk: Desk) -> MirrorFeed:
    return MirrorFeed(desk.org, desk.store.mirror, desk.now)


def reads(desk: Desk) -> int:
    return desk.org.calls.count("composite")


def mirrored(desk: Desk) -> set[str]:
    return {record.id for record in desk.store.mirror.by_ids("main", {record.id for record in RECORDS})}


# --- freshness


def test_the_first_reach_loads_everything(desk, feed):
    feed.reach(START)

    assert mirrored(desk) == {record.id for record in RECORDS}
    assert desk.store.mirror.cursors("main") == {"Contact": str(len(RECORDS))}


def test_what_was_reached_is_not_read_again(desk, feed):
    feed.reach(START)
    for seconds in (0, -10, -1000):
        feed.reach(START + timedelta(seconds=seconds))

    assert reads(desk) == 1


def test_a_moment_after_the_last_read_is_reached_by_another(desk, feed):
    feed.reach(START)
    dana = contact(7, "Dana", "+14085550111", HOUSE)
    desk.org.change(dana)
    desk.pass_time(1)
    feed.reach(START + LATER)

    assert reads(desk) == 2
    assert [record.id for record in desk.store.mirror.by_ids("main", {dana.id})] == [dana.id]


def test_a_mirror_that_grew_old_is_read_again_whatever_is_asked_for(desk, feed):
    feed.reach(START)
    desk.pass_time(PATIENCE.total_seconds() - 1)
    feed.reach(START)
    assert reads(desk) == 1
    desk.pass_time(1)
    feed.reach(START)
    assert reads(desk) == 2


def test_what_changes_while_it_is_read_counts_as_not_seen(desk, feed):
    desk.org.on_call = lambda _: desk.pass_time(5)
    feed.reach(START)
    desk.org.on_call = lambda _: None
    feed.reach(START + LATER)

    assert reads(desk) == 2


def test_a_read_that_failed_is_not_taken_for_one(desk, feed):
    desk.org.switches.before.append(RetryableError("Busy"))
    with pytest.raises(RetryableError):
        feed.reach(START)
    assert mirrored(desk) == set()

    feed.reach(START)
    assert len(mirrored(desk)) == len(RECORDS)


def test_pages_before_a_failure_are_kept_and_the_rest_is_read_from_there(desk, feed):
    changes = desk.org.changes

    def broken(cursors):
        yield from changes(cursors)
        raise RetryableError("The connection was reset.")

    desk.org.changes = broken
    with pytest.raises(RetryableError):
        feed.reach(START)
    desk.org.changes = changes
    desk.org.change(replace(CASEY, name="Casey Married"))
    feed.reach(START)

    assert desk.store.mirror.by_ids("main", {CASEY.id})[0].name == "Casey Married"
    assert desk.store.mirror.cursors("main") == {"Contact": str(len(RECORDS) + 1)}


def test_a_new_process_reads_on_from_the_stored_cursors(desk, feed):
    feed.reach(START)
    seen = []
    changes = desk.org.changes
    desk.org.changes = lambda cursors: seen.append(dict(cursors)) or changes(cursors)
    MirrorFeed(desk.org, desk.store.mirror, desk.now).reach(START)

    assert seen == [{"Contact": str(len(RECORDS))}]


def test_all_lanes_together_read_once(desk, feed):
    at_once, inside, go = Barrier(5), Event(), Event()
    desk.org.on_call = lambda _: (inside.set(), go.wait(30))

    def reach() -> None:
        at_once.wait(30)
        feed.reach(START)

    with ThreadPoolExecutor(4) as pool:
        lanes = [pool.submit(reach) for _ in range(4)]
        at_once.wait(30)
        assert inside.wait(30)
        go.set()
        for lane in lanes:
            lane.result(30)

    assert reads(desk) == 1
    assert len(mirrored(desk)) == len(RECORDS)


# --- what is known


def seek(*keys: str, domains: tuple[str, ...] = (), ids: tuple[str, ...] = ()) -> Sought:
    return Sought(parties=(keys,), domains=domains, cases=(), ids=ids, agents=())


CASE = Record(
    kind=Kind.CASE,
    id="500000000000001AAA",
    name="Inverter",
    contact_id=CASEY.id,
    account_id=HOUSE.id,
    number="00001026",
)
NAMELESS = replace(CASE, id="500000000000002AAA", contact_id=None, number="00001027")
CLOSED = replace(CASE, id="500000000000003AAA", is_open=False, number="00001028")


def test_a_person_comes_with_account_and_open_cases(desk, feed):
    desk.org.change(CASE, CLOSED)
    feed.reach(START)
    known = known_of(desk.store.mirror, "main", [seek(*CASEY.keys)])

    assert known.by_key == {CASEY.keys[0]: [CASEY]}
    assert known.by_id[HOUSE.id] == HOUSE
    assert known.cases == {CASEY.id: [CASE]}


def test_a_case_without_a_contact_belongs_to_its_account(desk, feed):
    desk.org.change(NAMELESS)
    feed.reach(START)
    known = known_of(desk.store.mirror, "main", [seek(*CASEY.keys)])

    assert known.cases == {HOUSE.id: [NAMELESS]}


def test_a_record_named_by_id_comes_with_what_it_belongs_to(desk, feed):
    desk.org.change(CASE)
    feed.reach(START)
    known = known_of(desk.store.mirror, "main", [seek(ids=(CASE.id,))])

    assert set(known.by_id) >= {CASE.id, CASEY.id, HOUSE.id}


def test_the_accounts_of_a_domain_are_known_with_how_many_records_show_it(desk, feed):
    domain = "domain:northvalleysolar.example"
    workers = [
        replace(OWEN, id=f"0030000000001{number:02}AAA", keys=(f"email:w{number}@x.example", domain))
        for number in range(3)
    ]
    desk.org.change(*workers)
    feed.reach(START)
    known = known_of(desk.store.mirror, "main", [seek(domains=(domain, ""))])

    assert known.domains == {domain: {OWEN.account_id: 3}}
    assert OWEN.account_id in known.by_id


def test_of_a_key_that_very_many_share_some_are_known_and_how_many_there_are(desk, feed):
    crowd = [
        replace(CASEY, id=f"0030000000001{number:02}AAA", keys=("phone:+14085550199", f"phone:+140855501{number:02}"))
        for number in range(60)
    ]
    desk.org.change(*crowd)
    feed.reach(START)
    known = known_of(desk.store.mirror, "main", [seek("phone:+14085550199", "phone:+14085550101", *OWEN.keys)])

    assert len(known.by_key["phone:+14085550199"]) == 50
    assert known.by_key["phone:+14085550101"] == [crowd[1]]
    assert known.sharing == {"phone:+14085550199": 60}


def test_nobody_is_known_by_nothing(desk, feed):
    feed.reach(START)
    known = known_of(desk.store.mirror, "main", [seek(), seek("phone:+14155559999")])

    assert (known.by_key, known.by_id, known.cases, known.domains) == ({}, {}, {}, {})


def test_many_interactions_cost_as_many_queries_as_one(desk, feed):
    feed.reach(START)

    class Counting:
        def __init__(self) -> None:
            self.queries = 0

        def __getattr__(self, name):
            self.queries += 1
            return getattr(desk.store.mirror, name)

    counts = []
    for many in (1, 200):
        counting = Counting()
        known_of(counting, "main", [seek(*CASEY.keys), *[seek(f"phone:+1415555{number:04}") for number in range(many)]])
        counts.append(counting.queries)
    assert counts[0] == counts[1] < 10


# --- what was merged

FIRST, SECOND = (
    contact(11, "Casey C.", "+14085550111", INSTALLER),
    contact(12, "C. Customer", "+14085550112", INSTALLER),
)


def test_what_was_merged_is_known_as_the_one_at_the_end_of_the_chain(desk, feed):
    """In whatever order it is heard of."""
    for merges in permutations([(FIRST, SECOND), (SECOND, CASEY)]):
        desk.org.change(FIRST, SECOND)
        for loser, winner in merges:
            desk.org.merge(loser, winner)
            feed.reach(desk.clock)
            desk.pass_time(1)

        known = known_of(desk.store.mirror, "main", [seek(ids=(FIRST.id,))])
        assert known.by_id == {FIRST.id: CASEY, SECOND.id: CASEY, CASEY.id: CASEY, HOUSE.id: HOUSE}


def test_a_chain_may_be_long(desk, feed):
    chain = [contact(number, "Casey C.", "+14085550111", INSTALLER) for number in range(20, 40)]
    for loser, winner in pairwise([*chain, CASEY]):
        desk.org.merge(loser, winner)
    feed.reach(desk.clock)

    assert known_of(desk.store.mirror, "main", [seek(ids=(chain[0].id,))]).by_id[chain[0].id] == CASEY


def test_a_chain_that_is_not_all_in_the_org_any_more_leads_nowhere_until_it_is(desk, feed):
    desk.org.change(FIRST, SECOND)
    desk.org.merge(FIRST, SECOND)
    desk.org.merge(SECOND, CASEY)
    desk.org.delete(CASEY.id)
    feed.reach(desk.clock)
    assert known_of(desk.store.mirror, "main", [seek(ids=(FIRST.id,))]).by_id == {}

    desk.org.change(SECOND)
    desk.pass_time(1)
    feed.reach(desk.clock)
    assert known_of(desk.store.mirror, "main", [seek(ids=(FIRST.id,))]).by_id[FIRST.id] == SECOND


def test_records_merged_in_a_circle_are_nobody(desk, feed):
    """The org would not do it; a round that never ended would be worse than an unmatched Task."""
    desk.org.merge(FIRST, SECOND)
    desk.org.merge(SECOND, FIRST)
    feed.reach(desk.clock)

    assert known_of(desk.store.mirror, "main", [seek(ids=(FIRST.id,))]).by_id == {}


def test_the_number_of_a_merged_case_is_that_of_the_other(desk, feed):
    numbered = [replace(one, keys=(f"case:{one.number}",)) for one in (CASE, CLOSED)]
    desk.org.change(*numbered)
    desk.org.merge(numbered[1], numbered[0])
    feed.reach(desk.clock)
    known = known_of(desk.store.mirror, "main", [seek("case:00001028", "case:00001026")])

    assert known.by_key == {"case:00001028": [numbered[0]], "case:00001026": [numbered[0]]}
    assert known.by_id[CASEY.id] == CASEY


def test_who_belongs_to_what_was_merged_belongs_to_the_other(desk, feed):
    """The account of a contact, the contact of a converted lead."""
    moved = contact(11, "Casey C.", "+14085550111", INSTALLER)
    lead = Record(kind=Kind.LEAD, id="00Q000000000001AAA", name="Lee", contact_id=moved.id, is_open=False)
    desk.org.change(moved, lead)
    desk.org.merge(INSTALLER, HOUSE)
    desk.org.merge(moved, OWEN)
    feed.reach(desk.clock)
    known = known_of(desk.store.mirror, "main", [seek(ids=(lead.id,))])

    assert known.by_id[moved.id] == OWEN
    assert known.by_id[OWEN.account_id] == HOUSE


# --- who belongs to several accounts


def related(number: int, account: Record, *, is_open: bool = True) -> Record:
    return Record(
        kind=Kind.RELATION,
        id=f"07k{number:012d}AAA",
        name="",
        account_id=account.id,
        contact_id=CASEY.id,
        is_open=is_open,
    )


def test_further_accounts_of_a_person_are_known(desk, feed):
    """Those of active relations, apart from the person's own account; as they are after merges."""
    ended = Record(kind=Kind.ACCOUNT, id="001000000000009AAA", name="Ended")
    lost = replace(ended, id="001000000000008AAA")
    desk.org.change(
        ended, lost, related(1, INSTALLER), related(2, HOUSE), related(3, ended, is_open=False), related(4, lost)
    )
    desk.org.merge(lost, INSTALLER)
    feed.reach(START)

    known = known_of(desk.store.mirror, "main", [seek(*CASEY.keys)])

    assert known.related == {CASEY.id: [INSTALLER.id]}
    assert known.by_id[INSTALLER.id] == INSTALLER


# --- the org is asked where the mirror cannot be


@pytest.mark.parametrize("why", ["none is kept", "it is being loaded"])
def test_without_a_mirror_the_same_is_known(desk, feed, why):
    """By look-ups alone."""
    domain = "domain:northvalleysolar.example"
    worker = replace(OWEN, id="003000000000077AAA", keys=("email:w@x.example", domain))
    desk.org.change(CASE, CLOSED, worker, related(1, INSTALLER), replace(NAMELESS, keys=("case:00001027",)))
    looked_for = [seek(*CASEY.keys, "case:00001027", domains=(domain,), ids=(CLOSED.id,)), seek(*ADA.keys)]
    feed.reach(START)
    expected = feed.known(looked_for)

    large = Desk()
    large.org._log = desk.org._log
    large.org.is_large = why != "none is kept"
    asking = MirrorFeed(large.org, large.store.mirror, large.now, is_kept=large.org.is_large)
    asking.reach(START)

    assert asking.known(looked_for) == expected
    assert large.store.mirror.cursors("main") == {}
    assert asking.state.loading == ({"Contact": 0} if large.org.is_large else {})


def test_a_large_org_is_loaded_a_step_at_a_time_and_then_believed(desk):
    """Before anything was asked for nothing is done; afterwards nobody is looked up."""
    desk.org.is_large = True
    feed = MirrorFeed(desk.org, desk.store.mirror, desk.now)
    feed.load()
    assert desk.org.calls == []

    feed.reach(START)
    feed.load()
    assert feed.state.loading == {}
    desk.org.calls.clear()
    feed.reach(START + LATER)
    assert feed.known([seek(*CASEY.keys)]).by_key == {CASEY.keys[0]: [CASEY]}
    assert desk.org.calls == ["composite"]


def test_an_org_that_is_not_ready_is_asked_ever_less_often(desk):
    """Each failure is told, and passes."""
    desk.org.is_large = True
    feed = MirrorFeed(desk.org, desk.store.mirror, desk.now)
    feed.reach(START)
    asked = []
    for second in range(120):
        desk.org.switches.before[:] = [RetryableError("Busy.")]
        before = len(desk.org.calls)
        feed.load()
        asked += [second] * (len(desk.org.calls) - before)
        desk.pass_time(1)

    assert asked == [0, 2, 6, 14, 30, 60, 90]
    assert feed.state.problem == "Busy."
    desk.org.switches.before.clear()
    feed.load()
    assert (feed.state.loading, feed.state.problem) == ({}, None)


def test_what_is_named_and_missing_is_looked_up_once_and_kept(desk, feed):
    """A case that was closed long ago is in no mirror; what is nowhere is not asked for in every round."""
    old = replace(CLOSED, keys=("case:00001028",))
    feed.reach(START)
    desk.org.change(old)
    desk.org.calls.clear()
    missing = seek("case:00001028", "phone:+14155559999")
    named = replace(missing, cases=("case:00001028",), ids=("500000000000999AAA",))

    assert feed.known([missing]).by_key == {}
    assert desk.org.calls == []
    assert feed.known([named]).by_key == {"case:00001028": [old]}
    assert feed.known([named]).by_key == {"case:00001028": [old]}
    assert desk.org.calls == ["composite"]

    desk.pass_time(PATIENCE.total_seconds())
    feed.known([named])
    assert desk.org.calls == ["composite"] * 2


# --- owners


def _known_users(desk: Desk, feed: MirrorFeed, *more: Record):
    desk.org.change(*more)
    feed.reach(START)
    return known_of(desk.store.mirror, "main", [seek(*ADA.keys, *BEN.keys)])


def test_the_last_agent_who_has_a_user_owns_the_task(desk, feed):
    known = _known_users(desk, feed)

    assert owner_of(["ada@example.com", "BEN@example.com"], known).id == BEN.id
    assert owner_of(["ada@example.com", "external@agency.example"], known).id == ADA.id
    assert owner_of([], known) is None


def test_an_inactive_user_or_one_of_two_owns_nothing(desk, feed):
    twin = replace(ADA, id="005000000000099AAA")
    known = _known_users(desk, feed, replace(BEN, is_open=False), twin)

    assert owner_of(["ben@example.com"], known) is None
    assert owner_of(["ada@example.com"], known) is None
