"""As many schedules as a minute allows. `make simulate` runs more."""

from __future__ import annotations

import copy

import pytest

from routilux_dist.testing.faults import Faults
from routilux_dist.testing.search import search
from tests.simulation.scenarios import everything

BLOCK = 500
BLOCKS = 8


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_schedule_breaks_a_promise(block: int) -> None:
    report = search(everything(), range(block * BLOCK, (block + 1) * BLOCK))
    assert report.breach is None, str(report)
    assert report.schedules == BLOCK


def test_another_machine_may_go_on_at_any_moment() -> None:
    """A deep copy stands for a perfect journal: nothing of a machine may be known only to the one that died."""
    faults = Faults((*Faults.every().kinds, "restart"), 12, 12)
    report = search(everything(faults=faults, successor=copy.deepcopy), range(150))
    assert report.breach is None, str(report)
    assert report.faults["restart"] > 0
