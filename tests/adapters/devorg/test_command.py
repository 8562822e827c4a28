"""The org as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from gateway.devorg import create_server, seed


def test_the_module_says_where_it_listens(tmp_path: Path) -> None:
    content = tmp_path / "seed.yaml"
    content.write_text("User:\n- {Username: a@example.com, LastName: A, Email: a@example.com, Alias: a}\n")
    command = [sys.executable, "-m", "gateway.devorg", "--port", "0", "--seed", str(content)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = requests.get(f"{url}/objects/User", timeout=30)
        process.terminate()

    assert ">a@example.com<" in answer.text or ">A<" in answer.text


def test_a_seed_that_makes_no_sense_stops_the_start(tmp_path: Path) -> None:
    content = tmp_path / "seed.yaml"
    content.write_text("- a list\n")

    with pytest.raises(seed.SeedError, match="mapping"):
        create_server(seed=content)


def test_features_may_be_chosen_at_the_start() -> None:
    with create_server(shared_activities=False, person_accounts=True) as server:
        schema = server.site.org.schema

    assert "taskrelation" not in schema
    assert "personcontactid" in schema["account"].fields
