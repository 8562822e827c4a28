"""gateway.yaml: what it becomes, and what is said about every mistake in it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields, validates_schema

from gateway import config, sdk
from gateway.config import ClientCredentials, JwtBearer, RefreshToken
from gateway.domain.policies import ContactPoint, MirrorPolicy
from gateway.errors import ConfigError

SECRET = "correct-horse-battery"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"


class LineSettings(sdk.Settings):
    token = sdk.Secret(required=True)


class DeskSettings(sdk.Settings):
    token = sdk.Secret()
    signing_secret = sdk.Secret()
    tolerance = fields.Integer()
    muted = fields.Boolean()
    tags = fields.List(fields.String())
    lines = fields.Dict(keys=fields.String(), values=fields.Nested(LineSettings))
    backup = fields.Nested(LineSettings)

    @validates_schema
    def one_way_to_verify(self, settings: Mapping[str, object], **_: object) -> None:
        if "token" not in settings and "signing_secret" not in settings:
            raise ValidationError("needs token or signing_secret")
        if settings.get("token") == "leaky-leaky":
            raise ValidationError("leaky-leaky is no good token.", "token")


class Desk(sdk.Connector):
    name: ClassVar[str] = "desk"
    title: ClassVar[str] = "Desk"
    settings_schema: ClassVar[type[sdk.Settings]] = DeskSettings

    def verify(self, request: sdk.Request) -> None:
        """Accept everything."""

    def parse(self, delivery: sdk.Delivery) -> Sequence[sdk.PartialInteraction]:
        return ()


class Book(Desk):
    """A desk with a phone book."""

    name: ClassVar[str] = "book"

    def contact_side(self) -> sdk.ContactSide | None:
        return None


CONNECTORS = {"desk": Desk, "book": Book}
ENV = {"SF_SECRET": SECRET, "DESK_TOKEN": "tok-" + SECRET}

VALID = """\
database: sqlite:///gateway.db
public_url: https://gateway.example.com/
orgs:
  main:
    login_url: https://acme.my.salesforce.com
    api_version: "62.0"
    auth: {flow: client_credentials, client_id: 3MVG9, client_secret: {env: SF_SECRET}}
  sandbox:
    login_url: http://127.0.0.1:8090
    auth: {flow: refresh_token, client_id: 3MVG9, refresh_token: {env: SF_SECRET}}
    task_key: null
connections:
  front-desk:
    connector: desk
    org: main
    default_region: DE
    settings: {token: {env: DESK_TOKEN}, lines: {a: {token: {env: DESK_TOKEN}}}}
    contact_points:
      +18005550100: {label: Support, region: US, create: never}
      support@example.com:
  phonebook: {connector: book, org: main, settings: {token: {env: DESK_TOKEN}}}
sync:
  crm-phonebook: {org: main, connection: phonebook, every: 60s}
"""


def load(tmp_path: Path, text: str, env: Mapping[str, str] = ENV) -> config.Config:
    path = tmp_path / "gateway.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return config.load(path, env, CONNECTORS)


def problems(tmp_path: Path, text: str, env: Mapping[str, str] = ENV) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text, env)
    return [problem.replace(f"{tmp_path}/", "") for problem in refused.value.problems]


ORG = """\
orgs:
  main:
    login_url: https://acme.my.salesforce.com
    auth: {flow: client_credentials, client_id: c, client_secret: {env: SF_SECRET}}
"""
DESK = ORG + "connections:\n  desk:\n    connector: desk\n    org: main\n"


class TestValid:
    def test_what_is_mirrored(self, tmp_path):
        """The org's own fields by object, and how long cases are kept."""
        fields = "{Contact: {Mobile_2__c: phone, Instagram__c: instagram}, Case: {Order_Number__c: order}}"
        loaded = load(tmp_path, ORG + f"    mirror: {{fields: {fields}, closed_cases_days: 30}}\n")

        assert loaded.orgs["main"].mirror == MirrorPolicy(
            fields={
                "Contact": {"Mobile_2__c": "phone", "Instagram__c": "instagram"},
                "Case": {"Order_Number__c": "order"},
            },
            closed_cases_days=30,
        )
        assert loaded.warnings == ()

    def test_a_mirror_that_is_switched_off_is_told(self, tmp_path):
        loaded = load(tmp_path, ORG + "    mirror: false\n")

        assert not loaded.orgs["main"].mirror.is_kept
        assert loaded.warnings == (
            f"{tmp_path}/gateway.yaml:5: orgs.main.mirror: no copy of the org's records is kept: every round of work asks the org",
        )

    def test_a_meaning_that_looks_misspelt_is_told(self, tmp_path):
        """It may be the name of a number all the same."""
        loaded = load(tmp_path, ORG + "    mirror: {fields: {Contact: {A__c: phne}}}\n")

        assert loaded.warnings[0].endswith('"phne" is taken for the name of a number; did you mean "phone"?')

    def test_everything_has_its_type(self, tmp_path):
        """The example of the documentation, with both orgs and all kinds of settings."""
        loaded = load(tmp_path, VALID)

        main, sandbox = loaded.orgs["main"], loaded.orgs["sandbox"]
        desk = loaded.connections["front-desk"]
        assert loaded.database == "sqlite:///gateway.db"
        assert loaded.public_url == "https://gateway.example.com"
        assert loaded.path == tmp_path / "gateway.yaml"
        assert loaded.warnings == ()
        assert main.auth == ClientCredentials(client_id="3MVG9", client_secret=SECRET)
        assert (main.api_version, main.task_key) == ("62.0", "Gateway_Interaction_Key__c")
        assert sandbox.auth == RefreshToken(client_id="3MVG9", client_secret=None, refresh_token=SECRET)
        assert (sandbox.login_url, sandbox.task_key) == ("http://127.0.0.1:8090", None)
        assert main.concurrent_calls == 6
        assert main.mirror == MirrorPolicy()
        assert main.mirror_every == 300
        assert (desk.policy.name, desk.connector, desk.policy.org, desk.policy.own.region) == (
            "front-desk",
            "desk",
            "main",
            "DE",
        )
        assert desk.settings == {"token": ENV["DESK_TOKEN"], "lines": {"a": {"token": ENV["DESK_TOKEN"]}}}
        assert desk.policy.contact_points == {
            "+18005550100": ContactPoint(label="Support", region="US"),
            "support@example.com": ContactPoint(region="DE"),
        }
        assert (desk.strict, desk.retired) == (False, False)
        assert loaded.sync.keys() == {"crm-phonebook"}

    def test_what_is_left_out_has_a_default(self, tmp_path):
        loaded = load(tmp_path, DESK + "    settings: {token: {env: DESK_TOKEN}}\n    retired: true\n")

        desk = loaded.connections["desk"]
        assert (loaded.database, loaded.public_url) == ("sqlite:///gateway.db", None)
        assert (loaded.host, loaded.port) == ("127.0.0.1", 8080)
        assert (desk.policy.own.region, desk.policy.contact_points, desk.retired) == ("US", {}, True)

    def test_jwt_bearer_reads_its_key_from_a_file(self, tmp_path):
        """Relative to gateway.yaml, and without the newline at the end."""
        (tmp_path / "key.pem").write_text(PEM + "\r\n", encoding="utf-8")
        loaded = load(
            tmp_path,
            "orgs: {main: {api_version: 60.0, auth: {flow: jwt_bearer, client_id: c, username: u, private_key: {file: key.pem}}}}",
        )

        assert loaded.orgs["main"].auth == JwtBearer(client_id="c", username="u", private_key=PEM)
        assert (loaded.orgs["main"].login_url, loaded.orgs["main"].api_version) == (
            "https://login.salesforce.com",
            "60.0",
        )

    def test_the_environment_overrides(self, tmp_path):
        env = {"GATEWAY_DATABASE_URL": "postgres://u:p@db/gateway", "GATEWAY_HOST": "0.0.0.0", "GATEWAY_PORT": "80"}
        loaded = load(tmp_path, VALID, {**ENV, **env})

        assert (loaded.database, loaded.host, loaded.port) == ("postgresql+psycopg://u:p@db/gateway", "0.0.0.0", 80)
        assert loaded.warnings == ()

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
    def test_postgresql_is_reached_by_our_driver(self, tmp_path, scheme):
        loaded = load(tmp_path, ORG + f"database: {scheme}://db.example:5432/gateway?sslmode=require\n")

        assert loaded.database == "postgresql+psycopg://db.example:5432/gateway?sslmode=require"

    def test_the_path_is_argument_then_variable_then_working_directory(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "gateway.yaml").write_text(ORG, encoding="utf-8")
        (tmp_path / "other.yaml").write_text(ORG, encoding="utf-8")

        assert config.load(None, ENV, {}).path == Path("gateway.yaml")
        assert config.load(None, {**ENV, "GATEWAY_CONFIG": "other.yaml"}, {}).path == Path("other.yaml")
        assert config.load(Path("gateway.yaml"), {**ENV, "GATEWAY_CONFIG": "other.yaml"}, {}).path == Path(
            "gateway.yaml"
        )

    def test_the_small_example_is_valid(self, tmp_path):
        example_connectors = {"generic": Desk}
        path = tmp_path / "gateway.yaml"
        path.write_text(config.EXAMPLE, encoding="utf-8")

        assert config.load(path, {"SF_SECRET": "s", "FRONT_DESK_TOKEN": "t"}, example_connectors).warnings == ()

    def test_a_key_may_be_shared_by_an_anchor(self, tmp_path):
        text = (
            ORG.replace("auth: {", "auth: &app {") + "  other: {login_url: https://b.my.salesforce.com, auth: *app}\n"
        )
        loaded = load(tmp_path, text)

        assert loaded.orgs["other"].auth == loaded.orgs["main"].auth


class TestSecrets:
    def test_no_repr_shows_one(self, tmp_path):
        (tmp_path / "token").write_text("from-a-file\n", encoding="utf-8")
        text = VALID.replace(
            "lines: {a: {token: {env: DESK_TOKEN}}}", "lines: {a: {token: {file: token}}}, tags: [{env: SF_SECRET}]"
        )
        loaded = load(tmp_path, text, {**ENV, "GATEWAY_DATABASE_URL": "postgresql://u:hunter2@db/gateway"})

        shown = repr(loaded) + str(loaded) + repr(loaded.connections["front-desk"].settings)
        assert SECRET not in shown
        assert "from-a-file" not in shown
        assert "hunter2" not in shown
        assert loaded.connections["front-desk"].settings["tags"] == [SECRET]

    def test_plain_text_is_accepted_hidden_and_warned_of(self, tmp_path):
        text = VALID.replace("{env: SF_SECRET}", "plain-secret").replace(
            "a: {token: {env: DESK_TOKEN}}", "a: {token: abc-def}"
        )
        loaded = load(tmp_path, text.replace("sqlite:///gateway.db", "postgresql://u:hunter2@db/gateway"))

        advice = "a secret in plain text; move it to {env: NAME} or {file: PATH}"
        assert [warning.replace(f"{tmp_path}/", "") for warning in loaded.warnings] == [
            "gateway.yaml:1: database: holds a password in plain text; move the address to {env: NAME} or {file: PATH}",
            f"gateway.yaml:7: orgs.main.auth.client_secret: {advice}",
            f"gateway.yaml:10: orgs.sandbox.auth.refresh_token: {advice}",
            f"gateway.yaml:17: connections.front-desk.settings.lines.a.token: {advice}",
        ]
        assert "plain-secret" not in repr(loaded)
        assert "abc-def" not in repr(loaded)

    def test_a_connectors_message_cannot_tell_one(self, tmp_path):
        found = problems(tmp_path, DESK + "    settings: {token: {env: T}}\n", {**ENV, "T": "leaky-leaky"})

        assert found == ["gateway.yaml:9: connections.desk.settings.token: *** is no good token"]

    def test_a_missing_space_does_not_tell_one(self, tmp_path):
        found = problems(tmp_path, DESK + "    settings: {token: {env: SF_SECRET}, signing_secret:s3cr3t}\n")

        assert found == ["gateway.yaml:9: connections.desk.settings.signing_secret: write a space after the colon"]


SECRETS_CASES = {
    "no such variable": ("{env: NOPE}", "the environment has no NOPE; set it, or use {file: PATH}"),
    "empty variable": ("{env: BLANK}", "the environment's BLANK is empty; set it"),
    "secret for a name": ("{env: s3cr3t!}", "env takes the name of an environment variable, not the secret itself"),
    "both": ("{env: A, file: b}", "takes either env or file; remove one"),
    "no such file": (
        "{file: nope}",
        "cannot read the file nope: No such file or directory; create it, or use {env: NAME}",
    ),
    "a folder": ("{file: .}", "cannot read the file .: Is a directory; create it, or use {env: NAME}"),
    "empty file": ("{file: empty}", "the file empty is empty; write the secret into it"),
    "binary file": ("{file: binary}", "file takes the path of a text file in UTF-8"),
    "huge file": ("{file: huge}", "the file huge is too large for a secret; name another"),
    "empty text": ('""', "is empty; fill it in"),
    "number": ("12345", "must be text; a number needs quotes"),
    "nothing": ("", "has no value; give it one, or remove the line"),
}


@pytest.mark.parametrize(("written", "said"), SECRETS_CASES.values(), ids=SECRETS_CASES.keys())
def test_a_secret_that_cannot_be_found(tmp_path, written, said):
    """One problem at its own line, with the fix, and none that follows from it."""
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "huge").write_text("x" * 70_000, encoding="utf-8")
    text = f"""\
    orgs:
      main:
        login_url: https://acme.my.salesforce.com
        auth:
          flow: client_credentials
          client_id: c
          client_secret: {written}
    """

    assert problems(tmp_path, text, {"BLANK": ""}) == [f"gateway.yaml:7: orgs.main.auth.client_secret: {said}"]


class TestUntil:
    """One of several secrets may count until a moment."""

    def settings(self, tags: str) -> str:
        return DESK + f"    settings: {{token: {{env: DESK_TOKEN}}, tags: {tags}}}\n"

    def test_the_settings_are_told_from_each_moment_on(self, tmp_path):
        tags = '[{env: A, until: 2026-12-01}, {env: B}, {env: C, until: "2026-06-01T12:00:00+02:00"}, {env: A}]'
        loaded = load(tmp_path, self.settings(tags), {**ENV, "A": "aa", "B": "bb", "C": "kangaroo"})
        desk = loaded.connections["desk"]

        assert desk.settings["tags"] == ["aa", "bb", "kangaroo", "aa"]
        assert [(moment, then["tags"]) for moment, then in desk.later] == [
            (datetime(2026, 6, 1, 10, tzinfo=UTC), ["aa", "bb", "aa"]),
            (datetime(2026, 12, 1, tzinfo=UTC), ["bb", "aa"]),
        ]
        assert {then["token"] for _, then in desk.later} == {ENV["DESK_TOKEN"]}
        assert "kangaroo" not in repr(loaded)

    @pytest.mark.parametrize(
        ("tags", "said"),
        [
            ("[{env: SF_SECRET, until: soon}, {env: DESK_TOKEN}]", "tags.0.until: must be a day or a time with its zone"),
            ("[{env: SF_SECRET, until: 2026-12-01T10:00}, a]", "tags.0.until: must be a day or a time with its zone"),
            ("[{env: SF_SECRET, until: 2026-12-01}]", "tags: none would be left in the end; leave until out at the secret"),
            ("{env: SF_SECRET, until: 2026-12-01}", "tags: until is for one of several secrets; write them as a list"),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_said(self, tmp_path, tags, said):
        (problem,) = problems(tmp_path, self.settings(tags))

        assert f"connections.desk.settings.{said}" in problem

    def test_no_other_connection_loses_a_secret(self, tmp_path):
        text = self.settings("[{env: SF_SECRET, until: 2026-12-01}, {env: DESK_TOKEN}]")
        other = (
            "  other: {connector: desk, org: main, settings: {token: {env: DESK_TOKEN}, tags: [{env: SF_SECRET}]}}\n"
        )

        assert load(tmp_path, text + other).connections["other"].later == ()


def test_a_connection_with_a_lost_secret_is_reported_once(tmp_path):
    """The rule that needs a token or a signing secret adds nothing."""
    found = problems(tmp_path, DESK + "    settings: {token: {env: NOPE}}\n")

    assert found == [
        "gateway.yaml:9: connections.desk.settings.token: the environment has no NOPE; set it, or use {file: PATH}"
    ]


SYNTAX_CASES = {
    "tab": ("orgs:\n\tmain: 1\n", "2: a tab cannot indent; use spaces"),
    "alias": ("a: *secret\n", "1: text that begins with * needs quotes"),
    "tag": ("a:\n  b: !secret x\norgs: {}\n", "2: a.b: text that begins with ! needs quotes"),
    "tag handle": ("a: !x!y z\n", "1: text that begins with ! needs quotes"),
    "at sign": ("a: 1\nb: @c\n", "2: text that begins with this character needs quotes"),
    "colon": ("a: b: c\n", "1: there is one colon too many; check the indentation, and quote text with a colon"),
    "open quote": ("a: 1\nb: 'x\nc: 2\n", "2: a quote is opened here and never closed"),
    "open brace": ("a: 1\nb: {x: 1\n", "2: a bracket or brace is opened here and never closed, or a comma is missing"),
    "no colon": ("a: 1\nb\nc: 2\n", "2: a colon is missing; write `name: value`, with a space after the colon"),
    "indentation": ("a:\n    b: 1\n  c: 2\n", "3: the indentation does not fit the lines above"),
    "two documents": ("a: 1\n---\nb: 2\n", "2: the settings must be one document; remove the line ---"),
    "control character": ("a: 1\nb: \x01\n", "2: a character here is not text; type the line anew"),
    "endless": ("a: &a [*a]\n", "1: an alias (*) makes the file endless; write it out"),
    "escape beyond Unicode": ('a: "\\U99999999"\n', "1: this is not YAML; check indentation and quotes"),
    "a list": ("- a\n", f"1: the file must be a mapping. A small one:\n\n{config.EXAMPLE}"),
    "nothing": ("# none\n", f"1: the file is empty; write your settings into it. A small one:\n\n{config.EXAMPLE}"),
}


@pytest.mark.parametrize(("text", "said"), SYNTAX_CASES.values(), ids=SYNTAX_CASES.keys())
def test_what_is_not_yaml(tmp_path, text, said):
    """One sentence with the line; the parser's own words, which can quote a secret, are not shown."""
    assert f"gateway.yaml:{said}" in problems(tmp_path, text)


@pytest.mark.parametrize("depth", [320, 400, 480, 600])
def test_what_is_nested_too_deeply(tmp_path, depth):
    """The reader of YAML and our own give up at different depths, with the same sentence."""
    text = ORG + "sync: {a: " + "[" * depth + "]" * depth + "}\n"

    assert problems(tmp_path, text) == ["gateway.yaml:1: brackets stand in brackets too deeply; write it flatter"]


KNOWN_ORG_KEYS = "login_url, api_version, auth, task_key, concurrent_calls, mirror, mirror_every"
FLOWS = "client_credentials, jwt_bearer, refresh_token"
CASES = {
    "unknown at the top": (
        ORG + "conections: {}\n",
        ['5: conections: no such setting; did you mean "connections"? (known: database, public_url, host, port, orgs, defaults, platforms, connections, sync)'],
    ),
    "no orgs": ("connections: {}\n", ["1: orgs: is missing; add it"]),
    "orgs without a value": ("orgs:\n", ["1: orgs: has no value; give it one, or remove the line"]),
    "orgs as a list": ("orgs: [main]\n", ["1: orgs: must be a mapping, of lines `name: value`"]),
    "org that is text": ("orgs: {main: x}\n", ["1: orgs.main: must be a mapping, of lines `name: value`"]),
    "unknown in an org": (
        ORG + "    login: x\n",
        [f'5: orgs.main.login: no such setting; did you mean "login_url"? (known: {KNOWN_ORG_KEYS})'],
    ),
    "a time without a unit that is known": (
        ORG + "    mirror_every: 5 minutes\n",
        ["5: orgs.main.mirror_every: must be a time from 1s to 24h, such as 30s, 5m or 1h"],
    ),
    "a time that is too long": (
        ORG + "    mirror_every: 25h\n",
        ["5: orgs.main.mirror_every: must be a time from 1s to 24h, such as 30s, 5m or 1h"],
    ),
    "more calls at once than an org bears": (
        ORG + "    concurrent_calls: 26\n",
        ["5: orgs.main.concurrent_calls: must be from 1 to 25, as many long calls as Salesforce bears at once"],
    ),
    "calls at once that are no number": (
        ORG + "    concurrent_calls: many\n",
        ["5: orgs.main.concurrent_calls: must be a whole number"],
    ),
    "a mirror that is neither on nor off": (
        ORG + "    mirror: never\n",
        ["5: orgs.main.mirror: must be a mapping, of lines `name: value`"],
    ),
    "an object that is not mirrored": (
        ORG + "    mirror:\n      fields:\n        Opportunity: {Phone__c: phone}\n",
        ["7: orgs.main.mirror.fields.Opportunity: no such object is copied; write one of: Contact, Lead, Account, Case"],
    ),
    "a mirrored field without a name or a meaning": (
        ORG + "    mirror:\n      fields:\n        Contact:\n          Mobile 2: phone\n          Order__c: Order No.\n",
        [
            "8: orgs.main.mirror.fields.Contact.Mobile 2: must be the API name of a field, such as Mobile_2__c",
            "9: orgs.main.mirror.fields.Contact.Order__c: must say what the field holds, in a word of a-z, 0-9 and _, such as phone, email or order",
        ],
    ),
    "closed cases for ever": (
        ORG + "    mirror: {closed_cases_days: 4000}\n",
        ["5: orgs.main.mirror.closed_cases_days: must be from 0 to 3650 days"],
    ),
    "org without auth": ("orgs:\n  main: {}\n", ["2: orgs.main.auth: is missing; add it"]),
    "org with a bad name": (
        ORG.replace("main", "Main Org"),
        ["2: orgs.Main Org: names are of a-z, 0-9, - . _ and begin with a letter or digit; rename it"],
    ),
    "duplicate key": (ORG + "  main: {}\n", ["5: orgs.main: stands twice, first in line 2; keep one"]),
    "no flow": ("orgs: {main: {auth: {}}}\n", [f"1: orgs.main.auth.flow: is missing (known: {FLOWS})"]),
    "wrong flow": (
        "orgs: {main: {auth: {flow: jwt_bearing}}}\n",
        [f'1: orgs.main.auth.flow: no flow is called "jwt_bearing"; did you mean "jwt_bearer"? (known: {FLOWS})'],
    ),
    "jwt without its parts": (
        "orgs:\n  main:\n    auth:\n      flow: jwt_bearer\n      client_id: c\n      private_key: {env: SF_SECRET}\n",
        [
            "3: orgs.main.auth.username: is missing; add it",
            "6: orgs.main.auth.private_key: is not a private key in PEM; use {file: PATH} of the .pem or .key file",
        ],
    ),
    "client credentials at login": (
        ORG.replace("acme.my", "login"),
        [
            (
                "3: orgs.main.login_url: client_credentials is answered by the org's My Domain only; "
                "write https://MyDomain.my.salesforce.com (Setup, My Domain)"
            )
        ],
    ),
    "client credentials at test": (
        ORG.replace("acme.my", "test"),
        [
            (
                "3: orgs.main.login_url: client_credentials is answered by the org's My Domain only; "
                "write https://MyDomain--SandboxName.sandbox.my.salesforce.com (Setup, My Domain)"
            )
        ],
    ),
    "plain http": (
        ORG.replace("https:", "http:"),
        ["3: orgs.main.login_url: must begin with https:// (http:// is for this machine only)"],
    ),
    "login url with a path": (
        ORG.replace(".com", ".com/services"),
        ["3: orgs.main.login_url: must be https://host only; leave out user, path and query"],
    ),
    "login url that is none": (ORG.replace("https://", ""), ["3: orgs.main.login_url: is not a web address; write https://host"]),
    "public url with a query": (
        ORG + "public_url: https://a.example?x=1\n",
        ["5: public_url: must be https://host only; leave out user, path and query"],
    ),
    "public url with a bad port": (ORG + "public_url: https://a:b\n", ["5: public_url: is not a web address; write https://host"]),
    "old api version": (
        ORG + "    api_version: 30.0\n",
        ['5: orgs.main.api_version: must be a Salesforce API version from 31.0 on, such as "62.0"'],
    ),
    "whole api version": (
        ORG + "    api_version: 62\n",
        ['5: orgs.main.api_version: must be a Salesforce API version from 31.0 on, such as "62.0"'],
    ),
    "standard field as key": (
        ORG + "    task_key: CallObject\n",
        ["5: orgs.main.task_key: must be the API name of a custom field, which ends in __c"],
    ),
    "mysql": (ORG + "database: mysql://u:p@db/x\n", ["5: database: must begin with sqlite:/// or postgresql+psycopg://"]),
    "sqlite with two slashes": (
        ORG + "database: sqlite://gateway.db\n",
        ["5: database: must be sqlite:///file.db, or sqlite:////path/to/file.db, with three or four slashes"],
    ),
    "sqlite in memory": (
        ORG + "database: 'sqlite:///:memory:'\n",
        ["5: database: must name a file, or what was received is lost at the end; such as sqlite:///gateway.db"],
    ),
    "postgresql without a name": (
        ORG + "database: postgresql://u:p@db\n",
        ["5: database: names no database; write postgresql+psycopg://user:password@host:5432/name"],
    ),
    "postgresql with a bad port": (
        ORG + "database: postgresql://u:p@db:x/y\n",
        ["5: database: is not an address; write postgresql+psycopg://user:password@host:5432/name"],
    ),
    "port out of range": (ORG + "port: 70000\n", ["5: port: must be from 0 to 65535"]),
    "host with a scheme": (ORG + "host: http://x\n", ["5: host: must be a host name or address"]),
    "connection without anything": (
        ORG + "connections:\n  a:\n",
        ["6: connections.a: must be a mapping, of lines `name: value`"],
    ),
    "connection with an unknown connector and org": (
        ORG + "connections:\n  a:\n    connector: dask\n    org: mian\n",
        [
            '7: connections.a.connector: no connector is called "dask"; did you mean "desk"? (known: desk, book)',
            '8: connections.a.org: no org is called "mian"; did you mean "main"? (known: main)',
        ],
    ),
    "nothing like it": (
        ORG + "connections: {a: {connector: twilio, org: main}}\n",
        ['5: connections.a.connector: no connector is called "twilio" (known: desk, book)'],
    ),
    "unknown in settings": (
        DESK + "    settings:\n      tokn: x\n",
        [
            (
                '10: connections.desk.settings.tokn: no such setting; did you mean "token"? '
                "(known: token, signing_secret, tolerance, muted, tags, lines, backup)"
            ),
        ],
    ),
    "settings that do not go together": (
        DESK + "    settings: {muted: yes}\n",
        ["9: connections.desk.settings: needs token or signing_secret"],
    ),
    "unknown below settings": (
        DESK + "    settings:\n      token: {env: DESK_TOKEN}\n      backup: {tok: x}\n      lines:\n        a: {tok: x}\n",
        [
            "11: connections.desk.settings.backup.token: is missing; add it",
            '11: connections.desk.settings.backup.tok: no such setting; did you mean "token"? (known: token)',
            "13: connections.desk.settings.lines.a.token: is missing; add it",
            '13: connections.desk.settings.lines.a.tok: no such setting; did you mean "token"? (known: token)',
        ],
    ),
    "wrong types in settings": (
        DESK + "    settings:\n      token: {env: DESK_TOKEN}\n      tolerance: x\n      muted: perhaps\n      tags:\n      - a\n      - 1\n",
        [
            "11: connections.desk.settings.tolerance: must be a whole number",
            "12: connections.desk.settings.muted: must be true or false",
            "15: connections.desk.settings.tags.1: must be text; a number needs quotes",
        ],
    ),
    "regions": (
        DESK + "    default_region: us\n    settings: {token: {env: DESK_TOKEN}}\n    contact_points:\n      a: {region: Germany}\n",
        [
            '9: connections.desk.default_region: countries are in capitals; write "US"',
            "12: connections.desk.contact_points.a.region: is not a country of two letters, such as US, DE or JP",
        ],
    ),
    "contact point": (
        DESK + "    settings: {token: {env: DESK_TOKEN}}\n    contact_points:\n      a: {create: always}\n      b: {lable: x}\n      c: 1\n",
        [
            "11: connections.desk.contact_points.a.create.policy: must be one of: never, contact, contact_under_domain_account, lead",
            '12: connections.desk.contact_points.b.lable: no such setting; did you mean "label"? (known: label, region, create, companion_tasks, threshold, margin, second_party, stop_list, cases)',
            "13: connections.desk.contact_points.c: must be a mapping, of lines `name: value`",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_said_with_its_line_and_fix(tmp_path, text, said):
    assert problems(tmp_path, text) == [f"gateway.yaml:{sentence}" for sentence in said]


def test_all_problems_are_listed_at_once_in_the_order_of_the_lines(tmp_path):
    text = (
        VALID.replace("sqlite:", "mysql:")
        .replace("connector: desk", "connector: disk")
        .replace("62.0", "6")
        .replace("every: 60s", "every: 1")
    )

    assert [problem.split(":")[1] for problem in problems(tmp_path, text, {})] == [
        "1",
        "6",
        "7",
        "10",
        "14",
        "17",
        "17",
        "21",
        "23",
    ]


def test_an_override_is_named_by_its_variable(tmp_path):
    env = {**ENV, "GATEWAY_DATABASE_URL": "mysql://u:hunter2@db/x", "GATEWAY_PORT": "http"}

    assert problems(tmp_path, VALID, env) == [
        "environment: GATEWAY_DATABASE_URL: must begin with sqlite:/// or postgresql+psycopg://",
        "environment: GATEWAY_PORT: must be a whole number",
    ]


def test_a_missing_file_shows_a_small_one(tmp_path):
    with pytest.raises(ConfigError) as refused:
        config.load(tmp_path / "gateway.yaml", {}, {})

    (problem,) = refused.value.problems
    assert problem.startswith(
        f"{tmp_path}/gateway.yaml: there is no such file; create it, or name another in GATEWAY_CONFIG."
    )
    assert problem.endswith(config.EXAMPLE)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: Is a directory"), (b"\xff\xfe\x00", "is not a text file in UTF-8; save it as one")],
)
def test_a_file_that_cannot_be_read(tmp_path, content, said):
    path = tmp_path / "gateway.yaml"
    path.mkdir() if content is None else path.write_bytes(content)

    with pytest.raises(ConfigError) as refused:
        config.load(path, {}, {})

    assert refused.value.problems == (f"{path}: {said}",)


def test_a_connector_that_cannot_be_used_is_told_with_the_reason(tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(ORG + "connections: {a: {connector: chat, org: main}}\n", encoding="utf-8")

    with pytest.raises(ConfigError) as refused:
        config.load(path, ENV, CONNECTORS, {"chat": "chat:Chat: ModuleNotFoundError: No module named 'chat'"})

    (problem,) = refused.value.problems
    assert problem == (
        f'{path}:5: connections.a.connector: "chat" is installed but cannot be used: '
        "chat:Chat: ModuleNotFoundError: No module named 'chat'"
    )


def damage(text: str, edits: list[tuple[float, int, str]]) -> str:
    """The text with pieces cut out and put in: at a place, so many characters, this instead."""
    for place, length, piece in edits:
        start = int(place * len(text))
        text = text[:start] + piece + text[start + length :]
    return text


pieces = st.one_of(
    st.sampled_from(["\n", "\t", "  ", ": ", "- ", "{", "}", "[", "]", "&a ", "*a", "!x ", "'", '"', "#", "|", "<<: ", "null", "%", "---\n", "1", "? "]),
    st.text(max_size=4),
    st.sampled_from(VALID.splitlines(keepends=True)),
)  # fmt: skip
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), pieces), min_size=1, max_size=6)


@given(edits=edits)
@example(edits=[(0.0, 0, "%YAML 1.1\n---\n")])
@example(edits=[(0.0, 0, "? [a]\n: 1\n")])
def test_no_damage_gets_past_config_error(tmp_path_factory, edits):
    """Whatever is done to the file: it loads, or ConfigError says what to do, and secrets stay secret."""
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes(damage(VALID, edits).encode("utf-8", "surrogatepass"))

    try:
        shown = repr(config.load(path, ENV, CONNECTORS))
    except ConfigError as refused:
        shown = str(refused)
        assert refused.problems
        assert all(problem.startswith(str(path)) for problem in refused.problems)

    assert SECRET not in shown
