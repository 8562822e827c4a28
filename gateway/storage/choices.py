"""What people decided about identity keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.domain.records import Remembered
from gateway.ports import Lesson
from gateway.storage.columns import Listed, among
from gateway.storage.tables import choices
from gateway.storage.transactions import Transactions

NOTHING_SECONDS = 5.0
"""How long an org about which nothing was remembered is taken for such: most are, and each round would ask."""

_of_org = choices.c.org == bindparam("of_org")
_any = select(choices.c.key).where(_of_org).limit(1)
_of_keys = (
    select(choices)
    .where(_of_org, among(choices.c.key, bindparam("keys", type_=Listed())))
    .order_by(choices.c.key, choices.c.record_id)
)
_new = insert(choices)
_learn = _new.on_conflict_do_update(
    index_elements=["org", "key", "record_id"],
    set_={
        "confirmed": choices.c.confirmed + _new.excluded.confirmed,
        "rejected": choices.c.rejected + _new.excluded.rejected,
        "last_at": _new.excluded.last_at,
    },
)


def learn(connection: Connection, lessons: Sequence[Lesson]) -> None:
    """Add the lessons, in the order of their keys, so that two writers never wait for one another in a circle."""
    for lesson in sorted(lessons, key=lambda one: (one.org, one.key, one.record_id)):
        counts = {"confirmed": int(lesson.is_confirmed), "rejected": int(not lesson.is_confirmed)}
        place = {"org": lesson.org, "key": lesson.key, "record_id": lesson.record_id}
        connection.execute(_learn, place | counts | {"last_at": lesson.at})


class ChoiceTable:
    """The choices of all orgs."""

    def __init__(self, transactions: Transactions, clock: Callable[[], float] = time.monotonic) -> None:
        self._transactions = transactions
        self._clock = clock
        self._empty_until: dict[str, float] = {}

    def remembered(self, org: str, keys: Collection[str]) -> dict[str, list[Remembered]]:
        found: dict[str, list[Remembered]] = {}
        if not keys or self._clock() < self._empty_until.get(org, 0.0):
            return found
        with self._transactions.reading() as connection:
            if connection.execute(_any, {"of_org": org}).first() is None:
                self._empty_until[org] = self._clock() + NOTHING_SECONDS
                return found
            for row in connection.execute(_of_keys, {"of_org": org, "keys": keys}):
                remembered = Remembered(row.record_id, row.confirmed, row.rejected, row.last_at)
                found.setdefault(row.key, []).append(remembered)
        return found
