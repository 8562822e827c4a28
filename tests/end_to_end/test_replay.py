"""`gateway replay`: a connector's fixture reaches a running gateway as the platform's own request would."""

from __future__ import annotations

import pytest

from tests.end_to_end.processes import Gateway, Org, eventually, run, write_settings

MORE = """\
  phones:
    connector: twilio
    org: main
    settings: {auth_token: {env: FRONT_DESK_TOKEN}}
  second-desk:
    connector: generic
    org: main
    settings: {signing_secret: whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0}
  amazon:
    connector: amazon_connect
    org: main
    settings: {access_key: {env: FRONT_DESK_TOKEN}}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory, running_org: Org):
    folder = tmp_path_factory.mktemp("replay")
    write_settings(folder, running_org.url)
    settings = (folder / "gateway.yaml").read_text() + MORE
    (folder / "gateway.yaml").write_text("public_url: https://gateway.example.com\n" + settings)
    with Gateway(folder) as gateway:
        yield gateway


def replay(desk: Gateway, fixture: str, *options: str):
    return run(desk.folder, "replay", "--fixture", fixture, "--to", desk.url, *options)


def written(desk: Gateway, fixture: str, connection: str) -> str | None:
    """What is shown, once it shows a Task."""
    shown = replay(desk, fixture, "--connection", connection)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert f"/webhooks/{connection} answers 20" in shown.stdout
    return shown.stdout if " 00T" in shown.stdout else None


def test_the_interaction_that_comes_of_it_is_shown_with_its_match_and_task(desk):
    shown = replay(desk, "generic/one_match", "--connection", "front-desk")

    assert shown.returncode == 0, shown.stderr
    assert '/webhooks/front-desk answers 202 {"id": 1, "duplicate": false}' in shown.stdout
    again = eventually(lambda: written(desk, "generic/one_match", "front-desk"))
    assert '"duplicate": true' in again
    (row,) = [line for line in again.splitlines() if " 00T" in line]
    assert row.split()[1:4] == ["front-desk", "demo-one-match", "matched"]


@pytest.mark.parametrize(
    ("fixture", "connection"),
    [
        ("twilio/inbound_dialled_agent", "phones"),
        ("generic/lead", "second-desk"),
        ("amazon_connect/firehose", "amazon"),
    ],
)
def test_each_proof_is_the_one_that_the_platform_would_make(desk, fixture, connection):
    """Over the public URL, over a time of now, by the key of the stream."""
    assert eventually(lambda: written(desk, fixture, connection))


def test_what_cannot_be_read_is_told(desk):
    shown = replay(desk, "generic/cut_in_half", "--connection", "front-desk")

    assert shown.returncode == 0
    assert "A delivery tells of no interaction: The body is not complete JSON" in shown.stdout


def test_a_refusal_is_shown_and_fails(desk):
    text = (desk.folder / "gateway.yaml").read_text()
    (desk.folder / "gateway.yaml").write_text(
        text.replace("settings: {auth_token: {env: FRONT_DESK_TOKEN}}", "settings: {auth_token: other}")
    )
    try:
        shown = replay(desk, "twilio/inbound_call")
    finally:
        (desk.folder / "gateway.yaml").write_text(text)

    assert shown.returncode == 1
    assert "/webhooks/phones answers 401 " in shown.stdout
