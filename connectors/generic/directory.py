"""The `directory` setting: a system of record that is asked by HTTP who has a number or an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import jmespath
from jmespath.exceptions import JMESPathError
from marshmallow import Schema, ValidationError, fields, validates

from gateway.sdk import RejectedError, RetryableError, Secret
from gateway.sdk.http import Address, Api, MissingError

TIME_LIMITS = (3.0, 7.0)
"""Seconds to connect, and to wait for an answer: whoever is created waits for it, and so do those beside them."""

LARGEST = 1_000_000
"""Bytes of an answer that are read."""


class DirectorySettings(Schema):
    """`url` with `{phone}` and `{email}` in it, the bearer `token`, and the JMESPath of the person in the `answer`."""

    url = Address(required=True)
    token = Secret()
    answer = fields.String(load_default="@")

    @validates("url")
    def _check_url(self, value: str, **_: object) -> None:
        if "{phone}" not in value and "{email}" not in value:
            raise ValidationError("must have {phone} or {email} where the customer's is to stand.")

    @validates("answer")
    def _check_answer(self, value: str, **_: object) -> None:
        try:
            jmespath.compile(value)
        except JMESPathError:
            raise ValidationError("is not a JMESPath expression, such as people[0].") from None


class HttpDirectory:
    """`sdk.Directory` over HTTP."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._url = settings["url"]
        token = settings.get("token")
        proof = {"Authorization": f"Bearer {token}"} if token else {}
        self._api = Api(self._url, authorize=lambda _: proof, largest=LARGEST, time_limits=TIME_LIMITS)
        self._answer = jmespath.compile(settings["answer"])

    def find_person(self, phone: str | None, email: str | None) -> Mapping[str, Any] | None:
        """The one person that the answer names; several are nobody."""
        if not (phone and "{phone}" in self._url) and not (email and "{email}" in self._url):
            return None
        found = self._answer.search(self._asked(phone or "", email or ""))
        if isinstance(found, list):
            found = found[0] if len(found) == 1 else None
        return found if isinstance(found, Mapping) and found else None

    def _asked(self, phone: str, email: str) -> Any:
        """What it answers; None if it knows nobody."""
        url = self._url.replace("{phone}", quote(phone, safe="")).replace("{email}", quote(email, safe=""))
        try:
            return self._api.get(url).json()
        except MissingError:
            return None
        except RejectedError as error:
            # Whoever is to be created waits for a better answer.
            raise RetryableError(error.reason) from None
