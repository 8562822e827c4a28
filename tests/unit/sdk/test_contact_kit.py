"""The kit for sides of a contact sync: the sides in memory pass, and each rule fails for a side that breaks it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from gateway.domain.contacts import FieldLimits, Meaning, Reading, WriteResult, Written
from gateway.errors import RetryableError, UnknownOutcomeError
from gateway.sdk.contacts import ContactPage
from gateway.sdk.testing import LOST, ContactSideSuite
from tests.fakes.contacts import Clock, FakeSide, Habits

READINGS = {"phones": Reading(Meaning.PHONES), "emails": Reading(Meaning.EMAILS)}
FIELDS = {
    "first": FieldLimits(length=40),
    "last": FieldLimits(length=80, is_required=True),
    "title": FieldLimits(),
    "notes": FieldLimits(),
    "phones": FieldLimits(most=5, types=("mobile", "work", "home")),
    "emails": FieldLimits(most=2, types=("work", "home"), one_of_each=True, has_primary=False),
}


class Memory(FakeSide):
    """Refuses what it has no room for."""

    def _written(self, write):
        if write.act == "create" and self.habits.most is not None and len(self.living()) >= self.habits.most:
            return WriteResult(written=Written.REFUSED, reason="There is no room.")
        return super()._written(write)


@dataclass
class Store:
    side: FakeSide
    clock: Clock


class MemorySuite(ContactSideSuite):
    faults = ("down", LOST)
    habits: Habits = Habits()
    kind: type[FakeSide] = Memory

    @contextmanager
    def store(self):
        clock = Clock()
        yield Store(self.kind("memory", clock, READINGS, replace(self.habits)), clock)

    def side(self, store):
        return store.side

    def now(self, store):
        return store.clock.tick()

    def fail(self, store, fault, turn):
        left = [turn]

        def call(name: str) -> None:
            is_done = name.endswith("written")
            if is_done != (fault == LOST):
                return
            left[0] -= 1
            if left[0] == -1:
                raise (UnknownOutcomeError if is_done else RetryableError)("The platform is down.")

        store.side.on_call = call


class TestAPlatform(MemorySuite):
    lines = "notes"
    habits = Habits(fields=FIELDS, overlap=2)


class TestAPlatformThatOnlyLists(MemorySuite):
    habits = Habits(lists_only=True, has_versions=False, bears_ids=False)
    has_versions = bears_ids = False


class TestASmallPlatform(MemorySuite):
    habits = Habits(most=20, batch=6)
    most = 20


# --- each rule finds what it is there for


class LosesTheLastLetter(Memory):
    def _create(self, values, other_id, by):
        return super()._create({**values, "title": str(values.get("title"))[:-1]}, other_id, by)


class ReturnsWhatWasSent(Memory):
    def _written(self, write):
        result = super()._written(write)
        return replace(result, record=result.record and replace(result.record, values=write.values))


class KeepsNoVersion(Memory):
    def _put(self, record):
        kept = super()._put(record)
        self.records[record.id] = replace(kept, version="1")
        return self.records[record.id]


class NeverLooksAtVersions(Memory):
    def _written(self, write):
        return super()._written(replace(write, version=write.id and self._version(write.id)))

    def _version(self, id):
        return self.records[id].version if id in self.records else None


class CountsTheDeleted(Memory):
    def limits(self):
        return replace(super().limits(), records=len(self.records))


class DeletesOnce(Memory):
    def _written(self, write):
        record = self.records.get(write.id or "")
        if write.act == "delete" and (record is None or record.is_gone):
            return WriteResult(written=Written.GONE)
        return super()._written(write)


class BringsBack(Memory):
    def _written(self, write):
        if write.act == "update" and write.id in self.records and self.records[write.id].is_gone:
            self.people_undelete(write.id)
        return super()._written(write)


class WritesInAnyOrder(Memory):
    def write(self, writes):
        return super().write(writes)[::-1]


class StopsAtTheFirst(Memory):
    def write(self, writes):
        results, failed = [], False
        for write in writes:
            (result,) = [WriteResult(written=Written.RETRY)] if failed else super().write([write])
            failed = failed or result.written is not Written.DONE
            results.append(result)
        return results


class Overfills(FakeSide):
    def _create(self, values, other_id, by):
        self.habits.most = None
        return super()._create(values, other_id, by)


class Ascii(Memory):
    def _normal(self, values):
        made = super()._normal(values)
        return {n: v.encode("ascii", "replace").decode() if isinstance(v, str) else v for n, v in made.items()}


class OneLine(Memory):
    def _normal(self, values):
        made = super()._normal(values)
        return {n: " ".join(v.split()) if isinstance(v, str) else v for n, v in made.items()}


class IgnoresEmpty(Memory):
    def _normal(self, values):
        return {name: value for name, value in super()._normal(values).items() if value}


class FillsIn(Memory):
    def _normal(self, values):
        return {"title": "unknown", **super()._normal(values)}


class Cuts(Memory):
    def _normal(self, values):
        return {n: v[:30] if isinstance(v, str) else v for n, v in super()._normal(values).items()}


class OneNumber(Memory):
    def _normal(self, values):
        return {n: v[:1] if isinstance(v, tuple) else v for n, v in super()._normal(values).items()}


class NoPrimary(Memory):
    def _normal(self, values):
        made = super()._normal(values)
        return {
            n: tuple(replace(e, is_primary=False) for e in v) if isinstance(v, tuple) else v for n, v in made.items()
        }


class FindsLate(Memory):
    def find(self, keys, other_ids):
        return [each for each in super().find(keys, other_ids) if each.id != self.told[-1]]


class FindsEverybody(Memory):
    def find(self, keys, other_ids):
        return super().find({*keys, "phone:+14155550101"}, other_ids)


class FindsOldNumbers(Memory):
    def find(self, keys, other_ids):
        if "phone:+14155550101" in keys:
            return list(self.living().values())
        return super().find(keys, other_ids)


class TellsNoDeletes(Memory):
    def changes(self, cursor, now):
        for page in super().changes(cursor, now):
            yield replace(page, records=[record for record in page.records if not record.is_gone])


class CursorFirst(Memory):
    """The cursor is behind what was told, by one."""

    def changes(self, cursor, now):
        for page in super().changes(cursor, now):
            at = page.cursor["at"]
            yield replace(page, cursor={"at": at + (at < len(self.told))})


class CursorInMemory(Memory):
    def changes(self, cursor, now):
        at = self.at if cursor else 0
        for page in super().changes({"at": at}, now):
            self.at = page.cursor["at"]
            yield page


class CursorIsATime(Memory):
    def changes(self, cursor, now):
        for page in super().changes(cursor and {"at": cursor["at"].at}, now):
            yield ContactPage(records=page.records, cursor={"at": now})


class SaysRetry(Memory):
    """Carried out, and told as if it was not."""

    def write(self, writes):
        try:
            return super().write(writes)
        except UnknownOutcomeError:
            raise RetryableError("Try again.") from None


class SaysDone(Memory):
    def write(self, writes):
        try:
            return super().write(writes)
        except RetryableError:
            return [WriteResult(written=Written.DONE)] * len(writes)


class KnowsNobody(Memory):
    def _written(self, write):
        if write.id and write.id not in self.records:
            return WriteResult(written=Written.REFUSED, reason="There is nobody.")
        return super()._written(write)


def suite_of(kind: type[FakeSide], **habits) -> MemorySuite:
    declared = {"kind": kind, "habits": Habits(**{"fields": FIELDS, **habits}), "lines": "notes"}
    return type("Faulty", (MemorySuite,), {**declared, "most": habits.get("most")})()


@pytest.mark.parametrize(
    ("kind", "rule", "arguments"),
    [
        (LosesTheLastLetter, "test_what_is_written_is_read", ()),
        (LosesTheLastLetter, "test_a_full_batch_goes_through", ()),
        (ReturnsWhatWasSent, "test_an_update_changes_what_it_names_and_nothing_else", ()),
        (KeepsNoVersion, "test_an_update_changes_what_it_names_and_nothing_else", ()),
        (KeepsNoVersion, "test_a_stale_version_is_refused_and_changes_nothing", ()),
        (NeverLooksAtVersions, "test_a_stale_version_is_refused_and_changes_nothing", ()),
        (NeverLooksAtVersions, "test_each_write_of_a_batch_is_settled_by_itself", ()),
        (CountsTheDeleted, "test_its_limits_are_told", ()),
        (DeletesOnce, "test_a_deleted_one_is_gone_and_deleting_it_again_is_done", ()),
        (BringsBack, "test_a_deleted_one_is_gone_and_deleting_it_again_is_done", ()),
        (KnowsNobody, "test_unknown_ids_are_nobody", ()),
        (WritesInAnyOrder, "test_each_write_of_a_batch_is_settled_by_itself", ()),
        (StopsAtTheFirst, "test_each_write_of_a_batch_is_settled_by_itself", ()),
        (Ascii, "test_letters_of_all_kinds_are_kept", ("Zoë",)),
        (OneLine, "test_several_lines_are_kept", ()),
        (IgnoresEmpty, "test_what_is_emptied_is_empty", ()),
        (FillsIn, "test_a_contact_may_have_a_name_alone", ()),
        (Cuts, "test_text_as_long_as_the_limit_is_kept", ()),
        (OneNumber, "test_several_numbers_and_addresses_keep_their_types_and_the_first_of_them", ()),
        (NoPrimary, "test_several_numbers_and_addresses_keep_their_types_and_the_first_of_them", ()),
        (FindsLate, "test_who_was_just_created_is_found", ()),
        (FindsEverybody, "test_who_was_just_created_is_found", ()),
        (FindsOldNumbers, "test_who_is_found_is_as_it_is_now", ()),
        (TellsNoDeletes, "test_all_is_told_and_then_only_what_is_known", ()),
        (CursorFirst, "test_a_reading_may_be_stopped_after_any_page", ()),
        (CursorFirst, "test_a_cursor_stays_good", ()),
        (CursorFirst, "test_a_failing_call_leaves_nothing_untold", ("down", 1)),
        (CursorInMemory, "test_a_cursor_stays_good", ()),
        (SaysRetry, "test_a_failing_update_is_told_as_what_it_was", (LOST, 0)),
        (SaysRetry, "test_a_failing_create_is_found_if_it_was_carried_out", (LOST, 0)),
        (SaysRetry, "test_a_failing_delete_is_told_as_what_it_was", (LOST, 0)),
        (SaysDone, "test_a_failing_update_is_told_as_what_it_was", ("down", 0)),
        (SaysDone, "test_a_failing_create_is_found_if_it_was_carried_out", ("down", 0)),
        (SaysDone, "test_a_failing_delete_is_told_as_what_it_was", ("down", 0)),
    ],
)
def test_a_rule_fails_for_a_side_that_breaks_it(kind, rule, arguments) -> None:
    getattr(suite_of(Memory), rule)(*arguments)
    with pytest.raises(AssertionError):
        getattr(suite_of(kind), rule)(*arguments)


def test_a_side_that_takes_more_than_it_says_is_found() -> None:
    rule = "test_what_does_not_fit_in_any_more_is_refused"
    getattr(suite_of(Memory, most=9), rule)()
    with pytest.raises(AssertionError):
        getattr(suite_of(Overfills, most=9), rule)()


def test_a_cursor_that_is_no_json_is_found() -> None:
    with pytest.raises(TypeError, match="JSON"):
        suite_of(CursorIsATime).test_all_is_told_and_then_only_what_is_known()
