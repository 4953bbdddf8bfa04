"""The census by hand, of a small code base."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.code_census import baseline, files

ROOT = Path(__file__).resolve().parents[3]


def test_a_census_of_a_small_code_base(code: Path) -> None:
    found = baseline.census(str(code), workers=2)
    assert found["totals"]["files"] == len(files.listing(str(code)))
    assert [(each["path"], each["reason"].split(":")[0]) for each in found["not_parsed"]] == [
        ("bad_bytes.py", "UnicodeDecodeError"),
        ("bad_cookie.py", "SyntaxError"),
        ("bad_syntax.py", "SyntaxError"),
    ]
    exact = [group["functions"] for group in found["duplicates"]["largest"] if group["likeness"] == 1]
    copied = {functions[0]["name"] for functions in exact if functions[0]["path"] == "copied.py"}
    assert copied >= {"JSONArray", "JSONDecoder.decode", "py_scanstring"}
    assert "JSONDecoder.__init__" not in copied  # it sets `self.memo`, which is `self.seen` in the copy


@pytest.mark.parametrize("seed", ["0", "random"])
def test_findings_depend_on_neither_workers_nor_hash_seed(code: Path, seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.code_census.baseline", str(code), "--workers", "1"],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(baseline.census(str(code), workers=3)))


def test_a_limit_takes_the_first_files_by_name(code: Path) -> None:
    found = baseline.census(str(code), limit=3, workers=1)
    assert found["totals"]["files"] == 3
    assert all(each["path"].startswith("asyncio/") for each in found["most_complex"])
