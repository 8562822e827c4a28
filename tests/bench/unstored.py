"""The gateway's server and application with the store switched off: every delivery is answered at once, and forgotten."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from gateway.bootstrap import Gateway
from gateway.config import load
from gateway.ports import NewDelivery, Receipt
from gateway.sdk.discovery import installed_connectors
from gateway.web import create_app
from gateway.web.server import serve
from tests.fakes.futures import done


class NullInbox:
    """Keeps nothing."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)

    def submit(self, deliveries: Sequence[NewDelivery]) -> Future[Sequence[Receipt]]:
        return done(lambda: [Receipt(next(self._ids)) for _ in deliveries])


def main() -> None:
    config = load(Path(os.environ["GATEWAY_CONFIG"]), os.environ, installed_connectors())
    with Gateway(config) as gateway:
        app = create_app(replace(gateway.services, inbox=NullInbox()))
        server = serve(app, "127.0.0.1", 0)
        signal.signal(signal.SIGTERM, lambda *_: server.close())
        print(f"Unstored at http://127.0.0.1:{server.port}", flush=True)
        server.run()


if __name__ == "__main__":
    main()
