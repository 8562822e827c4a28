"""What holds for every decision, whoever is known and whatever was told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.identity import email_key, foreign_key, phone_key, phone_keys
from gateway.domain.interactions import Event, Interaction, PartialInteraction, Party, fold, interaction_of
from gateway.domain.matching import Match, MatchState, match, sought
from gateway.domain.policies import MatchPolicy
from gateway.domain.records import Kind, Known, Record, Remembered
from tests.values import replace

NOW = datetime(2026, 3, 2, 14, 54, tzinfo=UTC)
POLICY = MatchPolicy(version="1")

PHONES = [f"+1415555010{n}" for n in range(2)]
EMAILS = ["casey@example.com", "casey@gmail.com"]
KEYS = [f"phone:{number}" for number in PHONES] + [f"email:{address}" for address in EMAILS] + ["domain:example.com"]
NAMES = ["Ann Archer", "Bo Archer", "Casey Customer", "Bob Smith", "Robert Smith", "WIRELESS CALLER", "Ann"]
ACCOUNTS = [Record(kind=Kind.ACCOUNT, id=f"001{n}", name=f"Account {n}", account_id="0010") for n in range(3)]


def keys_of(most: int):
    return st.lists(st.sampled_from(KEYS), max_size=most, unique=True).map(tuple)


@st.composite
def people(draw, kinds: Sequence[Kind] = (Kind.CONTACT, Kind.LEAD)) -> list[Record]:
    count = draw(st.integers(1, 4))
    return [
        Record(
            kind=draw(st.sampled_from(kinds)),
            id=f"003{n}",
            name=draw(st.sampled_from(NAMES)),
            keys=draw(keys_of(3)),
            account_id=draw(st.sampled_from([None, "0010", "0011", "0012"])),
        )
        for n in range(count)
    ]


@st.composite
def cases(draw) -> list[Record]:
    count = draw(st.integers(0, 3))
    return [
        Record(
            kind=Kind.CASE, id=f"500{n}", name=f"Case {n}", number=f"{n:08}", keys=(f"case:{n:08}", *draw(keys_of(1))),
            account_id=draw(st.sampled_from([None, "0010", "0011"])), is_open=draw(st.booleans()),
            contact_id=draw(st.sampled_from([None, "0030", "0031"])),
        )
        for n in range(count)
    ]  # fmt: skip


parties = st.lists(
    st.builds(
        Party,
        phone=st.sampled_from([*PHONES, "anonymous"]),
        email=st.sampled_from([None, *EMAILS]),
        name=st.sampled_from([None, *NAMES]),
        verified=st.booleans(),
    ),
    max_size=3,
)
references = st.dictionaries(
    st.sampled_from(["contact_id", "lead_id", "account_id", "case_id", "case_number", "order"]),
    st.sampled_from(["0030", "0031", "0011", "5000", "1", "A-17"]),
    max_size=2,
)
memories = st.dictionaries(
    st.sampled_from(KEYS[:4]),
    st.lists(
        st.builds(
            Remembered,
            st.sampled_from(["0030", "0031", "0034", "003Z", "0011"]),
            st.integers(0, 3),
            st.integers(0, 3),
            st.integers(0, 900).map(lambda days: NOW - timedelta(days=days)),
        ),
        max_size=3,
        unique_by=lambda memory: memory.record_id,
    ),
)
related = st.dictionaries(st.sampled_from(["0030", "0031"]), st.just(("0012",)))


def known_of(records: Sequence[Record], *, related=None, remembered=None) -> Known:
    by_key: dict[str, list[Record]] = {}
    open_cases: dict[str, list[Record]] = {}
    domains: dict[str, dict[str, int]] = {}
    for record in records:
        for key in record.keys:
            by_key.setdefault(key, []).append(record)
            if key.startswith("domain:") and record.account_id:
                shown = domains.setdefault(key, {})
                shown[record.account_id] = shown.get(record.account_id, 0) + 1
        if record.kind is Kind.CASE and record.is_open and (owner := record.contact_id or record.account_id):
            open_cases.setdefault(owner, []).append(record)
    by_id = {record.id: record for record in records}
    return Known(by_key, by_id, open_cases, domains, related=related or {}, remembered=remembered or {})


def told_of(sides: Sequence[Party], named: dict[str, str] | None = None) -> Interaction:
    partial = PartialInteraction(
        id="c-1", event=Event.COMPLETED, occurred_at=NOW, parties=tuple(sides), references=named or None
    )
    return interaction_of("c-1", fold(None, [partial]))


def decide(interaction: Interaction, known: Known) -> Match:
    return match(interaction, sought(interaction, "US", POLICY), known, POLICY)


def scores(decision: Match) -> list[dict[str, float]]:
    return [{candidate.record.id: candidate.score for candidate in party.candidates} for party in decision.parties]


@given(people(), cases(), parties, references, memories, related, st.randoms(use_true_random=False))
def test_the_order_of_records_and_keys_does_not_matter(
    persons, files, sides, named, remembered, more, rng: random.Random
):
    records = [*ACCOUNTS, *persons, *files]
    told = told_of(sides, named)
    shuffled = [replace(record, keys=tuple(rng.sample(record.keys, len(record.keys)))) for record in records]
    rng.shuffle(shuffled)
    mixed = {key: rng.sample(list(known), len(known)) for key, known in remembered.items()}

    one = decide(told, known_of(records, related=more, remembered=remembered))
    other = decide(told, known_of(shuffled, related=more, remembered=mixed))
    assert one.state is other.state
    assert scores(one) == scores(other)
    assert [p.id for p in one.people] == [p.id for p in other.people]
    assert (one.account and one.account.id) == (other.account and other.account.id)
    assert (one.case.record and one.case.record.id) == (other.case.record and other.case.record.id)


@given(people(), parties, memories, st.randoms(use_true_random=False))
def test_each_party_is_decided_on_alone(persons, sides, remembered, rng: random.Random):
    known = known_of([*ACCOUNTS, *persons], remembered=remembered)
    shuffled = rng.sample(sides, len(sides))

    def by_side(told: Sequence[Party]) -> list[str]:
        decision = decide(told_of(told), known)
        return sorted(
            str((p.state, p.reason, p.who and p.who.id, p.account and p.account.id)) for p in decision.parties
        )

    assert by_side(sides) == by_side(shuffled)


@given(people(), cases(), parties, references, memories, related)
def test_nobody_is_decided_for_who_is_not_known(persons, files, sides, named, remembered, more):
    known = known_of([*ACCOUNTS, *persons, *files], related=more, remembered=remembered)
    decision = decide(told_of(sides, named), known)

    found = [decision.account, decision.case.record, *decision.people, *decision.case.offered]
    found += [part for party in decision.parties for part in (party.who, party.account)]
    found += [candidate.record for party in decision.parties for candidate in party.candidates]
    assert all(known.by_id[record.id] is record for record in found if record)
    assert all(who.kind in {Kind.CONTACT, Kind.LEAD} for who in decision.people)


@given(people(), cases(), parties, references, memories)
def test_who_is_decided_for_is_above_the_threshold_and_ahead(persons, files, sides, named, remembered):
    decision = decide(told_of(sides, named), known_of([*ACCOUNTS, *persons, *files], remembered=remembered))

    for party in decision.parties:
        first, *others = [candidate.score for candidate in party.candidates] or [0.0]
        assert (first, *others) == tuple(sorted([first, *others], reverse=True))
        stands_out = first >= POLICY.threshold and first - max(others, default=0) >= POLICY.margin
        assert (party.who is not None) == (bool(party.candidates) and stands_out)
        assert not (party.who is None and party.candidates and party.state is not MatchState.AMBIGUOUS)


@given(people(kinds=[Kind.CONTACT]), st.sampled_from(KEYS[:4]), st.integers(2, 40), st.booleans())
def test_a_shared_key_alone_decides_nobody(persons, key, sharing, is_verified):
    names = [f"{chr(97 + n % 26) * 3} {chr(97 + n // 26) * 3}" for n in range(sharing)]
    sharers = [Record(kind=Kind.CONTACT, id=f"003s{n}", name=name, keys=(key,)) for n, name in enumerate(names)]
    value = key.partition(":")[2]
    side = Party(**{key.partition(":")[0]: value}, verified=is_verified)
    others = [replace(person, keys=tuple(other for other in person.keys if other != key)) for person in persons]

    assert decide(told_of([side]), known_of([*ACCOUNTS, *sharers, *others])).people == ()


@given(people(kinds=[Kind.CONTACT]), parties, memories, references, st.data())
def test_more_evidence_for_somebody_never_puts_others_before_them(persons, sides, remembered, named, data):
    if not persons or not sides:
        return
    chosen = data.draw(st.sampled_from(persons))
    before = decide(told_of(sides, named), known_of([*ACCOUNTS, *persons], remembered=remembered))
    kind = data.draw(st.sampled_from(["key", "confirmed", "named"]))
    key = data.draw(st.sampled_from(KEYS[:4]))
    if kind == "key":
        told = replace(chosen, keys=tuple(dict.fromkeys((*chosen.keys, key))))
        persons = [told if person is chosen else person for person in persons]
    elif kind == "confirmed":
        mine = next((m for m in remembered.get(key, ()) if m.record_id == chosen.id), None)
        mine = mine or Remembered(chosen.id, 0, 0, NOW)
        others = [m for m in remembered.get(key, ()) if m.record_id != chosen.id]
        remembered = remembered | {key: [*others, replace(mine, confirmed=mine.confirmed + 1, at=NOW)]}
        if mine.rejected > mine.confirmed:
            return  # what counted against them and was old counts anew
    else:
        named = {**named, "contact_id": chosen.id}
    after = decide(told_of(sides, named), known_of([*ACCOUNTS, *persons], remembered=remembered))

    for had, has in zip(scores(before), scores(after), strict=True):
        ahead_before = {id for id, score in had.items() if score > had.get(chosen.id, 0)}
        ahead_after = {id for id, score in has.items() if score > has.get(chosen.id, 0)}
        assert ahead_after <= ahead_before


@given(st.text(max_size=60), st.sampled_from(["US", "GB", "DE", "FR", "JP"]))
def test_phone_keys_are_read_again_as_themselves(text, region):
    key = phone_key(text, region)
    if key:
        assert phone_key(key.removeprefix("phone:"), "AU") == key
        assert phone_keys(key.removeprefix("phone:"), "AU") == (key,)


phone_like = st.text(st.sampled_from("0123456789+-() ./;,xortel"), max_size=50)


@given(phone_like, st.sampled_from(["US", "GB", "DE", "FR", "JP"]))
def test_whatever_is_in_a_phone_field_its_keys_are_numbers(text, region):
    for key in phone_keys(text, region):
        kind, _, value = key.partition(":")
        assert (kind == "phone" and phone_key(value, region) == key) or (kind == "national" and value.isdecimal())
        foreign_key(key, region)


@given(st.emails())
def test_an_email_key_is_read_again_as_itself(address):
    key = email_key(address)
    assert key is None or email_key(key.removeprefix("email:")) == key
