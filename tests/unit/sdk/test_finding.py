"""Who may have a number or an address, of what was told."""

import pytest

from gateway.domain.identity import email_key, phone_key
from gateway.sdk import ContactRecord, Entry
from gateway.sdk.finding import Bearers, holds, marks_of_keys


def casey(*spelt: str, id: str = "1", **more) -> ContactRecord:
    return ContactRecord(id=id, values={"last": "4155550100", "any": tuple(map(Entry, spelt))}, **more)


@pytest.mark.parametrize("spelt", ["+1 (415) 555-0100", "415.555.0100 x12", "0014155550100;ext=3", "555-0100 ext. 9"])
def test_a_number_is_found_in_any_spelling(spelt):
    marks = marks_of_keys([phone_key("+14155550100", "US")])
    assert holds(casey(spelt), marks, [])
    assert not holds(casey("+1 415 555 0101"), marks, [])


def test_an_address_is_found_whatever_its_capitals():
    assert holds(casey(" Casey@Example.com"), marks_of_keys([email_key("casey@example.com")]), [])


def test_whoever_bears_the_id_is_found_and_nobody_who_is_gone():
    assert holds(casey(other_id="003A"), frozenset(), ["003A"])
    assert not holds(casey(other_id=None), frozenset(), ["003A"])
    assert not holds(casey(other_id="003A", is_deleted=True), frozenset(), ["003A"])


def test_who_had_a_number_is_still_looked_at():
    bearers = Bearers()
    bearers.remember([casey("+14155550100"), casey("+14155550101"), casey("b@example.com", id="2")])
    assert (
        bearers.of(marks_of_keys(["phone:+14155550100"])) == bearers.of(marks_of_keys(["phone:+14155550101"])) == {"1"}
    )
    assert bearers.of(marks_of_keys(["email:b@example.com", "phone:+14155550100"])) == {"1", "2"}
    assert bearers.of(marks_of_keys(["email:nobody@example.com"])) == bearers.of(frozenset()) == set()
