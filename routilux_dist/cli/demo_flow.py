"""The flow of `routilux-dist demo`: what a folder of Python files is made of.

list ──> parse ──figures──> tally ──> report
           └─────error────────┘
"""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import routilux_dist as rd


@rd.routine
def list_files(root: str, limit: int | None = None) -> Iterator[str]:
    """Send on the path of each Python file."""
    found = sorted(p for p in Path(root).rglob("*.py") if "site-packages" not in p.parts)
    yield from map(str, found[:limit])


@rd.routine
def parse(path: str) -> dict[str, Any]:
    """Measure one file; a file that is no Python raises."""
    source = Path(path).read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd escapes in old sources
        tree = ast.parse(source)
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    lengths = [((n.end_lineno or n.lineno) - n.lineno + 1, f"{n.name} ({path}:{n.lineno})") for n in functions]
    return {"lines": source.count("\n") + 1, "functions": len(functions), "longest": sorted(lengths)[-5:]}


class Tally(rd.Routine):
    """Adds up what comes, and reports when everything has come."""

    def setup(self) -> None:
        self.add_slot("figures", handler=self.on_figures)
        self.add_slot("failures", handler=self.on_failure)
        self.add_event("report")
        self.add_state(files=0, lines=0, functions=0, longest=[], unreadable=[])

    def on_figures(self, figures: dict[str, Any]) -> None:
        self.state["files"] += 1
        self.state["lines"] += figures["lines"]
        self.state["functions"] += figures["functions"]
        self.state["longest"] = sorted([*self.state["longest"], *map(tuple, figures["longest"])])[-5:]

    def on_failure(self, failure: dict[str, Any]) -> None:
        self.state["unreadable"].append(failure["payload"])

    def finish(self) -> None:
        self.emit("report", {**dict(self.state), "unreadable": sorted(self.state["unreadable"])})


flow = rd.Flow("demo")
flow.add_routine(list_files, "list")
flow.add_routine(parse, "parse")
flow.add_routine(Tally(), "tally")
flow.pipe("list", "parse")
flow.connect("parse.output", "tally.figures")
flow.connect("parse.error", "tally.failures")
flow.routines["parse"].set_as_optional()  # an error is recorded and sent on, and the job goes on


def standard_library() -> str:
    """Return the folder of this Python's standard library."""
    return sysconfig.get_paths()["stdlib"]


def as_text(report: dict[str, Any]) -> str:
    """Return a report for people."""
    lines = [
        f"{report['files']:,} files, {report['lines']:,} lines, {report['functions']:,} functions; "
        f"{len(report['unreadable'])} files are not valid Python in UTF-8 (they are there to test Python itself)",
        "the longest functions:",
        *(f"  {length:>6,} lines  {name}" for length, name in reversed(report["longest"])),
    ]
    return "\n".join(lines)
