"""The mirror is brought up to date, and asked who is known by the keys of some interactions; or the org itself is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from threading import Event, Lock
from types import MappingProxyType

import structlog

from gateway.domain.identity import email_key
from gateway.domain.matching import Sought
from gateway.domain.records import ACCOUNT, CASE, CONTACT, LEAD, RELATION, USER, Known, Record, Remembered
from gateway.errors import GatewayError
from gateway.ports import MOST_OF_ONE_KEY, ChangePage, Choices, Mirror, Org, Records

PATIENCE = timedelta(seconds=60)
"""How old the mirror may be for interactions that were there before it was read."""

LONGEST_WAIT = timedelta(seconds=30)
"""How long an org is left alone at most that gathers what a first load asked for."""

_SHORTEST_WAIT = timedelta(seconds=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MirrorState:
    """How the mirror of an org is: not kept at all, or `loading` so many records of each object, or complete."""

    is_kept: bool = True
    loading: Mapping[str, int] = field(default_factory=dict)
    problem: str | None = None


class MirrorFeed:
    """Keeps the mirror of one org as fresh as the interactions that are matched with it.

    While it is loaded, and where none is kept, the org is asked instead.
    """

    def __init__(
        self,
        org: Org,
        mirror: Mirror,
        now: Callable[[], datetime],
        *,
        is_kept: bool = True,
        choices: Choices | None = None,
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        self._org = org
        self._mirror = mirror
        self._choices = choices
        self._now = now
        self._give_way = give_way
        self._lock = Lock()
        self._read_at: datetime | None = None
        self._state = MirrorState(is_kept)
        self._wait = _SHORTEST_WAIT
        self._due: datetime | None = None
        self._stopping = Event()
        self._asked: dict[str, datetime] = {}

    @property
    def state(self) -> MirrorState:
        """How the mirror is, as far as this process knows."""
        return self._state

    @property
    def version(self) -> int:
        """How often the mirror has changed in what matching looks at."""
        return self._mirror.version(self._org.name)

    def reach(self, moment: datetime, *, can_wait: bool = False) -> datetime:
        """Wait until the mirror shows the org as it was at `moment` or later; when that was. Callers take turns.

        `can_wait`: no interaction that was just told of is matched with it.
        """
        with self._lock:
            started = self._now()
            if self._must_ask():
                return started
            if self._read_at is not None and self._read_at >= moment and started - self._read_at < PATIENCE:
                return self._read_at
            cursors = self._mirror.cursors(self._org.name)
            for page in self._org.changes(cursors, can_wait=True) if can_wait else self._org.changes(cursors):
                self._mirror.apply(self._org.name, page)
            self._note_loading()
            self._read_at = started
            return started

    def known(self, soughts: Sequence[Sought], also: Collection[str] = ()) -> Known:
        """All that is known about the keys, and the records `also` named by their ids.

        What an interaction names and the mirror lacks is looked up in the org.
        """
        name, remembered = self._org.name, remembered_of(self._choices, self._org.name, soughts)
        if self._must_ask():
            keys, ids = _looked_for(soughts)
            records = self._org.look_up(keys, ids.union(also, _chosen(remembered)))
            return known_of(Recollection(records), name, soughts, also, remembered)
        known = known_of(self._mirror, name, soughts, also, remembered)
        if missing := self._unasked(_named(soughts) - known.by_key.keys() - known.by_id.keys()):
            found = self._org.look_up({n for n in missing if ":" in n}, {n for n in missing if ":" not in n})
            if found:
                self._mirror.apply(name, ChangePage(found, (), {}))
                return known_of(self._mirror, name, soughts, also, remembered)
        return known

    def take_in(self, records: Sequence[Record]) -> None:
        """Have records that were just looked up known at once; nothing is copied where no mirror is kept."""
        if records and self._state.is_kept:
            self._mirror.apply(self._org.name, ChangePage(records, (), {}))

    def by_ids(self, ids: Collection[str]) -> list[Record]:
        """Records by id, as far as they are known; where no mirror can be asked, as they are now."""
        if not ids:
            return []
        return self._org.look_up((), ids) if self._must_ask() else self._mirror.by_ids(self._org.name, ids)

    def load(self) -> None:
        """Take a first load as far as the org lets us; called every second, and mostly nothing is to be done."""
        if not self._state.loading or (self._due and self._now() < self._due):
            return
        try:
            pages, problem = self._load(), None
        except GatewayError as error:
            pages, problem = 0, str(error)
            log.warning("first_load_waits", org=self._org.name, problem=problem)
        self._wait = _SHORTEST_WAIT if pages else min(self._wait * 2, LONGEST_WAIT)
        self._due = self._now() + self._wait
        self._state = MirrorState(loading=self._state.loading, problem=problem)

    def stop(self) -> None:
        """Have `load` end after the page that it is at."""
        self._stopping.set()

    def _load(self) -> int:
        """How many pages came."""
        name, pages = self._org.name, 0
        for page in self._org.load(self._mirror.cursors(name)):
            self._mirror.apply(name, page)
            pages += 1
            if page.cursors:
                self._note_loading()
            if self._stopping.is_set():
                break
            self._give_way()
        return pages

    def _note_loading(self) -> None:
        loading = self._org.loading(self._mirror.cursors(self._org.name))
        if loading != self._state.loading:
            log.info("first_load", org=self._org.name, rows=dict(loading), is_over=not loading)
        self._state = MirrorState(loading=loading)

    def _must_ask(self) -> bool:
        return not self._state.is_kept or bool(self._state.loading)

    def _unasked(self, names: set[str]) -> set[str]:
        """Those that the org was not asked for lately: most of what it did not know then it does not know now."""
        now = self._now()
        self._asked = {name: at for name, at in self._asked.items() if now - at < PATIENCE}
        new = names - self._asked.keys()
        self._asked |= dict.fromkeys(new, now)
        return new


class Recollection:
    """`ports.Records` over what was looked up."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def around(self, org: str, keys: Collection[str], ids: Collection[str]) -> list[Record]:
        del org
        wanted = set(keys)
        start = [record for record in self._records if record.id in ids or not wanted.isdisjoint(record.keys)]
        return with_what_belongs_to(start, self._records)

    def sharing(self, org: str, keys: Collection[str]) -> dict[str, int]:
        del org
        people = [record for record in self._records if record.kind in {CONTACT, LEAD}]
        return dict(Counter(key for person in people for key in set(person.keys).intersection(keys)))

    def by_ids(self, org: str, ids: Collection[str]) -> list[Record]:
        del org
        return [record for record in self._records if record.id in ids]

    def accounts_of_domains(self, org: str, domains: Collection[str]) -> dict[str, dict[str, int]]:
        del org
        found: dict[str, dict[str, int]] = {}
        for record in self._records:
            account = {ACCOUNT: record.id, CONTACT: record.account_id}.get(record.kind)
            for key in set(record.keys).intersection(domains) if account else ():
                counts = found.setdefault(key, {})
                counts[account or ""] = counts.get(account or "", 0) + 1
        return found


def with_what_belongs_to(start: Sequence[Record], records: Sequence[Record]) -> list[Record]:
    """Those of the records that `ports.Records.around` gives with the `start`."""
    ids = {record.id for record in start}
    accounts = {record.account_id for record in start if record.account_id}
    all_of = ids.union(accounts, (record.contact_id for record in start if record.contact_id))

    def belongs(record: Record) -> bool:
        if record.id in all_of or record.kind not in {CASE, RELATION} or not record.is_open:
            return record.id in all_of
        if record.contact_id or record.kind is RELATION:
            return record.contact_id in ids
        return record.account_id in ids | accounts

    return [record for record in records if belongs(record)]


def _looked_for(soughts: Sequence[Sought]) -> tuple[set[str], set[str]]:
    keys = {key for sought in soughts for key in sought.all_keys()}
    domains = {domain for sought in soughts for domain in sought.domains if domain}
    return keys | domains, {id for sought in soughts for id in sought.ids}


def _named(soughts: Sequence[Sought]) -> set[str]:
    """The ids and case numbers that interactions name: who names a record means one that there is."""
    return {name for sought in soughts for name in (*sought.cases, *sought.ids)}


def remembered_of(choices: Choices | None, org: str, soughts: Sequence[Sought]) -> Mapping[str, Sequence[Remembered]]:
    """What people decided about the parties' keys."""
    keys = {key for sought in soughts for party in sought.parties for key in party}
    return choices.remembered(org, keys) if choices else {}


def known_of(
    mirror: Records,
    org: str,
    soughts: Sequence[Sought],
    also: Collection[str] = (),
    remembered: Mapping[str, Sequence[Remembered]] = MappingProxyType({}),
) -> Known:
    """Everything the mirror knows about the keys, in a handful of queries however many interactions there are.

    `also` are ids of further records; what is `remembered` of a key belongs to it.
    """
    keys = set[str]().union(*[sought.all_keys() for sought in soughts])
    domains = mirror.accounts_of_domains(org, {domain for sought in soughts for domain in sought.domains if domain})
    named = {id for sought in soughts for id in sought.ids}.union(also, _chosen(remembered), *domains.values())
    around = _all_around(mirror, org, keys, named)
    relations = [record for record in around.values() if record.kind is RELATION]
    by_id = {id: record for id, record in around.items() if record.kind is not RELATION}
    found = [(record, shown) for record in by_id.values() if (shown := keys.intersection(record.keys))]
    cases = [record for record in by_id.values() if record.kind is CASE and record.is_open]
    standing = by_id
    if any(record.merged_into for record in by_id.values()):
        standing = {id: record for id in by_id if (record := _survivor(id, by_id))}
    related = _related(relations, standing)
    crowded = _crowded(found)
    sharing = mirror.sharing(org, crowded) if crowded else {}
    return Known(_by_key(found, standing), standing, _by_owner(cases), domains, related, sharing, remembered)


def _all_around(mirror: Records, org: str, keys: AbstractSet[str], ids: Collection[str]) -> dict[str, Record]:
    """What has the keys or ids, with all that belongs to it, by id: mostly a single query."""
    by_id = _by_id(mirror.around(org, keys, ids))
    asked = {record.id for record in by_id.values() if not keys.isdisjoint(record.keys)}.union(ids)
    while further := _further(by_id) - asked:
        by_id |= _by_id(mirror.around(org, (), further))
        asked |= further
    parents = {record.account_id for record in by_id.values() if record.kind is ACCOUNT and record.account_id}
    return by_id | _by_id(mirror.by_ids(org, parents.difference(by_id)))


def _further(by_id: Mapping[str, Record]) -> set[str]:
    """Whom the records lead to: who took their place, the contacts of cases and converted leads, missing accounts."""
    people = {id for record in by_id.values() for id in (record.merged_into, record.contact_id) if id}
    accounts = {record.account_id for record in by_id.values() if record.account_id and record.kind is not ACCOUNT}
    return people | accounts.difference(by_id)


def _crowded(found: Collection[tuple[Record, set[str]]]) -> list[str]:
    """The keys of which so many records were found that there may be more."""
    counts = Counter(chain.from_iterable([shown for _, shown in found]))
    return [key for key, count in counts.items() if count >= MOST_OF_ONE_KEY]


def _chosen(remembered: Mapping[str, Sequence[Remembered]]) -> set[str]:
    return {memory.record_id for memories in remembered.values() for memory in memories}


def _related(relations: Collection[Record], standing: Mapping[str, Record]) -> dict[str, list[str]]:
    """The further accounts of each contact, each once, in the order of their ids."""
    found: dict[str, set[str]] = {}
    for relation in relations:
        contact, account = standing.get(relation.contact_id or ""), standing.get(relation.account_id or "")
        if contact and account and account.id != contact.account_id:
            found.setdefault(contact.id, set()).add(account.id)
    return {contact: sorted(accounts) for contact, accounts in found.items()}


def _survivor(id: str, by_id: Mapping[str, Record]) -> Record | None:
    """The record, or the one it was merged into at last; None if that is not in the org any more."""
    record = by_id.get(id)
    for _ in by_id:
        if record is None or record.merged_into is None:
            return record
        record = by_id.get(record.merged_into)
    return None


def _by_id(records: Collection[Record]) -> dict[str, Record]:
    return {record.id: record for record in records}


def _by_key(found: Collection[tuple[Record, set[str]]], standing: Mapping[str, Record]) -> dict[str, list[Record]]:
    by_key: dict[str, dict[str, Record]] = {}
    for record, shown in found:
        if survivor := standing.get(record.id):
            for key in shown:
                by_key.setdefault(key, {})[survivor.id] = survivor
    return {key: list(records.values()) for key, records in by_key.items()}


def _by_owner(cases: Collection[Record]) -> dict[str, list[Record]]:
    """A case belongs to its contact; without one, to its account."""
    found: dict[str, list[Record]] = {}
    for case in cases:
        if owner := case.contact_id or case.account_id:
            found.setdefault(owner, []).append(case)
    return found


def owner_of(agent_emails: Sequence[str], known: Known) -> Record | None:
    """The active user behind the last agent whose e-mail exactly one has."""
    for email in reversed(agent_emails):
        users = [r for r in known.by_key.get(email_key(email) or "", ()) if r.kind is USER and r.is_open]
        if len(users) == 1:
            return users[0]
    return None
