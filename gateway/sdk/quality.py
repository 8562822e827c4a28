"""How good a connector is: a short list of rules, the same for all, each with a mark that the class declares.

A mark is `done`, `to do` or `exempt: why`. The kit checks what is marked as done; where it cannot, the mark says what
shows it: `done: how`. What is not marked is to do, where it is about something that the connector has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.sdk.connector import Connector

TO_DO, DONE, EXEMPT = "to do", "done", "exempt"

RULES: Mapping[str, str] = {
    "vendor_samples": "each event is shown by a request as the vendor published or sent it",
    "nothing_invented": "no fixture holds a field that the vendor does not document",
    "covers_body": "the proof covers the body",
    "covers_time": "the proof covers a time, so that an old request is refused",
    "vectors": "the proof was compared with what the vendor published",
    "replay": "`gateway replay` can sign as the platform does",
    "reconciled": "what was never pushed is found by asking for it",
    "contacts": "the contact side is held to the contract by `ContactSideSuite`",
    "live": "tried with the live platform",
}
UNCHECKED = frozenset({"vectors", "contacts", "live"})
"""Rules that nothing in the folder can show: who marks them as done says how."""


def marks_of(connector: type[Connector]) -> dict[str, str]:
    """The mark of every rule."""
    return {rule: connector.quality.get(rule) or _unsaid(connector, rule) for rule in RULES}


def _unsaid(connector: type[Connector], rule: str) -> str:
    """What is not marked is to do, unless the connector has nothing that the rule is about."""
    if rule == "contacts" and connector.contact_side is Connector.contact_side:
        return f"{EXEMPT}: it has no contacts."
    if rule not in {"contacts", "live"} and not connector.events:
        return f"{EXEMPT}: it brings contacts only."
    return TO_DO


def misdeclared(connector: type[Connector]) -> Iterator[str]:
    """A sentence for each mark that says nothing: of no rule, of no kind, without its reason."""
    for rule, mark in connector.quality.items():
        kind, _, reason = mark.partition(":")
        if rule not in RULES:
            yield f"{rule} is no rule; there are {', '.join(RULES)}."
        elif kind not in {TO_DO, DONE, EXEMPT}:
            yield f"{rule}: {mark!r} is no mark; there are {DONE}, {TO_DO} and {EXEMPT}: why."
        elif not reason.strip() and (kind == EXEMPT or (kind == DONE and rule in UNCHECKED)):
            yield f"{rule}: write {kind}: and the reason."
