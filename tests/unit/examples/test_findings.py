"""Findings: the right sums, and the first of each kind."""

from __future__ import annotations

from functools import reduce

from examples.code_census.findings import findings
from examples.code_census.measure import Function
from examples.code_census.tally import EMPTY, LISTED, merge, tally

# name, line, length, complexity, depth
FUNCTIONS = {
    "b.py": [("f", 1, 10, 4, 1), ("g", 12, 5, 1, 0)],
    "a.py": [("h", 1, 60, 25, 3), ("i", 62, 5, 1, 0)],
    "empty.py": [],
}
FAILURES = [{"path": "y.py", "reason": "SyntaxError: no"}, {"path": "x.py", "reason": "SyntaxError: no"}]
GROUPS = [{"files": 2, "repeated_lines": 12, "likeness": 0.9, "functions": [{}, {}, {}]}]
TALLY = reduce(
    merge, (tally(path, "\n" * 50, [Function(*row, ()) for row in rows]) for path, rows in FUNCTIONS.items()), EMPTY
)


def test_sums() -> None:
    found = findings(TALLY, GROUPS, FAILURES)
    assert found["totals"] == {"files": 5, "lines": 150, "functions": 4, "not_parsed": 2}
    assert {key: found["complexity"][key] for key in ("mean", "median", "max")} == {
        "mean": 7.75,
        "median": 4,
        "max": 25,
    }
    assert found["length"] == {"mean": 20.0, "median": 10, "p95": 60, "max": 60}
    assert found["duplicates"] == {"groups": 1, "functions": 3, "repeated_lines": 12, "largest": GROUPS}


def test_the_histogram_holds_every_function_once() -> None:
    steps = findings(TALLY, [], [])["complexity"]["histogram"]
    counted = {(step["from"], step["to"]): step["functions"] for step in steps if step["functions"]}
    assert counted == {(1, 1): 2, (4, 4): 1, (21, 30): 1}
    assert [step["to"] + 1 for step in steps[:-1]] == [step["from"] for step in steps[1:]]
    assert steps[-1]["to"] is None


def test_the_scatter_counts_equal_functions() -> None:
    assert findings(TALLY, [], [])["scatter"] == [(5, 1, 2), (10, 4, 1), (60, 25, 1)]


def test_the_first_of_each_kind() -> None:
    found = findings(TALLY, [], FAILURES)
    assert [each["name"] for each in found["most_complex"]] == ["h", "f", "i", "g"]
    assert [each["name"] for each in found["deepest"]] == ["h", "f", "i", "g"]
    assert found["most_complex"][0] == {
        "path": "a.py", "name": "h", "line": 1, "length": 60, "complexity": 25, "depth": 3,
    }  # fmt: skip
    assert [each["path"] for each in found["not_parsed"]] == ["x.py", "y.py"]


def test_a_long_list_of_groups_is_cut_and_counted() -> None:
    duplicates = findings(EMPTY, GROUPS * 100, [])["duplicates"]
    assert (duplicates["groups"], len(duplicates["largest"])) == (100, LISTED)


def test_an_empty_folder_is_a_census_too() -> None:
    found = findings(EMPTY, [], [])
    assert found["totals"] == {"files": 0, "lines": 0, "functions": 0, "not_parsed": 0}
    assert found["complexity"]["max"] == 0
    assert found["scatter"] == found["most_complex"] == []
