"""Reaches behind the local org's API."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from gateway.devorg import create_server

KEY_FIELD = "Gateway_Interaction_Key__c"


@contextmanager
def serving() -> Iterator[Any]:
    """A local org's server, at work in a thread."""
    with create_server(port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class LocalOrg:
    """The local org's address and its control calls."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = requests.Session()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._http.request(method, f"{self.url}/devorg/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def fault(self, **fault: Any) -> None:
        self.control("POST", "faults", [fault])

    def load(self, kind: str, *records: dict[str, Any]) -> list[str]:
        ids: list[str] = self.control("POST", "load", {kind: list(records)})["ids"][kind]
        return ids

    def calls(self) -> Counter[str]:
        return Counter(self.control("GET", "calls")["calls"])

    def close(self) -> None:
        self._http.close()
