"""Folding is commutative, associative and idempotent: order and repetition of deliveries do not matter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.interactions import (
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
    references=st.none() | st.dictionaries(st.sampled_from(["case_number", "order"]), st.sampled_from(["1", "2"])),
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
    notes = interaction_of("c-1", fold(None, [told])).notes

    assert notes is not None
    assert "\x00" not in notes
    assert notes.encode("utf-8").decode("utf-8") == notes
