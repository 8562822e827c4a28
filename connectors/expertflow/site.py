"""What a site's own settings say, and what its numbers mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.sdk import Party
from gateway.sdk.attributes import Named
from gateway.sdk.parties import customer
from gateway.sdk.reading import Fields

_OUTSIDE = re.compile(r"\+?[0-9][0-9 ().-]{5,24}[0-9]")
"""A customer's number: extensions, which transferred and consult calls show in its place, are shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The settings that reading needs: addresses of agents, names of custom data, and the relay's own parameters."""

    agents: Mapping[str, str]
    names: Mapping[str, str]
    outside_line: str
    event_parameter: str
    agent_parameter: str
    time_parameter: str

    def email(self, *known_as: str | None) -> str | None:
        """The agent's address, by any of the names that the platform has for them; a name may be the address."""
        names = [name for name in known_as if name]
        for name in names:
            if listed := self.agents.get(name):
                return listed
        return next((name for name in names if "@" in name), None)

    def dialled(self, number: str | None) -> str | None:
        """A number as an agent dialled it, without the digits for an outside line."""
        return number.removeprefix(self.outside_line) if number else None


def outside(number: str | None) -> str | None:
    """The number, if it is no extension."""
    return number if number and _OUTSIDE.fullmatch(number) else None


def customer_of(phone: str | None, ours: Named) -> tuple[Party, ...]:
    """The customer by number, and by what the site's own data tells."""
    return customer(
        phone=phone or ours.customer_phone,
        email=ours.customer_email,
        name=ours.customer_name,
    )


def moment(fields: Fields, key: str) -> datetime | None:
    """A time as milliseconds since 1970, or as ISO 8601 where a serializer was told so."""
    return fields.iso_time(key) if isinstance(fields.anything(key), str) else fields.epoch_ms(key)
