"""The findings, for a terminal and for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 100
SHOWN = 5


def as_json(findings: dict[str, Any], run: dict[str, Any]) -> str:
    """Write the findings as JSON, next to how they were made: two runs agree in `findings` and differ in `run`."""
    return json.dumps({"findings": findings, "run": run}, indent=1) + "\n"


def as_text(findings: dict[str, Any]) -> str:
    """Write the most telling findings as a few short tables."""
    return "\n".join(
        [
            _headline(findings),
            *_functions("Most complex", "complexity", findings["most_complex"]),
            *_functions("Deepest nesting", "depth", findings["deepest"]),
            *_duplicates(findings["duplicates"]),
            *_not_parsed(findings["not_parsed"]),
        ]
    )


def plural(count: int, thing: str) -> str:
    """Say how many there are: `1 file`, `2,000 files`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def _headline(findings: dict[str, Any]) -> str:
    totals, complexity = findings["totals"], findings["complexity"]
    size = ", ".join(plural(totals[f"{thing}s"], thing) for thing in ("file", "line", "function"))
    return f"{size}; complexity: mean {complexity['mean']}, 95 % up to {complexity['p95']}, most {complexity['max']}"


def _functions(title: str, measure: str, functions: Sequence[dict[str, Any]]) -> Iterable[str]:
    rows = [(str(each[measure]), each["name"], _place(each)) for each in functions[:SHOWN]]
    return _table(title, rows)


def _duplicates(duplicates: dict[str, Any]) -> Iterable[str]:
    groups, lines = plural(duplicates["groups"], "group"), plural(duplicates["repeated_lines"], "repeated line")
    rows = []
    for group in duplicates["largest"][:SHOWN]:
        first, *others, last = group["functions"]
        more = f" and {len(others)} more" if others else ""
        rows.append((str(group["repeated_lines"]), first["name"], f"{_place(first)} ~ {_place(last)}{more}"))
    return _table(f"Near-duplicates: {groups}, {lines}", rows)


def _not_parsed(failures: Sequence[dict[str, str]]) -> Iterable[str]:
    rows = [("", failure["path"], failure["reason"]) for failure in failures[:SHOWN]]
    return _table(f"Not parsed: {plural(len(failures), 'file')}", rows)


def _place(function: dict[str, Any]) -> str:
    """Say where a function is; of a long path only the end."""
    return f"{'/'.join(function['path'].split('/')[-2:])}:{function['line']}"


def _table(title: str, rows: Sequence[tuple[str, str, str]]) -> Iterable[str]:
    """Lay out rows of a number, a name and a text; what does not fit in a line is cut."""
    yield ""
    yield title
    middle = min(max((len(name) for _, name, _ in rows), default=0), WIDTH * 2 // 5)
    for number, name, text in rows:
        yield _cut(f"{number:>5}  {_cut(name, middle):<{middle}}  {text}", WIDTH)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
