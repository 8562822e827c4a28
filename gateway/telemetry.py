"""Logs without personal data, and metrics.

Every log line, ours and the libraries', goes through one redaction, tracebacks included. Metrics live on a registry of
their own; labels are names from the configuration and fixed words, never anything that came in from outside.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import Field, dataclass, field, fields
from datetime import date, datetime, time, timedelta
from enum import Enum, StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily

log = logging.getLogger(__name__)

MASK = "[redacted]"

PERSONAL_WORDS = frozenset({
    "address", "body", "caller", "contact", "contacts", "customer", "description", "email", "emails", "firstname",
    "from", "fullname", "handle", "handles", "lastname", "mail", "mobile", "name", "names", "note", "notes", "parties",
    "party", "phone", "phones", "subject", "text", "to", "transcript", "who",
})  # fmt: skip
"""A key with one of these among its words holds a person's data, whatever its value looks like."""

SECRET_WORDS = frozenset({
    "apikey", "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "passphrase", "passwd",
    "password", "private", "secret", "secrets", "session", "signature", "token", "tokens",
})  # fmt: skip
"""A key with one of these among its words would let somebody in."""

PLAIN_KEYS = frozenset({
    "bytes", "count", "created", "delivery", "elapsed", "epoch", "id", "interaction", "lane", "limit", "parked", "port",
    "retried", "seconds", "unchanged", "updated", "used", "version",
})  # fmt: skip
"""Keys whose numbers are ours and stay readable; text under them is searched like any other."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

_SECRET_TEXT = re.compile(
    r"""(?ix)
    \b(?:bearer|basic)\s+[^\s"',;]+                              # Authorization values
    | \bgw_[\w-]{16,}                                            # our own API tokens
    | \beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?                           # JSON web tokens
    | \b00D[a-z0-9]{12,15}![\w.]+                                # Salesforce sessions
    | (?<=://)[^/\s:@]*:[^/\s]*@                                 # user and password in a URL
    | \b(?:client_secret|password|token|secret|signature|api_?key)["']?\s*[=:]\s*["']?[^\s"'&,;}]+
    """
)

_EMAIL = re.compile(
    r"""(?i)(?:"[^"\n]{0,254}"|[^\s@<>"'(),:;=\[\]{}|\\]{1,254})(?:@|%40)\[?[^\s@<>"'(),;=\[\]{}|\\]+"""
)

_NUMBER = re.compile(
    r"""(?x)
    (?P<keep>
        (?<![\w.+-])0\.\d+(?![\w.-])
      | (?<![\w-])\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\w-])
      | (?<![\w-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![\w-])
      | (?<!\w)(?=\w*[a-f])[0-9a-f]{32,128}(?!\w)
      | (?<!\w)(?=\w*[A-Za-z])(?:00[0-9A-Z]|500|701|a0[0-9A-Za-z])0?[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?(?!\w)
    )
    | \+?[(]?\d(?:[\s().\-/\u00a0\u2010-\u2015]{0,3}\d){6,}
    """
)
"""Runs of seven digits or more, however grouped; but fractions, times, UUIDs, digests and Salesforce ids are kept."""


def redact(text: str) -> str:
    """`text` with everything masked that looks like a secret, an e-mail address or a phone number."""
    text = _SECRET_TEXT.sub(MASK, text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(MASK, text)
    return _NUMBER.sub(lambda found: found["keep"] or MASK, text)


def redact_value(key: str, value: Any) -> Any:
    """`value` as it may be logged under `key`: plain JSON types, nested ones searched too."""
    if value is None or isinstance(value, bool):
        return value
    if _is_private(key):
        return MASK
    if isinstance(value, int | float):
        return value if key in PLAIN_KEYS or not _may_be_phone(value) else MASK
    return _redact_nested(key, value)


def _may_be_phone(value: float) -> bool:
    return abs(value) >= 1_000_000 and value % 1 == 0


def _redact_nested(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {redact(str(inner)): redact_value(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(key, item) for item in value]
    if isinstance(value, datetime | date | time | timedelta):
        return str(value)
    return redact(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else repr(value)


def _is_private(key: str) -> bool:
    words = {word.lower() for word in _WORDS.findall(key)}
    return not (PERSONAL_WORDS | SECRET_WORDS).isdisjoint(words)


_OURS = frozenset({"level", "logger", "timestamp"})


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: value if key in _OURS else redact_value(key, value) for key, value in event.items()}


def configure(level: str = "INFO", *, json: bool | None = None) -> None:
    """Send all logs of this process to stderr, redacted; JSON unless a person sits at the terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    _route_standard_logs(shared, level, as_json=as_json)


def _route_standard_logs(shared: list[Any], level: str, *, as_json: bool) -> None:
    text = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: Any = structlog.processors.JSONRenderer() if as_json else text
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, renderer],
    )
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(level.upper())
    # What logging tells of its own failures would not be redacted.
    logging.raiseExceptions = False
    # Says once per request that requests queue; the acknowledgement histogram shows it without a flood.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    # Tells every plug-in that it loads, at each start.
    logging.getLogger("alembic").setLevel(logging.WARNING)


class Sampler:
    """Lets one log line per subject and interval through, so that a flood of refusals is not a flood of logs."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def due(self, subject: str) -> int | None:
        """How many lines about the subject were held back since the last one; None: hold this one back too."""
        now = self._clock()
        with self._lock:
            if subject in self._last and now - self._last[subject] < self._seconds:
                self._held[subject] = self._held.get(subject, 0) + 1
                return None
            self._last[subject] = now
            return self._held.pop(subject, 0)


class Taken(StrEnum):
    """What became of a request to a connection's inlet."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    HANDSHAKE = "handshake"
    UNAUTHORIZED = "unauthorized"
    STALE = "stale"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"
    MALFORMED = "malformed"
    REJECTED = "rejected"
    METHOD = "method"
    CLOSED = "closed"
    UNAVAILABLE = "unavailable"


Counts = Callable[[], Mapping[Any, int]]


def _gauge(about: str) -> Any:
    return field(default=None, metadata={"about": about})


_ACK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LAG_SECONDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)


class Metrics:
    """All metrics of one process, on `registry`."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # A second series beside each counter, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry or CollectorRegistry()
        self.deliveries = self._counter(
            "deliveries", "Requests to an inlet, by what became of them.", "connection", "result"
        )
        self.ack_seconds = self._histogram("ack_seconds", "From request to durable answer.", _ACK_SECONDS, "connection")
        self.parsed = self._counter("parsed", "Deliveries parsed: folded, ignored or parked.", "result")
        self.lag_seconds = self._histogram("lag_seconds", "From receipt to the written Task.", _LAG_SECONDS, "org")
        self.tasks = self._counter("tasks", "Tasks created, updated, or found unchanged.", "org", "result")
        self.retries = self._counter("retries", "Records to be tried again later.", "org")
        self.parked = self._counter("parked", "Records given up until a person looks.", "org")
        self.pulled = self._counter(
            "pulled", "Records that platforms told when asked: new, or known already.", "connection", "job", "result"
        )
        self.job_failures = self._counter("job_failures", "Jobs that could not be done.", "connection", "job")
        self.calls = self._counter("salesforce_calls", "Salesforce API calls.", "org", "resource")
        self._gauge("build", "The running version, always 1.", "version").labels(running_version()).set(1)

    def watch(self, *, deliveries: Counts | None = None, interactions: Counts | None = None) -> None:
        """Add what waits in the store, read whenever somebody asks for the metrics."""
        self.registry.register(_Backlog(deliveries=deliveries, interactions=interactions))

    def watch_orgs(self, read: Callable[[], Mapping[str, OrgGauges]]) -> None:
        """Add how each org is, likewise."""
        self.registry.register(_Orgs(read))

    def taken(self, connection: str) -> Mapping[Taken, Callable[[], None]]:
        """The counters of one connection's inlet, looked up once."""
        return {result: self.deliveries.labels(connection, result.value).inc for result in Taken}

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"gateway_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"gateway_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"gateway_{name}", about, labels, buckets=buckets, registry=self.registry)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgGauges:
    """How an org is, in numbers; what is None is left out of the metrics."""

    salesforce_allowance_used: float | None = _gauge("API calls of the org's day that are used up, by all who use it.")
    salesforce_allowance_limit: float | None = _gauge("API calls that the org has a day.")
    salesforce_allowance_reserve: float | None = _gauge("API calls that are kept for interactions and wrap-up.")
    salesforce_allowance_exhausted_seconds: float | None = _gauge(
        "Until no API calls are left, if it goes on so; absent where that is not within a day."
    )
    salesforce_calls_under_way: float | None = _gauge("API calls that wait for their answers.")
    gathering_seconds: float | None = _gauge("How long a partial batch gathers, so that the allowance holds out.")
    paused: float | None = _gauge("1 while the org cannot be written to and its interactions wait.")
    paused_seconds: float | None = _gauge("Until the org is tried again.")


class _Orgs:
    """One gauge for each field of OrgGauges, labelled by org."""

    def __init__(self, read: Callable[[], Mapping[str, OrgGauges]]) -> None:
        self._read = read

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Their names, without asking for values."""
        return (self._family(gauge) for gauge in fields(OrgGauges))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Their values now."""
        orgs = self._read()
        for gauge in fields(OrgGauges):
            family = self._family(gauge)
            for org, gauges in orgs.items():
                value = getattr(gauges, gauge.name)
                if value is not None:
                    family.add_metric([org], value)
            yield family

    @staticmethod
    def _family(gauge: Field[Any]) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"gateway_{gauge.name}", gauge.metadata["about"], labels=["org"])


class _Backlog:
    """Gauges that cost nothing until they are scraped; a store that cannot answer leaves its gauge out."""

    def __init__(self, **sources: Counts | None) -> None:
        self._sources = {name: count for name, count in sources.items() if count is not None}

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Their names, without asking the store."""
        return (self._family(name) for name in self._sources)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Their values now."""
        for name, count in self._sources.items():
            family = self._family(name)
            try:
                counts = count()
            except Exception:  # the other metrics matter most when the store is down
                log.exception("The store could not count its %s.", name)
                continue
            for status, number in counts.items():
                family.add_metric([_label(status)], number)
            yield family

    @staticmethod
    def _family(name: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"gateway_stored_{name}", f"How many {name} stand where.", labels=["state"])


def _label(status: Any) -> str:
    return status.name.lower() if isinstance(status, Enum) and not isinstance(status, str) else str(status)


def running_version() -> str:
    """The installed version of the gateway."""
    try:
        return version("crm-gateway")
    except PackageNotFoundError:
        return "unknown"
