"""When a run stops, whatever it would do."""

from __future__ import annotations

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.domain.brakes import Brake, Tally, links_to_count, reasons_to_stop
from gateway.domain.contacts import Side

numbers = st.integers(0, 400)
counters = st.fixed_dictionaries(dict.fromkeys(Side, numbers)).map(Counter)


@given(
    tally=st.builds(Tally, changed=counters, deleted=counters),
    links=numbers,
    records=st.fixed_dictionaries({side: st.integers(0, 2) for side in Side}),
    brake=st.builds(Brake, share=st.integers(1, 100).map(lambda percent: percent / 100), least=st.integers(1, 30)),
)
def test_links_beyond_those_to_count_change_nothing(tally, links, records, brake):
    enough = links_to_count(tally, records, brake)
    counted = links if enough is None else min(links, enough)

    assert reasons_to_stop(tally, counted, records, brake) == reasons_to_stop(tally, links, records, brake)


@example(share=29, links=100)
@given(share=st.integers(1, 100), links=st.integers(10, 1000))
def test_as_much_as_the_share_goes_through_and_one_more_does_not(share, links):
    brake, allowed = Brake(share=share / 100), share * links // 100
    records = dict.fromkeys(Side, 1)
    through, over = (Tally(deleted=Counter({Side.PLATFORM: count})) for count in (allowed, allowed + 1))

    assert reasons_to_stop(through, links, records, brake) == ()
    assert len(reasons_to_stop(over, links, records, brake)) == 1
