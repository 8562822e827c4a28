"""What a vCard says of a contact, and a vCard that says something else of it.

Properties: RFC 6350 §6 for version 4.0, RFC 2426 §3 for 3.0; `X-ADDRESSBOOKSERVER-KIND` is how Apple's servers say
`KIND` in 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from urllib.parse import unquote

from connectors.carddav.vcard import Card, Property, escaped, unescaped
from gateway.sdk import Entry, FieldLimits

Value = str | int | float | bool | tuple[Entry, ...] | None

TEXTS: Mapping[str, tuple[str, int | None]] = {
    "last": ("N", 0),
    "first": ("N", 1),
    "middle": ("N", 2),
    "prefix": ("N", 3),
    "suffix": ("N", 4),
    "nickname": ("NICKNAME", None),
    "title": ("TITLE", None),
    "company": ("ORG", 0),
    "department": ("ORG", 1),
    "street": ("ADR", 2),
    "city": ("ADR", 3),
    "state": ("ADR", 4),
    "postal_code": ("ADR", 5),
    "country": ("ADR", 6),
    "website": ("URL", None),
    "notes": ("NOTE", None),
}
"""Our field, its property, and the part of a structured one. In the order of properties."""

SETS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "phones": (
        "TEL",
        {"fax": "fax", "pager": "pager", "cell": "mobile", "home": "home", "work": "work", "other": "other"},
    ),
    "emails": ("EMAIL", {"home": "home", "work": "work", "other": "other"}),
}
"""Our field, its property, and our word for each type, the more telling ones first."""

FIELDS: Mapping[str, FieldLimits] = {
    **{name: FieldLimits() for name in TEXTS},
    **{name: FieldLimits(types=tuple(words.values())) for name, (_, words) in SETS.items()},
}

OTHER_ID = "X-SALESFORCE-ID"
"""The property with the id of the contact's counterpart."""

_NAME = ("prefix", "first", "middle", "last", "suffix")
_SHORT_NAME = ("first", "last")
_PLACES = {"ADR", "URL"}
_NOT_PEOPLE = {"group", "org", "location", "application", "device", "thing"}
_KINDS = ("KIND", "X-ADDRESSBOOKSERVER-KIND")
_LEAST = 101
"""Behind all preferences, of which 100 is the least (RFC 6350 §5.3)."""
_DIGITS_ALIKE = 7


def is_person(card: Card) -> bool:
    """Whether the card is a contact, and not a list of them, a company or a place."""
    return not any(card.text_of(kind).lower() in _NOT_PEOPLE for kind in _KINDS)


def values_of(card: Card) -> dict[str, Value]:
    """What the card says, in our fields."""
    card = _named(card)
    values: dict[str, Value] = {}
    for name, (kind, at) in TEXTS.items():
        chosen = _chosen(card, kind)
        values[name] = _part(chosen, at).strip() or None if chosen else None
    for name, (kind, words) in SETS.items():
        values[name] = _entries(_filled(card, kind), words)
    return values


def rewritten(card: Card, values: Mapping[str, Value], now: datetime) -> Card:
    """The card with other values, and all else as it is."""
    before = _named(card)
    card = before
    by_kind = groupby((name for name in TEXTS if name in values), key=lambda name: TEXTS[name][0])
    for kind, names in by_kind:
        card = _with_texts(card, kind, {name: str(values[name] or "") for name in names})
    for name, (kind, words) in SETS.items():
        if name in values:
            wanted = values[name]
            card = _with_entries(card, kind, wanted if isinstance(wanted, tuple) else (), words)
    return _dated(_with_formatted_name(before, card), now)


def new_card(version: str, uid: str, other_id: str | None, values: Mapping[str, Value], now: datetime) -> Card:
    """A card of a new contact."""
    card = Card((Property("VERSION", version), Property("UID", uid), Property("N", ";;;;"), Property("REV", "")))
    if other_id:
        card = card.with_property(Property(OTHER_ID, escaped(other_id)))
    return rewritten(card, values, now)


# --- text ----------------------------------------------------------------------------------------------------------


def _chosen(card: Card, kind: str) -> Property | None:
    """The preferred one of several; of addresses, if none is, the one at work."""
    found = _filled(card, kind) or card.all(kind)
    return min(found, key=lambda each: (_preference(each), kind in _PLACES and not _is_at_work(each)), default=None)


def _is_at_work(property: Property) -> bool:
    return "work" in property.words("type")


def _filled(card: Card, kind: str) -> list[Property]:
    return [each for each in card.all(kind) if each.value.replace(";", "").strip()]


def _part(property: Property, at: int | None) -> str:
    if at is None:
        return property.text
    return unescaped(dict(enumerate(property.components)).get(at, ""))


def _with_texts(card: Card, kind: str, texts: Mapping[str, str]) -> Card:
    old = _chosen(card, kind)
    new = old or Property(kind, "")
    for name, text in texts.items():
        at = TEXTS[name][1]
        if _part(new, at).strip() != text:
            new = replace(new, value=escaped(text)) if at is None else new.with_component(at, text)
    is_empty = not new.value.replace(";", "").strip()
    if old is None:
        return card if is_empty else card.with_property(new)
    return card.without(old) if is_empty and kind != "N" else card.replacing(old, new)


def _named(card: Card) -> Card:
    """The card with a structured name: where it has none, the words of the formatted one."""
    formatted = card.text_of("FN")
    if _filled(card, "N") or not formatted or formatted == unescaped(_first_part(card, "ORG")):
        return card
    first, _, last = formatted.rpartition(" ")
    made = Property("N", f"{escaped(last)};{escaped(first.strip())};;;")
    old = card.all("N")
    return card.replacing(old[0], replace(old[0], value=made.value)) if old else card.with_property(made)


def _first_part(card: Card, kind: str) -> str:
    return next((each.components[0] for each in card.all(kind)), "")


def _with_formatted_name(before: Card, card: Card) -> Card:
    """With the name as people read it, where it was made of the parts; what somebody wrote otherwise is kept."""
    formatted = card.text_of("FN")
    for names in (_NAME, _SHORT_NAME):
        if formatted and formatted == _joined(before, names):
            return _formatted_as(card, _joined(card, names) or _stand_in_name(card))
    if formatted and formatted != _stand_in_name(before):
        return card
    return _formatted_as(card, _joined(card, _NAME) or _stand_in_name(card))


def _joined(card: Card, names: Iterable[str]) -> str:
    chosen = _chosen(card, "N")
    parts = (_part(chosen, TEXTS[name][1]).strip() for name in names) if chosen else ()
    return " ".join(filter(None, parts))


def _stand_in_name(card: Card) -> str:
    """What a card without a person's name is called: each must have a name."""
    found = (unescaped(_first_part(card, "ORG")), card.text_of("EMAIL"), card.text_of("TEL"))
    return next(filter(None, found), "?")


def _formatted_as(card: Card, formatted: str) -> Card:
    old = _chosen(card, "FN")
    if old and old.text.strip() == formatted:
        return card
    new = replace(old or Property("FN", ""), value=escaped(formatted))
    return card.replacing(old, new) if old else card.with_property(new)


def _dated(card: Card, now: datetime) -> Card:
    """With the time of its revision, where it has one."""
    for each in card.all("REV")[:1]:
        return card.replacing(each, replace(each.without("value"), value=f"{now:%Y%m%dT%H%M%SZ}"))
    return card


# --- sets ----------------------------------------------------------------------------------------------------------


def _entries(properties: Sequence[Property], words: Mapping[str, str]) -> tuple[Entry, ...]:
    primary = _primary(properties)
    return tuple(Entry(_spelt(each), _type(each, words), is_primary=each is primary) for each in properties)


def _primary(properties: Sequence[Property]) -> Property | None:
    preferred = [each for each in properties if _preference(each) < _LEAST]
    return min(preferred, key=_preference, default=None)


def _preference(property: Property) -> int:
    """1 is the first choice; what is not preferred comes last."""
    if "pref" in property.words("type"):
        return 1
    return min((int(word) for word in property.words("pref") if word.isdecimal()), default=_LEAST)


def _spelt(property: Property) -> str:
    """The number or address; a `tel:` address without its scheme."""
    if "uri" in property.words("value") and property.value.lower().startswith("tel:"):
        return unquote(property.value[4:]).strip()
    return property.text.strip()


def _type(property: Property, words: Mapping[str, str]) -> str | None:
    said = property.words("type")
    return next((ours for theirs, ours in words.items() if theirs in said), None)


def _with_entries(card: Card, kind: str, wanted: Sequence[Entry], words: Mapping[str, str]) -> Card:
    """Each entry keeps the line that has it, with all that is beside it."""
    here = _filled(card, kind)
    lines = _lines_of(wanted, here)
    kept = {id(line) for line in lines if line}
    for gone in [each for each in here if id(each) not in kept]:
        card = card.without(gone)
    first = next((entry for entry in wanted if entry.is_primary), None)
    moves = _primary(here) is not next(
        (line for entry, line in zip(wanted, lines, strict=True) if entry is first), None
    )
    for entry, old in zip(wanted, lines, strict=True):
        new = _typed(old or Property(kind, ""), entry, words)
        if _spelt(new) != entry.value:
            new = replace(new.without("value"), value=escaped(entry.value))
        if moves or (first is entry and old is None):
            new = _preferred(new, card.version, is_first=entry is first, is_any=first is not None)
        card = card.replacing(old, new) if old else card.with_property(new)
    return card


def _lines_of(wanted: Sequence[Entry], here: Sequence[Property]) -> list[Property | None]:
    """For each entry the line that has it: in the same spelling, else in another."""
    left = list(here)
    found: list[Property | None] = [None] * len(wanted)
    for key in (str, _digits):
        for at, entry in enumerate(wanted):
            line = next((each for each in left if key(_spelt(each)) == key(entry.value)), None)
            if found[at] is None and line is not None:
                found[at] = line
                left = [each for each in left if each is not line]
    return found


def _digits(text: str) -> str:
    """The last digits of a number, which are the same in all its spellings; an address in small letters."""
    digits = re.sub(r"\D", "", text)
    return text.lower() if "@" in text or len(digits) < _DIGITS_ALIKE else digits[-_DIGITS_ALIKE:]


def _typed(property: Property, entry: Entry, words: Mapping[str, str]) -> Property:
    if _type(property, words) == entry.type:
        return property
    theirs = [word for word, ours in words.items() if ours == entry.type]
    return property.retyped(words, theirs)


def _preferred(property: Property, version: str, *, is_first: bool, is_any: bool) -> Property:
    """The first choice, in the words of the version; lesser preferences are kept beside one."""
    if not is_first and is_any and _preference(property) > 1:
        return property
    plain = property.without("pref")
    if "pref" in plain.words("type"):
        plain = plain.retyped(("pref",), ())
    if not is_first:
        return plain
    return plain.having("PREF=1") if version.startswith("4") else plain.having("TYPE=pref")
