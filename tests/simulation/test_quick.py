"""As many schedules as a minute allows. `make simulate` runs more."""

from __future__ import annotations

import pytest

from routilux_dist.testing.search import search
from tests.simulation.scenarios import everything

BLOCK = 500
BLOCKS = 8


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_schedule_breaks_a_promise(block: int) -> None:
    report = search(everything(), range(block * BLOCK, (block + 1) * BLOCK))
    assert report.breach is None, str(report)
    assert report.schedules == BLOCK
