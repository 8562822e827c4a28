"""Reading XML: bounded, without entities and DTDs, and never a value in a reason."""

from __future__ import annotations

import tracemalloc
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RejectedError
from gateway.sdk.reading import MAX_BYTES, MAX_DEPTH
from gateway.sdk.testing.faults import HOSTILE_XML, damaged
from gateway.sdk.xml import MAX_ELEMENTS, read_xml

CALL = b"""<?xml version="1.0"?>
<Update><data><dialogs><Dialog id="7"><state>ACTIVE</state><note/>
  <participants><Participant><who>2001 &amp; co</who></Participant></participants>
</Dialog></dialogs></data></Update>"""


def refused(body: bytes, **how) -> str:
    with pytest.raises(RejectedError) as caught:
        read_xml(body, **how)
    return caught.value.reason


def test_elements_are_objects_lists_and_texts():
    dialogs = read_xml(CALL, lists={"Dialog", "Participant"}).inner("Update").inner("data").inner("dialogs")
    (dialog,) = dialogs.inners("Dialog")
    (participant,) = dialog.inner("participants").inners("Participant")

    assert (dialog.text("state"), dialog.text("note"), dialog.text("@id")) == ("ACTIVE", None, "7")
    assert participant.text("who") == "2001 & co"
    assert participant.path("who") == "Update.data.dialogs.Dialog[0].participants.Participant[0].who"


def test_of_a_repeated_element_the_last_counts_unless_it_is_a_list():
    body = b"<a><b>1</b><b>2</b></a>"

    assert read_xml(body).inner("a").text("b") == "2"
    assert read_xml(body, lists=["b"]).inner("a").strings("b") == ["1", "2"]


def test_a_listed_root_is_a_list_too():
    assert read_xml(b"<a>1</a>", lists=["a"]).strings("a") == ["1"]


def test_namespaces_are_left_out_and_text_beside_attributes_is_kept():
    told = read_xml(b'<x:a xmlns:x="urn:x" xmlns="urn:y"><x:b>1</x:b><c x:n="2"> text </c></x:a>').inner("a")

    assert (told.text("b"), told.inner("c").text("@n"), told.inner("c").text("#text")) == ("1", "2", "text")


@pytest.mark.parametrize(
    "body", [*HOSTILE_XML, b"", b"<a>", b"<a></b>", b"{}", b"<a/><b/>", b"\xff<a/>", b"<a>\x00</a>"]
)
def test_what_is_hostile_or_broken_is_refused_or_harmless(body):
    tracemalloc.start()
    try:
        told = read_xml(body)
    except RejectedError:
        pass
    else:
        assert told.text("a") is None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 40 * len(body) + 2_000_000


def test_each_bound_is_told():
    deep = b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH

    assert "document type declaration" in refused(b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>')
    assert read_xml(deep)
    assert refused(b"<a>" + deep + b"</a>") == f"The body must nest at most {MAX_DEPTH} levels deep, but nests deeper."
    assert read_xml(b"<a>" + b"<b/>" * (MAX_ELEMENTS - 1) + b"</a>")
    assert f"at most {MAX_ELEMENTS} elements" in refused(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>")
    assert f"at most {MAX_BYTES} bytes" in refused(b"<a>" + b" " * MAX_BYTES + b"</a>")


def test_a_reason_names_the_place_and_never_the_value():
    assert refused(b"<a>\n  <b>4155550123</c></a>") == "The body is not XML: mismatched tag at line 2, column 18."
    assert refused(b"<a>&who;</a>") == "The body is not XML: undefined entity at line 1, column 4."


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(
    lambda text: text.strip() == text and "\ufffe" not in text and "\uffff" not in text
)


@given(texts)
def test_any_text_arrives_as_it_was_sent(text):
    assert read_xml(f"<a><b>{escape(text)}</b></a>".encode()).inner("a").anything("b") == text.strip()


@given(st.binary())
def test_whatever_bytes_come_are_read_or_refused(body):
    try:
        read_xml(body)
    except RejectedError as error:
        assert error.reason.startswith("The body")


def test_the_kits_damage_reaches_each_element():
    """Each is dropped, emptied and retyped; what comes is read or refused."""
    changed = dict(damaged(CALL, "application/xml"))

    for tag in ("Update", "data", "dialogs", "Dialog", "state", "participants", "Participant", "who"):
        assert {f"{tag} dropped", f"{tag} emptied", f"{tag} twice", f"{tag} with children", f"{tag} = 'x'"} <= set(
            changed
        )
    assert b"<state>" not in changed["state dropped"]
    assert b"<who />" in changed["who emptied"]
    assert b"<participants>x</participants>" in changed["participants = 'x'"]
    assert b"<who><x /><x /></who>" in changed["who with children"]
    for damage, body in changed.items():
        try:
            read_xml(body, lists={"Dialog", "Participant"})
        except RejectedError as error:
            assert error.reason, damage


def test_the_bounds_are_the_callers():
    assert "at most 2 elements" in refused(b"<a><b/><b/></a>", most=2)
    assert "at most 3 bytes" in refused(b"<a/>", largest=3)
    assert read_xml(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>", lists={"b"}, most=MAX_ELEMENTS + 1)
