"""One org per test process, back to its seed before each test, and a client that speaks to it over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from gateway.devorg import Server, create_server

VERSION = "v62.0"


class Client:
    """A logged-in caller."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.log_in()

    def log_in(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": "devorg-client", "client_secret": "devorg-secret"}
        answer = self.session.post(f"{self.url}/services/oauth2/token", data=form)
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, json: Any = None, **options: Any) -> requests.Response:
        return self.session.request(
            method, f"{self.url}/services/data/{VERSION}{path}", json=json, **{"timeout": 30, **options}
        )

    def control(self, method: str, path: str, json: Any = None) -> requests.Response:
        answer = self.session.request(method, f"{self.url}/devorg{path}", json=json, timeout=30)
        assert answer.ok, answer.text
        return answer

    def create(self, name: str, **fields: Any) -> str:
        answer = self.call("POST", f"/sobjects/{name}", fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get(self, name: str, record_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/sobjects/{name}/{record_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def update(self, name: str, record_id: str, **fields: Any) -> None:
        answer = self.call("PATCH", f"/sobjects/{name}/{record_id}", fields)
        assert answer.status_code == 204, answer.text

    def query(self, text: str, resource: str = "query") -> list[dict[str, Any]]:
        answer = self.call("GET", f"/{resource}", params={"q": text})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["records"])

    def id_of(self, name: str, where: str) -> str:
        (record,) = self.query(f"SELECT Id FROM {name} WHERE {where}")
        return str(record["Id"])

    def refusal(self, method: str, path: str, json: Any = None, **options: Any) -> tuple[int, str, str]:
        """Status, code and message of an answer that is one error."""
        answer = self.call(method, path, json, **options)
        (error,) = answer.json()
        return answer.status_code, error["errorCode"], error["message"]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with create_server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def _caller(server: Server) -> Iterator[Client]:
    client = Client(server.url)
    yield client
    client.session.close()


@pytest.fixture
def org(_caller: Client) -> Iterator[Client]:
    """A caller of the org as seeded; all switches are as they were at the start."""
    _caller.control("POST", "/reset", {})
    _caller.log_in()
    yield _caller
    _caller.control("DELETE", "/faults")


@pytest.fixture
def casey(org: Client) -> str:
    return org.id_of("Contact", "Name = 'Casey Customer'")


@pytest.fixture
def robin(org: Client) -> str:
    return org.id_of("Contact", "Name = 'Robin Customer'")


@pytest.fixture
def gina(org: Client) -> str:
    """A lead that has not been converted."""
    return org.id_of("Lead", "Name = 'Gina Fields'")


@pytest.fixture
def case_1026(org: Client) -> str:
    return org.id_of("Case", "CaseNumber = '00001026'")


@pytest.fixture
def household(org: Client) -> str:
    """Casey's account."""
    return org.id_of("Account", "Name = 'Customer Household'")
