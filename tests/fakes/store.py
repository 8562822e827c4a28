"""The store in memory: a working twin for tests of the use cases, held to the same suite as the databases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, count
from threading import RLock
from typing import Any

from gateway.domain.identity import is_domain
from gateway.domain.interactions import clean_text
from gateway.domain.mending import stirred
from gateway.domain.records import Kind, Record, Remembered
from gateway.errors import RejectedError, RetryableError, VersionConflictError
from gateway.ports import (
    MOST_COUNTED,
    MOST_OF_ONE_KEY,
    SAME_KEY,
    AuditLine,
    Backlog,
    ChangePage,
    Claim,
    Creation,
    DeliveryStatus,
    FoldedInteraction,
    HeldJob,
    Job,
    Lease,
    Lesson,
    NewDelivery,
    NewFetch,
    Receipt,
    Search,
    SettledDelivery,
    Settlement,
    StoredDelivery,
    StoredFetch,
    StoredInteraction,
    Token,
)
from gateway.storage.deliveries import BYTES_AT_ONCE
from gateway.usecases.mirror import with_what_belongs_to
from tests.fakes.contacts import MemoryLinks, MemoryRuns
from tests.fakes.futures import done
from tests.values import replace

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_PEOPLE = (Kind.CONTACT, Kind.LEAD)
_MATCH_STATES = ("matched", "ambiguous", "unmatched")


class MemoryStore:
    """`inbox`, `deliveries`, `interactions`, `mirror`, `creations`, `jobs`, `fetches`, `links`, `runs` and `tokens` as
    a `Database` has them."""

    def __init__(self, *, on_commit: Callable[[], object] = lambda: None) -> None:
        self._lock = RLock()
        self.choices = MemoryChoices(self._lock)
        self.interactions = MemoryInteractions(self._lock, self.choices)
        self.fetches = MemoryFetches(self._lock)
        self.jobs = MemoryJobs(self._lock)
        self.deliveries = MemoryDeliveries(self._lock, self.interactions, self.fetches, on_commit)
        self.inbox = MemoryInbox(self._lock, self.deliveries, on_commit)
        self.mirror = self.interactions.mirror
        self.creations = MemoryCreations(self._lock)
        self.links = MemoryLinks()
        self.runs = MemoryRuns(self.links)
        self.tokens = MemoryTokens(self._lock)

    def close(self) -> None:
        self.inbox.close()

    def check_writable(self) -> None:
        pass

    def claim_file(self) -> None:
        pass


class MemoryInbox:
    def __init__(self, lock: RLock, deliveries: MemoryDeliveries, on_commit: Callable[[], object]) -> None:
        self._lock = lock
        self._deliveries = deliveries
        self._on_commit = on_commit
        self._is_closed = False

    def submit(self, deliveries: Sequence[NewDelivery]) -> Future[Sequence[Receipt]]:
        return done(lambda: [self._put(delivery) for delivery in deliveries])

    def _put(self, delivery: NewDelivery) -> Receipt:
        _check_text(delivery.org, delivery.connection, delivery.key, delivery.body_hash)
        with self._lock:
            if self._is_closed:
                raise RetryableError("The gateway is shutting down.", after=5)
            receipt = self._deliveries.store(delivery)
        self._on_commit()
        return receipt

    def put_all(self, deliveries: Sequence[NewDelivery]) -> list[Receipt]:
        receipts = []
        with self._lock:
            for delivery in deliveries:
                id = self._deliveries.id_of(delivery)
                receipts.append(Receipt(id, duplicate=True) if id else self._put(delivery))
        return receipts

    def close(self) -> None:
        self._is_closed = True


class MemoryDeliveries:
    def __init__(
        self,
        lock: RLock,
        interactions: MemoryInteractions,
        fetches: MemoryFetches,
        on_commit: Callable[[], object],
    ) -> None:
        self._lock = lock
        self._interactions = interactions
        self._fetches = fetches
        self._on_commit = on_commit
        self._rows: dict[int, StoredDelivery] = {}
        self._places: dict[tuple[str, str], tuple[int, str]] = {}

    def id_of(self, delivery: NewDelivery) -> int | None:
        return self._places.get((delivery.connection, delivery.key), (None, ""))[0]

    def store(self, delivery: NewDelivery) -> Receipt:
        place = (delivery.connection, delivery.key)
        if place not in self._places:
            return Receipt(self._insert(delivery, place, DeliveryStatus.WAITING))
        id, body_hash = self._places[place]
        if body_hash == delivery.body_hash:
            return self._repeated(id, conflict=False)
        place = (delivery.connection, f"{delivery.key}~{delivery.body_hash}")
        if place in self._places:
            return self._repeated(self._places[place][0], conflict=True)
        return Receipt(self._insert(delivery, place, DeliveryStatus.CONFLICT, SAME_KEY), conflict=True)

    def waiting(self, limit: int) -> list[StoredDelivery]:
        with self._lock:
            rows = [row for row in self._rows.values() if row.status is DeliveryStatus.WAITING][:limit]
        before = accumulate((len(row.body) for row in rows), initial=0)
        return [row for row, sum_before in zip(rows, before, strict=False) if sum_before < BYTES_AT_ONCE]

    def fold(
        self,
        folded: Sequence[FoldedInteraction],
        settled: Sequence[SettledDelivery],
        named: Sequence[NewFetch] = (),
    ) -> None:
        with self._lock:
            rows = self._interactions.folded(folded)
            done = dict(self._rows)
            for one in settled:
                row = done.get(one.id)
                if row is None or row.status is not DeliveryStatus.WAITING:
                    raise VersionConflictError("A delivery was settled by another worker meanwhile.")
                reason = None if one.reason is None else clean_text(one.reason)
                done[one.id] = replace(row, status=one.status, reason=reason, interactions=tuple(one.interactions))
            self._rows = done
            self._interactions.rows = rows
            self._fetches.name_all(named)

    def get(self, id: int) -> StoredDelivery | None:
        with self._lock:
            return self._rows.get(id)

    def list(
        self,
        *,
        status: DeliveryStatus | None = None,
        connection: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[StoredDelivery]:
        with self._lock:
            rows = [
                row
                for id, row in sorted(self._rows.items(), reverse=True)
                if (status is None or row.status is status)
                and (connection is None or row.connection == connection)
                and (before is None or id < before)
            ]
        return rows[:limit]

    def requeue(self, ids: Collection[int]) -> int:
        with self._lock:
            rows = [self._rows[id] for id in set(ids) if id in self._rows]
            back = [row for row in rows if row.status not in {DeliveryStatus.WAITING, DeliveryStatus.FOLDED}]
            for row in back:
                self._rows[row.id] = replace(row, status=DeliveryStatus.WAITING, reason=None)
        if back:
            self._on_commit()
        return len(back)

    def counts(self) -> Mapping[DeliveryStatus, int]:
        with self._lock:
            return {status: sum(row.status is status for row in self._rows.values()) for status in DeliveryStatus}

    def _insert(
        self, delivery: NewDelivery, place: tuple[str, str], status: DeliveryStatus, reason: str | None = None
    ) -> int:
        id = len(self._rows) + 1
        self._places[place] = (id, delivery.body_hash)
        self._rows[id] = StoredDelivery(
            id=id,
            org=delivery.org,
            connection=delivery.connection,
            key=place[1],
            content_type=clean_text(delivery.content_type),
            headers=_copy(delivery.headers),
            body=delivery.body,
            received_at=_aware(delivery.received_at),
            status=status,
            reason=reason,
        )
        return id

    def _repeated(self, id: int, *, conflict: bool) -> Receipt:
        self._rows[id] = replace(self._rows[id], repeats=self._rows[id].repeats + 1)
        return Receipt(id, duplicate=True, conflict=conflict)


@dataclass(frozen=True)
class _Kept:
    """An interaction with what the store keeps beside it."""

    row: StoredInteraction
    waiting_since: datetime

    @property
    def is_dirty(self) -> bool:
        return self.row.ready and self.row.version > self.row.written_version and self.row.parked is None

    @property
    def is_written(self) -> bool:
        return self.row.version == self.row.written_version and self.row.parked is None

    def is_due(self, org: str, now: datetime) -> bool:
        earliest = [at for at in (self.row.next_at, self.row.unsure_until) if at is not None]
        return self.is_dirty and self.row.org == org and all(at <= now for at in earliest)


@dataclass
class _Lane:
    epoch: int = 0
    until: datetime = field(default=_LONG_AGO)


class MemoryInteractions:
    def __init__(self, lock: RLock, choices: MemoryChoices) -> None:
        self._lock = lock
        self._choices = choices
        self._searches: dict[int, Search] = {}
        self._audit: list[AuditLine] = []
        self.mirror = MemoryMirror(lock, self._wake)
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self.rows: dict[int, _Kept] = {}

    def folded(self, folded: Sequence[FoldedInteraction]) -> dict[int, _Kept]:
        """The rows as they will be; the present ones are left alone."""
        rows = dict(self.rows)
        ids = {(kept.row.connection, kept.row.external_id): id for id, kept in rows.items()}
        for one in sorted(folded, key=lambda one: one.version == 0):
            id = ids.setdefault((one.connection, one.external_id), len(rows) + 1)
            rows[id] = _fold_one(one, id, rows.get(id))
        return rows

    def load(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredInteraction]:
        wanted = set(keys)
        return {key: row for row in self._all() if (key := (row.connection, row.external_id)) in wanted}

    def backlog(self, org: str, lane: int, *, now: datetime, limit: int) -> Backlog | None:
        with self._lock:
            due = [kept for kept in self.rows.values() if kept.is_due(org, now) and kept.row.lane == lane]
        times = sorted(kept.waiting_since for kept in due)[:limit]
        return Backlog(len(times), times[0]) if times else None

    def lease(self, org: str, lane: int, *, owner: str, now: datetime, seconds: float) -> Lease | None:
        with self._lock:
            held = self._lanes.setdefault((org, lane), _Lane())
            if held.until > now:
                return None
            held.epoch += 1
            held.until = now + timedelta(seconds=seconds)
            return Lease(org, lane, held.epoch, held.until)

    def take(self, lease: Lease, *, now: datetime, limit: int) -> list[StoredInteraction]:
        with self._lock:
            due = [kept for kept in self.rows.values() if kept.is_due(lease.org, now) and kept.row.lane == lease.lane]
        due.sort(key=lambda kept: (kept.waiting_since, kept.row.id))
        return [kept.row for kept in due[:limit]]

    def intend(
        self, lease: Lease, intents: Mapping[int, Mapping[str, Any]], *, unsure_until: datetime | None = None
    ) -> None:
        with self._lock:
            self._check(lease)
            for id, fields in intents.items():
                self._change(lease, id, intended=_copy(fields), unsure_until=unsure_until)

    def settle(self, lease: Lease, settlements: Sequence[Settlement]) -> None:
        with self._lock:
            self._check(lease)
            for one in settlements:
                self._settle_one(lease, one)
                self._wait(lease.org, one)
                self._audit += [replace(line, what=clean_text(line.what)) for line in one.audit]
                self._choices.learn(one.lessons)

    def unsure(self, org: str, lane: int, *, before: datetime, limit: int) -> list[StoredInteraction]:
        found = [kept.row for kept in self._unsure(org, lane) if kept.row.updated_at <= before]
        return sorted(found, key=lambda row: row.updated_at)[:limit]

    def reconsider(
        self, lease: Lease, *, same: Collection[int], other: Collection[int], matched_at: datetime,
        mirror_version: int | None = None,
    ) -> None:  # fmt: skip
        with self._lock:
            self._check(lease)
            if mirror_version not in {None, self.mirror.version(lease.org)}:
                same = ()
            for kept in self._unsure(lease.org, lease.lane):
                row = kept.row
                if row.id in same:
                    self.rows[row.id] = replace(kept, row=replace(row, matched_at=matched_at))
                elif row.id in other:
                    row = replace(row, matched_at=matched_at, version=row.version + 1)
                    self.rows[row.id] = replace(kept, row=row, waiting_since=matched_at)

    def _unsure(self, org: str, lane: int) -> list[_Kept]:
        with self._lock:
            return [
                kept
                for kept in self.rows.values()
                if (kept.row.org, kept.row.lane) == (org, lane)
                and kept.row.version == kept.row.written_version
                and kept.row.parked is None
                and kept.row.matched_at is not None
                and kept.row.matched_at < kept.row.updated_at
            ]

    def release(self, lease: Lease) -> None:
        with self._lock:
            if self._holds(lease):
                self._lanes[lease.org, lease.lane].until = _LONG_AGO

    def get(self, id: int) -> StoredInteraction | None:
        with self._lock:
            return self.rows[id].row if id in self.rows else None

    def list(
        self,
        *,
        org: str | None = None,
        connection: str | None = None,
        state: str | None = None,
        external_id: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[StoredInteraction]:
        if state not in {None, "waiting", "parked", *_MATCH_STATES}:
            raise ValueError(f"{state} is no state of an interaction")
        rows = [
            row
            for row in self._all()
            if (org is None or row.org == org)
            and (connection is None or row.connection == connection)
            and (external_id is None or row.external_id == external_id)
            and (before is None or row.id < before)
            and (state is None or self._is_in(state, row))
        ]
        return sorted(rows, key=lambda row: -row.id)[:limit]

    def unpark(self, ids: Collection[int], *, anew: bool = False) -> int:
        with self._lock:
            parked = [self.rows[id] for id in set(ids) if id in self.rows and self.rows[id].row.parked is not None]
            for kept in parked:
                version = max(kept.row.version, kept.row.written_version + 1)
                row = replace(kept.row, parked=None, attempts=0, next_at=None, version=version)
                if anew:
                    row = replace(row, task_id=None, intended=None, written={}, kept={}, companions={})
                self.rows[row.id] = replace(kept, row=row)
        return len(parked)

    def reopen(self, ids: Collection[int], now: datetime) -> int:
        with self._lock:
            found = [kept for id in set(ids) if (kept := self.rows.get(id)) and kept.is_written and kept.row.ready]
            found = [kept for kept in found if kept.row.chosen is None]
            for kept in found:
                row = replace(kept.row, version=kept.row.version + 1)
                self.rows[row.id] = replace(kept, row=row, waiting_since=now)
        return len(found)

    def choose(self, id: int, chosen: Mapping[str, Any], line: AuditLine, lessons: Sequence[Lesson]) -> None:
        with self._lock:
            kept = self.rows.get(id)
            if kept is None or kept.row.version != chosen["version"] - 1:
                raise VersionConflictError("The interaction was changed by another worker meanwhile.")
            since = kept.waiting_since if kept.is_dirty else line.at
            row = replace(kept.row, chosen=_copy(chosen), version=kept.row.version + 1, attempts=0, next_at=None)
            self.rows[id] = replace(kept, row=row, waiting_since=since)
            self._searches.pop(id, None)
            self._audit.append(replace(line, what=clean_text(line.what)))
            self._choices.learn(lessons)

    def history(self, id: int) -> list[AuditLine]:
        with self._lock:
            return [line for line in self._audit if line.interaction_id == id]

    def waits(self, org: str) -> bool:
        with self._lock:
            return any(self.rows[id].row.org == org for id in self._searches)

    def look_anew(self, org: str, *, told_after: datetime) -> None:
        with self._lock:
            for id, one in self._searches.items():
                kept = self.rows[id]
                if one.told_at >= told_after and kept.row.org == org and kept.is_written:
                    self._doubt(id)

    def give_up(self, org: str, *, told_before: datetime) -> int:
        with self._lock:
            old = [
                id for id, one in self._searches.items() if one.told_at < told_before and self.rows[id].row.org == org
            ]
            return sum(len(self._searches.pop(id).keys) for id in old)

    def _wait(self, org: str, one: Settlement) -> None:
        if one.search is None or one.id not in self.rows:
            return
        self._searches.pop(one.id, None)
        if one.search.keys:
            self._searches[one.id] = one.search
            if one.search.mirror_version != self.mirror.version(org):
                self._doubt(one.id)

    def _wake(self, org: str, keys: set[str]) -> None:
        for id, search in self._searches.items():
            kept = self.rows[id]
            if kept.row.org == org and kept.is_written and not keys.isdisjoint(search.keys):
                self._doubt(id)

    def _doubt(self, id: int) -> None:
        kept = self.rows[id]
        older = kept.row.updated_at - timedelta(microseconds=1)
        self.rows[id] = replace(kept, row=replace(kept.row, matched_at=older))

    def counts(self) -> Mapping[str, int]:
        names = ("waiting", "written", "parked", "open", *_MATCH_STATES)
        return {name: sum(self._is_in(name, row) for row in self._all()) for name in names}

    def _all(self) -> list[StoredInteraction]:
        with self._lock:
            return [kept.row for kept in self.rows.values()]

    def _is_in(self, state: str, row: StoredInteraction) -> bool:
        if state in _MATCH_STATES:
            return (row.match or {}).get("state") == state
        if row.parked is not None:
            return state == "parked"
        if not row.ready:
            return state == "open"
        return state == ("waiting" if row.version > row.written_version else "written")

    def _holds(self, lease: Lease) -> bool:
        lane = self._lanes.get((lease.org, lease.lane), _Lane())
        return lane.epoch == lease.epoch and lane.until == lease.until

    def _check(self, lease: Lease) -> None:
        if not self._holds(lease):
            raise VersionConflictError(f"The lease of lane {lease.lane} of {lease.org} was lost.")

    def _change(self, lease: Lease, id: int, **changes: Any) -> None:
        kept = self.rows.get(id)
        if kept is not None and (kept.row.org, kept.row.lane) == (lease.org, lease.lane):
            self.rows[id] = replace(kept, row=replace(kept.row, **changes))

    def _settle_one(self, lease: Lease, one: Settlement) -> None:
        changes = {
            "written_version": one.written_version,
            "written_at": one.written_at,
            "match": _copy(one.match),
            "task_id": one.task_id,
            "intended": _copy(one.intended),
            "written": _copy(one.written),
            "kept": _copy(one.kept),
            "companions": _copy(one.companions),
            "matched_at": one.matched_at,
            "unsure_until": one.unsure_until,
        }
        if one.id in self.rows and self.rows[one.id].row.version == one.version:
            parked = None if one.parked is None else clean_text(one.parked)
            changes |= {"attempts": one.attempts, "next_at": one.next_at, "parked": parked}
        self._change(lease, one.id, **changes)


class MemoryChoices:
    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._choices: dict[tuple[str, str, str], Remembered] = {}

    def learn(self, lessons: Sequence[Lesson]) -> None:
        for lesson in lessons:
            place = (lesson.org, lesson.key, lesson.record_id)
            old = self._choices.get(place, Remembered(lesson.record_id, 0, 0, lesson.at))
            confirmed = old.confirmed + lesson.is_confirmed
            self._choices[place] = Remembered(
                old.record_id, confirmed, old.rejected + (not lesson.is_confirmed), lesson.at
            )

    def remembered(self, org: str, keys: Collection[str]) -> dict[str, list[Remembered]]:
        found: dict[str, list[Remembered]] = {}
        with self._lock:
            for (of, key, _), remembered in sorted(self._choices.items(), key=lambda item: item[0]):
                if of == org and key in keys:
                    found.setdefault(key, []).append(remembered)
        return found


class MemoryMirror:
    def __init__(self, lock: RLock, wake: Callable[[str, set[str]], None]) -> None:
        self._lock = lock
        self._wake = wake
        self._versions: dict[str, int] = {}
        self._records: dict[tuple[str, str], Record] = {}
        self._cursors: dict[str, dict[str, str]] = {}

    def cursors(self, org: str) -> Mapping[str, str]:
        with self._lock:
            return dict(self._cursors.get(org, {}))

    def apply(self, org: str, page: ChangePage) -> None:
        with self._lock:
            ids = dict.fromkeys([*(record.id for record in page.records), *page.deleted])
            before = {id: self._records.get((org, id)) for id in ids}
            for record in page.records:
                self._records[org, record.id] = record
            for id in page.deleted:
                self._records.pop((org, id), None)
            self._cursors.setdefault(org, {}).update(page.cursors)
            changes = [(before[id], after) for id in ids if before[id] != (after := self._records.get((org, id)))]
            if changes:
                self._versions[org] = self._versions.get(org, 0) + 1
                self._wake(org, stirred(changes))

    def version(self, org: str) -> int:
        with self._lock:
            return self._versions.get(org, 0)

    def around(self, org: str, keys: Collection[str], ids: Collection[str]) -> list[Record]:
        start = {r.id: r for sharers in self._sharers(org, keys).values() for r in sharers[:MOST_OF_ONE_KEY]}
        start |= {record.id: record for record in self.by_ids(org, ids)}
        return with_what_belongs_to(list(start.values()), self._of(org))

    def sharing(self, org: str, keys: Collection[str]) -> dict[str, int]:
        sharers = self._sharers(org, keys)
        counts = {key: Counter(record.kind for record in sharers.get(key, ())) for key in keys}
        return {key: sum(min(of[kind], MOST_COUNTED) for kind in _PEOPLE) for key, of in counts.items()}

    def by_ids(self, org: str, ids: Collection[str]) -> list[Record]:
        return [record for record in self._of(org) if record.id in ids]

    def accounts_of_domains(self, org: str, domains: Collection[str]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for record in self._of(org):
            account = {Kind.ACCOUNT: record.id, Kind.CONTACT: record.account_id}.get(record.kind)
            for key in set(record.keys).intersection(domains) if account else ():
                counts = found.setdefault(key, {})
                counts[account] = counts.get(account, 0) + 1
        return {key: dict(sorted(counts.items())[:MOST_OF_ONE_KEY]) for key, counts in found.items()}

    def _sharers(self, org: str, keys: Collection[str]) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in self._of(org):
            for key in {key for key in record.keys if not is_domain(key)}.intersection(keys):
                found.setdefault(key, []).append(record)
        return found

    def _of(self, org: str) -> list[Record]:
        with self._lock:
            return sorted((r for (of, _), r in self._records.items() if of == org), key=lambda record: record.id)


class MemoryCreations:
    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._rows: dict[tuple[str, str], Creation] = {}

    def load(self, org: str, keys: Collection[str]) -> dict[str, Creation]:
        with self._lock:
            return {key: self._rows[org, key] for key in keys if (org, key) in self._rows}

    def claim(self, org: str, claims: Sequence[Claim], *, by: str, now: datetime, seconds: float) -> list[Claim]:
        with self._lock:
            free = {key for claim in claims for key in claim.keys if self._is_free(org, key, now)}
            granted = [claim for claim in claims if free.issuperset(claim.keys)]
            for claim in granted:
                for key in claim.keys:
                    before = self._rows.get((org, key))
                    self._rows[org, key] = Creation(
                        key, claim.made_for, claim.policy, by, _aware(now + timedelta(seconds=seconds)),
                        before.intended_at if before else None,
                    )  # fmt: skip
            return granted

    def intend(self, org: str, keys: Collection[str], *, by: str, now: datetime) -> None:
        with self._lock:
            if len(self._own(org, keys, by)) != len(set(keys)):
                raise VersionConflictError(f"A creation in {org} was claimed by others meanwhile.")
            self._change(self._own(org, keys, by), intended_at=_aware(now))

    def settle(
        self, org: str, keys: Collection[str], *, by: str, record_id: str | None = None,
        candidates: Collection[str] = (), reason: str | None = None,
    ) -> None:  # fmt: skip
        with self._lock:
            ending = {"record_id": record_id, "candidates": tuple(candidates), "reason": reason}
            self._change(self._own(org, keys, by), **ending)

    def give_up(self, org: str, keys: Collection[str], *, by: str) -> None:
        with self._lock:
            undecided = [place for place in self._own(org, keys, by) if not self._rows[place].is_over]
            self._change(undecided, until=_LONG_AGO)

    def forget(self, org: str, keys: Collection[str], *, by: str) -> None:
        with self._lock:
            for place in self._own(org, keys, by):
                if not self._rows[place].is_over:
                    del self._rows[place]

    def _is_free(self, org: str, key: str, now: datetime) -> bool:
        row = self._rows.get((org, key))
        return row is None or (not row.is_over and row.until <= now)

    def _own(self, org: str, keys: Collection[str], by: str) -> list[tuple[str, str]]:
        return [(org, key) for key in set(keys) if (row := self._rows.get((org, key))) and row.by == by]

    def _change(self, places: Collection[tuple[str, str]], **changes: Any) -> None:
        self._rows.update({place: replace(self._rows[place], **changes) for place in places})


class MemoryJobs:
    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._jobs: dict[tuple[str, str], Job] = {}
        self._held: dict[tuple[str, str], tuple[int, datetime, str]] = {}

    def get(self, connection: str, name: str) -> Job | None:
        with self._lock:
            return self._jobs.get((connection, name))

    def list(self) -> list[Job]:
        with self._lock:
            return [self._jobs[place] for place in sorted(self._jobs)]

    def lease(
        self, org: str, connection: str, name: str, *, owner: str, now: datetime, seconds: float
    ) -> HeldJob | None:
        place = (connection, name)
        with self._lock:
            job = self._jobs.get(place, Job(org=org, connection=connection, name=name, due_at=_aware(now)))
            epoch, until, holder = self._held.get(place, (0, _LONG_AGO, ""))
            if job.due_at > now or (until > now and holder != owner):
                return None
            self._jobs[place] = replace(job, started_at=_aware(now), records=0, new=0)
            until = now + timedelta(seconds=seconds)
            self._held[place] = (epoch + 1, until, owner)
            return HeldJob(self._jobs[place], epoch + 1, until)

    def store(self, held: HeldJob, job: Job, *, until: datetime | None = None) -> HeldJob:
        place = (job.connection, job.name)
        with self._lock:
            epoch, held_until, owner = self._held[place]
            if (epoch, held_until) != (held.epoch, held.until):
                raise VersionConflictError(f"The job {job.name} of {job.connection} was taken over by others.")
            problem = None if job.problem is None else clean_text(job.problem)
            now = self._jobs[place].due_at
            due_at = job.due_at if now == held.job.due_at else now
            self._jobs[place] = replace(job, cursor=_copy(job.cursor), problem=problem, due_at=due_at)
            self._held[place] = (epoch, until or _LONG_AGO, owner)
            return HeldJob(job, epoch, until or _LONG_AGO)

    def demand(self, connection: str, name: str, now: datetime) -> bool:
        return self._change((connection, name), due_at=_aware(now))

    def rewind(self, connection: str, name: str, cursor: Mapping[str, Any] | None, now: datetime) -> bool:
        place = (connection, name)
        with self._lock:
            if place in self._held:
                epoch, _, owner = self._held[place]
                self._held[place] = (epoch + 1, _LONG_AGO, owner)
            return self._change(place, cursor=_copy(cursor), due_at=_aware(now))

    def _change(self, place: tuple[str, str], **changes: Any) -> bool:
        with self._lock:
            if place in self._jobs:
                self._jobs[place] = replace(self._jobs[place], **changes)
            return place in self._jobs


class MemoryFetches:
    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._rows: dict[int, StoredFetch] = {}
        self._ids = count(1)

    def name_all(self, named: Sequence[NewFetch]) -> None:
        last = {(one.connection, one.name): one for one in named}
        for _, one in sorted(last.items()):
            ids = [row.id for row in self._rows.values() if (row.connection, row.name) == (one.connection, one.name)]
            id = ids[0] if ids else next(self._ids)
            self._rows[id] = StoredFetch(id, one.org, one.connection, one.name, _aware(one.due_at))

    def due(self, connection: str, now: datetime, limit: int) -> list[StoredFetch]:
        with self._lock:
            asked = [row for row in self._rows.values() if row.reason is None and row.connection == connection]
        return sorted((row for row in asked if row.due_at <= now), key=lambda row: row.due_at)[:limit]

    def done(self, fetch: StoredFetch) -> None:
        with self._lock:
            if self._is_as_read(fetch):
                del self._rows[fetch.id]

    def put_off(self, fetch: StoredFetch, due_at: datetime, *, tries: int) -> None:
        self._change(fetch, due_at=_aware(due_at), tries=tries)

    def give_up(self, fetch: StoredFetch, reason: str) -> None:
        self._change(fetch, reason=clean_text(reason))

    def given_up(
        self, *, connection: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[StoredFetch]:
        with self._lock:
            rows = [
                row
                for id, row in sorted(self._rows.items(), reverse=True)
                if row.reason is not None
                and (connection is None or row.connection == connection)
                and (before is None or id < before)
            ]
        return rows[:limit]

    def try_again(self, ids: Collection[int], now: datetime) -> int:
        with self._lock:
            found = [self._rows[id] for id in set(ids) if id in self._rows and self._rows[id].reason is not None]
            for row in found:
                self._rows[row.id] = replace(row, due_at=_aware(now), tries=0, reason=None)
        return len(found)

    def counts(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        with self._lock:
            for row in self._rows.values():
                of_connection = found.setdefault(row.connection, {"waiting": 0, "given_up": 0})
                of_connection["given_up" if row.reason else "waiting"] += 1
        return found

    def _is_as_read(self, fetch: StoredFetch) -> bool:
        row = self._rows.get(fetch.id)
        return row is not None and (row.due_at, row.tries) == (fetch.due_at, fetch.tries)

    def _change(self, fetch: StoredFetch, **changes: Any) -> None:
        with self._lock:
            if self._is_as_read(fetch):
                self._rows[fetch.id] = replace(self._rows[fetch.id], **changes)


class MemoryTokens:
    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._tokens: dict[str, Token] = {}

    def create(self, name: str, role: str, digest: str, now: datetime) -> Token:
        with self._lock:
            if digest in self._tokens:
                raise VersionConflictError("A token with this secret already exists.")
            self._tokens[digest] = Token(len(self._tokens) + 1, clean_text(name), role, _aware(now))
            return self._tokens[digest]

    def find(self, digest: str) -> Token | None:
        with self._lock:
            token = self._tokens.get(digest)
        return token if token and token.revoked_at is None else None

    def list(self) -> list[Token]:
        with self._lock:
            return list(self._tokens.values())

    def revoke(self, id: int, now: datetime) -> bool:
        with self._lock:
            found = [digest for digest, token in self._tokens.items() if token.id == id]
            for digest in found:
                self._tokens[digest] = replace(self._tokens[digest], revoked_at=_aware(now))
            return bool(found)


def _fold_one(one: FoldedInteraction, id: int, kept: _Kept | None) -> _Kept:
    if one.version != (kept.row.version if kept else 0):
        raise VersionConflictError("An interaction was changed by another worker meanwhile.")
    changes: dict[str, Any] = {
        "ready": one.ready,
        "version": one.version + 1,
        "updated_at": _aware(one.now),
        "attempts": 0,
        "next_at": None,
        "parked": None,
        "state": _copy(one.state),
    }
    if kept:
        return _Kept(replace(kept.row, **changes), kept.waiting_since if kept.is_dirty else one.now)
    _check_text(one.org, one.connection, one.external_id)
    fixed = {"id": id, "org": one.org, "connection": one.connection, "external_id": one.external_id, "lane": one.lane}
    row = StoredInteraction(**fixed, **changes, written_version=0, created_at=one.now)  # type: ignore[arg-type]
    return _Kept(row, one.now)


def _copy(value: Any) -> Any:
    """As it comes back from a database: a value of its own, lists for tuples."""
    return json.loads(json.dumps(value, default=dict))


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment must carry a time zone")
    return moment.astimezone(UTC)


def _check_text(*texts: str) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RejectedError(f"The delivery cannot be stored: {error}") from error
