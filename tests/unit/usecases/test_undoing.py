"""Runs of a contact sync are put back: what stands on both sides after it, and after the runs that follow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.domain.contacts import Act, Entry, Side, Value, WriteResult, Written
from gateway.domain.sync import WhenDeleted
from gateway.errors import GatewayError, RetryableError, UnknownOutcomeError
from gateway.usecases.contacts import Report
from tests.fakes.contacts import Habits, phones
from tests.unit.usecases.sync_desk import CRM, NAME, PLATFORM, SyncDesk, policy

NAMES = ("Casey", "Robin", "Sam")


class KilledError(BaseException):
    """The process ends here."""


def desk_with(*names: str, **habits: Any) -> SyncDesk:
    """People who are in sync; a brake stops nothing."""
    desk = SyncDesk(policy(deletes=WhenDeleted.DELETE), {side: Habits(**habits) for side in Side})
    desk.brake = type(desk.brake)(least=1000)
    for n, name in enumerate(("Anchor", *names)):
        desk.crm.people_create(
            first=name, last=f"Person{n}", title="old", phones=phones(f"+1415555010{n}", f"+1415555011{n}"),
            emails=phones(f"{name}@example.com"),
        )  # fmt: skip
    desk.settle()
    return desk


def id_of(desk: SyncDesk, side: Side, name: str) -> str:
    return next(id for id, record in desk.sides[side].living().items() if record.values["first"] == name)


def shown(value: Value) -> Any:
    return frozenset((each.value, each.type) for each in value) if isinstance(value, tuple) else value


def state(desk: SyncDesk) -> dict[Side, Any]:
    """What both sides hold, ids apart; contacts that are there twice are told twice."""
    return {
        side: sorted(
            ([(name, shown(value)) for name, value in sorted(each.items()) if value not in (None, ())] for each in desk.on(side)),
            key=str,
        )
        for side in Side
    }  # fmt: skip


def edit(desk: SyncDesk, side: Side, name: str, what: str) -> None:
    """What a person does to the contact before the run."""
    here, id = desk.sides[side], id_of(desk, side, name)
    numbers = here.records[id].values["phones"]
    match what:
        case "title":
            here.people_edit(id, title=f"new on {side}")
        case "cleared":
            here.people_edit(id, title=None)
        case "add":
            here.people_edit(id, phones=(*numbers, Entry(f"+1415555{'02' if side is CRM else '03'}0{len(numbers)}")))
        case "remove":
            here.people_edit(id, phones=numbers[1:])
        case "type":
            here.people_edit(id, phones=(Entry(numbers[0].value, "work"), *numbers[1:]))
        case "delete":
            here.people_delete(id)
        case "create":
            here.people_create(first=f"New {name}", last=str(side), emails=phones(f"new.{name}@example.com"))


edits = st.dictionaries(
    st.tuples(st.sampled_from(Side), st.sampled_from(NAMES)),
    st.lists(st.sampled_from(["title", "cleared", "add", "remove", "type", "create"]), max_size=3, unique=True),
    max_size=4,
)
deletes = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(Side), max_size=2)
OF_SETS = {"add", "remove", "type"}
TROUBLES = {"killed": KilledError(), "unreachable": RetryableError("No answer."), "unknown": UnknownOutcomeError("?")}
CALLS = {"unreachable": (" get", " find", " write"), "unknown": (" write", " written")}


def cut_off(desk: SyncDesk, nth: int, trouble: str, step: Callable[[], Report]) -> Report | None:
    """The step's report; at its `nth` call that this may befall there is trouble. None: it ended by that."""
    calls = 0

    def counted(call: str) -> None:
        nonlocal calls
        if call.endswith(CALLS.get(trouble, ("",))):
            calls += 1
            if calls == nth:
                raise TROUBLES[trouble]

    parts: list[Any] = [desk.crm, desk.platform, desk.store]
    for each in parts:
        each.on_call = counted
    try:
        return step()
    except (KilledError, GatewayError):
        return None
    finally:
        for each in parts:
            each.on_call = lambda _: None


def undone(desk: SyncDesk, run: int, nth: int, trouble: str) -> None:
    """Put back, as often as it takes; the first time there is trouble."""
    report = cut_off(desk, nth, trouble, lambda: desk.undo(run)[1])
    for _ in range(5):
        if report and not report.failures:
            return
        report = None
        with contextlib.suppress(RetryableError):
            report = desk.undo(run)[1]
    raise AssertionError("it is never put back")


def run_with(
    edits: dict[tuple[Side, str], list[str]], deletes: dict[str, Side], **habits: Any
) -> tuple[SyncDesk, Any, int]:
    """A desk after such edits and a run, what stood before that, and the run's number."""
    desk = desk_with(*NAMES, **habits)
    for (side, name), all_of in edits.items():
        for what in all_of:
            # One side's field alone is edited: where both are, a person is asked, and nothing is written.
            others = set(edits.get((side.other, name), ())) if side is PLATFORM else set()
            if what in {"add", "remove"} or not {"title", "cleared", "type", what} & others - {"add", "remove"}:
                edit(desk, side, name, what)
    for name, side in deletes.items():
        if not any(of == name for _, of in edits):
            edit(desk, side, name, "delete")
    before = state(desk)
    return desk, before, desk.kept_run()


TROUBLED = {
    "nth": st.integers(1, 12), "trouble": st.sampled_from(["none", *TROUBLES]), "batch": st.integers(1, 3),
    "has_versions": st.booleans(), "bears_ids": st.booleans(),
}  # fmt: skip


@settings(max_examples=300)
@given(edits=edits, deletes=deletes, runs=st.integers(1, 3), **TROUBLED)
def test_both_sides_are_as_before_and_stay_so(edits, deletes, runs, nth, trouble, **habits):
    desk, before, run = run_with(edits, deletes, **habits)
    undone(desk, run, 0 if trouble == "none" else nth, "killed" if trouble == "none" else trouble)
    assert state(desk) == before

    writes = len(desk.crm.writes), len(desk.platform.writes)
    for _ in range(runs):
        desk.clock.tick(61)
        desk.run()
    assert state(desk) == before
    assert (len(desk.crm.writes), len(desk.platform.writes)) == writes
    assert not any(link.conflicts or link.intent for link in desk.store.links(NAME))
    assert desk.store.questions(NAME) == []
    assert_next_edits_arrive(desk)


def assert_next_edits_arrive(desk: SyncDesk) -> None:
    """Each linked contact is edited, now on one side and now on the other."""
    joined = [link for link in desk.store.links(NAME) if all(link.ids.get(s) in desk.sides[s].living() for s in Side)]
    assert joined
    for n, link in enumerate(joined):
        side = (CRM, PLATFORM)[n % 2]
        held = desk.record(side, link.ids[side]).values.get("phones") or ()
        desk.sides[side].people_edit(link.ids[side], title=f"next {n}", phones=(*held, Entry(f"+1415555090{n}")))
    desk.settle()
    for n, link in enumerate(joined):
        for side in Side:
            values = desk.record(side, link.ids[side]).values
            assert values["title"] == f"next {n}"
            assert f"+1415555090{n}" in {each.value for each in values["phones"]}


@settings(max_examples=300)
@given(edits=edits, deletes=deletes, **TROUBLED)
def test_what_is_cut_off_and_never_done_again_spreads_nowhere(edits, deletes, nth, trouble, **habits):
    # Of numbers that both sides edited, half an undo that nobody finishes may bring back one that was removed.
    assume(
        not any(
            OF_SETS & {*edits.get((CRM, name), ())} and OF_SETS & {*edits.get((PLATFORM, name), ())} for name in NAMES
        )
    )
    desk, before, run = run_with(edits, deletes, **habits)
    after = state(desk)
    cut_off(desk, nth, "killed" if trouble == "none" else trouble, lambda: desk.undo(run)[1])
    desk.settle()

    for side in Side:
        possible = [*before[side], *after[side]]
        assert all(is_made_of(each, possible) for each in state(desk)[side])
        people = [dict(each)["first"] for each in state(desk)[side]]
        assert len(people) == len(set(people)), "nobody is there twice"
        both = {dict(each)["first"] for each in before[side]} & {dict(each)["first"] for each in after[side]}
        assert both <= set(people), "who was there all the time is there"
    assert not any(link.conflicts or link.intent for link in desk.store.links(NAME))
    assert desk.store.questions(NAME) == []
    assert_next_edits_arrive(desk)


def is_made_of(contact: list[tuple[str, Any]], possible: list[list[tuple[str, Any]]]) -> bool:
    """Whether each of its values is one that the same person's contact had on that side."""
    own = [dict(each) for each in possible if dict(each)["first"] == dict(contact)["first"]]
    names = {name for each in own for name in each}
    return bool(own) and all(dict(contact).get(name) in [each.get(name) for each in own] for name in names)


def test_a_newer_edit_stays_on_both_sides_and_is_counted():
    desk = desk_with("Casey", "Robin")
    for name in ("Casey", "Robin"):
        edit(desk, CRM, name, "title")
    run = desk.kept_run()
    desk.platform.people_edit(id_of(desk, PLATFORM, "Casey"), title="newer")
    _, report = desk.undo(run)
    desk.settle()

    assert (report.written, report.newer, report.expected, report.looked_at) == (1, 1, 2, 2)
    assert desk.record(CRM, id_of(desk, CRM, "Casey")).values["title"] == "newer"
    assert desk.record(PLATFORM, id_of(desk, PLATFORM, "Robin")).values["title"] == "old"
    assert desk.record(CRM, id_of(desk, CRM, "Robin")).values["title"] == "new on salesforce"


def test_an_edit_that_came_between_reading_and_writing_stays():
    desk = desk_with("Casey")
    edit(desk, CRM, "Casey", "title")
    run = desk.kept_run()
    casey = id_of(desk, PLATFORM, "Casey")

    def meanwhile(call: str) -> None:
        if call == "platform write":
            desk.platform.on_call = lambda _: None
            desk.platform.people_edit(casey, title="newer")

    desk.platform.on_call = meanwhile
    _, report = desk.undo(run)
    desk.settle()

    assert (report.written, report.newer) == (0, 1)
    assert desk.record(PLATFORM, casey).values["title"] == "newer"
    assert desk.record(CRM, id_of(desk, CRM, "Casey")).values["title"] == "newer"


def test_what_may_have_been_sent_must_show_before_it_is_sent_again():
    desk = desk_with("Casey")
    edit(desk, CRM, "Casey", "delete")
    run = desk.kept_run()
    desk.platform.on_call = lambda call: strike(call, "platform written")
    with pytest.raises(KilledError):
        desk.undo(run)
    desk.platform.on_call = lambda _: None
    with pytest.raises(RetryableError, match="must show first") as raised:
        desk.undo(run, wait=1)

    assert raised.value.after == 60
    assert len(desk.on(PLATFORM)) == 2
    desk.undo(run)
    assert len(desk.on(PLATFORM)) == 2


def strike(call: str, at: str) -> None:
    if call == at:
        raise KilledError


def test_an_undo_is_undone():
    desk = desk_with(*NAMES)
    edit(desk, CRM, "Casey", "title")
    edit(desk, PLATFORM, "Casey", "add")
    edit(desk, CRM, "Robin", "delete")
    edit(desk, PLATFORM, "Sam", "create")
    before = state(desk)
    run = desk.kept_run()
    after = state(desk)
    first, _ = desk.undo(run)
    desk.settle()
    assert state(desk) == before
    second, _ = desk.undo(first)
    desk.settle()
    assert state(desk) == after
    desk.undo(second)
    desk.settle()
    assert state(desk) == before


def test_what_was_put_back_is_known_by_what_it_wrote():
    desk = desk_with("Casey")
    edit(desk, CRM, "Casey", "title")
    number, _ = desk.undo(desk.kept_run())

    (stored,) = desk.runs.changes(number)
    assert (stored.change.side, stored.change.act, stored.change.written) == (PLATFORM, Act.UPDATE, Written.DONE)
    assert (stored.change.before, stored.change.after) == ({"title": "new on salesforce"}, {"title": "old"})


def test_what_the_side_refuses_is_told_and_stays():
    desk = desk_with("Casey")
    edit(desk, CRM, "Casey", "title")
    run = desk.kept_run()
    casey = id_of(desk, PLATFORM, "Casey")
    desk.platform.refused[casey] = WriteResult(written=Written.REFUSED, reason="Not that.")
    _, report = desk.undo(run)

    assert (report.written, report.failures) == (0, [])
    assert [link.problems for link in desk.store.unsettled(NAME, limit=9)] == [{"record": "Not that."}]


def test_more_changes_than_a_window_are_all_put_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.usecases.undoing.WINDOW", 2)
    desk = desk_with(*NAMES)
    for name in NAMES:
        edit(desk, CRM, name, "title")
    before = state(desk)
    _, report = desk.undo(desk.kept_run())

    assert state(desk) == before
    assert (report.written, report.expected, report.looked_at) == (3, 3, 3)


def test_a_run_that_wrote_nothing_puts_nothing_back():
    desk = desk_with("Casey")
    _, report = desk.undo(desk.kept_run())

    assert (report.written, report.expected) == (0, 0)
