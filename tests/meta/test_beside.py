"""Two processes, one result: see `tests.beside`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.meta.repo import ROOT

HERE = "import os\nimport pytest\n"


def run(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.beside", *arguments],
        cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).splitlines()


def write(folder: Path, **tests: str) -> None:
    """Write a file of tests for each folder."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = ray\naddopts = --import-mode=importlib -ra\n")
    for name, text in tests.items():
        (folder / "tests" / name).mkdir(parents=True)
        (folder / "tests" / name / f"test_{name}.py").write_text(HERE + text)


def test_two_parts_run_apart_and_the_last_line_counts_both(tmp_path: Path) -> None:
    note = "    open('{}', 'a').write(str(os.getpid()))\n"
    write(
        tmp_path,
        unit=f"def test_one():\n{note.format('unit')}"
        "def test_two():\n    pytest.skip('not today')\n"
        "def test_three():\n    assert 1 == 2\n"
        f"@pytest.mark.ray\ndef test_with_ray():\n{note.format('marked')}",
        ray=f"def test_one():\n{note.format('other')}",
    )
    code, lines = run(tmp_path)
    assert code == 1, "\n".join(lines)
    assert "1 failed, 3 passed, 1 skipped in " in lines[-1]
    assert any("not today" in line for line in lines)
    assert any("assert 1 == 2" in line for line in lines)
    pids = {name: (tmp_path / name).read_text() for name in ("unit", "marked", "other")}
    assert pids["marked"] == pids["other"] != pids["unit"]


def test_a_process_that_ends_early_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, unit="def test_one():\n    os._exit(0)\n", ray="def test_one():\n    pass\n")
    code, lines = run(tmp_path)
    assert code == 1
    assert any("1 tests were not run, such as tests/unit/test_unit.py::test_one" in line for line in lines)
