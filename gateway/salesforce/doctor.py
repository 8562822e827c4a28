"""What an org still lacks for the gateway, one finding a point, each with the way to it in Setup. Nothing is written.

An org is asked twice over the API (its describes in one composite call, then the name of our user), once for a token,
and twice where no login is needed: the login host's answer gives the clock, the instance lists its API versions. A
contact sync that reads fields of yet other objects costs one call more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from urllib3.exceptions import NameResolutionError

from gateway.domain.mappings import FieldMapping, FieldRule
from gateway.domain.policies import MirrorPolicy
from gateway.domain.records import Kind
from gateway.domain.tasks import LONGEST_KEY, MAX_PEOPLE
from gateway.errors import GatewayError, RetryableError
from gateway.salesforce.findings import (
    DEPLOY,
    PERMISSIONS,
    Check,
    Described,
    Fields,
    Finding,
    Level,
    but,
    field_access,
    is_required,
    ok,
    or_ok,
    wrong,
)
from gateway.salesforce.oauth import MOST_SKEW, LoginRefusedError
from gateway.salesforce.schema import WANTED, describe, key_lack, unusable
from gateway.salesforce.session import TIME_LIMITS, Session, SubRequest
from gateway.salesforce.settings import Flow, OrgSettings
from gateway.salesforce.synced import Synced, further_objects, pair_findings
from gateway.salesforce.transport import http_session, seconds_ahead


def examine(
    settings: OrgSettings,
    mapping: FieldMapping,
    *,
    created: Mapping[Kind, Sequence[FieldMapping]] = MappingProxyType({}),
    synced: Sequence[Synced] = (),
    clock: Callable[[], float] = time.time,
    time_limits: tuple[float, float] = TIME_LIMITS,
) -> list[Finding]:
    """Everything about one org, as far as it lets us look.

    `created` is what policy creates there, and how filled; `synced` are the pairs whose contacts are kept the same.
    """
    session = Session(settings, clock=clock, time_limits=time_limits)
    with http_session(time_limits) as http:
        try:
            return list(_findings(session, http, mapping, created=created, synced=synced, clock=clock))
        finally:
            session.close()


def _findings(
    session: Session,
    http: requests.Session,
    mapping: FieldMapping,
    *,
    created: Mapping[Kind, Sequence[FieldMapping]],
    synced: Sequence[Synced],
    clock: Callable[[], float],
) -> Iterator[Finding]:
    reached, findings = _network(http, session.settings, clock)
    yield from findings
    if not reached:
        return
    described, failure = _described(session)
    if session.token is None:
        yield _login_failure(session.settings, failure)
        return
    yield ok(Check.LOGIN, f"{session.settings.flow.value} gives a token for {session.token.instance_url}.")
    version = _version(session.settings, _offered(http, session.token.instance_url))
    yield version
    if version.level is Level.PROBLEM:
        return
    if failure:
        yield wrong(Check.ACCESS, str(failure), _WAIT if isinstance(failure, RetryableError) else _API_ENABLED)
        return
    yield ok(Check.ACCESS, "The integration user may use the API.")
    yield _user(session)
    yield _allowance(session)
    yield from _tasks(session.settings, described.get("Task"), mapping)
    for kind in WANTED:
        yield from _records(kind, described.get(kind.value), session.settings.mirror)
    yield _mirror(session.settings.mirror)
    for kind, mappings in created.items():
        yield from _creation(kind, mappings, described.get(kind.value))
    described |= _further(session, further_objects(synced, described))
    for pair in synced:
        yield from pair_findings(pair, described)


def _described(session: Session) -> tuple[dict[str, Described], GatewayError | None]:
    try:
        return describe(session), None
    except GatewayError as error:
        return {}, error


def _further(session: Session, names: Collection[str]) -> dict[str, Described]:
    """What can be described of them."""
    parts = [SubRequest(name, f"sobjects/{name}/describe") for name in sorted(names)]
    with suppress(GatewayError):
        return session.composite(parts, allow_missing=True) if parts else {}
    return {}


# --- the way there -------------------------------------------------------------------------------------------------


def _network(http: requests.Session, settings: OrgSettings, clock: Callable[[], float]) -> tuple[bool, list[Finding]]:
    """Whether the login host answers, and what that tells."""
    url = urlsplit(settings.login_url)
    host = url.hostname or ""
    before = clock()
    try:
        answer = http.get(_versions_url(settings.login_url), allow_redirects=False)
    except requests.RequestException as error:
        return False, [_unreachable(url, error)]
    clocks = _clock(settings, seconds_ahead(answer, (before + clock()) / 2))
    return True, [ok(Check.NETWORK, f"{host} answers."), *clocks]


def _unreachable(url: SplitResult, error: requests.RequestException) -> Finding:
    host = url.hostname
    if isinstance(error, requests.exceptions.ProxyError):
        return wrong(Check.NETWORK, "The proxy does not pass us on.", f"Let it pass HTTPS to {host}; see HTTPS_PROXY.")
    if isinstance(error, requests.exceptions.SSLError):
        fix = "If a proxy inspects TLS, name its certificates' file in REQUESTS_CA_BUNDLE; else correct login_url."
        return wrong(Check.NETWORK, f"The certificate that {host} shows is not to be trusted, or TLS fails.", fix)
    if isinstance(getattr(error.args[0] if error.args else None, "reason", None), NameResolutionError):
        fix = "Copy the host from Setup → My Domain → Current My Domain URL into login_url, or mend this machine's DNS."
        return wrong(Check.NETWORK, f"DNS knows no {host}.", fix)
    what = f"{host} does not answer ({type(error).__name__})."
    way = f"{url.scheme.upper()}, port {url.port or 443}"
    return wrong(Check.NETWORK, what, f"Correct login_url, or let this machine connect to {host} ({way}).")


_NOTICEABLE_SKEW = 60


def _clock(settings: OrgSettings, ahead: int | None) -> Iterator[Finding]:
    if ahead is None:
        return
    if abs(ahead) < _NOTICEABLE_SKEW:
        yield ok(Check.CLOCK, "This machine's clock agrees with the org's.")
        return
    message = f"This machine's clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} the org's."
    breaks = settings.flow is Flow.JWT_BEARER and abs(ahead) > MOST_SKEW
    level = Level.PROBLEM if breaks else Level.WARNING
    yield Finding(Check.CLOCK, level, message, "Turn on time synchronisation (NTP) here; logins by JWT depend on it.")


# --- login ---------------------------------------------------------------------------------------------------------

_LOGIN_FIX = "Go through mappings/salesforce/README.md, 3. App, once more."


def _login_failure(settings: OrgSettings, failure: GatewayError | None) -> Finding:
    if not isinstance(failure, LoginRefusedError):
        return wrong(Check.LOGIN, str(failure), _LOGIN_FIX)
    fix = f"{failure.fix[0].upper()}{failure.fix[1:]}"
    return wrong(Check.LOGIN, f"{settings.flow.value} is refused; Salesforce answers {failure.answered}.", fix)


# --- the API -------------------------------------------------------------------------------------------------------

_ENDING = 40
"""Up to this version the API is unsupported from Summer '27 and gone from Summer '28.

https://developer.salesforce.com/docs/platform/api-tooling/guide/tooling-api-eol.html
"""
_THREE_YEARS = 9
"""A version is supported for three years at least; there are three a year (same page)."""

_API_ENABLED = (
    f"{PERMISSIONS} → System Permissions: API Enabled; then Manage Assignments: the integration user is listed."
)
_API_REQUESTS = "Setup → Company Information → API Requests, Last 24 Hours: find out who makes them, or buy more."
_WAIT = f"Used-up calls: {_API_REQUESTS} Anything else: wait; https://status.salesforce.com knows of outages."


def _versions_url(instance: str) -> str:
    return f"{instance.rstrip('/')}/services/data/"


def _offered(http: requests.Session, instance: str) -> list[float]:
    try:
        return [float(each["version"]) for each in http.get(_versions_url(instance), allow_redirects=False).json()]
    except (requests.RequestException, ValueError, TypeError, KeyError):
        return []


def _version(settings: OrgSettings, offered: list[float]) -> Finding:
    ours, newest = float(settings.api_version), max(offered, default=0.0)
    if not offered:
        return but(Check.VERSION, "The org's list of API versions could not be read.", "Run gateway doctor again.")
    if ours not in offered:
        message = f"The org does not offer API version {ours}, only {min(offered)} to {newest}."
        return wrong(Check.VERSION, message, f'Set api_version: "{newest}" in gateway.yaml.')
    if ours <= _ENDING or newest - ours >= _THREE_YEARS:
        message = f"API version {ours} is about to be withdrawn; the newest is {newest}."
        return but(Check.VERSION, message, f'Set api_version: "{newest}" in gateway.yaml.')
    return ok(Check.VERSION, f"{ours} is offered; the newest is {newest}.")


def _user(session: Session) -> Finding:
    user_id = session.token.user_id if session.token else None
    fix = "Setup → Users: let the integration user see its own user record."
    if user_id is None:
        return but(Check.USER, "The login does not say whose it is; Tasks without an agent may look edited.", fix)
    try:
        row = session.read("sobjects", f"sobjects/User/{user_id}", params={"fields": "Username"})
    except GatewayError as error:
        return but(Check.USER, f"The user's name cannot be read: {error}", fix)
    return ok(Check.USER, f"The integration user is {row['Username']}.")


def _allowance(session: Session) -> Finding:
    usage = session.usage
    if usage is None:
        return but(Check.ALLOWANCE, "The org does not say how many calls are left.", "See Setup → Company Information.")
    message = f"{usage.used} of {usage.max} calls of the last 24 hours are used."
    if usage.left > usage.reserve:
        return ok(Check.ALLOWANCE, message)
    return but(Check.ALLOWANCE, message, _API_REQUESTS)


# --- Tasks ---------------------------------------------------------------------------------------------------------

_RELATIONS = ("WhoId", "WhatId", "OwnerId")
_CALL_FIELDS = ("CallType", "CallDurationInSeconds", "CallDisposition", "CallObject", "TaskSubtype")


def _tasks(settings: OrgSettings, task: Described | None, mapping: FieldMapping) -> Iterator[Finding]:
    lacking = [right for right in ("queryable", "createable", "updateable") if not (task or {}).get(right)]
    if lacking or task is None:
        fix = f"{DEPLOY}{PERMISSIONS} → System Permissions: Access Activities and Edit Tasks."
        yield wrong(Check.TASKS, f"To the integration user Tasks are not {', '.join(lacking)}.", fix)
    if task is None:
        return
    fields = {field["name"]: field for field in task["fields"]}
    yield from _relations(fields)
    yield from _key(settings.task_key, fields)
    yield _shared(fields)
    yield _calls(fields)
    yield from _mapping(mapping, fields)


def _relations(fields: Fields) -> list[Finding]:
    found = [
        wrong(Check.TASKS, f"The integration user may not write Task.{name}.", field_access("Task", name))
        for name in _RELATIONS
        if not _writable(fields.get(name))
    ]
    return or_ok(found, ok(Check.TASKS, "Tasks can be created, changed, related and assigned."))


def _writable(field: Described | None) -> bool:
    return bool(field and field["createable"] and field["updateable"])


def _key(name: str | None, fields: Fields) -> Iterator[Finding]:
    if name is None:
        fix = "Deploy mappings/salesforce and set task_key: Gateway_Interaction_Key__c in gateway.yaml."
        yield but(Check.KEY, "Without a key field, what a lost answer left is looked for by CallObject.", fix)
    elif lack := key_lack(name, fields.get(name)):
        yield wrong(Check.KEY, *lack)
    else:
        yield from or_ok(_key_flaws(name, fields[name]), ok(Check.KEY, f"{name} is as it should be."))


def _key_flaws(name: str, field: Described) -> Iterator[Finding]:
    edit = f"Setup → Object Manager → Activity → Fields & Relationships → {name} → Edit"
    if not field["unique"]:
        yield but(Check.KEY, f"{name} is not Unique: the org itself does not prevent doubles.", f"{edit}: tick Unique.")
    elif not field["caseSensitive"]:
        message = f"{name} takes keys for equal that differ in upper and lower case only."
        yield but(Check.KEY, message, f'{edit}: Unique, treat "ABC" and "abc" as different values (case sensitive).')
    if field["length"] < LONGEST_KEY:
        message = f"{name} holds {field['length']} characters only; a longer key parks its interaction."
        yield but(Check.KEY, message, f"{edit}: Length {LONGEST_KEY}.")


def _shared(fields: Fields) -> Finding:
    if "TaskWhoIds" in fields:
        return ok(Check.SHARED, f"On: one Task names up to {MAX_PEOPLE} contacts.")
    fix = "Setup → Activity Settings: Allow Users to Relate Multiple Contacts to Tasks and Events."
    return but(Check.SHARED, "Off: a Task names only the first of several contacts.", fix)


def _calls(fields: Fields) -> Finding:
    if missing := [name for name in _CALL_FIELDS if name not in fields]:
        message = f"Task has no {', '.join(missing)}, so that call reports stay empty."
        fix = "They come with Salesforce CRM Call Center: see the integration user's licences (Setup → Users)."
        return but(Check.CALLS, message, fix)
    return ok(Check.CALLS, f"{', '.join(_CALL_FIELDS)} are there.")


# --- the mapping ---------------------------------------------------------------------------------------------------


def _mapping(mapping: FieldMapping, fields: Fields) -> list[Finding]:
    found = [finding for rule in mapping.rules for finding in _rule(rule, fields.get(rule.field))]
    filled = {rule.field for rule in mapping.rules}
    found += [_unfilled(name) for name, field in fields.items() if is_required(field) and name not in filled]
    return or_ok(found, ok(Check.MAPPING, f"All {len(mapping.rules)} fields of task.yaml can be written."))


def _unfilled(name: str) -> Finding:
    fix = f"Give {name} a rule in mappings/task.yaml, or a default in Setup → Object Manager → Activity → {name}."
    return wrong(Check.MAPPING, f"Task.{name} is required, and the mapping does not fill it: no Task is taken.", fix)


def _rule(rule: FieldRule, field: Described | None) -> Iterator[Finding]:
    if field is None or not field["createable"]:
        lack = "is not there or hidden" if field is None else "is read-only to the integration user"
        fix = f"{field_access('Task', rule.field)} Or take it out of mappings/task.yaml."
        yield wrong(Check.MAPPING, f"Task.{rule.field} {lack}, so that it stays empty.", fix)
        return
    if not (field["updateable"] or rule.create_only):
        message = f"Task.{rule.field} can be set on new Tasks only; later changes do not reach it."
        yield but(Check.MAPPING, message, "Add create_only: true to its rule in mappings/task.yaml, which says so.")
    for literal in rule.literals:
        yield from _literal(rule.field, field, literal)


def _literal(name: str, field: Described, literal: Any) -> Iterator[Finding]:
    active = [entry["value"] for entry in field["picklistValues"] if entry["active"]]
    shown, correct = f"Task.{name}: {literal!r}", "correct it in mappings/task.yaml."
    if not _takes(field["type"], literal):
        yield wrong(Check.MAPPING, f"{shown} is no {field['type']}.", correct.capitalize())
    elif field["type"] == "picklist" and literal not in active:
        level = Level.PROBLEM if field["restrictedPicklist"] else Level.WARNING
        fix = f"Setup → Object Manager → Task → Fields & Relationships → {name}: add the value; or {correct}"
        yield Finding(Check.MAPPING, level, f"{shown} is not among its picklist's values.", fix)
    elif field["length"] and len(str(literal)) > field["length"]:
        yield but(Check.MAPPING, f"{shown} is longer than {field['length']} and will be cut.", correct.capitalize())


_NUMBERS = frozenset({"int", "double", "currency", "percent"})


def _takes(type: str, literal: Any) -> bool:
    if type == "boolean":
        return isinstance(literal, bool)
    if type in _NUMBERS:
        return isinstance(literal, int | float) and not isinstance(literal, bool)
    return not isinstance(literal, bool)


# --- what policy creates ------------------------------------------------------------------------------------------


def _creation(kind: Kind, mappings: Sequence[FieldMapping], described: Described | None) -> list[Finding]:
    if not (described and described["createable"]):
        message = f"Policy creates a {kind.value}, and the integration user may not: people and cases stay unknown."
        return [wrong(Check.CREATION, message, "Deploy mappings/salesforce, and assign Gateway Creation to the user.")]
    fields = {field["name"]: field for field in described["fields"]}
    found = [finding for mapping in mappings for finding in _new_record(kind, mapping, fields)]
    return or_ok(list(dict.fromkeys(found)), ok(Check.CREATION, f"{kind.value}: can be created as it is mapped."))


def _new_record(kind: Kind, mapping: FieldMapping, fields: Fields) -> Iterator[Finding]:
    file = f"mappings/{kind.value.lower()}.yaml"
    filled = [rule.field for rule in mapping.rules]
    for name in filled:
        if not (name in fields and fields[name]["createable"]):
            message = f"{kind.value}.{name} is not there, hidden or read-only: Salesforce refuses every new record."
            yield wrong(Check.CREATION, message, f"{field_access(kind, name)} Or take it out of {file}.")
    for name, field in fields.items():
        if is_required(field) and name not in filled:
            message = f"{kind.value}.{name} is required, and the mapping does not fill it: no record is taken."
            yield wrong(Check.CREATION, message, f"Give {name} a rule in {file}, or a default in Setup.")


# --- the records to match with -------------------------------------------------------------------------------------

_USELESS = {
    Kind.CONTACT: "nobody is recognised",
    Kind.ACCOUNT: "no company is recognised",
    Kind.LEAD: "leads are not recognised",
    Kind.CASE: "Tasks are not related to cases",
    Kind.USER: "Tasks belong to the integration user, not to agents",
    Kind.RELATION: "a contact belongs to one account only",
}
_INDISPENSABLE = frozenset({Kind.CONTACT, Kind.ACCOUNT})
_ONLY_READ = frozenset({Kind.USER, Kind.RELATION})
"""No Task is on one of them."""


def _records(kind: Kind, described: Described | None, mirror: MirrorPolicy) -> list[Finding]:
    if kind is Kind.RELATION and described is None:
        return [ok(Check.RECORDS, "Contacts to Multiple Accounts is off: a contact belongs to one account.")]
    if described is None or not described["queryable"]:
        level = Level.PROBLEM if kind in _INDISPENSABLE else Level.WARNING
        return [Finding(Check.RECORDS, level, f"{kind.value} cannot be read: {_USELESS[kind]}.", _object_access(kind))]
    there = {field["name"] for field in described["fields"]}
    lacking = [_hidden(kind, name) for name in WANTED[kind] if name not in there]
    lacking += [_useless(kind, name, there) for name in unusable(kind, described, mirror)]
    if kind not in _ONLY_READ and not described["updateable"]:
        lacking.append(_not_editable(kind))
    count = len(WANTED[kind]) + len(mirror.fields.get(kind, {}))
    return or_ok(lacking, ok(Check.RECORDS, f"{kind.value}: all {count} fields can be read."))


def _object_access(kind: Kind) -> str:
    if kind is Kind.USER:
        return f"{PERMISSIONS} → System Permissions: View All Users."
    if kind is Kind.RELATION:
        return f"{PERMISSIONS} → Object Settings → Account and Contact: Read."
    return f"{DEPLOY}{PERMISSIONS} → Object Settings → {kind.value}: Read, Edit and View All Records."


def _hidden(kind: Kind, name: str) -> Finding:
    message = f"{kind.value}.{name} is hidden: matching goes without it."
    return but(Check.RECORDS, message, field_access(kind, name, "Read"))


def _mirror(policy: MirrorPolicy) -> Finding:
    if policy.is_kept:
        return ok(Check.MIRROR, "What is needed to recognise people is copied; the copy is asked, not the org.")
    return ok(Check.MIRROR, "No copy of the org's records is kept: each round of work asks the org, in more API calls.")


def _useless(kind: Kind, name: str, there: Collection[str]) -> Finding:
    lack = "holds no text that can be searched by" if name in there else "is not there or hidden"
    fix = f"{field_access(kind, name, 'Read')} Or take it out of mirror.fields in gateway.yaml."
    return wrong(Check.RECORDS, f"{kind.value}.{name} {lack}: nobody is recognised by it.", fix)


def _not_editable(kind: Kind) -> Finding:
    """Who may not edit a record may not edit the activities of others on it, where they are Controlled by Parent."""
    message = f"{kind.value} is read-only: a Task on one that an agent owns may refuse corrections."
    return but(Check.RECORDS, message, f"{DEPLOY}{PERMISSIONS} → Object Settings → {kind.value}: Edit.")
