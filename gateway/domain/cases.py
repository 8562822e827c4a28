"""Which case an interaction belongs to: the one it names, else the one that stands out; several are offered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from gateway.domain.identity import case_key
from gateway.domain.interactions import Interaction
from gateway.domain.records import CASE, Known, Record, full_id
from gateway.domain.references import sole


class CaseChoice(Struct, frozen=True):
    """The case, if one stands out, and why; `offered` are open cases among which a person may choose."""

    record: Record | None
    reason: str
    offered: tuple[Record, ...] = ()
    is_explicit: bool = False


def explicit_case(references: Mapping[str, str], numbers: Iterable[str], known: Known) -> Record | None:
    """The case that is named by its number, its id or another number that it alone has; it may be closed."""
    if not references:
        return None
    key = case_key(references.get("case_number", ""))
    named = [*known.by_key.get(key or "", ()), known.named(references.get("case_id"))]
    return next((record for record in named if record and record.kind is CASE), sole(CASE, numbers, known))


def choose_case(
    interaction: Interaction,
    known: Known,
    *,
    references: Mapping[str, str],
    explicit: Record | None,
    people: Sequence[Record],
    account: Record | None,
    keys: Iterable[str],
) -> CaseChoice:
    """The named case; else the one open case of the people; else of the topic; else of the account.

    `keys` are the parties' identity keys: a case opened from the web form with the same e-mail or number counts as
    theirs. An open case of somebody else at the same account is never taken: one that names no contact is taken only
    if the people are known and it names nobody in other fields either; it is offered otherwise.
    """
    if explicit:
        return CaseChoice(explicit, _as_named(explicit, references, known), is_explicit=True)
    missing = _named_but_missing(references)
    theirs = _own_cases(people, keys, known)
    open_cases = theirs or (list(known.cases.get(account.id, ())) if account else [])
    if not open_cases:
        return CaseChoice(None, missing)
    if len(open_cases) == 1 and (theirs or (people and not _names_somebody(open_cases[0]))):
        return CaseChoice(open_cases[0], f"{missing}Case {open_cases[0].number} is the one open case.")
    on_topic = [case for case in open_cases if is_on_topic(case, interaction)]
    if len(on_topic) == 1:
        reason = f"{missing}Of the open cases, {on_topic[0].number} is the one on this topic."
        return CaseChoice(on_topic[0], reason, tuple(open_cases))
    numbers = ", ".join(case.number or case.id for case in open_cases)
    reason = f"{missing}Open and not chosen: {numbers}."
    return CaseChoice(None, reason, tuple(open_cases))


def _as_named(case: Record, references: Mapping[str, str], known: Known) -> str:
    number, id = references.get("case_number", ""), references.get("case_id", "")
    if not (number or id) or case_key(number) in case.keys or full_id(id) == case.id:
        return f"Case {case.number} was named."
    return f"Case {id if known.named(id) else number} was named, which was merged into case {case.number}."


def _named_but_missing(references: Mapping[str, str]) -> str:
    named = references.get("case_number") or references.get("case_id")
    return f"Case {named} was named, but there is no such case. " if named else ""


def _own_cases(people: Sequence[Record], keys: Iterable[str], known: Known) -> list[Record]:
    theirs = [case for person in people for case in known.cases.get(person.id, ())]
    theirs += [r for key in keys for r in known.by_key.get(key, ()) if r.kind is CASE and r.is_open]
    if len(theirs) < 2:
        return theirs
    return sorted({case.id: case for case in theirs}.values(), key=lambda case: (case.number or "", case.id))


def _names_somebody(case: Record) -> bool:
    """Whether an e-mail or number was supplied with the case; they are its keys besides its number."""
    return any(not key.startswith("case:") for key in case.keys)


_REPLY = re.compile(r"^(?:\s*(?:re|fwd?|aw|wg|sv|tr|rif)\s*:|\s*\[[^\]]*\])+\s*|\s*\[[^\]]*\]\s*$", re.IGNORECASE)


def is_on_topic(case: Record, interaction: Interaction) -> bool:
    """Whether the subject or topic is one of the case's, or the queue or topic contains its type or reason."""
    subject, queue, topic = interaction.subject or "", interaction.queue or "", interaction.attributes.get("topic")
    told = _REPLY.sub("", subject).casefold()
    wider = f" {queue} \n {topic if isinstance(topic, str) else ''} ".casefold()
    topics = [known for topic in case.topics if (known := _REPLY.sub("", topic).casefold())]
    return told in topics or any(f" {topic} " in wider for topic in topics)
