"""Opening a database: brought up to date once, refused when it is newer, served by one process where it must be."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import sqlite

from gateway.domain.contacts import Side
from gateway.domain.records import Kind, Record
from gateway.errors import ConfigError, RetryableError
from gateway.ports import ChangePage
from gateway.storage import (
    Database,
    arrivals,
    bulk,
    choices,
    deliveries,
    fetches,
    folding,
    history,
    interactions,
    links,
    migrations,
    mirror,
    searches,
)
from gateway.storage.database import LEAST_FREE
from gateway.storage.engine import open_engine, read_url
from gateway.storage.migrations import revisions
from gateway.storage.tables import metadata
from tests.adapters.storage.examples import NOW, child, contact, delivery, folded, raw
from tests.fakes.inbox import put_one

_CLAIM = """
import sys
from gateway.storage import Database
from tests.adapters.storage.examples import NOW
database = Database(sys.argv[1])
database.claim_file()
database.interactions.lease("main", 1, owner="other", now=NOW, seconds=3600)
print("claimed", flush=True)
sys.stdin.read()
"""


class TestMigrations:
    def test_they_lead_to_exactly_the_tables_of_the_code(self, empty_url, tmp_path):
        Database(empty_url).close()
        engine = open_engine(read_url(empty_url))
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_server_default": True})
            assert compare_metadata(context, metadata) == []
        engine.dispose()
        migrated = _schema(empty_url)

        with raw(empty_url) as connection:
            for table in [*metadata.tables, "alembic_version"]:
                connection.execute(f"DROP TABLE {table}")
        engine = open_engine(read_url(empty_url))
        metadata.create_all(engine)
        engine.dispose()
        assert _schema(empty_url) == {name: sql for name, sql in migrated.items() if "alembic_version" not in name}

    def test_they_are_known_by_the_names_of_their_files(self):
        scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
        assert [script.revision for script in scripts.walk_revisions()] == revisions()[::-1]

    def test_opening_again_keeps_everything(self, empty_url):
        for number in range(3):
            database = Database(empty_url)
            assert len(database.deliveries.list()) == number
            put_one(database.inbox, delivery(f"d-{number}"))
            database.close()

    def test_many_may_open_a_new_database_at_once(self, empty_url):
        with ThreadPoolExecutor(6) as pool:
            databases = list(pool.map(Database, [empty_url] * 6))

        assert len({put_one(database.inbox, delivery()).id for database in databases}) == 1
        for database in databases:
            database.close()

    def test_domains_that_were_keys_are_counted(self, empty_url, monkeypatch):
        upgrade = command.upgrade
        with monkeypatch.context() as patch:
            patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0007"))
            Database(empty_url).close()
        key = "domain:north.example"
        kept = [
            Record(kind=Kind.ACCOUNT, id="001A", name="North", keys=(key,)),
            contact("003A", "phone:1", key, account="001A"),
            contact("003B", key),
            Record(kind=Kind.LEAD, id="00QA", name="Lee", keys=(key,), account_id="001A"),
        ]
        with raw(empty_url) as connection:
            for each in kept:
                account = f"'{each.account_id}'" if each.account_id else "NULL"
                connection.execute(
                    "INSERT INTO mirror_records (org, id, kind, name, keys, topics, is_open, account_id) VALUES "
                    f"('main', '{each.id}', '{each.kind}', '{each.name}', '{json.dumps(each.keys)}', '[]', true, {account})"
                )
                for name in each.keys:
                    connection.execute(f"INSERT INTO mirror_keys VALUES ('main', '{name}', '{each.id}')")
        database = Database(empty_url)

        assert database.mirror.accounts_of_domains("main", [key]) == {key: {"001A": 2}}
        assert database.mirror.around("main", [key], ()) == []
        assert database.mirror.around("main", ["phone:1"], ()) == [kept[0], kept[1]]
        database.mirror.apply("main", ChangePage([], [each.id for each in kept], {}))
        assert database.mirror.accounts_of_domains("main", [key]) == {}
        database.close()

    def test_a_database_newer_than_the_code_is_refused(self, empty_url):
        Database(empty_url).close()
        with raw(empty_url) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")

        with pytest.raises(ConfigError, match="9999.*newer version"):
            Database(empty_url)


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("nonsense", "not a URL"),
            ("mysql://localhost/x", "not supported"),
            ("sqlite://", "needs a file"),
            ("sqlite:///:memory:", "needs a file"),
            ("sqlite:////nowhere/at/all/gateway.db", "does not exist"),
        ],
    )
    def test_a_url_that_cannot_work_says_what_to_write(self, url, problem):
        with pytest.raises(ConfigError, match=problem):
            Database(url)

    def test_a_file_that_is_no_database_is_refused(self, tmp_path):
        (tmp_path / "gateway.db").write_text("These are my notes. " * 1000)
        with pytest.raises(ConfigError, match="gateway.db cannot be opened: file is not a database; name another"):
            Database(f"sqlite:///{tmp_path}/gateway.db")

    def test_a_server_that_is_away_may_come_back(self, tmp_path):
        with pytest.raises(RetryableError):
            Database(f"postgresql://nobody@/nothing?host={tmp_path}")


def _for_rows(statement, given):
    return bulk._updating(sqlite.dialect(), statement, given).text(200)


class TestSettings:
    @pytest.mark.parametrize("url", ["sqlite"], indirect=True)
    def test_sqlite_is_durable_and_lets_readers_read(self, database):
        with database._engine.connect() as connection:
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10000}

    @pytest.mark.parametrize("url", ["sqlite"], indirect=True)
    @pytest.mark.parametrize(
        ("statement", "index"),
        [
            (deliveries._oldest_waiting, "ix_deliveries_waiting"),
            (deliveries._count_set_aside, "ix_deliveries_set_aside"),
            (arrivals._find, "(connection=? AND key=?)"),
            (_for_rows(folding._update, folding._changed), "(external_id=? AND connection=?)"),
            (_for_rows(interactions._settle, interactions._settled), "PRIMARY KEY (rowid=?)"),
            (interactions._take, "ix_interactions_dirty (org=? AND lane=?)"),
            (interactions._backlog, "ix_interactions_dirty (org=? AND lane=?)"),
            (interactions._unsure, "ix_interactions_unsure (org=? AND lane=? AND updated_at<?)"),
            (interactions._by_key, "(external_id=? AND connection=?)"),
            (interactions._unpark, "PRIMARY KEY (rowid=?)"),
            (searches._concerned, "searches USING PRIMARY KEY (org=? AND key=?)"),
            (searches._concerned, "interactions USING INTEGER PRIMARY KEY (rowid=?)"),
            (searches._done, "ix_searches_interaction_id (interaction_id=?)"),
            (searches._give_up, "ix_searches_org_told_at (org=? AND told_at<?)"),
            (fetches._due, "ix_fetches_asked (connection=? AND due_at<?)"),
            (fetches._try_again, "PRIMARY KEY (rowid=?)"),
            (links._due, "ix_sync_links_due (pair=? AND id>?)"),
            (links._unsettled, "ix_sync_links_unsettled (pair=? AND id>?)"),
            (links._active, "ix_sync_links_active (pair=?)"),
            (links._active_up_to, "ix_sync_links_active (pair=?)"),
            (links._linked[Side.PLATFORM], "(pair=? AND platform_id=?)"),
            (links._tell_of[Side.SALESFORCE], "(pair=? AND salesforce_id=?)"),
            (_for_rows(links._save, links._given), "PRIMARY KEY (rowid=?)"),
            (links._stored, "PRIMARY KEY (rowid=?)"),
            (links._due_strays, "ix_sync_strays_due (pair=? AND side=? AND id>?)"),
            (links._in_question, "ix_sync_strays_in_question (pair=? AND side=? AND id>?)"),
            (links._strays_by_id, "(pair=? AND side=? AND id=?)"),
            (_for_rows(links._ask, links._asked), "(pair=? AND side=? AND id=?)"),
            (links._stir, "sync_strays USING INDEX sqlite_autoindex_sync_strays_1 (pair=? AND side=? AND id=?)"),
            (links._stir, "sync_keys USING PRIMARY KEY (pair=? AND side=? AND key=?)"),
            (links._keys_of, "ix_sync_keys_contact_id_pair_side (contact_id=? AND pair=? AND side=?)"),
            (links._forget[0], "ix_sync_keys_contact_id_pair_side (contact_id=? AND pair=? AND side=?)"),
            (links._sharing_of[Side.PLATFORM], "(pair=? AND side=? AND key=? AND contact_id<?)"),
            (links._sharing_of[Side.PLATFORM], "(pair=? AND platform_id=?)"),
            (links._lost, "ix_sync_losses_pair_id (pair=? AND id<?)"),
            (history._of_interaction, "ix_audit_interaction_id_id (interaction_id=?)"),
            (choices._of_keys, "USING PRIMARY KEY (org=? AND key=?)"),
            (mirror._by_ids, "(org=? AND id=?)"),
            (mirror._sharing, "mirror_keys USING PRIMARY KEY (org=? AND key=? AND record_id>? AND record_id<?)"),
            (mirror._accounts_of_domains, "mirror_domains USING PRIMARY KEY (org=? AND domain=? AND account_id<?)"),
            (mirror._around, "mirror_keys USING PRIMARY KEY (org=? AND key=? AND record_id<?)"),
            (mirror._around, "SEARCH mirror_records USING PRIMARY KEY (org=? AND id=?)"),
            (mirror._around, "ix_mirror_records_cases_of_account (account_id=?)"),
            (mirror._around, "ix_mirror_records_cases_of_contact (contact_id=?)"),
            (mirror._around, "ix_mirror_records_relations (contact_id=?)"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_rows_are_found_by_index(self, url, database, statement, index):
        with raw(url) as connection:
            sql = statement
            if not isinstance(sql, str):
                sql = str(statement.compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True}))
            steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * sql.count("?")).fetchall()

        plan = "\n".join(step[3] for step in steps)
        assert index in plan
        assert "TEMP B-TREE" not in plan
        assert "SCAN mirror" not in plan
        assert "SCAN sync" not in plan


class TestClaim:
    def test_writable_says_so(self, database):
        database.check_writable()

    def test_a_file_whose_disk_is_nearly_full_is_not_ready(self, tmp_path, monkeypatch):
        free = SimpleNamespace(free=LEAST_FREE)
        monkeypatch.setattr("gateway.storage.database.disk_usage", lambda folder: free if folder == tmp_path else None)
        database = Database(f"sqlite:///{tmp_path}/gateway.db")
        try:
            database.check_writable()
            free.free = 12 * 1024**2
            with pytest.raises(RetryableError, match="disk has 12 MiB left; make room for at least 64"):
                database.check_writable()
        finally:
            database.close()

    @pytest.mark.parametrize("url", ["sqlite"], indirect=True)
    def test_a_database_that_cannot_be_written_is_not_ready(self, url, database):
        with raw(url) as connection:
            connection.execute("DROP TABLE alembic_version")
        with pytest.raises(RetryableError):
            database.check_writable()

    def test_one_process_serves_a_file_until_it_ends_however_it_ends(self, tmp_path):
        url = f"sqlite:///{tmp_path}/gateway.db"
        with child(_CLAIM, url) as process:
            assert process.stdout.readline() == "claimed\n"
            database = Database(url)
            with pytest.raises(ConfigError, match="another gateway process already serves .*gateway.db; stop"):
                database.claim_file()
            assert put_one(database.inbox, delivery()).id == 1
            assert database.interactions.lease("main", 1, owner="me", now=NOW, seconds=1) is None
        database.claim_file()
        database.claim_file()
        assert database.interactions.lease("main", 1, owner="me", now=NOW, seconds=1).epoch == 2
        database.close()

    def test_postgresql_is_served_by_any_number(self, database, url):
        if url.startswith("postgresql"):
            other = Database(url)
            database.claim_file()
            other.claim_file()
            other.close()

    def test_a_claim_ends_with_the_database(self, tmp_path):
        url = f"sqlite:///{tmp_path}/gateway.db"
        for _ in range(2):
            database = Database(url)
            database.claim_file()
            database.close()

    def test_another_process_may_write_while_one_serves(self, tmp_path):
        url = f"sqlite:///{tmp_path}/gateway.db"
        serving, command = Database(url), Database(url)
        serving.claim_file()

        def write(number):
            store = (serving, command)[number % 2]
            store.deliveries.fold([folded(f"c-{number}")], [])
            store.tokens.create("t", "reader", f"d-{number}", NOW)
            return put_one(store.inbox, delivery(f"d-{number}"))

        with ThreadPoolExecutor(8) as pool:
            receipts = list(pool.map(write, range(80)))

        assert len({receipt.id for receipt in receipts}) == 80
        assert len(serving.tokens.list()) == len(serving.interactions.list(limit=100)) == 80
        serving.close()
        command.close()


def _schema(url: str) -> dict[str, str]:
    """Every table's columns and every index's whole definition, as the database states them."""
    with raw(url) as connection:
        if url.startswith("sqlite"):
            rows = connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_master").fetchall()
        else:
            rows = connection.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL "
                "SELECT table_name || '.' || column_name, data_type || ' ' || is_nullable || ' ' || "
                "coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public'"
            ).fetchall()
    return {name: " ".join(sql.split()) for name, sql in rows}
