"""How fast deliveries are read and folded, beside Python's own JSON reader on the same bodies; in one thread."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat

from gateway.domain.interactions import State, fold
from gateway.sdk import Connector, Delivery
from gateway.sdk.cases import deliveries_of
from gateway.sdk.discovery import installed_connectors
from gateway.sdk.testing import ConnectorSuite, cases_in, suite_of
from tests.bench.report import Figure

BAR = 20_000
"""Deliveries a second and core."""
LARGEST = 4096
"""Bytes of a body that is measured: samples of very long transcripts tell of copying, not of reading."""
ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """The deliveries of one fixture, and the connector that its settings make."""

    connector: Connector
    deliveries: list[Delivery]

    def read(self) -> None:
        """As `usecases.interactions` does it: parse each, fold what belongs together."""
        states: dict[str, State] = {}
        for delivery in self.deliveries:
            for partial in self.connector.parse(delivery):
                states[partial.id] = fold(states.get(partial.id), (partial,))


def measure(*, quick: bool) -> list[Figure]:
    """Each connector that posts JSON, its fixtures over and over."""
    telling = [connector for _, connector in sorted(installed_connectors().items()) if connector.events]
    suites = [suite_of(connector)() for connector in telling]
    return [figure for suite in suites if (samples := _samples(suite)) for figure in _of(suite, samples, quick=quick)]


def _samples(suite: ConnectorSuite) -> list[Sample]:
    found = []
    for case in cases_in(suite.fixtures):
        connector = suite.configured(**case.settings)
        requests = [suite.sent(body, case.headers) for body in case.bodies]
        parts = [part for request in requests for part in deliveries_of(request, connector)]
        if not case.rejected and all(_is_json(part.body) and len(part.body) <= LARGEST for part in parts):
            found.append(Sample(connector, parts))
    return found


def _of(suite: ConnectorSuite, samples: list[Sample], *, quick: bool) -> list[Figure]:
    bodies = [delivery.body for sample in samples for delivery in sample.deliveries]
    times = max(1, (500 if quick else 2000) // len(bodies))
    reading: list[float] = []
    yardstick: list[float] = []
    for _ in range(ROUNDS):
        reading.append(_seconds(lambda: [sample.read() for sample in samples], times))
        yardstick.append(_seconds(lambda: [json.loads(body) for body in bodies], times))
    # Whoever shares the core can only take away from it: the best round says most of the code.
    rate, plain = (times * len(bodies) / min(taken) for taken in (reading, yardstick))
    size = sum(map(len, bodies)) // len(bodies)
    return [
        Figure(
            f"{suite.connector.name}, {size} bytes",
            f"{rate:,.0f}/s",
            f"json.loads {plain:,.0f}/s",
            rate,
            BAR,
            form="{:,.0f}",
        ),
    ]


def _seconds(run: Callable[[], object], times: int) -> float:
    """The processor's seconds, so that what else the machine does counts less."""
    gc.collect()
    began = time.process_time()
    for _ in repeat(None, times):
        run()
    return time.process_time() - began


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True
