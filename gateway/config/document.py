"""The text of gateway.yaml as a tree of plain values, with the line of each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from gateway.config.report import Report, Trail
from gateway.errors import ConfigError

EXAMPLE = """\
database: sqlite:///gateway.db
orgs:
  main:
    login_url: https://MyDomain.my.salesforce.com
    auth: {flow: client_credentials, client_id: 3MVG9..., client_secret: {env: SF_SECRET}}
connections:
  front-desk:
    connector: generic
    org: main
    settings: {token: {env: FRONT_DESK_TOKEN}}
"""


def read(path: Path) -> str:
    """The text of the file. ConfigError: there is none."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file; create it, or name another in GATEWAY_CONFIG. A small one:\n\n{EXAMPLE}"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{path}: is not a text file in UTF-8; save it as one") from None


def parse(text: str, report: Report, example: str = EXAMPLE) -> dict[str, Any]:
    """The tree of the text; the report learns the line of each setting. ConfigError: it is no mapping in YAML."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is used again is none of the reader's business
            root = YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001  # the parser's own slips on odd input, such as a bad \U, are syntax errors too
        raise ConfigError(_syntax_problem(error, text, report.label)) from None
    if root is None:
        raise ConfigError(
            f"{report.label}:1: the file is empty; write your settings into it. A small one:\n\n{example}"
        )
    tree = _Tree(report).value(root, ())
    if not isinstance(tree, dict):
        raise ConfigError(f"{report.label}:1: the file must be a mapping. A small one:\n\n{example}")
    return tree


# The parser's words, and ours. Its own sentence is never shown, for it can quote the text of a secret.
_SYNTAX = (
    ("'\\t'", "a tab cannot indent; use spaces"),
    ("undefined alias", "text that begins with * needs quotes"),
    ("tag", "text that begins with ! needs quotes"),
    ("cannot start any token", "text that begins with this character needs quotes"),
    (
        "mapping values are not allowed",
        "there is one colon too many; check the indentation, and quote text with a colon",
    ),
    ("quoted scalar", "a quote is opened here and never closed"),
    ("another document", "the settings must be one document; remove the line ---"),
    ("could not find expected ':'", "a colon is missing; write `name: value`, with a space after the colon"),
    ("while parsing a flow", "a bracket or brace is opened here and never closed, or a comma is missing"),
    ("while parsing a block", "the indentation does not fit the lines above"),
)


def _syntax_problem(error: Exception, text: str, label: str) -> str:
    words = f"{getattr(error, 'problem', '')} {getattr(error, 'context', '')}"
    sentence = next(
        (ours for theirs, ours in _SYNTAX if theirs in words), "this is not YAML; check indentation and quotes"
    )
    if isinstance(error, MarkedYAMLError):
        begins = "opened here" in sentence or "is missing" in sentence
        mark = (error.context_mark if begins else None) or error.problem_mark or error.context_mark
        return f"{label}:{mark.line + 1 if mark else 1}: {sentence}"
    position = getattr(error, "position", None)
    if isinstance(position, int):
        line = text.count("\n", 0, position) + 1
        return f"{label}:{line}: a character here is not text; type the line anew"
    return f"{label}:1: {sentence}"


class _Tree:
    """YAML nodes to plain values, with the line of every key; keys are always the text as written."""

    _LARGEST = 100_000

    def __init__(self, report: Report) -> None:
        self._report = report
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: Node, trail: Trail) -> Any:
        self._report.lines.setdefault(trail, node.start_mark.line + 1)
        self._count += 1
        if id(node) in self._open or self._count > self._LARGEST:
            raise ConfigError(
                f"{self._report.label}:{node.start_mark.line + 1}: an alias (*) makes the file endless; write it out"
            )
        if not str(node.tag).startswith("tag:yaml.org,2002:"):
            self._report.problem(trail, "text that begins with ! needs quotes")
            return ""
        if isinstance(node, ScalarNode):
            return _scalar(str(node.tag), node.value)
        self._open.add(id(node))
        value: Any = self._mapping(node, trail) if isinstance(node, MappingNode) else self._sequence(node, trail)
        self._open.discard(id(node))
        return value

    def _mapping(self, node: MappingNode, trail: Trail) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else "?"
            line = key_node.start_mark.line + 1
            inner = (*trail, key)
            if key in found:
                first, self._report.lines[inner] = self._report.lines[inner], line
                self._report.problem(inner, f"stands twice, first in line {first}; keep one")
                continue
            self._report.lines[inner] = line
            found[key] = self.value(value_node, inner)
        return found

    def _sequence(self, node: Node, trail: Trail) -> list[Any]:
        return [self.value(item, (*trail, str(index))) for index, item in enumerate(node.value)]


def _scalar(tag: str, text: str) -> Any:
    match tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in {"true", "yes", "on"}
        case "int":
            return _number(int, text)
        case "float":
            return _number(float, text)
        case _:
            return text


def _number(kind: Callable[[str], int | float], text: str) -> int | float | str:
    """The number; the text where it is none to us, such as 0x1F, so that the setting's own check speaks."""
    try:
        return kind(text)
    except ValueError:
        return text
