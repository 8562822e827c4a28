"""The directory of the generic connector, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connectors.generic import GenericConnector
from gateway.sdk import ConfigError, RetryableError
from gateway.sdk.discovery import configured

NORA = {"name": "Nora Newton", "phone": "+14155550188", "email": "nora@example.com"}


class Registry(ThreadingHTTPServer):
    """A system of record: answers with what the test says, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: tuple[int, Any] = (200, {"people": [NORA]})
        self.asked: list[tuple[dict[str, list[str]], str | None]] = []


class _Answering(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        self.server.asked.append((query, self.headers.get("Authorization")))
        status, said = self.server.answers
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def directory(registry: Registry, **more: Any) -> Any:
    url = f"http://127.0.0.1:{registry.server_port}/people?phone={{phone}}&email={{email}}"
    settings = {"token": "t", "directory": {"url": url, "answer": "people", **more}}
    return configured(GenericConnector, settings).directory()


def test_the_person_is_what_the_answer_names(registry):
    found = directory(registry, token="crm-token").find_person("+14155550188", "n&o@example.com")

    assert found == NORA
    assert registry.asked == [({"phone": ["+14155550188"], "email": ["n&o@example.com"]}, "Bearer crm-token")]


@pytest.mark.parametrize(
    "answers",
    [
        (404, {}),
        (200, {"people": []}),
        (200, {"people": [NORA, NORA]}),
        (200, {}),
        (200, {"people": "Nora"}),
        (200, []),
    ],
)
def test_nobody_and_several_are_nobody(registry, answers):
    registry.answers = answers

    assert directory(registry).find_person("+14155550188", None) is None
    assert registry.asked == [({"phone": ["+14155550188"], "email": [""]}, None)]


def test_without_a_number_or_an_address_nobody_is_asked(registry):
    assert directory(registry).find_person(None, None) is None
    assert registry.asked == []


@pytest.mark.parametrize("answers", [(500, {}), (302, {}), (200, b"<html>"), (200, b"1" * 1_000_001)])
def test_what_may_pass_is_to_be_tried_again(registry, answers):
    registry.answers = answers

    with pytest.raises(RetryableError, match="127.0.0.1 answers"):
        directory(registry).find_person("+14155550188", None)


def test_a_refused_token_is_for_a_person(registry):
    registry.answers = (401, {})

    with pytest.raises(ConfigError, match=r"refuses the credentials.* \(401\)"):
        directory(registry).find_person("+14155550188", None)


def test_nobody_listens(registry):
    asked = directory(registry)
    registry.server_close()

    with pytest.raises(RetryableError, match="does not answer") as caught:
        asked.find_person("+14155550188", None)
    assert "14155550188" not in str(caught.value)


def test_there_is_none_unless_it_is_configured():
    assert configured(GenericConnector, {"token": "t"}).directory() is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "http://crm.example.com/{phone}"}, "must begin with https://"),
        ({"url": "https://crm.example.com/"}, "must have {phone} or {email}"),
        ({"url": "https://crm.example.com/{phone}", "answer": "a["}, "is not a JMESPath expression"),
    ],
)
def test_mistakes(settings, said):
    with pytest.raises(ConfigError) as caught:
        configured(GenericConnector, {"token": "t", "directory": settings})
    assert said in str(caught.value)
