"""What a platform tells only when it is asked, with a connector of somebody else's, over real processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.end_to_end.exchange import PAGE, SETTINGS, Exchange, install
from tests.end_to_end.processes import PATIENCE, Gateway, Store, event, eventually, run

COUNT = 6 * PAGE
AMID = 3 * PAGE


@pytest.fixture
def exchange(id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchange]:
    install(tmp_path / "site")
    paths = [str(tmp_path / "site"), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    with Exchange([event(f"{id}-{number}") for number in range(COUNT)]) as exchange:
        yield exchange
        exchange.release()


def write_settings(folder: Path, org: Any, exchange: Exchange, database: str = "sqlite:///gateway.db") -> None:
    (folder / "gateway.yaml").write_text(SETTINGS.format(database=database, org=org.url, api=exchange.url))


def jobs(folder: Path) -> dict[str, Any]:
    return {job["name"]: job for job in json.loads(run(folder, "pull", "--json").stdout)}


def is_read(store: Store) -> bool:
    job = store.job("front-desk", "calls")
    return bool(job and job.succeeded_at and job.problem is None)


def each_once(id: str) -> dict[str, int]:
    return {f"{id}-{number}": 1 for number in range(COUNT)}


def test_a_gateway_killed_amid_a_reading_has_every_record_written_once(url, exchange, org, tmp_path, id):
    write_settings(tmp_path, org, exchange, url)
    exchange.hold(AMID)
    with Gateway(tmp_path) as gateway:
        # Some are pushed as well; what the push never delivered is found by the reading.
        for number in range(0, COUNT, 5):
            assert gateway.post(event(f"{id}-{number}", notes="Pushed")).status_code == 202
        assert exchange.is_held.wait(PATIENCE)
    exchange.release()

    with Store(tmp_path, url) as store:
        read_before = store.job("front-desk", "calls").cursor["after"]
        store.end_leases()
        with Gateway(tmp_path):
            eventually(lambda: is_read(store), "the reading")
            eventually(lambda: store.are_written(id, COUNT), "all Tasks")
            assert {key: len(found) for key, found in org.tasks(id).items()} == each_once(id)
            asked = [int(asked.query["after"]) for asked in exchange.asked if asked.path == "/calls"]
            assert read_before == AMID
            assert asked.count(0) == 1, "it goes on where the killed one was"

            assert run(tmp_path, "pull", "front-desk", "calls", "--anew").returncode == 0
            eventually(lambda: (job := store.job("front-desk", "calls")).records == COUNT and job, "reading it anew")
            job = eventually(lambda: is_read(store) and store.job("front-desk", "calls"))
            assert (job.records, job.new) == (COUNT, 0)
            assert {key: len(found) for key, found in org.tasks(id).items()} == each_once(id)


def test_sigterm_does_not_wait_for_a_platform(exchange, org, tmp_path):
    write_settings(tmp_path, org, exchange)
    exchange.hold(AMID)
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        assert exchange.is_held.wait(PATIENCE)
        gateway.terminate()
        assert gateway.exit_code() == 0
        assert "Traceback" not in gateway.log.read_text()
        assert store.job("front-desk", "calls").cursor == {"after": AMID}


def test_what_a_notification_names_is_fetched_and_written(exchange, org, tmp_path, id):
    exchange.calls = ()
    write_settings(tmp_path, org, exchange)
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        assert gateway.post({"call_id": f"{id}-late"}).status_code == 202
        given_up = eventually(lambda: json.loads(run(tmp_path, "fetches", "list", "--json").stdout))
        assert [(one["name"], one["reason"]) for one in given_up] == [
            (f"{id}-late", "The platform does not know it; it was asked for 3 times.")
        ]
        exchange.details = {f"{id}-{name}": event(f"{id}-{name}") for name in ("late", "soon")}
        assert gateway.post({"call_id": f"{id}-soon"}).status_code == 202
        eventually(lambda: store.are_written(id), "the Task of the one")
        assert run(tmp_path, "fetches", "retry", "--all").returncode == 0
        eventually(lambda: store.are_written(id, 2), "the Task of the other")
        assert {key: len(found) for key, found in org.tasks(id).items()} == {f"{id}-late": 1, f"{id}-soon": 1}


def test_the_platform_is_told_where_to_post_and_what_its_jobs_do_is_shown(exchange, org, tmp_path):
    write_settings(tmp_path, org, exchange)
    checked = run(tmp_path, "check")
    assert "front-desk asks its platform: calls, fetches, subscription" in checked.stdout
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        eventually(lambda: is_read(store) and store.job("front-desk", "subscription").succeeded_at)
        assert exchange.hooks == [{"address": "https://gateway.example.com/webhooks/front-desk", "replaces": None}]
        told = jobs(tmp_path)
        assert (told["calls"]["records"], told["calls"]["new"]) == (COUNT, COUNT)

        token = run(tmp_path, "token", "create", "--role", "reader").stdout.strip()
        headers = {"Authorization": f"Bearer {token}"}
        (shown,) = requests.get(f"{gateway.url}/api/status", headers=headers, timeout=PATIENCE).json()["items"]
        assert {job["name"]: job for job in shown["connections"][0]["jobs"]} == told
        metrics = requests.get(f"{gateway.url}/metrics", timeout=PATIENCE).text
        assert f'gateway_pulled_total{{connection="front-desk",job="calls",result="new"}} {COUNT}.0' in metrics

        settings = tmp_path / "gateway.yaml"
        settings.write_text(settings.read_text().replace("public_url: https://gateway.example.com\n", ""))
        refused = run(tmp_path, "check")
        assert refused.returncode == 2
        assert "public_url is missing: the connection front-desk tells its platform where to post to" in refused.stderr


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_of_two_gateways_one_reads(url, exchange, org, tmp_path, id):
    write_settings(tmp_path, org, exchange, url)
    with Gateway(tmp_path), Gateway(tmp_path), Store(tmp_path, url) as store:
        eventually(lambda: is_read(store) and store.are_written(id, COUNT), "all Tasks")
    assert {key: len(found) for key, found in org.tasks(id).items()} == each_once(id)
    asked = [asked.query["after"] for asked in exchange.asked if asked.path == "/calls"]
    assert len(asked) == len(set(asked)) == COUNT // PAGE + 1
