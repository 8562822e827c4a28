from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import SUPPORTED_REGIONS

from gateway.domain.identity import (
    _dialled_at_home,
    _parsed,
    case_key,
    domain_key,
    email_key,
    foreign_key,
    handle_key,
    is_shared_mailbox,
    opening,
    phone_key,
    phone_keys,
)


@pytest.mark.parametrize(
    ("spelling", "region", "key"),
    [
        ("+14155550123", "US", "phone:+14155550123"),
        ("(415) 555-0123", "US", "phone:+14155550123"),
        ("415.555.0123", "US", "phone:+14155550123"),
        ("1-415-555-0123", "US", "phone:+14155550123"),
        ("415 555 0123 ext. 12", "US", "phone:+14155550123"),
        ("+1 (415) 555-0123 x9", "GB", "phone:+14155550123"),
        ("tel:+1-415-555-0123", "US", "phone:+14155550123"),
        ("tel:+14155550123;ext=55", "US", "phone:+14155550123"),
        ("tel:415-555-0123", "US", "phone:+14155550123"),
        ("whatsapp:+14155550123", "DE", "phone:+14155550123"),
        ("WhatsApp: +1 415 555 0123", "DE", "phone:+14155550123"),
        ("4165550123", "CA", "phone:+14165550123"),
        ("020 7946 0958", "GB", "phone:+442079460958"),
        ("+44 (0)20 7946 0958", "US", "phone:+442079460958"),
        ("0044 20 7946 0958", "DE", "phone:+442079460958"),
        ("011 44 20 7946 0958", "US", "phone:+442079460958"),
        ("+212655512345", "US", "phone:+212655512345"),
        ("030 901820", "DE", "phone:+4930901820"),
        ("1-800-FLOWERS", "US", "phone:+18003569377"),
        ("+14155550123", "??", "phone:+14155550123"),
    ],
)
def test_phone_spellings(spelling: str, region: str, key: str) -> None:
    """Every spelling of a number has one key."""
    assert phone_key(spelling, region) == key


@pytest.mark.parametrize(
    "spelling",
    [
        "", "   ", "anonymous", "Restricted", "unknown", "n/a", "client:ada", "sip:+14155550123@example.com", "SIPS:a@b",
        "12345", "22395", "911", "555-0123", "0000000000", "+10000000000", "+266696687", "+7378742833", "+2562533",
        "call me at 4155550123", "casey@example.com", "+", "+1", "+999999999999999999", "4" * 101, "whatsapp:", "tel:",
        "415555012", "41555501234567", "1234567890", "+11234567890", "9876543210",
    ],
)  # fmt: skip
def test_what_is_nobodys_number(spelling: str) -> None:
    """Withheld numbers, words, short codes and addresses of devices identify nobody."""
    assert phone_key(spelling, "US") is None


TWO = ("phone:+14155550123", "phone:+14155550199")


@pytest.mark.parametrize(
    ("typed", "region", "keys"),
    [
        ("(415) 555-0123", "US", TWO[:1]),
        ("+1 415 555 0123 / 0124", "US", ("phone:+14155550123", "phone:+14155550124")),
        ("+1 415 555 0123/24", "US", ("phone:+14155550123", "phone:+14155550124")),
        ("415-555-0123 or 415-555-0199", "US", TWO),
        ("415-555-0123; (415) 555-0199", "US", TWO),
        ("415-555-0123, 415-555-0199", "US", TWO),
        ("415-555-0123 / 415-555-0199", "US", TWO),
        ("415-555-0123 & 415-555-0123", "US", TWO[:1]),
        ("Tel 415-555-0123; fax 415-555-0199", "US", TWO),
        ("415-555-0123 x204", "US", TWO[:1]),
        ("415-555-0123 ext. 12/13", "US", TWO[:1]),
        ("415-555-0123, ext 5", "US", TWO[:1]),
        ("call me at 415 555 0123 after 5", "US", TWO[:1]),
        ("(415) 555-0123 (mobile)", "US", TWO[:1]),
        ("1-800-FLOWERS", "US", ("phone:+18003569377",)),
        ("415/555-0123", "US", TWO[:1]),
        ("030/901820", "DE", ("phone:+4930901820",)),
        ("030 / 901820", "DE", ("phone:+4930901820",)),
        ("030 901820/21", "DE", ("phone:+4930901820", "phone:+4930901821")),
        ("+44 (0)20 7946 0958 and +1 415 555 0123", "US", ("phone:+442079460958", "phone:+14155550123")),
        ("0044 20 7946 0958", "US", ("phone:+442079460958",)),
        ("020 7946 0958", "US", ("national:2079460958",)),
        ("0000 000 0000", "US", ()),
        ("x204", "US", ()),
        ("ext. 12", "US", ()),
        ("n/a", "US", ()),
        ("casey20252025@example.com", "US", ()),
        ("sip:+14155550123@example.com", "US", ()),
        ("client:4155550123", "US", ()),
        ("1234567890", "US", ()),
        ("", "US", ()),
    ],
)
def test_what_people_type_into_a_phone_field(typed: str, region: str, keys: tuple[str, ...]) -> None:
    """Several numbers, labels, remarks and extensions; what cannot be read in the org's country stays as a hint."""
    assert phone_keys(typed, region) == keys


@pytest.mark.parametrize(
    ("number", "typed", "region"),
    [
        ("+442079460958", "020 7946 0958", "US"),
        ("+4930901820", "030 901820", "US"),
        ("+14155550123", "(415) 555-0123", "GB"),
        ("+33639980123", "06 39 98 01 23", "US"),
    ],
)
def test_a_number_from_abroad_leads_to_its_spelling_without_a_country(number: str, typed: str, region: str) -> None:
    """The key that a foreign caller's number has where somebody typed it as at home."""
    assert foreign_key(f"phone:{number}", region) in phone_keys(typed, region)


@pytest.mark.parametrize(("number", "region"), [("+14155550123", "US"), ("+16045550123", "US"), ("+4930901820", "DE")])
def test_a_number_of_the_region_has_no_other_key(number: str, region: str) -> None:
    """Nothing is looked up twice for the org's own country."""
    assert foreign_key(f"phone:{number}", region) is None


def test_an_offices_mailbox() -> None:
    """Addresses that whoever is in answers; callers may name further ones."""
    assert is_shared_mailbox("email:info@example.com")
    assert not is_shared_mailbox("email:casey@example.com")
    assert is_shared_mailbox("email:hola@example.com", {"hola"})


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("phone:+14155550123", "The number +14155550123"),
        ("email:casey@example.com", "The e-mail casey@example.com"),
        ("handle:line:casey", "The handle line:casey"),
        ("ref:order_number:a-17", "The order number a-17"),
    ],
)
def test_keys_in_sentences(key: str, said: str) -> None:
    """What an admin reads."""
    assert opening(key) == said


@given(st.from_regex(r"\A\+[1-9][0-9]{6,14}\Z"))
def test_plain_numbers_are_read_as_phonenumbers_reads_them(number: str) -> None:
    """The short way for E.164 spellings gives what parsing them gives."""
    assert phone_key(number, "GB") == _parsed(number, "GB")


DIALLED = {region: known for region in sorted(SUPPORTED_REGIONS) if (known := _dialled_at_home(region))}


@given(st.sampled_from(sorted(DIALLED)), st.data())
def test_numbers_as_dialled_at_home_are_read_as_phonenumbers_reads_them(region: str, data: st.DataObject) -> None:
    """The short way for a prefix and digits gives what parsing them gives, in every country that has one."""
    number = data.draw(st.from_regex(DIALLED[region].number, fullmatch=True, alphabet=st.sampled_from("0123456789")))

    assert phone_key(number, region) == _parsed(number, region)


def test_large_countries_have_a_short_way() -> None:
    """What is not read in it is parsed, many times slower."""
    assert {"DE", "FR", "GB", "IN"} <= DIALLED.keys()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (" Casey.Customer@Example.COM ", "email:casey.customer@example.com"),
        ("mailto:casey@example.com", "email:casey@example.com"),
        ("o'hara+tag@mail.example.co.uk", "email:o'hara+tag@mail.example.co.uk"),
        ("casey@bücher.example", "email:casey@xn--bcher-kva.example"),
        ("casey@devorg.test", "email:casey@devorg.test"),
        ("", None),
        ("casey", None),
        ("casey@", None),
        ("@example.com", None),
        ("casey@localhost", None),
        ("casey@exa mple.com", None),
        (".casey@example.com", None),
        ("ca..sey@example.com", None),
        ("casey@-example.com", None),
        ("casey@example.com, ada@example.com", None),
        ("a" * 65 + "@example.com", None),
        ("casey@" + "a" * 250 + ".com", None),
    ],
)
def test_email_key(text: str, key: str | None) -> None:
    """Addresses are compared without regard to case; what cannot be one has no key."""
    assert email_key(text) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("casey@Example.com", "domain:example.com"),
        ("https://www.example.com/about?x=1", "domain:example.com"),
        ("www.example.com", "domain:example.com"),
        ("EXAMPLE.com.", "domain:example.com"),
        ("http://example.com:8080", "domain:example.com"),
        ("bücher.example", "domain:xn--bcher-kva.example"),
        ("joe@gmail.com", None),
        ("joe@freemail.example", None),
        ("https://www.facebook.com/acme", None),
        ("n/a", None),
        ("", None),
        ("http://[::1", None),
        ("10.0.0.1", None),
        ("joe@", None),
    ],
)
def test_domain_key(text: str, key: str | None) -> None:
    """The organisation's domain, unless it is one that strangers share."""
    assert domain_key(text) == key


def test_more_public_domains() -> None:
    """Callers may name further domains that strangers share."""
    assert domain_key("joe@isp.example", {"isp.example"}) is None


def test_handle_key() -> None:
    """Handles ignore case and the leading @; an empty one is no key."""
    assert handle_key("instagram", " @Casey.C ") == "handle:instagram:casey.c"
    assert handle_key("line", "  ") is None


@pytest.mark.parametrize(
    ("number", "key"),
    [("00001026", "case:00001026"), ("#1026", "case:00001026"), (" cs-77 ", "case:CS-77"), ("  ", None)],
)
def test_case_key(number: str, key: str | None) -> None:
    """A case number as people type it is the number Salesforce shows."""
    assert case_key(number) == key
