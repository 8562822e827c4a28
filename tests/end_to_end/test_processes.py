"""Starting, refusing to start, stopping and being killed."""

from __future__ import annotations

import threading

import pytest
import requests

from gateway.usecases.tasks import LEASE_SECONDS
from tests.end_to_end.processes import Gateway, Store, event, eventually, run, write_settings


def test_wrong_settings_are_all_listed_with_exit_code_2(tmp_path):
    (tmp_path / "gateway.yaml").write_text(
        "orgs:\n  main:\n    login_url: http://example.com\n    auth: {flow: smoke}\n"
        "connections:\n  desk: {connector: nobody, org: other}\nspeed: fast\n"
    )
    for arguments in (("serve", "--port", "0"), ("check",)):
        refused = run(tmp_path, *arguments)

        assert refused.returncode == 2
        for word in ("login_url", "flow", "nobody", "other", "speed"):
            assert word in refused.stderr, refused.stderr
        assert "Traceback" not in refused.stderr
        assert refused.stderr.count("gateway.yaml:") >= 4


def test_a_missing_secret_is_named(folder):
    settings = folder / "gateway.yaml"
    settings.write_text(settings.read_text().replace("FRONT_DESK_TOKEN", "NOT_SET"))
    refused = run(folder, "serve", "--port", "0")

    assert refused.returncode == 2
    assert "NOT_SET" in refused.stderr


def test_a_second_gateway_on_one_file_is_refused(gateway, org, id):
    refused = run(gateway.folder, "serve", "--port", "0")

    assert refused.returncode == 2
    assert "another gateway process already serves" in refused.stderr
    assert gateway.post(event(id)).status_code == 202
    eventually(lambda: org.task(id))


def test_a_port_that_is_taken_is_told_in_a_sentence(gateway, org, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_settings(other, org.url)
    refused = run(other, "serve", "--port", gateway.url.rpartition(":")[2])

    assert refused.returncode in {1, 2}
    assert "Traceback" not in refused.stderr
    assert "already in use" in refused.stderr


def test_what_was_acknowledged_before_a_kill_is_written_after_a_restart(folder, org, id):
    org.faults({"kind": "status", "status": 503})
    with Gateway(folder) as gateway:
        for number in range(20):
            assert gateway.post(event(f"{id}-{number}")).status_code == 202
    assert org.tasks(id) == {}
    org.faults()

    with Gateway(folder), Store(folder) as store:
        eventually(lambda: store.are_written(id, 20))
        assert {key: len(found) for key, found in org.tasks(id).items()} == {f"{id}-{n}": 1 for n in range(20)}


def test_a_gateway_killed_in_the_middle_of_a_write_holds_no_lane_and_doubles_nothing(folder, org, id):
    org.faults({"kind": "silence_after", "path": "composite/sobjects"})
    with Gateway(folder) as gateway:
        gateway.post(event(id, disposition="Resolved"))
        first = eventually(lambda: org.task(id))
    org.faults()

    with Gateway(folder) as gateway, Store(folder) as store:
        gateway.post(event(id, "wrapped_up", 7, disposition="Sold"))
        # Sooner than the killed one's lease would have ended.
        eventually(lambda: store.are_written(id), patience=0.8 * LEASE_SECONDS)
        assert (org.task(id)["Id"], org.task(id)["CallDisposition"]) == (first["Id"], "Sold")
        assert store.interaction(id).kept == {}


def test_sigterm_answers_what_was_begun_and_ends_with_0(folder, org, id):
    """Posting goes on until the gateway is gone: each post was answered and kept, or was never accepted."""
    with Gateway(folder) as gateway:
        acknowledged: list[str] = []
        enough = threading.Event()

        def post() -> None:
            for number in range(100_000):
                try:
                    answer = gateway.post(event(f"{id}-{number}"))
                except requests.ConnectionError:
                    return
                if answer.status_code != 202:
                    assert answer.status_code == 503
                    return
                acknowledged.append(f"{id}-{number}")
                if number == 30:
                    enough.set()

        poster = threading.Thread(target=post)
        poster.start()
        eventually(enough.is_set)
        gateway.terminate()
        assert gateway.exit_code() == 0
        poster.join()
        assert "Traceback" not in gateway.log.read_text()

    with Gateway(folder), Store(folder) as store:
        eventually(lambda: store.are_written(id, len(store.interactions(id))))
        assert set(org.tasks(id)) >= set(acknowledged)


def test_sigterm_stops_also_while_the_org_is_away(folder, org, id):
    org.faults({"kind": "reset_before"})
    with Gateway(folder) as gateway:
        gateway.post(event(id))
        eventually(lambda: "org_paused" in gateway.log.read_text())
        gateway.terminate()
        assert gateway.exit_code() == 0


def test_the_gateway_starts_and_takes_deliveries_while_the_org_is_away(folder, org, id):
    org.faults({"kind": "reset_before", "path": "^/services"})
    with Gateway(folder) as gateway, Store(folder) as store:
        assert gateway.post(event(id)).status_code == 202
        assert requests.get(f"{gateway.url}/health/live", timeout=30).status_code == 200
        eventually(lambda: store.interaction(id))


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_the_main_job_on_postgresql_with_two_gateways(url, org, tmp_path, id):
    write_settings(tmp_path, org.url, url)
    with Gateway(tmp_path) as one, Gateway(tmp_path) as other, Store(tmp_path, url) as store:
        for number in range(40):
            gateway = (one, other)[number % 2]
            assert gateway.post(event(f"{id}-{number}")).status_code == 202
            assert gateway.post(event(f"{id}-{number}", "wrapped_up", 7, disposition="Sold")).status_code == 202
            assert one.post(event(f"{id}-{number}")).json()["duplicate"] is True
        eventually(lambda: store.are_written(id, 40))

        tasks = org.tasks(id)
        assert {key: len(found) for key, found in tasks.items()} == {f"{id}-{n}": 1 for n in range(40)}
        assert {found[0]["CallDisposition"] for found in tasks.values()} == {"Sold"}
