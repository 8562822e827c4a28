"""Every query the gateway asks of Salesforce, and the quoting of the values in them.

Limits: https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta (a statement has at most
100,000 characters; an answer at most 2,000 rows).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

PAGE = 2000
LONGEST = 100_000

_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


def quoted(value: str) -> str:
    """A text as a SOQL literal; the same escapes as simple-salesforce's `format_soql`, which takes 20 MB to import."""
    return f"'{value.translate(_ESCAPES)}'"


def tasks_by(field: str, keys: Collection[str], fields: Iterable[str]) -> Iterator[str]:
    """Tasks whose `field` is one of the keys, in as many statements as the length limit asks for; oldest first."""
    columns = ", ".join(dict.fromkeys(("Id", "IsDeleted", field, *fields)))
    start, end = f"SELECT {columns} FROM Task WHERE {field} IN (", ") ORDER BY CreatedDate ASC, Id ASC"  # noqa: S608 (quoted)
    for literals in _chunks([quoted(key) for key in keys], LONGEST - len(start) - len(end)):
        yield f"{start}{','.join(literals)}{end}"


def first_page(kind: str, columns: Sequence[str]) -> str:
    """The oldest rows of an object that are not deleted."""
    alive = " WHERE IsDeleted = false" if "IsDeleted" in columns else ""
    return f"SELECT {', '.join(columns)} FROM {kind}{alive}{_ORDER}"  # noqa: S608 (names of code and describe)


def next_page(kind: str, columns: Sequence[str], at: str, id: str, *, alive_only: bool = False) -> str:
    """The rows after one row in the order of (SystemModstamp, Id); all of that moment if `id` is empty."""
    after = f"((SystemModstamp > {at}) OR (SystemModstamp = {at} AND Id > {quoted(id)}))"
    where = after if id else f"SystemModstamp >= {at}"
    alive = " AND IsDeleted = false" if alive_only and "IsDeleted" in columns else ""
    return f"SELECT {', '.join(columns)} FROM {kind} WHERE {where}{alive}{_ORDER}"  # noqa: S608 (names of code and describe)


_ORDER = f" ORDER BY SystemModstamp ASC, Id ASC LIMIT {PAGE}"


def _chunks(literals: Iterable[str], room: int) -> Iterator[list[str]]:
    chunk: list[str] = []
    used = 0
    for literal in literals:
        if chunk and used + len(literal) + 1 > room:
            yield chunk
            chunk, used = [], 0
        chunk.append(literal)
        used += len(literal) + 1
    if chunk:
        yield chunk
