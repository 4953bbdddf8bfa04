"""What is read is bounded in memory and runs nothing, whatever the bytes say: bodies, records, journals, snapshots, blobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def told(*args: str) -> str:
    command = [sys.executable, "-m", "tests.property.hostile", *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_needs_more_than_ten_times_its_bytes_and_64_mib() -> None:
    lines = told("memory", "few").splitlines()
    assert len(lines) == 1, lines
    assert int(lines[0].split()[0]) > 80


def test_nothing_is_run_unpickled_or_imported_by_whole_checkpoints() -> None:
    read, refused = map(int, told("events", "150").split())
    assert read > 100
    assert refused > 100
