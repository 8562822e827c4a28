"""The `directory` setting: a system of record that is asked by HTTP who has a number or an address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import jmespath
import requests
from jmespath.exceptions import JMESPathError
from marshmallow import Schema, ValidationError, fields, validates
from urllib3.exceptions import HTTPError

from gateway.sdk import ConfigError, RetryableError, Secret

TIME_LIMITS = (3.0, 7.0)
"""Seconds to connect, and to wait for an answer: whoever is created waits for it, and so do those beside them."""

LARGEST = 1_000_000
"""Bytes of an answer that are read."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class DirectorySettings(Schema):
    """`url` with `{phone}` and `{email}` in it, the bearer `token`, and the JMESPath of the person in the `answer`."""

    url = fields.String(required=True)
    token = Secret()
    answer = fields.String(load_default="@")

    @validates("url")
    def _check_url(self, value: str, **_: object) -> None:
        parts = urlsplit(value)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValidationError("must begin with https:// (http:// is for this machine only).")
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
        self._host = urlsplit(self._url).hostname
        self._headers = {"Accept": "application/json"}
        if token := settings.get("token"):
            self._headers["Authorization"] = f"Bearer {token}"
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
        url = self._url.replace("{phone}", quote(phone, safe="")).replace("{email}", quote(email, safe=""))
        try:
            with requests.get(
                url, headers=self._headers, timeout=TIME_LIMITS, allow_redirects=False, stream=True
            ) as answer:
                return self._read(answer)
        except (requests.RequestException, HTTPError) as error:
            raise RetryableError(f"The directory at {self._host} does not answer ({type(error).__name__}).") from None

    def _read(self, answer: requests.Response) -> Any:
        if answer.status_code == requests.codes.not_found:
            return None
        if answer.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise ConfigError(f"The directory at {self._host} refuses the token ({answer.status_code}).")
        if not answer.ok or answer.is_redirect:
            raise RetryableError(f"The directory at {self._host} answers {answer.status_code}.")
        body = answer.raw.read(LARGEST + 1, decode_content=True)
        if len(body) > LARGEST:
            raise RetryableError(f"The directory at {self._host} answers with more than {LARGEST} bytes.")
        try:
            return json.loads(body)
        except ValueError:
            raise RetryableError(f"The directory at {self._host} answers with something other than JSON.") from None
