"""The tally: what is counted and kept of the functions of any number of files.

A tally of many files is as small as one of a few, and tallies are merged in any order with the same result.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from examples.code_census.measure import Function

LISTED = 25
"""How many functions are kept by name in each list."""


class Named(NamedTuple):
    """A function that is kept by name."""

    path: str
    name: str
    line: int
    length: int
    complexity: int
    depth: int


EMPTY: dict[str, Any] = {"files": 0, "lines": 0, "shapes": {}, "most_complex": [], "deepest": []}


def tally(path: str, source: str, functions: Iterable[Function]) -> dict[str, Any]:
    """Tally one file.

    Returns:
        Plain values: how many `files` and `lines`; `shapes`: how many functions there are of each (length, complexity);
        `most_complex` and `deepest`: the fields of `Named`, the first functions of each kind.
    """
    named = [Named(path, each.name, each.line, each.length, each.complexity, each.depth) for each in functions]
    return {
        "files": 1,
        "lines": source.count("\n") + (not source.endswith("\n") and source != ""),
        "shapes": dict(Counter((each.length, each.complexity) for each in named)),
        "most_complex": _first(named, _by_complexity),
        "deepest": _first(named, _by_depth),
    }


def merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the tally of what two tallies are of."""
    shapes = Counter(one["shapes"])
    shapes.update(other["shapes"])
    return {
        "files": one["files"] + other["files"],
        "lines": one["lines"] + other["lines"],
        "shapes": dict(shapes),
        "most_complex": _first(one["most_complex"] + other["most_complex"], _by_complexity),
        "deepest": _first(one["deepest"] + other["deepest"], _by_depth),
    }


def _first(named: Iterable[tuple[Any, ...]], key: Callable[[Named], Any]) -> list[tuple[Any, ...]]:
    return [tuple(each) for each in heapq.nsmallest(LISTED, (Named(*row) for row in named), key=key)]


def _by_complexity(each: Named) -> tuple[int, int, Named]:
    return -each.complexity, -each.length, each


def _by_depth(each: Named) -> tuple[int, int, Named]:
    # Of equally deep and complex functions, path and line decide: the same ones are kept in any order of arrival.
    return -each.depth, -each.complexity, each
