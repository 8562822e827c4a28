"""The embedded engine: one thread folds deliveries, one per lane of each org writes Tasks.

Hints wake the threads; the tables say what there is to do, so that a lost hint costs a second at most and nothing else.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from gateway.domain.allowance import Outlook
from gateway.domain.retries import delay
from gateway.engine.pacing import Flow, gathering
from gateway.errors import ConfigError, GatewayError, RetryableError
from gateway.ports import Backlog, DeliveryStatus, Interactions
from gateway.usecases.interactions import LANES, Folding
from gateway.usecases.tasks import BATCH, FRESH, TaskWriter

SWEEP_SECONDS = 1.0
"""How long a lost hint can delay work."""

CONFIG_PAUSE_SECONDS = 30.0
"""How often an org whose settings must be changed is tried again."""

FOLDED_AT_ONCE = 200
"""Most deliveries in one commit: more gain nothing, and senders wait for it."""

GATHERING_SECONDS = 0.1
"""How long deliveries gather at the most before the next are folded, so that many share a commit."""

MANY_FOLDED = 20
"""So many at once are worth the whole of it, a few only their part."""

PARTIAL_BATCH_SECONDS = 5.0
"""How long a batch waits at the most to be full; where little is being folded, it waits for nothing."""

FOLDING_SECONDS = 1.0
"""Over what time it is seen how fast deliveries are folded: a backlog is one from its first second on."""

FLOW_SECONDS = 60.0
"""Over what time it is seen how fast interactions are written: the allowance is for a day, so that haste is no help."""

log = structlog.get_logger(__name__)


class Hint:
    """Wakes every waiting thread; each wait returns at once if the hint came since the waiter last looked."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def give(self) -> None:
        """Wake everybody."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> int:
        """Return the count of hints once it is past `seen`, or after the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._count > seen, seconds)
            return self._count


@dataclass(slots=True)
class Pause:
    """Why and until when an org is left alone; shared by its lanes."""

    problem: str | None = None
    failures: int = 0
    until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, error: GatewayError) -> None:
        """Leave the org alone for a while: longer each time, and at least as long as the error asks."""
        with self.lock:
            self.failures += 1
            self.problem = str(error)
            wait = delay(self.failures, 0.5 + random.random() / 2)  # noqa: S311 - spreads load, guards nothing
            if isinstance(error, ConfigError):
                wait = CONFIG_PAUSE_SECONDS
            elif isinstance(error, RetryableError) and error.after:
                wait = max(wait, error.after)
            self.until = max(self.until, time.monotonic() + wait)

    def succeeded(self) -> None:
        """The org answers again."""
        with self.lock:
            self.problem, self.failures, self.until = None, 0, 0.0

    @property
    def seconds(self) -> float:
        """How long it still lasts."""
        return max(0.0, self.until - time.monotonic())


class Engine:
    """Runs folding and writing in daemon threads until it is stopped."""

    def __init__(
        self,
        folding: Folding,
        writers: Sequence[TaskWriter],
        interactions: Interactions,
        now: Callable[[], datetime],
        *,
        on_folded: Callable[[Mapping[DeliveryStatus, int]], None] = lambda _: None,
        outlook: Callable[[str], Outlook | None] = lambda _: None,
    ) -> None:
        self._folding = folding
        self._writers = writers
        self._interactions = interactions
        self._now = now
        self._on_folded = on_folded
        self._outlook = outlook
        self._stopping = threading.Event()
        self._is_folding = False
        self.delivered = Hint()
        self._folded = Hint()
        self.pauses = {writer.org.name: Pause() for writer in writers}
        self._folding_flow = Flow(FOLDING_SECONDS)
        self._written_flow = {writer.org.name: Flow(FLOW_SECONDS) for writer in writers}
        self._threads = [threading.Thread(target=self._fold, name="fold", daemon=True), *self._lane_threads()]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float = 35.0) -> None:
        """Finish the rounds under way and return, after the given time in any case: what is cut off is repeated."""
        self._stopping.set()
        self.delivered.give()
        self._folded.give()
        until = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))

    def problems(self) -> dict[str, str]:
        """Why orgs cannot be written to now, by org."""
        return {org: pause.problem for org, pause in self.pauses.items() if pause.problem}

    def gathering(self, org: str) -> float:
        """How many seconds a partial batch of the org gathers now, so that its allowance holds out."""
        return gathering(self._outlook(org), self._written_flow[org].per_second)

    def _lane_threads(self) -> Iterable[threading.Thread]:
        for writer in self._writers:
            for lane in range(LANES):
                name = f"{writer.org.name}-{lane}"
                yield threading.Thread(target=self._write, args=(writer, lane), name=name, daemon=True)

    def _fold(self) -> None:
        seen = 0
        while not self._stopping.is_set():
            folded = self._guarded(self._fold_once)
            if not folded:
                seen = self.delivered.wait(seen, SWEEP_SECONDS)
            elif folded < FOLDED_AT_ONCE:
                self._stopping.wait(GATHERING_SECONDS * min(1.0, folded / MANY_FOLDED))

    def _fold_once(self) -> int:
        was_folding = self._is_folding
        try:
            folded = self._folding.step(FOLDED_AT_ONCE)
        except BaseException:
            self._is_folding = False
            raise
        self._is_folding = folded.total > 0
        self._folding_flow.add(folded.total)
        self._on_folded(folded.counts)
        if self._is_folding or was_folding:
            # Also at the end: what waited for a fuller batch need not wait any more.
            self._folded.give()
        return folded.total

    def _write(self, writer: TaskWriter, lane: int) -> None:
        seen, look_again_at = 0, 0.0
        pause = self.pauses[writer.org.name]
        while not self._stopping.is_set():
            if pause.seconds:
                self._stopping.wait(pause.seconds)
            elif not self._guarded(lambda: self._write_once(writer, lane)):
                if time.monotonic() >= look_again_at:
                    self._guarded(lambda: self._at_org(writer, lane, writer.look_again))
                    look_again_at = time.monotonic() + SWEEP_SECONDS
                seen = self._folded.wait(seen, SWEEP_SECONDS)

    def _write_once(self, writer: TaskWriter, lane: int) -> int:
        due = self._interactions.backlog(writer.org.name, lane, now=self._now(), limit=BATCH)
        if due is None or self._may_grow(writer.org.name, due):
            return 0
        written = self._at_org(writer, lane, writer.write_lane)
        if written:
            self._written_flow[writer.org.name].add(written)
        return written

    def _at_org(self, writer: TaskWriter, lane: int, act: Callable[[int, timedelta], int]) -> int:
        """Do it; an org that cannot be used now is left alone for a while. A short allowance takes an older mirror."""
        pause = self.pauses[writer.org.name]
        patience = max(FRESH, timedelta(seconds=self.gathering(writer.org.name)))
        try:
            done = act(lane, patience)
        except (RetryableError, ConfigError) as error:
            pause.failed(error)
            log.warning("org_paused", org=writer.org.name, error=str(error), seconds=round(pause.seconds, 1))
            return 0
        if done:
            pause.succeeded()
        return done

    def _may_grow(self, org: str, backlog: Backlog) -> bool:
        """Whether waiting saves a call: much more is being folded, or the allowance is short."""
        age = (self._now() - backlog.oldest).total_seconds()
        return backlog.count < BATCH and age < max(self._filling(), self.gathering(org))

    def _filling(self) -> float:
        """How many seconds a batch waits for what is being folded: its gain is what comes meanwhile."""
        if not self._is_folding:
            return 0.0
        part = self._folding_flow.per_second / LANES * PARTIAL_BATCH_SECONDS / BATCH
        # At 20 a second nobody waits for more, at 240 a batch is full in time; between them it goes up steeply.
        return PARTIAL_BATCH_SECONDS * min(1.0, part) ** 3

    def _guarded(self, step: Callable[[], int]) -> int:
        """A failing step is logged and tried again after a sweep: a thread of the engine never ends by itself."""
        try:
            return step()
        except Exception:
            log.exception("step_failed")
            self._stopping.wait(SWEEP_SECONDS)
            return 0
