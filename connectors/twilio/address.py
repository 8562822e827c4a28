"""Twilio's addresses: `+14155550123`, `whatsapp:+14155550123`, `casey@example.com`, `messenger:123`."""

from __future__ import annotations

import re

_PHONE = re.compile(r"(?:whatsapp:|sms:|rcs:)?(\+?[0-9][0-9 ().-]{2,24})", re.IGNORECASE)
_EMAIL = re.compile(r"(?:email:)?([^@\s:]{1,64}@[^@\s]{1,255})", re.IGNORECASE)


def phone_in(address: str | None) -> str | None:
    """The phone number in it; None where it is something else, such as a user's id."""
    found = _PHONE.fullmatch(address) if address else None
    return found[1] if found else None


def email_in(address: str | None) -> str | None:
    """The e-mail address in it."""
    found = _EMAIL.fullmatch(address) if address and "@" in address else None
    return found[1] if found else None
