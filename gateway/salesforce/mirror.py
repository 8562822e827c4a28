"""Reads what changed in the org, in the few fields that matching needs.

Every object is walked in the order of (SystemModstamp, Id). A row can become visible after later rows have been read,
because its stamp is set when it is saved and it is seen when its transaction commits. A row is therefore *settled* only
when it was read a minute of the org's time after its stamp; the next walk starts behind the last settled row and reads
the unsettled ones again. Where a page of them or more has piled up (a bulk load), they are read again once, when they
are old enough.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from gateway.domain.allowance import Purpose
from gateway.domain.identity import case_key, domain_key, email_key, phone_keys
from gateway.domain.records import Kind, Record
from gateway.ports import ChangePage
from gateway.salesforce import soql
from gateway.salesforce.schema import Schema
from gateway.salesforce.session import Session, SubRequest

OVERLAP = timedelta(seconds=60)
"""How long after its stamp a row may still appear."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """How far one object was read: the last row, the last settled row, and how many rows lie between them.

    An empty id stands before all rows of its moment. `loading` until the first walk has met its end; `aged` once the
    rows behind the settled one were all old enough when the org was last asked. `began` is from when on the first walk
    reads what is deleted: that may be a row it has read before.
    """

    at: str = ""
    id: str = ""
    settled_at: str = ""
    settled_id: str = ""
    crowd: int = 0
    aged: bool = False
    loading: bool = True
    began: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> Position:
        """The position a stored cursor describes; the beginning, if there is none."""
        return cls(**json.loads(cursor)) if cursor else cls()

    def cursor(self) -> str:
        """The text to store."""
        return json.dumps(asdict(self), separators=(",", ":"))


class Changes:
    """One walk over all objects that are visible."""

    def __init__(self, session: Session, schema: Schema, region: str) -> None:
        self._session = session
        self._backfill = session.serving(Purpose.BACKFILL)
        self._schema = schema
        self._region = region

    def pages(self, cursors: Mapping[str, str]) -> Iterator[ChangePage]:
        """Everything since the cursors. One call reads a page of each object; further calls only where it was full.

        What a round waits for is read for interactions, a first load for itself.
        """
        columns = self._schema.description().columns
        walks = [_Walk(kind, names, Position.of(cursors.get(kind)), self._region) for kind, names in columns.items()]
        while walks:
            session = self._backfill if any(walk.position.loading for walk in walks) else self._session
            answers = session.composite([SubRequest(w.kind, f"queryAll?q={quote(w.query())}") for w in walks])
            now = self._session.org_time()
            pages = [walk.take(answers[walk.kind]["records"], now) for walk in walks]
            yield ChangePage(
                [record for page in pages for record in page[0]],
                [id for page in pages for id in page[1]],
                {walk.kind.value: walk.position.cursor() for walk in walks},
            )
            walks = [walk for walk in walks if not walk.is_done]


class _Walk:
    """One object's rows, page by page."""

    def __init__(self, kind: Kind, columns: Sequence[str], start: Position, region: str) -> None:
        self.kind = kind
        self.position = start
        self.is_done = False
        self._columns = columns
        self._region = region
        self._loading = start.loading
        self._settling = start.crowd < soql.PAGE or start.aged
        self._next = (start.settled_at, start.settled_id) if self._settling else (start.at, start.id)
        self._crowd = 0 if self._settling else start.crowd

    def query(self) -> str:
        """The statement for the next page."""
        position = self.position
        return soql.changes(self.kind, self._columns, *self._next, is_load=self._loading, began=position.began)

    def take(self, rows: Sequence[Row], now: datetime | None) -> tuple[list[Record], list[str]]:
        """The page's records and deleted ids; moves the position behind it. What was merged away is a record still."""
        self.is_done = len(rows) < soql.PAGE
        self._advance(rows, now)
        read = _READERS[self.kind]
        records = [read(row, self._region) for row in rows if not row.get("IsDeleted")]
        records += [_merged(read(row, self._region), row["MasterRecordId"]) for row in rows if _is_merged(row)]
        return records, [row["Id"] for row in rows if row.get("IsDeleted") and not _is_merged(row)]

    def _advance(self, rows: Sequence[Row], now: datetime | None) -> None:
        settled = self._settled(rows, now)
        old = self.position
        mark = _mark(rows[settled - 1]) if settled else (old.settled_at, old.settled_id)
        if not mark[0] and rows:
            mark = (_mark(rows[0])[0], "")
        self._crowd = self._crowd + len(rows) - settled
        self._next = _mark(rows[-1]) if rows else self._next
        last = max(self._next, (old.at, old.id))
        is_loading = self._loading and not self.is_done
        began = (old.began or _stamp(now)) if is_loading else ""
        self.position = Position(*last, *mark, self._crowd, _is_old(last[0], now), is_loading, began)

    def _settled(self, rows: Sequence[Row], now: datetime | None) -> int:
        """How many rows at the head of the page are settled; none once an unsettled one lies before the page."""
        if not self._settling or self._crowd or not rows:
            return 0
        if _is_old(_mark(rows[-1])[0], now):
            return len(rows)
        return next(index for index, row in enumerate(rows) if not _is_old(_mark(row)[0], now))


def _mark(row: Row) -> tuple[str, str]:
    return row["SystemModstamp"].replace("+0000", "Z"), row["Id"]


def _stamp(now: datetime | None) -> str:
    """The stamp from which on something may have become visible since then."""
    return f"{now.astimezone(UTC) - OVERLAP:%Y-%m-%dT%H:%M:%SZ}" if now else ""


def _is_old(stamp: str, now: datetime | None) -> bool:
    return bool(stamp) and now is not None and datetime.fromisoformat(stamp) <= now.astimezone(UTC) - OVERLAP


# --- rows to records -----------------------------------------------------------------------------------------------

_PHONES = ("Phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone")


def _person_keys(row: Row, region: str) -> tuple[str, ...]:
    keys: list[str | None] = [key for name in _PHONES for key in phone_keys(row.get(name) or "", region)]
    if address := row.get("Email"):
        keys += (email_key(address), domain_key(address))
    return _distinct(keys)


def _distinct(keys: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for key in keys if key))


def _contact(row: Row, region: str) -> Record:
    return Record(
        kind=Kind.CONTACT,
        id=row["Id"],
        name=row.get("Name") or "",
        keys=_person_keys(row, region),
        account_id=row.get("AccountId"),
    )


def _lead(row: Row, region: str) -> Record:
    return Record(
        kind=Kind.LEAD,
        id=row["Id"],
        name=row.get("Name") or "",
        keys=_person_keys(row, region),
        account_id=row.get("ConvertedAccountId"),
        contact_id=row.get("ConvertedContactId"),
        is_open=not row.get("IsConverted"),
    )


def _account(row: Row, region: str) -> Record:
    keys = (*phone_keys(row.get("Phone") or "", region), domain_key(row.get("Website") or ""))
    return Record(kind=Kind.ACCOUNT, id=row["Id"], name=row.get("Name") or "", keys=_distinct(keys))


def _case(row: Row, region: str) -> Record:
    number = row.get("CaseNumber") or ""
    keys = (
        case_key(number),
        *phone_keys(row.get("SuppliedPhone") or "", region),
        email_key(row.get("SuppliedEmail") or ""),
    )
    return Record(
        kind=Kind.CASE,
        id=row["Id"],
        name=" ".join(part for part in (number, row.get("Subject")) if part),
        keys=_distinct(keys),
        account_id=row.get("AccountId"),
        contact_id=row.get("ContactId"),
        number=number or None,
        is_open=not row.get("IsClosed"),
        topics=tuple(topic for name in ("Subject", "Type", "Reason") if (topic := row.get(name))),
    )


def _is_merged(row: Row) -> bool:
    return bool(row.get("IsDeleted") and row.get("MasterRecordId"))


def _merged(loser: Record, survivor: str) -> Record:
    """What is left of a record that was merged away: its id, and a case's number, which is nobody else's.

    A person's numbers and addresses are not: those that still hold are the survivor's own by now, and whoever merged
    the records could not take the others away from it any more.
    """
    number = loser.number
    keys = _distinct([case_key(number)]) if number else ()
    return Record(kind=loser.kind, id=loser.id, name="", keys=keys, number=number, is_open=False, merged_into=survivor)


def _user(row: Row, _region: str) -> Record:
    return Record(
        kind=Kind.USER,
        id=row["Id"],
        name=row.get("Name") or "",
        keys=_distinct((email_key(row.get("Email") or ""),)),
        is_open=bool(row.get("IsActive", True)),
    )


_READERS: Mapping[Kind, Callable[[Row, str], Record]] = {
    Kind.CONTACT: _contact,
    Kind.LEAD: _lead,
    Kind.ACCOUNT: _account,
    Kind.CASE: _case,
    Kind.USER: _user,
}
