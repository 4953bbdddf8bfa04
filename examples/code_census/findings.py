"""Findings: what the census says about a folder, as one plain dict.

Nothing here depends on the order in which files were measured: all that arrives is sorted first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

LISTED = 25
STEPS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 31, 51)
"""Where the bars of the histogram of complexity begin."""


class Measured(NamedTuple):
    """One function of the census."""

    path: str
    name: str
    line: int
    length: int
    complexity: int
    depth: int


def findings(
    files: Sequence[dict[str, Any]], groups: Sequence[dict[str, Any]], failures: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """Draw the conclusions of the census.

    Args:
        files: For each file that was parsed, its figures (see `measure.figures`).
        groups: The groups of near-duplicates (see `similar.groups`).
        failures: For each other file, its `path` and the `reason`.

    Returns:
        Plain values, ready for JSON: `totals`, `complexity`, `length`, `scatter`, `most_complex`, `deepest`,
        `duplicates` and `not_parsed`.
    """
    measured = sorted(Measured(file["path"], *row) for file in files for row in file["functions"])
    not_parsed = sorted(failures, key=lambda failure: (failure["path"], failure["reason"]))
    return {
        "totals": {
            "files": len(files) + len(not_parsed),
            "lines": sum(file["lines"] for file in files),
            "functions": len(measured),
            "not_parsed": len(not_parsed),
        },
        "complexity": _spread([each.complexity for each in measured]) | {"histogram": _histogram(measured)},
        "length": _spread([each.length for each in measured]),
        "scatter": _scatter(measured),
        "most_complex": _first(measured, key=lambda each: (-each.complexity, -each.length)),
        "deepest": _first(measured, key=lambda each: (-each.depth, -each.complexity)),
        "duplicates": {
            "groups": len(groups),
            "functions": sum(len(group["functions"]) for group in groups),
            "repeated_lines": sum(group["repeated_lines"] for group in groups),
            "largest": list(groups[:LISTED]),
        },
        "not_parsed": not_parsed,
    }


def _first(measured: list[Measured], *, key: Callable[[Measured], tuple[int, int]]) -> list[dict[str, Any]]:
    """List the functions that come first by a key; where it says nothing, path and line decide."""
    return [each._asdict() for each in sorted(measured, key=lambda each: (key(each), each))[:LISTED]]


def _spread(values: list[int]) -> dict[str, Any]:
    """Describe how values are spread; all are 0 if there are none."""
    ordered = sorted(values) or [0]
    return {
        "mean": round(sum(ordered) / len(ordered), 2),
        "median": ordered[len(ordered) // 2],
        "p95": ordered[len(ordered) * 95 // 100],
        "max": ordered[-1],
    }


def _histogram(measured: list[Measured]) -> list[dict[str, Any]]:
    """Count the functions whose complexity lies in each step; the last one has no end."""
    counts = Counter(bisect_right(STEPS, each.complexity) - 1 for each in measured)
    ends = [*(step - 1 for step in STEPS[1:]), None]
    return [
        {"from": start, "to": end, "functions": counts[index]}
        for index, (start, end) in enumerate(zip(STEPS, ends, strict=True))
    ]


def _scatter(measured: list[Measured]) -> list[tuple[int, int, int]]:
    """Count the functions of each length and complexity."""
    counts = Counter((each.length, each.complexity) for each in measured)
    return [(*place, count) for place, count in sorted(counts.items())]
