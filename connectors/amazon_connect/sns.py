"""Amazon SNS over HTTPS: who signed a message, and the subscription that has to be confirmed.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html: each of the keys that the message has,
in the order of the alphabet, name and value on lines of their own, signed with the key of a certificate at SNS.
A message that is sent again keeps its time for weeks: there is no window, the id tells repetitions.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from gateway.sdk import Answer, RejectedError, RetryableError, UnauthorizedError
from gateway.sdk.reading import Fields, read_object
from gateway.sdk.verify import same

TOPIC_ARN = r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]+:[A-Za-z0-9_.-]+$"
SUBSCRIPTION = "SubscriptionConfirmation"
CONFIRMATIONS = (SUBSCRIPTION, "UnsubscribeConfirmation")
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    **dict.fromkeys(CONFIRMATIONS, ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")),
}
HASHES = {"1": SHA1, "2": SHA256}
MAX_CERTIFICATES = 16
TIMEOUT = 5.0
"""Seconds; SNS itself waits 15 for the answer."""

_HOST = r"https://sns\.[a-z0-9-]{3,30}\.amazonaws\.com(?:\.cn)?/"
_CERTIFICATE_URL = re.compile(_HOST + r"SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
_SUBSCRIBE_URL = re.compile(_HOST + r"\?[!-~]{1,4000}")

Fetch: TypeAlias = Callable[[str], bytes]
"""What stands at an https address. RetryableError: out of reach. UnauthorizedError: nothing is there."""


def fetched(url: str) -> bytes:
    """`Fetch` over the network; redirects lead nowhere."""
    try:
        answer = requests.get(url, timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        raise RetryableError("Amazon SNS cannot be reached.", after=5) from error
    if answer.status_code >= 500:
        raise RetryableError(f"Amazon SNS answers {answer.status_code}.", after=5)
    if answer.status_code != 200:
        raise UnauthorizedError(f"Amazon SNS answers {answer.status_code} for an address in the message.")
    return answer.content


class Sns:
    """The messages of one topic; certificates are fetched once and kept."""

    def __init__(self, topic_arn: str | None, fetch: Fetch) -> None:
        self._topic_arn = topic_arn
        self._fetch = fetch
        self._keys: dict[str, RSAPublicKey] = {}

    def check(self, body: bytes) -> None:
        """The message is of our topic and signed by SNS. RetryableError: its certificate cannot be had now."""
        try:
            message = read_object(body)
            self._check_topic(message)
            self._check_signature(message)
        except RejectedError as error:
            raise UnauthorizedError(error.reason) from None

    def confirmed(self, body: bytes) -> Answer | None:
        """The answer once a subscription is confirmed; None for a message that asks for none."""
        message = read_object(body)
        if message.text("Type") != SUBSCRIPTION:
            return None
        url = message.text("SubscribeURL") or ""
        if not _SUBSCRIBE_URL.fullmatch(url):
            return None
        self._fetch(url)
        return Answer(body=b"{}")

    def _check_topic(self, message: Fields) -> None:
        given = message.needed("TopicArn", message.text("TopicArn"))
        if self._topic_arn is None or not same(given, self._topic_arn):
            raise UnauthorizedError("The message is of another SNS topic than topic_arn.")

    def _check_signature(self, message: Fields) -> None:
        names = message.word("Type", {kind.lower(): names for kind, names in SIGNED.items()})
        version = message.word("SignatureVersion", HASHES)
        if names is None or version is None:
            raise UnauthorizedError("The message's Type or SignatureVersion is none that SNS documents.")
        try:
            signature = base64.b64decode(message.needed("Signature", message.text("Signature")), validate=True)
            self._key(message).verify(signature, signed(message, names), PKCS1v15(), version())
        except (InvalidSignature, binascii.Error, ValueError):
            raise UnauthorizedError("The message's Signature does not match.") from None

    def _key(self, message: Fields) -> RSAPublicKey:
        url = message.needed("SigningCertURL", message.text("SigningCertURL"))
        if not _CERTIFICATE_URL.fullmatch(url):
            raise UnauthorizedError("SigningCertURL is no address of a certificate at Amazon SNS.")
        key = self._keys.get(url)
        if key is None:
            if len(self._keys) >= MAX_CERTIFICATES:
                self._keys.clear()
            key = self._keys[url] = _public_key(self._fetch(url))
        return key


def signed(message: Fields, names: Iterable[str]) -> bytes:
    """What a message's signature covers; values as they stand in it, blanks and line feeds included."""
    told = ((name, message.as_is(name)) for name in names)
    return "".join(f"{name}\n{value}\n" for name, value in told if value is not None).encode("utf-8", "surrogatepass")


def _public_key(pem: bytes) -> RSAPublicKey:
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - every command would wait for it

    key = load_pem_x509_certificate(pem).public_key()
    if not isinstance(key, RSAPublicKey):
        raise UnauthorizedError("The certificate at SigningCertURL holds no RSA key.")
    return key
