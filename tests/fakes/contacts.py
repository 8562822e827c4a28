"""What a contact sync needs, in memory: a side that has contacts, the store of links, and that of runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain.brakes import Stop
from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    Entry,
    FieldLimits,
    Limits,
    Reading,
    Side,
    Value,
    Values,
    WriteResult,
    Written,
    identity_keys,
)
from gateway.domain.pairing import Known, Pairing
from gateway.domain.sync import Choice, Ended, Link, Loss, contested
from gateway.domain.undo import Change
from gateway.errors import VersionConflictError
from gateway.ports import Request, RunState, StoredChange, StoredLoss, Stray, SyncRun
from gateway.sdk.contacts import ContactPage
from gateway.sdk.pulling import Cursor

START = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The time that passes only when a test says so."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float = 1) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@dataclass
class Habits:
    """What a side makes of what it is given, and how it tells."""

    normalise: Callable[[str, Value], Value] = lambda _, value: value
    fields: Mapping[str, FieldLimits] = field(
        default_factory=lambda: {name: FieldLimits() for name in ("first", "last", "title", "phones", "emails")}
    )
    most: int | None = None
    batch: int = 200
    page: int = 3
    skew: timedelta = timedelta(0)
    bears_ids: bool = True
    has_versions: bool = True
    lists_only: bool = False
    late: int = 0
    """So many of the last changes are not told yet."""
    overlap: int = 0
    """So many of the changes before the cursor are told again."""


class FakeSide:
    """A side in memory: `people_…` are what people do there, the rest is its interface."""

    def __init__(self, name: str, clock: Clock, readings: Mapping[str, Reading], habits: Habits | None = None) -> None:
        self.name = name
        self.habits = habits or Habits()
        self.records: dict[str, ContactRecord] = {}
        self.told: list[str] = []
        self.calls: list[str] = []
        self.writes: list[ContactWrite] = []
        self.on_call: Callable[[str], object] = lambda _: None
        self.refused: dict[str, WriteResult] = {}
        self.is_double: Callable[[Values, ContactRecord], bool] = lambda *_: False
        """Whether a rule of the side takes new values for somebody who is there."""
        """Results of writes that are not carried out, by the record's id or, for a new one, by its counterpart's."""
        self._clock = clock
        self._readings = readings
        self._next = 0

    # --- what people do

    def people_create(self, *, other_id: str | None = None, by: str = "ada", **values: Value) -> str:
        return self._create(values, other_id, by).id

    def people_edit(self, id: str, *, by: str = "ada", **values: Value) -> None:
        record = self.records[id]
        self._put(replace(record, values={**record.values, **self._normal(values)}, changed_by=by))

    def people_delete(self, id: str, *, by: str = "ada") -> None:
        self._put(replace(self.records[id], is_deleted=True, changed_by=by))

    def people_undelete(self, id: str, *, by: str = "ada") -> None:
        self._put(replace(self.records[id], is_deleted=False, merged_into=None, changed_by=by))

    def people_merge(self, loser: str, survivor: str, *, by: str = "ada") -> None:
        self._put(replace(self.records[loser], is_deleted=True, merged_into=survivor, changed_by=by))
        self._put(replace(self.records[survivor], changed_by=by))

    def touch(self, id: str) -> None:
        """Something that is no contact's field changes, as a contact's SystemModstamp does with each Task."""
        self._put(self.records[id])

    def living(self) -> dict[str, ContactRecord]:
        return {id: record for id, record in self.records.items() if not record.is_gone}

    # --- its interface

    def limits(self) -> Limits:
        self._called("limits")
        habits = self.habits
        return Limits(fields=habits.fields, records=len(self.living()), most=habits.most, batch=habits.batch)

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:
        if self.habits.lists_only:
            yield from self._listing(now)
            return
        end = max(len(self.told) - self.habits.late, 0)
        at = max((cursor["at"] if cursor else 0) - self.habits.overlap, 0)
        while at < end:
            self._called("changes")
            stop = min(at + self.habits.page, end)
            ids = dict.fromkeys(self.told[at:stop])
            yield ContactPage(records=[self._shown(id) for id in ids], cursor={"at": stop})
            at = stop

    def _listing(self, now: datetime) -> Iterator[ContactPage]:
        ids = sorted(self.living())
        for at in range(0, max(len(ids), 1), self.habits.page):
            self._called("changes")
            some = [self._shown(id) for id in ids[at : at + self.habits.page] if id in self.living()]
            yield ContactPage(records=some, listing=now.isoformat(), ends=at + self.habits.page >= len(ids))

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        assert len(ids) <= self.habits.batch
        self._called("get")
        return [self._shown(id) for id in ids if id in self.records]

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        self._called("find")
        return [
            self._shown(record.id)
            for record in self.living().values()
            if (self.habits.bears_ids and record.other_id in other_ids)
            or not set(identity_keys(record.values, self._readings)).isdisjoint(keys)
        ]

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        assert len(writes) <= self.habits.batch
        self._called("write")
        results = [self._written(write) for write in writes]
        self._called("written")
        return results

    # --- inside

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.on_call(f"{self.name} {name}")

    def _written(self, write: ContactWrite) -> WriteResult:
        if refused := self.refused.get(write.id or write.other_id or ""):
            return refused
        if write.act is Act.CREATE:
            if same := [record.id for record in self.living().values() if self.is_double(write.values, record)]:
                return WriteResult(written=Written.REFUSED, reason="A rule refuses it.", candidates=tuple(same))
            self.writes.append(write)
            other_id = write.other_id if self.habits.bears_ids else None
            return WriteResult(
                written=Written.DONE, record=self._shown(self._create(write.values, other_id, "sync").id)
            )
        assert write.id
        record = self.records.get(write.id)
        if record is None or record.is_gone:
            return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)
        if self.habits.has_versions and write.version != record.version:
            return WriteResult(written=Written.STALE)
        self.writes.append(write)
        if write.act is Act.DELETE:
            self._put(replace(record, is_deleted=True, changed_by="sync"))
        else:
            self._put(replace(record, values={**record.values, **self._normal(write.values)}, changed_by="sync"))
        return WriteResult(written=Written.DONE, record=self._shown(write.id))

    def _create(self, values: Values, other_id: str | None, by: str) -> ContactRecord:
        assert self.habits.most is None or len(self.living()) < self.habits.most, "the side is full"
        self._next += 1
        record = ContactRecord(
            id=f"{self.name[0]}{self._next}", values=self._normal(values), other_id=other_id, changed_by=by
        )
        return self._put(record)

    def _put(self, record: ContactRecord) -> ContactRecord:
        self._next_version = getattr(self, "_next_version", 0) + 1
        at = self._clock.tick(0.001) + self.habits.skew
        self.records[record.id] = replace(record, version=str(self._next_version), changed_at=at)
        self.told.append(record.id)
        return self.records[record.id]

    def _shown(self, id: str) -> ContactRecord:
        record = self.records[id]
        return record if self.habits.has_versions else replace(record, version=None)

    def _normal(self, values: Values) -> dict[str, Value]:
        return {
            name: self.habits.normalise(name, value) for name, value in values.items() if name in self.habits.fields
        }


def phones(*spelt: str | Entry) -> tuple[Entry, ...]:
    """Phone numbers, or addresses, of which no type is known."""
    return tuple(each if isinstance(each, Entry) else Entry(each) for each in spelt)


@dataclass
class _Rows:
    links: dict[int, Link] = field(default_factory=dict)
    due: set[int] = field(default_factory=set)
    versions: dict[int, int] = field(default_factory=dict)
    strays: dict[tuple[Side, str], Stray] = field(default_factory=dict)
    keys: dict[tuple[Side, str], tuple[str, ...]] = field(default_factory=dict)
    due_strays: set[tuple[Side, str]] = field(default_factory=set)
    cursors: dict[Side, Cursor] = field(default_factory=dict)
    listed: dict[tuple[Side, str], set[str]] = field(default_factory=dict)
    losses: list[tuple[int, Loss]] = field(default_factory=list)
    stop: Stop | None = None
    changes: dict[tuple[int, int, Side], Change] = field(default_factory=dict)
    rules: str | None = None


class MemoryLinks:
    """`gateway.ports.ContactLinks` in memory."""

    def __init__(self) -> None:
        self._pairs: dict[str, _Rows] = {}
        self._next = 0
        self.on_call: Callable[[str], object] = lambda _: None

    def rows(self, pair: str) -> _Rows:
        return self._pairs.setdefault(pair, _Rows())

    def losses(self, pair: str) -> list[Loss]:
        return [loss for _, loss in self.rows(pair).losses]

    def links(self, pair: str) -> list[Link]:
        return list(self.rows(pair).links.values())

    def changes(self, run: int) -> list[Change]:
        return [each for rows in self._pairs.values() for (of, _, _), each in rows.changes.items() if of == run]

    def forget(self, run: int) -> None:
        for rows in self._pairs.values():
            rows.changes = {at: each for at, each in rows.changes.items() if at[0] != run}

    def questions(self, pair: str) -> list[Pairing]:
        return [s.question for s in self.rows(pair).strays.values() if s.question and s.question.is_question]

    # --- ContactLinks

    def adopt(self, pair: str, rules: str) -> None:
        rows = self.rows(pair)
        if rows.rules not in {None, rules}:
            for key in rows.links:
                self._befall(rows, key)
            rows.due_strays.update(rows.strays)
        rows.rules = rules

    def cursor(self, pair: str, side: Side) -> Cursor | None:
        return self.rows(pair).cursors.get(side)

    def take_in(self, pair: str, side: Side, page: ContactPage, keys: Mapping[str, Collection[str]]) -> None:
        self.on_call("take_in")
        rows = self.rows(pair)
        for record in page.records:
            self._take(rows, side, record, tuple(keys[record.id]))
        if page.listing:
            self._listed(rows, side, page)
        if page.cursor is not None:
            rows.cursors[side] = page.cursor

    def due(self, pair: str, *, now: datetime, after: int = 0, limit: int) -> Sequence[Link]:
        rows = self.rows(pair)
        keys = [key for key in sorted(rows.due) if key > after and self._is_free(rows.links[key], now)]
        return [replace(rows.links[key], version=rows.versions[key]) for key in keys[:limit]]

    def unsettled(self, pair: str, *, after: int = 0, limit: int) -> Sequence[Link]:
        links = sorted(self.links(pair), key=lambda link: link.key)
        return [link for link in links if link.key > after and (link.conflicts or link.problems)][:limit]

    def linked(self, pair: str, side: Side, ids: Collection[str]) -> Mapping[str, Link]:
        return {link.ids[side]: link for link in self.links(pair) if link.ids.get(side) in set(ids)}

    def strays(self, pair: str, side: Side, *, after: str = "", limit: int) -> Sequence[Stray]:
        rows = self.rows(pair)
        ids = sorted(id for each, id in rows.due_strays if each is side and id > after)
        return [rows.strays[side, id] for id in ids[:limit]]

    def stray(self, pair: str, side: Side, id: str) -> Stray | None:
        return self.rows(pair).strays.get((side, id))

    def in_question(self, pair: str, side: Side, *, after: str = "", limit: int) -> Sequence[Stray]:
        strays = sorted(self.rows(pair).strays.items())
        asked = [s for (each, id), s in strays if each is side and id > after and s.question and s.question.is_question]
        return asked[:limit]

    def known(self, pair: str, side: Side, keys: Collection[str]) -> Mapping[str, Sequence[Known]]:
        rows, found = self.rows(pair), dict[str, list[Known]]()
        everybody = [Known(stray.record) for (each, _), stray in rows.strays.items() if each is side]
        everybody += [
            self._as_known(link, side)
            for link in rows.links.values()
            if side in link.ids and (not link.ended or link.intent)
        ]
        for known in everybody:
            own = (*rows.keys.get((side, known.record.id), ()), known.record.id, known.record.other_id)
            for key in set(own) & set(keys):
                found.setdefault(str(key), []).append(known)
        return {key: sorted(all_of, key=lambda k: k.record.id)[:50] for key, all_of in found.items()}

    def add(self, pair: str, links: Sequence[Link]) -> Sequence[Link]:
        self.on_call("add")
        rows = self.rows(pair)
        taken = {(side, id) for link in rows.links.values() for side, id in link.ids.items()}
        wanted = [at for link in links for at in link.ids.items()]
        if not taken.isdisjoint(wanted) or len(set(wanted)) < len(wanted):
            raise VersionConflictError("A contact is linked already.")
        added = []
        for link in links:
            self._next += 1
            added.append(replace(link, key=self._next))
            rows.versions[self._next] = 0
            rows.due.add(self._next)
            self._keep(rows, added[-1])
        return added

    def save(
        self, pair: str, links: Sequence[Link], losses: Mapping[int, Sequence[Loss]], *, due: Collection[int],
        run: int | None = None, changes: Sequence[Change] = (),
    ) -> Collection[int]:  # fmt: skip
        if not links:
            return ()
        self.on_call("save")
        rows = self.rows(pair)
        refused = contested(links, {at: link.key for link in rows.links.values() for at in link.ids.items()})
        rows.due |= refused
        for link in links:
            if link.key in refused:
                continue
            now = rows.links[link.key]
            if rows.versions[link.key] != link.version:
                self._keep(rows, replace(link, choices={**now.choices, **link.choices}))
                continue
            (rows.due.add if link.key in due else rows.due.discard)(link.key)
            self._keep(rows, link)
        for key, lost in losses.items():
            rows.losses += [(key, loss) for loss in lost if (key, loss) not in rows.losses and key not in refused]
        if run is not None:
            rows.changes |= {(run, each.link, each.side): each for each in changes if each.link not in refused}
        self.on_call("saved")
        return refused

    def part(self, pair: str, questions: Mapping[int, Pairing]) -> None:
        if not questions:
            return
        self.on_call("part")
        rows = self.rows(pair)
        for key, question in questions.items():
            rows.links[key] = replace(
                rows.links[key], ids={}, ended=Ended.PARTED, intent=None, problems={}, not_before=None
            )
            rows.due.discard(key)
            rows.strays[question.side, question.record.id] = Stray(question.record, question)

    def ask(self, pair: str, questions: Sequence[Pairing]) -> None:
        rows = self.rows(pair)
        for question in questions:
            at = (question.side, question.record.id)
            if at in rows.strays:
                rows.strays[at] = replace(rows.strays[at], question=question)
                rows.due_strays.discard(at)

    def answer(self, pair: str, side: Side, id: str, other_id: str) -> bool:
        rows = self.rows(pair)
        if (side, id) not in rows.strays:
            return False
        rows.strays[side, id] = replace(rows.strays[side, id], answer=other_id)
        rows.due_strays.add((side, id))
        return True

    def choose(self, pair: str, key: int, field: str, choice: Choice) -> bool:
        rows = self.rows(pair)
        link = rows.links.get(key)
        if link is None or field not in link.conflicts:
            return False
        rows.links[key] = replace(link, choices={**link.choices, field: choice})
        self._befall(rows, key)
        return True

    def lost(self, pair: str, *, before: int | None = None, limit: int = 50) -> Sequence[StoredLoss]:
        numbered = enumerate(self.rows(pair).losses, start=1)
        stored = [StoredLoss(id, key, loss) for id, (key, loss) in numbered if before is None or id < before]
        return stored[::-1][:limit]

    def active(self, pair: str, most: int | None = None) -> int:
        count = sum(len(link.ids) == len(Side) and link.ended is None for link in self.links(pair))
        return count if most is None else min(count, most)

    def due_count(self, pair: str) -> int:
        counts = self.counts(pair)
        return counts["due"] + counts["due_strays"]

    def counts(self, pair: str) -> Mapping[str, int]:
        rows = self.rows(pair)
        return {
            "linked": self.active(pair),
            "unsettled": len(self.unsettled(pair, limit=len(rows.links))),
            "due": len(rows.due),
            "questions": len(self.questions(pair)),
            "due_strays": len(rows.due_strays),
        }

    def at(self, pair: str, keys: Collection[int]) -> Sequence[Link]:
        rows = self.rows(pair)
        return [replace(rows.links[key], version=rows.versions[key]) for key in sorted(keys) if key in rows.links]

    def stop(self, pair: str) -> Stop | None:
        return self.rows(pair).stop

    def set_stop(self, pair: str, stop: Stop | None) -> None:
        self.rows(pair).stop = stop

    # --- inside

    def _take(self, rows: _Rows, side: Side, record: ContactRecord, keys: tuple[str, ...]) -> None:
        at = (side, record.id)
        of = [link for link in rows.links.values() if link.ids.get(side) in {record.id, record.merged_into}]
        for link in of:
            self._befall(rows, link.key)
        if record.is_gone:
            rows.strays.pop(at, None)
            rows.due_strays.discard(at)
            return
        before = rows.keys.get(at, ())
        rows.keys[at] = keys
        if not any(link.ids.get(side) == record.id for link in of):
            old = rows.strays.get(at)
            rows.strays[at] = replace(old, record=record) if old else Stray(record)
            rows.due_strays.add(at)
        self._stir(rows, {*keys, *before, record.id, record.other_id} - {None})

    def _stir(self, rows: _Rows, keys: set[Any]) -> None:
        for at, stray in rows.strays.items():
            if not keys.isdisjoint({*rows.keys[at], stray.record.id, stray.record.other_id} - {None}):
                rows.due_strays.add(at)

    def _listed(self, rows: _Rows, side: Side, page: ContactPage) -> None:
        assert page.listing
        seen = rows.listed.setdefault((side, page.listing), set())
        seen.update(record.id for record in page.records)
        if page.ends:
            for link in rows.links.values():
                if side in link.ids and link.ids[side] not in seen:
                    self._befall(rows, link.key)
            for at in [at for at in rows.strays if at[0] is side and at[1] not in seen]:
                rows.strays.pop(at)
                rows.due_strays.discard(at)

    def _befall(self, rows: _Rows, key: int) -> None:
        rows.versions[key] += 1
        rows.due.add(key)

    def _keep(self, rows: _Rows, link: Link) -> None:
        rows.links[link.key] = link
        for side, id in link.ids.items():
            rows.strays.pop((side, id), None)
            rows.due_strays.discard((side, id))

    def _as_known(self, link: Link, side: Side) -> Known:
        record = ContactRecord(id=link.ids[side], values=link.base.get(side, {}))
        waits = side.other not in link.ids or bool(link.intent and link.intent.created)
        return Known(record, is_linked=True, is_waiting=waits)

    def _is_free(self, link: Link, now: datetime) -> bool:
        return link.not_before is None or link.not_before <= now


class MemoryRuns:
    """`gateway.ports.SyncRuns` in memory; what runs wrote is kept with the links."""

    def __init__(self, links: MemoryLinks) -> None:
        self._links = links
        self._runs: dict[int, SyncRun] = {}
        self._next = 0
        self._requests: dict[str, Request] = {}
        self._paused: dict[str, str] = {}
        self.on_call: Callable[[str], object] = lambda _: None

    def request(self, pair: str, request: Request) -> None:
        self._requests[pair] = request

    def requested(self, pair: str) -> Request | None:
        return self._requests.get(pair)

    def pause(self, pair: str, by: str | None) -> None:
        if by is None:
            self._paused.pop(pair, None)
        else:
            self._paused[pair] = by

    def paused(self, pair: str) -> str | None:
        return self._paused.get(pair)

    def begin(self, run: SyncRun) -> SyncRun:
        self.on_call("begin")
        for each in self._of(run.pair):
            if each.state is RunState.RUNNING:
                self._runs[each.id] = replace(each, state=RunState.CUT_OFF, ended_at=run.started_at)
        self._next += 1
        self._runs[self._next] = replace(run, id=self._next)
        return self._runs[self._next]

    def tell(self, run: SyncRun) -> None:
        self.on_call("tell")
        if run.id in self._runs and self._runs[run.id].state is RunState.RUNNING:
            self._runs[run.id] = run

    def fulfil(self, pair: str, request: Request) -> None:
        self.on_call("fulfil")
        if self._requests.get(pair) == request:
            del self._requests[pair]

    def drop(self, run: SyncRun) -> None:
        self._runs.pop(run.id, None)

    def get(self, pair: str, id: int) -> SyncRun | None:
        run = self._runs.get(id)
        return run if run and run.pair == pair else None

    def list(self, pair: str, *, before: int | None = None, limit: int = 50) -> list[SyncRun]:
        runs = [run for run in self._of(pair) if before is None or run.id < before]
        return sorted(runs, key=lambda run: run.id, reverse=True)[:limit]

    def changes(self, run: int, *, after: int = 0, limit: int = 50) -> Sequence[StoredChange]:
        changes = self._links.changes(run)
        return [StoredChange(id, each) for id, each in enumerate(changes, start=1) if id > after][:limit]

    def forget(self, pair: str, before: datetime) -> None:
        for run in self._of(pair):
            if run.started_at < before:
                del self._runs[run.id]
                self._links.forget(run.id)

    def _of(self, pair: str) -> Sequence[SyncRun]:
        return [run for run in self._runs.values() if run.pair == pair]
