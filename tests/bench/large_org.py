"""The records of an org of any size, each made of its number alone when it is its turn, and who calls there.

Of 400 contacts in a row 40 share a switchboard, and 5,000 of the org a number that somebody made up. Of ten blocks of
2,000 contacts one has an e-mail domain for 100 accounts and one a domain for a single account; elsewhere each account
of 20 contacts has its own. Every tenth contact has an open case.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime

from gateway.domain.interactions import Channel, Event, Interaction, PartialInteraction, Party, interaction_of, state_of
from gateway.domain.records import Kind, Record

MADE_UP = "+15555550100"
_MADE_UP_BY = 5000
_BLOCK = 2000
_PER_ACCOUNT = 20
_NOBODY = 200_000_000
_SWITCHBOARDS = 100_000_000
"""Numbers are counted on from here for those that are no contact's own."""

_WHEN = datetime(2026, 3, 2, 14, 54, 30, tzinfo=UTC)


def records(contacts: int) -> Iterator[Record]:
    """Accounts, contacts, then cases, each in order of id."""
    for number in range(0, contacts, _PER_ACCOUNT):
        if _account_of(number) == _account_id(number):
            yield _account(number)
    for number in range(contacts):
        yield _contact(number, contacts)
    for number in range(0, contacts, 10):
        yield _case(number)


def interactions(contacts: int, count: int, *, seed: int) -> list[Interaction]:
    """Some that are worth looking at: most by a number or address that one contact has, others by shared ones."""
    chance = random.Random(seed)
    return [_interaction(chance.randrange(contacts), chance.random()) for _ in range(count)]


def _interaction(number: int, kind: float) -> Interaction:
    told: dict[str, str] = {"name": f"Casey Customer {number}"}
    if kind < 0.5:
        told["phone"] = _phone(number)
    elif kind < 0.75:
        told["email"] = _email(number) or "casey@gmail.com"
    elif kind < 0.85:
        told["phone"] = _switchboard(number)
    elif kind < 0.9:
        told["phone"] = MADE_UP
    else:
        told |= {"phone": _phone(_NOBODY + number), "email": f"unknown@{_host(number)}"}
    partial = PartialInteraction(
        id=f"call-{number}", event=Event.COMPLETED, occurred_at=_WHEN, channel=Channel.VOICE, parties=(Party(**told),)
    )
    return interaction_of(partial.id, state_of(partial))


def _account(number: int) -> Record:
    keys = [f"phone:{_switchboard(number)}"] if number % 400 == 0 else []
    return Record(
        kind=Kind.ACCOUNT,
        id=_account_id(number),
        name=f"Account {number}",
        keys=(*keys, f"domain:{_host(number)}"),
        type="Customer",
        record_type="Business",
    )


def _contact(number: int, contacts: int) -> Record:
    """With one to three keys, rarely more."""
    kind = number % 10
    keys = [f"phone:{_switchboard(number) if kind == 3 else _phone(number)}"]
    if email := _email(number):
        keys.append(f"email:{email}")
        if not email.endswith("@gmail.com"):
            keys.append(f"domain:{_host(number)}")
    if number * _MADE_UP_BY % contacts < _MADE_UP_BY:
        keys.append(f"phone:{MADE_UP}")
    return Record(
        kind=Kind.CONTACT,
        id=f"003{number:012}AAA",
        name=f"Casey Customer {number}",
        keys=tuple(keys),
        account_id=_account_of(number),
    )


def _case(number: int) -> Record:
    return Record(
        kind=Kind.CASE,
        id=f"500{number:012}AAA",
        name=f"{number:08} Question {number}",
        keys=(f"case:{number:08}",),
        account_id=_account_of(number),
        contact_id=f"003{number:012}AAA",
        number=f"{number:08}",
        topics=(f"Question {number}", "Problem"),
    )


def _phone(number: int) -> str:
    """Everybody's own; numbers that follow one another are far apart."""
    return f"+1{2_000_000_000 + number * 3_141_592_653 % 8_000_000_000}"


def _switchboard(number: int) -> str:
    return _phone(_SWITCHBOARDS + number // 400)


def _email(number: int) -> str | None:
    kind = number % 10
    if kind in (0, 3, 6):
        return None
    name = f"casey.{number * 2_654_435_761 % 2**32:x}"
    return f"{name}@gmail.com" if kind in (1, 8) else f"{name}@{_host(number)}"


def _host(number: int) -> str:
    block = number // _BLOCK
    return f"block-{block}.example" if block % 10 in (0, 1) else f"account-{number // _PER_ACCOUNT}.example"


def _account_of(number: int) -> str:
    size = _BLOCK if number // _BLOCK % 10 == 1 else _PER_ACCOUNT
    return _account_id(number // size * size)


def _account_id(number: int) -> str:
    return f"001{number:012}AAA"
