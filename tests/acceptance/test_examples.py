"""The examples do what they say, on both backends."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.meta.repo import ROOT

EXAMPLES = ("data_pipeline", "async_orchestration", "pause_resume", "error_fallback")


def output(name: str, backend: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What an example prints."""
    importlib.import_module(f"examples.{name}").main(["--backend", backend])
    # Ray says now and then how many processes it has started.
    return [line for line in capsys.readouterr().out.splitlines() if "(raylet)" not in line]


def test_data_pipeline(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert output("data_pipeline", backend, capsys) == [
        "Cairo        35.1 °C",
        "Lima         20.5 °C",
        "Nairobi      25.0 °C",
        "Oslo         -3.0 °C",
        "no sense in: Atlantis, Quito",
    ]


def test_async_orchestration(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    *offers, timing = output("async_orchestration", backend, capsys)
    assert len(offers) == 6
    assert offers[1] == "cup to Oslo: 7.00, in 17 days"
    assert timing.startswith("18 calls of 0.1 s each")


def test_calls_wait_together(capsys: pytest.CaptureFixture[str]) -> None:
    *_, timing = output("async_orchestration", "local", capsys)
    assert float(timing.split()[-2]) < 18 * 0.1


def test_pause_resume(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    paused, later, done = output("pause_resume", backend, capsys)
    match = re.fullmatch(r"paused after (\d+) of 200 steps", paused)
    assert match is not None
    assert 20 <= int(match[1]) < 200
    assert later == "paused half a second later: 0 more steps were done"
    assert done == "completed: 200 steps, total 19900, expected 19900"


def test_error_fallback(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output("error_fallback", backend, capsys)
    assert lines[:4] == [
        "ABC  10.13      today",
        "DEF  20.5       today",
        "GHI  30.25      yesterday (no quote for GHI today)",
        "TXT  suspended  today",
    ]
    assert sorted(lines[4:6]) == [
        "met: quote.input: LookupError: no quote for GHI today (continue)",
        "met: round.input: TypeError: type str doesn't define __round__ method (skip)",
    ]
    assert lines[6] == "dead letters: GHI"


def test_simulated_faults(capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module("examples.simulated_faults").main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "charge:"
    assert lines[2] in ("AssertionError: ann paid 2 times", "AssertionError: bob paid 2 times")
    assert lines[-2:] == ["charge_once:", "right in 500 schedules"]


def test_killed_and_recovered(capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("examples.killed_and_recovered")
    module.main()
    killed, goes_on, done = capsys.readouterr().out.splitlines()
    match = re.fullmatch(r"killed after (\d+) of 300 steps", killed)
    assert match is not None
    assert module.STEPS // 8 <= int(match[1]) < module.STEPS, "it was killed in the middle"
    assert re.fullmatch(r"sum goes on after [1-9]\d* steps", goes_on)
    assert done == "completed: 300 steps, total 44850, expected 44850"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_command_in_the_docstring_works(name: str) -> None:
    text = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    assert f"python -m examples.{name} --backend local" in text
    assert f"`{name}.py`" in (ROOT / "examples" / "README.md").read_text(encoding="utf-8")


def test_an_example_as_a_script(tmp_path: Path) -> None:
    """What is defined in a script travels too: nobody can import it."""
    script = ROOT / "examples" / "data_pipeline.py"
    done = subprocess.run(
        [sys.executable, str(script), "--backend", "local"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Quito\n")
