"""Access tokens: who gets one, and in which words the others are refused."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
USER = "integration@devorg.example"


def ask(org: Any, form: dict[str, str], **options: Any) -> requests.Response:
    return requests.post(f"{org.url}/services/oauth2/token", data=form, timeout=30, **options)


def refusal(answer: requests.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["error"], answer.json()["error_description"]


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "devorg")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def registered(org: Any, key: rsa.RSAPrivateKey) -> Any:
    org.control("POST", "/public-key", {"client_id": "devorg-client", "public_key": pem(key)})
    return org


def claims(**changed: Any) -> dict[str, Any]:
    wanted = {"iss": "devorg-client", "sub": USER, "aud": "https://login.salesforce.com", "exp": int(time.time()) + 180}
    return {**wanted, **changed}


def assert_works(org: Any, answer: requests.Response) -> None:
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert requests.get(f"{org.url}/services/data/v62.0/limits", headers=headers, timeout=30).status_code == 200


def test_client_credentials_are_taken_from_the_form_or_the_header(org: Any) -> None:
    form = {"grant_type": "client_credentials"}
    in_form = ask(org, {**form, "client_id": "devorg-client", "client_secret": "devorg-secret"})
    in_header = ask(org, form, auth=("devorg-client", "devorg-secret"))

    for answer in (in_form, in_header):
        assert_works(org, answer)
    assert set(in_form.json()) == {
        "access_token",
        "signature",
        "scope",
        "instance_url",
        "id",
        "token_type",
        "issued_at",
    }
    assert in_form.json()["instance_url"] == org.url
    assert in_form.json()["token_type"] == "Bearer"
    assert in_form.headers["Cache-Control"] == "no-store"


def test_the_instance_is_named_as_the_caller_called_it(org: Any) -> None:
    form = {"grant_type": "client_credentials", "client_id": "devorg-client", "client_secret": "devorg-secret"}

    answer = ask(org, form, headers={"Host": "acme.my.salesforce.com"})

    assert answer.json()["instance_url"] == "https://acme.my.salesforce.com"


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({}, (400, "unsupported_grant_type", "grant type not supported")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", "grant type not supported")),
        (
            {"grant_type": "client_credentials", "client_id": "other", "client_secret": "devorg-secret"},
            (400, "invalid_client_id", "client identifier invalid"),
        ),
        (
            {"grant_type": "client_credentials", "client_id": "devorg-client", "client_secret": "wrong"},
            (400, "invalid_client", "invalid client credentials"),
        ),
        (
            {
                "grant_type": "refresh_token",
                "client_id": "devorg-client",
                "client_secret": "devorg-secret",
                "refresh_token": "old",
            },
            (400, "invalid_grant", "expired access/refresh token"),
        ),
        ({"grant_type": JWT_BEARER}, (400, "invalid_grant", "invalid assertion")),
    ],
)
def test_a_bad_token_request_is_refused(org: Any, form: dict[str, str], expected: tuple[int, str, str]) -> None:
    assert refusal(ask(org, form)) == expected


def test_a_header_that_is_not_base64_is_refused(org: Any) -> None:
    answer = ask(org, {"grant_type": "client_credentials"}, headers={"Authorization": "Basic %%%"})

    assert refusal(answer) == (400, "invalid_client_id", "client identifier invalid")


def test_tokens_are_asked_for_by_post(org: Any) -> None:
    answer = requests.get(f"{org.url}/services/oauth2/token", timeout=30)

    assert refusal(answer) == (400, "invalid_request", "must use HTTP POST")


def test_a_refresh_token_gets_a_new_access_token(org: Any) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "devorg-refresh"}

    assert_works(org, ask(org, form, auth=("devorg-client", "devorg-secret")))


def bearer(org: Any, assertion: str) -> requests.Response:
    return ask(org, {"grant_type": JWT_BEARER, "assertion": assertion})


@pytest.mark.parametrize("audience", ["https://login.salesforce.com", "https://test.salesforce.com"])
def test_a_signed_assertion_gets_a_token(registered: Any, key: rsa.RSAPrivateKey, audience: str) -> None:
    assert_works(registered, bearer(registered, jwt.encode(claims(aud=audience), key, "RS256")))


def test_the_registered_key_may_be_a_certificate(org: Any, key: rsa.RSAPrivateKey) -> None:
    org.control("POST", "/public-key", {"client_id": "by-certificate", "public_key": certificate(key)})

    assert_works(org, bearer(org, jwt.encode(claims(iss="by-certificate"), key, "RS256")))


@pytest.mark.parametrize(
    ("changed", "error", "description"),
    [
        ({"iss": "stranger"}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://elsewhere.example"}, "invalid_grant", "audience is invalid"),
        ({"exp": 1_000_000_000}, "invalid_grant", "expired authorization code"),
        ({"exp": 9_000_000_000}, "invalid_grant", "invalid assertion"),
        ({"exp": None}, "invalid_grant", "invalid assertion"),
        ({"sub": "nobody@example.com"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"sub": "gus@example.com"}, "invalid_grant", "user hasn't approved this consumer"),
    ],
)
def test_an_assertion_with_a_bad_claim_is_refused(
    registered: Any, key: rsa.RSAPrivateKey, changed: dict[str, Any], error: str, description: str
) -> None:
    answer = bearer(registered, jwt.encode(claims(**changed), key, "RS256"))

    assert refusal(answer) == (400, error, description)


def test_an_assertion_signed_by_another_key_is_refused(registered: Any) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    answer = bearer(registered, jwt.encode(claims(), other, "RS256"))

    assert refusal(answer) == (400, "invalid_grant", "invalid assertion")


def test_only_rs256_is_taken(registered: Any, key: rsa.RSAPrivateKey) -> None:
    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    unsigned = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}."

    for assertion in (unsigned, jwt.encode(claims(), "x" * 64, "HS256"), jwt.encode(claims(), key, "RS512")):
        assert refusal(bearer(registered, assertion)) == (400, "invalid_grant", "invalid assertion")


def test_userinfo_tells_who_the_token_is(org: Any) -> None:
    info = org.session.get(f"{org.url}/services/oauth2/userinfo", timeout=30).json()

    assert (info["preferred_username"], info["user_id"][:3]) == (USER, "005")
    refused = requests.get(f"{org.url}/services/oauth2/userinfo", timeout=30)
    assert (refused.status_code, refused.text) == (403, "Bad_OAuth_Token")


def test_a_revoked_token_ends(org: Any) -> None:
    token = org.session.headers["Authorization"].removeprefix("Bearer ")

    assert requests.post(f"{org.url}/services/oauth2/revoke", data={"token": token}, timeout=30).status_code == 200
    assert org.refusal("GET", "/limits")[:2] == (401, "INVALID_SESSION_ID")
    again = requests.post(f"{org.url}/services/oauth2/revoke", data={"token": token}, timeout=30)
    assert refusal(again) == (400, "invalid_token", "invalid token")
