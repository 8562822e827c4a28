"""Reading what strangers send: only RejectedError, and never a value in it."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RejectedError
from gateway.sdk.reading import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_DIGITS,
    Fields,
    clean,
    form_pairs,
    read_form,
    read_json,
    read_object,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Cc"]))
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)

READERS = [
    Fields.text, Fields.identifier, Fields.whole, Fields.whole_text, Fields.number, Fields.flag, Fields.iso_time,
    Fields.rfc2822_time, Fields.epoch_ms, Fields.texts, Fields.plain, Fields.anything,
    lambda fields, key: fields.word(key, {"voice": 1}), lambda fields, key: list(fields.inners(key)), Fields.inner,
]  # fmt: skip


def refused(read, *arguments) -> str:
    with pytest.raises(RejectedError) as caught:
        read(*arguments)
    return caught.value.reason


@given(anything)
def test_every_reader_returns_or_rejects(value):
    for read in READERS:
        try:
            read(Fields({"key": value}), "key")
        except RejectedError as error:
            assert error.reason.startswith("key")


# A sign that our own sentences never use, so that no text is made of their words only.
theirs = st.text(min_size=8).map(lambda text: "¤" + text)


@given(theirs | st.integers(min_value=10**7) | st.lists(theirs, min_size=1))
def test_a_reason_never_holds_the_value(value):
    shown = value[0] if isinstance(value, list) else str(value)
    for read in READERS:
        try:
            read(Fields({"key": value}), "key")
        except RejectedError as error:
            assert shown not in error.reason


@given(st.dictionaries(st.text(max_size=120), anything, max_size=5))
def test_the_names_in_a_map_are_not_told_either(given_map):
    for read in (Fields.texts, Fields.plain):
        try:
            told = read(Fields({"attributes": given_map}), "attributes")
            json.dumps(told, allow_nan=False)
        except RejectedError as error:
            assert error.reason.startswith("attributes, entry ")


@given(st.binary() | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_rejected(body):
    for read in (read_json, read_object, read_form, form_pairs):
        try:
            read(body)
        except RejectedError as error:
            assert len(error.reason) < 200


@given(anything)
def test_what_is_read_can_be_stored(value):
    try:
        told = read_json(json.dumps(value).encode())
    except RejectedError:
        return
    json.dumps(told, allow_nan=False)


edges = st.sampled_from([2**53, 2**63, 2**64, 10**18, 10**19, 10**20])
numbers = st.builds(
    lambda edge, further, sign: f"{sign}{edge + further}", edges, st.integers(-2, 2), st.sampled_from(["", "-"])
)
numbers |= st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@pytest.mark.parametrize("around", ["%s", "[%s]", '{"a":%s}', '{"a": %s}', "[\n%s\n]", "[\t%s,%s]", "\r%s"])
@given(number=numbers)
def test_numbers_are_those_of_python_or_refused(around, number):
    body = around.replace("%s", number)
    if "Infinity" in json.dumps(json.loads(body)):
        assert refused(read_json, body.encode()) == "The body holds a number that is too large."
    else:
        assert repr(read_json(body.encode())) == repr(json.loads(body))


@given(digits=st.from_regex("-?[1-9][0-9]{0,24}", fullmatch=True))
def test_no_number_of_too_many_digits_is_given_away(digits):
    fields = read_object(f'{{"a": {digits}, "b": [1, {{"c": {digits}}}]}}'.encode())
    is_short = len(digits.lstrip("-")) <= MAX_DIGITS
    for read, key in ((Fields.anything, "a"), (Fields.anything, "b"), (Fields.identifier, "a"), (Fields.number, "a")):
        if is_short:
            assert digits in json.dumps(read(fields, key))
        else:
            assert refused(partial(read, fields), key) == f"{key} holds a whole number of more than 20 digits."
    assert Fields({"map": {"a": int(digits)}}).filled_in("map") == ({"a": digits} if is_short else {})


@given(anything, st.sampled_from([None, 1]), st.booleans())
def test_texts_and_nestings_are_those_of_python(value, indent, ascii_only):
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        told = read_json(body)
    except RejectedError:
        return
    assert repr(told) == repr(json.loads(body))


@given(st.text(st.characters()) | st.text(st.characters(categories=["Cs", "Cc", "L"])))
def test_clean_text_can_be_stored_and_stays_clean(text):
    cleaned = clean(text)
    if cleaned is None:
        return
    assert clean(cleaned) == cleaned
    assert "\x00" not in cleaned
    cleaned.encode()


@given(st.datetimes(datetime(1971, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC)))
def test_times_come_back_whatever_the_form(moment):
    whole = moment.replace(microsecond=0)
    fields = Fields({"iso": moment.isoformat(), "mail": whole.strftime("%d %b %Y %H:%M:%S +0000")})

    assert fields.iso_time("iso") == moment
    assert fields.rfc2822_time("mail") == whole


@given(st.integers(315_532_800_000, 221_845_391_999_999))
def test_milliseconds_are_exact(value):
    moment = Fields({"at": value}).epoch_ms("at")

    assert (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1) == value
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The body is empty."),
        (b" \n", "The body is empty."),
        (b"\xff\xfe{", "The body must be UTF-8, but is not at byte 0."),
        (b'{"a": 1', "The body is not complete JSON: it was cut off at line 1, column 8."),
        (b'{"a": "Casey', "The body is not complete JSON: it was cut off at line 1, column 7."),
        (b"{'a': 1}", "The body is not JSON: it breaks at line 1, column 2."),
        (b'{"a": NaN}', "The body holds NaN, which JSON does not have."),
        (b'{"a": -Infinity}', "The body holds -Infinity, which JSON does not have."),
        (b'{"a": 1e999}', "The body holds a number that is too large."),
        (b'{"a": ' + b"9" * 5000 + b"}", "The body holds a whole number of more than 20 digits."),
        (b" " * (MAX_BYTES + 1), f"The body must have at most {MAX_BYTES} bytes, but has {MAX_BYTES + 1}."),
        (b"[]", "The body must be a JSON object, but is a list."),
    ],
)
def test_a_body_that_cannot_be_read_says_why(body, reason):
    assert refused(read_object, body) == reason


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_depth_is_bounded(opening):
    closing = opening.replace(b'"a":', b"")[::-1].translate(bytes.maketrans(b"[{", b"]}"))
    levels = MAX_DEPTH // opening.count(b"[" if opening == b"[" else b"{") // (2 if opening == b'[{"a":' else 1)

    assert Fields({"kept": read_json(opening * levels + b"1" + closing * levels)}).anything("kept")
    for deeper in (levels + 1, 200):
        fields = Fields({"kept": read_json(opening * deeper + b"1" + closing * deeper)})
        assert refused(fields.anything, "kept") == f"kept must nest at most {MAX_DEPTH} levels deep, but nests deeper."
    for deepest in (5_000, 50_000):
        reason = refused(read_json, opening * deepest + b"1" + closing * deepest)
        assert reason == f"The body must nest at most {MAX_DEPTH} levels deep, but nests deeper."


def test_wide_is_not_deep():
    assert Fields({"kept": read_json(b"[" + b",".join([b"[{}]"] * 1000) + b"]")}).anything("kept")


def test_of_duplicate_keys_the_last_one_counts():
    assert read_object(b'{"a": "one", "a": "two"}').text("a") == "two"
    assert read_form(b"a=one&a=two").text("a") == "two"


def test_a_byte_order_mark_is_no_content():
    assert read_object(b'\xef\xbb\xbf{"a": "b"}').text("a") == "b"


def test_absent_null_and_blank_are_not_said():
    fields = Fields({"null": None, "blank": " ", "empty": "", "zero": 0})

    assert [fields.text(key) for key in ("absent", "null", "blank", "empty")] == [None] * 4
    assert fields.epoch_ms("zero") is None
    assert refused(fields.needed, "blank", fields.text("blank")) == "blank is missing, or empty."


def test_a_path_leads_from_the_top():
    body = Fields({"data": {"messages": [{}, {"author": {"name": 7}}]}})
    _, second = body.inner("data").inners("messages")

    assert (
        refused(second.inner("author").text, "name")
        == "data.messages[1].author.name must be text, but is a whole number."
    )
    assert refused(body.inner("absent").needed, "id", None) == "absent.id is missing, or empty."


@pytest.mark.parametrize("text", ["1", "-7", "0012"])
def test_numbers_written_as_text(text):
    assert Fields({"n": text}).whole_text("n", least=-10) == int(text)


def test_platforms_that_write_numbers_as_text_may_come_to_write_numbers():
    assert Fields({"n": 12}).whole_text("n") == 12
    assert Fields({"n": " "}).whole_text("n") is None
    assert refused(partial(Fields({"n": 12}).whole_text, most=11), "n").endswith("from 0 to 11, but is out of range.")
    assert refused(Fields({"n": True}).whole_text, "n") == "n must be a whole number, but is true or false."


@pytest.mark.parametrize("text", ["1.5", "1_000", "٣", "seven", "9" * 30, "+1"])
def test_text_that_is_no_number(text):
    assert refused(Fields({"n": text}).whole_text, "n") == "n must be a whole number, but is text that is not one."


def test_numbers_have_bounds():
    assert (
        refused(Fields({"n": -1}).whole, "n") == f"n must be a whole number from 0 to {2**63 - 1}, but is out of range."
    )
    assert refused(Fields({"n": math.nan}).number, "n") == "n must be a finite number, but is a number."


@pytest.mark.parametrize(
    "text",
    ["1969-12-31T23:59:59Z", "9000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"],
)
def test_absurd_times_are_rejected(text):
    assert "earlier or later" in refused(Fields({"at": text}).iso_time, "at")


@pytest.mark.parametrize(
    "text", ["Mon, 02 Mar 99999999999 14:46:27 +0000", "02 Mar 2026 14:46:27 +999999", ",", "Mon,", "1 2 3 4 5"]
)
def test_broken_mail_times_are_rejected(text):
    assert "is text that is not one" in refused(Fields({"at": text}).rfc2822_time, "at")


def test_zones_become_utc():
    assert Fields({"at": "2026-03-02T15:41:07+01:00"}).iso_time("at") == datetime(2026, 3, 2, 14, 41, 7, tzinfo=UTC)
    assert Fields({"at": "Mon, 02 Mar 2026 14:46:27 -0000"}).rfc2822_time("at").tzinfo is UTC
    assert Fields({"at": "2026-03-02T15:41:07+01:00"}).iso_time("at").utcoffset() == timedelta(0)


def test_forms_are_bounded():
    assert refused(read_form, b"&".join([b"a=1"] * 1001)) == "The form must have at most 1000 fields."
    assert refused(read_form, b"a" * (MAX_BYTES + 1)).startswith("The body must have at most")


def test_keys_in_any_capitals_are_found():
    fields = Fields({"ContactId": "c-1", "AGENT": {"Name": "Ada"}}, "detail").lowered()

    assert (fields.text("contactid"), fields.inner("agent").lowered().text("name")) == ("c-1", "Ada")
    assert fields.path("contactid") == "detail.contactid"


def test_keys_that_a_platform_renamed_have_one_name():
    fields = Fields({"fromAddr": "+14155550123", "agentId": 7}, "contact").renamed({"fromAddr": "fromAddress"})

    assert (fields.text("fromAddress"), fields.identifier("agentId"), fields.at) == ("+14155550123", "7", "contact")
    assert "fromAddr" not in fields


def test_seconds_since_1970_are_a_time_and_zero_is_not_said():
    fields = Fields({"at": 1772462131, "none": 0, "ms": 1772462131447000})

    assert fields.epoch_s("at") == datetime(2026, 3, 2, 14, 35, 31, tzinfo=UTC)
    assert fields.epoch_s("none") is None
    with pytest.raises(RejectedError, match=r"^ms must be a time in seconds since 1970, but is a number"):
        fields.epoch_s("ms")


def test_a_list_of_texts_holds_nothing_else():
    assert Fields({"tags": ["a", " ", "b"]}).strings("tags") == ["a", "b"]
    assert Fields({}).strings("tags") == []
    for wrong, says in (("a", "a list of texts, but is text"), ([1], "a list of texts"), (["a"] * 101, "at most 100")):
        with pytest.raises(RejectedError, match=says):
            Fields({"tags": wrong}).strings("tags")


def test_of_a_map_that_customers_fill_what_can_be_used_is_taken():
    told = {
        "case": " 1026 ",
        "count": 3,
        "deep": {"x": 1},
        "no": None,
        "yes": True,
        "blank": " ",
        "x" * 101: "y",
        "": "z",
    }

    assert Fields({"told": told}).filled_in("told") == {"case": " 1026 ", "count": "3"}
    assert Fields({"told": ["x"]}).filled_in("told") == {}


@given(scalars)
def test_a_table_of_names_gives_what_reading_each_gives(value):
    fields = Fields({"theirs": value})
    for read in (Fields.text, Fields.identifier, Fields.flag, Fields.number):
        try:
            alone = read(fields, "theirs")
        except RejectedError as error:
            assert refused(fields.told, {"theirs": "ours"}, read) == error.reason
        else:
            assert fields.told({"theirs": "ours"}, read) == ({} if alone is None else {"ours": alone})


def test_a_table_of_names_is_read_as_far_as_it_is_told():
    names = {"callerId": "caller", "waitMs": "wait", "ring": "ring", "note": "note"}
    body = Fields({"call": {"callerId": 7, "waitMs": 0, "ring": None, "note": " "}}).inner("call")

    assert body.told(names, Fields.identifier) == {"caller": "7", "wait": "0"}
    assert body.told(dict.fromkeys(["waitMs"], "wait"), Fields.number) == {"wait": 0}
    assert refused(partial(body.told, names), Fields.text).startswith("call.callerId must be text")
