"""Who is whose counterpart where no link says so."""

from __future__ import annotations

from gateway.domain.contacts import ContactRecord, Entry, Meaning, Side
from gateway.domain.pairing import Known, Pairing, keys_of, pair
from gateway.domain.policies import MatchPolicy
from gateway.domain.sync import FieldRule, SyncPolicy

POLICY = SyncPolicy(
    fields=(
        FieldRule(name="first", is_name=True), FieldRule(name="last", is_name=True),
        FieldRule(name="phones", meaning=Meaning.PHONES), FieldRule(name="emails", meaning=Meaning.EMAILS),
    )
)  # fmt: skip


def person(
    id: str, name: str, *phones: str, email: str | None = None, verified: bool = False, other_id: str | None = None
):
    first, _, last = name.partition(" ")
    values = {
        "first": first, "last": last, "phones": tuple(Entry(each, is_verified=verified) for each in phones),
        "emails": (Entry(email),) if email else (),
    }  # fmt: skip
    return ContactRecord(id=id, values=values, other_id=other_id)


def asked(record, there, here=(), linked=(), answer=None) -> Pairing:
    """The pairing of a record of the platform, with all there are on both sides."""

    def known(records):
        found: dict[str, list[Known]] = {}
        for each in records:
            for key in {*keys_of(each, POLICY), each.id, each.other_id} - {None}:
                found.setdefault(key, []).append(Known(each, is_linked=each.id in linked))
        return found

    return pair(
        record, Side.PLATFORM, others=known(there), rivals=known([record, *here]), policy=POLICY,
        matching=MatchPolicy(version="test"), answer=answer,
    )  # fmt: skip


CASEY = person("p1", "Casey Customer", "+14155550123")


def test_an_id_that_is_borne_decides_over_likeness():
    named = person("s1", "C. Customer", "+14155550199")
    alike = person("s2", "Casey Customer", "(415) 555-0123")

    assert asked(person("p1", "Casey Customer", "+14155550123", other_id="s1"), [named, alike]).same == named


def test_the_other_side_may_bear_the_id_too():
    assert asked(CASEY, [bearing := person("s1", "Someone Else", other_id="p1")]).same == bearing


def test_a_number_that_both_verified_decides_without_a_name():
    sure = person("s1", "", "+14155550123", verified=True)

    assert asked(person("p1", "Casey Customer", "+14155550123", verified=True), [sure]).same == sure


def test_one_number_and_the_name_decide():
    assert asked(CASEY, [same := person("s1", "Casey Customer", "(415) 555-0123")]).same == same


def test_a_family_on_one_number_is_told_apart_by_the_names():
    same, sister = person("s1", "Casey Customer", "+14155550123"), person("s2", "Jordan Customer", "+14155550123")

    assert asked(CASEY, [same, sister]).same == same


def test_another_name_on_the_same_number_is_a_question():
    pairing = asked(CASEY, [person("s1", "Robin Roe", "+14155550123")])

    assert pairing.is_question
    assert [each.record.id for each in pairing.candidates] == ["s1"]


def test_two_who_are_alike_are_a_question_on_either_side():
    same, double = person("s1", "Casey Customer", "+14155550123"), person("s2", "Casey Customer", "+14155550123")
    twin = person("p2", "Casey Customer", "+14155550123")

    assert asked(CASEY, [same, double]).is_question
    assert asked(CASEY, [same], here=[twin]).is_question


def test_who_is_linked_is_not_taken_and_nobody_is_doubled():
    assert asked(CASEY, [person("s1", "Casey Customer", "+14155550123")], linked={"s1"}).is_question


def test_anonymous_is_no_name():
    pairing = asked(
        person("p1", "Anonymous", "+14155550123", "+14155550124"), [person("s1", "Anonymous", "+14155550199")]
    )

    assert pairing.same is None
    assert not pairing.is_question


def test_a_person_decides_what_was_doubtful():
    other = person("s1", "Robin Roe", "+14155550123")

    assert asked(CASEY, [other], answer="s1").same == other
    nobody = asked(CASEY, [other], answer="")
    assert (nobody.same, nobody.is_question) == (None, False)
