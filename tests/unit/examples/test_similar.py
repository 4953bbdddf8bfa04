"""Near-duplicates: copies are found under other names, different code is not, in every process alike."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from examples.code_census import measure, similar

ROOT = Path(__file__).resolve().parents[3]

ORIGINAL = """
def read_settings(path, strict=True):
    settings = {}
    with open(path) as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            key, found, value = line.partition("=")
            if not found and strict:
                raise ValueError(f"line {number}: no '='")
            settings[key.strip()] = value.strip()
    return settings
"""
COPY = """
class Loader:
    def load(self_path, careful=False):
        result = {}
        with open(self_path) as stream:
            for index, text in enumerate(stream, 0):
                text = text.strip()
                if not text or text.startswith(";"):
                    continue
                name, sep, rest = text.partition(":")
                if not sep and careful:
                    raise KeyError(f"at {index}: what is this?")
                result[name.strip()] = rest.strip()
        return result
"""
DIFFERENT = """
def merge(left, right):
    merged = []
    while left and right:
        if left[0].rank <= right[0].rank:
            merged.append(left.pop(0))
        else:
            merged.append(right.pop(0))
    merged.extend(left or right)
    return merged
"""


def _signed(**sources: str) -> list[tuple[object, ...]]:
    return [
        row for name, source in sources.items() for row in similar.signatures(name, measure.functions(name, source))
    ]


def _names(groups: Sequence[dict[str, object]]) -> list[list[str]]:
    return [[each["name"] for each in group["functions"]] for group in groups]  # type: ignore[attr-defined]


def test_a_renamed_copy_is_found_and_different_code_is_not() -> None:
    groups = similar.groups(_signed(a=ORIGINAL, b=COPY, c=DIFFERENT))
    assert _names(groups) == [["read_settings", "Loader.load"]]
    assert groups[0]["files"] == 2
    assert groups[0]["repeated_lines"] == 12
    assert groups[0]["likeness"] == 1


def test_a_copy_with_a_small_change_is_found() -> None:
    changed = COPY.replace("        return result", "        result.clear()\n        return result")
    groups = similar.groups(_signed(a=ORIGINAL, b=changed))
    assert _names(groups) == [["read_settings", "Loader.load"]]
    assert similar.ALIKE <= groups[0]["likeness"] < 1


def test_copies_within_one_file_are_no_group() -> None:
    assert similar.groups(_signed(a=ORIGINAL + COPY)) == []


def test_a_group_counts_all_but_the_longest_copy() -> None:
    longer = ORIGINAL.replace("    return", "\n\n    return")
    (group,) = similar.groups(_signed(a=ORIGINAL, b=longer, c=COPY))
    assert (group["files"], len(group["functions"]), group["repeated_lines"]) == (3, 3, 24)


def test_the_order_of_arrival_does_not_matter() -> None:
    rows = _signed(a=ORIGINAL, b=COPY, c=DIFFERENT, d=COPY + DIFFERENT, e=ORIGINAL.replace("strip", "lstrip"))
    groups = similar.groups(rows)
    assert len(groups) >= 2
    for seed in range(10):
        random.Random(seed).shuffle(rows)
        assert similar.groups([list(row) for row in rows]) == groups


def test_tiny_functions_are_left_out() -> None:
    assert _signed(a="def f(a):\n    return a.b\n") == []


def test_no_functions_make_no_groups() -> None:
    assert similar.groups([]) == []


def test_likeness_estimates_the_jaccard_index() -> None:
    chooser = random.Random(0)
    shared, *own = ([f"{chooser.random()}" for _ in range(400)] for _ in range(3))
    for keep in (0, 100, 200, 300, 400):
        one, other = shared[:keep] + own[0][keep:], shared[:keep] + own[1][keep:]
        sets = [{tuple(each[i : i + 5]) for i in range(396)} for each in (one, other)]
        exact = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
        # Four standard deviations of 128 samples.
        assert similar.likeness(similar.signature(one), similar.signature(other)) == pytest.approx(exact, abs=0.18)


def test_a_signature_of_few_tokens_is_complete() -> None:
    for count in range(8):
        assert len(similar.signature(["x"] * count)) == similar.HASHES


def test_signatures_are_the_same_in_every_process() -> None:
    code = "from examples.code_census import similar; print(similar.signature([str(i) for i in range(50)]).hex())"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "random")
    }
    assert printed == {similar.signature([str(i) for i in range(50)]).hex()}
    assert min(printed).startswith("5438eba9076e2055210b93f144762be7")
