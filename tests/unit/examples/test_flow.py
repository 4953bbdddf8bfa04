"""The census as a flow finds what the census by hand finds, on both backends and any number of workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from examples.code_census import baseline
from examples.code_census.flow import build_flow

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def expected(code: Path) -> Any:
    return _plain(baseline.census(str(code), workers=1))


def _plain(findings: dict[str, Any]) -> Any:
    return json.loads(json.dumps(findings))


def test_the_flow_is_sound() -> None:
    flow = build_flow()
    flow.validate()
    assert list(flow.routines) == ["list", "read", "measure", "match", "census"]


@pytest.mark.parametrize("workers", [1, 3])
def test_agrees_with_the_baseline(code: Path, expected: Any, backend: str, workers: int) -> None:
    with rd.Runtime(backend=backend, max_workers=workers) as runtime:
        job = runtime.submit(build_flow(), {"root": str(code)})
        (findings,) = job.result(timeout=60)["census.findings"]
    assert _plain(findings) == expected
    assert job.status == "completed"
    assert len(job.dead_letters) == 3


def test_the_command_writes_a_report_and_a_page(code: Path, expected: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.code_census", "--backend", "local", "--out", str(tmp_path)]
    done = subprocess.run([*command, "--root", str(code)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Most complex" in done.stdout
    assert "completed" in done.stderr
    written = json.loads((tmp_path / "census.json").read_text(encoding="utf-8"))
    assert written["findings"] == expected
    assert written["run"]["root"] == str(code)
    assert "<svg" in (tmp_path / "census.html").read_text(encoding="utf-8")


def test_a_quiet_command_prints_nothing(code: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.code_census", "--backend", "local", "--out", str(tmp_path), "--quiet"]
    done = subprocess.run([*command, "--root", str(code)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.code_census", "--root", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not a folder" in done.stderr
