"""What an interaction names outright: by the platform, by an admin's rules, or by the thread mark in its subject."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.domain.identity import reference_key
from gateway.domain.interactions import Interaction, words_of
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Kind, Known, Record, full_id

ID_REFERENCES: Mapping[str, Kind] = {
    "contact_id": Kind.CONTACT,
    "lead_id": Kind.LEAD,
    "account_id": Kind.ACCOUNT,
    "case_id": Kind.CASE,
}
"""The references that are ids, and of what."""

_LONGEST_SOURCE = 10_000
"""Characters in which a rule's pattern is looked for."""

# `ref:_00Dxx1gEW._500xxYktl:ref`, since Winter '24 `ref:!00Dxx01gEW.!500xx0Yktl:ref`: the org and the case, zeros
# after the fifth character left out (Apex reference, Cases.getCaseIdFromEmailThreadId). What Lightning threading puts
# in instead, `thread::…::`, only the org itself can read.
_THREAD = re.compile(r"\bref:[_!]?00D\w{1,15}\.[_!]?(500[0-9A-Za-z]{3,12}):ref\b")


def told_references(interaction: Interaction, policy: MatchPolicy) -> Mapping[str, str]:
    """The values by name; what the platform itself refers to counts before all else, the thread before the rules."""
    thread = _threaded_case(interaction.subject or "")
    if not policy.references and not thread:
        return interaction.references
    told = dict(_by_rules(interaction, policy))
    if thread:
        told["case_id"] = thread
    return told | {name: value for name, value in interaction.references.items() if value}


def number_keys(references: Mapping[str, str]) -> tuple[str, ...]:
    """The `ref:` keys of the references that are neither ids nor case numbers."""
    named = ((name, value) for name, value in references.items() if name not in _OWN and isinstance(value, str))
    return tuple(key for name, value in named if (key := reference_key(name, value)))


def named_account(references: Mapping[str, str], numbers: Iterable[str], known: Known) -> Record | None:
    """The account that is named by its id or by a number that it alone has."""
    if not references:
        return None
    named = known.named(references.get("account_id"))
    if named and named.kind is Kind.ACCOUNT:
        return named
    return sole(Kind.ACCOUNT, numbers, known)


def sole(kind: Kind, numbers: Iterable[str], known: Known) -> Record | None:
    """The one record of this kind that has one of the numbers."""
    found = {record.id: record for key in numbers for record in known.by_key.get(key, ()) if record.kind is kind}
    return next(iter(found.values())) if len(found) == 1 else None


_OWN = frozenset({*ID_REFERENCES, "case_number"})


def _threaded_case(subject: str) -> str | None:
    found = _THREAD.search(subject) if "ref:" in subject else None
    if found is None:
        return None
    short = found[1]
    return full_id(short[:5] + short[5:].rjust(10, "0"))


def _by_rules(interaction: Interaction, policy: MatchPolicy) -> Iterator[tuple[str, str]]:
    if not policy.references:
        return
    words = words_of(interaction)
    for rule in reversed(policy.references):
        for text in _texts(rule.source(words)):
            if found := rule.pattern.search(text[:_LONGEST_SOURCE]):
                yield rule.name, (found[1] if rule.pattern.groups else found[0]) or ""
                break


def _texts(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str | int) and not isinstance(one, bool):
            yield str(one)
