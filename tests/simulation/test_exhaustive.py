"""Every schedule of the smallest world; `python -m tests.simulation.exhaustive 2` goes through those with two faults."""

from __future__ import annotations

import pytest

from tests.simulation.exhaustive import explore
from tests.simulation.mutants import MUTANTS
from tests.simulation.scenarios import Small


@pytest.mark.parametrize("mode", ["distributed", "sequential"])
@pytest.mark.parametrize("faults", [0, 1])
def test_no_schedule_of_the_smallest_world_breaks_a_promise(mode: str, faults: int) -> None:
    found = explore(Small(mode), faults)
    assert found.breach is None, str(found.breach)
    assert found.complete
    assert found.ends >= 1
    assert found.states >= (10, 100)[faults]


def test_a_shortest_breach_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = next(one for one in MUTANTS if one.name == "state that dies is not missed")
    mutant.apply(monkeypatch)
    found = explore(Small("distributed", ("home",)), 1)
    assert found.breach is not None
    assert sum("!!" in line for line in found.breach.trace) == 1
