"""What flows and scripts noted in a conversation: its participants' attributes, which its details leave out.

`get_conversation`, `Conversation` and `Participant` of https://github.com/MyPureCloud/platform-client-sdk-python: one
conversation a call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from urllib.parse import quote

from connectors.genesys.conversation import Names, told_by_event
from gateway.sdk import PartialInteraction, Pulled, RetryableError
from gateway.sdk.http import Api
from gateway.sdk.reading import EARLIEST, Fields

NOTED = "participant attributes"
MOST = 1000
"""Participants that are looked at."""

_MILLISECOND = timedelta(milliseconds=1)


def told_by_conversation(conversation: Fields, names: Names) -> tuple[PartialInteraction, ...]:
    """What its events would have told of attributes; as of its beginning, so that what they did tell stands."""
    began = conversation.needed("startTime", conversation.iso_time("startTime"))
    event = {"conversationId": conversation.text("id"), "eventTime": (began - EARLIEST) // _MILLISECOND}
    noted = [each.filled_in("attributes") for each in conversation.inners("participants", most=MOST)]
    told = [told_by_event("attributes", Fields({**event, "attributes": each}), names) for each in noted if each]
    return tuple(chain.from_iterable(told))


class Attributes:
    """`gateway.sdk.Enricher` of conversations whose details were found, by their ids."""

    waits: Sequence[timedelta] = ()

    def __init__(self, api: Api) -> None:
        self._api = api

    def fetch(self, name: str, now: datetime) -> Sequence[Pulled]:  # noqa: ARG002 — a conversation has no time of its own
        """Of all that a conversation holds no more than is read."""
        told = self._api.get(f"conversations/{quote(name, safe='')}").json()
        if not isinstance(told, dict) or not isinstance(told.get("participants"), list):
            raise RetryableError("Genesys Cloud tells a conversation without its participants.")
        noted = list(_noted(told["participants"]))
        kept = {"id": told.get("id"), "startTime": told.get("startTime"), "participants": noted}
        return (Pulled(body=json.dumps({NOTED: kept}, sort_keys=True).encode()),) if noted else ()


def _noted(participants: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for each in participants:
        if isinstance(each, dict) and each.get("attributes"):
            yield {"attributes": each["attributes"]}
