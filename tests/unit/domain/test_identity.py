from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import SUPPORTED_REGIONS

from gateway.domain.identity import _dialled_at_home, _parsed, case_key, domain_key, email_key, handle_key, phone_key


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
        "415555012", "41555501234567",
    ],
)  # fmt: skip
def test_what_is_nobodys_number(spelling: str) -> None:
    """Withheld numbers, words, short codes and addresses of devices identify nobody."""
    assert phone_key(spelling, "US") is None


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
