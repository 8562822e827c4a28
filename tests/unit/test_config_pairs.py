"""Pairs whose contacts are kept the same: what their settings become, and what is said about every mistake."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.bootstrap import contact_fields, contact_sides_of
from gateway.config import ContactColumns, PairConfig
from gateway.devorg.schema import Features, build_schema
from gateway.domain.brakes import Brake
from gateway.domain.contacts import Entry, Side
from gateway.domain.records import Kind
from gateway.domain.schedules import Interval, cron
from gateway.domain.sync import FieldRule, Flow, SidePolicy, WhenDeleted, Wins
from gateway.errors import ConfigError
from gateway.salesforce.contacts import ContactFields
from tests.unit.test_config import ENV, ORG, PEM, Book, load, problems

SHIPPED = Path(__file__).parents[2] / "mappings/contacts-sync.yaml"
BOOK = """\
connections:
  phonebook: {connector: book, org: main, default_region: AT, settings: {token: {env: DESK_TOKEN}}}
  front-desk: {connector: desk, org: main, settings: {token: {env: DESK_TOKEN}}}
  former: {connector: book, org: main, retired: true, settings: {token: {env: DESK_TOKEN}}}
sync:
"""
SHORT = "  book: {org: main, connection: phonebook}\n"
LINE = 10


def pair(folder: Path, settings: str = "") -> PairConfig:
    """The pair with these settings besides those that it must have."""
    text = f"{ORG}{BOOK}  book: {{org: main, connection: phonebook{settings}}}\n"
    return load(folder, text).sync["book"]


def said(folder: Path, settings: str) -> list[str]:
    """What is said about a pair with these settings, without its place."""
    text = f"{ORG}{BOOK}  book: {{org: main, connection: phonebook{settings}}}\n"
    return [each.removeprefix(f"gateway.yaml:{LINE}: sync.book") for each in problems(folder, text)]


def mapping(folder: Path, fields: str, name: str = "contacts-sync.yaml") -> Path:
    """A mapping file of the admin's."""
    path = folder / "mappings" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'version: "2"\nfields:\n{fields}', encoding="utf-8")
    return path


class TestShortForm:
    def test_is_cautious(self, tmp_path):
        """Often, both ways, nothing deleted unasked, and as the shipped mapping says."""
        found = pair(tmp_path)

        assert (found.name, found.org, found.connection) == ("book", "main", "phonebook")
        assert (found.schedule, found.is_paused, found.other_id) == (Interval(30), False, None)
        assert found.brake == Brake(share=0.3, least=10)
        assert found.policy.region == "AT"
        assert found.policy.sides == {side: SidePolicy(creates=True, deletes=WhenDeleted.ASK) for side in Side}
        assert found.mapping == SHIPPED

    def test_looks_as_often_as_the_platform_can_bear(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Book, "contacts_every", 600.0)

        assert pair(tmp_path).schedule == Interval(600)
        assert pair(tmp_path, ", every: 5s").schedule == Interval(5)

    def test_syncs_what_a_phone_book_has(self, tmp_path):
        found = pair(tmp_path)

        assert found.columns == {
            Kind.CONTACT: ContactColumns(
                texts={"last": "LastName", "first": "FirstName", "title": "Title"},
                sets={
                    "phones": {
                        "work": "Phone", "mobile": "MobilePhone", "home": "HomePhone", "other": "OtherPhone", "fax": "Fax",
                    },
                    "emails": {"work": "Email"},
                },
            )
        }  # fmt: skip
        assert [rule.name for rule in found.policy.fields] == ["first", "last", "title", "phones", "emails"]
        assert found.policy.names == ("first", "last")
        assert found.policy.readings.keys() == {"phones", "emails"}
        assert {(rule.flow, rule.wins) for rule in found.policy.fields} == {(Flow.BOTH, Wins.NOBODY)}


class TestSettings:
    def test_all_of_them(self, tmp_path):
        mapping(tmp_path, "  last: {salesforce: Surname__c, name: true, wins: newest}\n", "own.yaml")
        found = pair(
            tmp_path,
            ', cron: "30 2 * * 1-5", time_zone: Europe/Vienna, mapping: own.yaml, other_id: Phonebook_Id__c, region: US,'
            " create: {salesforce: false}, delete: {salesforce: keep, platform: delete}, brake: {share: 5%, least: 100},"
            " paused: true",
        )

        assert str(found.schedule) == 'by cron "30 2 * * 1-5" (Europe/Vienna)'
        assert found.policy.fields == (FieldRule(name="last", wins=Wins.NEWEST, is_name=True),)
        assert found.policy.sides == {
            Side.SALESFORCE: SidePolicy(creates=False, deletes=WhenDeleted.KEEP),
            Side.PLATFORM: SidePolicy(creates=True, deletes=WhenDeleted.DELETE),
        }
        assert (found.policy.region, found.brake, found.is_paused) == ("US", Brake(share=0.05, least=100), True)
        assert contact_fields(found) == {
            Kind.CONTACT: ContactFields(texts={"last": "Surname__c"}, other_id="Phonebook_Id__c")
        }

    def test_cron_is_in_utc_unless_told_otherwise(self, tmp_path):
        assert pair(tmp_path, ', cron: "0 3 * * sun"').schedule == replace(cron("0 3 * * sun"), time_zone="UTC")

    def test_leads_alone_have_fields_of_their_own(self, tmp_path):
        found = pair(tmp_path, ", objects: [Lead]")

        assert found.columns[Kind.LEAD].texts["company"] == "Company"
        assert found.columns[Kind.LEAD].sets["phones"] == {"work": "Phone", "mobile": "MobilePhone", "fax": "Fax"}
        assert "company" in {rule.name for rule in found.policy.fields}

    def test_the_first_object_is_that_of_new_contacts(self, tmp_path):
        mapping(
            tmp_path,
            "  last: {salesforce: LastName, name: true}\n  city: {salesforce: MailingCity, lead: City}\n"
            "  company: {salesforce: Company__c, lead: Company}\n",
        )
        found = pair(tmp_path, ", objects: [Lead, Contact]")

        assert found.objects == (Kind.LEAD, Kind.CONTACT)
        assert [each.texts["city"] for each in found.columns.values()] == ["City", "MailingCity"]

    def test_a_filter_asks_texts_and_sets(self, tmp_path):
        found = pair(
            tmp_path,
            ", filter: {salesforce: {from: title, equals: Buyer}, platform: \"emails[?ends_with(value, '@example.com')]\"}",
        )
        here, there = (found.policy.sides[side].filter for side in Side)

        assert (here.holds({"title": "Buyer"}), here.holds({"title": "Seller"}), here.holds({})) == (True, False, False)
        assert there.holds({"emails": (Entry("a@example.org"), Entry("b@example.com"))})
        assert not there.holds({"emails": (Entry("a@example.org"),)})

    def test_a_filter_that_cannot_be_asked_does_not_hold(self, tmp_path):
        found = pair(tmp_path, ", filter: {platform: \"starts_with(title, 'B')\"}").policy.sides[Side.PLATFORM]

        assert found.filter.holds({"title": "Buyer"})
        assert not found.filter.holds({"title": None})


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        (', every: 1m, cron: "* * * * *"', [".cron: stands beside every; keep one of them"]),
        (", time_zone: UTC", [".time_zone: is for cron only; remove it"]),
        (', cron: "0 0 * * *", time_zone: Europe/Wien', [".time_zone: is no time zone, such as Europe/Vienna"]),
        (', cron: "0 24 * * *"', ['.cron: hour "24" is not from 0 to 23']),
        (', cron: "0 0 30 2 *"', [".cron: never comes: none of these months has such a day"]),
        (", every: 2d", [".every: must be a time from 1s to 24h, such as 30s, 5m or 1h"]),
        (", objects: []", [".objects: is empty; fill it in"]),
        (", objects: [Account]", [".objects.0: must be one of: Contact, Lead"]),
        (", other_id: Department", [".other_id: must be the API name of a custom field, which ends in __c"]),
        (", delete: {platform: never}", [".delete.platform: must be one of: delete, keep, ask"]),
        (", brake: {share: 0.3}", [".brake.share: must be from 1% to 100%, such as 30%"]),
        (", brake: {share: 101%, least: 0}", [
            ".brake.share: must be from 1% to 100%, such as 30%", ".brake.least: must be 1 or more",
        ]),
        (", create: {sales: true}", ['.create.sales: no such setting; did you mean "salesforce"? (known: salesforce, platform)']),
        (", filter: {salesforce: titel}", [
            ('.filter.salesforce: contacts-sync.yaml has no field "titel"; did you mean "title"? (known: first, last, title,'
            " phones, emails); a field that the platform does not have may stand there, too"),
        ]),
        (', filter: {salesforce: "a["}', [".filter.salesforce.from: is not a JMESPath expression, such as attributes.authorised_signer"]),
        (", mapping: none.yaml", [".mapping: there is no none.yaml in mappings; create it there"]),
        (", objects: [Contact, Lead]", [
            (".objects: by its mapping, a Contact has no company, and all objects of a pair need the same fields and types;"
            " name a mapping without them"),
            (".objects: by its mapping, a Lead has no phones.home, phones.other, and all objects of a pair need the same fields"
            " and types; name a mapping without them"),
        ]),
        (", mapping: ../x.yaml", [".mapping: must be a file's name, such as case.yaml"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path, settings, sentences):
    assert said(tmp_path, settings) == sentences


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{org: man, connection: phonebook}", '.org: no org is called "man"; did you mean "main"? (known: main)'),
        (
            "{org: main, connection: phonebok}",
            (
                '.connection: no connection is called "phonebok"; did you mean "phonebook"?'
                " (known: phonebook, front-desk, former)"
            ),
        ),
        (
            "{org: main, connection: front-desk}",
            ".connection: the connector desk of front-desk has no contacts to sync; those of book have",
        ),
        (
            "{org: main, connection: former}",
            ".connection: former is retired; remove the pair, or retired: true at the connection",
        ),
        ("phonebook", ": must be a mapping, of lines `name: value`"),
    ],
)
def test_what_it_names_must_be_there(tmp_path, written, sentence):
    assert problems(tmp_path, f"{ORG}{BOOK}  book: {written}\n") == [f"gateway.yaml:{LINE}: sync.book{sentence}"]


class TestMapping:
    def test_its_problems_are_told_with_those_of_the_settings(self, tmp_path):
        """With its own place, behind the others, and once for all pairs that name it."""
        mapping(tmp_path, "  last: {salesforce: Account.Owner.Name, wins: me}\n")
        text = f"{ORG}{BOOK}{SHORT}  other: {{org: main, connection: phonebook, every: 1}}\n"

        assert problems(tmp_path, text) == [
            "gateway.yaml:11: sync.other.every: must be a time from 1s to 24h, such as 30s, 5m or 1h",
            "mappings/contacts-sync.yaml:3: fields.last.wins: must be one of: salesforce, platform, newest, nobody",
            (
                "mappings/contacts-sync.yaml:3: fields.last.salesforce: must be the API name of a field, such as Title, or of"
                " one of the record's account or other parent, such as Account.Name"
            ),
        ]

    def test_one_that_is_no_yaml_is_told(self, tmp_path):
        mapping(tmp_path, "  last: {")

        assert problems(tmp_path, f"{ORG}{BOOK}{SHORT}") == [
            "mappings/contacts-sync.yaml:3: a bracket or brace is opened here and never closed, or a comma is missing"
        ]

    def test_its_warnings_are_told(self, tmp_path):
        path = mapping(tmp_path, "  last: {salesforce: LastName, name: true}\n  titel: {salesforce: Title}\n")

        assert load(tmp_path, f"{ORG}{BOOK}{SHORT}").warnings == (
            f'{path}:4: fields.titel: only what the platform calls "titel" is synced; did you mean "title"?',
        )

    def test_nothing_is_created_without_what_it_must_have(self, tmp_path):
        """Unless nothing is created."""
        mapping(tmp_path, "  last: {salesforce: LastName, name: true, direction: to_platform}\n")

        assert said(tmp_path, "") == [
            (
                ": a Contact is created with LastName only, which nothing fills; map it in contacts-sync.yaml, or write"
                " create: {salesforce: false}"
            )
        ]
        assert pair(tmp_path, ", create: {salesforce: false}").policy.fields[0].flow is Flow.TO_PLATFORM

    def test_a_lead_must_have_a_company(self, tmp_path):
        mapping(tmp_path, "  last: {salesforce: LastName, name: true}\n")

        assert said(tmp_path, ", objects: [Lead]") == [
            (
                ": a Lead is created with Company only, which nothing fills; map it in contacts-sync.yaml, or write"
                " create: {salesforce: false}"
            )
        ]


class TestSeveralPairs:
    """Of one org and connection, each contact belongs to one pair."""

    def both(self, folder: Path, one: str, other: str) -> list[str]:
        mapping(
            folder, "  last: {salesforce: LastName, name: true}\n  company: {salesforce: Company__c, lead: Company}\n"
        )
        lines = [
            f"  {name}: {{org: main, connection: phonebook{settings}}}\n"
            for name, settings in (("a", one), ("b", other))
        ]
        return problems(folder, ORG + BOOK + "".join(lines))

    def problem(self, sides: str) -> list[str]:
        return [
            (
                f"gateway.yaml:11: sync.b: has the same contacts as a, on {sides}; give both a filter there that leaves out what"
                " is the other's, or remove one"
            )
        ]

    def test_the_same_contacts_are_a_mistake(self, tmp_path):
        assert self.both(tmp_path, "", ", every: 5m") == self.problem("salesforce and platform")

    def test_other_objects_are_synced_with_the_same_phone_book(self, tmp_path):
        assert self.both(tmp_path, "", ", objects: [Lead]") == self.problem("platform")

    def test_a_filter_must_be_on_both_sides_and_in_both_pairs(self, tmp_path):
        one = ", filter: {salesforce: last, platform: last}"

        assert self.both(tmp_path, one, "") == self.problem("salesforce and platform")
        assert self.both(tmp_path, one, one) == self.problem("salesforce and platform")
        assert self.both(tmp_path, one, ", filter: {salesforce: company, platform: last}") == self.problem("platform")

    def test_filters_that_differ_are_believed(self, tmp_path):
        one = "  a: {org: main, connection: phonebook, objects: [Lead], filter: {platform: nickname}}\n"
        other = "  b: {org: main, connection: phonebook, filter: {platform: title}}\n"

        assert load(tmp_path, ORG + BOOK + one + other).sync.keys() == {"a", "b"}

    def test_another_org_is_told_but_no_mistake(self, tmp_path):
        org = "  spare:\n    auth: {flow: jwt_bearer, client_id: c, username: u, private_key: {env: KEY}}\n"
        text = f"{ORG}{org}{BOOK}{SHORT}  there: {{org: spare, connection: phonebook}}\n"
        loaded = load(tmp_path, text, {**ENV, "KEY": PEM})

        assert loaded.sync.keys() == {"book", "there"}
        assert loaded.warnings == (
            f"{tmp_path}/gateway.yaml:13: sync.there.org: phonebook feeds main, and its contacts are synced with another org",
        )


class TestContactSides:
    def test_a_connection_without_contacts_by_its_settings_is_a_mistake(self, tmp_path):
        loaded = load(tmp_path, f"{ORG}{BOOK}{SHORT}")
        connections = {name: Connected(Book({})) for name in loaded.connections}

        with pytest.raises(ConfigError) as refused:
            contact_sides_of(loaded, connections)

        assert refused.value.problems == (
            "sync.book: phonebook has no contacts by its settings; its connector's README says which settings configure them",
        )

    @pytest.mark.parametrize(("wish", "is_right"), [("delete", False), ("keep", True), ("ask", True)])
    def test_a_platform_that_deletes_nobody_is_not_asked_to(self, tmp_path, wish, is_right):
        loaded = load(
            tmp_path, f"{ORG}{BOOK}  book: {{org: main, connection: phonebook, delete: {{platform: {wish}}}}}\n"
        )
        connections = {name: Connected(LastingBook({})) for name in loaded.connections}

        if is_right:
            assert contact_sides_of(loaded, connections).keys() == {"book"}
            return
        with pytest.raises(
            ConfigError, match="sync.book.delete.platform: phonebook deletes no contacts by its settings"
        ):
            contact_sides_of(loaded, connections)


class LastingBook(Book):
    def contact_side(self) -> Any:
        return object()

    def deletes_contacts(self) -> bool:
        return False


@dataclass
class Connected:
    connector: Book


@pytest.mark.parametrize("kind", [Kind.CONTACT, Kind.LEAD])
def test_the_shipped_mapping_fits_a_new_org(tmp_path, kind):
    """Every field is there, and may be written."""
    described = build_schema(Features())[kind.value.lower()].fields.values()
    writable = {each.name for each in described if each.createable and each.updateable}

    columns = contact_fields(pair(tmp_path, f", objects: [{kind}]"))[kind].columns

    assert set(columns) - writable == set()
    assert "LastName" in columns


def test_what_is_commented_in_the_shipped_mapping_is_right(tmp_path):
    """Apart from what few orgs have."""
    lines = SHIPPED.read_text("utf-8").splitlines()
    examples = [line.replace("# ", "", 1) for line in lines if re.match(r"  # \w+: \{", line)]
    path = tmp_path / "mappings/contacts-sync.yaml"
    path.parent.mkdir()
    path.write_text("\n".join([*lines, *examples]), encoding="utf-8")
    described = build_schema(Features())

    for kind in (Kind.CONTACT, Kind.LEAD):
        fields = contact_fields(pair(tmp_path, f", objects: [{kind}]"))[kind]
        there = {each.name for each in described[kind.value.lower()].fields.values()}
        assert set(fields.columns) - there <= {"MiddleName", "Suffix"}
    assert len(examples) >= 10


def documented(*begins: str) -> list[str]:
    """The examples of the documentation that begin so."""
    text = SHIPPED.with_name("README.md").read_text("utf-8")
    return [begin + text.partition(f"```yaml\n{begin}")[2].partition("```")[0] for begin in begins]


def test_the_examples_of_the_documentation(tmp_path):
    settings, fields = documented("sync:\n", 'version: "2"\nfields:\n')
    folder = tmp_path / "mappings"
    folder.mkdir()
    (folder / "buyers-sync.yaml").write_text(fields, encoding="utf-8")
    book = "{connector: book, org: main, settings: {token: {env: DESK_TOKEN}}}"

    loaded = load(tmp_path, f"{ORG}connections:\n  phonebook: {book}\n  purchasing: {book}\n{settings}")

    short, buyers = loaded.sync["crm-phonebook"], loaded.sync["buyers"]
    assert loaded.warnings == ()
    assert short == replace(pair(tmp_path), name="crm-phonebook", policy=replace(short.policy, region="US"))
    assert str(buyers.schedule) == 'by cron "30 2 * * 1-5" (Europe/Vienna)'
    assert {rule.name: (rule.flow, rule.wins) for rule in buyers.policy.fields} == {
        "last": (Flow.BOTH, Wins.SALESFORCE),
        "first": (Flow.BOTH, Wins.SALESFORCE),
        "title": (Flow.TO_PLATFORM, Wins.NOBODY),
        "phones": (Flow.BOTH, Wins.NEWEST),
        "emails": (Flow.BOTH, Wins.NOBODY),
    }
    assert buyers.policy.sides[Side.PLATFORM].filter.holds({"emails": (Entry("b@example.com"),)})


class TestNewContacts:
    def test_may_be_person_accounts_of_a_record_type(self, tmp_path):
        found = pair(tmp_path, ", new_contacts: {person_accounts: true, record_type: Home_Owner}")

        assert (found.are_persons, found.record_type) == (True, "Home_Owner")
        assert (pair(tmp_path).are_persons, pair(tmp_path).record_type) == (False, None)

    def test_are_no_person_accounts_where_they_become_leads(self, tmp_path):
        mapping(tmp_path, "  last: {salesforce: LastName, name: true}\n  company: {salesforce: Title, lead: Company}\n")

        assert said(tmp_path, ", objects: [Lead], new_contacts: {person_accounts: true}") == [
            ".new_contacts.person_accounts: are written as contacts; name Contact first among objects"
        ]
