from __future__ import annotations

from typing import Any

import pytest

from benchmarks.compare import fallen


def row(ratio: float | None, spread: float = 0.0, **more: Any) -> dict[str, Any]:
    low, high = (None, None) if ratio is None else (ratio - spread, ratio + spread)
    return {
        "case": "c", "figure": "f", "against": "peer", "ratio": ratio, "low": low, "high": high, "note": "", **more
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "falls"),
    [
        (row(2.0), row(2.0), False),
        (row(2.0), row(3.0), False),
        (row(2.0), row(1.95), False),  # within the tolerance
        (row(2.0), row(1.8), True),
        (row(2.0, 0.3), row(1.8), False),  # within the noise of then
        (row(2.0), row(1.8, 0.3), False),  # or of now
        (row(2.0, 0.3), row(1.0, 0.3), True),
    ],
)
def test_a_ratio_falls_when_it_falls_by_more_than_its_noise(
    before: dict[str, Any], now: dict[str, Any], falls: bool
) -> None:
    assert bool(fallen([before], [now])) is falls


def test_times_are_not_compared() -> None:
    assert fallen([row(None, against="")], [row(None, against="")]) == []


def test_lines_that_only_one_side_has_are_not_compared() -> None:
    assert fallen([row(2.0, case="old")], [row(1.0, case="new")]) == []


def test_a_contender_that_is_gone_is_told() -> None:
    (line,) = fallen([row(2.0)], [row(None, note="not installed")])
    assert "not installed" in line


def test_the_line_says_how_it_was() -> None:
    (line,) = fallen([row(2.0, 0.1)], [row(1.0, 0.1)])
    assert line == "c, f, against peer: 1× now, 2× before (noise 0.2)"
