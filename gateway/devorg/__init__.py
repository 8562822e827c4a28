"""A strict local Salesforce org, in memory, served over HTTP: what a real org rejects, it rejects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.devorg import seed as seeds
from gateway.devorg.org import Clock, Org, system_clock
from gateway.devorg.schema import Features
from gateway.devorg.server import Server
from gateway.devorg.site import Site

__all__ = ["Server", "create_server", "serve"]

Seed = str | Path | Mapping[str, object]


def create_server(  # each is a switch of the org
    host: str = "127.0.0.1",
    port: int = 0,
    seed: Seed | None = None,
    *,
    shared_activities: bool = True,
    person_accounts: bool = False,
    public_keys: Mapping[str, str] | None = None,
    clock: Clock = system_clock,
    log_requests: bool = False,
) -> Server:
    """An org listening on ``host:port`` (0 takes a free one); call ``serve_forever`` to let it answer.

    ``seed`` is a file or its content, None the one that comes with the package. ``public_keys`` are PEM by client id.
    """
    content = seeds.read(seed) if isinstance(seed, str | Path) else seed
    features = Features(shared_activities=shared_activities, person_accounts=person_accounts)
    org = Org(content, features, clock)
    org.settings.public_keys.update(public_keys or {})
    return Server((host, port), Site(org), log_requests=log_requests)


def serve(host: str = "127.0.0.1", port: int = 8090, seed: Seed | None = None) -> None:
    """Serve an org until interrupted."""
    with create_server(host, port, seed) as server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
