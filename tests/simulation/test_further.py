"""Async pools, shared state, paces, and messages that are combined."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from routilux_dist.testing.search import search
from tests.simulation.further import Async, Combined, Paced, Together
from tests.simulation.scenarios import Base

SCHEDULES = 1000


@pytest.mark.parametrize("scenario", [Async, Together, Paced, Combined])
def test_no_schedule_breaks_a_promise(scenario: Callable[[], Base]) -> None:
    report = search(scenario(), range(SCHEDULES))
    assert report.breach is None, str(report)
    assert report.faults.total() > SCHEDULES
