"""The tables, to which the migrations lead exactly.

Conditions of partial indexes are literal text: a query that compares with a bound parameter cannot use them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from gateway.storage.columns import CleanText, Json, Moment, RowId

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"},
)

WAITING = "status = 0"
"""Deliveries that are not folded yet."""

SET_ASIDE = "status > 1"
"""Deliveries that are parked, ignored or in conflict."""

OPEN = "NOT ready AND parked IS NULL"
"""Interactions with nothing to log yet."""

DIRTY = "ready AND version > written_version AND parked IS NULL"
"""Interactions whose newest state does not stand in the org."""

UNSURE = "matched_at < updated_at AND version = written_version AND parked IS NULL"
"""Written interactions that were matched with a mirror older than what they tell."""

WRITTEN = "version = written_version AND parked IS NULL"
"""Interactions whose newest state stands in the org."""

PARKED = "parked IS NOT NULL"
"""Interactions given up for now."""

ASKED = "reason IS NULL"
"""Fetches that the platform is still asked for."""

GIVEN_UP = "reason IS NOT NULL"
"""Fetches that it is not asked for any more."""

DUE = "is_due"
"""Links and strays of a contact sync that are to be decided on."""

UNSETTLED = "conflicts IS NOT NULL OR problems IS NOT NULL"
"""Links about which there is something to tell a person."""

ACTIVE_LINK = "salesforce_id || platform_id IS NOT NULL AND ended IS NULL"
"""Links that join two contacts which are kept the same; of the ids alone SQLite would prefer another index."""

IN_QUESTION = "is_question"
"""Strays about which a person is asked."""

OPEN_CASE_OF_CONTACT = "kind = 'Case' AND is_open AND contact_id IS NOT NULL"

OPEN_CASE_OF_ACCOUNT = "kind = 'Case' AND is_open AND contact_id IS NULL"

ACTIVE_RELATION = "kind = 'AccountContactRelation' AND is_open"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


deliveries = Table(
    "deliveries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("org", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("body_hash", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("repeats", Integer, nullable=False, server_default="0"),
    Column("received_at", Moment, nullable=False),
    Column("content_type", CleanText, nullable=False),
    Column("reason", CleanText),
    Column("interactions", Json),
    Column("headers", Json, nullable=False),
    Column("body", LargeBinary, nullable=False),
    UniqueConstraint("connection", "key"),
)
Index("ix_deliveries_waiting", deliveries.c.id, **_where(WAITING))
Index("ix_deliveries_set_aside", deliveries.c.status, deliveries.c.id, **_where(SET_ASIDE))
Index(None, deliveries.c.connection, deliveries.c.id)

interactions = Table(
    "interactions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("org", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("lane", Integer, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("written_version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("waiting_since", Moment, nullable=False),
    Column("written_at", Moment),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment),
    Column("parked", CleanText),
    Column("task_id", Text),
    Column("match_state", Text),
    Column("match", Json),
    Column("intended", Json),
    Column("written", Json, nullable=False),
    Column("kept", Json, nullable=False),
    Column("state", Json, nullable=False),
    Column("companions", Json, nullable=False, server_default="{}"),
    Column("matched_at", Moment),
    Column("unsure_until", Moment),
    Column("chosen", Json),
    # In this order it also answers a search by external id alone.
    UniqueConstraint("external_id", "connection"),
)
Index(
    "ix_interactions_dirty",
    interactions.c.org,
    interactions.c.lane,
    interactions.c.waiting_since,
    interactions.c.id,
    interactions.c.next_at,
    **_where(DIRTY),
)
Index("ix_interactions_unsure", interactions.c.org, interactions.c.lane, interactions.c.updated_at, **_where(UNSURE))
Index("ix_interactions_parked", interactions.c.id, **_where(PARKED))
Index("ix_interactions_open", interactions.c.id, **_where(OPEN))
Index(None, interactions.c.match_state, interactions.c.id)
Index(None, interactions.c.connection, interactions.c.id)

lanes = Table(
    "lanes",
    metadata,
    Column("org", Text, primary_key=True),
    Column("lane", Integer, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("lease_until", Moment, nullable=False),
)

records = Table(
    "mirror_records",
    metadata,
    Column("org", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", CleanText, nullable=False),
    Column("account_id", Text),
    Column("contact_id", Text),
    Column("number", CleanText),
    Column("is_open", Boolean, nullable=False),
    Column("keys", Json, nullable=False),
    Column("topics", Json, nullable=False),
    Column("merged_into", Text),
    Column("type", CleanText),
    Column("record_type", Text),
    sqlite_with_rowid=False,
)
Index("ix_mirror_records_cases_of_contact", records.c.contact_id, **_where(OPEN_CASE_OF_CONTACT))
Index("ix_mirror_records_cases_of_account", records.c.account_id, **_where(OPEN_CASE_OF_ACCOUNT))
Index("ix_mirror_records_relations", records.c.contact_id, **_where(ACTIVE_RELATION))

record_keys = Table(
    "mirror_keys",
    metadata,
    Column("org", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("record_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)

domains = Table(
    "mirror_domains",
    metadata,
    Column("org", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("records", Integer, nullable=False),
    sqlite_with_rowid=False,
)

cursors = Table(
    "mirror_cursors",
    metadata,
    Column("org", Text, primary_key=True),
    Column("object", Text, primary_key=True),
    Column("cursor", Text, nullable=False),
)

creations = Table(
    "creations",
    metadata,
    Column("org", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("made_for", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("until", Moment, nullable=False),
    Column("intended_at", Moment),
    Column("record_id", Text),
    Column("candidates", Json),
    Column("reason", CleanText),
)

mirror_versions = Table(
    "mirror_versions",
    metadata,
    Column("org", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)

searches = Table(
    "searches",
    metadata,
    Column("org", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("interaction_id", BigInteger, primary_key=True, autoincrement=False),
    Column("told_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, searches.c.interaction_id)
Index(None, searches.c.org, searches.c.told_at)

choices = Table(
    "choices",
    metadata,
    Column("org", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("record_id", Text, primary_key=True),
    Column("confirmed", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("last_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("org", Text, nullable=False),
    Column("interaction_id", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("what", CleanText, nullable=False),
    Column("before", Json, nullable=False),
    Column("after", Json, nullable=False),
)
Index(None, audit.c.interaction_id, audit.c.id)

jobs = Table(
    "jobs",
    metadata,
    Column("connection", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Column("cursor", Json),
    Column("due_at", Moment, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("is_paused", Boolean, nullable=False),
    Column("problem", CleanText),
    Column("started_at", Moment),
    Column("succeeded_at", Moment),
    Column("records", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("lease_until", Moment, nullable=False),
)

fetches = Table(
    "fetches",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("org", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("reason", CleanText),
    UniqueConstraint("connection", "name"),
)
Index("ix_fetches_asked", fetches.c.connection, fetches.c.due_at, **_where(ASKED))
Index("ix_fetches_given_up", fetches.c.id, **_where(GIVEN_UP))

sync_pairs = Table(
    "sync_pairs",
    metadata,
    Column("pair", Text, primary_key=True),
    Column("salesforce_cursor", Json),
    Column("platform_cursor", Json),
    Column("stop", Json),
    Column("rules", Text),
    Column("paused_by", CleanText),
    Column("request", Json),
)

sync_links = Table(
    "sync_links",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("pair", Text, nullable=False),
    Column("salesforce_id", Text),
    Column("platform_id", Text),
    Column("decided", CleanText, nullable=False),
    Column("base", Json),
    Column("intent", Json),
    Column("conflicts", Json),
    Column("choices", Json),
    Column("problems", Json),
    Column("ended", Text),
    Column("not_before", Moment),
    Column("version", Integer, nullable=False),
    Column("is_due", Boolean, nullable=False),
    Column("salesforce_seen", Text),
    Column("platform_seen", Text),
    UniqueConstraint("pair", "salesforce_id"),
    UniqueConstraint("pair", "platform_id"),
)
Index("ix_sync_links_due", sync_links.c.pair, sync_links.c.id, **_where(DUE))
Index("ix_sync_links_unsettled", sync_links.c.pair, sync_links.c.id, **_where(UNSETTLED))
Index("ix_sync_links_active", sync_links.c.pair, **_where(ACTIVE_LINK))

sync_strays = Table(
    "sync_strays",
    metadata,
    Column("pair", Text, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("record", Json, nullable=False),
    Column("question", Json),
    Column("is_question", Boolean, nullable=False),
    Column("answer", Text),
    Column("is_due", Boolean, nullable=False),
    Column("seen", Text),
)
Index("ix_sync_strays_due", *sync_strays.primary_key, **_where(DUE))
Index("ix_sync_strays_in_question", *sync_strays.primary_key, **_where(IN_QUESTION))

sync_keys = Table(
    "sync_keys",
    metadata,
    Column("pair", Text, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("contact_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)
Index(None, sync_keys.c.contact_id, sync_keys.c.pair, sync_keys.c.side)

sync_losses = Table(
    "sync_losses",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("pair", Text, nullable=False),
    Column("link_id", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("loss", Json, nullable=False),
    UniqueConstraint("link_id", "digest"),
)
Index(None, sync_losses.c.pair, sync_losses.c.id)

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("pair", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("by", CleanText, nullable=False),
    Column("undoes", BigInteger),
    Column("state", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("counts", Json, nullable=False),
    Column("told", Json, nullable=False),
    Column("problem", CleanText),
)
Index(None, sync_runs.c.pair, sync_runs.c.id)

sync_changes = Table(
    "sync_changes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    Column("link_id", BigInteger, nullable=False),
    Column("side", Text, nullable=False),
    Column("change", Json, nullable=False),
    UniqueConstraint("run_id", "link_id", "side"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", CleanText, nullable=False),
    Column("role", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

org_states = Table(
    "org_states",
    metadata,
    Column("org", Text, primary_key=True),
    Column("told_at", Moment, nullable=False),
    Column("told", Json, nullable=False),
)
