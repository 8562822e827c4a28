"""The mirror: the few Salesforce fields needed to match, found by identity key, by id, by case or by domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too
from sqlalchemy.types import NULLTYPE

from gateway.domain.identity import is_domain
from gateway.domain.interactions import clean_text
from gateway.domain.mending import Change
from gateway.domain.records import ACCOUNT, CONTACT, PEOPLE, Kind, Record
from gateway.ports import MOST_COUNTED, MOST_OF_ONE_KEY, ChangePage
from gateway.storage import searches
from gateway.storage.bulk import Query, fetch_rows, insert_rows, load_rows
from gateway.storage.columns import Listed, among, each_of, json_of, unindexed, value_of
from gateway.storage.tables import (
    ACTIVE_RELATION,
    OPEN_CASE_OF_ACCOUNT,
    OPEN_CASE_OF_CONTACT,
    cursors,
    domains,
    record_keys,
    records,
)
from gateway.storage.transactions import Transactions

_CHUNK = 5000
"""Records per statement: enough to be cheap per record, few enough to stay small in memory."""

_fields = tuple(type_coerce(column, NULLTYPE).label(column.name) for column in records.c)
"""A row as the driver has it: what did not change is never read."""

_names: tuple[ColumnElement[Any], ...] = tuple(literal_column(column.name) for column in records.c)
"""The same in few words: what is longer than 4096 characters PostgreSQL's driver reads anew each time."""

_of_org = records.c.org == bindparam("of_org")
_by_ids = select(*_fields).where(_of_org, among(records.c.id, bindparam("ids", type_=Listed())))

_wanted = each_of(bindparam("keys", type_=Listed())).table_valued("value", name="wanted")


def _first_of(key: Column[Any], place: Column[Any]) -> ColumnElement[bool]:
    """The rows of every wanted key, up to so many, in the order of `place`.

    They are a range of the index: what a window function would count is read, and on SQLite nothing is lateral. To be
    joined from the outside: without statistics both databases would begin with all rows of the org.
    """
    table = key.table.alias()
    of_key = (table.c.org == bindparam("of_org")) & (table.c[key.name] == _wanted.c.value)
    places = select(table.c[place.name]).where(of_key).limit(1)
    last_wanted = places.order_by(table.c[place.name]).offset(MOST_OF_ONE_KEY - 1).scalar_subquery()
    last = places.order_by(table.c[place.name].desc()).scalar_subquery()
    is_wanted = (key.table.c.org == bindparam("of_org")) & (key == _wanted.c.value)
    return is_wanted & (place <= func.coalesce(last_wanted, last))


_of_keys = (
    select(record_keys.c.record_id)
    .select_from(_wanted)
    .outerjoin(record_keys, _first_of(record_keys.c.key, record_keys.c.record_id))
    .scalar_subquery()
)
_by_keys = select(*_fields).where(_of_org, among(records.c.id, _of_keys))


def _sharers(prefix: str) -> ColumnElement[int]:
    """How many records of an object, told by what their ids begin with, have a wanted key: a range of the index."""
    last = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    some = (
        select(record_keys.c.record_id)
        .where(record_keys.c.org == bindparam("of_org"), record_keys.c.key == _wanted.c.value)
        .where(record_keys.c.record_id >= prefix, record_keys.c.record_id < last)
        .correlate(_wanted)
        .limit(MOST_COUNTED)
        .subquery()
    )
    return select(func.count()).select_from(some).scalar_subquery()


_sharing = select(_wanted.c.value, *map(_sharers, PEOPLE))
_of_org_too = unindexed(records.c.org) == bindparam("of_org", type_=records.c.org.type)
_accounts_of_domains = (
    select(domains.c.domain, domains.c.account_id, domains.c.records)
    .select_from(_wanted)
    .outerjoin(domains, _first_of(domains.c.domain, domains.c.account_id))
)


_start = union_all(_by_keys, _by_ids).cte("start").prefix_with("MATERIALIZED")


def _where(column: Column[Any], of_start: str, *conditions: Any) -> Any:
    """The records in which the column has the value of another one in what was found first."""
    values = select(_start.c[of_start]).where(_start.c[of_start].is_not(None)).scalar_subquery()
    return select(*_names).select_from(records).where(among(column, values), *conditions)


_around = union_all(
    select(*_start.c),
    _where(records.c.id, "account_id", _of_org),
    _where(records.c.id, "contact_id", _of_org),
    _where(records.c.contact_id, "id", text(ACTIVE_RELATION), _of_org_too),
    _where(records.c.contact_id, "id", text(OPEN_CASE_OF_CONTACT), _of_org_too),
    _where(records.c.account_id, "id", text(OPEN_CASE_OF_ACCOUNT), _of_org_too),
    _where(records.c.account_id, "account_id", text(OPEN_CASE_OF_ACCOUNT), _of_org_too),
)

_delete = delete(records).where(_of_org, among(records.c.id, bindparam("ids", type_=Listed())))
_delete_key = delete(record_keys).where(
    record_keys.c.org == bindparam("of_org"),
    record_keys.c.key == bindparam("of_key"),
    record_keys.c.record_id == bindparam("of_record"),
)
_new_domain = insert(domains)
_count_domain = _new_domain.on_conflict_do_update(
    index_elements=["org", "domain", "account_id"], set_={"records": domains.c.records + _new_domain.excluded.records}
)
_delete_domain = delete(domains).where(
    domains.c.org == bindparam("of_org"),
    domains.c.domain == bindparam("of_domain"),
    domains.c.account_id == bindparam("of_account"),
    domains.c.records == 0,
)
_cursors = select(cursors.c.object, cursors.c.cursor).where(cursors.c.org == bindparam("of_org"))
_new_cursor = insert(cursors)
_store_cursor = _new_cursor.on_conflict_do_update(
    index_elements=["org", "object"], set_={"cursor": _new_cursor.excluded.cursor}
)

_unhurried = text("SET LOCAL synchronous_commit = off")
"""A page that a power cut takes with it is read again: its cursors go with it."""

_in_turn = text("SELECT pg_advisory_xact_lock(:mirror, hashtext(:of_org))")
"""One page of an org at a time: what changed, and by how much, is told by what was there before."""

_MIRROR = 1_836_216_946
"""Our number among PostgreSQL's advisory locks of two numbers."""


class MirrorTables:
    """The mirrors of all orgs."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def cursors(self, org: str) -> Mapping[str, str]:
        with self._transactions.reading() as connection:
            return {row.object: row.cursor for row in connection.execute(_cursors, {"of_org": org})}

    def apply(self, org: str, page: ChangePage) -> None:
        newest = {record.id: record for record in page.records}  # the last word on a record counts
        ids = sorted(newest)  # so that neighbours are written together
        with self._transactions.writing() as connection:
            if not self._transactions.on_sqlite:
                connection.execute(_unhurried)
                connection.execute(_in_turn, {"mirror": _MIRROR, "of_org": org})
            changes: list[Change] = []
            for start in range(0, len(ids), _CHUNK):
                changes += _store_records(connection, org, [newest[id] for id in ids[start : start + _CHUNK]])
            if page.deleted:
                changes += _delete_records(connection, org, page.deleted)
            searches.wake(connection, org, changes)
            if page.cursors:
                rows = [{"org": org, "object": name, "cursor": page.cursors[name]} for name in sorted(page.cursors)]
                insert_rows(connection, _store_cursor, rows)

    def version(self, org: str) -> int:
        with self._transactions.reading() as connection:
            return searches.version(connection, org)

    def around(self, org: str, keys: Collection[str], ids: Collection[str]) -> list[Record]:
        return self._records(_around, {"of_org": org, "keys": keys, "ids": ids}) if keys or ids else []

    def sharing(self, org: str, keys: Collection[str]) -> dict[str, int]:
        if not keys:
            return {}
        with self._transactions.reading() as connection:
            rows = fetch_rows(connection, _sharing, {"of_org": org, "keys": keys})
        return {key: sum(counts) for key, *counts in rows}

    def by_ids(self, org: str, ids: Collection[str]) -> list[Record]:
        return self._records(_by_ids, {"of_org": org, "ids": ids}) if ids else []

    def accounts_of_domains(self, org: str, domains: Collection[str]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        if domains:
            with self._transactions.reading() as connection:
                rows = fetch_rows(connection, _accounts_of_domains, {"of_org": org, "keys": domains})
            for key, account, count in rows:
                if account:
                    found.setdefault(key, {})[account] = count
        return found

    def _records(self, query: Query, values: dict[str, Any]) -> list[Record]:
        with self._transactions.reading() as connection:
            found = {row[1]: row for row in fetch_rows(connection, query, values)}
        return [_record(found[id]) for id in sorted(id for id in found if id)]


# --- records and rows ----------------------------------------------------------------------------------------------

_Stored = tuple[Any, ...]
"""The values of a row of `mirror_records`, in the order of its columns, as a driver takes and gives them."""


def _stored(org: str, record: Record) -> _Stored:
    return (
        org, record.id, _NAMES[record.kind], clean_text(record.name), record.account_id, record.contact_id,
        record.number and clean_text(record.number), record.is_open, _text_of(record.keys), _text_of(record.topics),
        record.merged_into, record.type and clean_text(record.type), record.record_type,
    )  # fmt: skip


@lru_cache(maxsize=16384)
def _record(stored: _Stored) -> Record:
    """The same crowds, accounts and agents are asked for again and again."""
    _, id, kind, name, account_id, contact_id, number, is_open, keys, topics, merged_into, type, record_type = stored
    return Record(
        kind=_KINDS[kind], id=id, name=name, keys=_listed(keys), account_id=account_id, contact_id=contact_id,
        number=number, is_open=bool(is_open), topics=_listed(topics), merged_into=merged_into, type=type,
        record_type=record_type,
    )  # fmt: skip


def _text_of(values: tuple[str, ...]) -> str:
    return json_of(values) if values else _NOTHING


def _listed(stored: str) -> tuple[str, ...]:
    return () if stored == _NOTHING else tuple(value_of(stored))


_NOTHING = "[]"

_NAMES: Mapping[Kind, str] = {kind: kind.value for kind in Kind}
_KINDS: Mapping[str, Kind] = {name: kind for kind, name in _NAMES.items()}
"""A page has thousands of rows: to ask the enumeration takes several times as long."""


def _shown(records: Collection[Record]) -> tuple[set[tuple[str, str]], Counter[tuple[str, str]]]:
    """Under which keys the records stand; and how many of them show a domain, with the account they speak for."""
    keys: set[tuple[str, str]] = set()
    domains: Counter[tuple[str, str]] = Counter()
    for record in records:
        speaks_for = record.id if record.kind is ACCOUNT else record.account_id
        for key in dict.fromkeys(record.keys):
            if not is_domain(key):
                keys.add((key, record.id))
            elif speaks_for and record.kind in _SPEAKING:
                domains[key, speaks_for] += 1
    return keys, domains


_SPEAKING = frozenset({ACCOUNT, CONTACT})


# --- statements of one page ----------------------------------------------------------------------------------------


def _store_records(connection: Connection, org: str, page: Sequence[Record]) -> list[Change]:
    """Store the page; (before, after) of each record that changed."""
    known = _known(connection, org, [record.id for record in page])
    rows = {record.id: _stored(org, record) for record in page}
    changed = [record for record in page if known.get(record.id) != rows[record.id]]
    if not changed:
        return []
    before = [_record(known[record.id]) for record in changed if record.id in known]
    _remove(connection, org, before)
    load_rows(connection, records, [rows[record.id] for record in changed])
    _index(connection, org, before, changed)
    were = {record.id: record for record in before}
    return [(were.get(record.id), record) for record in changed]


def _delete_records(connection: Connection, org: str, ids: Sequence[str]) -> list[Change]:
    """Delete the records; (before, None) of each that was there."""
    before = [_record(stored) for stored in _known(connection, org, ids).values()]
    _remove(connection, org, before)
    _index(connection, org, before, [])
    return [(record, None) for record in before]


def _known(connection: Connection, org: str, ids: Sequence[str]) -> dict[str, _Stored]:
    return {row[1]: row for row in fetch_rows(connection, _by_ids, {"of_org": org, "ids": ids})}


def _remove(connection: Connection, org: str, gone: Sequence[Record]) -> None:
    if gone:
        connection.execute(_delete, {"of_org": org, "ids": [record.id for record in gone]})


def _index(connection: Connection, org: str, before: Sequence[Record], after: Sequence[Record]) -> None:
    """Bring keys and counts up to date where they differ."""
    (keys_before, shown_before), (keys_after, counts) = _shown(before), _shown(after)
    if gone := keys_before - keys_after:
        connection.execute(_delete_key, [{"of_org": org, "of_key": key, "of_record": id} for key, id in sorted(gone)])
    if new := keys_after - keys_before:
        load_rows(connection, record_keys, [(org, key, id) for key, id in sorted(new)])
    counts.subtract(shown_before)
    _count(connection, org, {place: count for place, count in counts.items() if count})


def _count(connection: Connection, org: str, changes: Mapping[tuple[str, str], int]) -> None:
    """Add to the numbers of records that show a domain."""
    if changes:
        ordered = sorted(changes)
        rows = [{"org": org, "domain": name, "account_id": id, "records": changes[name, id]} for name, id in ordered]
        insert_rows(connection, _count_domain, rows)
    if fewer := sorted(place for place, count in changes.items() if count < 0):
        connection.execute(_delete_domain, [{"of_org": org, "of_domain": name, "of_account": id} for name, id in fewer])
