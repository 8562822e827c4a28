"""Folding is commutative, associative and idempotent: order and repetition of deliveries do not matter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import reduce

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.interactions import (
    MAX_TOLD,
    CallType,
    Channel,
    Direction,
    Event,
    Leg,
    PartialInteraction,
    Party,
    fold,
    interaction_of,
    merge,
    state_of,
)

START = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
moments = st.integers(0, 3).map(lambda minutes: START + timedelta(minutes=minutes))
maybe_moment = st.none() | moments
words = st.none() | st.sampled_from(["a", "b", "ü", "שלום", "👍"])

parties = st.builds(
    Party,
    id=st.none() | st.sampled_from(["p1", "p2"]),
    role=st.none() | st.sampled_from(["customer", "installer"]),
    phone=words,
    email=words,
    name=words,
    verified=st.none() | st.booleans(),
)
legs = st.builds(
    Leg,
    id=st.none() | st.sampled_from(["l1", "l2"]),
    call_type=st.none() | st.sampled_from(CallType),
    agent_id=words,
    disposition=words,
    notes=words,
    started_at=maybe_moment,
    ended_at=maybe_moment,
)
partials = st.builds(
    PartialInteraction,
    id=st.just("c-1"),
    event=st.sampled_from(Event),
    occurred_at=moments,
    sequence=st.none() | st.integers(0, 2),
    channel=st.none() | st.sampled_from(Channel),
    direction=st.none() | st.sampled_from(Direction),
    parties=st.lists(parties, max_size=3).map(tuple),
    legs=st.lists(legs, max_size=3).map(tuple),
    started_at=maybe_moment,
    ended_at=maybe_moment,
    duration_seconds=st.none() | st.integers(0, 5),
    notes=words,
    references=st.none() | st.dictionaries(st.sampled_from(["case_number", "order"]), st.sampled_from(["", "1", "2"])),
    attributes=st.none() | st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([1, "1", None, [1], {"z": 2}])),
)
histories = st.lists(partials, min_size=1, max_size=6)


@given(histories, st.data())
def test_order_and_repetition_do_not_matter(history, data):
    shuffled = data.draw(st.permutations(history))
    repeated = shuffled + data.draw(st.lists(st.sampled_from(history), max_size=4))

    assert fold(None, history) == fold(None, repeated)


@given(histories, histories, histories)
def test_states_merge_associatively(one, two, three):
    a, b, c = (fold(None, history) for history in (one, two, three))

    assert merge(merge(a, b), c) == merge(a, merge(b, c))
    assert merge(a, b) == merge(b, a)
    assert merge(a, a) == a


@given(histories)
def test_a_state_survives_storage(history):
    state = fold(None, history)

    assert json.loads(json.dumps(state)) == state
    assert interaction_of("c-1", json.loads(json.dumps(state))) == interaction_of("c-1", state)


@given(histories)
def test_the_later_of_two_references_stands_and_both_are_known(history):
    call = interaction_of("c-1", fold(None, history))

    for name in ("case_number", "order"):
        told = [
            ((-1 if partial.sequence is None else partial.sequence, partial.occurred_at), partial.references[name])
            for partial in history
            if partial.references and name in partial.references
        ]
        earlier = call.earlier_references.get(name, ())
        assert call.references.get(name, "") == max(told, default=("", ""))[1]
        assert {call.references.get(name, ""), *earlier, ""} == {"", *(value for _, value in told)}
        assert call.references.get(name) not in earlier
        latest = {value: max(stamp for stamp, other in told if other == value) for _, value in told}
        assert list(earlier) == sorted(earlier, key=lambda value: (latest[value], value), reverse=True)


numbers = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=25, max_size=30)


@settings(max_examples=30)
@given(numbers, st.data())
def test_of_ever_so_many_references_the_latest_are_kept_in_any_order(told, data):
    """However many a sender names: the state stays small, and the same however its parts were merged."""
    states = [
        state_of(
            PartialInteraction(
                id="c-1", event=Event.UPDATED, occurred_at=START, sequence=at, references={"order": f"{n}"}
            )
        )
        for at, n in told
    ]
    cut = data.draw(st.integers(0, len(states)))
    shuffled = data.draw(st.permutations(states))
    halves = [reduce(merge, half) for half in (shuffled[:cut], shuffled[cut:]) if half]

    assert reduce(merge, reversed(halves)) == reduce(merge, states)
    assert len(reduce(merge, states)["references"]["order"]) <= MAX_TOLD


@given(histories)
def test_a_state_that_was_stored_when_one_value_was_kept_is_read_and_folded_on(history):
    state = fold(None, history)
    before = {**state, "references": {name: told[0] for name, told in state["references"].items()}}

    assert interaction_of("c-1", before).references == interaction_of("c-1", state).references
    assert interaction_of("c-1", merge(before, state)) == interaction_of("c-1", state)


@given(histories)
def test_an_empty_text_takes_back_what_was_said(history):
    last = PartialInteraction(
        id="c-1",
        event=Event.UPDATED,
        occurred_at=START + timedelta(hours=1),
        sequence=9,
        parties=(Party(role="customer", phone="", name="Robin"),),
        references={"order": ""},
        notes="",
    )
    call = interaction_of("c-1", fold(None, [*history, last]))

    assert ("order" in call.references, call.notes) == (False, None)
    (customer,) = [party for party in call.parties if party.id == "customer"]
    assert (customer.phone, customer.name) == (None, "Robin")


@given(histories)
def test_merging_changes_neither_state(history):
    states = [state_of(partial) for partial in history]
    before = json.dumps(states)
    fold(None, history)
    merge(states[0], states[-1])

    assert json.dumps(states) == before


@given(histories)
def test_what_nobody_told_stays_unknown(history):
    interaction = interaction_of("c-1", fold(None, history))

    if all(partial.notes is None for partial in history):
        assert interaction.notes is None
    if not any(partial.parties for partial in history):
        assert interaction.parties == ()


@given(st.text(st.characters(), max_size=40))
def test_any_text_survives_as_valid_unicode(text):
    told = PartialInteraction(id="c-1", event=Event.COMPLETED, occurred_at=START, notes=text)
    notes = interaction_of("c-1", fold(None, [told])).notes or ""

    assert "\x00" not in notes
    assert notes.encode("utf-8").decode("utf-8") == notes
