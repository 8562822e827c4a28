"""What is known of the contacts of a sync: which are linked, who is not, how far each side was read, what was lost.

A contact that is told of makes due what it concerns, in the transaction that stores the page it came with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.domain.brakes import Stop
from gateway.domain.contacts import ContactRecord, Side
from gateway.domain.pairing import Known, Pairing
from gateway.domain.sync import Choice, Ended, Link, Loss, contested
from gateway.domain.undo import Change
from gateway.errors import VersionConflictError
from gateway.ports import MOST_OF_ONE_KEY, StoredLoss, Stray
from gateway.sdk.contacts import ContactPage
from gateway.sdk.pulling import Cursor
from gateway.storage import link_rows
from gateway.storage.bulk import Given, insert_rows, update_rows
from gateway.storage.columns import Json, Listed, Moment, among, each_of, json_of
from gateway.storage.link_rows import ID_COLUMNS, LINK_COLUMNS, link_of, link_row
from gateway.storage.tables import (
    ACTIVE_LINK,
    DUE,
    IN_QUESTION,
    UNSETTLED,
    sync_changes,
    sync_keys,
    sync_links,
    sync_losses,
    sync_pairs,
    sync_strays,
)
from gateway.storage.transactions import Transactions

_BEARS = "bears:"
"""Stands before the id of its counterpart that a contact bears, among its keys."""

_BY_ID = {side: sync_links.c[column] for side, column in ID_COLUMNS.items()}
_SEEN = {side: sync_links.c[f"{side.value}_seen"] for side in Side}
_IDS = bindparam("ids", type_=Listed())
_KEYS = bindparam("keys", type_=Listed())

# --- links

_of_pair = sync_links.c.pair == bindparam("of_pair")
_columns = select(
    sync_links.c.id, sync_links.c.version, *(sync_links.c[name] for name in LINK_COLUMNS)
)  # fmt: skip
_page = _columns.where(_of_pair, sync_links.c.id > bindparam("after")).order_by(sync_links.c.id)
_is_free = or_(sync_links.c.not_before.is_(None), sync_links.c.not_before <= bindparam("now", type_=Moment()))
_due = _page.where(text(DUE), _is_free).limit(bindparam("limit"))
_unsettled = _page.where(text(f"({UNSETTLED})")).limit(bindparam("limit"))
_active = select(func.count()).where(_of_pair, text(ACTIVE_LINK))
_some_active = select(sync_links.c.id).where(_of_pair, text(ACTIVE_LINK)).limit(bindparam("most", type_=BigInteger()))
_active_up_to = select(func.count()).select_from(_some_active.subquery())
_at = _columns.where(_of_pair, among(sync_links.c.id, bindparam("ids", type_=Listed(BigInteger)))).order_by(
    sync_links.c.id
)
_linked = {side: _columns.where(_of_pair, among(column, _IDS)) for side, column in _BY_ID.items()}
_held = {
    side: select(sync_links.c.id, column).where(_of_pair, among(column, _IDS)) for side, column in _BY_ID.items()
}  # fmt: skip
_befall = update(sync_links).values(version=sync_links.c.version + 1, is_due=True)
_befall_by_id = {side: _befall.where(_of_pair, among(column, _IDS)) for side, column in _BY_ID.items()}
_tell_of = {
    side: statement.values(
        {_SEEN[side]: func.coalesce(bindparam("listing", type_=Text()), _SEEN[side])}
    ).returning(_BY_ID[side])
    for side, statement in _befall_by_id.items()
}  # fmt: skip
_befall_unseen = {
    side: _befall.where(_of_pair, column.is_not(None), _SEEN[side].is_distinct_from(bindparam("listing")))
    for side, column in _BY_ID.items()
}
_add = insert(sync_links).values(
    pair=bindparam("pair"), version=0, is_due=True,
    **{name: bindparam(name) for name in LINK_COLUMNS},
).on_conflict_do_nothing()  # fmt: skip
_stored = (
    select(sync_links.c.id, sync_links.c.version, sync_links.c.is_due, sync_links.c.choices, *_BY_ID.values())
    .where(among(sync_links.c.id, bindparam("ids", type_=Listed(BigInteger))))
    .order_by(sync_links.c.id)
    .with_for_update()
)
_let_go = {
    side: update(sync_links)
    .where(among(sync_links.c.id, bindparam("ids", type_=Listed(BigInteger))))
    .values({column: None})
    for side, column in _BY_ID.items()
}
_stay_due = (
    update(sync_links).where(among(sync_links.c.id, bindparam("ids", type_=Listed(BigInteger)))).values(is_due=True)
)
_part = (
    update(sync_links)
    .where(among(sync_links.c.id, bindparam("ids", type_=Listed(BigInteger))))
    .values(dict.fromkeys((*ID_COLUMNS.values(), "intent", "problems", "not_before")))
    .values(ended=Ended.PARTED.value, is_due=False)
)
_given = Given(
    row_id=BigInteger(), is_due=Boolean(), **{name: sync_links.c[name].type for name in LINK_COLUMNS},
)  # fmt: skip
_save = (
    update(sync_links)
    .where(sync_links.c.id == _given.row_id)
    .values({name: getattr(_given, name) for name in _given.types if name != "row_id"})
)
_in_conflict = (
    select(sync_links.c.conflicts, sync_links.c.choices)
    .where(sync_links.c.id == bindparam("row_id"), _of_pair)
    .with_for_update()
)
_choose = _befall.where(sync_links.c.id == bindparam("row_id")).values(choices=bindparam("chosen"))

# --- strays

_stray_columns = select(*(sync_strays.c[name] for name in ("side", "id", "record", "question", "answer")))
_OF_SIDE = (sync_strays.c.pair == bindparam("of_pair"), sync_strays.c.side == bindparam("of_side"))
_strays_by_id = _stray_columns.where(*_OF_SIDE, among(sync_strays.c.id, _IDS))
_stray_page = (
    _stray_columns.where(*_OF_SIDE, sync_strays.c.id > bindparam("after"))
    .order_by(sync_strays.c.id)
    .limit(bindparam("limit"))
)
_due_strays = _stray_page.where(text(DUE))
_in_question = _stray_page.where(text(IN_QUESTION))
_new_stray = insert(sync_strays).values(
    pair=bindparam("pair"), side=bindparam("side"), id=bindparam("id"), record=bindparam("record"),
    is_question=False, is_due=True, seen=bindparam("seen"),
)  # fmt: skip
_take_stray = _new_stray.on_conflict_do_update(
    index_elements=["pair", "side", "id"],
    set_={
        "record": _new_stray.excluded.record,
        "is_due": _new_stray.excluded.is_due,
        "seen": func.coalesce(_new_stray.excluded.seen, sync_strays.c.seen),
    },
)
_no_strays = delete(sync_strays).where(*_OF_SIDE, among(sync_strays.c.id, _IDS))
_asked = Given(of_pair=Text(), of_side=Text(), stray_id=Text(), question=Json(), is_question=Boolean())
_ask = (
    update(sync_strays)
    .where(
        sync_strays.c.pair == _asked.of_pair, sync_strays.c.side == _asked.of_side, sync_strays.c.id == _asked.stray_id,
    )
    .values(question=_asked.question, is_question=_asked.is_question, is_due=False)
)  # fmt: skip
_answer = (
    update(sync_strays)
    .where(*_OF_SIDE, sync_strays.c.id == bindparam("stray_id"))
    .values(answer=bindparam("said"), is_due=True)
)

_ALL_DUE = (_befall.where(_of_pair), update(sync_strays).where(_OF_SIDE[0]).values(is_due=True))
_COUNTS = {
    "linked": _active,
    "unsettled": select(func.count()).where(_of_pair, text(f"({UNSETTLED})")),
    "due": select(func.count()).where(_of_pair, text(DUE)),
    "questions": select(func.count()).where(_OF_SIDE[0], text(IN_QUESTION)),
    "due_strays": select(func.count()).where(_OF_SIDE[0], text(DUE)),
}

# --- keys

_wanted = each_of(_KEYS).table_valued("value", name="wanted")
_KEYS_OF_SIDE = (sync_keys.c.pair == bindparam("of_pair"), sync_keys.c.side == bindparam("of_side"))
_keys_of = select(sync_keys.c.contact_id, sync_keys.c.key).where(*_KEYS_OF_SIDE, among(sync_keys.c.contact_id, _IDS))
_add_key = (
    insert(sync_keys).values({column.name: bindparam(column.name) for column in sync_keys.c}).on_conflict_do_nothing()
)
_no_key = delete(sync_keys).where(
    *_KEYS_OF_SIDE, sync_keys.c.key == bindparam("of_key"), sync_keys.c.contact_id == bindparam("of_contact")
)
_concerned = union_all(
    # Joined from the outside: without statistics PostgreSQL would look for all keys in each row of the side.
    select(sync_keys.c.contact_id)
    .select_from(_wanted)
    .outerjoin(sync_keys, and_(*_KEYS_OF_SIDE, sync_keys.c.key == _wanted.c.value)),
    select(each_of(_IDS).table_valued("value").c.value),
).scalar_subquery()
_stir = (
    update(sync_strays).where(*_OF_SIDE, text("NOT is_due"), among(sync_strays.c.id, _concerned)).values(is_due=True)
)


def _forgetting(condition: ColumnElement[bool]) -> tuple[Any, Any]:
    """Statements by which strays go, their keys first."""
    ids = select(sync_strays.c.id).where(*_OF_SIDE, condition).scalar_subquery()
    return (
        delete(sync_keys).where(*_KEYS_OF_SIDE, among(sync_keys.c.contact_id, ids)),
        delete(sync_strays).where(*_OF_SIDE, condition),
    )


_forget = _forgetting(among(sync_strays.c.id, _IDS))
_forget_unseen = _forgetting(sync_strays.c.seen.is_distinct_from(bindparam("listing")))


def _is_known(side: Side, id: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a contact is a stray, or in a link that has not ended, or is being written.

    Not by EXISTS: without statistics PostgreSQL would read all strays and links for it.
    """
    of_side = (sync_strays.c.pair == bindparam("of_pair"), sync_strays.c.side == side.value)
    stray = select(sync_strays.c.id).where(*of_side, sync_strays.c.id == id)
    link = select(_BY_ID[side]).where(
        _of_pair, _BY_ID[side] == id, or_(sync_links.c.ended.is_(None), sync_links.c.intent.is_not(None))
    )
    return or_(stray.scalar_subquery().is_not(None), link.scalar_subquery().is_not(None))


def _sharing(side: Side) -> Select[Any]:
    """The first 50 contacts of each wanted key, as a range of the index: a shared key costs no more than others."""
    inner = sync_keys.alias()
    own = and_(
        inner.c.pair == bindparam("of_pair"), inner.c.side == side.value, inner.c.key == _wanted.c.value
    )  # fmt: skip
    known = select(inner.c.contact_id).where(own).correlate(_wanted).limit(1)
    last_wanted = known.where(_is_known(side, inner.c.contact_id)).order_by(inner.c.contact_id)
    last = known.order_by(inner.c.contact_id.desc())
    upto = func.coalesce(last_wanted.offset(MOST_OF_ONE_KEY - 1).scalar_subquery(), last.scalar_subquery())
    place = and_(
        sync_keys.c.pair == bindparam("of_pair"), sync_keys.c.side == side.value, sync_keys.c.key == _wanted.c.value,
        sync_keys.c.contact_id <= upto,
    )  # fmt: skip
    return select(_wanted.c.value, sync_keys.c.contact_id).select_from(_wanted).outerjoin(sync_keys, place)


_sharing_of = {side: _sharing(side) for side in Side}

# --- losses, changes and pairs

_lose = insert(sync_losses).values(
    {name: bindparam(name) for name in ("pair", "link_id", "digest", "loss")}
).on_conflict_do_nothing()  # fmt: skip
_new_change = insert(sync_changes).values(
    {name: bindparam(name) for name in ("run_id", "link_id", "side", "change")}
)  # fmt: skip
_change = _new_change.on_conflict_do_update(
    index_elements=["run_id", "link_id", "side"], set_={"change": _new_change.excluded.change}
)
_lost = (
    select(sync_losses.c.id, sync_losses.c.link_id, sync_losses.c.loss)
    .where(sync_losses.c.pair == bindparam("of_pair"), sync_losses.c.id < bindparam("before", type_=BigInteger()))
    .order_by(sync_losses.c.id.desc())
    .limit(bindparam("limit"))
)
_of_whole_pair = sync_pairs.c.pair == bindparam("of_pair")
_CURSOR = {side: sync_pairs.c[f"{side.value}_cursor"] for side in Side}
_NEWEST = 2**63 - 1

_in_turn = text("SELECT pg_advisory_xact_lock(:number, hashtext(:of_pair))")
"""One change of a pair's contacts at a time: what is due and who has which keys is told by what was there before."""

_PAIRS = 1_836_216_947
"""Our number among PostgreSQL's advisory locks of two numbers."""


class LinkTables:
    """The links and strays of all pairs."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    # --- what the sides tell

    def adopt(self, pair: str, rules: str) -> None:
        before = self._of_pair(pair, sync_pairs.c.rules)
        if before == rules:
            return
        with self._transactions.writing() as connection:
            self._wait_for_turn(connection, pair)
            for statement in _ALL_DUE if before else ():
                connection.execute(statement, {"of_pair": pair})
            _store_of_pair(connection, pair, sync_pairs.c.rules, rules)

    def cursor(self, pair: str, side: Side) -> Cursor | None:
        found: Cursor | None = self._of_pair(pair, _CURSOR[side])
        return found

    def take_in(self, pair: str, side: Side, page: ContactPage, keys: Mapping[str, Collection[str]]) -> None:
        newest = {record.id: record for record in page.records}
        with self._transactions.writing() as connection:
            self._wait_for_turn(connection, pair)
            linked = _tell_links(connection, pair, side, page)
            _forget_strays(connection, pair, side, [id for id, record in newest.items() if record.is_gone])
            living = [newest[id] for id in sorted(newest) if not newest[id].is_gone]
            own = {record.id: _own_keys(record, keys[record.id]) for record in living}
            before = _store_keys(connection, pair, side, own)
            strays = [record for record in living if record.id not in linked]
            insert_rows(connection, _take_stray, [_stray_row(pair, side, each, page.listing) for each in strays])
            _stir_strays(
                connection, pair, living, {key for each in (own, before) for of in each.values() for key in of}
            )
            if page.ends:
                _end_listing(connection, pair, side, page.listing)
            if page.cursor is not None:
                _store_of_pair(connection, pair, _CURSOR[side], page.cursor)

    # --- links

    def due(self, pair: str, *, now: datetime, after: int = 0, limit: int) -> Sequence[Link]:
        return self._links(_due, of_pair=pair, now=now, after=after, limit=limit)

    def unsettled(self, pair: str, *, after: int = 0, limit: int) -> Sequence[Link]:
        return self._links(_unsettled, of_pair=pair, after=after, limit=limit)

    def linked(self, pair: str, side: Side, ids: Collection[str]) -> Mapping[str, Link]:
        return {link.ids[side]: link for link in self._links(_linked[side], of_pair=pair, ids=ids)} if ids else {}

    def add(self, pair: str, links: Sequence[Link]) -> Sequence[Link]:
        rows = [{"pair": pair, **link_row(link)} for link in links]
        with self._transactions.writing() as connection:
            self._wait_for_turn(connection, pair)
            if insert_rows(connection, _add, rows) != len(rows):
                raise VersionConflictError("A contact is linked already.")
            _join(connection, pair, links)
            keys = _keys_of_links(connection, pair, links)
        return [replace(link, key=key, version=0) for link, key in zip(links, keys, strict=True)]

    def save(
        self, pair: str, links: Sequence[Link], losses: Mapping[int, Sequence[Loss]], *, due: Collection[int],
        run: int | None = None, changes: Sequence[Change] = (),
    ) -> Collection[int]:  # fmt: skip
        if not links:
            return ()
        told = {link.key: link for link in links}
        with self._transactions.writing() as connection:
            self._wait_for_turn(connection, pair)
            rows = connection.execute(_stored, {"ids": sorted(told)}).all()
            refused = contested(links, _holders(connection, pair, rows, told))
            if refused:
                connection.execute(_stay_due, {"ids": sorted(refused)})
            kept = [row for row in rows if row.id not in refused]
            _free_ids(connection, kept, told)
            update_rows(connection, _save, _given, [_saved_row(row, told[row.id], due) for row in kept])
            lost = [(key, loss) for key, all_of in losses.items() if key not in refused for loss in all_of]
            insert_rows(connection, _lose, [_loss_row(pair, key, loss) for key, loss in lost])
            wrote = [link_rows.change_row(run, c) for c in changes if run is not None and c.link not in refused]
            insert_rows(connection, _change, wrote)
            _join(connection, pair, [link for link in links if link.key not in refused])
        return refused

    def choose(self, pair: str, key: int, field: str, choice: Choice) -> bool:
        with self._transactions.writing() as connection:
            row = connection.execute(_in_conflict, {"of_pair": pair, "row_id": key}).one_or_none()
            if row is None or field not in (row.conflicts or {}):
                return False
            chosen = (row.choices or {}) | (link_rows.choices_json({field: choice}) or {})
            connection.execute(_choose, {"row_id": key, "chosen": chosen})
            return True

    def active(self, pair: str, most: int | None = None) -> int:
        with self._transactions.reading() as connection:
            values = {"of_pair": pair, "most": _NEWEST if most is None else most}
            count: int = connection.execute(_active_up_to, values).scalar_one()
        return count

    def due_count(self, pair: str) -> int:
        return sum(self._counted(pair, "due", "due_strays").values())

    def counts(self, pair: str) -> Mapping[str, int]:
        return self._counted(pair, *_COUNTS)

    def at(self, pair: str, keys: Collection[int]) -> Sequence[Link]:
        return self._links(_at, of_pair=pair, ids=keys) if keys else []

    def lost(self, pair: str, *, before: int | None = None, limit: int = 50) -> Sequence[StoredLoss]:
        values = {"of_pair": pair, "before": _NEWEST if before is None else before, "limit": limit}
        with self._transactions.reading() as connection:
            return [
                StoredLoss(id, link, link_rows.loss_of(told)) for id, link, told in connection.execute(_lost, values)
            ]

    # --- strays

    def strays(self, pair: str, side: Side, *, after: str = "", limit: int) -> Sequence[Stray]:
        return self._strays(_due_strays, of_pair=pair, of_side=side.value, after=after, limit=limit)

    def stray(self, pair: str, side: Side, id: str) -> Stray | None:
        return next(iter(self._strays(_strays_by_id, of_pair=pair, of_side=side.value, ids=[id])), None)

    def in_question(self, pair: str, side: Side, *, after: str = "", limit: int) -> Sequence[Stray]:
        return self._strays(_in_question, of_pair=pair, of_side=side.value, after=after, limit=limit)

    def known(self, pair: str, side: Side, keys: Collection[str]) -> Mapping[str, Sequence[Known]]:
        if not keys:
            return {}
        bearing = {f"{_BEARS}{key}": key for key in keys}
        with self._transactions.reading() as connection:
            rows = connection.execute(_sharing_of[side], {"of_pair": pair, "keys": [*keys, *bearing]}).all()
        places = {(key, key) for key in keys} | {(key, id) for key, id in rows if id is not None}
        people = self._people(pair, side, {id for _, id in places})
        found: dict[str, list[Known]] = {}
        for key, id in sorted(places):
            who = people.get(id)
            # What a linked one bears says nothing: the link does.
            if who and not (who.is_linked and key in bearing):
                found.setdefault(bearing.get(key, key), []).append(who)
        return {key: _first(all_of) for key, all_of in found.items()}

    def part(self, pair: str, questions: Mapping[int, Pairing]) -> None:
        if not questions:
            return
        strays = [_stray_row(pair, each.side, each.record, None) for each in questions.values()]
        with self._transactions.writing() as connection:
            self._wait_for_turn(connection, pair)
            connection.execute(_part, {"ids": list(questions)})
            insert_rows(connection, _take_stray, strays)
            update_rows(connection, _ask, _asked, [_asked_row(pair, each) for each in questions.values()])

    def ask(self, pair: str, questions: Sequence[Pairing]) -> None:
        with self._transactions.writing() as connection:
            update_rows(connection, _ask, _asked, [_asked_row(pair, each) for each in questions])

    def answer(self, pair: str, side: Side, id: str, other_id: str) -> bool:
        values = {"of_pair": pair, "of_side": side.value, "stray_id": id, "said": other_id}
        with self._transactions.writing() as connection:
            return connection.execute(_answer, values).rowcount > 0

    # --- the pair

    def stop(self, pair: str) -> Stop | None:
        told = self._of_pair(pair, sync_pairs.c.stop)
        return link_rows.stop_of(told) if told else None

    def set_stop(self, pair: str, stop: Stop | None) -> None:
        with self._transactions.writing() as connection:
            _store_of_pair(connection, pair, sync_pairs.c.stop, link_rows.stop_json(stop) if stop else None)

    # --- inside

    def _wait_for_turn(self, connection: Connection, pair: str) -> None:
        if not self._transactions.on_sqlite:
            connection.execute(_in_turn, {"number": _PAIRS, "of_pair": pair})

    def _links(self, query: Select[Any], **values: Any) -> list[Link]:
        with self._transactions.reading() as connection:
            return [link_of(row) for row in connection.execute(query, values)]

    def _strays(self, query: Select[Any], **values: Any) -> list[Stray]:
        with self._transactions.reading() as connection:
            return [link_rows.stray_of(row) for row in connection.execute(query, values)]

    def _counted(self, pair: str, *names: str) -> dict[str, int]:
        with self._transactions.reading() as connection:
            return {name: connection.execute(_COUNTS[name], {"of_pair": pair}).scalar_one() for name in names}

    def _of_pair(self, pair: str, column: Column[Any]) -> Any:
        with self._transactions.reading() as connection:
            return connection.execute(select(column).where(_of_whole_pair), {"of_pair": pair}).scalar_one_or_none()

    def _people(self, pair: str, side: Side, ids: Collection[str]) -> dict[str, Known]:
        """The contacts that are known by their ids; strays are read first, since they become links."""
        strays = self._strays(_strays_by_id, of_pair=pair, of_side=side.value, ids=ids)
        links = self.linked(pair, side, ids)
        return {stray.record.id: Known(stray.record) for stray in strays} | {
            id: _as_known(link, side) for id, link in links.items() if not link.ended or link.intent
        }


def _as_known(link: Link, side: Side) -> Known:
    waits = side.other not in link.ids or bool(link.intent and link.intent.created)
    record = ContactRecord(id=link.ids[side], values=link.base.get(side, {}))
    return Known(record, is_linked=True, is_waiting=waits)


def _first(people: Iterable[Known]) -> list[Known]:
    by_id = {known.record.id: known for known in people}
    return [by_id[id] for id in sorted(by_id)][:MOST_OF_ONE_KEY]


# --- statements of one page ----------------------------------------------------------------------------------------


def _tell_links(connection: Connection, pair: str, side: Side, page: ContactPage) -> set[str]:
    """Links of the contacts, and of those that they were merged into, are due; which contacts are linked."""
    if merged := [record.merged_into for record in page.records if record.merged_into]:
        connection.execute(_befall_by_id[side], {"of_pair": pair, "ids": merged})
    ids = [record.id for record in page.records]
    if not ids:
        return set()
    values = {"of_pair": pair, "ids": ids, "listing": page.listing}
    return set(connection.execute(_tell_of[side], values).scalars())


def _forget_strays(connection: Connection, pair: str, side: Side, ids: Collection[str]) -> None:
    for statement in _forget if ids else ():
        connection.execute(statement, {"of_pair": pair, "of_side": side.value, "ids": ids})


def _own_keys(record: ContactRecord, keys: Iterable[str]) -> set[str]:
    return {*keys, f"{_BEARS}{record.other_id}"} if record.other_id else set(keys)


def _store_keys(
    connection: Connection, pair: str, side: Side, own: Mapping[str, Collection[str]]
) -> dict[str, list[str]]:
    """Bring the keys of contacts up to date where they differ; those that they had, by id."""
    before: dict[str, list[str]] = {}
    if own:
        for id, key in connection.execute(_keys_of, {"of_pair": pair, "of_side": side.value, "ids": list(own)}):
            before.setdefault(id, []).append(key)
    were = {(key, id) for id, keys in before.items() for key in keys}
    are = {(key, id) for id, keys in own.items() for key in keys}
    if gone := sorted(were - are):
        names = {"of_pair": pair, "of_side": side.value}
        connection.execute(_no_key, [names | {"of_key": key, "of_contact": id} for key, id in gone])
    new = [{"pair": pair, "side": side.value, "key": key, "contact_id": id} for key, id in sorted(are - were)]
    insert_rows(connection, _add_key, new)
    return before


def _stray_row(pair: str, side: Side, record: ContactRecord, listing: str | None) -> dict[str, Any]:
    told = link_rows.record_json(record)
    return {"pair": pair, "side": side.value, "id": record.id, "record": told, "seen": listing}


def _asked_row(pair: str, question: Pairing) -> dict[str, Any]:
    return {
        "of_pair": pair, "of_side": question.side.value, "stray_id": question.record.id,
        "question": link_rows.pairing_json(question), "is_question": question.is_question,
    }  # fmt: skip


def _stir_strays(connection: Connection, pair: str, told: Sequence[ContactRecord], keys: set[str]) -> None:
    """Strays of either side that share a key or an id with what was told are due."""
    ids = {id for record in told for id in (record.id, record.other_id) if id}
    every = [*keys, *(f"{_BEARS}{id}" for id in ids)]
    for side in Side if told else ():
        connection.execute(_stir, {"of_pair": pair, "of_side": side.value, "keys": every, "ids": ids})


def _end_listing(connection: Connection, pair: str, side: Side, listing: str | None) -> None:
    connection.execute(_befall_unseen[side], {"of_pair": pair, "listing": listing})
    for statement in _forget_unseen:
        connection.execute(statement, {"of_pair": pair, "of_side": side.value, "listing": listing})


def _store_of_pair(connection: Connection, pair: str, column: Column[Any], value: Any) -> None:
    new = insert(sync_pairs).values({"pair": pair, column.name: value})
    kept = new.on_conflict_do_update(index_elements=["pair"], set_={column.name: new.excluded[column.name]})
    connection.execute(kept)


# --- statements of links -------------------------------------------------------------------------------------------


def _join(connection: Connection, pair: str, links: Sequence[Link]) -> None:
    """Whom links join is no stray; the keys stay."""
    for side in Side:
        if ids := [link.ids[side] for link in links if side in link.ids]:
            connection.execute(_no_strays, {"of_pair": pair, "of_side": side.value, "ids": ids})


def _keys_of_links(connection: Connection, pair: str, links: Sequence[Link]) -> list[int]:
    """The keys of links just stored, in their order."""
    keys: dict[tuple[Side, str], int] = {}
    for side in Side:
        ids = [link.ids[side] for link in links if side in link.ids]
        rows = connection.execute(_linked[side], {"of_pair": pair, "ids": ids})
        keys |= {(side, getattr(row, ID_COLUMNS[side])): row.id for row in rows}
    return [keys[next(iter(link.ids.items()))] for link in links]


def _holders(
    connection: Connection, pair: str, rows: Sequence[Any], told: Mapping[int, Link]
) -> dict[tuple[Side, str], int]:
    """Which link joins each contact that one of these joins so far, or is to join now."""
    holders = {(side, getattr(row, column)): row.id for side, column in ID_COLUMNS.items() for row in rows}
    for side in Side:
        wanted = [id for link in told.values() if (id := link.ids.get(side)) and (side, id) not in holders]
        for key, id in connection.execute(_held[side], {"of_pair": pair, "ids": wanted}) if wanted else ():
            holders[side, id] = key
    return holders


def _free_ids(connection: Connection, rows: Sequence[Any], told: Mapping[int, Link]) -> None:
    """Let links go of contacts that they join no more, before others of the same call take them."""
    for side, column in ID_COLUMNS.items():
        if changed := [row.id for row in rows if getattr(row, column) not in (None, told[row.id].ids.get(side))]:
            connection.execute(_let_go[side], {"ids": changed})


def _saved_row(stored: Any, link: Link, due: Collection[int]) -> dict[str, Any]:
    """The link as it is kept; to what befell it since it was given out it is still due, with people's choices."""
    row = {"row_id": stored.id, **link_row(link), "is_due": link.key in due}
    if stored.version != link.version:
        choices = (stored.choices or {}) | (row["choices"] or {})
        row |= {"choices": choices or None, "is_due": stored.is_due}
    return row


def _loss_row(pair: str, key: int, loss: Loss) -> dict[str, Any]:
    told = link_rows.loss_json(loss)
    digest = sha256(json_of(told).encode()).hexdigest()
    return {"pair": pair, "link_id": key, "digest": digest, "loss": told}
