"""What undecided interactions wait for, and their being woken by what changes in the mirror.

A change must not slip in between the match of an interaction and the storing of what it waits for. Whoever changes
the mirror first gives it its next version and then looks for those who wait; whoever stores what is waited for first
looks, under a lock on that version, whether it is still the one that was matched with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.domain.mending import Change, stirred
from gateway.ports import Search, Settlement
from gateway.storage.bulk import fetch_rows, insert_rows
from gateway.storage.columns import Listed, Moment, among
from gateway.storage.tables import WRITTEN, interactions, mirror_versions, searches

_listed_ids = bindparam("ids", type_=Listed(BigInteger))
_wait = insert(searches).on_conflict_do_nothing()
_done = delete(searches).where(among(searches.c.interaction_id, _listed_ids))
_any = select(searches.c.interaction_id).where(searches.c.org == bindparam("of_org")).limit(1)
_give_up = delete(searches).where(
    searches.c.org == bindparam("of_org"), searches.c.told_at < bindparam("told_before", type_=Moment())
)


def _written_that_wait(condition: ColumnElement[bool]) -> Select[int]:
    """Locked in order of id, as everyone locks interactions; otherwise two could wait for one another."""
    waiting = select(searches.c.interaction_id).where(searches.c.org == bindparam("of_org"), condition)
    those = select(interactions.c.id).where(interactions.c.id.in_(waiting), text(WRITTEN))
    return those.order_by(interactions.c.id).with_for_update()


_concerned = _written_that_wait(among(searches.c.key, bindparam("keys", type_=Listed())))
_young = _written_that_wait(searches.c.told_at >= bindparam("told_after", type_=Moment()))
_doubt = (
    update(interactions)
    .where(among(interactions.c.id, _listed_ids))
    .values(matched_at=literal_column("updated_at - 1"))
)

_version = select(mirror_versions.c.version).where(mirror_versions.c.org == bindparam("of_org"))
_held_version = _version.with_for_update(read=True)
_no_version = insert(mirror_versions).values(org=bindparam("of_org"), version=0).on_conflict_do_nothing()
_new_version = insert(mirror_versions).values(org=bindparam("of_org"), version=1)
_next_version = _new_version.on_conflict_do_update(
    index_elements=["org"], set_={"version": mirror_versions.c.version + 1}
)


def version(connection: Connection, org: str, *, is_held: bool = False) -> int:
    """The version of an org's mirror; if held, it stays so until the transaction ends."""
    query = _held_version if is_held else _version
    found = fetch_rows(connection, query, {"of_org": org})
    if not found and is_held:
        # Only a row can be held. Who makes the first version at the same time is waited for, and told apart by it.
        connection.execute(_no_version, {"of_org": org})
        found = fetch_rows(connection, query, {"of_org": org})
    return found[0][0] if found else 0


def wake(connection: Connection, org: str, changes: Sequence[Change]) -> None:
    """The mirror has changed so: those who wait for something in it are to be matched again."""
    if not changes:
        return
    connection.execute(_next_version, {"of_org": org})
    if are_there(connection, org):
        values = {"of_org": org, "keys": stirred(changes)}
        doubt(connection, connection.execute(_concerned, values).scalars().all())


def wake_all(connection: Connection, org: str, told_after: datetime) -> None:
    """Those who wait and were told of since then are to be matched again."""
    doubt(connection, connection.execute(_young, {"of_org": org, "told_after": told_after}).scalars().all())


def are_there(connection: Connection, org: str) -> bool:
    """Whether anybody waits for anything in the org."""
    return connection.execute(_any, {"of_org": org}).first() is not None


def doubt(connection: Connection, ids: Collection[int]) -> None:
    """Have the interactions matched again as if they had been matched with an older mirror."""
    if ids:
        connection.execute(_doubt, {"ids": ids})


def outdated(connection: Connection, org: str, settlements: Sequence[Settlement]) -> list[int]:
    """Those who are going to wait, but for whom something may have changed since they were matched."""
    waiting = [(one.id, one.search.mirror_version) for one in settlements if one.search and one.search.keys]
    if not waiting:
        return []
    current = version(connection, org, is_held=True)
    return [id for id, matched_with in waiting if matched_with != current]


def store(connection: Connection, org: str, settlements: Sequence[Settlement]) -> None:
    """Store anew what they wait for."""
    told = [(one.id, one.search) for one in settlements if one.search]
    stop(connection, [id for id, _ in told])
    if rows := [row for id, search in told for row in _rows(org, id, search)]:
        insert_rows(connection, _wait, rows)


def stop(connection: Connection, ids: Collection[int]) -> None:
    """They wait for nothing any more."""
    if ids:
        connection.execute(_done, {"ids": ids})


def give_up(connection: Connection, org: str, told_before: datetime) -> int:
    """Have those wait no longer that were last told of before then; how many keys they waited for."""
    return connection.execute(_give_up, {"of_org": org, "told_before": told_before}).rowcount


def _rows(org: str, id: int, search: Search) -> Iterator[dict[str, Any]]:
    for key in search.keys:
        yield {"org": org, "key": key, "interaction_id": id, "told_at": search.told_at}
