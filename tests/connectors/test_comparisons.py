"""Nowhere is a secret compared by a comparison that stops at the first difference."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.sdk import verify
from gateway.sdk.discovery import installed_connectors

CHECKS = ("verify", "check", "_check", "require", "_any")
"""How functions begin that tell who sent a request."""
FILES = sorted(
    {
        Path(verify.__file__),
        *(
            path
            for connector in installed_connectors().values()
            if connector.posts
            for path in Path(inspect.getfile(sys.modules[connector.__module__])).parent.glob("*.py")
        ),
    }
)


def comparisons(source: str) -> Iterator[str]:
    """Each `==`, `!=` or `in` within a check that has neither a constant nor the request's headers on a side."""
    defined = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    checks = (function for function in defined if function.name.startswith(CHECKS))
    for node in (node for check in checks for node in ast.walk(check)):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
            continue
        if not any(map(_is_public, (node.left, *node.comparators))):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def _is_public(side: ast.expr) -> bool:
    """A constant, by its value or by its name in capitals, or what every sender shows."""
    named = side.attr if isinstance(side, ast.Attribute) else side.id if isinstance(side, ast.Name) else ""
    return isinstance(side, ast.Constant) or named.isupper() or named == "headers"


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_secrets_are_compared_in_constant_time(file):
    assert list(comparisons(file.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "comparison", ["given == secret", "secret != given", "given in secrets", "digest() == mac[4:]"]
)
def test_a_comparison_that_tells_is_found(comparison):
    assert list(comparisons(f"def check_it(given):\n    return {comparison}"))
    assert list(comparisons(f"class C:\n    def verify(self, r):\n        if {comparison}:\n            pass"))


@pytest.mark.parametrize("comparison", ["request.method == 'HEAD'", "NAME in request.headers", "kind not in KINDS"])
def test_what_is_public_may_be_compared(comparison):
    assert not list(comparisons(f"def verify(request):\n    return {comparison}"))
