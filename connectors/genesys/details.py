"""Genesys Cloud's details of conversations: those that no event told, or not to their end.

Sources: https://github.com/MyPureCloud/platform-client-sdk-python (`post_analytics_conversations_details_query`,
`ConversationQuery`, `AnalyticsConversationWithoutAttributes`, `AnalyticsSession`, `AnalyticsConversationSegment`), the
record in https://github.com/GenesysCloudBlueprints/conversation-model-to-sql-blueprint and, for how the query behaves,
https://github.com/MyPureCloud/developer-center-blog (`2022-04-21-Analytics-conversations-api-behavior`): records move
to later pages while conversations come in, the present is best left out, and behind the last page there is no list. Who
the participants of each purpose are: https://docs.eccentex.com/doc1/people-bots-involved-in-a-conversation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, TypeAlias

from msgspec.structs import replace

from connectors.genesys.conversation import Names, told_by_event
from gateway.sdk import Cursor, Direction, Page, PartialInteraction, RetryableError
from gateway.sdk.http import Api
from gateway.sdk.reading import EARLIEST, Fields
from gateway.sdk.recent import Place, Recent, Rows

RECORD = "conversation detail"
SETTLED = timedelta(minutes=10)
"""How long a conversation is over when it is told: its wrap-up may follow, and details may be late."""
SPAN = timedelta(days=1)
"""The longest interval that is asked for."""
PAGE = 100
MOST = 1000
"""Participants of a conversation, sessions and segments, that are read."""

USERS = frozenset({"agent", "user"})
INSIDE = USERS | {"acd", "group", "ivr", "station", "voicemail"}
"""The purposes of participants who are our own, or machines: `customer` and `external` are people outside."""
IS_OVER = {"type": "and", "predicates": [{"type": "dimension", "dimension": "conversationEnd", "operator": "exists"}]}
OF_PARTICIPANT = ("participantId", "userId", "externalContactId", "externalOrganizationId")
OF_SESSION = ("direction", "ani", "dnis", "addressFrom", "addressTo", "callbackUserName", "messageType")
OF_WRAP_UP = {"queueId": "queueId", "wrapUpCode": "wrapupCode", "wrapUpNote": "wrapupNotes"}
DURATIONS = {"interact": "interactingDurationMs", "hold": "heldDurationMs", "alert": "alertingDurationMs"}
"""The type of a segment, and what its length is part of in the event of the session's end."""

_INNER_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")
_MILLISECOND = timedelta(milliseconds=1)

Body: TypeAlias = dict[str, Any]
"""What one event tells, by its names there."""


def told_by_record(record: Fields, names: Names) -> tuple[PartialInteraction, ...]:
    """A conversation that is over, as its events would have told it, each at its time: so any stands for a lost one.

    What they did tell comes out the same, and is no news.
    """
    id = record.needed("conversationId", record.text("conversationId"))
    told = [told_by_event(kind, Fields({**body, "conversationId": id}), names) for kind, body in _events(record)]
    return _internal(record, tuple(chain.from_iterable(told)))


def _internal(record: Fields, told: tuple[PartialInteraction, ...]) -> tuple[PartialInteraction, ...]:
    """The same, of a call with nobody outside in it as an internal one, which its events do not say."""
    participants = record.inners("participants", most=MOST)
    purposes = {(each.text("purpose") or "").lower() for each in participants}
    media = {session.text("mediaType") for each in participants for session in each.inners("sessions", most=MOST)}
    if not told or not purposes <= INSIDE or "voice" not in media or "callback" in media:
        return told
    return replace(told[0], direction=Direction.INTERNAL), *told[1:]


def _events(record: Fields) -> Iterator[tuple[str, Body]]:
    for purpose, participant in _heard(record.inners("participants", most=MOST)):
        about = _some(participant, OF_PARTICIPANT)
        for session in participant.inners("sessions", most=MOST):
            segments = session.inners("segments", most=MOST)
            worked = [each for each in segments if not _is_wrap_up(each)]
            if times := _times(worked):
                yield from _ends(purpose, {**about, **_session(session, worked)}, worked, times)
            if purpose in USERS:
                yield from _wrap_ups(about, [each for each in segments if _is_wrap_up(each)])


def _heard(participants: Sequence[Fields]) -> Iterator[tuple[str, Fields]]:
    """Who takes part in events: users, queues and the customer; where there is none, the first of others outside."""
    told = [((each.text("purpose") or "").lower(), each) for each in participants]
    yield from ((purpose, each) for purpose, each in told if purpose in USERS | {"customer", "acd"})
    if "customer" not in {purpose for purpose, _ in told}:
        yield from [("customer", each) for purpose, each in told if purpose == "external"][:1]


def _ends(
    purpose: str, body: Body, worked: Sequence[Fields], times: tuple[datetime, datetime]
) -> Iterator[tuple[str, Body]]:
    began, ended = ({**body, "eventTime": _epoch_ms(moment)} for moment in times)
    if purpose == "customer":
        yield "customer.start", began
        yield "customer.end", ended
    elif purpose == "acd":
        yield "acd.end", {**ended, **_last(worked, "queueId")}
    else:
        yield "user.end", {**ended, **_last(worked, "queueId"), **_durations(worked)}


def _wrap_ups(about: Body, segments: Sequence[Fields]) -> Iterator[tuple[str, Body]]:
    for segment in segments:
        if times := _times([segment]):
            began, ended = times
            told = segment.told(OF_WRAP_UP, Fields.text)
            lasted = max(0, (ended - began) // _MILLISECOND)
            yield "acw", {**about, **told, "wrapupDurationMs": lasted, "eventTime": _epoch_ms(ended)}


def _session(session: Fields, segments: Sequence[Fields]) -> Body:
    """What the events of a session have in common; their words are in capitals."""
    words = {**_some(session, ["mediaType"]), **_last(segments, "disconnectType")}
    return {
        **_some(session, OF_SESSION),
        **_last(segments, "subject"),
        **{name: _INNER_CAPITAL.sub("_", word).upper() for name, word in words.items()},
        "callbackNumbers": session.strings("callbackNumbers"),
    }


def _durations(segments: Sequence[Fields]) -> Body:
    lasted = dict.fromkeys(DURATIONS.values(), 0)
    for segment in segments:
        name = DURATIONS.get(segment.text("segmentType") or "")
        if name and (times := _times([segment])):
            lasted[name] += max(0, (times[1] - times[0]) // _MILLISECOND)
    return lasted


def _times(segments: Sequence[Fields]) -> tuple[datetime, datetime] | None:
    """When the first of them began and the last one ended."""
    begins = [began for each in segments if (began := each.iso_time("segmentStart"))]
    ends = [ended for each in segments if (ended := each.iso_time("segmentEnd"))]
    return (min(begins), max(ends)) if begins and ends else None


def _is_wrap_up(segment: Fields) -> bool:
    return segment.text("segmentType") == "wrapup"


def _last(segments: Sequence[Fields], name: str) -> Body:
    """What the last segment that says something of it says."""
    told = [text for each in segments if (text := each.text(name))]
    return {name: told[-1]} if told else {}


def _some(told: Fields, names: Sequence[str]) -> Body:
    return told.told({name: name for name in names}, Fields.text)


def _epoch_ms(moment: datetime) -> int:
    return (moment - EARLIEST) // _MILLISECOND


class Conversations:
    """`gateway.sdk.Poller` of the conversations of the last day, the oldest first."""

    name = "conversations"
    every = timedelta(hours=1)

    def __init__(self, api: Api, names: Names) -> None:
        self._api = api
        self._names = names

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        """A place is how many spans behind the beginning, and the page there."""
        until = now.astimezone(UTC) - SETTLED
        is_over, page = partial(_is_over, until), partial(self._page, until)
        return Recent(name=self.name, kind=RECORD, read=self._read, is_over=is_over, page=page).pull(cursor, now)

    def _page(self, until: datetime, since: datetime, place: Place | None) -> Rows:
        spans, number = map(int, str(place or "0 1").split())
        begin = since + spans * SPAN
        end = min(begin + SPAN, until)
        if rows := self._asked(begin, end, number):
            return rows, f"{spans} {number + 1}"
        return (), f"{spans + 1} 1" if end < until else None

    def _asked(self, begin: datetime, end: datetime, number: int) -> list[Any]:
        asked = {
            "interval": f"{_written(begin)}/{_written(end)}",
            "order": "asc",
            "orderBy": "conversationStart",
            "conversationFilters": [IS_OVER],
            "paging": {"pageSize": PAGE, "pageNumber": number},
        }
        told = self._api.call("POST", "analytics/conversations/details/query", json=asked).json()
        rows = told.get("conversations", []) if isinstance(told, dict) else None
        if not isinstance(rows, list):
            raise RetryableError("Genesys Cloud answers without a list of conversations.")
        return rows

    def _read(self, record: Fields) -> object:
        return told_by_record(record, self._names)


def _is_over(until: datetime, record: Mapping[str, Any]) -> bool:
    ended = record.get("conversationEnd")
    return ended is not None and str(ended) < _written(until)


def _written(moment: datetime) -> str:
    """As Genesys writes it: 2026-03-02T14:54:30.000Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
