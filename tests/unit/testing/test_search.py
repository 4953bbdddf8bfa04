from __future__ import annotations

import gc
import pickle

from routilux_dist.testing.faults import Faults
from routilux_dist.testing.processes import Program
from routilux_dist.testing.search import live, no_collection, search
from routilux_dist.testing.tape import Tape
from routilux_dist.testing.world import World
from tests.unit.testing.test_world import made


class Fragile:
    """Worlds that may not see a process die."""

    faults = Faults(("death", "pause"))

    def __init__(self) -> None:
        self.program: Program = made().program

    def world(self, tape: Tape) -> World:
        world = made()
        world.tape, world.faults = tape, self.faults
        return world

    def check(self, world: World) -> None:
        deaths = [what for _, kind, what in world.trace if kind == "do" and what[0] == "death"]
        assert not deaths, f"{len(deaths)} processes died"


def test_a_search_finds_and_shrinks() -> None:
    report = search(Fragile(), range(200))
    assert report.breach is not None
    assert str(report.breach.error).startswith("1 processes died")
    found = len(live(Fragile(), Tape(report.breach.seed))[0].tape.entries)
    assert len(report.breach.tape) < found
    text = str(report)
    assert f"seed {report.breach.seed}, shrunk to the tape" in text
    assert text.count("!! death") == 1
    assert "!! pause" not in text


def test_what_was_found_can_be_played_back() -> None:
    report = search(Fragile(), range(200))
    assert report.breach is not None
    _, error = live(Fragile(), Tape(entries=report.breach.tape))
    assert isinstance(error, AssertionError)


def test_a_search_that_finds_nothing_says_what_it_did() -> None:
    scenario = Fragile()
    scenario.faults = Faults(("pause",))
    report = search(scenario, range(50))
    assert report.breach is None
    assert report.schedules == 50
    assert report.statuses == {"completed": 50}
    assert report.faults["pause"] > 0
    assert str(report).startswith(f"50 schedules, {report.events} events, nothing broken")


def test_the_collector_of_cycles_comes_back() -> None:
    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_report_can_be_kept() -> None:
    scenario = Fragile()
    scenario.faults = Faults(("pause",))
    report = search(scenario, range(3))
    assert pickle.loads(pickle.dumps(report)) == report
