"""For a contact side whose platform has no versions: what stands there is compared right before a write."""

from __future__ import annotations

import hashlib
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


def settled_already(write: ContactWrite, held: ContactRecord | None) -> WriteResult | None:
    """The end of a write that what is `held` there leaves nothing to do for; None: it has to be carried out."""
    if write.act is Act.CREATE:
        return None
    if held is None or held.is_gone:
        return WriteResult(written=Written.DONE if write.act is Act.DELETE else Written.GONE)
    return WriteResult(written=Written.STALE) if write.version not in {None, held.version} else None
