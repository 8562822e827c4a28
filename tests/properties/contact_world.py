"""People who edit contacts on two sides while they are synced, and a memory of what must come of it.

The memory is apart from the code's: it knows what each person wrote, what they saw when they did, and nothing of links.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from gateway.domain.brakes import Brake
from gateway.domain.contacts import Act, ContactRecord, Entry, FieldLimits, Side, Value, WriteResult, Written, is_empty
from gateway.domain.sync import RECORD, FieldRule, WhenDeleted, Wins
from gateway.errors import RetryableError, UnknownOutcomeError
from tests.fakes.contacts import FakeSide, Habits, MemoryLinks
from tests.unit.usecases.sync_desk import CRM, NAME, PLATFORM, SyncDesk, policy

TEXTS = ("first", "title")
SHORT = 6
"""The platform cuts titles, and says so."""
MOST_PHONES = 3
"""The platform holds so many."""


class KilledError(BaseException):
    """The process ends here."""


TROUBLES = {"killed": KilledError(), "unreachable": RetryableError("No answer."), "unknown": UnknownOutcomeError("?")}
CALLS = {"unreachable": (" get", " changes", " find", " write"), "unknown": (" write", " written")}
"""At which calls it may befall a run; a kill at any."""


def spelt_by_crm(name: str, value: Value) -> Value:
    """Numbers as people type them, small letters in addresses, no blanks around text."""
    if isinstance(value, tuple):
        return tuple(replace(e, value=_american(e.value) if name == "phones" else e.value.lower()) for e in value)
    return value.strip() if isinstance(value, str) else value


def spelt_by_platform(name: str, value: Value) -> Value:
    """Bare digits with a country, neither types nor a first one; titles cut, what is empty left out."""
    if isinstance(value, tuple):
        return tuple(Entry(_plain(e.value) if name == "phones" else e.value.upper()) for e in value[:MOST_PHONES])
    if isinstance(value, str):
        return (value.strip()[:SHORT] if name == "title" else value.strip()) or None
    return value


def _plain(number: str) -> str:
    return "+1" + "".join(filter(str.isdigit, number))[-10:]


def _american(number: str) -> str:
    digits = _plain(number)[2:]
    return f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"


def digits_of(value: Value) -> set[str]:
    return {_plain(each.value) for each in value} if isinstance(value, tuple) else set()


def as_platform(name: str, value: Value) -> Value:
    return spelt_by_platform(name, value)


@dataclass
class Memory:
    """What people did to one person's contact."""

    written: dict[str, list[tuple[Side, Value]]] = field(default_factory=lambda: {name: [] for name in TEXTS})
    seen: dict[str, set[Value]] = field(default_factory=lambda: {name: set() for name in TEXTS})
    """Values that somebody had before their eyes who wrote another one, or merged the contact away."""
    buried: dict[str, set[Value]] = field(default_factory=lambda: {name: set() for name in TEXTS})
    """The same of who deleted it, until it is undeleted."""
    fresh: dict[str, list[Side]] = field(default_factory=lambda: {name: [] for name in TEXTS})
    """Where a field was edited since all was at rest."""
    numbers: dict[str, bool] = field(default_factory=dict)
    """Numbers that were given, and whether they stand: each is given once, and removed once at most."""
    deleted: set[Side] = field(default_factory=set)
    """Where the contact was deleted since all was at rest."""
    was_deleted: bool = False
    was_merged: bool = False
    has_rested: bool = False
    has_other_edits: bool = False
    """Whether its numbers were edited since all was at rest."""
    has_absorbed: bool = False
    """Whether another contact was merged into it, and may bring its edits, which may wait for a person."""

    @property
    def is_blurred(self) -> bool:
        """Whether more than edits of its own fields made it what it is."""
        return self.was_deleted or self.has_absorbed

    def latest(self, name: str, side: Side) -> Value:
        return next((value for each, value in reversed(self.written[name]) if each is side), None)


edits = st.sampled_from(["first", "title", "long title", "cleared", "add", "remove", "type"])
news = st.lists(st.tuples(st.sampled_from(Side), st.integers(0, 2), edits), max_size=3)
"""Edits just before a run, of people by their number, so that most runs have something to do."""


class ContactWorld(RuleBasedStateMachine):
    """Rules are what people, the sides and the machine do; what must hold is checked whenever all is at rest."""

    store: Callable[[], Any] = MemoryLinks
    """Makes the store of an example."""

    @initialize(
        wins=st.sampled_from(Wins), skew=st.sampled_from([-7200, 0, 0.0005, 7200]), late=st.integers(0, 2),
        overlap=st.integers(0, 3), bears_ids=st.booleans(), lists_only=st.booleans(), batch=st.integers(1, 3),
        start=st.lists(st.sampled_from([CRM, PLATFORM, None]), max_size=2),
    )  # fmt: skip
    def begin(
        self, wins: Wins, skew: float, late: int, overlap: int, bears_ids: bool, lists_only: bool, batch: int,
        start: list[Side | None],
    ) -> None:  # fmt: skip
        """A world in which some people are in sync already."""
        plain = {name: FieldLimits() for name in ("first", "last", "emails")}
        crm = Habits(normalise=spelt_by_crm, overlap=overlap + 2, late=late, batch=batch)
        crm.fields = {**plain, "last": FieldLimits(is_required=True), "title": FieldLimits(), "phones": FieldLimits()}
        platform = Habits(
            normalise=spelt_by_platform, skew=timedelta(seconds=skew), bears_ids=bears_ids, lists_only=lists_only,
            overlap=overlap + 2, late=late, batch=batch,
        )  # fmt: skip
        platform.fields = {
            **plain,
            "emails": FieldLimits(types=(), has_primary=False),
            "title": FieldLimits(length=SHORT),
            "phones": FieldLimits(most=MOST_PHONES, types=(), has_primary=False),
        }
        self.wins = wins
        store = type(self).store()
        habits, runs = {CRM: crm, PLATFORM: platform}, getattr(store, "runs", None)
        self.desk = SyncDesk(policy(wins, WhenDeleted.DELETE), habits, store, runs)
        self.desk.brake = Brake(least=1000)
        self.late = late
        self.people: dict[str, Memory] = {}
        self.count = 0
        self.is_unanswered = False
        for at in start:
            self.create(at)
        self.rest()

    # --- what people do

    @rule(at=st.sampled_from([CRM, PLATFORM, None]))
    def create(self, at: Side | None) -> None:
        """On one side, or on both at once."""
        if len(self.people) > 2:
            return
        last = f"Person{'ABCDE'[len(self.people)]}"
        memory = self.people[last] = Memory()
        number = self._new_number(memory)
        for side in (CRM, PLATFORM) if at is None else (at,):
            self._side(side).people_create(
                first="Casey", last=last, emails=(Entry(f"{last}@example.com"),), phones=(Entry(number),)
            )
            memory.written["first"].append((side, "Casey"))
            memory.fresh["first"].append(side)

    @rule(news=news)
    def edit(self, news: list[tuple[Side, int, str]]) -> None:
        for side, nth, what in news:
            if living := self._living(side):
                self._edit(side, living[nth % len(living)], what)

    @rule(nth=st.integers(0, 2), name=st.sampled_from(TEXTS))
    def edit_both(self, nth: int, name: str) -> None:
        """Both sides are edited, each in its way."""
        for side in Side:
            self.edit([(side, nth, name)])

    @rule(side=st.sampled_from(Side), what=st.sampled_from(["first", "title"]), data=st.data())
    def edit_alike(self, side: Side, what: str, data: st.DataObject) -> None:
        """The same edit is made on both sides."""
        lasts = [last for last in self.people if all(self._records(each, last) for each in Side)]
        if lasts:
            last = data.draw(st.sampled_from(lasts))
            self.count += 1
            for each in (side, side.other):
                self._write(each, self._records(each, last)[0], what, f"v{self.count}")

    @rule(side=st.sampled_from(Side), rare=st.integers(0, 2), data=st.data())
    def delete(self, side: Side, rare: int, data: st.DataObject) -> None:
        if rare == 0 and (living := self._living(side)):
            record = data.draw(st.sampled_from(living))
            memory = self._memory(record)
            self._saw_all(memory.buried, record)
            memory.deleted.add(side)
            memory.was_deleted = True
            self._side(side).people_delete(record.id)

    @rule(side=st.sampled_from(Side), data=st.data())
    def undelete(self, side: Side, data: st.DataObject) -> None:
        gone = {
            str(record.values["last"]): record for record in self._side(side).records.values()
            if record.is_deleted and not record.merged_into and not self._records(side, str(record.values["last"]))
            and not self.people[str(record.values["last"])].was_merged
        }  # fmt: skip
        if gone:
            last = data.draw(st.sampled_from(sorted(gone)))
            self.people[last].deleted.clear()
            for name in TEXTS:
                value = gone[last].values.get(name)
                self.people[last].buried[name].discard(value)
                self.people[last].fresh[name] += [CRM, PLATFORM]
            self._side(side).people_undelete(gone[last].id)

    @rule(side=st.sampled_from(Side), rare=st.integers(0, 1), data=st.data())
    def merge(self, side: Side, rare: int, data: st.DataObject) -> None:
        living = [r for r in self._living(side) if not self._memory(r).was_merged]
        if rare == 0 and len(living) > 1 and not self._is_open():
            loser, survivor = data.draw(st.permutations(living))[:2]
            memory = self._memory(loser)
            self._saw_all(memory.seen, loser)
            memory.was_merged = True
            self._memory(survivor).has_absorbed = True
            self._side(side).people_merge(loser.id, survivor.id)

    @rule(data=st.data(), winner=st.sampled_from(Side))
    def choose(self, data: st.DataObject, winner: Side) -> None:
        conflicts = [(link, name) for link in self.desk.store.links(NAME) for name in link.conflicts if name != RECORD]
        if conflicts:
            link, name = data.draw(st.sampled_from(conflicts))
            self.desk.choose(link.ids[CRM], name, winner)

    @rule(side=st.sampled_from(Side))
    def touch(self, side: Side) -> None:
        for id in self._side(side).living():
            self._side(side).touch(id)

    # --- what the gateway does, and what befalls it

    @rule(seconds=st.sampled_from([0, 61]), news=news)
    def run(self, seconds: int, news: list[tuple[Side, int, str]]) -> None:
        self.edit(news)
        self._run(seconds)

    @rule(
        nth=st.integers(1, 25), trouble=st.sampled_from(["killed", "unreachable", "unknown"]), news=news, then=news,
    )  # fmt: skip
    def run_with_trouble(
        self, nth: int, trouble: str, news: list[tuple[Side, int, str]], then: list[tuple[Side, int, str]]
    ) -> None:
        self.edit(news)
        self._run(0, at=nth, act=partial(self._strike, trouble))
        self.edit(then)

    @rule(
        side=st.sampled_from(Side), error=st.sampled_from([KilledError(), UnknownOutcomeError("?")]), news=news, then=news
    )  # fmt: skip
    def run_without_an_answer(
        self, side: Side, error: BaseException, news: list[tuple[Side, int, str]], then: list[tuple[Side, int, str]]
    ) -> None:
        """The side carries out what it was sent; nobody hears of it."""

        def on_call(call: str) -> None:
            if call.endswith(" written"):
                raise error

        self.edit(news)
        self._run(0, side=side, on_call=on_call)
        self.edit(then)

    @rule(nth=st.integers(1, 25), news=news, meanwhile=news)
    def run_while_people_edit(
        self, nth: int, news: list[tuple[Side, int, str]], meanwhile: list[tuple[Side, int, str]]
    ) -> None:
        self.edit(news)
        self._run(61, at=nth, act=lambda _: self.edit(meanwhile))

    @rule(side=st.sampled_from(Side), news=news)
    def run_with_one_refused_for_now(self, side: Side, news: list[tuple[Side, int, str]]) -> None:
        self.edit(news)
        refused = WriteResult(written=Written.RETRY, reason="Later.")
        self._side(side).refused = dict.fromkeys([*self.desk.crm.records, *self.desk.platform.records], refused)
        self._run(61)
        self._side(side).refused = {}

    @rule()
    def change_rules(self) -> None:
        """Everything is looked at again, and nothing is another."""
        self.count += 1
        more = FieldRule(name=f"nobody's {self.count}")
        self.desk.policy = replace(self.desk.policy, fields=(*self.desk.policy.fields, more))

    @rule(nth=st.integers(0, 20), trouble=st.sampled_from(sorted(TROUBLES)), news=news)
    def undo_a_run_and_the_undo(self, nth: int, trouble: str, news: list[tuple[Side, int, str]]) -> None:
        """A run is put back, whatever befalls that, and what put it back is."""
        self._settle()
        self.edit(news)
        if not all(self._living(side) for side in Side):
            return
        for side in self.desk.sides.values():
            side.habits.late = 0
        before = self._state()
        run = self.desk.kept_run()
        after = self._state()
        # Whose deletion is put back is synced no more.
        if not any(stored.change.act is Act.DELETE for stored in self.desk.runs.changes(run)):
            undos = self._put_back(run, nth, trouble)
            assert self._state() == before, "all is as before the run"
            assert self._run(61) == 0
            assert self._run(61) == 0, "what was put back is not synced again"
            for undo in undos:
                self._put_back(undo, 0, trouble)
            assert self._state() == after, "all is as after the run"
        for side in self.desk.sides.values():
            side.habits.late = self.late

    @rule()
    def rest(self) -> None:
        self._settle()
        self._check()

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.rest()

    # --- inside

    def _run(
        self, seconds: float, at: int = 0, act: Callable[[str], object] = lambda _: None, *,
        side: Side | None = None, on_call: Callable[[str], object] | None = None,
    ) -> int:  # fmt: skip
        """One run; at its `at`-th call something happens, or at the calls of a side."""
        self.desk.clock.tick(seconds + 1)
        try:
            with self._befallen(at, act, side, on_call):
                report = self.desk.sync().run()
            self.is_unanswered |= bool(report.failures)
            if report.stop:
                self.desk.store.set_stop(NAME, replace(report.stop, approved_by="ada"))
            return report.written + bool(report.stop)
        except (KilledError, RetryableError):
            self.is_unanswered = True
            return 1

    @contextmanager
    def _befallen(
        self, at: int, act: Callable[[str], object], side: Side | None = None,
        on_call: Callable[[str], object] | None = None,
    ) -> Iterator[None]:  # fmt: skip
        calls = 0

        def counted(call: str) -> None:
            nonlocal calls
            calls += 1
            if calls == at:
                act(call)
            if on_call and side and call.startswith(side):
                on_call(call)

        parts: list[Any] = [self.desk.crm, self.desk.platform, self.desk.store]
        for each in parts:
            each.on_call = counted
        try:
            yield
        finally:
            for each in parts:
                each.on_call = lambda _: None

    def _put_back(self, run: int, nth: int, trouble: str) -> list[int]:
        """The runs that it takes, the last first; at the `nth` call of the first there is trouble."""
        first = self.desk.runs.list(NAME)[0].id
        for at in (nth, 0, 0, 0):
            try:
                with self._befallen(at, partial(self._strike, trouble)):
                    _, report = self.desk.undo(run)
                if not report.failures:
                    return [each.id for each in self.desk.runs.list(NAME) if each.id > first]
            except (KilledError, RetryableError):
                continue
        raise AssertionError("it is never put back")

    def _strike(self, trouble: str, call: str) -> None:
        # What is carried out is known to nobody; a side that cannot be reached carries nothing out.
        if call.endswith(CALLS.get(trouble, "")):
            raise TROUBLES[trouble]

    def _state(self) -> dict[Side, list[str]]:
        """What both sides hold, ids and order apart."""
        return {
            side: sorted(
                str(sorted(
                    (name, sorted(map(str, value)) if isinstance(value, tuple) else value)
                    for name, value in record.values.items() if not is_empty(value)
                ))
                for record in self._living(side)
            )
            for side in Side
        }  # fmt: skip

    def _settle(self) -> None:
        for habits in (self.desk.crm.habits, self.desk.platform.habits):
            habits.late = 0
        for _ in range(40):
            if not self._run(61):
                break
        else:
            raise AssertionError("it never comes to rest")
        for habits in (self.desk.crm.habits, self.desk.platform.habits):
            habits.late = self.late

    def _side(self, side: Side) -> FakeSide:
        return self.desk.sides[side]

    def _living(self, side: Side) -> list[ContactRecord]:
        return list(self._side(side).living().values())

    def _records(self, side: Side, last: str) -> list[ContactRecord]:
        return [record for record in self._living(side) if record.values.get("last") == last]

    def _memory(self, record: ContactRecord) -> Memory:
        return self.people[str(record.values["last"])]

    def _is_open(self) -> bool:
        return any(link.conflicts for link in self.desk.store.links(NAME))

    def _new_number(self, memory: Memory) -> str:
        self.count += 1
        number = f"+1415555{self.count:04}"
        memory.numbers[number] = True
        return number

    def _saw_all(self, known: dict[str, set[Value]], record: ContactRecord) -> None:
        for name in TEXTS:
            known[name].add(record.values.get(name))

    def _edit(self, side: Side, record: ContactRecord, what: str) -> None:
        self.count += 1
        memory = self._memory(record)
        memory.has_other_edits = True
        numbers = record.values.get("phones") or ()
        match what:
            case "first" | "title":
                self._write(side, record, what, f" v{self.count} ")
            case "long title":
                self._write(side, record, "title", f"v{self.count}-{self.count}")
            case "cleared":
                self._write(side, record, "title", None)
            case "add":
                self._side(side).people_edit(record.id, phones=(*numbers, Entry(self._new_number(memory))))
                if side is PLATFORM and len(numbers) == MOST_PHONES:
                    memory.numbers.popitem()
            case "remove" if numbers:
                # What two contacts had before they were linked, nobody knows: there is no removal.
                # While nobody knows what a side got, a number that it got is taken for one that it lacks, and comes back.
                is_known = memory.has_rested and not self.is_unanswered
                if is_known and _plain(numbers[0].value) in memory.numbers:
                    memory.numbers[_plain(numbers[0].value)] = False
                else:
                    memory.numbers.pop(_plain(numbers[0].value), None)
                self._side(side).people_edit(record.id, phones=numbers[1:])
            case "type" if numbers and side is CRM:
                typed = replace(numbers[0], type=f"type {self.count}", is_primary=True)
                rest = tuple(replace(each, is_primary=False) for each in numbers[1:])
                self._side(side).people_edit(record.id, phones=(typed, *rest))
                # Who gives a number another type wants to keep it: it may outlive its removal on the other side.
                memory.numbers.pop(_plain(numbers[0].value), None)

    def _write(self, side: Side, record: ContactRecord, name: str, value: Value) -> None:
        memory = self._memory(record)
        memory.seen[name].add(record.values.get(name))
        self._side(side).people_edit(record.id, **{name: value})
        held = self._side(side).records[record.id].values.get(name)
        memory.seen[name].discard(held)
        memory.written[name].append((side, held))
        memory.fresh[name].append(side)

    # --- what must hold when all is at rest

    def _check(self) -> None:
        self.is_unanswered = False
        self._check_second_pass()
        asked = {(question.side, question.record.id) for question in self.desk.store.questions(NAME)}
        links = [link for link in self.desk.store.links(NAME) if RECORD in link.conflicts]
        asked |= {(side, id) for link in links for side, id in link.ids.items()}
        for last, memory in self.people.items():
            here = {side: self._records(side, last) for side in Side}
            conflicts = self._conflicts(here)
            if memory.was_merged:
                self._check_merged(here, conflicts)
            else:
                # Who is undeleted when somebody else has taken that place is asked about.
                sure = {
                    side: [r for r in records if not memory.was_deleted or (side, r.id) not in asked]
                    for side, records in here.items()
                }
                self._check_presence(last, memory, sure)
            if all(len(records) == 1 for records in here.values()) and RECORD not in conflicts:
                crm, platform = (here[side][0] for side in Side)
                if not memory.was_merged:
                    self._check_texts(memory, crm, platform, conflicts)
                    self._check_numbers(memory, crm, platform)
            if not memory.was_merged:
                self._check_losses(memory, here)
            memory.fresh = {name: list(Side) if name in conflicts else [] for name in TEXTS}
            memory.deleted.clear()
            memory.has_rested = True
            memory.has_other_edits = False
        assert not self.desk.store.questions(NAME) or any(m.was_deleted or m.was_merged for m in self.people.values())

    def _check_second_pass(self) -> None:
        """Also where everything looks changed, nothing is written."""
        self.touch(CRM)
        self.touch(PLATFORM)
        before = [len(side.writes) for side in self.desk.sides.values()]
        self._run(61)
        self._run(61)
        assert [len(side.writes) for side in self.desk.sides.values()] == before, "a second pass writes nothing"

    def _conflicts(self, here: dict[Side, list[ContactRecord]]) -> set[str]:
        ids = {(side, record.id) for side, records in here.items() for record in records}
        links = [link for link in self.desk.store.links(NAME) if ids & set(link.ids.items())]
        return {name for link in links for name in link.conflicts}

    def _check_presence(self, last: str, memory: Memory, here: dict[Side, list[ContactRecord]]) -> None:
        counts = {side: len(records) for side, records in here.items()}
        assert counts[CRM] == counts[PLATFORM], f"{last} is on both sides or on none: {counts}"
        assert counts[CRM] <= 1, f"{last} is there once: {counts}"
        if not memory.was_deleted:
            assert counts[CRM] == 1, f"{last} was deleted by nobody"
        elif memory.deleted and not (any(memory.fresh.values()) or memory.has_other_edits or memory.has_absorbed):
            assert counts[CRM] == 0, f"{last} was deleted, and edited by nobody since"

    def _check_merged(self, here: dict[Side, list[ContactRecord]], conflicts: set[str]) -> None:
        assert all(len(records) <= 1 for records in here.values())
        assert not (here[CRM] or here[PLATFORM]) or RECORD in conflicts or (here[CRM] and here[PLATFORM]), (
            "what was merged away goes on the other side as well, or somebody is asked"
        )

    def _check_texts(
        self, memory: Memory, crm: ContactRecord, platform: ContactRecord, conflicts: set[str]
    ) -> None:  # fmt: skip
        for name in TEXTS:
            held = {CRM: crm.values.get(name), PLATFORM: platform.values.get(name)}
            if name in conflicts:
                assert self.wins in {Wins.NOBODY, Wins.NEWEST}
                self._check_untouched(memory, name, held)
                continue
            assert as_platform(name, held[CRM]) == held[PLATFORM], f"{name} converges: {held}"
            if len(set(memory.fresh[name])) == 1 and not memory.is_blurred:
                (side,) = set(memory.fresh[name])
                assert held[side] == memory.latest(name, side), f"a lone edit of {name} stays: {held}"
            latest = {as_platform(name, memory.latest(name, side)) for side in Side}
            assert memory.is_blurred or held[PLATFORM] in latest | {None}, f"no old value of {name} comes back"

    def _check_untouched(self, memory: Memory, name: str, held: dict[Side, Value]) -> None:
        """In a conflict each side holds what somebody wrote there last, or what came there before."""
        for side in Side:
            if memory.fresh[name][-1:] == [side] and not memory.is_blurred:
                assert held[side] == memory.latest(name, side), f"nothing undecided is touched: {name}"
        assert held[CRM] != held[PLATFORM]

    def _check_numbers(self, memory: Memory, crm: ContactRecord, platform: ContactRecord) -> None:
        here, there = digits_of(crm.values.get("phones")), digits_of(platform.values.get("phones"))
        assert there <= here, "what the platform has, the org has"
        assert len(there) == min(len(here), MOST_PHONES), "what there is room for is on the platform"
        if memory.was_deleted:
            return
        assert {number for number, stands in memory.numbers.items() if stands} <= here, "no number is lost"
        assert not {number for number, stands in memory.numbers.items() if not stands} & here, "what was removed goes"

    def _check_losses(self, memory: Memory, here: dict[Side, list[ContactRecord]]) -> None:
        """Whatever a person wrote is there, or somebody saw it who wrote another, or a decision is on record."""
        losses = self.desk.store.losses(NAME)
        if self.wins is Wins.NOBODY:
            assert all("chose" in loss.decided for loss in losses if loss.field in TEXTS), "nobody decides for people"
        for name in TEXTS:
            held = {as_platform(name, record.values.get(name)) for records in here.values() for record in records}
            seen = {as_platform(name, value) for value in memory.seen[name] | memory.buried[name]}
            lost = {as_platform(name, loss.value) for loss in losses if loss.field == name}
            for _, value in memory.written[name]:
                assert as_platform(name, value) in held | seen | lost | {None}, f"{value!r} is lost silently"
