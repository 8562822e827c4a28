"""What contact sides share in carrying out writes: versions where a platform has none, and calls that fail."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from gateway.domain.contacts import Act, ContactRecord, ContactWrite, WriteResult, Written, is_empty
from gateway.errors import ConfigError, RejectedError, RetryableError, UnknownOutcomeError


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


def carried_out(
    calls: Iterable[Mapping[int, ContactWrite]], call: Callable[[Mapping[int, ContactWrite]], Mapping[int, WriteResult]]
) -> dict[int, WriteResult]:
    """The ends of numbered writes, of which those that go out in one `call` are together.

    Where a call is refused, each of its writes is sent by itself; after one that failed, the others wait.
    RetryableError, ConfigError: the first one failed, and nothing was carried out.
    """
    ends: dict[int, WriteResult] = {}
    failure: WriteResult | None = None
    waiting = deque(dict(each) for each in calls if each)
    while waiting:
        due = waiting.popleft()
        try:
            ends |= dict.fromkeys(due, failure) if failure else call(due)
        except RejectedError as error:
            if len(due) > 1:
                waiting.extendleft({at: write} for at, write in reversed(due.items()))
            else:
                ends |= dict.fromkeys(due, WriteResult(written=Written.REFUSED, reason=error.reason))
        except (RetryableError, ConfigError) as error:
            is_unknown = isinstance(error, UnknownOutcomeError)
            if not ends and not is_unknown:
                raise
            failure = WriteResult(written=Written.RETRY, reason=str(error))
            ends |= dict.fromkeys(due, replace(failure, written=Written.UNKNOWN) if is_unknown else failure)
    return ends
