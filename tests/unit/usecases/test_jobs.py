"""Jobs: each done by one process at a time, put off when it fails; nothing that a platform tells is lost or doubled."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import sdk
from gateway.domain.policies import ConnectionPolicy
from gateway.errors import ConfigError, RejectedError, RetryableError
from gateway.ports import DeliveryStatus
from gateway.usecases import operations
from gateway.usecases.connections import Connection
from gateway.usecases.interactions import Folding
from gateway.usecases.jobs import LEASE, PAUSE, Duty, Workplace
from gateway.usecases.pulling import works_of
from tests.fakes.inbox import put_one
from tests.fakes.store import MemoryStore
from tests.unit.usecases.desk import START, told

MINUTE = timedelta(minutes=1)
EVERY = 5 * MINUTE


class Killed(BaseException):
    """The process is gone."""


class Calls:
    """A poller of numbered records, two on a page; `on_page` runs before each."""

    name = "calls"
    every = EVERY

    def __init__(self, count: int = 6) -> None:
        self.count = count
        self.asked: list[Any] = []
        self.on_page: Callable[[int], None] = lambda _: None

    def pull(self, cursor: sdk.Cursor | None, now: datetime) -> Iterator[sdk.Page]:
        self.asked.append(cursor)
        for start in range(cursor["next"] if cursor else 0, self.count, 2):
            self.on_page(start)
            records = [pulled(number) for number in range(start, min(start + 2, self.count))]
            yield sdk.Page(records, {"next": start + 2})


def pulled(number: int, **more: Any) -> sdk.Pulled:
    return sdk.Pulled(body=b"record %d" % number, **({"key": f"call:{number}"} | more))


class Numbers:
    """An enricher that says what the test puts under a name."""

    waits: Sequence[timedelta] = (MINUTE, 10 * MINUTE)

    def __init__(self) -> None:
        self.says: dict[str, Any] = {}
        self.asked: list[str] = []

    def fetch(self, name: str, now: datetime) -> Sequence[sdk.Pulled] | None:
        self.asked.append(name)
        said = self.says.get(name)
        if isinstance(said, BaseException):
            raise said
        return said() if callable(said) else said


class Hook:
    """A subscription of an hour."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.lasts = timedelta(hours=1)

    def renew(self, address: str, state: sdk.Cursor | None, now: datetime) -> sdk.Renewal:
        self.asked.append((address, state))
        return sdk.Renewal(now + self.lasts, {"id": len(self.asked)})


class Platform(sdk.Connector):
    """Tells of interactions in `record …`, and names what is to be fetched in `{…}`."""

    name = "platform"
    title = "Platform"

    def __init__(self) -> None:
        super().__init__({})
        self.calls: list[Any] = [Calls()]
        self.numbers: Numbers | None = None
        self.hook: Hook | None = None

    def parse(self, delivery: sdk.Delivery) -> Sequence[sdk.PartialInteraction]:
        return [told(id=delivery.body.decode())] if delivery.body.startswith(b"record") else []

    def pollers(self) -> Sequence[sdk.Poller]:
        return self.calls

    def fetches(self, delivery: sdk.Delivery) -> Sequence[sdk.Fetch]:
        named = json.loads(delivery.body) if delivery.body.startswith(b"{") else {}
        return [sdk.Fetch(name, timedelta(minutes=after)) for name, after in named.items()]

    def enricher(self) -> sdk.Enricher | None:
        return self.numbers

    def subscription(self) -> sdk.Subscription | None:
        return self.hook


class Counting:
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def pulled(self, connection: str, job: str, records: int, new: int) -> None:
        self.counts.update({"records": records, "new": new})

    def failed(self, connection: str, job: str) -> None:
        self.counts["failed"] += 1


class Desk:
    """One connection `desk`, its store, and as many processes as a test starts."""

    def __init__(self, platform: Platform | None = None) -> None:
        self.clock = START
        self.store = MemoryStore()
        self.platform = platform or Platform()
        self.ledger = Counting()
        self.later: list[tuple[datetime, Platform]] = []
        self._processes = 0

    def now(self) -> datetime:
        return self.clock

    @property
    def connection(self) -> Connection:
        policy = ConnectionPolicy(name="desk", org="main")
        return Connection(connector=self.platform, policy=policy, enricher=self.platform.enricher(), later=self.later)

    def process(self) -> list[Duty]:
        """The jobs of a new process."""
        self._processes += 1
        place = Workplace(
            jobs=self.store.jobs, fetches=self.store.fetches, inbox=self.store.inbox, ledger=self.ledger,
            owner=f"process-{self._processes}", now=self.now, chance=lambda: 1.0,
        )  # fmt: skip
        works = works_of({"desk": self.connection}, "https://gw.example.com/")
        return [Duty(connection, work, place) for connection, work in works]

    def job(self, name: str = "calls") -> Any:
        return self.store.jobs.get("desk", name)

    def bodies(self) -> list[bytes]:
        return sorted(row.body for row in self.store.deliveries.list(limit=1000))

    def post(self, **named: int) -> int:
        """A notification that names things, each to be asked for after so many minutes; folded."""
        note = Note(json.dumps(named).encode(), self.clock)
        id = put_one(self.store.inbox, note.delivery()).id
        self.fold()
        return id

    def fold(self) -> None:
        while Folding(
            self.store.deliveries, self.store.interactions, {"desk": self.connection}, self.now
        ).step().total:  # fmt: skip
            pass


class Note:
    def __init__(self, body: bytes, at: datetime) -> None:
        self.body, self.at = body, at

    def delivery(self) -> Any:
        from tests.adapters.storage.examples import delivery  # noqa: PLC0415

        key = f"{self.at.isoformat()} {self.body.decode()}"
        return delivery(key, body=self.body, connection="desk", received_at=self.at)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def records(*numbers: int) -> list[bytes]:
    return [b"record %d" % number for number in numbers]


class TestReading:
    def test_all_pages_are_stored_and_become_interactions(self, desk):
        (duty,) = desk.process()
        duty.step()
        desk.fold()

        assert desk.bodies() == records(*range(6))
        assert len(desk.store.interactions.list()) == 6
        job = desk.job()
        assert (job.cursor, job.records, job.new, job.succeeded_at) == ({"next": 6}, 6, 6, START)
        assert desk.ledger.counts == {"records": 6, "new": 6}

    def test_it_goes_on_from_its_cursor_when_it_is_due_again(self, desk):
        (duty,) = desk.process()
        (poller,) = desk.platform.calls
        duty.step()
        poller.count = 8
        desk.clock += EVERY - MINUTE
        duty.step()
        assert poller.asked == [None]

        desk.clock += MINUTE
        duty.step()
        assert poller.asked == [None, {"next": 6}]
        assert desk.bodies() == records(*range(8))
        assert (desk.job().records, desk.job().new) == (2, 2)

    def test_what_was_there_before_is_not_new(self, desk):
        (duty,) = desk.process()
        duty.step()
        desk.store.jobs.rewind("desk", "calls", {"next": 2}, desk.clock)
        duty.step()

        assert desk.bodies() == records(*range(6))
        assert (desk.job().records, desk.job().new) == (4, 0)
        assert {row.repeats for row in desk.store.deliveries.list()} == {0}
        assert desk.ledger.counts == {"records": 10, "new": 6}

    def test_the_cursor_is_kept_only_when_all_of_the_page_is_durable(self, desk):
        (duty,) = desk.process()
        put_all, desk.store.inbox.put_all = desk.store.inbox.put_all, None

        def refuse_the_second(deliveries):
            if deliveries[0].key == "call:2":
                raise RetryableError("Full.")
            return put_all(deliveries)

        desk.store.inbox.put_all = refuse_the_second
        duty.step()

        assert desk.job().cursor == {"next": 2}
        assert desk.job().problem == "Full."
        assert desk.bodies() == records(0, 1)

    def test_a_record_is_stored_like_what_is_posted(self, desk):
        poller = desk.platform.calls[0]
        told = [
            sdk.Pulled(
                body=b"record 1", content_type="text/plain", headers={"x-kind": "a\x00b", "authorization": "Bearer t"}
            ),
            sdk.Pulled(body=b"record 1"),
            sdk.Pulled(body=b"record 2", key="k" * 500),
        ]
        poller.pull = lambda cursor, now: iter([sdk.Page(told)])
        (duty,) = desk.process()
        duty.step()

        second, first = desk.store.deliveries.list()
        assert (first.org, first.connection, first.content_type, first.headers) == (
            "main",
            "desk",
            "text/plain",
            {"x-kind": "ab"},
        )
        assert first.key.startswith("sha256:")
        assert (second.body, len(second.key)) == (b"record 2", 71)
        assert (desk.job().records, desk.job().new, desk.job().cursor) == (3, 2, None)

    def test_nobody_reads_what_another_process_is_reading(self, desk):
        (one,), (other,) = desk.process(), desk.process()
        poller = desk.platform.calls[0]
        poller.on_page = lambda start: other.step()
        one.step()

        assert poller.asked == [None]

    def test_a_long_reading_stays_in_one_hand(self, desk):
        (one,), (other,) = desk.process(), desk.process()
        poller = desk.platform.calls[0]

        def take_time(start):
            desk.clock += LEASE - MINUTE
            other.step()

        poller.on_page = take_time
        one.step()
        assert poller.asked == [None]
        assert desk.job().cursor == {"next": 6}

    def test_what_a_killed_process_was_reading_is_read_on_by_another(self, desk):
        (one,), (other,) = desk.process(), desk.process()
        poller = desk.platform.calls[0]
        poller.on_page = lambda start: kill() if start == 4 else None
        with pytest.raises(Killed):
            one.step()
        poller.on_page = lambda start: None

        desk.clock += LEASE - MINUTE
        other.step()
        assert poller.asked == [None]
        desk.clock += MINUTE
        other.step()
        assert poller.asked == [None, {"next": 4}]
        assert desk.bodies() == records(*range(6))

    def test_a_process_that_ends_keeps_what_came_and_leaves_the_rest_to_the_next(self, desk):
        (one,), (other,) = desk.process(), desk.process()
        poller = desk.platform.calls[0]
        poller.on_page = lambda start: one.stop() if start == 2 else None
        one.step()
        assert desk.bodies() == records(*range(4))
        assert (desk.job().cursor, desk.job().problem, desk.job().failures) == ({"next": 4}, None, 0)

        other.step()
        assert poller.asked == [None, {"next": 4}]
        assert desk.bodies() == records(*range(6))

    def test_who_rewinds_it_takes_it_from_whoever_reads(self, desk):
        (one,), (other,) = desk.process(), desk.process()
        poller = desk.platform.calls[0]
        poller.on_page = lambda start: (
            desk.store.jobs.rewind("desk", "calls", {"next": 1}, desk.clock) if start == 2 else None
        )
        one.step()
        assert desk.job().cursor == {"next": 1}
        assert desk.job().problem is None

        poller.on_page = lambda start: None
        other.step()
        assert poller.asked == [None, {"next": 1}]


def kill() -> None:
    raise Killed


class TestFailing:
    def test_what_may_pass_is_tried_again_later_each_time(self, desk):
        (duty,) = desk.process()
        poller = desk.platform.calls[0]
        poller.on_page = lambda start: fail(RetryableError("The platform answers 503."))
        waits = []
        for _ in range(12):
            duty.step()
            waits.append((desk.job().due_at - desk.clock).total_seconds())
            desk.clock = desk.job().due_at

        assert waits[:4] == [1, 2, 4, 8]
        assert waits == sorted(waits)
        assert waits[-1] == 60
        assert (desk.job().failures, desk.job().is_paused) == (12, False)
        assert desk.job().problem == "The platform answers 503."
        assert desk.ledger.counts["failed"] == 12

        poller.on_page = lambda start: None
        duty.step()
        assert (desk.job().failures, desk.job().problem) == (0, None)

    def test_the_platform_says_how_long_it_wants_to_be_left_alone(self, desk):
        (duty,) = desk.process()
        desk.platform.calls[0].on_page = lambda start: fail(RetryableError("Too often.", after=3600))
        duty.step()

        assert desk.job().due_at == desk.clock + timedelta(hours=1)
        (again,) = desk.process()
        again.step()
        assert len(desk.platform.calls[0].asked) == 1

    def test_nobody_is_left_alone_for_longer_than_an_hour(self, desk):
        """Some put a moment where seconds belong."""
        (duty,) = desk.process()
        desk.platform.calls[0].on_page = lambda start: fail(RetryableError("Too often.", after=1e15))
        duty.step()

        assert desk.job().due_at == desk.clock + timedelta(hours=1)

    def test_a_clock_that_was_ahead_puts_nothing_off(self, desk):
        (duty,) = desk.process()
        right = desk.clock
        desk.clock = right + timedelta(days=365)
        duty.step()
        desk.clock = right + MINUTE
        duty.step()

        assert len(desk.platform.calls[0].asked) == 2
        assert desk.job().due_at < desk.clock + timedelta(hours=1)

    @pytest.mark.parametrize("error", [ConfigError("Mend the token."), RejectedError("Mend the token.")])
    def test_what_a_person_has_to_change_pauses_it(self, desk, error):
        (duty,) = desk.process()
        poller = desk.platform.calls[0]
        poller.on_page = lambda start: fail(error)
        duty.step()
        assert (desk.job().is_paused, desk.job().problem) == (True, "Mend the token.")

        desk.clock += PAUSE - MINUTE
        duty.step()
        assert len(poller.asked) == 1
        desk.clock += MINUTE
        duty.step()
        assert len(poller.asked) == 2

        (restarted,) = desk.process()
        restarted.step()
        restarted.step()
        assert len(poller.asked) == 3

        poller.on_page = lambda start: None
        desk.store.jobs.demand("desk", "calls", desk.clock)
        duty.step()
        assert (desk.job().is_paused, desk.job().problem, desk.job().cursor) == (False, None, {"next": 6})

    def test_a_defect_is_told_as_one_and_tried_again(self, desk):
        (duty,) = desk.process()
        desk.platform.calls[0].on_page = lambda start: fail(KeyError("+14155550123"))
        duty.step()

        assert desk.job().problem == "The connector platform failed (KeyError); this is its defect."
        assert desk.job().due_at == desk.clock + timedelta(seconds=1)

    def test_what_came_before_a_failure_is_kept(self, desk):
        (duty,) = desk.process()
        poller = desk.platform.calls[0]
        poller.on_page = lambda start: fail(RetryableError("Down.")) if start == 4 else None
        duty.step()
        assert (desk.job().cursor, desk.job().new) == ({"next": 4}, 4)
        assert desk.bodies() == records(*range(4))


def fail(error: Exception) -> None:
    raise error


KINDS = st.sampled_from([None, None, Killed, ConfigError, RetryableError])


@given(pages=st.lists(KINDS, max_size=12), stores=st.lists(st.booleans(), max_size=12), overlap=st.integers(0, 3))
def test_whatever_goes_wrong_each_record_is_stored_once(pages, stores, overlap):
    desk = Desk()
    poller = desk.platform.calls[0]
    reading = poller.pull
    poller.pull = lambda cursor, now: reading(cursor and {"next": max(0, cursor["next"] - overlap)}, now)
    poller.on_page = lambda start: strike(pages.pop() if pages else None)
    store = desk.store.jobs.store

    def store_or_not(*args: Any, **more: Any) -> Any:
        strike(Killed if stores and stores.pop() else None)
        return store(*args, **more)

    desk.store.jobs.store = store_or_not
    for _ in range(30):
        (duty,) = desk.process()
        with contextlib.suppress(Killed):
            duty.step()
        desk.clock += PAUSE
    assert desk.bodies() == records(*range(6))
    assert desk.job().problem is None


def strike(kind: type[BaseException] | None) -> None:
    if kind is not None:
        raise kind("Struck.")


@pytest.fixture
def asking() -> Desk:
    """A desk whose platform is asked for what notifications name, and for nothing else."""
    platform = Platform()
    platform.calls, platform.numbers = [], Numbers()
    return Desk(platform)


class TestFetching:
    def test_what_a_notification_names_is_asked_for_when_its_time_has_come(self, asking):
        (duty,) = asking.process()
        numbers = asking.platform.numbers
        numbers.says["call-1"] = [pulled(1), pulled(2)]
        id = asking.post(**{"call-1": 2})
        duty.step()
        asking.clock += 2 * MINUTE - timedelta(seconds=1)
        duty.step()
        assert numbers.asked == []

        asking.clock += timedelta(seconds=1)
        duty.step()
        asking.fold()
        assert numbers.asked == ["call-1"]
        assert asking.store.deliveries.get(id).status is DeliveryStatus.FOLDED
        assert {row.external_id for row in asking.store.interactions.list()} == {"record 1", "record 2"}
        assert asking.store.fetches.counts() == {}
        assert (asking.job("fetches").records, asking.job("fetches").new) == (2, 2)

        asking.clock += MINUTE
        duty.step()
        assert numbers.asked == ["call-1"]

    def test_what_the_platform_does_not_know_yet_is_asked_for_again_and_then_given_up(self, asking):
        (duty,) = asking.process()
        asking.post(**{"call-1": 0})
        duty.step()
        asked_at = []
        for minute in range(30):
            before = len(asking.platform.numbers.asked)
            duty.step()
            if len(asking.platform.numbers.asked) > before:
                asked_at.append(minute)
            asking.clock += MINUTE

        assert asked_at == [1, 11]
        (given_up,) = asking.store.fetches.given_up()
        assert (given_up.name, given_up.reason) == (
            "call-1",
            "The platform does not know it; it was asked for 3 times.",
        )

        asking.platform.numbers.says["call-1"] = [pulled(1)]
        assert operations.ask_again(asking.store.fetches, given_up.id, asking.clock) is operations.Again.QUEUED
        assert operations.ask_again(asking.store.fetches, 99, asking.clock) is operations.Again.UNKNOWN
        duty.step()
        assert records(1)[0] in asking.bodies()

    def test_nothing_to_tell_is_an_answer(self, asking):
        (duty,) = asking.process()
        asking.platform.numbers.says["call-1"] = []
        asking.post(**{"call-1": 0})
        duty.step()
        assert asking.store.fetches.counts() == {}

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (RejectedError("The platform does not know it (404)."), "The platform does not know it (404)."),
            (KeyError("secret"), "The connector platform failed on it (KeyError); this is its defect."),
            ([pulled(2), "no record"], "The connector platform failed on it (AttributeError); this is its defect."),
            ([sdk.Pulled(body="text")], "The connector platform failed on it (TypeError); this is its defect."),
        ],
    )
    def test_what_never_comes_is_given_up_and_the_others_are_asked_for(self, asking, error, reason):
        (duty,) = asking.process()
        asking.platform.numbers.says |= {"bad": error, "good": [pulled(1)]}
        asking.post(bad=0, good=0)
        duty.step()

        assert [(one.name, one.reason) for one in asking.store.fetches.given_up()] == [("bad", reason)]
        assert records(1)[0] in asking.bodies()
        assert asking.job("fetches").problem is None
        assert operations.ask_again_for_all(asking.store.fetches, asking.clock, connection="desk") == 1
        assert asking.store.fetches.counts()["desk"] == {"waiting": 1, "given_up": 0}

    def test_one_on_which_the_platform_fails_does_not_stand_before_the_others(self, asking):
        (duty,) = asking.process()
        asking.platform.numbers.says |= {"bad": RetryableError("500"), "good": [pulled(1)]}
        asking.post(bad=0, good=0)
        duty.step()
        assert asking.job("fetches").problem == "500"
        asking.clock = asking.job("fetches").due_at
        duty.step()

        assert asking.platform.numbers.asked == ["bad", "good"]
        assert asking.job("fetches").problem is None
        assert asking.store.fetches.counts()["desk"] == {"waiting": 1, "given_up": 0}
        asking.clock += MINUTE
        asking.platform.numbers.says["bad"] = [pulled(2)]
        duty.step()
        assert asking.store.fetches.counts() == {}

    def test_refused_credentials_pause_all_and_give_up_nothing(self, asking):
        (duty,) = asking.process()
        asking.platform.numbers.says |= {"a": ConfigError("Mend it."), "b": ConfigError("Mend it.")}
        asking.post(a=0, b=0)
        duty.step()
        duty.step()

        assert asking.platform.numbers.asked == ["a"]
        assert asking.job("fetches").is_paused
        assert asking.store.fetches.counts()["desk"] == {"waiting": 2, "given_up": 0}

    def test_nothing_is_asked_for_by_two_processes_at_once(self, asking):
        (one,), (other,) = asking.process(), asking.process()

        def answer():
            other.step()
            return [pulled(1)]

        asking.platform.numbers.says["call-1"] = answer
        asking.post(**{"call-1": 0})
        one.step()
        assert asking.platform.numbers.asked == ["call-1"]

    def test_long_asking_stays_in_one_hand(self, asking):
        (one,), (other,) = asking.process(), asking.process()
        asking.platform.numbers.waits = (timedelta(days=1),)

        def take_time():
            asking.clock += LEASE / 2 + MINUTE
            other.step()

        asking.platform.numbers.says = dict.fromkeys("abcd", take_time)
        asking.post(a=0, b=0, c=0, d=0)
        one.step()
        assert asking.platform.numbers.asked == ["a", "b", "c", "d"]

    def test_what_was_named_again_while_it_was_asked_for_is_asked_for_again(self, asking):
        (duty,) = asking.process()

        def answer():
            asking.clock += MINUTE
            if len(asking.platform.numbers.asked) == 1:
                asking.post(**{"call-1": 0})
            return [pulled(1)]

        asking.platform.numbers.says["call-1"] = answer
        asking.post(**{"call-1": 0})
        duty.step()
        assert asking.platform.numbers.asked == ["call-1", "call-1"]

    def test_a_process_that_ends_asks_for_nothing_more(self, asking):
        (one,), (other,) = asking.process(), asking.process()
        asking.platform.numbers.says |= {name: lambda: one.stop() or [pulled(1)] for name in "ab"}
        asking.post(a=0, b=0)
        one.step()
        assert asking.platform.numbers.asked == ["a"]
        other.step()
        assert asking.platform.numbers.asked == ["a", "b"]

    def test_without_an_enricher_nothing_is_kept(self, asking):
        asking.platform.numbers = None
        id = asking.post(**{"call-1": 0})

        assert asking.store.fetches.counts() == {}
        assert asking.store.deliveries.get(id).status is DeliveryStatus.IGNORED

    @pytest.mark.parametrize("name", ["", "x" * 301, "a\x00b"])
    def test_a_name_that_cannot_be_kept_parks_the_delivery(self, asking, name):
        id = asking.post(**{name: 0})
        assert asking.store.deliveries.get(id).status is DeliveryStatus.PARKED
        assert "by an id" in asking.store.deliveries.get(id).reason


class TestSubscribing:
    @pytest.fixture
    def hooked(self) -> Desk:
        platform = Platform()
        platform.calls, platform.hook = [], Hook()
        return Desk(platform)

    def test_it_is_renewed_well_before_it_ends(self, hooked):
        (duty,) = hooked.process()
        duty.step()
        hooked.clock += 40 * MINUTE - timedelta(seconds=1)
        duty.step()
        assert hooked.platform.hook.asked == [("https://gw.example.com/webhooks/desk", None)]

        hooked.clock += timedelta(seconds=1)
        duty.step()
        assert hooked.platform.hook.asked[1:] == [("https://gw.example.com/webhooks/desk", {"id": 1})]

    def test_a_process_that_starts_renews_it(self, hooked):
        for _ in range(2):
            (duty,) = hooked.process()
            duty.step()
            duty.step()
        assert [state for _, state in hooked.platform.hook.asked] == [None, {"id": 1}]

    def test_the_platform_is_told_of_the_secrets_that_are_left_once_one_has_ended(self, hooked):
        left = Platform()
        left.calls, left.hook = [], Hook()
        hooked.later = [(hooked.clock + 30 * MINUTE, left)]
        (duty,) = hooked.process()
        duty.step()
        hooked.clock += 30 * MINUTE - timedelta(seconds=1)
        duty.step()
        assert (len(hooked.platform.hook.asked), left.hook.asked) == (1, [])

        hooked.clock += timedelta(seconds=1)
        duty.step()
        hooked.clock += 40 * MINUTE
        duty.step()
        assert (len(hooked.platform.hook.asked), len(left.hook.asked)) == (1, 2)

    def test_one_that_has_ended_already_is_no_success(self, hooked):
        hooked.platform.hook.lasts = timedelta(0)
        (duty,) = hooked.process()
        duty.step()
        assert "ended already" in hooked.job("subscription").problem

    def test_without_our_address_it_is_a_mistake_in_the_settings(self, hooked):
        with pytest.raises(ConfigError, match="public_url is missing: the connection desk tells"):
            works_of({"desk": hooked.connection}, None)


def test_two_jobs_of_one_name_are_a_mistake(desk):
    desk.platform.calls = [Calls(), Calls()]
    with pytest.raises(ConfigError, match="connections.desk: its connector has several jobs called calls"):
        works_of({"desk": desk.connection}, None)


def test_a_retired_connection_has_no_jobs(desk):
    policy = ConnectionPolicy(name="desk", org="main")
    assert works_of({"desk": Connection(connector=desk.platform, policy=policy, retired=True)}, None) == []
