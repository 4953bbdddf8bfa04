"""Saved jobs go on with what the real journal says, whenever a coordinator dies and whoever else still writes."""

from __future__ import annotations

import pytest

from routilux_dist.testing.faults import Faults
from routilux_dist.testing.search import search
from tests.simulation.journaled import FAULTS, Saved

SCHEDULES = 150
#: Homes die, too: what they held is told to the next one. Two at most: a message that takes three along is put aside.
HOMES = Faults(("home", "restart", "pause", "innocent"), 2)


@pytest.mark.parametrize(
    ("mode", "parts"),
    [("distributed", ("chain", "every")), ("distributed", ("chain", "book")), ("sequential", ("chain",))],
)
@pytest.mark.parametrize("faults", [FAULTS, HOMES], ids=["everything", "homes"])
def test_a_run_goes_on_as_it_was(mode: str, parts: tuple[str, ...], faults: Faults) -> None:
    report = search(Saved(mode, parts, faults), range(SCHEDULES))
    assert report.breach is None, str(report)
    assert report.faults["restart"] >= 15
