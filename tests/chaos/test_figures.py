"""What grows is called growing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos import figures
from tests.chaos.figures import Samples, Series, growth
from tests.chaos.harness import percentile


def line(per_second: float, *, begin: float = 50.0, samples: int = 100) -> Series:
    return Series([(10.0 * n, begin + per_second * 10 * n + (n % 3)) for n in range(samples)])


def test_a_slope_is_seen_through_noise() -> None:
    assert abs(line(0).rise()) < 0.2
    assert line(0.01).rise() == pytest.approx(9.9, abs=0.3)
    assert line(0.01).after(500).rise() == pytest.approx(4.9, abs=0.3)
    assert Series([(0, 1), (1, 9)]).rise() == 0, "two samples tell nothing"


def test_processes_that_grow_are_found_however_short_they_live() -> None:
    lives = [line(0.01, begin=begin, samples=8) for begin in (40, 90, 60)]
    assert growth(lives) == pytest.approx(36, abs=16)
    assert abs(growth([line(0, begin=begin) for begin in (40, 90, 60)])) < 1
    assert growth([]) == 0


def test_samples_are_taken_of_processes_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "GROWN", 0.0)
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    samples = Samples()
    samples.take(1.0, os.getpid(), os.getpid(), {"here": tmp_path})
    assert samples.memory["driver"].middle() > 5
    assert samples.files["driver"].middle() > 2
    assert samples.sizes["here MiB"].told() == {"median": 1.0, "max": 1.0, "rise": 0.0, "samples": 1}
    assert figures.held(1 << 30) == figures.files_of(1 << 30) == 0, "it is gone"


def test_percentiles() -> None:
    assert percentile([]) == {}
    assert percentile([n / 100 for n in range(200, 0, -1)]) == {"count": 200, "p50": 1.01, "p99": 1.99, "max": 2.0}
