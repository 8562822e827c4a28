# ruff: noqa: S101 — this is a test suite
"""The conformance kit for sides of a contact sync: nothing written is lost, nothing changed stays untold."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, ClassVar, TypeVar

import pytest

from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    Entry,
    FieldLimits,
    Meaning,
    Reading,
    Value,
    Values,
    WriteResult,
    Written,
    fitted,
    is_empty,
)
from gateway.domain.identity import email_key, phone_key
from gateway.errors import ConfigError, RetryableError, UnknownOutcomeError
from gateway.sdk.contacts import ContactPage, ContactSide
from gateway.sdk.pulling import Cursor
from gateway.sdk.testing.stand_in import FAULTS, Told

T = TypeVar("T")

_TURNS = 4
"""How deep into what a side does faults are put."""
LOST = "answer lost"
"""The fault of which nobody can tell whether the call was carried out: it was."""

TEXTS = (
    "Zoë Müller-Ångström",
    "Cafe\u0301",
    "山田 太郎",
    "د. ليلى",
    "Casey 👩‍🔧",
    'O\'Brien, "Ada"; 50% <b>&amp;</b> \\n {x}',
    "=1+1",
    "-42",
    "@casey",
    "'quoted",
    "007",
    "1e5",
)


class ContactSideSuite:
    """A subclass gives `store()`, an empty store of contacts, and `side(store)`, as each new process makes it.

    `names`, `text`, `phones` and `emails` are fields of the side, None for one that it has not; `texts` is what it has
    to keep as it is, `lines` a field that keeps lines. `most` is how many contacts it may hold, `contacts` how many
    bring several pages, `filled_in` are fields that a new contact has by the platform's own doing. `faults` are put in
    its way by `fail`; by itself that takes the store for a `StandIn`.
    """

    names: ClassVar[Sequence[str]] = ("first", "last")
    text: ClassVar[str] = "title"
    lines: ClassVar[str | None] = None
    phones: ClassVar[str | None] = "phones"
    emails: ClassVar[str | None] = "emails"
    texts: ClassVar[Sequence[str]] = TEXTS
    has_versions: ClassVar[bool] = True
    bears_ids: ClassVar[bool] = True
    most: ClassVar[int | None] = None
    contacts: ClassVar[int] = 7
    filled_in: ClassVar[Collection[str]] = ()
    unknown_id: ClassVar[str] = "nobody"
    region: ClassVar[str] = "US"
    faults: ClassVar[Sequence[str]] = (*sorted(FAULTS), LOST)

    _known: tuple[ContactSide, Mapping[str, FieldLimits]] | None = None

    store: Callable[[], AbstractContextManager[Any]]

    def side(self, store: Any) -> ContactSide:
        """The side of that store, made anew."""
        raise NotImplementedError

    def now(self, store: Any) -> datetime:  # noqa: ARG002 — for subclasses
        """The time of a reading."""
        return datetime.now(UTC)

    def fail(self, store: Any, fault: str, turn: int) -> None:
        """Put a fault in the way of one call, once so many more went well."""
        late = fault == LOST
        store.fail(FAULTS["cut off" if late else fault], after=turn, late=late)

    def fill(self, store: Any, room: int) -> None:
        """Let the store have room for so many contacts more."""
        side, most = self.side(store), self.most or 0
        self._created(side, *range(100, 100 + most - room - side.limits().records))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each rule that asks for it every `fault` at every `turn`, and every `letters`."""
        if "fault" in metafunc.fixturenames:
            metafunc.parametrize("fault", self.faults)
            metafunc.parametrize("turn", range(_TURNS))
        if "letters" in metafunc.fixturenames:
            metafunc.parametrize("letters", self.texts)

    # ---- what a contact is made of ----

    def contact(self, side: ContactSide, number: int, **values: Value) -> Values:
        """The values of a contact unlike those of other numbers, some of them given, as far as the side holds them."""
        made: dict[str, Value] = {name: f"{name.title()} {number}" for name in self.names}
        made[self.text] = f"Title {number}"
        if self.phones:
            made[self.phones] = (Entry(_phone(number), is_primary=True),)
        if self.emails:
            made[self.emails] = (Entry(_email(number), is_primary=True),)
        return self._fit(side, {**made, **values})

    def _fit(self, side: ContactSide, values: Values) -> dict[str, Value]:
        if self._known is None or self._known[0] is not side:
            self._known = (side, side.limits().fields)
        known = self._known[1]
        return {
            name: fitted(value, known[name], self._reading(name)).value
            for name, value in values.items()
            if name in known
        }

    def _reading(self, name: str) -> Reading:
        meanings = {self.phones: Meaning.PHONES, self.emails: Meaning.EMAILS}
        return Reading(meanings.get(name, Meaning.TEXT), self.region)

    # ---- pieces that the rules are made of ----

    def _created(self, side: ContactSide, *numbers: int) -> list[ContactRecord]:
        writes = [_create(self.contact(side, number), number) for number in numbers]
        batch = side.limits().batch
        return [record for at in range(0, len(writes), batch) for record in self._done(side, *writes[at : at + batch])]

    def _done(self, side: ContactSide, *writes: ContactWrite) -> list[ContactRecord]:
        """The records that the writes left; for deleted ones what they were."""
        results = side.write(writes)
        assert [result.written for result in results] == [Written.DONE] * len(writes), _reasons(results)
        records = [result.record for result in results if result.record]
        assert len(records) >= sum(write.act is not Act.DELETE for write in writes), "a DONE write has its record"
        return records

    def _now(self, side: ContactSide, id: str) -> ContactRecord | None:
        found = [record for record in side.get([id]) if record.id == id]
        assert len(found) <= 1, "one id, one contact"
        return found[0] if found and not found[0].is_gone else None

    def _there(self, side: ContactSide, id: str) -> ContactRecord:
        record = self._now(side, id)
        assert record is not None, f"{id} cannot be read"
        return record

    def _read(self, store: Any, seen: _Seen, *, pages: int | None = None) -> _Seen:
        """What is told since the cursor, by a new process, up to so many pages."""
        for page in islice(self.side(store).changes(seen.cursor, self.now(store)), pages):
            seen.take(page)
        return seen

    def _check(self, store: Any, seen: _Seen, ids: Iterable[str]) -> None:
        """Each of the contacts was told as it is now, or that it is gone."""
        side = self.side(store)
        for id in ids:
            record = self._now(side, id)
            if record is None:
                assert id in seen.gone or id not in seen.told, f"{id} is gone, and nobody told"
            else:
                assert _plain(record.values) in seen.told.get(id, []), f"{id} changed, and nobody told"
                assert id not in seen.gone, f"{id} was told to be gone"

    def _same(self, name: str, one: Value, other: Value) -> bool:
        reading = self._reading(name)
        if reading.meaning.is_set:
            return reading.keyed(one).keys() == reading.keyed(other).keys()
        return reading.same(one, other)

    # ---- what it tells of itself ----

    def test_its_limits_are_told(self) -> None:
        """The fields, how many contacts there may be and are, how many go into one call."""
        with self.store() as store:
            side = self.side(store)
            limits = side.limits()
            named = {*self.names, self.text, self.lines, self.phones, self.emails} - {None}
            assert named <= limits.fields.keys()
            assert (limits.most, limits.records) == (self.most, 0)
            assert limits.batch >= 1
            first, _ = self._created(side, 1, 2)
            assert self.side(store).limits().records == 2
            self._done(side, _delete(first))
            assert self.side(store).limits().records == 1

    # ---- what is written is there ----

    def test_what_is_written_is_read(self) -> None:
        """At once, by this process and by a new one, as the write returned it, and as it was meant."""
        with self.store() as store:
            side = self.side(store)
            values = self.contact(side, 1)
            (returned,) = self._done(side, _create(values, 1))
            for reader in (side, self.side(store)):
                read = self._there(reader, returned.id)
                assert _told(read) == _told(returned)
                assert {n for n in values if not self._same(n, values[n], read.values.get(n))} == set()
            assert returned.other_id == (_other(1) if self.bears_ids else None)
            assert (returned.version is not None) == self.has_versions
            assert returned.changed_at is None or returned.changed_at.utcoffset() is not None

    def test_an_update_changes_what_it_names_and_nothing_else(self) -> None:
        """And gives the record another version."""
        with self.store() as store:
            side = self.side(store)
            old, bystander = self._created(side, 1, 2)
            (new,) = self._done(side, _update(old, {self.text: "Director"}))
            assert _plain(new.values) == {**_plain(old.values), self.text: "Director"}
            assert (new.id, new.other_id) == (old.id, old.other_id)
            assert _told(self._there(self.side(store), old.id)) == _told(new)
            assert _told(self._there(self.side(store), bystander.id)) == _told(bystander)
            assert new.version != old.version or not self.has_versions

    def test_a_stale_version_is_refused_and_changes_nothing(self) -> None:
        """Neither an update nor a delete passes over what somebody else wrote since."""
        if not self.has_versions:
            return
        with self.store() as store:
            mine, theirs = self.side(store), self.side(store)
            (old,) = self._created(mine, 1)
            (new,) = self._done(theirs, _update(self._there(theirs, old.id), {self.text: "Theirs"}))
            for write in (_update(old, {self.text: "Mine"}), _delete(old)):
                (result,) = mine.write([write])
                assert result.written is Written.STALE
                assert _told(self._there(self.side(store), old.id)) == _told(new)
            self._done(mine, _update(self._there(mine, old.id), {self.text: "Mine"}))

    def test_a_deleted_one_is_gone_and_deleting_it_again_is_done(self) -> None:
        """An update of it is told that it is gone, and brings nothing back."""
        with self.store() as store:
            side = self.side(store)
            old, other = self._created(side, 1, 2)
            self._done(side, _delete(old))
            self._done(side, _delete(old))
            (result,) = side.write([_update(old, {self.text: "Late"})])
            assert result.written is Written.GONE
            assert self._now(self.side(store), old.id) is None
            assert self._there(self.side(store), other.id)
            assert self.side(store).limits().records == 1

    def test_unknown_ids_are_nobody(self) -> None:
        """They are not read, cannot be changed, and are deleted already."""
        with self.store() as store:
            side = self.side(store)
            (known,) = self._created(side, 1)
            nobody = replace(known, id=self.unknown_id)
            assert {record.id for record in side.get([self.unknown_id, known.id]) if not record.is_gone} == {known.id}
            assert list(side.get([])) == []
            results = side.write([_update(nobody, {self.text: "x"}), _delete(nobody)])
            assert [result.written for result in results] == [Written.GONE, Written.DONE]
            assert self.side(store).limits().records == 1

    def test_each_write_of_a_batch_is_settled_by_itself(self) -> None:
        """In their order, whatever became of the others."""
        with self.store() as store:
            side = self.side(store)
            stale, good, gone, doomed = self._created(side, 1, 2, 3, 4)
            (newer,) = self._done(self.side(store), _update(stale, {self.text: "Newer"}))
            self._done(self.side(store), _delete(gone))
            results = side.write(
                [
                    _update(gone, {self.text: "Late"}),
                    _create(self.contact(side, 5), 5),
                    _update(stale, {self.text: "Old"}),
                    _update(good, {self.text: "Good"}),
                    _delete(doomed),
                    _create(self.contact(side, 6), 6),
                ]
            )
            done, refused = Written.DONE, Written.STALE if self.has_versions else Written.DONE
            assert [each.written for each in results] == [Written.GONE, done, refused, done, done, done]
            fresh = self.side(store)
            if self.has_versions:
                assert _told(self._there(fresh, stale.id)) == _told(newer)
            assert self._there(fresh, good.id).values[self.text] == "Good"
            assert self._now(fresh, doomed.id) is None
            for at, number in ((1, 5), (5, 6)):
                record = results[at].record
                assert record
                self._looks_like(side, self._there(fresh, record.id), number)

    def test_a_full_batch_goes_through(self) -> None:
        """As many as `Limits.batch` says are written, and read, in one call."""
        with self.store() as store:
            side = self.side(store)
            size = min(side.limits().batch, self.most or side.limits().batch)
            records = self._done(side, *(_create(self.contact(side, n), n) for n in range(size)))
            ids = [record.id for record in records]
            assert len(set(ids)) == size
            read = {record.id: record for record in self.side(store).get(ids)}
            for number, id in enumerate(ids):
                self._looks_like(side, read[id], number)

    def _looks_like(self, side: ContactSide, record: ContactRecord, number: int) -> None:
        wanted = self.contact(side, number)
        assert {name for name in wanted if not self._same(name, wanted[name], record.values.get(name))} == set()

    def test_what_does_not_fit_in_any_more_is_refused(self) -> None:
        """With a sentence; the contact that found the last place is there, and so are all others."""
        if self.most is None:
            return
        with self.store() as store:
            self.fill(store, 1)
            side = self.side(store)
            results = side.write([_create(self.contact(side, number), number) for number in (1, 2)])
            assert [result.written for result in results] == [Written.DONE, Written.REFUSED]
            assert results[1].reason
            assert self.side(store).limits().records == self.most
            assert results[0].record
            self._done(side, _delete(results[0].record))
            self._created(side, 3)

    # ---- values ----

    def test_letters_of_all_kinds_are_kept(self, letters: str) -> None:
        """And found in what is told of changes, and after an update of something else."""
        with self.store() as store:
            side = self.side(store)
            name = self.names[-1]
            (record,) = self._done(side, _create(self.contact(side, 1, **{name: letters, self.text: letters}), 1))
            (record,) = self._done(side, _update(record, {self.names[0]: "Casey"}))
            read = self._there(self.side(store), record.id)
            assert (read.values[name], read.values[self.text]) == (letters, letters)
            self._check(store, self._read(store, _Seen()), [record.id])

    def test_several_lines_are_kept(self) -> None:
        """Where the side has a field for them."""
        if self.lines is None:
            return
        with self.store() as store:
            side = self.side(store)
            text = 'First line\nsecond, "quoted"; line\n\nlast'
            (record,) = self._done(side, _create(self.contact(side, 1, **{self.lines: text}), 1))
            assert self._reading(self.lines).same(self._there(self.side(store), record.id).values[self.lines], text)

    def test_what_is_emptied_is_empty(self) -> None:
        """Text by None, numbers and addresses by a set of none; what was not named stays."""
        with self.store() as store:
            side = self.side(store)
            (old,) = self._created(side, 1)
            empty: dict[str, Value] = {self.text: None, **{name: () for name in (self.phones, self.emails) if name}}
            (new,) = self._done(side, _update(old, empty))
            read = self._there(self.side(store), old.id)
            assert _plain(new.values) == _plain(read.values)
            assert _plain(read.values) == {n: v for n, v in _plain(old.values).items() if n not in empty}

    def test_a_contact_may_have_a_name_alone(self) -> None:
        """Nothing else is made up, not even blanks, but for what the platform documents."""
        with self.store() as store:
            side = self.side(store)
            needed = {name for name, limits in side.limits().fields.items() if limits.is_required} | set(self.names)
            values = {name: value for name, value in self.contact(side, 1).items() if name in needed}
            (record,) = self._done(side, _create(values, 1))
            read = _plain(self._there(self.side(store), record.id).values)
            assert {name: value for name, value in read.items() if name not in self.filled_in} == _plain(values)

    def test_text_as_long_as_the_limit_is_kept(self) -> None:
        """What the side says that it holds, it holds."""
        with self.store() as store:
            side = self.side(store)
            for number, (name, limits) in enumerate(side.limits().fields.items()):
                if limits.length is None or name in {self.phones, self.emails} or limits.is_read_only:
                    continue
                text = "ä" * limits.length
                (record,) = self._done(side, _create(self.contact(side, number, **{name: text}), number))
                assert self._there(self.side(store), record.id).values[name] == text

    def test_several_numbers_and_addresses_keep_their_types_and_the_first_of_them(self) -> None:
        """As many as the side says that it holds, of all types that it says it knows."""
        with self.store() as store:
            side = self.side(store)
            for number, (name, spelt) in enumerate(((self.phones, _phone), (self.emails, _email))):
                if name is None:
                    continue
                entries = _entries(side.limits().fields[name], spelt)
                (record,) = self._done(side, _create(self.contact(side, number, **{name: entries}), number))
                reading = self._reading(name)
                assert reading.same(self._there(self.side(store), record.id).values[name], entries)
                (record,) = self._done(side, _update(record, {name: entries[1:]}))
                fewer = reading.keyed(self._there(self.side(store), record.id).values.get(name))
                assert fewer.keys() == reading.keyed(entries[1:]).keys()

    # ---- who is there ----

    def test_who_was_just_created_is_found(self) -> None:
        """By each number and address in any spelling, by the id of the other side, and nobody else."""
        with self.store() as store:
            side = self.side(store)
            spelt = {self.phones: (Entry("+1 (415) 555-0101", is_primary=True),)} if self.phones else {}
            (one,) = self._done(side, _create(self.contact(side, 1, **{n: v for n, v in spelt.items() if n}), 1))
            (two,) = self._created(side, 2)
            for finder in (side, self.side(store)):
                if self.phones:
                    assert _ids(finder.find([_key(phone_key, _phone(1))], [])) == {one.id}
                    assert _ids(finder.find([_key(phone_key, _phone(9))], [])) == set()
                if self.emails:
                    assert _ids(finder.find([_key(email_key, _email(2).upper())], [])) == {two.id}
                if self.bears_ids:
                    assert _ids(finder.find([], [_other(1)])) == {one.id}
                    assert _ids(finder.find(self._keys(1), [_other(2)])) == {one.id, two.id}
                assert _ids(finder.find([], [])) == set()
                assert _ids(finder.find([], [_other(9)])) == set()

    def test_who_is_found_is_as_it_is_now(self) -> None:
        """A number that was taken away finds nobody, one that was given its new owner; the deleted are not found."""
        with self.store() as store:
            side = self.side(store)
            (old,) = self._created(side, 1)
            own = {name: value for name, value in self.contact(side, 2).items() if name in {self.phones, self.emails}}
            (new,) = self._done(side, _update(old, own))
            assert _ids(side.find(self._keys(1), [])) == set()
            assert [_told(record) for record in side.find(self._keys(2), [])] == [_told(new)]
            self._done(side, _delete(new))
            assert _ids(self.side(store).find(self._keys(2), [_other(1)])) == set()

    def _keys(self, number: int) -> list[str]:
        phones = [_key(phone_key, _phone(number))] if self.phones else []
        return phones + ([_key(email_key, _email(number))] if self.emails else [])

    # ---- what changes ----

    def test_all_is_told_and_then_only_what_is_known(self) -> None:
        """Created, changed and deleted, each since the cursor; a second reading brings nothing new."""
        with self.store() as store:
            side = self.side(store)
            ids = [record.id for record in self._created(side, *range(self.contacts))]
            seen = self._read(store, _Seen())
            self._check(store, seen, ids)
            assert seen.told.keys() == set(ids)
            before = deepcopy(seen.told)
            again = self._read(store, _Seen(cursor=seen.cursor))
            assert {id: values for id, values in again.told.items() if values[-1] not in before[id]} == {}
            ids += [record.id for record in self._created(side, 50)]
            self._done(side, _update(self._there(side, ids[0]), {self.text: "Changed"}))
            self._done(side, _delete(self._there(side, ids[1])))
            self._check(store, self._read(store, seen), ids)

    def test_a_reading_may_be_stopped_after_any_page(self) -> None:
        """The cursor goes through JSON and to another process, and people go on changing things."""
        with self.store() as store:
            side = self.side(store)
            ids = [record.id for record in self._created(side, *range(self.contacts))]
            seen = _Seen()
            for at in range(self.contacts - 1):
                self._read(store, seen, pages=1)
                self._done(side, _update(self._there(side, ids[at]), {self.text: f"Page {at}"}))
                if at % 2:
                    self._done(side, _delete(self._there(side, ids[at])))
                else:
                    ids += [record.id for record in self._created(side, 50 + at)]
            self._check(store, self._read(store, seen), ids)

    def test_a_cursor_stays_good(self) -> None:
        """From any that there ever was, all is told that has happened since."""
        with self.store() as store:
            side = self.side(store)
            ids = [record.id for record in self._created(side, *range(self.contacts))]
            seen, behind = _Seen(), [_Seen()]
            for at in range(3):
                for page in self.side(store).changes(seen.cursor, self.now(store)):
                    seen.take(page)
                    behind.append(deepcopy(seen))
                self._done(side, _update(self._there(side, ids[at]), {self.text: f"Round {at}"}))
                self._done(side, _delete(self._there(side, ids[-1 - at])))
            for each in behind:
                self._check(store, self._read(store, each), ids)

    # ---- what fails ----

    def test_a_failing_call_leaves_nothing_untold(self, fault: str, turn: int) -> None:
        """Wherever in the reading it comes: it ends as the contract says, or goes on, and the next one has it."""
        with self.store() as store:
            side = self.side(store)
            ids = [record.id for record in self._created(side, *range(self.contacts))]
            seen = self._read(store, _Seen(), pages=1)
            self._done(side, _update(self._there(side, ids[0]), {self.text: "Changed"}))
            self._done(side, _delete(self._there(side, ids[1])))
            self.fail(store, fault, turn)
            for _ in range(3):
                _patiently(lambda: self._read(store, seen))
            _patiently(lambda: self._check(store, seen, ids))

    def test_a_failing_update_is_told_as_what_it_was(self, fault: str, turn: int) -> None:
        """Carried out, or not, or unknown; and done when it is repeated."""
        with self.store() as store:
            side = self.side(store)
            (old,) = self._created(side, 1)
            self.fail(store, fault, turn)
            written = _outcome(side, _update(old, {self.text: "Changed"}))
            record = _patiently(lambda: self._there(side, old.id))
            _is_true(written, was_done=record.values[self.text] == "Changed")
            _insist(side, lambda: _update(self._there(side, old.id), {self.text: "Changed"}))
            read = _patiently(lambda: self._there(self.side(store), old.id))
            assert _plain(read.values) == {**_plain(old.values), self.text: "Changed"}

    def test_a_failing_create_is_found_if_it_was_carried_out(self, fault: str, turn: int) -> None:
        """So that whoever looks before repeating it never has two of them."""
        with self.store() as store:
            side = self.side(store)
            write = _create(self.contact(side, 1), 1)

            def found() -> set[str]:
                return _patiently(lambda: _ids(side.find(self._keys(1), [_other(1)])))

            self.fail(store, fault, turn)
            _is_true(_outcome(side, write), was_done=bool(found()))
            for _ in range(_TURNS):
                if not found():
                    _outcome(side, write)
            assert len(found()) == 1
            assert _patiently(self.side(store).limits).records == 1

    def test_a_failing_delete_is_told_as_what_it_was(self, fault: str, turn: int) -> None:
        """And is done when it is repeated."""
        with self.store() as store:
            side = self.side(store)
            old, other = self._created(side, 1, 2)
            self.fail(store, fault, turn)
            written = _outcome(side, _delete(old))
            _is_true(written, was_done=_patiently(lambda: self._now(side, old.id)) is None)
            _insist(side, lambda: _delete(old))
            assert _patiently(lambda: self._now(side, old.id)) is None
            assert _patiently(lambda: self._there(side, other.id))

    def test_a_platform_that_is_asked_too_often_is_left_alone_as_long_as_it_says(self) -> None:
        """RetryableError with the platform's own time, from each method."""
        if "too many calls" not in self.faults:
            return
        for call in self._calls():
            with self.store() as store:
                side = self.side(store)
                for _ in range(_TURNS):
                    store.fail(FAULTS["too many calls"])
                with pytest.raises(RetryableError) as raised:
                    call(side)
                assert raised.value.after == 17

    def test_a_platform_that_is_asked_too_often_amid_a_batch_is_left_alone_as_well(self) -> None:
        """Each write of which it is not known that it was done has the platform's own time."""
        if "too many calls" not in self.faults:
            return
        for turn in range(2 * _TURNS):
            with self.store() as store:
                side = self.side(store)
                self.fail(store, "too many calls", turn)
                with suppress(RetryableError):
                    results = side.write([_create(self.contact(side, n), n) for n in range(2)])
                    assert {each.after for each in results if each.written is not Written.DONE} <= {17}, f"{results}"

    def test_credentials_that_are_refused_stop_it(self) -> None:
        """ConfigError from each method: a person must change the settings."""
        if "session over" not in self.faults:
            return
        for call in self._calls():
            with self.store() as store:
                side = self.side(store)
                for _ in range(_TURNS):
                    store.fail(Told(401, b"{}"))
                with pytest.raises(ConfigError):
                    call(side)

    def _calls(self) -> list[Callable[[ContactSide], Any]]:
        return [
            lambda side: list(side.changes(None, datetime.now(UTC))),
            lambda side: side.get([self.unknown_id]),
            lambda side: side.find(self._keys(1), [_other(1)]),
        ]


@dataclass
class _Seen:
    """What a reader of pages knows: all values that were told of each contact, who is gone, and the cursor it kept."""

    cursor: Cursor | None = None
    told: dict[str, list[Mapping[str, object]]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    listed: dict[str, set[str]] = field(default_factory=dict)

    def take(self, page: ContactPage) -> None:
        for record in page.records:
            self.told.setdefault(record.id, []).append(_plain(record.values))
            (self.gone.add if record.is_gone else self.gone.discard)(record.id)
        if page.listing:
            listed = self.listed.setdefault(page.listing, set())
            listed |= {record.id for record in page.records}
            self.gone |= (self.told.keys() - listed) if page.ends else set()
        if page.cursor is not None:
            self.cursor = json.loads(json.dumps(page.cursor))


def _plain(values: Values) -> dict[str, object]:
    """Values to be compared: without those that are empty, and sets without an order."""
    return {
        name: frozenset(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if not is_empty(value)
    }


def _told(record: ContactRecord) -> tuple[object, ...]:
    return record.id, _plain(record.values), record.version, record.other_id, record.is_gone


def _ids(records: Iterable[ContactRecord]) -> set[str]:
    return {record.id for record in records}


def _phone(number: int) -> str:
    return f"+1{415 + number // 100}55501{number % 100:02}"


def _email(number: int) -> str:
    return f"casey.{number}@example.com"


def _other(number: int) -> str:
    return f"003000000000{number:03}AAA"


def _key(key: Callable[[str], str | None], text: str) -> str:
    found = key(text)
    assert found
    return found


def _entries(limits: FieldLimits, spelt: Callable[[int], str]) -> tuple[Entry, ...]:
    """As many as fit, of each type in turn, the second of them the first choice."""
    types: Sequence[str | None] = (None,) if limits.types == () else limits.types or ("mobile", "work", "home")
    most = limits.most or 5
    count = min(most, len(types)) if limits.one_of_each else most
    return tuple(
        Entry(spelt(10 + at), types[at % len(types)], is_primary=limits.has_primary and at == min(1, count - 1))
        for at in range(count)
    )


def _create(values: Values, number: int) -> ContactWrite:
    return ContactWrite(act=Act.CREATE, values=values, other_id=_other(number))


def _update(record: ContactRecord, values: Values) -> ContactWrite:
    return ContactWrite(act=Act.UPDATE, id=record.id, version=record.version, values=values)


def _delete(record: ContactRecord) -> ContactWrite:
    return ContactWrite(act=Act.DELETE, id=record.id, version=record.version)


def _reasons(results: Iterable[WriteResult]) -> str:
    return "; ".join(f"{result.written}: {result.reason}" for result in results)


def _outcome(side: ContactSide, write: ContactWrite) -> Written:
    try:
        (result,) = side.write([write])
    except UnknownOutcomeError:
        return Written.UNKNOWN
    except RetryableError:
        return Written.RETRY
    return result.written


def _is_true(written: Written, *, was_done: bool) -> None:
    """What a side says of a write that met a fault."""
    assert written in {Written.DONE, Written.RETRY, Written.UNKNOWN}, f"a good write is {written}"
    assert written is Written.UNKNOWN or was_done == (written is Written.DONE), f"{written}, yet done: {was_done}"


def _patiently(call: Callable[[], T]) -> T:
    """What the call brings, as often as it has to be repeated."""
    for _ in range(_TURNS):
        try:
            return call()
        except RetryableError:
            continue
    return call()


def _insist(side: ContactSide, write: Callable[[], ContactWrite]) -> None:
    """Repeat a write, made anew each time, until it is done."""
    for _ in range(_TURNS):
        if _outcome(side, _patiently(write)) is Written.DONE:
            return
    pytest.fail("A good write is never done.")
