"""For a contact side: writes that go out in calls which may fail, one contact in each or several."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from gateway.domain.contacts import ContactWrite, WriteResult, Written
from gateway.errors import ConfigError, RejectedError, RetryableError, UnknownOutcomeError
from gateway.sdk.http import Reply

T = TypeVar("T")


def carried_out(
    calls: Iterable[Mapping[int, ContactWrite]], call: Callable[[Mapping[int, ContactWrite]], Mapping[int, T]]
) -> dict[int, WriteResult | T]:
    """The ends of numbered writes, of which those that go out in one `call` are together.

    Where a call is refused, each of its writes is sent by itself; after one that failed, the others wait.
    RetryableError, ConfigError: the first one failed, and nothing was carried out.
    """
    ends: dict[int, WriteResult | T] = {}
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
            failure = WriteResult(written=Written.RETRY, reason=str(error), after=error.after)
            ends |= dict.fromkeys(due, replace(failure, written=Written.UNKNOWN) if is_unknown else failure)
    return ends


def one_by_one(writes: Sequence[ContactWrite], send: Callable[[ContactWrite], T]) -> list[WriteResult | T]:
    """What became of each write, in their order, where each is a call of its own; errors as above."""
    alone = [{at: write} for at, write in enumerate(writes)]
    ends = carried_out(alone, lambda due: {at: send(write) for at, write in due.items()})
    return [ends[at] for at in range(len(writes))]


def answered(reply: Reply) -> Any:
    """The JSON that answers a write. UnknownOutcomeError: it is something else, so that nobody knows who answered."""
    try:
        return reply.json()
    except RetryableError as error:
        raise UnknownOutcomeError(str(error)) from None
