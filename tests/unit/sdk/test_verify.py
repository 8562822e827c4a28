"""Who sent a request."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import ConfigError, UnauthorizedError
from gateway.sdk.connector import Request
from gateway.sdk.testing import standard_webhook_headers
from gateway.sdk.verify import (
    check_bearer,
    check_hmac,
    check_standard_webhook,
    check_token,
    same,
    several,
    signature,
    standard_webhook_key,
    url_parameter,
)

# The example of https://github.com/standard-webhooks/standard-webhooks: the libraries' shared test vector.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
SIGNED_AT = datetime.fromtimestamp(1614265330, UTC)
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
KEY = standard_webhook_key(SECRET)
OTHER = standard_webhook_key("whsec_" + base64.b64encode(b"o" * 24).decode())


def request(headers=None, body=BODY, at=SIGNED_AT) -> Request:
    return Request(url="https://gateway.example.com/webhooks/x", headers=headers or {}, body=body, received_at=at)


def problem(check, *arguments, **named) -> str:
    with pytest.raises(UnauthorizedError) as caught:
        check(*arguments, **named)
    return caught.value.problem


def test_the_published_vector_is_let_in():
    check_standard_webhook(request(VECTOR), [KEY])


def test_the_kit_signs_as_the_vector():
    signed = standard_webhook_headers(SECRET, BODY, {}, at=SIGNED_AT, id=VECTOR["webhook-id"])

    assert signed == VECTOR


@pytest.mark.parametrize("name", VECTOR)
def test_each_header_is_needed_and_signed(name):
    without = {other: value for other, value in VECTOR.items() if other != name}

    assert problem(check_standard_webhook, request(without), [KEY]) == "missing-signature"
    assert problem(check_standard_webhook, request({**VECTOR, name: VECTOR[name] + "0"}), [KEY]) == "bad-signature"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_within_the_window(seconds):
    check_standard_webhook(request(VECTOR, at=SIGNED_AT + timedelta(seconds=seconds)), [KEY])


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_outside_the_window(seconds):
    late = request(VECTOR, at=SIGNED_AT + timedelta(seconds=seconds))

    assert problem(check_standard_webhook, late, [KEY]) == "stale-timestamp"
    assert problem(check_standard_webhook, late, [OTHER]) == "bad-signature"


@pytest.mark.parametrize("seconds", ["soon", "1e9", "１６１４２６５３３０", "-5", "9" * 13])
def test_a_signed_timestamp_that_is_none_is_stale(seconds):
    headers = {**VECTOR, "webhook-timestamp": seconds}
    signed = signature(f"{VECTOR['webhook-id']}.{seconds}.".encode() + BODY, KEY, algorithm="sha256", encoding="base64")

    assert (
        problem(check_standard_webhook, request({**headers, "webhook-signature": f"v1,{signed}"}), [KEY])
        == "stale-timestamp"
    )


def test_several_secrets_and_several_signatures():
    rotated = {**VECTOR, "webhook-signature": "v1,bm9uZQ== v1a,xyz " + VECTOR["webhook-signature"]}

    check_standard_webhook(request(rotated), [OTHER, KEY])
    check_standard_webhook(request(rotated), [KEY, OTHER])
    assert problem(check_standard_webhook, request(rotated), [OTHER]) == "bad-signature"
    assert problem(check_standard_webhook, request(rotated), []) == "bad-signature"


def test_signatures_beyond_the_sixteenth_are_not_looked_at():
    many = {**VECTOR, "webhook-signature": "v1,bm9uZQ== " * 16 + VECTOR["webhook-signature"]}

    assert problem(check_standard_webhook, request(many), [KEY]) == "bad-signature"


@pytest.mark.parametrize("version", ["v2", "v1a", "V1", ""])
def test_other_versions_prove_nothing(version):
    headers = {**VECTOR, "webhook-signature": VECTOR["webhook-signature"].replace("v1", version)}

    assert problem(check_standard_webhook, request(headers), [KEY]) == "bad-signature"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_no base64", "whsec_abc", "passphrase!"])
def test_a_secret_that_is_none_is_a_matter_of_settings(secret):
    with pytest.raises(ConfigError):
        standard_webhook_key(secret)


def test_a_secret_counts_with_and_without_its_prefix():
    assert standard_webhook_key(SECRET.removeprefix("whsec_")) == KEY


@pytest.mark.parametrize("given", [None, ""])
def test_no_token(given):
    assert problem(check_token, given, ["t"], named="The token") == "missing-signature"


@pytest.mark.parametrize(
    ("given", "secrets"), [("x", ["t"]), ("t", []), ("t", [""]), ("é", ["e"]), ("\ud800", ["t"]), ("tt", ["t"])]
)
def test_a_wrong_token(given, secrets):
    assert problem(check_token, given, secrets, named="The token") == "bad-signature"


def test_any_of_the_tokens_will_do():
    check_token("new", ["old", "new"], named="The token")
    check_token("old", ["old", "new"], named="The token")


@pytest.mark.parametrize("header", ["Bearer t", "bearer t", "BEARER   t "])
def test_a_bearer_token(header):
    check_bearer(request({"authorization": header}), ["t"])


@pytest.mark.parametrize("header", ["", "t", "Bearer", "Bearer ", "Basic t", "Bearer t x", "Token t"])
def test_no_bearer_token(header):
    assert problem(check_bearer, request({"authorization": header}), ["t"]) in ("missing-signature", "bad-signature")


@pytest.mark.parametrize(
    ("query", "token"),
    [
        ("?token=a+b%2Fc", "a b/c"),
        ("?a=1&token=t&b=2", "t"),
        ("", None),
        ("?token=", None),
        ("?token=t&token=t", None),
        ("?a=1" + "&a=1" * 50 + "&token=t", None),
    ],
)
def test_a_parameter_of_the_url_is_there_once(query, token):
    one = request()

    assert url_parameter(replace(one, url=one.url + query), "token") == token


def test_an_hmac_of_any_form_of_the_message_will_do():
    proof = signature(b"two", "secret", algorithm="sha1", encoding="hex")

    check_hmac([b"one", b"two"], proof, ["other", "secret"], named="X", algorithm="sha1")
    assert problem(check_hmac, [b"one"], proof, ["secret"], named="X", algorithm="sha1") == "bad-signature"
    assert problem(check_hmac, [b"two"], proof, [""], named="X", algorithm="sha1") == "bad-signature"
    assert problem(check_hmac, [b"two"], None, ["secret"], named="X") == "missing-signature"


def test_sameness():
    assert same("t", b"t")
    assert not same("t", "T")


def test_one_secret_is_a_list_of_one_and_not_its_letters():
    assert (several("abc"), several(["a", "b"]), several(None)) == (["abc"], ["a", "b"], [])
