"""Measures of functions, taken from the syntax tree.

* *Length*: lines from `def` to the last statement; decorators do not count.
* *Complexity* (McCabe, "A Complexity Measure", 1976): one, plus one for each decision: `if`, `elif`, `for`, `while`,
  `except`, a ternary, each `and` / `or` between two operands, each `for` and `if` of a comprehension, each `case` that
  can fail to match, and each guard.
* *Depth*: how many `if`, `for`, `while`, `try`, `with` and `match` blocks are inside each other. An `elif` is as deep
  as its `if`.

Functions, async functions and methods are measured, each for itself: what a nested function or class decides is not
counted in the function around it. A lambda is no function here; its decisions belong to the function it is written in.
"""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)
_DECISIONS = frozenset({"If", "IfExp", "For", "AsyncFor", "While", "ExceptHandler"})
_BLOCKS = frozenset({"If", "For", "AsyncFor", "While", "Try", "TryStar", "With", "AsyncWith", "Match"})

# Warning filters belong to the whole process, and the parser never lets go of the interpreter: a lock costs nothing.
_parsing = threading.Lock()


class Function(NamedTuple):
    """One function: what it is called, where it is, its measures, and its code as abstract tokens."""

    name: str
    line: int
    length: int
    complexity: int
    depth: int
    tokens: tuple[str, ...]


@dataclass(slots=True)
class _Scope:
    """What is known so far about a function, class or module during the walk."""

    name: str
    complexity: int = 1
    depth: int = 0
    tokens: list[str] = field(default_factory=list)


def functions(path: str, source: str) -> list[Function]:
    """Measure every function in a source text.

    Args:
        path: What to call the source in error messages.
        source: Python source code.

    Returns:
        The functions in the order of their lines.

    Raises:
        SyntaxError: If the text is not Python.
        ValueError: If it holds a null byte.
    """
    found: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, _Scope]] = []
    # A stack instead of recursion: a chain of a thousand `elif` or `+` is a tree of that depth.
    stack: list[tuple[ast.AST, _Scope, int]] = [(parse(path, source), _Scope(""), 0)]
    while stack:
        node, scope, depth = stack.pop()
        kind = type(node).__name__
        scope.tokens.append(_token(node, kind))
        scope.complexity += _decisions(node, kind)
        if kind in _BLOCKS:
            depth += 1
            scope.depth = max(scope.depth, depth)
        if isinstance(node, _SCOPES):
            stack.extend((decorator, scope, depth) for decorator in reversed(node.decorator_list))
            scope, depth = _Scope(f"{scope.name}.{node.name}".lstrip(".")), 0
            if isinstance(node, _FUNCTIONS):
                found.append((node, scope))
        stack.extend((child, scope, depth - _is_elif(node, child)) for child in reversed(list(_children(node))))
    return sorted((_measured(node, scope) for node, scope in found), key=lambda each: each.line)


def parse(path: str, source: str) -> ast.Module:
    """Parse a source text without showing the warnings that its code deserves."""
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, filename=path)


def _measured(node: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope) -> Function:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    return Function(scope.name, node.lineno, length, scope.complexity, scope.depth, tuple(scope.tokens))


def _children(node: ast.AST) -> Iterator[ast.AST]:
    decorators = node.decorator_list if isinstance(node, _SCOPES) else ()
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.expr_context) and child not in decorators:
            yield child


def _decisions(node: ast.AST, kind: str) -> int:
    if kind in _DECISIONS:
        return 1
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    if isinstance(node, ast.match_case):
        return (not _matches_anything(node.pattern)) + (node.guard is not None)
    return 0


def _matches_anything(pattern: ast.pattern) -> bool:
    """Tell a pattern that cannot fail: `_` or a name (with or without `as`), the `else` of a `match`."""
    return isinstance(pattern, ast.MatchAs) and (pattern.pattern is None or _matches_anything(pattern.pattern))


def _is_elif(parent: ast.AST, child: ast.AST) -> bool:
    """Tell an `elif` from an `if` inside of an `else`: the tree has both the same, but the `elif` is not indented."""
    if not (isinstance(parent, ast.If) and isinstance(child, ast.If)):
        return False
    return child in parent.orelse and child.col_offset == parent.col_offset


def _token(node: ast.AST, kind: str) -> str:
    """Return what a node looks like to somebody who copies code and renames what is in it.

    Names and constants are abstracted, attributes are not: whoever copies a function calls the same methods.
    """
    if isinstance(node, ast.Attribute):
        return "." + node.attr
    if isinstance(node, ast.Constant):
        return type(node.value).__name__
    return kind
