"""A few kills of each kind; `make chaos` is for many."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import Harness

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("kind", "kills"), [("workers", 30), ("homes", 20), ("coordinator", 22), ("driver", 5), ("all", 3), ("stopped", 3)]
)
def test_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path, kind: str, kills: int) -> None:
    totals = Harness(kind, tmp_path, seed=kills).run(kills)
    assert totals.violations == []
    assert totals.figures["kills"] == kills
    assert totals.figures["lost"] == totals.figures["twice"] == 0
