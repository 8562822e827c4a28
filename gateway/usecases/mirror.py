"""The mirror is brought up to date, and asked who is known by the keys of some interactions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Lock

from gateway.domain.identity import email_key
from gateway.domain.matching import Sought
from gateway.domain.records import Kind, Known, Record
from gateway.ports import MOST_OF_ONE_KEY, Mirror, Org

PATIENCE = timedelta(seconds=60)
"""How old the mirror may be for interactions that were there before it was read."""


class MirrorFeed:
    """Keeps the mirror of one org as fresh as the interactions that are matched with it."""

    def __init__(self, org: Org, mirror: Mirror, now: Callable[[], datetime]) -> None:
        self._org = org
        self._mirror = mirror
        self._now = now
        self._lock = Lock()
        self._read_at: datetime | None = None

    def reach(self, moment: datetime) -> datetime:
        """Wait until the mirror shows the org as it was at `moment` or later; when that was. Callers take turns."""
        with self._lock:
            started = self._now()
            if self._read_at is not None and self._read_at >= moment and started - self._read_at < PATIENCE:
                return self._read_at
            for page in self._org.changes(self._mirror.cursors(self._org.name)):
                self._mirror.apply(self._org.name, page)
            self._read_at = started
            return started


def known_of(mirror: Mirror, org: str, soughts: Sequence[Sought]) -> Known:
    """Everything the mirror knows about the keys, in a handful of queries however many interactions there are."""
    keys = {key for sought in soughts for key in sought.all_keys()}
    domains = mirror.accounts_of_domains(org, {domain for sought in soughts for domain in sought.domains if domain})
    found = mirror.by_keys(org, keys)
    by_id = _by_id(found) | _by_id(mirror.by_ids(org, {id for sought in soughts for id in sought.ids}))
    _complete(mirror, org, by_id, {id for accounts in domains.values() for id in accounts})
    contacts = {record.id for record in by_id.values() if record.kind is Kind.CONTACT}
    accounts = {record.id for record in by_id.values() if record.kind is Kind.ACCOUNT}
    cases = mirror.open_cases(org, contacts=contacts, accounts=accounts)
    _complete(mirror, org, by_id, {case.account_id for case in cases if case.account_id})
    standing = {id: record for id in by_id if (record := _survivor(id, by_id))}
    sharing = mirror.sharing(org, _crowded(found, keys))
    return Known(_by_key(found, keys, standing), standing, _by_owner(cases), domains, sharing=sharing)


def _crowded(records: Collection[Record], keys: set[str]) -> list[str]:
    """The keys of which so many records were found that there may be more."""
    counts = Counter(key for record in records for key in keys.intersection(record.keys))
    return [key for key, count in counts.items() if count >= MOST_OF_ONE_KEY]


def _complete(mirror: Mirror, org: str, by_id: dict[str, Record], also: Collection[str]) -> None:
    """Add what the records belong to: contacts of cases and of converted leads, then the accounts of all."""
    _follow(mirror, org, by_id)
    contacts = {record.contact_id for record in by_id.values() if record.contact_id}
    _add(mirror, org, by_id, {*contacts, *also})
    _add(mirror, org, by_id, {record.account_id for record in by_id.values() if record.account_id})


def _add(mirror: Mirror, org: str, by_id: dict[str, Record], ids: Collection[str]) -> None:
    by_id |= _by_id(mirror.by_ids(org, set(ids).difference(by_id)))
    _follow(mirror, org, by_id)


def _follow(mirror: Mirror, org: str, by_id: dict[str, Record]) -> None:
    """Add what was merged into what, to the end of every chain."""
    found: Collection[Record] = by_id.values()
    while ids := {record.merged_into for record in found if record.merged_into}.difference(by_id):
        found = mirror.by_ids(org, ids)
        by_id |= _by_id(found)


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


def _by_key(records: Collection[Record], keys: set[str], standing: Mapping[str, Record]) -> dict[str, list[Record]]:
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        for key in keys.intersection(record.keys) if record.id in standing else ():
            survivor = standing[record.id]
            found.setdefault(key, {})[survivor.id] = survivor
    return {key: list(records.values()) for key, records in found.items()}


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
        users = [r for r in known.by_key.get(email_key(email) or "", ()) if r.kind is Kind.USER and r.is_open]
        if len(users) == 1:
            return users[0]
    return None
