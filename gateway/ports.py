"""What the use cases need from the world, as protocols; times are aware UTC datetimes throughout."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Protocol

from msgspec import Struct

from gateway.domain.brakes import Stop
from gateway.domain.contacts import ContactRecord, Side
from gateway.domain.creation import Made, RecordDraft
from gateway.domain.interactions import State
from gateway.domain.pairing import Known, Pairing
from gateway.domain.records import Kind, Record, Remembered
from gateway.domain.sync import Choice, Link, Loss
from gateway.domain.tasks import Abilities, FoundTask, Outcome, TaskDraft, TaskFields
from gateway.domain.undo import Change
from gateway.sdk.contacts import ContactPage
from gateway.sdk.pulling import Cursor


class DeliveryStatus(IntEnum):
    """Where a delivery stands."""

    WAITING = 0
    FOLDED = 1
    PARKED = 2
    IGNORED = 3
    CONFLICT = 4


SAME_KEY = "Another body came before with the same key, and stands. Replay this one if it is right, too."
"""Why a delivery is a conflict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A verified request, ready to be stored; unique on (connection, key). `headers` hold no secrets."""

    org: str
    connection: str
    key: str
    body_hash: str
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of a committed delivery. `conflict`: the same key came before with another body; both are kept."""

    id: int
    duplicate: bool = False
    conflict: bool = False


class StoredDelivery(Struct, frozen=True):
    """A delivery as kept; `repeats` counts the further times it came; `reason` says why it is parked or ignored."""

    id: int
    org: str
    connection: str
    key: str
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    status: DeliveryStatus
    reason: str | None = None
    repeats: int = 0
    interactions: tuple[str, ...] = ()


class SettledDelivery(Struct, frozen=True, kw_only=True):
    """What became of a waiting delivery: its status and the external ids of the interactions it told of."""

    id: int
    status: DeliveryStatus
    reason: str | None = None
    interactions: tuple[str, ...] = ()


class FoldedInteraction(Struct, frozen=True, kw_only=True):
    """An interaction's new state, folded onto `version`; 0 makes a new row, whose lane is fixed from then on."""

    org: str
    connection: str
    external_id: str
    lane: int
    state: State
    ready: bool
    version: int
    now: datetime


@dataclass(frozen=True, slots=True)
class NewFetch:
    """Something that a delivery names, to be asked for at `due_at`; one of each (connection, name)."""

    org: str
    connection: str
    name: str
    due_at: datetime


class StoredInteraction(Struct, frozen=True):
    """An interaction as kept. It is dirty while `ready` and `version > written_version` and not parked.

    `task_id`, `intended`, `written` and `kept` are the state of its Task (see `domain.tasks.TaskState`), `companions`
    the same of the Tasks of further accounts, by account id, `match` the last decision as JSON, made with the mirror as
    it was at `matched_at`. Before `unsure_until` nobody takes it: a create may take effect that cannot be seen yet.
    `chosen` is what a person chose in its place (see `domain.choosing`).
    """

    id: int
    org: str
    connection: str
    external_id: str
    lane: int
    state: State
    ready: bool
    version: int
    written_version: int
    created_at: datetime
    updated_at: datetime
    written_at: datetime | None = None
    match: Mapping[str, Any] | None = None
    matched_at: datetime | None = None
    task_id: str | None = None
    intended: TaskFields | None = None
    written: TaskFields = {}
    kept: TaskFields = {}
    companions: Mapping[str, Mapping[str, Any]] = {}
    attempts: int = 0
    next_at: datetime | None = None
    parked: str | None = None
    unsure_until: datetime | None = None
    chosen: Mapping[str, Any] | None = None


class Search(Struct, frozen=True):
    """What an undecided interaction, last told of at `told_at`, waits for: see `domain.mending`; no keys: nothing more.

    It was decided on with that version of the mirror.
    """

    keys: tuple[str, ...]
    told_at: datetime
    mirror_version: int


@dataclass(frozen=True, slots=True)
class AuditLine:
    """What happened to the relations of an interaction's Task, in a sentence, and what they were and are.

    `before` and `after` hold `who` and `what`, each None or the record's `id` and its `name` as far as known.
    """

    org: str
    interaction_id: int
    at: datetime
    what: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A person decided that an identity key stands for a record, or that it does not."""

    org: str
    key: str
    record_id: str
    is_confirmed: bool
    at: datetime


class Settlement(Struct, frozen=True, kw_only=True):
    """How one interaction of a round ended; replaces the columns of the same names.

    `version` is the one that was taken: where the row has a newer one by now, `attempts`, `next_at` and `parked` are
    left as they are. `written_version` is the version that now stands in the org (unchanged if nothing was written).
    `search` None leaves alone what the interaction waits for; `audit` and `lessons` are added to what there is.
    """

    id: int
    version: int
    written_version: int
    match: Mapping[str, Any] | None
    task_id: str | None
    intended: TaskFields | None
    written: TaskFields
    kept: TaskFields
    companions: Mapping[str, Mapping[str, Any]] = {}
    attempts: int = 0
    next_at: datetime | None = None
    parked: str | None = None
    written_at: datetime | None = None
    matched_at: datetime | None = None
    unsure_until: datetime | None = None
    search: Search | None = None
    audit: tuple[AuditLine, ...] = ()
    lessons: tuple[Lesson, ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write the interactions of one lane until `until`; `epoch` fences off its former owners."""

    org: str
    lane: int
    epoch: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in one lane now: how many dirty interactions, and since when the oldest."""

    count: int
    oldest: datetime


ANSWER_SECONDS = 30.0
"""When a sender is told to come again although its commit is still under way."""


class Inbox(Protocol):
    """Where verified requests are put down."""

    def submit(self, deliveries: Sequence[NewDelivery]) -> Future[Sequence[Receipt]]:
        """Take what came together; the future is done once it is durable, and has the receipts in their order.

        From the future, or at once: RetryableError: not all is stored, the sender should come again; RejectedError: it
        holds something that no store can keep, such as a lone surrogate in its key.
        """

    def put_all(self, deliveries: Sequence[NewDelivery]) -> Sequence[Receipt]:
        """Put down many that a platform told when it was asked: the receipts, in their order, once all are durable.

        What has a known key is a duplicate whatever its body, and is not counted as a repetition: who reads with an
        overlap sees most of it again. After an error any of them may be stored; they may all come again.
        """


class Deliveries(Protocol):
    """Stored deliveries and their folding."""

    def waiting(self, limit: int) -> list[StoredDelivery]:
        """The oldest deliveries that are not folded yet, in order of arrival; fewer than `limit` if they are large."""

    def fold(
        self, folded: Sequence[FoldedInteraction], settled: Sequence[SettledDelivery], named: Sequence[NewFetch] = (),
    ) -> None:  # fmt: skip
        """Store all of it or nothing. VersionConflictError: a row or a delivery was changed meanwhile.

        A fetch that is `named` once more is asked for anew, as the last to name it says.
        """

    def get(self, id: int) -> StoredDelivery | None:
        """One delivery."""

    def list(
        self, *, status: DeliveryStatus | None = None, connection: str | None = None, before: int | None = None,
        limit: int = 50,
    ) -> list[StoredDelivery]:  # fmt: skip
        """Newest first; `before` is the id to continue below."""

    def requeue(self, ids: Collection[int]) -> int:
        """Put parked, ignored or conflicting deliveries back to be folded; how many there were."""

    def counts(self) -> Mapping[DeliveryStatus, int]:
        """How many deliveries stand in each status."""


class Interactions(Protocol):
    """Interactions and the lanes in which they are written."""

    def load(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredInteraction]:
        """Those that exist of (connection, external id)."""

    def backlog(self, org: str, lane: int, *, now: datetime, limit: int) -> Backlog | None:
        """What is due in the lane, counted up to `limit`; None if nothing is."""

    def lease(self, org: str, lane: int, *, owner: str, now: datetime, seconds: float) -> Lease | None:
        """The lane, unless it is held; also its holder waits until it is released or the time is over."""

    def take(self, lease: Lease, *, now: datetime, limit: int) -> list[StoredInteraction]:
        """Up to `limit` dirty interactions that are due, oldest first."""

    def intend(self, lease: Lease, intents: Mapping[int, TaskFields], *, unsure_until: datetime | None = None) -> None:
        """Remember what is about to be sent, and until when nobody takes it unless its end is settled before.

        VersionConflictError: the lease is lost, nothing was stored.
        """

    def settle(self, lease: Lease, settlements: Sequence[Settlement]) -> None:
        """Store the end of a round. VersionConflictError: the lease is lost, nothing was stored."""

    def unsure(self, org: str, lane: int, *, before: datetime, limit: int) -> list[StoredInteraction]:
        """Written interactions of the lane, last told of before then, that were matched with a mirror older than they.

        So are those that wait for what has changed in the mirror since.
        """

    def reconsider(
        self, lease: Lease, *, same: Collection[int], other: Collection[int], matched_at: datetime,
        mirror_version: int | None = None,
    ) -> None:  # fmt: skip
        """Keep that they were matched again; the `other` are to be written anew. VersionConflictError: lease lost.

        If the mirror has another version by now, the `same` stay to be matched again.
        """

    def release(self, lease: Lease) -> None:
        """Give the lane back at once; harmless if it is already lost."""

    def get(self, id: int) -> StoredInteraction | None:
        """One interaction."""

    def list(
        self, *, org: str | None = None, connection: str | None = None, state: str | None = None,
        external_id: str | None = None, before: int | None = None, limit: int = 50,
    ) -> list[StoredInteraction]:  # fmt: skip
        """Newest first. `state`: matched, ambiguous, unmatched (by the last match), parked, or waiting (dirty)."""

    def unpark(self, ids: Collection[int], *, anew: bool = False) -> int:
        """Make parked interactions due again; how many there were. `anew`: forget their Tasks, and write new ones."""

    def reopen(self, ids: Collection[int], now: datetime) -> int:
        """Have those decided on and written anew that are written and that nobody chose for; how many there were."""

    def choose(self, id: int, chosen: Mapping[str, Any], line: AuditLine, lessons: Sequence[Lesson]) -> None:
        """Keep a person's choice, which is to be written, with its line and what is learnt of it.

        The interaction waits for nothing any more. VersionConflictError: it has not the version before the choice's.
        """

    def history(self, id: int) -> Sequence[AuditLine]:
        """What happened to the relations of its Task, oldest first."""

    def waits(self, org: str) -> bool:
        """Whether any interaction of the org waits for something to change there."""

    def look_anew(self, org: str, *, told_after: datetime) -> None:
        """Have those who wait, and were told of since then, be matched again, whatever may have changed."""

    def give_up(self, org: str, *, told_before: datetime) -> int:
        """Have those wait no longer that were last told of before then; how many keys they waited for."""

    def counts(self) -> Mapping[str, int]:
        """How many are `waiting`, `written`, `parked`, `open` (nothing to log yet), and per match state."""


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Records that changed and ids that were deleted, with the cursors that are reached once they are applied.

    A record that was merged into another one is not deleted: it changed into one with nothing but `merged_into`.
    """

    records: Sequence[Record]
    deleted: Sequence[str]
    cursors: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredFetch:
    """A fetch as kept: asked for `tries` times in vain; `reason` says why it was given up."""

    id: int
    org: str
    connection: str
    name: str
    due_at: datetime
    tries: int = 0
    reason: str | None = None


class Fetches(Protocol):
    """What deliveries name and the platform is still to be asked for.

    Of what was named again since it was read, the answer that came meanwhile settles nothing.
    """

    def due(self, connection: str, now: datetime, limit: int) -> list[StoredFetch]:
        """Those that are to be asked for now, the longest due first."""

    def done(self, fetch: StoredFetch) -> None:
        """What it named has come; forget it."""

    def put_off(self, fetch: StoredFetch, due_at: datetime, *, tries: int) -> None:
        """Ask again then."""

    def give_up(self, fetch: StoredFetch, reason: str) -> None:
        """Ask no more, until it is named again or a person wants it."""

    def given_up(
        self, *, connection: str | None = None, before: int | None = None, limit: int = 50
    ) -> Sequence[StoredFetch]:
        """Newest first; `before` is the id to continue below."""

    def try_again(self, ids: Collection[int], now: datetime) -> int:
        """Ask again for those that were given up; how many there were."""

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many of each connection are `waiting` and `given_up`, where there are any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something that is done for a connection again and again, as kept.

    It read up to `cursor`, None before the first time. `failures` are those in a row, `problem` says what was wrong the
    last time, `is_paused` that a person has to change something. `records` came since `started_at`, `new` ones were not
    known.
    """

    org: str
    connection: str
    name: str
    due_at: datetime
    cursor: Mapping[str, Any] | None = None
    failures: int = 0
    is_paused: bool = False
    problem: str | None = None
    started_at: datetime | None = None
    succeeded_at: datetime | None = None
    records: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class HeldJob:
    """The right to do a job until `until`, and the job as it stood then; `epoch` fences off its former owners."""

    job: Job
    epoch: int
    until: datetime


class Jobs(Protocol):
    """The jobs of all connections, each done by one process at a time."""

    def get(self, connection: str, name: str) -> Job | None:
        """One job; None before its first lease."""

    def list(self) -> Sequence[Job]:
        """All jobs, by connection and name."""

    def lease(
        self, org: str, connection: str, name: str, *, owner: str, now: datetime, seconds: float
    ) -> HeldJob | None:
        """The job, `started_at` now and with nothing come; None if it is not due, or held by another owner.

        One that does not exist yet is made, and is due.
        """

    def store(self, held: HeldJob, job: Job, *, until: datetime | None = None) -> HeldJob:
        """Replace what is kept of it, and hold it until then; without `until` give it back.

        If it was demanded since its lease, it stays due. VersionConflictError: it is somebody else's by now; nothing
        was stored.
        """

    def demand(self, connection: str, name: str, now: datetime) -> bool:
        """Have it done now; whether there is such a job."""

    def rewind(self, connection: str, name: str, cursor: Mapping[str, Any] | None, now: datetime) -> bool:
        """Have it go on from that cursor now, taking it from whoever does it; whether there is such a job."""


MOST_OF_ONE_KEY = 50
"""More records, or accounts, of a single key are not worth their time: so many decide nothing."""

MOST_COUNTED = 200
"""So many who share a key are as good as any more."""


class Choices(Protocol):
    """What people decided about identity keys."""

    def remembered(self, org: str, keys: Collection[str]) -> Mapping[str, Sequence[Remembered]]:
        """What is remembered of each of the keys, if anything; a choice may be seen some seconds late."""


class Records(Protocol):
    """Records of an org, to be found by what identifies them."""

    def around(self, org: str, keys: Collection[str], ids: Collection[str]) -> list[Record]:
        """Records that have one of the ids or of the identity keys, which are no domains, and what belongs to them.

        Of each key the first 50 in order of id, which begins with the object: accounts and people come before cases. To
        them belong their accounts and contacts, active relations of the contacts, open cases of the contacts and, where
        these name no contact, of the accounts. Perhaps more.
        """

    def sharing(self, org: str, keys: Collection[str]) -> dict[str, int]:
        """How many contacts and leads have each of the identity keys; of either, up to 200 are counted."""

    def by_ids(self, org: str, ids: Collection[str]) -> list[Record]:
        """Records by id."""

    def accounts_of_domains(self, org: str, domains: Collection[str]) -> dict[str, dict[str, int]]:
        """For each key `domain:…`, the first 50 accounts whose own it is or whose contacts have it.

        With the number of these records.
        """


class Mirror(Records, Protocol):
    """Our copy of the few Salesforce fields needed to match; never the truth."""

    def cursors(self, org: str) -> Mapping[str, str]:
        """How far each object was read; empty before the first load."""

    def apply(self, org: str, page: ChangePage) -> None:
        """Store the page and its cursors, both or neither; unchanged records cost nothing.

        Interactions that wait for what has changed are to be matched again (`Interactions.unsure`).
        """

    def version(self, org: str) -> int:
        """How often records have changed that matching looks at."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The wish to create one record under all its keys; `made_for` is the external key of an interaction."""

    keys: tuple[str, ...]
    made_for: str
    policy: str


@dataclass(frozen=True, slots=True)
class Creation:
    """What is known of the creation of a record under one of its keys.

    `record_id` once it was created; `candidates` where the org took others for the same, `reason` with which words.
    Until either is known it belongs to whoever claimed it, `until` then; `intended_at`: it may have been carried out.
    """

    key: str
    made_for: str
    policy: str
    by: str
    until: datetime
    intended_at: datetime | None = None
    record_id: str | None = None
    candidates: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is known how it ended."""
        return bool(self.record_id or self.candidates)


class Creations(Protocol):
    """Who was created, and who is being created: each key once in an org, over all lanes and processes.

    `by` names one attempt. All but `load` and `claim` leave alone what somebody else has claimed since.
    """

    def load(self, org: str, keys: Collection[str]) -> dict[str, Creation]:
        """Those of the keys that there are."""

    def claim(self, org: str, claims: Sequence[Claim], *, by: str, now: datetime, seconds: float) -> list[Claim]:
        """Those of the claims that are granted, as a whole: their keys are free, or were left by their claimant."""

    def intend(self, org: str, keys: Collection[str], *, by: str, now: datetime) -> None:
        """Remember that the records are about to be sent. VersionConflictError: one is claimed by others by now."""

    def settle(
        self, org: str, keys: Collection[str], *, by: str, record_id: str | None = None,
        candidates: Collection[str] = (), reason: str | None = None,
    ) -> None:  # fmt: skip
        """Store how one creation ended."""

    def give_up(self, org: str, keys: Collection[str], *, by: str) -> None:
        """Let others claim the keys at once; what may have been carried out stays known as such."""

    def forget(self, org: str, keys: Collection[str], *, by: str) -> None:
        """As if they had never been claimed: nothing was created."""


class Org(Protocol):
    """One Salesforce org.

    All calls raise RetryableError (the org cannot be reached or is busy), UnknownOutcomeError (a write may have been
    carried out), ConfigError (a person must change the org's or our settings).
    """

    name: str

    def abilities(self) -> Abilities:
        """What the org allows a Task; asked once, then remembered for a while."""

    def changes(self, cursors: Mapping[str, str], *, can_wait: bool = False) -> Iterator[ChangePage]:
        """Everything that changed since the cursors, oldest first, everything there is for empty cursors.

        Of what is too much to be read while somebody waits, only the first part: the rest is for `load`. `can_wait`: no
        interaction is held up by it, so that the calls that are kept for those are not used.
        """

    def loading(self, cursors: Mapping[str, str]) -> Mapping[str, int]:
        """Objects that `changes` has not read to their end yet, and how many of their records were read."""

    def load(self, cursors: Mapping[str, str]) -> Iterator[ChangePage]:
        """What is too much for `changes` to read while somebody waits: all that the org has ready by now."""

    def look_up(self, keys: Collection[str], ids: Collection[str]) -> list[Record]:
        """The records in the org now that have one of the keys (`domain:…` as well) or ids, with what belongs to them.

        That is their accounts and contacts, active relations, open cases, and what took their place if it was merged.
        """

    def find(self, keys: Collection[str], fields: Collection[str]) -> dict[str, FoundTask]:
        """Tasks by external key, deleted and archived ones included."""

    def read(self, task_ids: Collection[str], fields: Collection[str]) -> dict[str, TaskFields]:
        """Current values of the Tasks that exist; `TaskWhoIds` in the org's order."""

    def create(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        """Write up to 200 new Tasks in one call; outcomes in the order of the drafts."""

    def update(self, drafts: Sequence[TaskDraft]) -> list[Outcome]:
        """Change up to 200 Tasks in one call; outcomes in the order of the drafts."""

    def record_type(self, kind: Kind, name: str) -> str | None:
        """The id of an active record type by its developer name."""

    def make(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        """Create up to 200 people and cases in one call; a call each for those that a duplicate rule stops.

        In the order of the drafts. UnknownOutcomeError: any of them may have been created.
        """

    def amend(self, drafts: Sequence[RecordDraft]) -> list[Made]:
        """Change up to 200 people, each named by the `Id` among its fields, in one call; in their order."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A contact that no link is of. `question` is what a person was asked about it, `answer` what they said.

    An answer is the id of its counterpart, or "" where it has none.
    """

    record: ContactRecord
    question: Pairing | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class StoredLoss:
    """What was lost of the contacts of a link, as kept; `id` counts up."""

    id: int
    link: int
    loss: Loss


class ContactLinks(Protocol):
    """What is known of the contacts of a pair, an org and a connection, by the pair's name.

    A link is due when something befell it that was not decided on yet, and so is a stray. Everything is given out in
    order of `key`, or of the record's id, so that no more than a batch need be in memory.
    """

    def adopt(self, pair: str, rules: str) -> None:
        """Have the pair follow these rules, by a name of theirs; if they are others than before, everything is due."""

    def cursor(self, pair: str, side: Side) -> Cursor | None:
        """How far a side was read."""

    def take_in(self, pair: str, side: Side, page: ContactPage, keys: Mapping[str, Collection[str]]) -> None:
        """Keep what a page tells and its cursor, both or neither; `keys` are the identity keys of its records, by id.

        Links of its records are due, whether the record is what they join or what that was merged into. Others become
        strays, and are due, as are the strays of either side with which they share a key or an id; what is gone is no
        stray any more. With the end of a listing the links of the side are due whose records are in none of its pages.
        """

    def due(self, pair: str, *, now: datetime, after: int = 0, limit: int) -> Sequence[Link]:
        """Links that are due, beyond the key `after`, and that nothing keeps from being looked at before now."""

    def unsettled(self, pair: str, *, after: int = 0, limit: int) -> Sequence[Link]:
        """Links with conflicts or problems, beyond the key `after`."""

    def linked(self, pair: str, side: Side, ids: Collection[str]) -> Mapping[str, Link]:
        """The links that join these records, ended ones too, by the record's id."""

    def strays(self, pair: str, side: Side, *, after: str = "", limit: int) -> Sequence[Stray]:
        """Strays that are due, beyond the id `after`."""

    def stray(self, pair: str, side: Side, id: str) -> Stray | None:
        """One stray."""

    def in_question(self, pair: str, side: Side, *, after: str = "", limit: int) -> Sequence[Stray]:
        """Strays about which a person was asked, beyond the id `after`."""

    def known(self, pair: str, side: Side, keys: Collection[str]) -> Mapping[str, Sequence[Known]]:
        """Contacts of the side by identity key, by their own id and by the id that they bear; up to 50 for each.

        Linked ones too, with the values that both sides agreed on, unless the link has ended and nothing of it is being
        written.
        """

    def add(self, pair: str, links: Sequence[Link]) -> Sequence[Link]:
        """Keep new links, which are due, with their keys; the records that they join are no strays any more.

        VersionConflictError: one of them is linked already; nothing was kept.
        """

    def save(
        self, pair: str, links: Sequence[Link], losses: Mapping[int, Sequence[Loss]], *, due: Collection[int],
        run: int | None = None, changes: Sequence[Change] = (),
    ) -> Collection[int]:  # fmt: skip
        """Keep what became of links, by key what was lost, each loss once, and a run's changes; all or nothing.

        Links that would join a contact which another one joins are left as they were, and due; their keys come back.
        A change of the same run, link and side replaces the one that was kept.

        They are due no more, but for those in `due` and those that something befell since they were given out. What a
        person chose since then is kept. The records that they join now are no strays any more.
        """

    def part(self, pair: str, questions: Mapping[int, Pairing]) -> None:
        """End links, by key, that join one contact only, whom the question is about: it is a stray again, and waits."""

    def ask(self, pair: str, questions: Sequence[Pairing]) -> None:
        """Keep what is not decided about strays, questions or not, which are not due any more."""

    def answer(self, pair: str, side: Side, id: str, other_id: str) -> bool:
        """Keep what a person said about a stray, which is due; whether there is such a stray."""

    def choose(self, pair: str, key: int, field: str, choice: Choice) -> bool:
        """Keep a person's choice on a conflict, whose link is due; whether there is such a conflict."""

    def lost(self, pair: str, *, before: int | None = None, limit: int = 50) -> Sequence[StoredLoss]:
        """What was lost, newest first; `before` is the id to continue below."""

    def active(self, pair: str, most: int | None = None) -> int:
        """How many links join two contacts and have not ended; no more than so many are counted."""

    def due_count(self, pair: str) -> int:
        """How many links and strays are due."""

    def counts(self, pair: str) -> Mapping[str, int]:
        """How many links are `linked`, `unsettled` and `due`, and how many strays are `questions` and `due_strays`."""

    def at(self, pair: str, keys: Collection[int]) -> Sequence[Link]:
        """The links with these keys, in their order."""

    def stop(self, pair: str) -> Stop | None:
        """The run that was stopped last, if none was carried out since."""

    def set_stop(self, pair: str, stop: Stop | None) -> None:
        """Keep that a run was stopped, or that a person approved of it, or that it is over."""


class RunKind(StrEnum):
    """What a run is to do: sync, tell what a sync would do, or put back what another run wrote."""

    SYNC = "sync"
    PLAN = "plan"
    UNDO = "undo"


class RunState(StrEnum):
    """How a run is."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    """By a brake, before it wrote anything."""
    FAILED = "failed"
    CUT_OFF = "cut_off"
    """Its process ended; another run goes on with what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants done for a pair at once, said `at` that time; `undoes` is the run to be put back."""

    kind: RunKind
    by: str
    at: datetime | None = None
    undoes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRun:
    """One run of a pair, as kept: `counts` of what it did so far, `told` of a plan in sentences, `problem` in one."""

    pair: str
    kind: RunKind
    by: str
    started_at: datetime
    id: int = 0
    undoes: int | None = None
    state: RunState = RunState.RUNNING
    ended_at: datetime | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    told: Sequence[str] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class StoredChange:
    """One change of a run, as kept; `id` counts up."""

    id: int
    change: Change


class SyncRuns(Protocol):
    """What was done for the pairs of a sync, and what people want done."""

    def request(self, pair: str, request: Request) -> None:
        """Have it done before anything else; the request before it that was not begun is dropped."""

    def requested(self, pair: str) -> Request | None:
        """What is to be done."""

    def pause(self, pair: str, by: str | None) -> None:
        """Keep the pair from running, on behalf of somebody; None: let it run again."""

    def paused(self, pair: str) -> str | None:
        """Who paused the pair, if anybody."""

    def begin(self, run: SyncRun) -> SyncRun:
        """Keep a new run, with its id. What was still running of the pair was cut off."""

    def tell(self, run: SyncRun) -> None:
        """Keep how a run is, unless it is known to have ended."""

    def fulfil(self, pair: str, request: Request) -> None:
        """That is done; what was requested since stays."""

    def drop(self, run: SyncRun) -> None:
        """Forget a run that wrote nothing."""

    def get(self, pair: str, id: int) -> SyncRun | None:
        """One run."""

    def list(self, pair: str, *, before: int | None = None, limit: int = 50) -> Sequence[SyncRun]:
        """Runs of a pair, newest first; `before` is the id to continue below."""

    def changes(self, run: int, *, after: int = 0, limit: int = 50) -> Sequence[StoredChange]:
        """What a run wrote, in order; beyond the id `after`."""

    def forget(self, pair: str, before: datetime) -> None:
        """Forget the runs that began before then, and what they wrote."""


@dataclass(frozen=True, slots=True)
class Token:
    """An API token as listed; its secret is never kept."""

    id: int
    name: str
    role: str
    created_at: datetime
    revoked_at: datetime | None = None


class Tokens(Protocol):
    """Bearer tokens of the read API."""

    def create(self, name: str, role: str, digest: str, now: datetime) -> Token:
        """Keep a token by the SHA-256 of its secret."""

    def find(self, digest: str) -> Token | None:
        """The token with this digest, unless revoked."""

    def list(self) -> list[Token]:
        """All tokens, oldest first."""

    def revoke(self, id: int, now: datetime) -> bool:
        """Whether there was such a token."""
