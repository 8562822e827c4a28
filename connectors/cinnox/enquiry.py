"""An enquiry as CINNOX notifies of it and as its report tells it: the vendor's words and ours.

Sources: https://docs.cinnox.com/docs/createeditdelete-enquiry-event-subscription (notification),
https://docs.cinnox.com/docs/get-enquiry-detail (report), https://docs.cinnox.com/docs/cinnox-enquiries (statuses).
Whatever their nesting, the two have `displayCaseNumber` in common, and so has the call log: it is the interaction's id.
"""

from __future__ import annotations

from datetime import datetime

from gateway.sdk import Channel, Direction, Event, PartialInteraction, Party
from gateway.sdk.reading import Fields

NOTIFIED = ("Opened", "Handling", "Closed", "Missed")
REPORTED = ("ongoing", "followed-up", "missed", "closed")

STAGES = {
    "opened": ("open", Event.STARTED),
    "handling": ("ongoing", Event.UPDATED),
    "ongoing": ("ongoing", Event.UPDATED),
    "missed": ("missed", Event.MISSED),
    "followed-up": ("followed-up", Event.FOLLOWED_UP),
    "closed": ("closed", Event.COMPLETED),
}
"""The words of both vocabularies: the status as CINNOX's own pages call it, and what it means to us."""
ORDER = ("open", "ongoing", "missed", "followed-up", "closed")
"""The life of an enquiry. A report tells no time of change: a row is in order by this, below what was notified of the
same stage, and then by when it was read."""

CHANNELS = {
    "facebook": Channel.FACEBOOK,
    "instagram": Channel.INSTAGRAM,
    "line": Channel.LINE,
    "wechat": Channel.WECHAT,
    "whatsapp": Channel.WHATSAPP,
    "email": Channel.EMAIL,
    "thirdparty": Channel.OTHER,
    "woztell": Channel.OTHER,
    "virtualnumber": Channel.OTHER,
}
"""The words of both vocabularies that name a channel; `CINNOX` and `CHATBOT` only say who takes the enquiry."""
INITIAL = {"call": Channel.VOICE, "im": Channel.CHAT}

DETAILS = {
    "inquiry": "enquiry_id",
    "roomID": "room",
    "tag": "tag",
    "language": "language",
    "location": "location",
    "platform": "platform",
    "channel": "channel_name",
    "destinationType": "destination_type",
}
FIELDS = ("displayCaseNumber", "status", "createdAt", "visitor", "initChannel", "destinationName", "label", *DETAILS)
"""What is read of a row; the rest, such as the duration so far, may change without any news."""


def told_by_notification(enquiry: Fields, received_at: datetime) -> PartialInteraction:
    """What happened, and where; of the customer CINNOX says nothing here."""
    at = enquiry.iso_time("date") or received_at
    stage, event, place = _stage(enquiry)
    channel = enquiry.word("channel", CHANNELS) or enquiry.word("channelOri", CHANNELS)
    return PartialInteraction(
        id=enquiry.needed("displayCaseNumber", enquiry.identifier("displayCaseNumber")),
        event=event,
        occurred_at=at,
        sequence=place + 1,
        channel=channel,
        direction=Direction.INBOUND,
        contact_point=enquiry.identifier("socialId"),
        started_at=at if event is Event.STARTED else None,
        attributes={"enquiry_status": stage} if stage else None,
    )


def told_by_row(row: Fields, read_at: datetime) -> PartialInteraction:
    """All that the report knows of an enquiry when it is read: a correction has no time of its own.

    A status that is not listed tells the rest all the same.
    """
    created_at = row.iso_time("createdAt")
    stage, event, place = _stage(row)
    visitor = row.identifier("visitor")
    return PartialInteraction(
        id=row.needed("displayCaseNumber", row.identifier("displayCaseNumber")),
        event=event,
        occurred_at=read_at,
        sequence=place,
        channel=_channel(row),
        direction=Direction.INBOUND,
        parties=(Party(role="customer", handle=visitor),) if visitor else (),
        started_at=created_at,
        queue=row.text("destinationName"),
        attributes=_details(row, stage) or None,
    )


def _stage(enquiry: Fields) -> tuple[str | None, Event, int]:
    """The status, what it means, and its place in the order, which has two for each."""
    known = enquiry.word("status", STAGES)
    if known is None:
        return None, Event.UPDATED, 0
    return *known, 2 * ORDER.index(known[0])


def _channel(row: Fields) -> Channel | None:
    """A call is one, whatever it came over; messages are a chat unless their channel says more.

    Where neither is told, a channel that is none of ours may be that of a call.
    """
    initial, channel = row.word("initChannel", INITIAL), row.word("channel", CHANNELS)
    if initial is Channel.VOICE or (initial is None and channel is Channel.OTHER):
        return initial
    return channel or initial


def _details(row: Fields, stage: str | None) -> dict[str, object]:
    told = {ours: row.identifier(theirs) for theirs, ours in DETAILS.items()}
    told |= {"label": _labels(row), "enquiry_status": stage}
    return {name: value for name, value in told.items() if value is not None}


def _labels(row: Fields) -> str | None:
    """One or several: the report's page does not tell."""
    told = row.anything("label")
    labels = told if isinstance(told, list) else [told]
    return "; ".join(label for label in labels if isinstance(label, str)) or None
