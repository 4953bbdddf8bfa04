from __future__ import annotations

from typing import Any

import routilux_dist as rd
from routilux_dist.testing import story
from routilux_dist.testing.processes import HostClock, Process, Program
from routilux_dist.testing.search import live
from routilux_dist.testing.spares import MOST
from routilux_dist.testing.tape import Tape
from tests.simulation.routines import reset
from tests.simulation.scenarios import Books
from tests.unit.testing.test_processes import Count, outputs, work


def program(routine: Any = None) -> Program:
    flow = rd.Flow("counted")
    flow.add_routine(routine if routine is not None else Count(), "count")
    return Program.of(flow, reuse=True)


def process(of: Program, now: float = 100.0, pace: float = 0.0) -> Process:
    return Process(of, (0, 0), of.partitions(1), HostClock(lambda: now, pace), False, lambda job: False)


def test_a_host_that_is_used_again_knows_nothing_of_before() -> None:
    shared = program()
    first = process(shared)
    assert outputs(first.run(work())) == [1, 2]
    first.close()
    second = process(shared, pace=0.6)
    assert outputs(second.run(work(2))) == [1]
    assert second._host is first._host
    assert second.clock.pace == 0.6


def test_hosts_of_processes_that_died_are_not_used_again() -> None:
    shared = program()
    first = process(shared)
    host = first._open()
    assert first.run(work(), fatal=3) is None
    first.close()
    assert process(shared)._open() is not host


def test_a_few_are_kept() -> None:
    shared = program()
    some = [process(shared) for _ in range(MOST + 1)]
    for one in some:
        one.run(work())
    for one in some:
        one.close()
    hosts = {id(process(shared)._open()) for _ in range(MOST + 1)}
    assert len(hosts & {id(one._host) for one in some}) == MOST


def test_schedules_are_the_same_with_new_hosts_and_with_old_ones() -> None:
    def told(seed: int, old: bool) -> list[str]:
        reset()
        scenario = BOOKS if old else Books("distributed", 2, ("chain", "book"))
        world, error = live(scenario, Tape(seed))
        assert error is None
        return story.tell(world.program.plan, world.trace)

    for seed in range(25):
        assert told(seed, old=True) == told(seed, old=False), seed


BOOKS = Books("distributed", 2, ("chain", "book"))
