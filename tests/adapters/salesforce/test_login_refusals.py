"""What an admin reads when an org does not let the gateway in, and what happens to tokens that rotate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate, mktime_tz, parsedate_tz
from typing import Any

import jwt
import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs

from gateway.errors import ConfigError, GatewayError, RetryableError
from gateway.salesforce.oauth import LoginRefusedError, fetch_token
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from tests.adapters.salesforce.local_org import LocalOrg

Connect = Callable[[OrgSettings], SalesforceOrg]
LOGIN = "https://sunhill.my.salesforce.com"
TOKEN_URL = f"{LOGIN}/services/oauth2/token"
NOW = 1_790_000_000.0
REMOTE = OrgSettings(
    name="main",
    login_url=LOGIN,
    flow=Flow.CLIENT_CREDENTIALS,
    client_id="key",
    client_secret="s3cret",
    refresh_token="configured",
)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def by_jwt(settings: OrgSettings, key: rsa.RSAPrivateKey) -> OrgSettings:
    return replace(settings, flow=Flow.JWT_BEARER, username="integration@devorg.example", private_key=private(key))


def refused(settings: OrgSettings, **answer: Any) -> GatewayError:
    """What a login ends in that is answered so."""
    with responses.RequestsMock() as web, requests.Session() as http, pytest.raises(GatewayError) as caught:
        web.post(TOKEN_URL, **answer)
        fetch_token(http, settings, NOW)
    return caught.value


@pytest.mark.parametrize(
    ("error", "description", "said"),
    [
        ("invalid_grant", "user hasn't approved this consumer", "Admin approved users are pre-authorized"),
        ("invalid_grant", "user is not admin approved to access this app", "Admin approved users are pre-authorized"),
        ("invalid_app_access", "user is not admin approved to access this app", "Admin approved users"),
        ("invalid_grant", "inactive user", "Setup → Users → the user → Edit → Active"),
        ("inactive_user", "user is inactive", "Setup → Users → the user → Edit → Active"),
        ("inactive_org", "org is locked", "closed or locked"),
        ("invalid_grant", "ip restricted", "IP Relaxation"),
        ("invalid_grant", "audience is invalid", "https://test.salesforce.com for a sandbox"),
        ("invalid_grant", "Audience validation failed", "https://test.salesforce.com for a sandbox"),
        ("invalid_grant", "invalid assertion", "upload the certificate"),
        ("invalid_grant", "expired authorization code", "clock by NTP"),
        ("invalid_grant", "expired access/refresh token", "authorise the app again"),
        ("invalid_grant", "no client credentials user enabled", "Run As"),
        ("invalid_grant", "request not supported on this domain", "Setup → My Domain"),
        ("invalid_grant", "authentication failure", "Login History"),
        ("invalid_client_id", "client identifier invalid", "copy the app's Consumer Key"),
        ("invalid_client", "invalid client credentials", "copy the app's Consumer Secret"),
        ("invalid_client", "client secret required", "Consumer Key and Secret"),
        ("unsupported_grant_type", "grant type not supported", "Flow Enablement"),
        ("unauthorized_client", "", "Flow Enablement"),
        ("something_new", "who knows", "check login_url and the auth settings"),
    ],
)
def test_every_refusal_says_what_to_do_in_setup(error: str, description: str, said: str) -> None:
    """The likely cause, the way to it in Setup, and Salesforce's own words."""
    failure = refused(REMOTE, status=400, json={"error": error, "error_description": description})

    assert isinstance(failure, LoginRefusedError)
    assert said in failure.fix
    assert failure.fix in str(failure)
    assert f"answered 400 {error}" in str(failure)
    assert description in str(failure)
    assert "'main'" in str(failure)
    assert "s3cret" not in str(failure)


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ({"status": 503, "headers": {"Retry-After": "20"}}, RetryableError, "503"),
        ({"status": 429}, RetryableError, "429"),
        ({"status": 420, "body": "<html>"}, RetryableError, "420"),
        ({"status": 200, "body": "<html>Log in</html>"}, RetryableError, "login page"),
        ({"status": 200, "body": ""}, RetryableError, "login page"),
        ({"status": 200, "json": ["token"]}, RetryableError, "login page"),
        ({"status": 302, "headers": {"Location": f"{LOGIN}/maintenance"}}, RetryableError, "down for maintenance"),
        ({"status": 302, "headers": {"Location": f"{LOGIN}/x?token=1"}}, ConfigError, f"to {LOGIN}: correct login_url"),
        ({"status": 404, "body": "<html>"}, ConfigError, "check login_url"),
        ({"status": 400, "json": {"error": "invalid_request", "error_description": "login rate exceeded"}}, RetryableError, "too fast"),
        ({"body": requests.ConnectTimeout()}, RetryableError, "did not answer"),
        ({"body": requests.exceptions.SSLError()}, RetryableError, "did not answer"),
    ],
)  # fmt: skip
def test_a_login_that_is_not_answered(answer: dict[str, Any], kind: type[GatewayError], said: str) -> None:
    """What passes is waited for, what does not is said; neither is taken for the other."""
    failure = refused(REMOTE, **answer)

    assert isinstance(failure, kind)
    assert not isinstance(failure, LoginRefusedError) or kind is ConfigError
    assert said in str(failure)
    assert "<" not in str(failure)
    assert not str(failure).endswith("token=1")
    if "Retry-After" in answer.get("headers", {}):
        assert getattr(failure, "after", None) == 20.0


# --- the clock


@pytest.mark.parametrize(
    ("ahead", "said"), [(600, "600 s ahead of the org's"), (-600, "600 s behind the org's"), (30, "upload the")]
)
def test_a_clock_that_is_wrong_is_named(key: rsa.RSAPrivateKey, ahead: int, said: str) -> None:
    """Salesforce says only that the assertion is invalid; its answer's date says why."""
    date = formatdate(NOW - ahead, usegmt=True)
    body = {"error": "invalid_grant", "error_description": "invalid assertion"}

    failure = refused(by_jwt(REMOTE, key), status=400, json=body, headers={"Date": date})

    assert isinstance(failure, LoginRefusedError)
    assert said in failure.fix


def test_another_reason_than_the_clock_is_named(key: rsa.RSAPrivateKey) -> None:
    """A client that is not known is not known at any time."""
    date = formatdate(NOW - 600, usegmt=True)

    failure = refused(by_jwt(REMOTE, key), status=400, json={"error": "invalid_client_id"}, headers={"Date": date})

    assert "Consumer Key" in str(failure)


@pytest.mark.parametrize(("ahead", "is_accepted"), [(0, True), (110, True), (-150, True), (400, False), (-400, False)])
def test_how_wrong_a_clock_may_be(
    settings: OrgSettings, local: LocalOrg, key: rsa.RSAPrivateKey, ahead: int, is_accepted: bool
) -> None:
    """The local org refuses assertions by its clock, as Salesforce does; within minutes they are good."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    local.control("POST", "public-key", {"client_id": "devorg-client", "public_key": public.decode()})
    with requests.Session() as http:
        now = _org_time(http, local.url)
        if is_accepted:
            assert fetch_token(http, by_jwt(settings, key), now + ahead).access
            return
        with pytest.raises(LoginRefusedError, match="machine's clock is") as caught:
            fetch_token(http, by_jwt(settings, key), now + ahead)
    assert "NTP" in caught.value.fix


def _org_time(http: requests.Session, url: str) -> float:
    answer = http.get(f"{url}/services/data/", timeout=10)
    parsed = parsedate_tz(answer.headers["Date"])
    assert parsed is not None
    return float(mktime_tz(parsed))


# --- the audience of an assertion


@pytest.mark.parametrize(
    ("login_url", "audience"),
    [
        ("https://login.salesforce.com", "https://login.salesforce.com"),
        ("https://sunhill.my.salesforce.com/", "https://login.salesforce.com"),
        ("https://sunhill-dev-ed.develop.my.salesforce.com", "https://login.salesforce.com"),
        ("https://test.salesforce.com", "https://test.salesforce.com"),
        ("https://sunhill--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("https://sunhill--uat.my.salesforce.com", "https://test.salesforce.com"),
        ("https://sunhill.my.site.com/partners/", "https://sunhill.my.site.com/partners"),
        ("https://portal.example.com", "https://portal.example.com"),
    ],
)
def test_the_audience(key: rsa.RSAPrivateKey, login_url: str, audience: str) -> None:
    """Production, sandbox, own domains of both, and a site's address with its path."""
    with responses.RequestsMock() as web, requests.Session() as http:
        answer = {"access_token": "t", "instance_url": LOGIN}
        sent = web.post(f"{login_url.rstrip('/')}/services/oauth2/token", json=answer)
        fetch_token(http, replace(by_jwt(REMOTE, key), login_url=login_url), NOW)
        form = dict(part.split("=", 1) for part in sent.calls[0].request.body.split("&"))

    assert jwt.decode(form["assertion"], options={"verify_signature": False})["aud"] == audience


# --- refresh tokens that rotate


def logged(told: dict[str, Any]) -> list[Any]:
    with responses.RequestsMock() as web, requests.Session() as http, capture_logs() as logs:
        web.post(TOKEN_URL, json={"access_token": "t", "instance_url": LOGIN, **told})
        fetch_token(http, replace(REMOTE, flow=Flow.REFRESH_TOKEN), NOW)
    return [entry for entry in logs if entry["event"] == "salesforce.refresh_token_rotated"]


def test_rotation_is_said_while_it_can_be_helped() -> None:
    """The new token lives as long as the process: the log says so at the first login, and what to choose instead."""
    (entry,) = logged({"refresh_token": "rotated"})

    assert entry["log_level"] == "warning"
    assert "switch Refresh Token Rotation off" in entry["fix"]
    assert "rotated" not in str({**entry, "event": ""})
    assert logged({}) == logged({"refresh_token": "configured"}) == []


def test_a_token_that_was_rotated_away_is_explained() -> None:
    """After a restart the configured token is an old one, and Salesforce says only that it has expired."""
    body = {"error": "invalid_grant", "error_description": "expired access/refresh token"}

    failure = refused(replace(REMOTE, flow=Flow.REFRESH_TOKEN), status=400, json=body)

    assert "Rotating tokens" in str(failure)
    assert "jwt_bearer" in str(failure)
    assert "configured" not in str(failure)
