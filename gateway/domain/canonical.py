"""The canonical record: an interaction and its match as mapping rules see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.domain.interactions import Direction, Interaction, Status, words_of
from gateway.domain.matching import Match
from gateway.domain.policies import ConnectionPolicy
from gateway.domain.tasks import external_key


def canonical_record(
    interaction: Interaction, match: Match, connection: ConnectionPolicy, *, stop_listed: bool = False
) -> dict[str, Any]:
    """What mapping rules see: the interaction's fields by name, its legs and parties as lists, and the match."""
    record, account, case = words_of(interaction), match.account, match.case.record
    record["key"] = external_key(connection.name, interaction.id)
    record["connection"] = connection.name
    record["label"] = connection.at(interaction.contact_point, interaction.queue).label
    record["summary"] = _summary(interaction, match)
    record["stop_listed"] = stop_listed
    record["match"] = {
        "state": str(match.state),
        "reason": match.reason,
        "account_id": account.id if account else None,
        "account_name": account.name if account else None,
        "case_number": case.number if case else None,
    }
    return record


_MISSED, _OUTBOUND = Status.MISSED, Direction.OUTBOUND
_NOUNS: Mapping[str, str] = {
    "voice": "call", "chat": "chat", "email": "e-mail", "sms": "SMS", "whatsapp": "WhatsApp chat",
    "facebook": "Facebook chat", "instagram": "Instagram chat", "line": "LINE chat", "wechat": "WeChat chat",
    "telegram": "Telegram chat", "viber": "Viber chat", "other": "interaction",
}  # fmt: skip


def _summary(interaction: Interaction, match: Match) -> str:
    """Such as `Inbound call from Casey Customer` or `Missed call from +14155550123`."""
    kind = "missed" if interaction.status is _MISSED else (interaction.direction or "")
    outbound = interaction.direction is _OUTBOUND
    noun = f"{kind} {_NOUNS[interaction.channel]}".strip()
    who = " and ".join(_who(interaction, match)[:3])
    return f"{noun[0].upper()}{noun[1:]}" + (f" {'to' if outbound else 'from'} {who}" if who else "")


def _who(interaction: Interaction, match: Match) -> Sequence[str]:
    matched = {id(result.party): result.who for result in match.parties}
    named = []
    for party in interaction.parties:
        who = matched.get(id(party))
        named.append(who.name if who else party.name or party.phone or party.email or party.handle or "")
    return [name for name in named if name]
