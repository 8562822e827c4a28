"""vCards of both versions, read and written: what is changed is changed, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.carddav.contact import FIELDS, TEXTS, is_person, new_card, rewritten, values_of
from connectors.carddav.vcard import LONGEST_LINE, Property, escaped, read_card, unescaped
from gateway.sdk import Entry

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

APPLE = """BEGIN:VCARD
VERSION:3.0
PRODID:-//Apple Inc.//iOS 17.0//EN
N:Customer;Casey;;;
FN:Casey Customer
ORG:North Valley\\, Inc.;Sales;
TITLE:Buyer
TEL;type=CELL;type=VOICE;type=pref:+1 (415) 555-0100
item1.TEL:(415) 555-0101
item1.X-ABLabel:_$!<Assistant>!$_
TEL;TYPE=HOME,FAX:415-555-0102
EMAIL;type=INTERNET;type=WORK:casey@example.com
item2.ADR;type=HOME:;;1 Elm St;Springfield;IL;62701;USA
item2.X-ABADR:us
ADR;type=WORK:;;2 Oak St\\nFloor 3;Shelbyville;IL;62702;USA
NOTE:Prefers mornings\\; never\\, ever\\nFridays. C:\\\\temp
PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQg
 KCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9k=
X-ODD;X-WAY="a;b:c,d":kept, as; it is
a line that is none
REV:20250101T000000Z
UID:casey-1
END:VCARD
"""

FOUR = """BEGIN:VCARD
VERSION:4.0
UID:urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1
FN;LANGUAGE=en:Dr. Zoë Müller
N;SORT-AS="Muller,Zoe":Müller;Zoë;Anna,Maria;Dr.;
TEL;VALUE=uri;TYPE="work,voice";PREF=2:tel:+1-415-555-0103;ext=12
TEL;VALUE=uri;TYPE=cell;PREF=1:tel:+1-415-555-0104
EMAIL;PID=1.1;PREF=1:zoe@example.com
CLIENTPIDMAP:1;urn:uuid:53e374d9-337e-4727-8803-a1e9c14e0556
RELATED;TYPE=friend:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6
END:VCARD
"""


def lines(card) -> list[str]:
    return [each.line for each in card.properties]


def test_a_card_of_version_3_is_read():
    values = values_of(read_card(APPLE))

    assert {name: value for name, value in values.items() if value} == {
        "first": "Casey",
        "last": "Customer",
        "company": "North Valley, Inc.",
        "department": "Sales",
        "title": "Buyer",
        "street": "2 Oak St\nFloor 3",
        "city": "Shelbyville",
        "state": "IL",
        "postal_code": "62702",
        "country": "USA",
        "notes": "Prefers mornings; never, ever\nFridays. C:\\temp",
        "phones": (
            Entry("+1 (415) 555-0100", "mobile", is_primary=True),
            Entry("(415) 555-0101"),
            Entry("415-555-0102", "fax"),
        ),
        "emails": (Entry("casey@example.com", "work"),),
    }


def test_a_card_of_version_4_is_read():
    values = values_of(read_card(FOUR))

    assert (values["prefix"], values["first"], values["middle"], values["last"]) == (
        "Dr.",
        "Zoë",
        "Anna,Maria",
        "Müller",
    )
    assert values["phones"] == (
        Entry("+1-415-555-0103;ext=12", "work"),
        Entry("+1-415-555-0104", "mobile", is_primary=True),
    )
    assert values["emails"] == (Entry("zoe@example.com", is_primary=True),)


@pytest.mark.parametrize("text", [APPLE, FOUR], ids=["3.0", "4.0"])
def test_a_card_is_written_as_it_was_read(text):
    card = read_card(text)

    assert lines(read_card(card.text)) == lines(card)
    assert [line for line in card.text.split("\r\n") if len(line.encode()) > LONGEST_LINE] == []
    assert values_of(rewritten(card, values_of(card), NOW)) == values_of(card)


@pytest.mark.parametrize("text", [APPLE, FOUR], ids=["3.0", "4.0"])
def test_what_is_written_back_unchanged_changes_no_line_but_the_revision(text):
    card = read_card(text)

    assert set(lines(rewritten(card, values_of(card), NOW))) ^ set(lines(card)) <= {
        "REV:20250101T000000Z",
        "REV:20260302T150000Z",
    }


def test_only_the_lines_that_hold_a_changed_value_change():
    card = read_card(APPLE)
    changed = rewritten(card, {"title": "Head, of; buying", "department": None, "city": "Ogdenville"}, NOW)

    assert [line for line in lines(changed) if line not in lines(card)] == [
        "ORG:North Valley\\, Inc.;;",
        "TITLE:Head\\, of\\; buying",
        "ADR;type=WORK:;;2 Oak St\\nFloor 3;Ogdenville;IL;62702;USA",
        "REV:20260302T150000Z",
    ]
    assert len(lines(changed)) == len(lines(card))


def test_a_number_keeps_its_line_and_one_that_goes_takes_its_label_along():
    card = read_card(APPLE)
    wanted = (
        Entry("+1 415 555 0100", "mobile", is_primary=True),
        Entry("415-555-0102", "home"),
        Entry("+1 415 555 0199", "work"),
    )
    changed = rewritten(card, {"phones": wanted}, NOW)

    assert [line for line in lines(changed) if "555" in line or "X-ABL" in line] == [
        "TEL;type=CELL;type=VOICE;type=pref:+1 415 555 0100",
        "TEL;TYPE=home:415-555-0102",
        "TEL;TYPE=work:+1 415 555 0199",
    ]
    assert values_of(changed)["phones"] == wanted


@pytest.mark.parametrize(("text", "first"), [(APPLE, "TYPE=pref"), (FOUR, "PREF=1")], ids=["3.0", "4.0"])
def test_another_first_choice_is_told_in_the_words_of_the_version(text, first):
    card = read_card(text)
    held = values_of(card)["phones"]
    wanted = tuple(Entry(e.value, e.type, is_primary=e.value == held[-1].value) for e in reversed(held))
    wanted = tuple(Entry(e.value, e.type, is_primary=not e.is_primary and at == 1) for at, e in enumerate(wanted))
    changed = rewritten(card, {"phones": wanted}, NOW)

    assert {(e.value, e.type, e.is_primary) for e in values_of(changed)["phones"]} == {
        (e.value, e.type, e.is_primary) for e in wanted
    }
    assert sum(first in line for line in lines(changed) if "TEL" in line) == 1


def test_the_formatted_name_follows_the_parts_that_it_was_made_of():
    assert "FN:Casey Byron" in lines(rewritten(read_card(APPLE), {"last": "Byron"}, NOW))
    own = APPLE.replace("FN:Casey Customer", "FN:The Countess")
    assert "FN:The Countess" in lines(rewritten(read_card(own), {"last": "Byron"}, NOW))


def test_a_card_without_a_structured_name_has_the_words_of_the_formatted_one():
    card = read_card("BEGIN:VCARD\nVERSION:4.0\nFN:Ada King Lovelace\nEND:VCARD\n")
    values = values_of(card)
    assert (values["first"], values["last"]) == ("Ada King", "Lovelace")
    changed = values_of(rewritten(card, {"last": "Byron"}, NOW))
    assert (changed["first"], changed["last"]) == ("Ada King", "Byron")


def test_a_company_has_no_persons_name():
    values = values_of(read_card("BEGIN:VCARD\nVERSION:3.0\nFN:North Valley\nN:;;;;\nORG:North Valley\nEND:VCARD\n"))
    assert (values["first"], values["last"], values["company"]) == (None, None, "North Valley")


@pytest.mark.parametrize("kind", ["KIND:group", "X-ADDRESSBOOKSERVER-KIND:group", "KIND:org", "KIND:Location"])
def test_lists_and_places_are_nobody(kind):
    assert not is_person(read_card(f"BEGIN:VCARD\nVERSION:4.0\n{kind}\nFN:x\nEND:VCARD\n"))


def test_who_is_a_person():
    assert is_person(read_card(APPLE))
    assert is_person(read_card("BEGIN:VCARD\nVERSION:4.0\nKIND:individual\nFN:x\nEND:VCARD\n"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "BEGIN:VCARD\n",
        "END:VCARD\nBEGIN:VCARD",
        "BEGIN:VCARD\nFN:a\nEND:VCARD\nBEGIN:VCARD\nFN:b\nEND:VCARD",
        "FN:a\nBEGIN:VCARD\nEND:VCARD",
    ],
)
def test_what_is_not_one_card_is_refused(text):
    with pytest.raises(ValueError, match="one vCard"):
        read_card(text)


# --- properties

words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=200)
entries = st.lists(
    st.builds(Entry, st.from_regex(r"\+1415555[0-9]{4}", fullmatch=True), st.sampled_from(FIELDS["phones"].types)),
    max_size=5,
    unique_by=lambda entry: entry.value,
)
raw_lines = st.builds(
    lambda group, name, parameters, value: f"{group}{name}{parameters}:{value}",
    st.sampled_from(["", "item1.", "g-2."]),
    st.from_regex(r"X-[A-Z]{1,8}", fullmatch=True),
    st.sampled_from(["", ";TYPE=a,b", ';X="q;r:s,t"', ";BARE;LANGUAGE=de"]),
    words.filter(lambda value: value == value.strip()),
)


def plain(values):
    return {name: value or None for name, value in values.items()}


@given(texts)
def test_any_text_is_escaped_and_read_again(text):
    assert unescaped(escaped(text)) == (text if text.strip() else "")
    assert Property("N", "").with_component(3, text).components[3] == escaped(text)


@given(st.lists(raw_lines, max_size=8), st.dictionaries(st.sampled_from(sorted(TEXTS)), texts), entries, st.data())
def test_values_are_written_and_strangers_kept(strangers, values, phones, data):
    """Whatever stood in a card stays there line by line, and what is written is read."""
    version = data.draw(st.sampled_from(["3.0", "4.0"]))
    text = "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *strangers, "FN:Ada Lovelace", "N:Lovelace;Ada;;;"])
    card = read_card(f"{text}\r\nEND:VCARD\r\n")
    first = data.draw(st.integers(-1, len(phones) - 1))
    wanted = tuple(Entry(e.value, e.type, is_primary=at == first) for at, e in enumerate(phones))

    written = read_card(rewritten(card, {**values, "phones": wanted}, NOW).text)

    kept = [line for line in lines(card) if not line.startswith(("FN", "N:"))]
    assert [line for line in lines(written) if line in kept] == kept
    told = values_of(written)
    assert told["phones"] == wanted
    expected = {**values_of(card), **{name: value.strip() for name, value in values.items()}, "phones": wanted}
    if any(expected[name] for name in ("first", "last", "middle", "prefix", "suffix")):
        assert plain(told) == plain(expected)


@given(values=st.dictionaries(st.sampled_from(sorted(TEXTS)), texts), version=st.sampled_from(["3.0", "4.0"]))
def test_a_new_card_says_what_it_was_given(values, version):
    card = read_card(new_card(version, "u-1", "003A", {"last": "Lovelace", **values}, NOW).text)

    assert card.properties[0].line == f"VERSION:{version}"
    assert len(card.all("FN")) == len(card.all("N")) == len(card.all("UID")) == 1
    assert card.text_of("FN")
    told = values_of(card)
    named = {"last": "Lovelace", **values}
    if any(named.get(name, "").strip() for name in ("first", "last", "middle", "prefix", "suffix")):
        assert {name: told[name] for name in values} == {name: value.strip() or None for name, value in values.items()}
