"""The chat of a closed enquiry as its report tells it: https://docs.cinnox.com/docs/get-enquiry-chat.

One enquiry is asked for at a time. Its messages name the sender by an EID; who asks is the visitor of the enquiry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from connectors.cinnox.enquiry import INITIAL, STAGES
from gateway.sdk import Channel, Event, Leg, PartialInteraction
from gateway.sdk.reading import Fields
from gateway.sdk.transcript import Message, transcript

CHAT = "enquiry-chat"
SAID = "type_message"
FILE = "type_file"
MAX_MESSAGES = 5000


def chat_of(enquiry: Fields) -> str | None:
    """What names the chat of an enquiry to whoever fetches it; None while it is not closed, and for calls."""
    number, visitor = enquiry.identifier("displayCaseNumber"), enquiry.identifier("visitor")
    is_closed = enquiry.word("status", STAGES) == STAGES["closed"]
    if not number or not visitor or not is_closed or enquiry.word("initChannel", INITIAL) is Channel.VOICE:
        return None
    return f"{CHAT} {quote(visitor, safe='')} {number}"


def told_by_chat(chat: Fields, staff: Mapping[str, str], received_at: datetime) -> PartialInteraction:
    """What was said, by whom of the staff, and until when; what the system says is no part of it."""
    visitor = chat.identifier("visitor")
    rows = sorted(chat.inners("messages", most=MAX_MESSAGES), key=lambda row: row.whole("seq") or 0)
    said = [row for row in rows if _is_said(row)]
    messages = [_message(row, visitor, staff) for row in said]
    return PartialInteraction(
        id=chat.needed("displayCaseNumber", chat.identifier("displayCaseNumber")),
        event=Event.UPDATED,
        occurred_at=received_at,
        legs=_legs(said, staff),
        ended_at=max((message.at for message in messages if message.at), default=None),
        transcript=transcript(messages),
    )


def _legs(said: Sequence[Fields], staff: Mapping[str, str]) -> tuple[Leg, ...]:
    """The part of each of the staff, from their first message to their last; who is not listed may be a bot."""
    times: dict[str, list[datetime]] = {}
    for row in said:
        sender, at = row.identifier("fromEID"), row.iso_time("createdAt")
        if sender and sender in staff and at:
            times.setdefault(sender, []).append(at)
    return tuple(
        Leg(id=eid, agent_id=eid, agent_email=staff[eid], started_at=min(at), ended_at=max(at))
        for eid, at in times.items()
    )


def _is_said(row: Fields) -> bool:
    kind = row.text("msgEventType")
    return (kind is None or kind.lower() == SAID) and not row.inner("content").inner("from").flag("system")


def _message(row: Fields, visitor: str | None, staff: Mapping[str, str]) -> Message:
    sender = row.identifier("fromEID")
    return Message(
        at=row.iso_time("createdAt"),
        from_customer=sender == visitor,
        author=staff.get(sender) if sender else None,
        text=row.text("msgText") or row.inner("content").inner("msg").text("text"),
        attached=("file",) if (row.text("msgContentType") or "").lower() == FILE else (),
    )
