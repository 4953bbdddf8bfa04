"""The results as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HEAD = ("workload", "figure", "ours", "against", "theirs", "ratio", "spread", "target", "met")
#: Columns that are aligned to the right.
NUMBERS = {2, 4, 5, 6, 7}


def number(value: float | None, digits: int = 3) -> str:
    """Write a value with about three significant digits."""
    if value is None:
        return ""
    size = abs(value)
    if digits == 0 or size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if size < 100 else f"{value:.1f}"


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a line.

    The spread is the range of the rounds' ratios, or of our own values where there is nobody to compare with.
    """
    theirs = number(row["theirs"], row["digits"])
    if row["against"] and row["theirs"] is None:
        theirs = row["note"]
    if row["ratio"] is not None:
        spread = f"{number(row['low'])} – {number(row['high'])}"
    elif row["against"]:
        spread = ""
    else:
        spread = f"{number(row['ours_low'], row['digits'])} – {number(row['ours_high'], row['digits'])}"
    return (
        row["case"],
        row["figure"],
        f"{number(row['ours'], row['digits'])} {row['unit']}",
        row["against"],
        theirs,
        f"{number(row['ratio'])}×" if row["ratio"] is not None else "",
        spread,
        row["target"],
        {True: "yes", False: "NO", None: ""}[row["met"]],
    )


def text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the results as a table. A ratio says how many times better ours is."""
    lines = [HEAD, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    written = ["  ".join(_align(line, widths)).rstrip() for line in lines]
    return "\n".join([written[0], "─" * max(map(len, written)), *written[1:]])


def markdown(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    lines += [f"| {' | '.join(cells(row))} |" for row in rows]
    return "\n".join(lines)


def _align(line: Sequence[str], widths: Sequence[int]) -> Iterable[str]:
    for column, (cell, width) in enumerate(zip(line, widths)):
        yield cell.rjust(width) if column in NUMBERS else cell.ljust(width)
