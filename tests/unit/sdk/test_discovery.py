"""Which connectors are installed, and how one is made from settings."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest
from marshmallow import fields

from gateway.errors import ConfigError
from gateway.sdk.connector import Connector, Secret, Secrets, Settings
from gateway.sdk.discovery import GROUP, Installed, configured, discover, installed_connectors


class PlainSettings(Settings):
    api_key = Secret(required=True)
    hook_token = Secrets()
    region = fields.String(load_default="US")


class Plain(Connector):
    name = "plain"
    title = "Plain"
    settings_schema = PlainSettings


class Twin(Plain):
    pass


class Nameless(Connector):
    title = "Nameless"
    settings_schema = PlainSettings


NOT_A_CLASS = object()


def point(name: str, target: str) -> EntryPoint:
    return EntryPoint(name=name, value=f"{__name__}:{target}", group=GROUP)


def problems(settings) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        configured(Plain, settings)
    return caught.value.problems


def test_ours_are_installed():
    assert {"generic", "quiq", "twilio"} <= installed_connectors().keys()


def test_a_broken_plug_in_is_listed_and_breaks_no_other():
    missing = EntryPoint(name="gone", value="no_such_module:Gone", group=GROUP)
    found = discover(
        [
            missing,
            point("plain", "Plain"),
            point("odd", "NOT_A_CLASS"),
            point("nameless", "Nameless"),
            point("alias", "Plain"),
            point("typo", "Nothing"),
        ]
    )

    assert found.connectors == {"plain": Plain}
    assert found.broken["gone"] == "no_such_module:Gone: ModuleNotFoundError: No module named 'no_such_module'"
    assert "no subclass" in found.broken["odd"]
    assert "does not declare name" in found.broken["nameless"]
    assert "calls itself plain" in found.broken["alias"]
    assert "AttributeError" in found.broken["typo"]


@pytest.mark.parametrize("order", [1, -1])
def test_two_packages_with_one_name_are_both_refused(order):
    found = discover([point("plain", "Plain"), point("plain", "Twin"), point("plain", "Plain")][::order])

    assert found.connectors == {}
    assert "another package" in found.broken["plain"]


def test_the_same_connector_listed_twice_is_one():
    assert discover([point("plain", "Plain"), point("plain", "Plain")]) == Installed({"plain": Plain}, {})


def test_building_one():
    connector = configured(Plain, {"api_key": "k"})

    assert isinstance(connector, Plain)
    assert connector.settings == {"api_key": "k", "region": "US"}


def test_every_problem_is_told_with_its_key():
    assert problems({"api_kee": "k", "hook_token": ["", 7]}) == (
        "settings.api_key: Missing data for required field.",
        "settings.hook_token[0]: Shorter than minimum length 1.",
        "settings.hook_token[1]: Not a valid string.",
        "settings.api_kee is no setting; did you mean api_key.",
    )


def test_one_secret_and_several_are_both_a_list():
    assert configured(Plain, {"api_key": "k", "hook_token": "a"}).settings["hook_token"] == ["a"]
    assert configured(Plain, {"api_key": "k", "hook_token": ["a", "b"]}).settings["hook_token"] == ["a", "b"]
    assert problems({"api_key": "k", "hook_token": []}) == ("settings.hook_token: Shorter than minimum length 1.",)
    assert len(problems({"api_key": "k", "hook_token": {"env": "X"}})) == 1


def test_the_secrets_of_a_schema():
    secrets = {name for name, field in PlainSettings().fields.items() if isinstance(field, Secret)}

    assert secrets == {"api_key", "hook_token"}
