"""Record ids: 15 case-sensitive characters, and the three-character suffix that makes 18 safe in any letter case.

The suffix encodes which of the 15 characters are capitals, five bits per character
(https://help.salesforce.com/s/articleView?id=000385585&type=1).
"""

from __future__ import annotations

import re
from functools import lru_cache

SHORT = 15
PREFIX = 3
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_CAPITALS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?\Z")
_SERVER = "Hu00000"


def suffix(short: str) -> str:
    """The three check characters of a 15-character id."""
    return _check(short[:5]) + _check(short[5:10]) + _check(short[10:])


@lru_cache(maxsize=1 << 16)
def _check(five: str) -> str:
    return _SUFFIX[sum(1 << bit for bit, character in enumerate(five) if character in _CAPITALS)]


@lru_cache(maxsize=1 << 16)
def canonical(text: str) -> str | None:
    """The 18-character form of a 15- or 18-character id, or None where it is neither."""
    if not _SHAPE.match(text):
        return None
    if len(text) == SHORT:
        return text + suffix(text)
    return text if suffix(text[:SHORT]) == text[SHORT:] else None


class IdCounter:
    """Hands out ids in order, so that the same seed always gets the same ids."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def take(self, prefix: str) -> str:
        """The next id with that key prefix."""
        number = self._next.get(prefix, 0) + 1
        self._next[prefix] = number
        short = prefix + _SERVER + _base62(number, SHORT - PREFIX - len(_SERVER))
        return short + suffix(short)


def _base62(number: int, width: int) -> str:
    high, low = divmod(number, len(_PAIRS))
    return _base62_digits(high, width - 2) + _PAIRS[low]


@lru_cache(maxsize=1 << 12)
def _base62_digits(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits
