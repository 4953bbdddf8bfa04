"""Findings: what the census says about a folder, as one plain dict."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from examples.code_census.tally import LISTED, Named

STEPS = (1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 31, 51)
"""Where the bars of the histogram of complexity begin."""

Shapes = dict[tuple[int, int], int]


def findings(
    tally: dict[str, Any], groups: Sequence[dict[str, Any]], failures: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """Draw the conclusions of the census.

    Args:
        tally: The tally of all files that were parsed (see `tally.tally`).
        groups: The groups of near-duplicates (see `similar.groups`).
        failures: For each other file, its `path` and the `reason`.

    Returns:
        Plain values, ready for JSON: `totals`, `complexity`, `length`, `scatter`, `most_complex`, `deepest`,
        `duplicates` and `not_parsed`.
    """
    shapes: Shapes = tally["shapes"]
    complexities = _values((complexity, count) for (_, complexity), count in shapes.items())
    lengths = _values((length, count) for (length, _), count in shapes.items())
    return {
        "totals": {
            "files": tally["files"] + len(failures),
            "lines": tally["lines"],
            "functions": len(lengths),
            "not_parsed": len(failures),
        },
        "complexity": _spread(complexities) | {"histogram": _histogram(complexities)},
        "length": _spread(lengths),
        "scatter": [(*shape, count) for shape, count in sorted(shapes.items())],
        "most_complex": [Named(*row)._asdict() for row in tally["most_complex"]],
        "deepest": [Named(*row)._asdict() for row in tally["deepest"]],
        "duplicates": {
            "groups": len(groups),
            "functions": sum(len(group["functions"]) for group in groups),
            "repeated_lines": sum(group["repeated_lines"] for group in groups),
            "largest": list(groups[:LISTED]),
        },
        "not_parsed": sorted(failures, key=lambda failure: (failure["path"], failure["reason"])),
    }


def _values(counted: Iterable[tuple[int, int]]) -> list[int]:
    """Write out counted values, in order."""
    return sorted(value for value, count in counted for _ in range(count))


def _spread(values: list[int]) -> dict[str, Any]:
    """Describe how ordered values are spread; all is 0 if there are none."""
    values = values or [0]
    return {
        "mean": round(sum(values) / len(values), 2),
        "median": values[len(values) // 2],
        "p95": values[len(values) * 95 // 100],
        "max": values[-1],
    }


def _histogram(complexities: Iterable[int]) -> list[dict[str, Any]]:
    """Count the functions whose complexity lies in each step; the last one has no end."""
    counts = Counter(bisect_right(STEPS, complexity) - 1 for complexity in complexities)
    ends = [*(step - 1 for step in STEPS[1:]), None]
    return [
        {"from": start, "to": end, "functions": counts[index]}
        for index, (start, end) in enumerate(zip(STEPS, ends, strict=True))
    ]
