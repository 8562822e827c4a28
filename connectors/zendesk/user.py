"""A Zendesk user as a contact, and what is sent to make it say something else.

https://developer.zendesk.com/api-reference/ticketing/users/users (the user), and …/users/user_identities (addresses: a
user has one `email`, which only a new user may be given; all others, and every change, are identities).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.sdk import ContactRecord, ContactWrite, Entry, FieldLimits, Value, Values, entries
from gateway.sdk.comparing import versioned
from gateway.sdk.naming import NAME_FIELDS, NAMES, one_name, two_names
from gateway.sdk.reading import Fields

END_USER = "end-user"
MOST_FIELDS = 1000
_TEXTS = ("notes", "details")
OURS: Mapping[str, FieldLimits] = {
    **NAME_FIELDS,
    **dict.fromkeys(_TEXTS, FieldLimits()),
    "phones": FieldLimits(most=1, types=(), has_primary=False),
    "emails": FieldLimits(types=()),
}
"""What every user has. Agents see `notes` and `details`; what else there is, is in the account's user fields."""


def record_of(user: Fields, identities: Sequence[Fields], user_fields: Mapping[str, str]) -> ContactRecord:
    """The contact that a user is; who was deleted, or is of the staff, is one no more. RejectedError: it is no user."""
    id = user.needed("id", user.identifier("id"))
    if user.flag("active") is False or user.text("role") != END_USER:
        return ContactRecord(id=id, is_deleted=True)
    own = user.plain("user_fields", most=MOST_FIELDS) or {}
    values: dict[str, Value] = {
        **two_names(user.as_is("name")),
        **{name: user.as_is(name) or None for name in _TEXTS},
        "phones": tuple(Entry(number) for number in (user.text("phone"),) if number),
        "emails": _emails(user, identities),
        **{ours: _plain(own.get(theirs)) for ours, theirs in user_fields.items()},
    }
    return versioned(
        ContactRecord(
            id=id, values=values, changed_at=user.iso_time("updated_at"), other_id=user.identifier("external_id")
        )
    )


def _emails(user: Fields, identities: Iterable[Fields]) -> tuple[Entry, ...]:
    return tuple(
        Entry(each.text("value") or "", is_primary=bool(each.flag("primary")), is_verified=bool(each.flag("verified")))
        for each in addresses(identities)
        if each.identifier("user_id") == user.identifier("id")
    )


def addresses(identities: Iterable[Fields]) -> list[Fields]:
    """The identities that are e-mail addresses."""
    return [each for each in identities if each.text("type") == "email"]


def _plain(value: object) -> Value:
    return value if isinstance(value, str | int | float) else None


def new_user(write: ContactWrite, user_fields: Mapping[str, str]) -> dict[str, Any]:
    """What creates the user. Nobody gets a mail of it."""
    ordered = sorted(entries(write.values.get("emails")), key=lambda each: not each.is_primary)
    told = {**changed_user(write.values, {}, user_fields), "role": END_USER, "skip_verify_email": True}
    told |= {"external_id": write.other_id} if write.other_id else {}
    told |= {"email": ordered[0].value} if ordered else {}
    others = [{"type": "email", "value": each.value} for each in ordered[1:]]
    return {**told, **({"identities": others} if others else {})}


def changed_user(values: Values, held: Values, user_fields: Mapping[str, str]) -> dict[str, Any]:
    """What gives the user these values, its addresses apart. A name goes whole, with what is held of it."""
    told: dict[str, Any] = {name: values[name] or "" for name in _TEXTS if name in values}
    if not values.keys().isdisjoint(NAMES):
        told["name"] = one_name({**held, **values})
    if "phones" in values:
        told["phone"] = next((entry.value for entry in entries(values["phones"])), "")
    own = {theirs: values[ours] for ours, theirs in user_fields.items() if ours in values}
    return {**told, **({"user_fields": own} if own else {})}


Call = tuple[str, str, dict[str, Any] | None]
"""A method, a path, and what is sent."""


def address_calls(path: str, wanted: Sequence[Entry], identities: Iterable[Fields]) -> tuple[list[Call], list[Call]]:
    """What adds addresses and chooses the first of them; and what takes away the others, which comes last."""
    here = {(each.text("value") or "").casefold(): each for each in addresses(identities)}
    keys = [each.value.casefold() for each in wanted]
    old = next((key for key in keys if key in here and here[key].flag("primary")), None)
    chosen = next((each.value.casefold() for each in wanted if each.is_primary), None)
    # One that is new stands for the first one that is taken away.
    first = chosen or old or next((key for key in keys if key not in here), next(iter(keys), None))
    adding: list[Call] = [
        ("POST", path, {"identity": _identity(each.value, is_primary=key == first)})
        for key, each in zip(keys, wanted, strict=True)
        if key not in here
    ]
    if first in here and first != old:
        adding.append(("PUT", f"{path}/{here[first].identifier('id')}/make_primary", None))
    gone = [each for key, each in here.items() if key not in keys]
    return adding, [("DELETE", f"{path}/{each.identifier('id')}", None) for each in gone]


def _identity(value: str, *, is_primary: bool) -> dict[str, Any]:
    return {"type": "email", "value": value, "primary": is_primary, "skip_verify_email": True}
