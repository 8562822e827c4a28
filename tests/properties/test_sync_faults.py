"""The property test of the contact sync would find these mistakes: each is made, and found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from gateway.domain import sync, sync_fields, undo
from gateway.domain.contacts import Side
from gateway.usecases import counterparts, introductions
from tests.properties.contact_world import ContactWorld

QUICK = settings(
    max_examples=4000, stateful_step_count=20, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
)  # fmt: skip

_winner = sync_fields._winner


def _no_base(plan: Any) -> Any:
    return {side: dict(plan.link.base.get(side, {})) for side in Side}


FAULTS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "intents are forgotten": (sync, "settled", lambda link, *_: replace(link, intent=None)),
    "Salesforce is always right": (sync_fields, "_winner", lambda _: Side.SALESFORCE),
    "the loser of a lone edit wins": (
        sync_fields, "_winner", lambda case: winner.other if (winner := _winner(case)) else None,
    ),
    "policy decides what nobody may": (sync, "_policy_winner", lambda *_: Side.PLATFORM),
    "changes of the platform are not seen": (
        sync_fields.FieldCase, "changed",
        lambda case: {s for s in (Side.SALESFORCE,) if not case.reading.same(case.held.get(s), case.base.get(s))},
    ),
    "losses are not recorded": (sync, "_losses", lambda *_: []),
    "what both agree on is not remembered": (sync, "_agreed_base", _no_base),
    "removals are undone": (sync_fields, "_stays", lambda *_: True),
    "additions are removed": (
        sync_fields, "_stays", lambda key, base, held: all(key in held[side] for side in Side),
    ),
    "deletes win over edits": (sync, "_edits", lambda *_: []),
    "deletes stay on their side": (sync, "_delete", lambda link, *_, **__: sync._kept(link)),
    "what was deleted is created anew": (
        sync, "_delete", lambda link, side, record, **_: sync.LinkPlan(link=replace(link, ids={side: record.id})),
    ),
    "a created contact is not found again": (counterparts.Counterparts, "_created", lambda *_: None),
    "nobody is recognised": (
        introductions, "pair", lambda record, side, *_, **__: introductions.Pairing(record, side, "Nobody."),
    ),
    "merges take others' counterparts": (counterparts.Counterparts, "_gives_way", lambda *_: True),
    "what is put back is taken for an edit": (undo, "_agreed", lambda *_: {}),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_property_test_finds_it(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, wrong = FAULTS[fault]
    monkeypatch.setattr(owner, name, wrong)

    with pytest.raises(Exception) as raised:  # noqa: B017 — whatever the world says when it is wrong
        run_state_machine_as_test(ContactWorld, settings=QUICK)
    assert isinstance(raised.value, AssertionError), raised.value
