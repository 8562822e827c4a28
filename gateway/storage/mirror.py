"""The mirror: the few Salesforce fields needed to match, found by identity key, by id, by case or by domain."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, case, delete, func, select, text, union_all
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.domain.records import Kind, Record
from gateway.ports import ChangePage
from gateway.storage.bulk import insert_rows, load_rows
from gateway.storage.columns import Listed, among, unindexed
from gateway.storage.tables import (
    ACTIVE_RELATION,
    OPEN_CASE_OF_ACCOUNT,
    OPEN_CASE_OF_CONTACT,
    cursors,
    record_keys,
    records,
)
from gateway.storage.transactions import Transactions

_CHUNK = 5000
"""Records per statement: enough to be cheap per record, few enough to stay small in memory."""

_fields = (
    records.c.id, records.c.kind, records.c.name, records.c["keys"], records.c.account_id, records.c.contact_id,
    records.c.number, records.c.is_open, records.c.topics, records.c.merged_into, records.c.type, records.c.record_type,
)  # fmt: skip
_of_org = records.c.org == bindparam("of_org")

_by_ids = select(*_fields).where(_of_org, among(records.c.id, bindparam("ids", type_=Listed())))
_by_keys = (
    select(*_fields)
    .join_from(record_keys, records, (records.c.org == record_keys.c.org) & (records.c.id == record_keys.c.record_id))
    .where(record_keys.c.org == bindparam("of_org"), among(record_keys.c.key, bindparam("keys", type_=Listed())))
)
_of_org_too = unindexed(records.c.org) == bindparam("of_org", type_=records.c.org.type)
_open_cases = union_all(
    select(*_fields).where(
        among(records.c.contact_id, bindparam("contacts", type_=Listed())), text(OPEN_CASE_OF_CONTACT), _of_org_too
    ),
    select(*_fields).where(
        among(records.c.account_id, bindparam("accounts", type_=Listed())),
        text(OPEN_CASE_OF_ACCOUNT),
        _of_org_too,
    ),
)
_relations = select(*_fields).where(
    among(records.c.contact_id, bindparam("contacts", type_=Listed())), text(ACTIVE_RELATION), _of_org_too
)
_account = case((records.c.kind == Kind.ACCOUNT.value, records.c.id), else_=records.c.account_id)
_accounts_of_domains = (
    select(record_keys.c.key, _account, func.count())
    .join_from(record_keys, records, (records.c.org == record_keys.c.org) & (records.c.id == record_keys.c.record_id))
    .where(
        record_keys.c.org == bindparam("of_org"),
        among(record_keys.c.key, bindparam("domains", type_=Listed())),
        records.c.kind.in_([Kind.ACCOUNT.value, Kind.CONTACT.value]),
        _account.is_not(None),
    )
    .group_by(record_keys.c.key, _account)
)

_store_new = insert(records)
_store = _store_new.on_conflict_do_update(
    index_elements=["org", "id"],
    set_={column.name: _store_new.excluded[column.name] for column in records.c if not column.primary_key},
)
_delete = delete(records).where(_of_org, among(records.c.id, bindparam("ids", type_=Listed())))
_store_key = insert(record_keys).on_conflict_do_nothing()
_delete_key = delete(record_keys).where(
    record_keys.c.org == bindparam("of_org"),
    record_keys.c.key == bindparam("of_key"),
    record_keys.c.record_id == bindparam("of_record"),
)
_cursors = select(cursors.c.object, cursors.c.cursor).where(cursors.c.org == bindparam("of_org"))
_new_cursor = insert(cursors)
_store_cursor = _new_cursor.on_conflict_do_update(
    index_elements=["org", "object"], set_={"cursor": _new_cursor.excluded.cursor}
)

_unhurried = text("SET LOCAL synchronous_commit = off")
"""A page that a power cut takes with it is read again: its cursors go with it."""


class MirrorTables:
    """The mirrors of all orgs."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def cursors(self, org: str) -> Mapping[str, str]:
        with self._transactions.reading() as connection:
            return {row.object: row.cursor for row in connection.execute(_cursors, {"of_org": org})}

    def apply(self, org: str, page: ChangePage) -> None:
        # The last word on a record counts; in order of id, so that two writers never wait for one another in a circle.
        newest = {record.id: record for record in page.records}
        ids = sorted(newest)
        with self._transactions.writing() as connection:
            if not self._transactions.on_sqlite:
                connection.execute(_unhurried)
            for start in range(0, len(ids), _CHUNK):
                _store_records(connection, org, [newest[id] for id in ids[start : start + _CHUNK]])
            if page.deleted:
                _delete_records(connection, org, page.deleted)
            if page.cursors:
                rows = [{"org": org, "object": name, "cursor": page.cursors[name]} for name in sorted(page.cursors)]
                insert_rows(connection, _store_cursor, rows)

    def by_keys(self, org: str, keys: Collection[str]) -> list[Record]:
        return self._records(_by_keys, {"of_org": org, "keys": keys}) if keys else []

    def by_ids(self, org: str, ids: Collection[str]) -> list[Record]:
        return self._records(_by_ids, {"of_org": org, "ids": ids}) if ids else []

    def open_cases(self, org: str, *, contacts: Collection[str], accounts: Collection[str]) -> list[Record]:
        values = {"of_org": org, "contacts": contacts, "accounts": accounts}
        return self._records(_open_cases, values) if contacts or accounts else []

    def relations(self, org: str, contacts: Collection[str]) -> list[Record]:
        return self._records(_relations, {"of_org": org, "contacts": contacts}) if contacts else []

    def accounts_of_domains(self, org: str, domains: Collection[str]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        if domains:
            with self._transactions.reading() as connection:
                for key, account, count in connection.execute(
                    _accounts_of_domains, {"of_org": org, "domains": domains}
                ):
                    found.setdefault(key, {})[account] = count
        return found

    def _records(self, query: Select[Any] | Any, values: Mapping[str, Any]) -> list[Record]:
        with self._transactions.reading() as connection:
            found = {row.id: _record(row) for row in connection.execute(query, values)}
        return [found[id] for id in sorted(found)]


def _record(row: Row[*tuple[Any, ...]]) -> Record:
    id, kind, name, keys, account_id, contact_id, number, is_open, topics, merged_into, type, record_type = row
    return Record(
        kind=Kind(kind), id=id, name=name, keys=tuple(keys), account_id=account_id, contact_id=contact_id,
        number=number, is_open=is_open, topics=tuple(topics), merged_into=merged_into, type=type,
        record_type=record_type,
    )  # fmt: skip


def _store_records(connection: Connection, org: str, page: Sequence[Record]) -> None:
    known = _known(connection, org, [record.id for record in page])
    changed = [record for record in page if known.get(record.id) != record]
    if not changed:
        return
    _rewrite_keys(connection, org, ((record.id, _keys(known.get(record.id)), set(record.keys)) for record in changed))
    load_rows(connection, _store, [_row(org, record) for record in changed])


def _delete_records(connection: Connection, org: str, ids: Sequence[str]) -> None:
    known = _known(connection, org, sorted(ids))
    _rewrite_keys(connection, org, ((id, set(record.keys), set()) for id, record in known.items()))
    connection.execute(_delete, {"of_org": org, "ids": list(known)})


def _known(connection: Connection, org: str, ids: Sequence[str]) -> dict[str, Record]:
    return {row.id: _record(row) for row in connection.execute(_by_ids, {"of_org": org, "ids": ids})}


def _keys(record: Record | None) -> set[str]:
    return set() if record is None else set(record.keys)


def _rewrite_keys(connection: Connection, org: str, changes: Iterable[tuple[str, set[str], set[str]]]) -> None:
    """Bring the keys of each (record, before, after) up to date, touching only those that differ."""
    gone, new = [], []
    for id, before, after in changes:
        gone += [{"of_org": org, "of_key": key, "of_record": id} for key in before - after]
        new += [{"org": org, "key": key, "record_id": id} for key in after - before]
    if gone:
        connection.execute(_delete_key, gone)
    if new:
        load_rows(connection, _store_key, new)


def _row(org: str, record: Record) -> dict[str, Any]:
    return {
        "org": org,
        "id": record.id,
        "kind": record.kind.value,
        "name": record.name,
        "account_id": record.account_id,
        "contact_id": record.contact_id,
        "number": record.number,
        "is_open": record.is_open,
        "keys": record.keys,
        "topics": record.topics,
        "merged_into": record.merged_into,
        "type": record.type,
        "record_type": record.record_type,
    }
