"""What is shipped: the wheel, the image's recipe, the locks and the scripts."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gateway import config
from gateway.sdk import Connector, Secret, Settings

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("gateway", "connectors", "mappings")
LOCKS = sorted((ROOT / "scripts/requirements").glob("*.txt"))
SCRIPTS = [path for path in sorted((ROOT / "scripts").iterdir()) if path.is_file()] + [ROOT / ".ci/run"]

# Asks a fresh installation what it has; the answer is JSON.
PROBE = """
import importlib.metadata as metadata, importlib.resources as resources, json, gateway
own = metadata.distribution("crm-gateway")
print(json.dumps({
    "home": gateway.__file__,
    "loaded": {entry.name: entry.load().__name__ for entry in own.entry_points},
    "mappings": [file.name for file in resources.files("mappings").iterdir()],
}))
"""


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile in order, comments gone and continued lines joined."""
    lines = "\n".join(line for line in dockerfile.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def arguments_of(steps: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for word, rest in steps if word == name]


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    return instructions((ROOT / "docker/Dockerfile").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict:
    return YAML(typ="safe").load(ROOT / "docker/compose.yaml")


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A copy of what the wheel is built from: a build leaves nothing in the tree, nor finds what another left."""
    copy = tmp_path_factory.mktemp("source")
    shutil.copy(ROOT / "pyproject.toml", copy)
    (copy / PROJECT["readme"]).write_text("# A stand-in\n", encoding="utf-8")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (built,) = folder.glob("*.whl")
    return built


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments, "--no-index"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class TestWheel:
    def test_carries_every_file_of_the_packages(self, source, wheel):
        """Code, and what lies beside it: mappings, grammars, templates, migrations, fixtures."""
        wanted = {
            path.relative_to(source).as_posix()
            for package in PACKAGES
            for path in (source / package).rglob("*")
            if path.is_file()
        }
        carried = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

        assert carried == wanted
        assert {
            "gateway/devorg/soql.lark",
            "gateway/storage/migrations/script.py.mako",
            "mappings/task.yaml",
        } <= carried

    def test_works_where_it_is_installed(self, wheel, tmp_path):
        """Its command and all its connectors are found and can be imported, and its mappings read."""
        pip("install", "--no-deps", "--target", str(tmp_path), str(wheel))
        answer = subprocess.run(
            [sys.executable, "-c", PROBE],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

        assert answer.returncode == 0, answer.stderr
        found = json.loads(answer.stdout)
        assert found["home"] == str(tmp_path / "gateway/__init__.py")
        assert (
            found["loaded"].keys() == PROJECT["scripts"].keys() | PROJECT["entry-points"]["gateway.connectors"].keys()
        )
        assert {"task.yaml", "matching.yaml"} <= set(found["mappings"])


class TestDockerfile:
    def test_every_copied_file_exists(self, dockerfile):
        copied = [shlex.split(rest)[:-1] for rest in arguments_of(dockerfile, "COPY") if not rest.startswith("--from")]

        assert copied
        assert [name for names in copied for name in names if not (ROOT / name).exists()] == []

    def test_every_copied_file_is_sent_to_the_builder(self, dockerfile):
        kept = {
            line[1:]
            for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
            if line.startswith("!")
        }
        copied = [shlex.split(rest)[:-1] for rest in arguments_of(dockerfile, "COPY") if not rest.startswith("--from")]

        assert {
            name for names in copied for name in names if name not in kept and str(Path(name).parent) not in kept
        } == set()

    def test_every_stage_that_is_copied_from_exists(self, dockerfile):
        stages = {rest.split()[-1] for rest in arguments_of(dockerfile, "FROM") if " AS " in rest}

        assert set(re.findall(r"--from=(\S+)", "\n".join(arguments_of(dockerfile, "COPY")))) <= stages

    def test_starts_the_declared_command(self, dockerfile):
        (entrypoint,), (command,) = arguments_of(dockerfile, "ENTRYPOINT"), arguments_of(dockerfile, "CMD")

        assert json.loads(entrypoint)[0] in PROJECT["scripts"]
        assert json.loads(command) == ["serve"]

    def test_installs_only_what_is_pinned(self, dockerfile):
        """Each installation is either by hash or of our own wheel."""
        installs = re.findall(r"pip install ([^&]*)", "\n".join(arguments_of(dockerfile, "RUN")))

        assert len(installs) == 3
        assert all("--require-hashes" in line or line.startswith("--no-deps /opt/wheel/") for line in installs)

    def test_runs_without_privileges(self, dockerfile):
        words = [word for word, _ in dockerfile]
        (user,) = arguments_of(dockerfile, "USER")

        assert user == "10001:10001"
        assert words.index("USER") < words.index("ENTRYPOINT")
        assert arguments_of(dockerfile, "VOLUME") == arguments_of(dockerfile, "WORKDIR")[1:] == ["/var/lib/gateway"]

    def test_asks_for_its_health_with_code_that_compiles(self, dockerfile):
        (check,) = arguments_of(dockerfile, "HEALTHCHECK")
        command = json.loads(check.partition(" CMD ")[2])

        assert command[:2] == ["python", "-c"]
        assert "/health/live" in command[2]
        compile(command[2], "healthcheck", "exec")

    def test_takes_the_supported_python(self, dockerfile):
        version = dict(rest.split("=") for rest in arguments_of(dockerfile, "ARG"))["PYTHON"]

        assert PROJECT["requires-python"] == f">={version}"
        assert all("${PYTHON}" in rest for rest in arguments_of(dockerfile, "FROM"))

    def test_says_the_projects_version(self, dockerfile):
        assert dict(rest.split("=") for rest in arguments_of(dockerfile, "ARG"))["VERSION"] == PROJECT["version"]


class TestCompose:
    def test_builds_our_image(self, compose):
        build = compose["services"]["gateway"]["build"]

        assert (ROOT / "docker" / build["context"] / build["dockerfile"]).resolve() == ROOT / "docker/Dockerfile"

    def test_every_service_is_confined(self, compose):
        for service in compose["services"].values():
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert "no-new-privileges:true" in service["security_opt"]
        assert "cap_add" not in compose["services"]["gateway"]

    def test_waits_for_a_healthy_database(self, compose):
        services = compose["services"]

        assert services["gateway"]["depends_on"] == {"database": {"condition": "service_healthy"}}
        assert "pg_isready" in services["database"]["healthcheck"]["test"][1]

    def test_every_secret_and_volume_that_is_used_is_declared(self, compose):
        services = compose["services"].values()
        secrets = {name for service in services for name in service["secrets"]}
        volumes = {volume.partition(":")[0] for service in services for volume in service["volumes"]}

        assert secrets == compose["secrets"].keys()
        assert {name for name in volumes if not name.startswith(".")} == compose["volumes"].keys()
        assert all((ROOT / "docker" / name).exists() for name in volumes if name.startswith("."))

    def test_no_secret_stands_in_it(self, compose):
        """They come from files, which git does not keep."""
        assert all(secret["file"].startswith("./secrets/") for secret in compose["secrets"].values())
        assert "secrets/" in (ROOT / "docker/.gitignore").read_text(encoding="utf-8").splitlines()
        assert all(
            name.endswith("_FILE") or "PASSWORD" not in name
            for service in compose["services"].values()
            for name in service.get("environment", {})
        )

    def test_its_settings_are_valid_and_name_only_secrets_that_it_hands_over(self, compose, tmp_path):
        text = (ROOT / "docker/gateway.yaml").read_text(encoding="utf-8")
        for name in compose["services"]["gateway"]["secrets"]:
            (tmp_path / name).write_text("postgresql+psycopg://gateway:p@database:5432/gateway\n", encoding="utf-8")
        (tmp_path / "gateway.yaml").write_text(text.replace("/run/secrets/", f"{tmp_path}/"), encoding="utf-8")

        assert config.load(tmp_path / "gateway.yaml", {}, {"generic": Generic}).warnings == ()


class GenericSettings(Settings):
    token = Secret()


class Generic(Connector):
    settings_schema = GenericSettings


class TestLocks:
    @pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
    def test_says_what_to_install_and_never_where_from(self, lock):
        text = lock.read_text(encoding="utf-8")
        lines = [
            line for line in text.splitlines() if line and not re.match(r"\s*#|\s+--hash=sha256:[0-9a-f]{64}", line)
        ]

        assert lines
        assert [line for line in lines if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.+!]+( ; .+)? \\", line)] == []
        assert re.findall(r".*(?:://| /).*", text) == []
        assert "#    scripts/relock\n" in text

    @pytest.mark.parametrize("lock", ["runtime", "dev"])
    def test_covers_what_is_declared(self, lock):
        declared = PROJECT["dependencies"] + (PROJECT["optional-dependencies"]["dev"] if lock == "dev" else [])
        names = {canonical(re.match(r"[\w.-]+", requirement)[0]) for requirement in declared}

        assert names - versions(ROOT / f"scripts/requirements/{lock}.txt").keys() == set()

    def test_agree(self):
        """What runs is what was tested: the larger set has the very versions of the smaller ones."""
        build, runtime, dev = (
            versions(ROOT / f"scripts/requirements/{name}.txt") for name in ("build", "runtime", "dev")
        )

        assert (build | runtime).items() <= dev.items()


def versions(lock: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonical(name): version for name, version in found}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class TestScripts:
    @pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
    def test_stops_at_the_first_failure_and_runs_from_anywhere(self, script):
        text = script.read_text(encoding="utf-8")

        assert os.access(script, os.X_OK)
        assert text.startswith("#!/bin/sh\n# ")
        assert '\nset -eu\ncd "$(dirname "$0")/.."\n' in text
        assert subprocess.run(["sh", "-n", script], check=False).returncode == 0

    @pytest.mark.parametrize("script", SCRIPTS[:-1], ids=lambda path: path.name)
    def test_explains_itself(self, script, tmp_path):
        """--help tells how to call it, and does nothing else."""
        told = subprocess.run([script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)

        assert told.returncode == 0
        assert f"  scripts/{script.name}" in told.stdout
        assert "#" not in told.stdout

    def test_bootstrap_refuses_an_unknown_option(self):
        refused = subprocess.run([ROOT / "scripts/bootstrap", "--fast"], capture_output=True, text=True, check=False)

        assert (refused.returncode, refused.stdout) == (2, "")
        assert "--help" in refused.stderr
