"""Every SOQL statement the local org is asked to read is held against an independent parser's verdict."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator

import pytest

import gateway.devorg  # noqa: F401 - loads the modules that read SOQL
from gateway.devorg.soql_syntax import Query, QueryError, parse
from tests.adapters.soql_shapes import recorded, shape_of

Heard = deque[tuple[str, str | None]]


@pytest.fixture(scope="session", autouse=True)
def _heard() -> Iterator[Heard]:
    """Statements and their refusals, from all threads, as they come."""
    heard: Heard = deque()

    def listening(text: str) -> Query:
        try:
            query = parse(text)
        except QueryError as error:
            heard.append((text, error.message))
            raise
        heard.append((text, None))
        return query

    readers = [module for module in list(sys.modules.values()) if _reads_soql(module.__name__)]
    with pytest.MonkeyPatch.context() as patch:
        for module in readers:
            patch.setattr(module, "parse", listening)
        yield heard


def _reads_soql(module: str) -> bool:
    return module.startswith("gateway.devorg.") and vars(sys.modules[module]).get("parse") is parse


@pytest.fixture(scope="session")
def _approved() -> set[tuple[str, str | None]]:
    """What needs no second look in this process."""
    return set()


@pytest.fixture(autouse=True)
def _agrees_with_another_parser(
    request: pytest.FixtureRequest, _heard: Heard, _approved: set[tuple[str, str | None]]
) -> Iterator[None]:
    yield
    # Which statements are made up for a property depends on the version and the profile of what makes them up.
    made_up = request.node.get_closest_marker("hypothesis") is not None
    said = {_heard.popleft() for _ in range(len(_heard))} - _approved
    if collected := os.environ.get("SOQL_SHAPES"):
        with open(collected, "a", encoding="utf-8") as shapes:  # noqa: PTH123 - one write, so that processes can share it
            shapes.write("".join(f"{shape_of(text)}\n" for text, _ in said))
    else:
        judged = {each for each in said if not made_up or shape_of(each[0]) in recorded().shapes}
        objections = {recorded().objection(text, refusal) for text, refusal in judged} - {None}
        assert not objections, "\n".join(sorted(map(str, objections)))
    _approved |= said
