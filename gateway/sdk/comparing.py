"""For a contact side whose platform has no versions: what stands there is compared right before a write."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace

from gateway.domain.contacts import Act, ContactRecord, ContactWrite, WriteResult, Written, is_empty


def versioned(record: ContactRecord) -> ContactRecord:
    """The record with a version that is another one whenever it says something else."""
    told = [
        (name, sorted(map(repr, value)) if isinstance(value, tuple) else value)
        for name, value in sorted(record.values.items())
        if not is_empty(value)
    ]
    text = repr((told, record.other_id))
    return replace(record, version=hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16])


def left(
    now: ContactRecord | None, before: ContactRecord | None, names: Collection[str], after: float | None = None
) -> WriteResult:
    """The end of a write of these fields that the platform took, by what is there `now`; `before`: unless it was new.

    `after` is how long the platform asked to be left alone, if it could not be asked what is there.
    """
    if now is None or now.is_gone:
        return WriteResult(written=Written.UNKNOWN, reason="The platform does not show what became of it.", after=after)
    if before is None:
        return WriteResult(written=Written.DONE, record=now)
    # What somebody else changed at the same moment is told by the next reading: it is not what this write left.
    values = {**before.values, **{name: now.values.get(name) for name in names}}
    return WriteResult(written=Written.DONE, record=versioned(replace(now, values=values)))


def settled_already(write: ContactWrite, held: ContactRecord | None) -> WriteResult | None:
    """The end of a write that what is `held` there leaves nothing to do for; None: it has to be carried out."""
    if write.act is Act.CREATE:
        return None
    if held is None or held.is_gone:
        return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)
    return WriteResult(written=Written.STALE) if write.version not in {None, held.version} else None
