"""JMESPath expressions as functions.

jmespath walks its syntax tree anew for every search, and mappings search every interaction a dozen times. The nodes
that mappings are mostly made of become functions here, once; all others are left to jmespath, with the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import jmespath
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

Path: TypeAlias = Callable[[Any], Any]
"""From a JSON-like value to what the expression finds in it, None where there is nothing."""

_Node: TypeAlias = Mapping[str, Any]

# Neither keeps anything between searches.
_interpreter = TreeInterpreter()
_functions = Functions()


def compile_path(expression: str) -> Path:
    """The expression as a function. JMESPathError: it is none."""
    return _compiled(jmespath.compile(expression).parsed)


def names_in(expression: str) -> frozenset[str]:
    """The names of fields that an expression asks for, at any depth. JMESPathError: it is none."""
    return frozenset(_names(jmespath.compile(expression).parsed))


def _names(node: _Node) -> Iterator[str]:
    if node["type"] == "field":
        yield node["value"]
    for child in node["children"]:
        yield from _names(child)


def _compiled(node: _Node) -> Path:
    build = _BUILDERS.get(node["type"])
    return build(node) if build else partial(_interpreter.visit, node)


def _children(node: _Node) -> list[Path]:
    return [_compiled(child) for child in node["children"]]


def _field(node: _Node) -> Path:
    name = node["value"]

    def find(value: Any) -> Any:
        try:
            return value.get(name)
        except AttributeError:
            return None

    return find


def _same(value: Any) -> Any:
    return value


def _itself(_: _Node) -> Path:
    return _same


def _literal(node: _Node) -> Path:
    constant = node["value"]
    return lambda _: constant


def _chain(node: _Node) -> Path:
    steps = _children(node)

    def find(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return find


def _or(node: _Node) -> Path:
    first, second = _children(node)
    return lambda value: second(value) if is_false(found := first(value)) else found


def _list(node: _Node) -> Path:
    members = _children(node)
    return lambda value: None if value is None else [member(value) for member in members]


def _filter(node: _Node) -> Path:
    base, member, condition = _children(node)

    def find(value: Any) -> Any:
        items = base(value)
        if not isinstance(items, list):
            return None
        found = [member(item) for item in items if not is_false(condition(item))]
        return [each for each in found if each is not None]

    def find_given(value: Any) -> Any:
        items = base(value)
        return [item for item in items if item or not is_false(item)] if isinstance(items, list) else None

    return find_given if member is condition is _same else find


def _function(node: _Node) -> Path:
    name, arguments = node["value"], _children(node)
    if name == "join" and len(arguments) == 2:
        return _join(*arguments)
    return lambda value: _functions.call_function(name, [argument(value) for argument in arguments])


def _join(separator: Path, texts: Path) -> Path:
    def find(value: Any) -> Any:
        glue, parts = separator(value), texts(value)
        if isinstance(glue, str) and isinstance(parts, list):
            for part in parts:
                if not isinstance(part, str):
                    break
            else:
                return glue.join(parts)
        # jmespath says what is wrong with them.
        return _functions.call_function("join", [glue, parts])

    return find


def is_false(value: Any) -> bool:
    """What JMESPath takes for false; zero is true."""
    return not value and (value is None or value is False or value in ("", [], {}))


_BUILDERS: Mapping[str, Callable[[_Node], Path]] = {
    "field": _field,
    "current": _itself,
    "identity": _itself,
    "literal": _literal,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "or_expression": _or,
    "multi_select_list": _list,
    "filter_projection": _filter,
    "function_expression": _function,
}
