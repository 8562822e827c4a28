"""Whatever strangers send, every installed connector reads it or rejects it, and it costs no more than it is long.

No clock judges: what would take for ever ends by the time limit that all tests have.
"""

from __future__ import annotations

import json
import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.interactions import PartialInteraction, state_of
from gateway.errors import RejectedError
from gateway.sdk.cases import deliveries_of
from gateway.sdk.discovery import installed_connectors
from gateway.sdk.reading import MAX_BYTES
from gateway.sdk.testing import cases_in, suite_of
from tests.connectors.fuzzing import Fixtures, loaded, media_type_of, mutated, search, words_of

NAMES = sorted(name for name, connector in installed_connectors().items() if connector.events)
RUNS = 4 * settings().max_examples
"""Of the search, for each type that a connector is posted; many more with HYPOTHESIS_PROFILE=thorough."""
AMPLIFIED = 12
"""How many times longer than the body what is stored may be: an interaction holds stamps beside each text."""

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=30,
)


@pytest.fixture(scope="module")
def fixtures_of():
    """Of a connector by name; made once."""
    made = {name: Fixtures(suite_of(installed_connectors()[name])()) for name in NAMES}
    return made.__getitem__


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), sent=st.binary(max_size=500) | anything)
def test_any_bytes_are_read_or_rejected(fixtures_of, name, data, sent):
    fixtures = fixtures_of(name)
    _, headers = data.draw(st.sampled_from(fixtures.seeds))
    body = sent if isinstance(sent, bytes) else fixtures.body(sent, headers)
    fixtures.suite._read_or_rejected(fixtures.suite._signer, fixtures.suite.sent(body, headers), repr(body))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_fixture_changed_at_many_places_is_read_or_rejected(fixtures_of, name, data, seed):
    fixtures = fixtures_of(name)
    value, headers = data.draw(st.sampled_from(fixtures.seeds))
    dice = Random(seed)
    words, others = words_of(installed_connectors()[name]), [seed for seed, _ in fixtures.seeds]
    for _ in range(3):
        value = mutated(value, dice, words, others)
    fixtures.read(value, headers)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_for_new_paths_finds_nothing_but_rejections(fixtures_of, name):
    connector = installed_connectors()[name]
    fixtures = fixtures_of(name)

    for media_type in sorted({media_type_of(headers) for _, headers in fixtures.seeds}):
        seeds = [seed for seed in fixtures.seeds if media_type_of(seed[1]) == media_type]
        assert search(fixtures.read, seeds, words_of(connector), connector.__module__, RUNS)


@pytest.mark.parametrize("name", NAMES)
def test_each_fixture_is_a_seed_and_means_the_same_when_it_is_written_anew(fixtures_of, name):
    """Of whatever type it is."""
    fixtures = fixtures_of(name)
    for case in cases_in(fixtures.suite.fixtures):
        headers = dict(case.headers)
        for body in case.bodies if not case.rejected else ():
            value = loaded(body, headers)
            assert (value, headers) in fixtures.seeds
            assert _told(fixtures.suite, fixtures.body(value, headers), headers) == _told(fixtures.suite, body, headers)


def hidden(value, headers):
    """Fails behind three doors, each of which shows only once the one before is open."""
    assert headers == {"content-type": "application/json"}
    if value.get("a") != "one":
        return
    if not isinstance(value.get("b"), list):
        return
    if value["b"][:1] == ["two"]:
        raise ZeroDivisionError


def test_the_search_opens_doors_one_after_the_other():
    seed = ({"a": "", "b": "", "c": {"d": 1}}, {"content-type": "application/json"})
    with pytest.raises(ZeroDivisionError):
        search(hidden, [seed], ["one", "two", "three"], __name__, 20_000)


def test_the_search_sends_what_it_changed_under_the_headers_of_its_seed():
    """An element stays an element, and a field a field."""
    seen = set()
    seeds = [({"xml": {"a": ""}}, {"content-type": "text/xml"}), ({"json": {"a": ""}}, {"content-type": "json"})]

    def read(value, headers):
        seen.update((name, headers["content-type"]) for name in (value if isinstance(value, dict) else ()))

    search(read, seeds, ["y"], __name__, 200)
    assert seen == {("xml", "text/xml"), ("json", "json")}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_is_not_much_longer_than_what_was_sent(fixtures_of, name):
    """Each text in turn is very long, and each list has very many members."""
    fixtures = fixtures_of(name)
    for value, headers in fixtures.seeds[:2]:
        for hostile in ("x" * 100_000, "1" * 100_000, "a@b.example.com " * 6000, [value] * 50, ["x"] * 20_000):
            for key in value if isinstance(value, dict) else ():
                body = fixtures.body({**value, key: hostile}, headers)
                assert _stored(fixtures.suite, body, headers) <= AMPLIFIED * len(body) + 20_000, key


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_depth_and_size_are_bounded(fixtures_of, name, opening):
    """However deep or large, no more of the stack is used than is there for everybody, and too much is rejected."""
    fixtures = fixtures_of(name)
    _, headers = fixtures.seeds[0]
    closing = opening[::-1].translate(bytes.maketrans(b"[{", b"]}")).translate(None, b'"a:')
    limit = sys.getrecursionlimit()
    for depth in (33, 500, 5000, 200_000):
        body = opening * depth + b"1" + closing * depth
        fixtures.suite._read_or_rejected(fixtures.suite._signer, fixtures.suite.sent(body, headers), f"depth {depth}")
    assert sys.getrecursionlimit() == limit
    assert _stored(fixtures.suite, b'{"a": "' + b"x" * MAX_BYTES + b'"}', headers) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("around", ["[%s]", '[{"data": %s}]', '{"records": [{"data": %s}]}'])
def test_what_can_just_be_read_needs_no_more_of_the_stack_than_there_is(fixtures_of, name, around):
    """What a connector takes apart, and puts together again, is read at depths at which nothing else fits."""
    fixtures = fixtures_of(name)
    _, headers = fixtures.seeds[0]
    limit = sys.getrecursionlimit()
    for depth in range(limit - 150, limit):
        body = (around % ('{"a":' * depth + "1" + "}" * depth)).encode()
        fixtures.suite._read_or_rejected(
            fixtures.suite._signer, fixtures.suite._posted(body, headers), f"depth {depth}"
        )


def _stored(suite, body: bytes, headers: dict[str, str]) -> int:
    """How long the interactions are that the body tells of."""
    return sum(len(json.dumps(state_of(partial))) for partial in _told(suite, body, headers))


def _told(suite, body: bytes, headers: dict[str, str]) -> list[PartialInteraction]:
    try:
        return [
            partial
            for part in deliveries_of(suite.sent(body, headers), suite._signer)
            for partial in suite._signer.parse(part)
        ]
    except RejectedError:
        return []
