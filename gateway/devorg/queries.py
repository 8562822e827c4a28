"""``query``, ``queryAll`` and ``search``: SOQL and SOSL over HTTP, in pages.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm
"""

from __future__ import annotations

import re

from gateway.devorg import soql, sosl
from gateway.devorg.calls import Call
from gateway.devorg.errors import bad_request
from gateway.devorg.exchange import Request, Response

SMALLEST_PAGE, LARGEST_PAGE = 200, 2000
_MOST_LOCATORS = 1000
_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)


def query(call: Call, request: Request, *, include_deleted: bool) -> Response:
    """``GET /query?q=…`` and ``/queryAll``: the first page."""
    text = request.query.get("q")
    if not text:
        raise bad_request("MALFORMED_QUERY", "A query string has to be specified")
    try:
        found = soql.execute(
            text, call.org.records, include_deleted=include_deleted, now=call.org.clock(), version=call.version[1:]
        )
    except soql.QueryError as problem:
        raise bad_request(problem.code, problem.message) from None
    size = _page_size(request)
    if len(found.records) <= size:
        return Response(content={"totalSize": found.total, "done": True, "records": found.records})
    locator = _remember(call, found.total, found.records)
    return _page(call, locator, 0, size)


def _remember(call: Call, total: int, records: list[dict[str, object]]) -> str:
    while len(call.org.locators) >= _MOST_LOCATORS:
        del call.org.locators[next(iter(call.org.locators))]
    locator = call.org.writer.ids.take("01g")
    call.org.locators[locator] = (total, records)
    return locator


def _page_size(request: Request) -> int:
    """What ``Sforce-Query-Options: batchSize=n`` asks for, within what is allowed."""
    found = _BATCH_SIZE.search(request.headers.get("sforce-query-options", ""))
    return min(max(int(found.group(1)), SMALLEST_PAGE), LARGEST_PAGE) if found else LARGEST_PAGE


def more(call: Call, request: Request, text: str) -> Response:
    """``GET /query/<locator>-<offset>``: a further page."""
    locator, _, offset = text.rpartition("-")
    if locator not in call.org.locators or not offset.isdecimal():
        raise bad_request("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(call, locator, int(offset), _page_size(request))


def _page(call: Call, locator: str, start: int, size: int) -> Response:
    total, records = call.org.locators[locator]
    end = start + size
    content: dict[str, object] = {"totalSize": total, "done": end >= len(records)}
    if end < len(records):
        content["nextRecordsUrl"] = f"{call.base}/query/{locator}-{end}"
    content["records"] = records[start:end]
    return Response(content=content)


def search(call: Call, request: Request) -> Response:
    """``GET /search?q=FIND …``."""
    text = request.query.get("q")
    if not text:
        raise bad_request("MALFORMED_SEARCH", "A search string has to be specified")
    try:
        found = sosl.execute(text, call.org.search.source(call.org.records), now=call.org.clock())
    except soql.QueryError as problem:
        raise bad_request(problem.code, problem.message) from None
    return Response(content={"searchRecords": found})
