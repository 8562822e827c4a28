"""What conditions let through: nulls, letter case, ids, patterns and dates."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.devorg import soql
from gateway.devorg.soql_dates import days_of
from tests.adapters.devorg.test_soql_source import NOW, Memory, world

_CASEY, _DOE, _OHARA = "Casey Customer", "Doe", "o'Hara"


@pytest.fixture(scope="module")
def org() -> Memory:
    return world()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Name = 'doe'", {_DOE}),
        ("Name != 'DOE'", {_CASEY, _OHARA}),
        ("FirstName != 'Casey'", {_DOE, _OHARA}),
        ("FirstName = null", {_DOE, _OHARA}),
        ("FirstName = ''", {_DOE, _OHARA}),
        ("FirstName != null", {_CASEY}),
        ("NOT FirstName = 'Casey'", {_DOE, _OHARA}),
        ("(NOT FirstName LIKE 'c%') AND Name <> 'doe'", {_OHARA}),
        ("FirstName < 'd'", {_CASEY}),
        ("FirstName > 'd'", set()),
        ("FirstName IN ('casey', 'x')", {_CASEY}),
        ("FirstName NOT IN ('CASEY')", {_DOE, _OHARA}),
        ("FirstName IN ('')", {_DOE, _OHARA}),
        ("Name = 'o\\'hara'", {_OHARA}),
        ("Name LIKE '_oe'", {_DOE}),
        ("Name LIKE '%CUST%'", {_CASEY}),
        ("Title LIKE '100\\%\\_done\\\\'", {_OHARA}),
        ("Title LIKE '100\\%d%'", set()),
        ("Name = '\\u0044oe'", {_DOE}),
        ("Account.Name = 'sunrise solar'", {_CASEY, _DOE}),
        ("Account.Name != 'sunrise solar'", {_OHARA}),
        ("Account.Name = null", {_OHARA}),
        ("Account.Owner.Name LIKE 'ada%'", {_CASEY, _DOE}),
        ("LastName = 'Doe' OR Account.Name = null", {_DOE, _OHARA}),
        ("DoNotCall = true", {_CASEY}),
        ("DoNotCall = null", {_DOE, _OHARA}),
        ("DoNotCall != FALSE", {_CASEY}),
        ("Birthdate = 1990-05-01", {_CASEY}),
        ("Birthdate != 1990-05-01", {_DOE, _OHARA}),
        ("Birthdate < 2000-01-01", {_CASEY}),
        ("Birthdate IN (1990-05-01, null)", {_CASEY, _DOE, _OHARA}),
        ("Id = '003Hu0000000001'", {_CASEY}),
        ("Id = '003Hu0000000001IAA'", {_CASEY}),
        ("AccountId = '001Hu0000000001'", {_CASEY, _DOE}),
        ("AccountId != '001Hu0000000001IAA'", {_OHARA}),
        ("Id > '003Hu0000000001IAA'", {_DOE, _OHARA}),
        ("CreatedDate = TODAY", {_CASEY}),
        ("CreatedDate = THIS_WEEK", {_CASEY, _DOE}),
        ("CreatedDate < THIS_YEAR", {_OHARA}),
        ("CreatedDate = LAST_N_DAYS:3", {_CASEY, _DOE}),
        ("CreatedDate > LAST_N_DAYS:3", set()),
        ("CreatedDate >= N_DAYS_AGO:3", {_CASEY, _DOE}),
        ("CreatedDate != last_quarter", {_CASEY, _DOE}),
        ("CreatedDate = 2026-03-04T10:00:00+01:00", {_CASEY}),
        ("CreatedDate = 2026-03-04T07:30:00.000-0130", {_CASEY}),
        ("CreatedDate IN (TODAY, 2026-03-01T09:00:00Z)", {_CASEY, _DOE}),
        ("CALENDAR_YEAR(CreatedDate) = 2025", {_OHARA}),
        ("DAY_ONLY(CreatedDate) = 2026-03-01", {_DOE}),
        ("HOUR_IN_DAY(CreatedDate) IN (9) AND DAY_IN_WEEK(CreatedDate) = 1", {_DOE}),
        ("(Name = 'Doe' OR Name = 'x') AND (Name = 'Doe' OR Name = 'y')", {_DOE}),
    ],
)
def test_conditions(org: Memory, where: str, found: set[str]) -> None:
    assert set(org.names(f"SELECT Name FROM Contact WHERE {where}")) == found


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Roles INCLUDES ('decision maker')", 1),
        ("Roles INCLUDES ('Decision Maker;Business User', 'Nobody')", 1),
        ("Roles INCLUDES ('Decision Maker;Other')", 0),
        ("Roles INCLUDES ('Decision Maker', 'Other')", 2),
        ("Roles EXCLUDES ('Other')", 1),
    ],
)
def test_multiple_choices(org: Memory, where: str, found: int) -> None:
    assert len(org.query(f"SELECT Id FROM AccountContactRelation WHERE {where}")) == found


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("AnnualRevenue > 4999.5", 1),
        ("NumberOfEmployees = 12", 1),
        ("AnnualRevenue <= 5000", 1),
        ("NumberOfEmployees != 12", 1),
        ("NumberOfEmployees IN (-1, 12)", 1),
    ],
)
def test_numbers(org: Memory, where: str, found: int) -> None:
    assert len(org.query(f"SELECT Id FROM Account WHERE {where}")) == found


@pytest.mark.parametrize(
    ("word", "first", "last"),
    [
        ("TODAY", (2026, 3, 4), (2026, 3, 4)),
        ("YESTERDAY", (2026, 3, 3), (2026, 3, 3)),
        ("TOMORROW", (2026, 3, 5), (2026, 3, 5)),
        ("LAST_WEEK", (2026, 2, 22), (2026, 2, 28)),
        ("THIS_WEEK", (2026, 3, 1), (2026, 3, 7)),
        ("NEXT_WEEK", (2026, 3, 8), (2026, 3, 14)),
        ("LAST_MONTH", (2026, 2, 1), (2026, 2, 28)),
        ("THIS_MONTH", (2026, 3, 1), (2026, 3, 31)),
        ("NEXT_MONTH", (2026, 4, 1), (2026, 4, 30)),
        ("LAST_90_DAYS", (2025, 12, 4), (2026, 3, 4)),
        ("NEXT_90_DAYS", (2026, 3, 5), (2026, 6, 2)),
        ("THIS_QUARTER", (2026, 1, 1), (2026, 3, 31)),
        ("LAST_QUARTER", (2025, 10, 1), (2025, 12, 31)),
        ("NEXT_FISCAL_QUARTER", (2026, 4, 1), (2026, 6, 30)),
        ("THIS_YEAR", (2026, 1, 1), (2026, 12, 31)),
        ("LAST_FISCAL_YEAR", (2025, 1, 1), (2025, 12, 31)),
        ("NEXT_YEAR", (2027, 1, 1), (2027, 12, 31)),
        ("LAST_N_DAYS:2", (2026, 3, 2), (2026, 3, 4)),
        ("NEXT_N_DAYS:2", (2026, 3, 5), (2026, 3, 6)),
        ("N_DAYS_AGO:2", (2026, 3, 2), (2026, 3, 2)),
        ("LAST_N_WEEKS:2", (2026, 2, 15), (2026, 2, 28)),
        ("NEXT_N_WEEKS:1", (2026, 3, 8), (2026, 3, 14)),
        ("N_WEEKS_AGO:1", (2026, 2, 22), (2026, 2, 28)),
        ("LAST_N_MONTHS:3", (2025, 12, 1), (2026, 2, 28)),
        ("N_MONTHS_AGO:3", (2025, 12, 1), (2025, 12, 31)),
        ("LAST_N_QUARTERS:1", (2025, 10, 1), (2025, 12, 31)),
        ("LAST_N_YEARS:2", (2024, 1, 1), (2025, 12, 31)),
        ("NEXT_N_FISCAL_YEARS:1", (2027, 1, 1), (2027, 12, 31)),
    ],
)
def test_date_literals(word: str, first: tuple[int, int, int], last: tuple[int, int, int]) -> None:
    days = days_of(word.lower(), date(2026, 3, 4))

    assert days is not None
    assert (days.first, days.end - timedelta(days=1)) == (date(*first), date(*last))


@pytest.mark.parametrize(
    "word", ["SOMEDAY", "LAST_N_DAYS", "N_DAYS:3", "LAST_N_DAYS_AGO:3", "THIS_DECADE", "LAST_N_EONS:1"]
)
def test_other_words_are_no_dates(word: str) -> None:
    assert days_of(word, date(2026, 3, 4)) is None


def test_days_begin_at_the_askers_midnight() -> None:
    org = Memory()
    org.add("Contact", Name="late", CreatedDate=datetime(2026, 3, 4, 23, 30, tzinfo=UTC))
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))  # 00:30 on the 5th

    text = "SELECT Name FROM Contact WHERE CreatedDate = TODAY"

    assert soql.execute(text, org, include_deleted=False, now=tokyo).total == 1
    assert soql.execute(text, org, include_deleted=False, now=NOW - timedelta(days=1)).total == 0


_texts = st.text(st.sampled_from("aB1%_\\' é\n"), max_size=6)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")


@given(_texts.filter(bool))
def test_any_text_can_be_asked_for(text: str) -> None:
    org = Memory()
    org.add("Contact", LastName="x", Title=text)
    org.add("Contact", LastName="x", Title=text + "!")

    assert org.names(f"SELECT Title FROM Contact WHERE Title = '{_escaped(text)}'") == [text]
    assert org.names(f"SELECT Title FROM Contact WHERE Title IN ('{_escaped(text)}', 'zz')") == [text]


@given(
    st.lists(st.sampled_from(["%", "_", "\\%", "\\_", "a", "B", "\\\\", "\\'", "é"]), min_size=1, max_size=6),
    _texts.filter(bool),
)
def test_like_is_a_match_of_the_whole_text(parts: list[str], text: str) -> None:
    org = Memory()
    org.add("Contact", LastName="x", Title=text)
    meaning = {"%": "(.|\n)*", "_": "(.|\n)", "\\%": "%", "\\_": "_", "\\\\": r"\\", "\\'": "'"}
    expected = re.fullmatch("".join(meaning.get(part, part) for part in parts), text, re.IGNORECASE) is not None

    assert bool(org.query(f"SELECT Id FROM Contact WHERE Title LIKE '{''.join(parts)}'")) is expected


_FIELDS = {
    "FirstName": st.one_of(st.none(), st.sampled_from(["a", "B", "c"])),
    "DoNotCall": st.booleans(),
    "Birthdate": st.one_of(st.none(), st.dates(date(2026, 1, 1), date(2026, 1, 4))),
}
_SIGNS = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a is not None and a < b,
    ">": lambda a, b: a is not None and a > b,
    "<=": lambda a, b: a is not None and a <= b,
    ">=": lambda a, b: a is not None and a >= b,
}


def _text_leaf(sign, value):
    return f"FirstName {sign} '{value}'", lambda row: _SIGNS[sign](
        row["FirstName"] and row["FirstName"].lower(), value.lower()
    )


def _date_leaf(sign, value):
    return f"Birthdate {sign} {value}", lambda row: _SIGNS[sign](row["Birthdate"], value)


def _joined(word, parts):
    fold = all if word == "AND" else any
    return "(" + f" {word} ".join(text for text, _ in parts) + ")", lambda row: fold(test(row) for _, test in parts)


_leaves = st.one_of(
    st.builds(_text_leaf, st.sampled_from(sorted(_SIGNS)), st.sampled_from(["A", "b", "C"])),
    st.builds(_date_leaf, st.sampled_from(sorted(_SIGNS)), st.dates(date(2026, 1, 1), date(2026, 1, 4))),
    st.sampled_from(
        [("DoNotCall = true", lambda row: row["DoNotCall"]), ("DoNotCall != true", lambda row: not row["DoNotCall"])]
    ),
    st.sampled_from(
        [
            ("FirstName = null", lambda row: row["FirstName"] is None),
            ("Birthdate != null", lambda row: row["Birthdate"] is not None),
        ]
    ),
)
_conditions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(_joined, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)),
        inner.map(lambda pair: (f"(NOT {pair[0]})", lambda row: not pair[1](row))),
    ),
    max_leaves=8,
)


@given(_conditions, st.lists(st.fixed_dictionaries(_FIELDS), max_size=8))
def test_conditions_agree_with_plain_python(condition, rows) -> None:
    text, test = condition
    org = Memory()
    for row in rows:
        org.add("Contact", LastName="x", **row)

    expected = [row["Id"] for row in org.held.get("Contact", []) if test(row)]

    assert org.names(f"SELECT Id FROM Contact WHERE {text}") == expected
