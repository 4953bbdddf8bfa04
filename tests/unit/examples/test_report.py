"""The report: text that fits a terminal, JSON that can be read back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from examples.code_census import report
from examples.code_census.findings import findings
from examples.code_census.measure import Function
from examples.code_census.tally import EMPTY, tally

LONG = "deep/" * 40 + "file.py"


@pytest.fixture
def found() -> dict[str, Any]:
    functions = [(f"name_{index}", index, 10, index, 2) for index in range(1, 40)]
    copies = [
        {"path": LONG, "name": "n" * 200, "line": 1, "length": 9},
        {"path": "b.py", "name": "c", "line": 3, "length": 9},
    ]
    group = {"files": 2, "repeated_lines": 9, "likeness": 1.0, "functions": copies}
    counted = tally(LONG, "\n" * 1234, [Function(*row, ()) for row in functions])
    return findings(counted, [group], [{"path": "bad.py", "reason": "no" * 200}])


def test_text_is_short_and_says_the_most_telling(found: dict[str, Any]) -> None:
    lines = report.as_text(found).splitlines()
    assert lines[0].startswith("2 files, 1,234 lines, 39 functions;")
    assert max(map(len, lines)) <= report.WIDTH
    assert len(lines) < 30
    assert "   39  name_39  deep/file.py:39" in lines
    assert "Near-duplicates: 1 group, 9 repeated lines" in lines
    assert "Not parsed: 1 file" in lines


def test_text_of_nothing() -> None:
    assert report.as_text(findings(EMPTY, [], [])).startswith("0 files, 0 lines, 0 functions;")


def test_json_keeps_findings_apart_from_the_run(found: dict[str, Any]) -> None:
    written = json.loads(report.as_json(found, {"seconds": 3}))
    assert written == {"findings": json.loads(json.dumps(found)), "run": {"seconds": 3}}


def test_json_is_ascii_whatever_a_file_is_called() -> None:
    report.as_json({"path": "é\udcff"}, {}).encode("ascii")
