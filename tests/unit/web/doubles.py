"""Doubles of what the web application is given, kept in memory."""

from __future__ import annotations

import hmac
import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from gateway import sdk
from gateway.domain.interactions import state_of
from gateway.domain.mappings import FieldMapping
from gateway.domain.policies import ConnectionPolicy, MatchPolicy
from gateway.ports import AuditLine, DeliveryStatus, NewDelivery, Receipt, StoredDelivery, StoredInteraction, Token
from gateway.telemetry import Metrics
from gateway.usecases.connections import Connection
from gateway.usecases.decisions import Decider, Rules, stored
from gateway.usecases.operations import Role, create_token
from gateway.usecases.sync_operations import SyncOperations
from gateway.web import Services, create_app
from tests.fakes.futures import done
from tests.fakes.store import MemoryStore
from tests.fakes.sync_runs import MemoryRuns
from tests.values import replace

RULES = Rules(FieldMapping("1", ()), MatchPolicy(version="1"), {})
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SECRET = b"signing secret"
PATH = "/webhooks/front-desk"
PAIR = "crm-phonebook"


def sign(body: bytes) -> str:
    return hmac.new(SECRET, body, "sha256").hexdigest()


def signed(body: bytes, **headers: str) -> dict[str, str]:
    return {"X-Signature": sign(body), "Content-Type": "application/json", **headers}


class SignedConnector(sdk.Connector):
    """A platform that signs its bodies, greets by a challenge, and names its deliveries."""

    name = "signed"
    title = "Signed platform"
    settings_schema = sdk.Settings
    kept_headers = ("x-event", "authorization")

    def __init__(self) -> None:
        super().__init__({})
        self.seen: list[sdk.Request] = []

    def verify(self, request: sdk.Request) -> None:
        self.seen.append(request)
        if not hmac.compare_digest(
            sign(request.body).encode(), request.headers.get("x-signature", "").encode("latin-1")
        ):
            raise sdk.UnauthorizedError("The signature does not fit.")
        if request.headers.get("x-stale"):
            raise sdk.UnauthorizedError("Too old.", problem="stale-timestamp")
        if request.headers.get("x-asked-only"):
            raise sdk.UnauthorizedError("This platform is asked.", problem="takes-no-posts")

    def handshake(self, request: sdk.Request) -> sdk.Answer | None:
        challenge = request.headers.get("x-challenge")
        return None if challenge is None else sdk.Answer(body=challenge.encode(), headers={"X-Hook-Secret": "echo"})

    def answer(self, request: sdk.Request) -> sdk.Answer | None:
        words = request.headers.get("x-echo")
        return None if words is None else sdk.Answer(body=words.encode())

    def delivery_key(self, request: sdk.Request) -> str:
        return request.headers.get("x-delivery") or super().delivery_key(request)

    def parse(self, delivery: sdk.Delivery) -> list[sdk.PartialInteraction]:
        if not delivery.body.startswith(b"{"):
            raise sdk.RejectedError("The body is not a JSON object.")
        return []


class FormConnector(SignedConnector):
    name = "form"
    content_types = ("application/x-www-form-urlencoded",)
    accepted_status = 200


class MemoryInbox:
    """Keeps what it is given; `gate` makes it wait, `error` makes it fail."""

    def __init__(self) -> None:
        self.rows: list[NewDelivery] = []
        self.error: Exception | None = None
        self.gate: threading.Event | None = None
        self.entered = threading.Event()
        self.put_down = 0
        self._lock = threading.Lock()
        self._beside = ThreadPoolExecutor()

    def submit(self, deliveries: Sequence[NewDelivery]) -> Future[Sequence[Receipt]]:
        self.entered.set()
        with self._lock:
            self.put_down += 1
        if self.gate is None:
            return done(lambda: [self._put(delivery) for delivery in deliveries])
        return self._beside.submit(self._put_through, self.gate, deliveries)

    def _put_through(self, gate: threading.Event, deliveries: Sequence[NewDelivery]) -> Sequence[Receipt]:
        assert gate.wait(30)
        return [self._put(delivery) for delivery in deliveries]

    def _put(self, delivery: NewDelivery) -> Receipt:
        if self.error is not None:
            raise self.error
        with self._lock:
            for id, row in enumerate(self.rows, 1):
                if (row.connection, row.key) == (delivery.connection, delivery.key):
                    if row.body_hash == delivery.body_hash:
                        return Receipt(id, duplicate=True)
                    self.rows.append(delivery)
                    return Receipt(len(self.rows), conflict=True)
            self.rows.append(delivery)
            return Receipt(len(self.rows))


class MemoryDeliveries:
    def __init__(self) -> None:
        self.rows: dict[int, StoredDelivery] = {}

    def add(self, id: int, **values: Any) -> StoredDelivery:
        usual: dict[str, Any] = {
            "org": "main", "connection": "front-desk", "key": f"k{id}", "content_type": "application/json",
            "headers": {"x-event": "completed"}, "body": b'{"phone": "+14155550123"}', "received_at": NOW,
            "status": DeliveryStatus.FOLDED,
        }  # fmt: skip
        self.rows[id] = StoredDelivery(id=id, **{**usual, **values})
        return self.rows[id]

    def get(self, id: int) -> StoredDelivery | None:
        return self.rows.get(id)

    def list(
        self, *, status: Any = None, connection: Any = None, before: Any = None, limit: int = 50
    ) -> list[StoredDelivery]:
        found = [
            row for id, row in sorted(self.rows.items(), reverse=True)
            if (status is None or row.status is status)
            and (connection is None or row.connection == connection)
            and (before is None or id < before)
        ]  # fmt: skip
        return found[:limit]

    def requeue(self, ids: Any) -> int:
        stuck = [id for id in ids if self.rows[id].status not in {DeliveryStatus.WAITING, DeliveryStatus.FOLDED}]
        for id in stuck:
            self.rows[id] = replace(self.rows[id], status=DeliveryStatus.WAITING, reason=None)
        return len(stuck)

    def counts(self) -> dict[DeliveryStatus, int]:
        return dict(Counter(row.status for row in self.rows.values()))


class MemoryInteractions:
    def __init__(self) -> None:
        self.rows: dict[int, StoredInteraction] = {}
        self.lines: list[AuditLine] = []

    def add(self, id: int, **values: Any) -> StoredInteraction:
        partial = sdk.PartialInteraction(
            id=f"c-{id}", event=sdk.Event.COMPLETED, occurred_at=NOW, channel=sdk.Channel.VOICE,
            parties=(sdk.Party(role="customer", phone="+14155550123", email="casey@example.com", name="Casey"),),
            legs=(sdk.Leg(id="l-1", call_type=sdk.CallType.INBOUND, agent_name="Ada", started_at=NOW),),
            references={"case_number": "00001026"}, attributes={"order": "A-17"},
        )  # fmt: skip
        usual: dict[str, Any] = {
            "org": "main", "connection": "front-desk", "external_id": f"c-{id}", "lane": 0, "state": state_of(partial),
            "ready": True, "version": 1, "written_version": 0, "created_at": NOW, "updated_at": NOW,
        }  # fmt: skip
        self.rows[id] = StoredInteraction(id=id, **{**usual, **values})
        return self.rows[id]

    def get(self, id: int) -> StoredInteraction | None:
        return self.rows.get(id)

    def list(
        self, *, org: Any = None, connection: Any = None, state: Any = None, external_id: Any = None,
        before: Any = None, limit: int = 50,
    ) -> list[StoredInteraction]:  # fmt: skip
        found = [
            row for id, row in sorted(self.rows.items(), reverse=True)
            if (org is None or row.org == org)
            and (connection is None or row.connection == connection)
            and (external_id is None or row.external_id == external_id)
            and (before is None or id < before)
            and (state is None or state == ("parked" if row.parked else (row.match or {}).get("state", "waiting")))
        ]  # fmt: skip
        return found[:limit]

    def choose(self, id: int, chosen: Any, line: AuditLine, lessons: Any) -> None:
        del lessons
        self.rows[id] = replace(self.rows[id], chosen=chosen, version=chosen["version"])
        self.lines.append(line)

    def history(self, id: int) -> list[AuditLine]:
        return [line for line in self.lines if line.interaction_id == id]

    def unpark(self, ids: Any, *, anew: bool = False) -> int:
        parked = [id for id in ids if self.rows[id].parked]
        for id in parked:
            self.rows[id] = replace(self.rows[id], parked=None)
        return len(parked)

    def counts(self) -> dict[str, int]:
        return {"waiting": len(self.rows)}


class MemoryTokens:
    def __init__(self) -> None:
        self.by_digest: dict[str, Token] = {}
        self._ids = itertools.count(1)

    def create(self, name: str, role: str, digest: str, now: datetime) -> Token:
        self.by_digest[digest] = Token(next(self._ids), name, role, now)
        return self.by_digest[digest]

    def find(self, digest: str) -> Token | None:
        token = self.by_digest.get(digest)
        return None if token is None or token.revoked_at else token

    def list(self) -> list[Token]:
        return list(self.by_digest.values())

    def revoke(self, id: int, now: datetime) -> bool:
        for digest, token in self.by_digest.items():
            if token.id == id:
                self.by_digest[digest] = replace(token, revoked_at=now)
                return True
        return False


def _connection(name: str, connector: sdk.Connector, *, org: str = "main", **more: bool) -> Connection:
    return Connection(connector=connector, policy=ConnectionPolicy(name=name, org=org), **more)


class Gateway:
    """The application on doubles."""

    def __init__(self, **services: Any) -> None:
        self.connector = SignedConnector()
        self.inbox = MemoryInbox()
        self.deliveries = MemoryDeliveries()
        self.interactions = MemoryInteractions()
        self.tokens = MemoryTokens()
        self.store = MemoryStore()
        self.links = self.store.links
        self.runs = MemoryRuns(self.links)
        place = SimpleNamespace(name=PAIR, org="main", connection="phonebook", schedule="every 60s")
        syncs = SyncOperations({PAIR: place}, self.links, self.runs, self.store.jobs, lambda: NOW)
        self.metrics = Metrics()
        self.stopping = threading.Event()
        connections = {
            connection.name: connection
            for connection in (
                _connection("front-desk", self.connector),
                _connection("strict", self.connector, strict=True),
                _connection("retired", self.connector, retired=True),
                _connection("forms", FormConnector(), org="sandbox"),
                _connection("büro", self.connector),
            )
        }
        self.services = Services(
            **{
                "connections": connections, "inbox": self.inbox, "deliveries": self.deliveries,
                "interactions": self.interactions, "fetches": self.store.fetches, "tokens": self.tokens, "metrics": self.metrics,
                "syncs": syncs,
                "decider": Decider(stored(self.store.mirror, self.store.choices), RULES),
                "clock": lambda: NOW, "stopping": self.stopping, "orgs": ("main", "spare"),
                "task_link": lambda org, task: f"https://{org}.example.com/{task}", **services,
            }
        )  # fmt: skip
        self.app = create_app(self.services)
        self.client = self.app.test_client()

    def post(self, body: bytes = b"{}", path: str = PATH, **headers: str) -> Any:
        return self.client.post(
            path, data=body, headers=signed(body, **{k.replace("_", "-"): v for k, v in headers.items()})
        )

    def bearer(self, role: Role) -> dict[str, str]:
        _, secret = create_token(self.tokens, f"a {role}", role, NOW)
        return {"Authorization": f"Bearer {secret}"}

    def counted(self, result: str, connection: str = "front-desk") -> float:
        value = self.metrics.registry.get_sample_value(
            "gateway_deliveries_total", {"connection": connection, "result": result}
        )
        return value or 0.0
