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


def changes(
    kind: str, columns: Sequence[str], at: str = "", id: str = "", *, is_load: bool = False, began: str = ""
) -> str:
    """The next page of rows after one row in the order of (SystemModstamp, Id); all of that moment if `id` is empty.

    A load leaves out what was deleted before it `began`, unless another record took its place.
    """
    conditions = [_after(at, id)] if at else []
    if is_load and "IsDeleted" in columns:
        merged = ["MasterRecordId != null"] if "MasterRecordId" in columns else []
        since = [f"SystemModstamp >= {began}"] if began else []
        conditions.append(f"({' OR '.join(['IsDeleted = false', *merged, *since])})")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(columns)} FROM {kind}{where}{_ORDER}"  # noqa: S608 (names of code and describe)


def _after(at: str, id: str) -> str:
    if not id:
        return f"SystemModstamp >= {at}"
    return f"((SystemModstamp > {at}) OR (SystemModstamp = {at} AND Id > {quoted(id)}))"


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
