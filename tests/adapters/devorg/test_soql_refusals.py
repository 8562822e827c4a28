"""How queries are refused: Salesforce's codes and, where known, its words."""

from __future__ import annotations

import pytest

from gateway.devorg import soql
from gateway.devorg.soql_syntax import parse
from tests.adapters.devorg.test_soql_source import NOW, Memory, world


@pytest.fixture(scope="module")
def org() -> Memory:
    return world()


_NAMES = "Please reference your WSDL or the describe call for the appropriate names."


def test_an_error_shows_its_place(org: Memory) -> None:
    with pytest.raises(soql.QueryError) as refusal:
        org.query("SELECT Foo FROM Contact")

    assert refusal.value.code == "INVALID_FIELD"
    assert refusal.value.message == (
        "\nSELECT Foo FROM Contact\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Contact'. "
        f"If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. {_NAMES}"
    )


def test_a_plus_sign_sent_without_escaping_spoils_a_datetime(org: Memory) -> None:
    """It arrives as a blank, and the org is one place behind with such errors."""
    with pytest.raises(soql.QueryError) as refusal:
        org.query("SELECT id, name, description FROM Account WHERE LastModifiedDate >= 2013-12-01T12:00:00 00:00")

    assert refusal.value.code == "MALFORMED_QUERY"
    assert refusal.value.message == (
        "\nLastModifiedDate >= 2013-12-01T12:00:00 00:00\n                                      ^\n"
        "ERROR at Row:1:Column:87\nline 1:87 no viable alternative at character ' '"
    )


def test_rows_are_counted(org: Memory) -> None:
    with pytest.raises(soql.QueryError, match="Row:3:Column:7"):
        org.query("SELECT Id\nFROM Contact\nWHERE Foo = 'x'")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("SELECT Id FROM Foo", "INVALID_TYPE", "sObject type 'Foo' is not supported."),
        ("SELECT Foo.Name FROM Contact", "INVALID_FIELD", "Didn't understand relationship 'Foo' in field path."),
        ("SELECT Account.Foo FROM Contact", "INVALID_FIELD", "No such column 'Foo' on entity 'Account'."),
        ("SELECT Who.Birthdate FROM Task", "INVALID_FIELD", "No such column 'Birthdate' on entity 'Name'."),
        (
            "SELECT Id, (SELECT Id FROM Foo) FROM Account",
            "INVALID_TYPE",
            "Didn't understand relationship 'Foo' in FROM part of query call.",
        ),
        (
            "SELECT Id, (SELECT Id FROM Contact) FROM Account",
            "INVALID_TYPE",
            "Didn't understand relationship 'Contact' in FROM part of query call.",
        ),
        ("SELECT Id, Name, ID FROM Contact", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Id, FIELDS(STANDARD) FROM Contact", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Account.Name, account.name FROM Contact", "INVALID_FIELD", "duplicate field selected: Account.Name"),
        ("SELECT Name n FROM Contact", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        (
            "SELECT FIELDS(ALL) FROM Contact",
            "MALFORMED_QUERY",
            "The SOQL FIELDS function must have a LIMIT of at most 200",
        ),
        (
            "SELECT FIELDS(CUSTOM) FROM Contact LIMIT 201",
            "MALFORMED_QUERY",
            "The SOQL FIELDS function must have a LIMIT of at most 200",
        ),
        (
            "SELECT ReportsTo.ReportsTo.ReportsTo.ReportsTo.ReportsTo.ReportsTo.Name FROM Contact",
            "INVALID_FIELD",
            "SOQL supports up to 5 levels",
        ),
        ("SELECT TYPEOF Account WHEN Account THEN Name END FROM Contact", "INVALID_FIELD", "TYPEOF is only supported"),
        ("SELECT TYPEOF Who WHEN Account THEN Name END FROM Task", "INVALID_FIELD", "Account is not a valid type"),
        (
            "SELECT Id FROM Contact WHERE Name = 3",
            "INVALID_FIELD",
            "value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Contact WHERE Birthdate = '2026-01-01'",
            "INVALID_FIELD",
            "value of filter criterion for field 'Birthdate' must be of type date and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Contact WHERE CreatedDate > 2026-01-01",
            "INVALID_FIELD",
            "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Account WHERE AnnualRevenue > '1'",
            "INVALID_FIELD",
            "value of filter criterion for field 'AnnualRevenue' must be of type double and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Contact WHERE DoNotCall = 'true'",
            "INVALID_FIELD",
            "value of filter criterion for field 'DoNotCall' must be of type boolean and should not be enclosed in quotes",
        ),
        (
            "SELECT Id FROM Contact WHERE Name = true",
            "INVALID_FIELD",
            "value of filter criterion for field 'Name' must be of type string and should be enclosed in quotes",
        ),
        ("SELECT Id FROM Contact WHERE Birthdate = 2026-02-30", "MALFORMED_QUERY", "invalid date"),
        (
            "SELECT Id FROM Contact WHERE Description = 'x'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Task WHERE TaskWhoIds IN ('x')",
            "INVALID_FIELD",
            "field 'TaskWhoIds' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Contact ORDER BY Description",
            "MALFORMED_QUERY",
            "field 'Description' can not be sorted in a query call",
        ),
        ("SELECT Id FROM Contact WHERE Id = 'xyz'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: xyz"),
        (
            "SELECT Id FROM Contact WHERE AccountId IN ('001Hu0000000001AAA')",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid ID field: 001Hu0000000001AAA",
        ),
        (
            "SELECT Id FROM Contact WHERE Id LIKE '003%'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on id field",
        ),
        (
            "SELECT Id FROM Contact WHERE DoNotCall > false",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on boolean field",
        ),
        (
            "SELECT Id FROM Contact WHERE Name INCLUDES ('x')",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid operator on string field",
        ),
        ("SELECT Name, COUNT(Id) FROM Contact", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
        ("SELECT Name FROM Contact GROUP BY LastName", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
        (
            "SELECT CALENDAR_YEAR(CreatedDate) FROM Contact",
            "MALFORMED_QUERY",
            "Field must be grouped or aggregated: CALENDAR_YEAR(CreatedDate)",
        ),
        (
            "SELECT CreatedDate, COUNT(Id) FROM Contact GROUP BY CreatedDate",
            "MALFORMED_QUERY",
            "field 'CreatedDate' can not be grouped in a query call",
        ),
        ("SELECT SUM(Name) FROM Contact", "MALFORMED_QUERY", "field Name does not support aggregate operator SUM"),
        (
            "SELECT COUNT(DoNotCall) FROM Contact",
            "MALFORMED_QUERY",
            "field DoNotCall does not support aggregate operator COUNT",
        ),
        ("SELECT COUNT(), Id FROM Contact", "MALFORMED_QUERY", "COUNT() must be the only element"),
        (
            "SELECT Id, (SELECT COUNT(Id) FROM Contacts) FROM Account",
            "MALFORMED_QUERY",
            "only root queries support aggregate expressions",
        ),
        ("SELECT Id FROM Contact WHERE Name = :name", "MALFORMED_QUERY", "Bind variables only allowed in Apex code"),
        ("SELECT Id FROM Contact WHERE Name IN :names", "MALFORMED_QUERY", "Bind variables only allowed in Apex code"),
        (
            "SELECT Id FROM Contact WHERE FirstName = LastName",
            "MALFORMED_QUERY",
            "Bind variables only allowed in Apex code",
        ),
        ("SELECT Id FROM Contact LIMIT :n", "MALFORMED_QUERY", "Bind variables only allowed in Apex code"),
        ("SELECT Id FROM Contact ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed in this context"),
        ("SELECT Id FROM Contact LIMIT 2147483648", "MALFORMED_QUERY", "numeric value out of range: 2147483648"),
        ("SELECT Id FROM Contact OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
        (
            "SELECT Id FROM Contact WHERE Name = 'a' AND Name = 'b' OR Name = 'c'",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        ("SELECT Id FROM Contact WHERE Name = 'a' AND NOT Name = 'b'", "MALFORMED_QUERY", "unexpected token: 'NOT'"),
        ("SELECT Id FROM Contact WHERE NOT Name = 'a' AND Name = 'b'", "MALFORMED_QUERY", "unexpected token: 'AND'"),
        ("SELECT Id FROM Contact FOR VIEW FOR REFERENCE", "MALFORMED_QUERY", "unexpected token: 'REFERENCE'"),
        (
            "SELECT Id FROM Contact WHERE CreatedDate > 2026-03-04T10:00:00",
            "MALFORMED_QUERY",
            "line 1:62 no viable alternative at character '<EOF>'",
        ),
        ("SELECT Id, FROM Contact", "MALFORMED_QUERY", "unexpected token: 'FROM'"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Contact WHERE Name IN ()", "MALFORMED_QUERY", "unexpected token: ')'"),
        ("SELECT Id FROM Contact LIMIT 1 WHERE Name = 'x'", "MALFORMED_QUERY", "unexpected token: 'WHERE'"),
        ("SELECT * FROM Contact", "MALFORMED_QUERY", "unexpected token: '*'"),
        ("SELECT Id FROM Contact;", "MALFORMED_QUERY", "unexpected token: ';'"),
        ("SELECT Id FROM Contact WHERE Name = 'it's'", "MALFORMED_QUERY", "unexpected token: 's'"),
        ("SELECT Id FROM Contact WHERE Name = 'open", "MALFORMED_QUERY", "unexpected token: '''"),
        (
            "SELECT Id FROM Contact WHERE Name = 'a\\qb'",
            "MALFORMED_QUERY",
            "Illegal character sequence '\\q' in string literal.",
        ),
        ("SELECT FOO(Name) FROM Contact", "MALFORMED_QUERY", "unexpected token: 'FOO'"),
        ("SELECT Id FROM Contact WITH FOO", "MALFORMED_QUERY", "unexpected token: 'FOO'"),
        ("", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        (
            "SELECT Id FROM Account WHERE Name IN (SELECT AccountId FROM Contact)",
            "INVALID_FIELD",
            "The left operand field",
        ),
        (
            "SELECT Id FROM Contact WHERE Account.OwnerId IN (SELECT Id FROM User)",
            "INVALID_FIELD",
            "The left operand field",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT ParentId FROM Account)",
            "MALFORMED_QUERY",
            "The inner and outer selects should not be on the same object type",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Contact)",
            "MALFORMED_QUERY",
            "should point to the same object type",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT Name FROM Contact)",
            "MALFORMED_QUERY",
            "should point to the same object type",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT WhatId FROM Task)",
            "INVALID_TYPE",
            "Entity 'Task' is not supported for semi join inner selects",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'x' OR Id IN (SELECT AccountId FROM Contact)",
            "MALFORMED_QUERY",
            "Semi join sub-selects are not allowed with the 'OR' operator",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'x' AND (Id IN (SELECT AccountId FROM Contact) AND Name = 'y')",
            "MALFORMED_QUERY",
            "only allowed at the top level",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Id IN (SELECT ContactId FROM Case))",
            "MALFORMED_QUERY",
            "Nesting of semi join",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact LIMIT 1)",
            "MALFORMED_QUERY",
            "missing value at 'LIMIT'",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId, Id FROM Contact)",
            "MALFORMED_QUERY",
            "exactly one field",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND Id IN (SELECT AccountId FROM Case) AND Id NOT IN (SELECT AccountId FROM Opportunity)",
            "MALFORMED_QUERY",
            "Maximum 2 semi join sub-selects are allowed",
        ),
        (
            "SELECT (SELECT Id FROM Contacts WHERE Id IN (SELECT ContactId FROM Case)) FROM Account",
            "MALFORMED_QUERY",
            "only allowed at the top level",
        ),
    ],
)
def test_refusals(org: Memory, text: str, code: str, words: str) -> None:
    refused, said = org.refusal(text)

    assert refused == code
    assert words in said


def test_too_long(org: Memory) -> None:
    assert org.refusal("SELECT Id FROM Contact WHERE Name = '" + "a" * 4001 + "'")[0] == "MALFORMED_QUERY"
    assert org.refusal("SELECT Id FROM Contact" + " " * 100_000)[0] == "MALFORMED_QUERY"
    assert org.query("SELECT Id FROM Contact WHERE Name = '" + "a" * 4000 + "'") == []


@pytest.mark.parametrize(
    "child",
    ["SELECT Foo FROM Contacts", "SELECT Id FROM Contacts WHERE Foo = 'x'", "SELECT Id FROM Contacts ORDER BY Foo"],
)
def test_a_refusal_does_not_depend_on_there_being_records(child: str) -> None:
    assert Memory().refusal(f"SELECT Id, ({child}) FROM Account")[0] == "INVALID_FIELD"


def test_errors_repeat_only_what_is_near(org: Memory) -> None:
    with pytest.raises(soql.QueryError) as refusal:
        org.query(
            "SELECT Id FROM Contact WHERE " + " AND ".join(["Name = 'x'"] * 40 + ["Foo = 'x'"] + ["Name = 'x'"] * 40)
        )

    _, excerpt, caret, *_ = refusal.value.message.split("\n")
    assert len(excerpt) <= 80
    assert excerpt[caret.index("^") :].startswith("Foo = ")


def test_a_query_is_read_once() -> None:
    text = "SELECT Id FROM Contact WHERE Name = 'once'"

    assert parse(text) is parse(text)
    assert soql.execute(text, world(), include_deleted=False, now=NOW, version="60.0").total == 0
