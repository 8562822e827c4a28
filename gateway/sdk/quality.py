"""How good a connector is: a short list of rules, the same for all, each with a mark that the class declares.

A mark is `done`, `to do` or `exempt: why`. The kit checks what is marked as done; where it cannot, the mark says what
shows it: `done: how`. What is not marked is to do.
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
    "live": "tried with the live platform",
}
UNCHECKED = frozenset({"vectors", "live"})
"""Rules that nothing in the folder can show: who marks them as done says how."""


def marks_of(connector: type[Connector]) -> dict[str, str]:
    """The mark of every rule."""
    return {rule: connector.quality.get(rule, TO_DO) for rule in RULES}


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
