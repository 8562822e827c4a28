"""Who came up or changed in an org since all others were told, by identity key: a call for each 2,000 changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from gateway.domain.records import Kind
from gateway.salesforce.mirror import Position, Walk, next_rows
from gateway.salesforce.records import Row
from gateway.salesforce.schema import Visible
from gateway.salesforce.session import Session


class Newcomers:
    """Remembers the ids of those it has read, and reads on each time."""

    def __init__(self, session: Session, visible: Mapping[Kind, Visible], told: Mapping[Kind, Position]) -> None:
        self._session = session
        self._visible = visible
        self._positions = dict(told)
        self._ids: dict[str, set[str]] = {}

    def with_keys(self, keys: Collection[str], keys_of: Callable[[Row], Collection[str]]) -> set[str]:
        """The ids of those that have, or had since, one of the keys."""
        settings = self._session.settings
        walks = [Walk(kind, self._visible[kind].columns, at, settings) for kind, at in self._positions.items()]
        while walks:
            for _, rows in next_rows(self._session, walks):
                for row in rows:
                    for key in keys_of(row):
                        self._ids.setdefault(key, set()).add(row["Id"])
            self._positions |= {walk.kind: walk.position for walk in walks}
            walks = [walk for walk in walks if not walk.is_done]
        return {id for key in keys for id in self._ids.get(key, ())}
