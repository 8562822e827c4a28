"""Has an independent parser judge the SOQL of these tests, and records its verdicts.

    npm pack @jetstreamapp/soql-parser-js@6.3.1 && tar -xzf jetstreamapp-soql-parser-js-6.3.1.tgz
    python -m tests.adapters.soql_oracle package [TESTS...]

BUNDLE (`package` above) is the unpacked package. It is run by Node.js, or by `mini-racer` where that is installed. With
TESTS only the shapes these send are added; without, all tests that ask the local org run, and shapes not sent go.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.adapters.soql_shapes import RECORD, recorded

_ALL = ("tests/adapters/devorg", "tests/adapters/salesforce")
_NODE = """
const {isQueryValid} = await import(process.argv[1]);
const shapes = JSON.parse((await import("fs")).readFileSync(0, "utf8"));
console.log(JSON.stringify(shapes.map(shape => isQueryValid(shape))));
"""


def sent_by(tests: Iterable[str]) -> set[str]:
    """The shapes of all statements that the local org reads during the tests."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as collected:
        environment = os.environ | {"SOQL_SHAPES": collected.name}
        command = [sys.executable, "-m", "pytest", "-n", "auto", *tests]
        if subprocess.run(command, env=environment, check=False).returncode:
            sys.exit("The tests must pass before their statements are judged.")
        return set(collected.read().split("\n")[:-1])


def verdicts(bundle: Path, shapes: list[str]) -> list[bool]:
    """Whether the parser takes each shape for valid."""
    if node := shutil.which("node"):
        module = (bundle / "dist/esm/index.mjs").resolve().as_uri()
        command = [node, "--input-type=module", "-e", _NODE, module]
        done = subprocess.run(command, input=json.dumps(shapes), stdout=subprocess.PIPE, text=True, check=True)
        return list(json.loads(done.stdout))
    try:
        from py_mini_racer import MiniRacer  # noqa: PLC0415 - asked for only where there is no Node.js
    except ImportError:
        sys.exit("The parser is JavaScript: put `node` on the PATH, or `pip install mini-racer`.")
    source = (bundle / "dist/lwc/index.js").read_text(encoding="utf-8")
    engine = MiniRacer()
    engine.eval(f"var console={{log(){{}},error(){{}},warn(){{}}}};{source[: source.rindex('export {')]};0")
    return [bool(engine.call("isQueryValid", shape)) for shape in shapes]


def record(bundle: Path, shapes: list[str]) -> None:
    """Write what the parser says, sorted, one shape to a line."""
    package = json.loads((bundle / "package.json").read_text(encoding="utf-8"))
    said = list(zip(shapes, verdicts(bundle, shapes), strict=True))
    kept = json.loads(RECORD.read_text(encoding="utf-8")) | {
        "parser": package["name"],
        "version": package["version"],
        "valid": [shape for shape, valid in said if valid],
        "invalid": [shape for shape, valid in said if not valid],
    }
    RECORD.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Collect, judge, record."""
    if not arguments or not (Path(arguments[0]) / "package.json").is_file():
        sys.exit(__doc__)
    known = recorded().shapes if arguments[1:] else ()
    record(Path(arguments[0]), sorted(sent_by(arguments[1:] or _ALL).union(known)))
    print(f"{RECORD}: {len(json.loads(RECORD.read_text(encoding='utf-8'))['valid'])} valid shapes")


if __name__ == "__main__":
    main(sys.argv[1:])
