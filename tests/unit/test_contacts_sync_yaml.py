"""contacts-sync.yaml: what it becomes, and what is said about every mistake in it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from gateway.config.contact_mapping import ContactMapping, load_contact_mapping
from gateway.config.report import Report
from gateway.domain.contacts import Meaning
from gateway.domain.records import Kind
from gateway.domain.sync import FieldRule, Flow, Wins
from gateway.errors import ConfigError

LAST = "  last: {salesforce: LastName, name: true}\n"


def read(folder: Path, text: str) -> tuple[ContactMapping, Report]:
    path = folder / "contacts-sync.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    report = Report("sync")
    return load_contact_mapping(path, report), report


def mapping(folder: Path, fields: str) -> ContactMapping:
    found, report = read(folder, f'version: "1"\nfields:\n{LAST}{fields}')
    assert report.problems == []
    return found


def problems(folder: Path, text: str) -> list[str]:
    _, report = read(folder, text)
    return [sentence.removeprefix("sync:") for sentence in report.sentences(report.problems)]


def test_a_field_has_its_rule_and_places(tmp_path):
    found = mapping(tmp_path, "  vip: {salesforce: VIP__c, lead: Vip_Lead__c, direction: to_platform}\n")

    assert found.rules(Kind.CONTACT) == (
        FieldRule(name="last", is_name=True), FieldRule(name="vip", flow=Flow.TO_PLATFORM),
    )  # fmt: skip
    assert found.columns(Kind.CONTACT).texts == {"last": "LastName", "vip": "VIP__c"}
    assert found.columns(Kind.LEAD).texts == {"last": "LastName", "vip": "Vip_Lead__c"}


def test_a_set_has_a_field_for_each_type(tmp_path):
    """A lead's are those of a contact, but for what is said."""
    found = mapping(
        tmp_path,
        "  phones: {salesforce: {work: Phone, home: HomePhone, second: Phone_2__c}, lead: {home: null, work: Tel__c}}\n"
        "  emails: {salesforce: {work: Email}, wins: platform}\n",
    )

    assert found.rules(Kind.LEAD)[1:] == (
        FieldRule(name="phones", meaning=Meaning.PHONES),
        FieldRule(name="emails", meaning=Meaning.EMAILS, wins=Wins.PLATFORM),
    )
    assert found.columns(Kind.CONTACT).sets["phones"] == {"work": "Phone", "home": "HomePhone", "second": "Phone_2__c"}
    assert found.columns(Kind.LEAD).sets == {
        "phones": {"work": "Tel__c", "second": "Phone_2__c"},
        "emails": {"work": "Email"},
    }
    assert (found.lacking(Kind.LEAD), found.lacking(Kind.CONTACT)) == ({"phones.home"}, set())


@pytest.mark.parametrize(
    ("field", "lacking"),
    [
        ("company: {salesforce: Company__c, lead: null}", {"company"}),
        ("phones: {salesforce: {work: Phone}, lead: null}", {"phones.work"}),
    ],
)
def test_what_an_object_has_no_field_for_is_not_synced_there(tmp_path, field, lacking):
    found = mapping(tmp_path, f"  {field}\n")

    assert found.lacking(Kind.LEAD) == lacking
    assert [rule.name for rule in found.rules(Kind.LEAD)] == ["last"]
    assert len(found.rules(Kind.CONTACT)) == 2


def test_every_mistake_is_told_at_once_with_its_line(tmp_path):
    assert problems(
        tmp_path,
        """\
        verion: "1"
        fields:
          Last: {salesforce: LastName}
          first: {salesforce: Account.Owner.Name, name: yes please}
          title: {sales: Title, direction: out}
          company: {salesforce: {work: Company}}
          city: {salesforce: MailingAddress, wins: me}
          state: {salesforce: MailingState, direction: to_platform, wins: newest}
          notes: {salesforce: null}
          phones: {salesforce: Phone}
          emails: {salesforce: {Work: Email, home: 5}, name: true}
          website: Website
        """,
    ) == [
        "1: version: is missing; add it",
        '1: verion: no such setting; did you mean "version"? (known: version, fields)',
        "3: fields.Last: must be of a-z, 0-9 and _, and begin with a letter",
        (
            "4: fields.first.salesforce: must be the API name of a field, such as Title, or of one of the record's"
            " account or other parent, such as Account.Name"
        ),
        "4: fields.first.name: must be true or false",
        "5: fields.title.direction: must be one of: both, to_salesforce, to_platform",
        "5: fields.title.salesforce: is missing; add it",
        (
            '5: fields.title.sales: no such setting; did you mean "salesforce"? (known: direction, wins,'
            " salesforce, lead, name)"
        ),
        (
            "6: fields.company.salesforce: must be the API name of one field, such as Title; only phones and"
            " emails have types"
        ),
        "7: fields.city.wins: must be one of: salesforce, platform, newest, nobody",
        "7: fields.city.salesforce: is several fields in one; write each, such as MailingCity",
        "8: fields.state.wins: decides nothing where only one side is written; remove it",
        "9: fields.notes.salesforce: names no field of Salesforce at all",
        "10: fields.phones.salesforce: must have a field for each type, such as {work: Phone, mobile: MobilePhone}",
        "11: fields.emails.salesforce.Work: must be of a-z, 0-9 and _, and begin with a letter",
        (
            "11: fields.emails.salesforce.home: must be the API name of one field, such as Title; only phones"
            " and emails have types"
        ),
        "11: fields.emails.name: no such setting (known: direction, wins, salesforce, lead)",
        "12: fields.website: must be a mapping, of lines `name: value`",
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("  first: {salesforce: FirstName}\n", ["2: fields: none is part of the person's name; write name: true at first and last names"]),
        (f"{LAST}  title: {{salesforce: lastname}}\n", ["4: fields.title.salesforce: Contact.lastname is last already; take another field, or leave one out"]),
        (f"{LAST}  title: {{salesforce: Title, lead: LastName}}\n", ["4: fields.title.lead: Lead.LastName is last already; take another field, or leave one out"]),
        (
            f"{LAST}  phones: {{salesforce: {{work: Phone, mobile: Phone}}}}\n",
            ["4: fields.phones.salesforce.mobile: Contact.Phone is phones.work already; take another field, or leave one out"],
        ),
        (f"{LAST}  phones: {{salesforce: {{work: Phone}}, lead: {{home: Fax}}}}\n", ["4: fields.phones.lead: home is not among salesforce; add it there, null if a contact has none"]),
        (f"{LAST}  company: {{salesforce: Account.Name}}\n", ["4: fields.company.salesforce: is read from another record, and never written; add direction: to_platform"]),
        (f"{LAST}  company: {{salesforce: null, lead: Owner.Name}}\n", ["4: fields.company.lead: is read from another record, and never written; add direction: to_platform"]),
        ("  {}\n", ["2: fields: names none; at least one must be synced"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told(tmp_path, fields, said):
    assert problems(tmp_path, f'version: "1"\nfields:\n{fields}') == said


@pytest.mark.parametrize(
    ("field", "advice"),
    [
        (
            "titel: {salesforce: Title}",
            'fields.titel: only what the platform calls "titel" is synced; did you mean "title"?',
        ),
        (
            "phones: {salesforce: {moblie: Phone}}",
            'fields.phones.salesforce.moblie: only what the platform calls "moblie" is synced; did you mean "mobile"?',
        ),
    ],
)
def test_what_looks_misspelt_is_told(tmp_path, field, advice):
    """It may be the platform's word all the same."""
    _, report = read(tmp_path, f'version: "1"\nfields:\n{LAST}  {field}\n')

    assert (report.problems, report.sentences(report.warnings)) == ([], [f"sync:4: {advice}"])


def test_an_empty_file_shows_a_small_one_that_is_right(tmp_path):
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, "")
    small = str(refused.value).partition("A small one:\n\n")[2]

    found, report = read(tmp_path, small)
    assert report.problems == []
    assert [rule.name for rule in found.rules(Kind.CONTACT)] == ["last", "emails"]


def test_a_field_of_the_account_goes_to_the_platform(tmp_path):
    company = "  company: {salesforce: Account.Name, direction: to_platform}\n"

    assert mapping(tmp_path, company).columns(Kind.CONTACT).texts["company"] == "Account.Name"
