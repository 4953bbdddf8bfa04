"""Findings: the right sums, the first of each kind, and nothing that depends on the order of arrival."""

from __future__ import annotations

import random
from typing import Any

from examples.code_census.findings import LISTED, findings

# name, line, length, complexity, depth
FILES: list[dict[str, Any]] = [
    {"path": "b.py", "lines": 30, "functions": [("f", 1, 10, 4, 1), ("g", 12, 5, 1, 0)]},
    {"path": "a.py", "lines": 70, "functions": [("h", 1, 60, 25, 3), ("i", 62, 5, 1, 0)]},
    {"path": "empty.py", "lines": 0, "functions": []},
]
FAILURES = [{"path": "y.py", "reason": "SyntaxError: no"}, {"path": "x.py", "reason": "SyntaxError: no"}]
GROUPS = [{"files": 2, "repeated_lines": 12, "likeness": 0.9, "functions": [{}, {}, {}]}]


def test_sums() -> None:
    found = findings(FILES, GROUPS, FAILURES)
    assert found["totals"] == {"files": 5, "lines": 100, "functions": 4, "not_parsed": 2}
    assert {key: found["complexity"][key] for key in ("mean", "median", "max")} == {
        "mean": 7.75,
        "median": 4,
        "max": 25,
    }
    assert found["length"] == {"mean": 20.0, "median": 10, "p95": 60, "max": 60}
    assert found["duplicates"] == {"groups": 1, "functions": 3, "repeated_lines": 12, "largest": GROUPS}


def test_the_histogram_holds_every_function_once() -> None:
    steps = findings(FILES, [], [])["complexity"]["histogram"]
    counted = {(step["from"], step["to"]): step["functions"] for step in steps if step["functions"]}
    assert counted == {(1, 1): 2, (4, 4): 1, (21, 30): 1}
    assert [step["to"] + 1 for step in steps[:-1]] == [step["from"] for step in steps[1:]]
    assert steps[-1]["to"] is None


def test_the_scatter_counts_equal_functions() -> None:
    assert findings(FILES, [], [])["scatter"] == [(5, 1, 2), (10, 4, 1), (60, 25, 1)]


def test_the_first_of_each_kind() -> None:
    found = findings(FILES, [], FAILURES)
    assert [each["name"] for each in found["most_complex"]] == ["h", "f", "i", "g"]
    assert [each["name"] for each in found["deepest"]] == ["h", "f", "i", "g"]
    assert found["most_complex"][0] == {
        "path": "a.py", "name": "h", "line": 1, "length": 60, "complexity": 25, "depth": 3,
    }  # fmt: skip
    assert [each["path"] for each in found["not_parsed"]] == ["x.py", "y.py"]


def test_lists_are_short() -> None:
    many = [{"path": "m.py", "lines": 999, "functions": [("f", line, 1, 1, 0) for line in range(100)]}]
    found = findings(many, GROUPS * 100, [])
    assert len(found["most_complex"]) == len(found["deepest"]) == len(found["duplicates"]["largest"]) == LISTED
    assert found["duplicates"]["groups"] == 100


def test_the_order_of_arrival_does_not_matter() -> None:
    chooser = random.Random(0)
    expected = findings(FILES, GROUPS, FAILURES)
    for _ in range(10):
        files = chooser.sample(FILES, len(FILES))
        shuffled = [file | {"functions": [list(row) for row in file["functions"]]} for file in files]
        assert findings(shuffled, GROUPS, chooser.sample(FAILURES, len(FAILURES))) == expected


def test_an_empty_folder_is_a_census_too() -> None:
    found = findings([], [], [])
    assert found["totals"] == {"files": 0, "lines": 0, "functions": 0, "not_parsed": 0}
    assert found["complexity"]["max"] == 0
    assert found["scatter"] == found["most_complex"] == []
