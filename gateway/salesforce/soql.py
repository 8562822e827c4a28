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
    for chunk in _chunks([(field, quoted(key)) for key in keys], LONGEST - len(start) - len(end)):
        yield f"{start}{','.join(literal for _, literal in chunk)}{end}"


def record_types(kind: str, name: str) -> str:
    """The active record type of that developer name."""
    where = f"SobjectType = {quoted(kind)} AND DeveloperName = {quoted(name)} AND IsActive = true"
    return f"SELECT Id FROM RecordType WHERE {where}"  # noqa: S608 (quoted)


def changes(kind: str, columns: Sequence[str], at: str = "", id: str = "", only: str = "") -> str:
    """The next page of rows after one row in the order of (SystemModstamp, Id); all of that moment if `id` is empty.

    `only` is a condition that they fulfil besides.
    """
    return f"{rows_after(kind, columns, at, id, only)}{_ORDER}"


def rows_after(kind: str, columns: Sequence[str], at: str, id: str, only: str) -> str:
    """The same rows in any order, however many."""
    conditions = [condition for condition in (_after(at, id), only) if condition]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(columns)} FROM {kind}{where}"  # noqa: S608 (names of code and describe)


def worth_loading(kind: str, columns: Sequence[str], began: str, closed_cases_days: int) -> str:
    """What a first load reads: neither cases closed long ago nor relations that the contact itself shows.

    It leaves out what was deleted before it `began`, unless another record took its place.
    """
    standing = ["IsDeleted = false"] if "IsDeleted" in columns else []
    if kind == "AccountContactRelation" and "IsDirect" in columns:
        standing.append("IsDirect = false")
    if kind == "Case" and {"IsClosed", "ClosedDate"}.issubset(columns):
        recently = f" OR ClosedDate >= LAST_N_DAYS:{closed_cases_days}" if closed_cases_days else ""
        standing.append(f"(IsClosed = false{recently})")
    if not standing:
        return ""
    worth = [" AND ".join(standing)]
    worth += ["MasterRecordId != null"] if "MasterRecordId" in columns else []
    worth += [f"SystemModstamp >= {began}"] if began else []
    if len(standing) > 1 and len(worth) > 1:
        worth[0] = f"({worth[0]})"
    return f"({' OR '.join(worth)})"


def having(kind: str, columns: Sequence[str], values: Sequence[tuple[str, str]], only: str = "") -> Iterator[str]:
    """Records of which a field is one of the (field, text) values, in as few statements as the length allows."""
    start, end = _start(kind, columns, only), ")"
    named = sum(len(f" OR {field} IN ()") for field in {field for field, _ in values})
    for chunk in _chunks([(field, quoted(text)) for field, text in values], LONGEST - len(start) - len(end) - named):
        texts: dict[str, list[str]] = {}
        for field, literal in chunk:
            texts.setdefault(field, []).append(literal)
        yield start + " OR ".join(f"{field} IN ({','.join(texts[field])})" for field in texts) + end


def touched(kind: str, columns: Sequence[str], parent: str, at: str, after: str) -> str:
    """The next page, by id, of those of which what they belong to has changed since."""
    where = f"{parent}.SystemModstamp >= {at} AND Id > {quoted(after)}" if after else f"{parent}.SystemModstamp >= {at}"
    return f"{rows_after(kind, columns, '', '', where)} ORDER BY Id ASC LIMIT {PAGE}"


def with_ids(kind: str, columns: Sequence[str], ids: Collection[str]) -> str:
    """The records with these ids, deleted ones too."""
    return rows_after(kind, columns, "", "", f"Id IN ({','.join(map(quoted, ids))})")


def count(kind: str, only: str) -> str:
    """How many records fulfil a condition, as `n`."""
    return f"SELECT COUNT(Id) n FROM {kind} WHERE {only}"  # noqa: S608 (names and conditions of code)


def like(kind: str, columns: Sequence[str], patterns: Sequence[tuple[str, str]], most: int) -> Iterator[str]:
    """Up to a page of records of which a field is like one of the (field, pattern) pairs, so many in one statement."""
    start = _start(kind, columns, "")
    for first in range(0, len(patterns), most):
        parts = [f"{field} LIKE '{pattern}'" for field, pattern in patterns[first : first + most]]
        yield f"{start}{' OR '.join(parts)}) LIMIT {PAGE}"


def literally(text: str) -> str:
    """A text as part of a pattern, where it stands for itself."""
    return quoted(text)[1:-1].replace("_", r"\_").replace("%", r"\%")


def _start(kind: str, columns: Sequence[str], only: str) -> str:
    conditions = [only] if only else []
    if "MasterRecordId" in columns:
        conditions.append("(IsDeleted = false OR MasterRecordId != null)")
    elif "IsDeleted" in columns:
        conditions.append("IsDeleted = false")
    return f"SELECT {', '.join(columns)} FROM {kind} WHERE {' AND '.join([*conditions, '('])}"  # noqa: S608 (as above)


def _after(at: str, id: str) -> str:
    if not id:
        return f"SystemModstamp >= {at}" if at else ""
    return f"((SystemModstamp > {at}) OR (SystemModstamp = {at} AND Id > {quoted(id)}))"


_ORDER = f" ORDER BY SystemModstamp ASC, Id ASC LIMIT {PAGE}"


def _chunks(values: Iterable[tuple[str, str]], room: int) -> Iterator[list[tuple[str, str]]]:
    """The values, as many at a time as their literals have room for."""
    chunk: list[tuple[str, str]] = []
    used = 0
    for field, literal in values:
        if chunk and used + len(literal) + 1 > room:
            yield chunk
            chunk, used = [], 0
        chunk.append((field, literal))
        used += len(literal) + 1
    if chunk:
        yield chunk
