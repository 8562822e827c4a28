"""Lanes: who may write the interactions of one, and the fence against those who may no longer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, exists, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT is SQLite's too

from gateway.errors import VersionConflictError
from gateway.ports import Lease
from gateway.storage.columns import Moment
from gateway.storage.tables import lanes

BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00Z")

_free = insert(lanes).values(
    org=bindparam("org"),
    lane=bindparam("lane"),
    owner=bindparam("owner"),
    epoch=1,
    lease_until=bindparam("until"),
)
_lease = _free.on_conflict_do_update(
    index_elements=["org", "lane"],
    set_={"owner": _free.excluded.owner, "epoch": lanes.c.epoch + 1, "lease_until": _free.excluded.lease_until},
    where=lanes.c.lease_until <= bindparam("now", type_=Moment()),
).returning(lanes.c.epoch)

_HELD = (
    lanes.c.org == bindparam("of_org"),
    lanes.c.lane == bindparam("of_lane"),
    lanes.c.epoch == bindparam("of_epoch"),
    lanes.c.lease_until == bindparam("held_until", type_=Moment()),
)
STANDS = exists().where(*_HELD)
"""Whether the lease that a statement is given (see `names`) still stands."""

_check = select(lanes.c.epoch).where(*_HELD).with_for_update()
_release = update(lanes).where(*_HELD).values(lease_until=bindparam("now_free"))


def lease(connection: Connection, org: str, lane: int, *, owner: str, now: datetime, seconds: float) -> Lease | None:
    """The lane under a new epoch, in one statement; None while anybody holds it."""
    until = now + timedelta(seconds=seconds)
    values = {"org": org, "lane": lane, "owner": owner, "until": until, "now": now}
    epoch = connection.execute(_lease, values).scalar_one_or_none()
    return None if epoch is None else Lease(org, lane, epoch, until)


def check(connection: Connection, held: Lease) -> None:
    """Return if the lease still stands, and keep it standing until the transaction ends."""
    if connection.execute(_check, names(held)).one_or_none() is None:
        raise VersionConflictError(f"The lease of lane {held.lane} of {held.org} was lost.")


def keep(connection: Connection, held: Lease) -> None:
    """As `check`, before updates that look themselves: where one writes at a time, there is nothing to keep."""
    if connection.dialect.name != "sqlite":
        check(connection, held)


def release(connection: Connection, held: Lease) -> None:
    """Make the lane free from the beginning of time on."""
    connection.execute(_release, names(held) | {"now_free": BEGINNING})


def free_all(connection: Connection) -> None:
    """Take every lane from whoever held it; only for a process that knows itself to be the only one."""
    connection.execute(update(lanes).values(lease_until=BEGINNING))


def names(held: Lease) -> dict[str, Any]:
    """The lease as statements are given it."""
    return {"of_org": held.org, "of_lane": held.lane, "of_epoch": held.epoch, "held_until": held.until}
