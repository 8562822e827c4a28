"""The messages of a conversation as text that people read: one line each, times in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; `attached` says what kinds of things came along."""

    at: datetime | None
    from_customer: bool
    author: str | None
    text: str | None
    attached: Sequence[str] = ()


def transcript(messages: Sequence[Message]) -> str | None:
    """`10:00 Customer: text` lines; a conversation over several days has the date before each day's first line."""
    days = {message.at.date() for message in messages if message.at}
    lines: list[str] = []
    day: date | None = None
    for message in messages:
        if len(days) > 1 and message.at and message.at.date() != day:
            day = message.at.date()
            lines.append(day.isoformat())
        lines.append(_line(message))
    return "\n".join(lines) or None


def _line(message: Message) -> str:
    time = f"{message.at.time().isoformat('minutes')} " if message.at else ""
    author = "Customer" if message.from_customer else message.author or "Agent"
    said = [message.text] if message.text else []
    said += [f"[{kind}]" for kind in message.attached]
    return f"{time}{author}: {' '.join(said)}".rstrip()
