"""Settings of contact points: which of them holds where, and what is said about every mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway import config
from gateway.bootstrap import connections_of, created_in, directories_of, rules_of
from gateway.domain.policies import CaseRule, ContactPoint, Creates, SecondParty, StopList, WhenMissing
from gateway.errors import ConfigError
from gateway.sdk.discovery import installed_connectors
from tests.unit.test_config import DESK, load, problems

SETTINGS = "    settings: {token: {env: DESK_TOKEN}}\n"
LEVELS = """\
defaults:
  region: GB
  label: All
  threshold: 50
  margin: 5
platforms:
  desk: {region: FR, label: Platform, margin: 6}
"""


def policy(tmp_path: Path, text: str) -> Any:
    return load(tmp_path, text).connections["desk"].policy


def point(tmp_path: Path, text: str) -> ContactPoint:
    """The settings of a connection with this one setting."""
    found: ContactPoint = policy(tmp_path, f"{DESK}{SETTINGS}    {text}\n").own
    return found


class TestInheritance:
    def test_the_nearest_wins(self, tmp_path):
        points = "    region: DE\n    contact_points:\n      Sales: {region: JP, threshold: 70}\n      Help:\n"

        found = policy(tmp_path, LEVELS + DESK + SETTINGS + points)

        assert found.own == ContactPoint(region="DE", label="Platform", threshold=50, margin=6)
        assert found.contact_points["Sales"] == ContactPoint(region="JP", label="Platform", threshold=70, margin=6)
        assert found.contact_points["Help"] == found.own

    def test_null_says_nothing_and_empty_says_none(self, tmp_path):
        points = "    contact_points:\n      a: {region: null, cases: null}\n      b: {cases: []}\n"
        cases = "    cases: [{when: {queues: [Help]}}]\n"

        found = policy(tmp_path, LEVELS + DESK + SETTINGS + cases + points).contact_points

        assert (found["a"].region, len(found["a"].cases), found["b"].cases) == ("FR", 1, ())

    def test_without_any_level_there_are_defaults(self, tmp_path):
        assert policy(tmp_path, DESK + SETTINGS).own == ContactPoint(region="US")

    def test_what_holds_where_is_told_with_its_line(self, tmp_path):
        text = LEVELS + DESK + SETTINGS + "    default_region: DE\n    contact_points:\n      Sales: {label: Sales}\n"

        told = {(each.address, each.setting): (each.value, each.written_in) for each in load(tmp_path, text).effective}

        path = tmp_path / "gateway.yaml"
        assert told[None, "region"] == ('"DE"', f"{path}:17")
        assert told[None, "threshold"] == ("50", f"{path}:4")
        assert told["Sales", "label"] == ('"Sales"', f"{path}:19")
        assert told["Sales", "margin"] == ("6", f"{path}:7")


class TestAddresses:
    @pytest.fixture
    def found(self, tmp_path):
        points = '    contact_points:\n      "(800) 555-0100": {label: Line}\n      Sales Queue: {label: Queue}\n'
        return policy(tmp_path, DESK + SETTINGS + points)

    @pytest.mark.parametrize("dialled", ["+18005550100", "800-555-0100", "tel:+1-800-555-0100"])
    def test_a_number_in_any_spelling(self, found, dialled):
        assert found.at(dialled).label == "Line"

    def test_the_queue_where_the_address_says_nothing(self, found):
        assert found.at(None, "sales queue").label == "Queue"
        assert found.at("+18005550199", "Sales Queue").label == "Queue"
        assert found.at("+18005550100", "Sales Queue").label == "Line"
        assert found.at("+18005550199", "Other") == found.own


class TestSettings:
    def test_create_in_short_and_in_long(self, tmp_path):
        short = point(tmp_path, "create: lead").create
        long = point(
            tmp_path,
            "create: {policy: contact, record_type: Homeowner, values: {LastName: 'parties[0].name'}, unless: attributes.test,"
            " account_types: {Installer: contact_under_domain_account, Home Owner: never},"
            " approval: {from: attributes.authorised_signer, equals: true}, from: interaction}",
        ).create

        assert short.policy is Creates.LEAD
        assert (long.policy, long.record_type, long.source) == (Creates.CONTACT, "Homeowner", None)
        assert long.account_types == {"Installer": Creates.CONTACT_UNDER_DOMAIN_ACCOUNT, "Home Owner": Creates.NEVER}
        assert long.values
        assert long.values.fill({"parties": [{"name": "New"}]}) == {"LastName": "New"}
        assert long.unless
        assert long.unless.holds({"attributes": {"test": 0}})
        assert not long.unless.holds({"attributes": {}})
        assert long.approval
        assert long.approval.holds({"attributes": {"authorised_signer": True}})
        assert not long.approval.holds({"attributes": {"authorised_signer": 1}})
        assert long.approval.text == "attributes.authorised_signer = true"

    def test_the_second_party(self, tmp_path):
        found = point(tmp_path, "second_party: {dispositions: [Complaint, fraud], queues: [Care], missing: note}")

        assert found.second_party == SecondParty(
            dispositions=frozenset({"complaint", "fraud"}), queues=frozenset({"care"}), when_missing=WhenMissing.NOTE
        )

    def test_cases(self, tmp_path):
        found = point(tmp_path, "cases: [{when: {dispositions: [Complaint]}, record_type: Claim, mapping: claim.yaml}]")

        assert found.cases == (
            CaseRule(dispositions=frozenset({"complaint"}), record_type="Claim", mapping="claim.yaml"),
        )

    def test_a_stop_list_in_the_settings_and_in_a_file(self, tmp_path):
        (tmp_path / "stop.txt").write_text("+1 415 555 0123  # asked on Monday\n\n@spam.example\n")

        short = point(tmp_path, "stop_list: ['+14155550124', Casey@Example.com]").stop_list
        long = point(tmp_path, "stop_list: {file: stop.txt, consent: {DoNotCall: true}}").stop_list

        assert short == StopList(frozenset({"phone:+14155550124", "email:casey@example.com"}))
        assert long == StopList(frozenset({"phone:+14155550123", "@spam.example"}), {"DoNotCall": True})
        assert long.covers(["email:anybody@spam.example"])
        assert not long.covers(["email:anybody@example.com"])


MISTAKES = {
    "policy": ("create: always", "create.policy: must be one of: never, contact, contact_under_domain_account, lead"),
    "account type": (
        "create: {account_types: {Installer: sometimes}}",
        "create.account_types.Installer: must be one of: never, contact, contact_under_domain_account, lead",
    ),
    "rule": (
        "create: {policy: contact, values: {LastName: {from: x, as: shout}}}",
        (
            "create.values.LastName: there is no transform 'shout'; known: clock, cut, date, datetime, first_name,"
            " join, last_name, lower, time, title, trim, upper"
        ),
    ),
    "path": (
        "create: {policy: contact, approval: {from: 'a['}}",
        "create.approval.from: is not a JMESPath expression, such as attributes.authorised_signer",
    ),
    "source": ("create: {policy: contact, from: crm}", 'create.from: no connection is called "crm" (known: desk)'),
    "case without when": ("cases: [{mapping: case.yaml}]", "cases.0.when: is missing; add it"),
    "case for everything": (
        "cases: [{when: {}}]",
        "cases.0.when: names neither dispositions nor queues; a case for everything is nobody's",
    ),
    "a file elsewhere": (
        "cases: [{when: {queues: [a]}, mapping: ../x.yaml}]",
        "cases.0.mapping: must be a file's name, such as case.yaml",
    ),
    "missing": ("second_party: {missing: shout}", "second_party.missing: must be one of: ask, note"),
    "threshold": ("threshold: -1", "threshold: must not be below 0"),
    "identity": (
        "stop_list: [casey]",
        "stop_list.identities.0: is no number with + and country code, no e-mail address and no @domain",
    ),
}


@pytest.mark.parametrize(("setting", "said"), MISTAKES.values(), ids=MISTAKES.keys())
@pytest.mark.parametrize("place", ["connections.desk", "defaults", "platforms.desk"])
def test_what_is_wrong_is_said_at_each_level(tmp_path, setting, said, place):
    before, line = {
        "connections.desk": (DESK + SETTINGS, 10),
        "defaults": (DESK + SETTINGS + "defaults:\n", 11),
        "platforms.desk": (DESK + SETTINGS + "platforms:\n  desk:\n", 12),
    }[place]

    assert problems(tmp_path, f"{before}    {setting}\n") == [f"gateway.yaml:{line}: {place}.{said}"]


def test_all_problems_of_all_levels_at_once(tmp_path):
    text = (
        "defaults: {region: Germany}\nplatforms:\n  dsk: {}\n"
        + DESK
        + SETTINGS
        + "    region: DE\n    default_region: DE\n    stop_list: {file: none.txt}\n"
    )

    assert problems(tmp_path, text) == [
        "gateway.yaml:1: defaults.region: is not a country of two letters, such as US, DE or JP",
        'gateway.yaml:3: platforms.dsk: no platform is called "dsk"; did you mean "desk"? (known: desk, book)',
        "gateway.yaml:14: connections.desk.default_region: is another word for region; keep one of them",
        (
            "gateway.yaml:15: connections.desk.stop_list.file: none.txt cannot be read; write a text file of lines, each"
            " a number, an e-mail or @domain"
        ),
    ]


def test_a_line_of_a_stop_list_that_is_nobody_is_named(tmp_path):
    (tmp_path / "stop.txt").write_text("+14155550123\n555-0123\n")

    assert problems(tmp_path, f"{DESK}{SETTINGS}    stop_list: {{file: stop.txt}}\n") == [
        (
            "gateway.yaml:10: connections.desk.stop_list.file: stop.txt:2: is no number with + and country code, no e-mail"
            " address and no @domain"
        ),
    ]


def test_the_example_of_the_documentation(tmp_path):
    text = (Path(__file__).parents[2] / "mappings/README.md").read_text("utf-8")
    (tmp_path / "stop-list.txt").write_text("@spam.example\n")
    path = tmp_path / "gateway.yaml"
    path.write_text("defaults:" + text.partition("```yaml\ndefaults:")[2].partition("```")[0])

    loaded = config.load(path, {"SF_SECRET": "s", "FRONT_DESK_TOKEN": "t"}, installed_connectors())

    policy = loaded.connections["front-desk"].policy
    installers, support = policy.at(None, "installers"), policy.at("+18005550100")
    assert (installers.create.source, installers.create.record_type) == ("front-desk", "Homeowner")
    assert (support.create.policy, support.threshold) == (Creates.CONTACT_UNDER_DOMAIN_ACCOUNT, 60)
    assert support.second_party == SecondParty(
        dispositions=frozenset({"complaint", "cancellation", "fraud"}), when_missing=WhenMissing.ASK
    )
    assert support.stop_list.consent == {"DoNotCall": True, "HasOptedOutOfEmail": True}
    assert directories_of(rules_of(loaded), connections_of(loaded)).keys() == {"front-desk"}
    assert {kind.value: len(mappings) for kind, mappings in created_in(loaded, "main").items()} == {
        "Contact": 3,
        "Case": 3,
    }
    assert created_in(loaded, "spare") == {}


def test_a_connector_that_starts_has_no_secret_that_has_ended(tmp_path):
    """It may log in, or have the platform sign, with the first of several."""
    path = tmp_path / "gateway.yaml"
    path.write_text(
        "orgs:\n  main:\n    login_url: https://acme.my.salesforce.com\n"
        "    auth: {flow: client_credentials, client_id: c, client_secret: {env: SF}}\n"
        "connections:\n  phones: {connector: twilio, org: main, settings: {auth_token: [\n"
        "    {env: ENDED, until: 2026-01-01}, {env: ENDS, until: 2999-01-01}, {env: STAYS}]}}\n"
    )
    names = {"SF": "s", "ENDED": "one", "ENDS": "two", "STAYS": "three"}
    connection = connections_of(config.load(path, names, installed_connectors()))["phones"]

    assert connection.connector.settings["auth_token"] == ["two", "three"]


def test_people_from_a_connection_without_a_directory_are_a_mistake(tmp_path):
    loaded = load(tmp_path, f"{DESK}{SETTINGS}    create: {{policy: contact, from: desk}}\n")

    with pytest.raises(ConfigError, match="connections.desk: people are created from desk, which has no directory"):
        directories_of(rules_of(loaded), {})
