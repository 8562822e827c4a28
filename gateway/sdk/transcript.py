"""The messages of a conversation as text that people read: one line each, times in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from msgspec import Struct


class Message(Struct, frozen=True, kw_only=True):
    """One message; `attached` says what kinds of things came along."""

    at: datetime | None
    from_customer: bool
    author: str | None
    text: str | None
    attached: Sequence[str] = ()


def transcript(messages: Sequence[Message]) -> str | None:
    """`10:00 Customer: text` lines; a conversation over several days has the date before each day's first line."""
    days = {message.at.date() for message in messages if message.at}
    if len(days) < 2:
        return "\n".join(map(_line, messages)) or None
    lines: list[str] = []
    day: date | None = None
    for message in messages:
        if message.at and message.at.date() != day:
            day = message.at.date()
            lines.append(day.isoformat())
        lines.append(_line(message))
    return "\n".join(lines) or None


_PADDED = tuple(f"{number:02}" for number in range(60))
"""Hours and minutes as they are written."""


def _line(message: Message) -> str:
    time = f"{_PADDED[message.at.hour]}:{_PADDED[message.at.minute]} " if message.at else ""
    author = "Customer" if message.from_customer else message.author or "Agent"
    said = message.text or ""
    if message.attached:
        said = " ".join([*filter(None, [said]), *(f"[{kind}]" for kind in message.attached)])
    return f"{time}{author}: {said}".rstrip()
