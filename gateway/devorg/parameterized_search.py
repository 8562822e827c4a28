"""``parameterizedSearch``: a search in parameters or in JSON, which the org reads as the SOSL it stands for.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_search_parameterized.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from gateway.devorg import queries, sosl
from gateway.devorg.calls import Call
from gateway.devorg.errors import RequestError, bad_request, not_found
from gateway.devorg.exchange import Request, Response

_FIRST_VERSION = 36
_SCOPES = ("ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR")
# Filters and additions this org has nothing for; an answer without them would be another one.
_NOT_HERE = frozenset(
    {"dataCategory", "dataCategories", "division", "metadata", "netWorkIds", "pricebookId", "snippet"}
)
_OF_OBJECT = re.compile(r"(\w+)\.(fields|limit|orderBy|where)\Z")

Json = Mapping[str, object]


def search(call: Call, request: Request) -> Response:
    """``GET /parameterizedSearch?q=…`` and ``POST /parameterizedSearch``."""
    if call.number < _FIRST_VERSION:
        raise not_found()
    text = _as_sosl(request.record() if request.method == "POST" else _from_uri(request))
    return queries.search(call, replace(request, query={"q": text}))


def _from_uri(request: Request) -> Json:
    """The parameters of a URI as the body of a POST would tell them."""
    names = [value for name, value in request.parameters if name == "sobject"]
    objects: dict[str, dict[str, object]] = {name: {"name": name} for name in names}
    for name, value in request.parameters:
        found = _OF_OBJECT.match(name)
        if found is None:
            continue
        if found.group(1) not in objects:
            raise _malformed(f"{name}: the object is not among those of sobject")
        objects[found.group(1)][found.group(2)] = value
    return {**request.query, "sobjects": list(objects.values())}


def _as_sosl(wanted: Json) -> str:
    term = wanted.get("q")
    if not isinstance(term, str) or not term:
        raise _malformed("A search string has to be specified")
    for name in sorted(_NOT_HERE & wanted.keys()):
        raise _malformed(f"{name} is not available")
    scope = str(wanted.get("in", "ALL")).upper()
    if scope not in _SCOPES:
        raise _malformed(f"in has to be one of {', '.join(_SCOPES)}")
    escaped = re.sub(r"([{}])", r"\\\1", term)
    text = f"FIND {{{escaped}}} IN {scope} FIELDS{_returning(wanted)}"
    return f"{text} LIMIT {_limit(wanted, 'overallLimit')}" if "overallLimit" in wanted else text


def _returning(wanted: Json) -> str:
    objects = cast("list[Json]", wanted.get("sobjects") or [])
    if not objects:
        for name in ("defaultLimit", "fields", "offset"):
            if name in wanted:
                raise _malformed(f"{name}: specify at least one sobject")
        return ""
    if "offset" in wanted and len(objects) > 1:
        raise _malformed("offset: specify one sobject only")
    return " RETURNING " + ", ".join(_of_object(each, wanted) for each in objects)


def _of_object(wanted: Json, overall: Json) -> str:
    fields = wanted.get("fields") or overall.get("fields") or "Id"
    text = fields if isinstance(fields, str) else ", ".join(cast("list[str]", fields))
    if wanted.get("where"):
        text += f" WHERE {wanted['where']}"
    if wanted.get("orderBy"):
        text += " ORDER BY " + str(wanted["orderBy"]).replace("NULLS_", "NULLS ")
    if "limit" in wanted:
        text += f" LIMIT {_limit(wanted, 'limit')}"
    elif "defaultLimit" in overall:
        text += f" LIMIT {_limit(overall, 'defaultLimit')}"
    if "offset" in overall:
        text += f" OFFSET {_limit(overall, 'offset')}"
    return f"{wanted.get('name', '')}({text})"


def _limit(wanted: Json, name: str) -> int:
    text = str(wanted[name])
    if not text.isdecimal() or int(text) > sosl.MOST_ROWS:
        raise _malformed(f"{name} has to be a whole number of at most {sosl.MOST_ROWS}, not {text}")
    return int(text)


def _malformed(message: str) -> RequestError:
    return bad_request("MALFORMED_SEARCH", message)
