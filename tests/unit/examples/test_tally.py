"""The tally: merged in any order, with the same result, and small."""

from __future__ import annotations

import random
from functools import reduce
from typing import Any

import pytest

from examples.code_census.measure import Function
from examples.code_census.tally import EMPTY, LISTED, merge, tally


def _file(path: str, functions: int, seed: int = 0) -> dict[str, Any]:
    chooser = random.Random(f"{path} {seed}")
    found = [
        Function(f"f{line}", line, chooser.randint(1, 9), chooser.randint(1, 4), chooser.randint(0, 3), ("Return",))
        for line in range(functions)
    ]
    return tally(path, "\n" * functions, found)


@pytest.mark.parametrize(("source", "lines"), [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\n\n", 2)])
def test_counts_lines(source: str, lines: int) -> None:
    assert tally("x.py", source, [])["lines"] == lines


def test_a_tally_of_one_file() -> None:
    found = [Function("f", 1, 10, 4, 1, ()), Function("g", 12, 5, 1, 0, ()), Function("h", 20, 5, 1, 2, ())]
    assert tally("x.py", "", found) == {
        "files": 1,
        "lines": 0,
        "shapes": {(10, 4): 1, (5, 1): 2},
        "most_complex": [("x.py", "f", 1, 10, 4, 1), ("x.py", "g", 12, 5, 1, 0), ("x.py", "h", 20, 5, 1, 2)],
        "deepest": [("x.py", "h", 20, 5, 1, 2), ("x.py", "f", 1, 10, 4, 1), ("x.py", "g", 12, 5, 1, 0)],
    }


def test_holds_plain_values_only() -> None:
    one = merge(_file("a.py", 3), _file("b.py", 3))
    assert type(one["shapes"]) is dict
    assert {type(row) for row in one["most_complex"] + one["deepest"]} == {tuple}


def test_the_order_of_merging_does_not_matter() -> None:
    files = [_file(f"{number}.py", 10 * number) for number in range(9)]
    expected = reduce(merge, files, EMPTY)
    for seed in range(10):
        shuffled = random.Random(seed).sample(files, len(files))
        assert reduce(merge, shuffled, EMPTY) == expected
        assert merge(reduce(merge, shuffled[:4]), reduce(merge, shuffled[4:])) == expected


def test_merging_changes_neither_of_two() -> None:
    one, other = _file("a.py", 30), _file("b.py", 30)
    merge(one, other)
    assert (one, other) == (_file("a.py", 30), _file("b.py", 30))
    assert EMPTY == {"files": 0, "lines": 0, "shapes": {}, "most_complex": [], "deepest": []}


def test_stays_small() -> None:
    merged = reduce(merge, (_file(f"{number}.py", 100) for number in range(20)))
    assert sum(merged["shapes"].values()) == 2000
    assert len(merged["shapes"]) <= 9 * 4
    assert len(merged["most_complex"]) == len(merged["deepest"]) == LISTED
