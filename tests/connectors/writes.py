"""What the tests of contact sides ask a side to write, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.sdk import Act, ContactRecord, ContactSide, ContactWrite, WriteResult, Written


def create(values: Mapping[str, Any], other_id: str = "003A") -> ContactWrite:
    return ContactWrite(act=Act.CREATE, values=values, other_id=other_id)


def update(record: ContactRecord, **values: Any) -> ContactWrite:
    return ContactWrite(act=Act.UPDATE, id=record.id, version=record.version, values=values)


def delete(record: ContactRecord) -> ContactWrite:
    return ContactWrite(act=Act.DELETE, id=record.id, version=record.version)


def written(side: ContactSide, write: ContactWrite) -> WriteResult:
    """What came of a single one."""
    (result,) = side.write([write])
    return result


def ends(side: ContactSide, *writes: ContactWrite) -> list[Written]:
    return [result.written for result in side.write(writes)]


def done(side: ContactSide, *writes: ContactWrite) -> list[Any]:
    """The records as the side has them, all of them written."""
    results = side.write(writes)
    assert [each.written for each in results] == [Written.DONE] * len(writes), [each.reason for each in results]
    return [each.record for each in results]


def done_one(side: ContactSide, write: ContactWrite) -> Any:
    """As `done`, of a single one."""
    (record,) = done(side, write)
    return record
