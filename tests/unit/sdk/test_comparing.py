"""Versions of contacts on platforms that have none."""

from gateway.sdk import Act, ContactRecord, ContactWrite, Entry, Written
from gateway.sdk.comparing import settled_already, versioned

PHONES = (Entry("+14155550100", "mobile"), Entry("+14155550101", "work"))
CASEY = ContactRecord(id="1", values={"first": "Casey", "title": None, "phones": PHONES}, other_id="003A")


def version(**values: object) -> str | None:
    return versioned(ContactRecord(id="1", values={**CASEY.values, **values}, other_id="003A")).version  # type: ignore[dict-item]


def test_a_version_is_another_one_when_the_record_says_something_else():
    versions = [
        version(),
        version(first="casey"),
        version(title="Buyer"),
        version(phones=PHONES[:1]),
        version(phones=(PHONES[0], Entry("+14155550101", "home"))),
        versioned(ContactRecord(id="1", values=CASEY.values, other_id="003B")).version,
    ]
    assert len(set(versions)) == len(versions)


def test_a_version_is_the_same_whatever_the_order_and_the_kind_of_emptiness():
    backwards = ContactRecord(id="2", values=dict(reversed(list(CASEY.values.items()))), other_id="003A")
    assert version() == version(title="", phones=PHONES[::-1], emails=()) == versioned(backwards).version


def test_what_stands_there_settles_a_write_or_leaves_it_to_be_carried_out():
    held = versioned(CASEY)
    gone = ContactRecord(id="1", merged_into="2")

    def settled(act: Act, held: ContactRecord | None, version: str | None) -> Written | None:
        end = settled_already(ContactWrite(act=act, id="1", version=version), held)
        return end and end.written

    for act, of_nobody in ((Act.UPDATE, Written.GONE), (Act.DELETE, Written.DONE)):
        assert settled(act, held, held.version) is settled(act, held, None) is None
        assert settled(act, held, "another") is Written.STALE
        assert settled(act, None, held.version) is settled(act, gone, held.version) is of_nobody
    assert settled(Act.CREATE, None, None) is None
