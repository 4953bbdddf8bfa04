from __future__ import annotations

from collections.abc import Callable

import pytest

import routilux_dist as rd
from routilux_dist.coordinator import picture
from routilux_dist.coordinator.events import Restarted
from routilux_dist.testing import Bench
from tests.unit.coordinator.conftest import total

Build = Callable[..., Bench]


def paced(rate: float = 10.0, **options: object) -> rd.Flow:
    """a -> slow, which may begin `rate` messages per second."""
    flow = rd.Flow("paced", **options)
    flow.add_routine(lambda x: x, "a")
    flow.add_routine(rd.routine(rate_limit=rate)(lambda x: x), "slow")
    flow.connect("a.output", "slow.input")
    return flow


def begun(one: Bench) -> list[int]:
    return [sum(block.rows for _, block in work.blocks) for work in one.slices.values()]


def run(one: Bench, seconds: float, step: float = 0.01) -> list[float]:
    """Let time go by; return when messages began. Each slice ends at once."""
    times = []
    for _ in range(round(seconds / step)):
        while one.slices:
            times += [one.clock.now] * begun(one)[0]
            one.finish()
        one.tick(step)
    return times


@pytest.mark.parametrize("rate", [0.5, 3.0, 10.0, 250.0])
def test_in_any_window_no_more_begin_than_the_pace_and_one_burst(bench: Build, rate: float) -> None:
    one = bench(paced(rate), workers=4)
    one.post("j", "slow.input", 100_000, last=False)
    times = run(one, 8.0)
    burst = max(1.0, rate / 10)
    for window in (0.1, 1.0, 3.0):
        most = max(sum(1 for other in times if start <= other < start + window) for start in sorted(set(times)))
        assert most <= rate * window + burst + 1e-6
    assert len(times) >= int(rate * 7.9), "and the pace is kept up"


def test_a_block_is_cut_to_measure_and_the_rest_keeps_its_place(bench: Build) -> None:
    one = bench(paced(50.0))
    one.post("j", "slow.input", 8)
    assert begun(one) == [5]
    [(number, head)] = next(iter(one.slices.values())).blocks
    assert head.part == (0, number)
    one.finish()
    assert begun(one) == []
    one.tick(0.1)
    assert begun(one) == [3]
    assert next(iter(one.slices.values())).blocks[0][1].part == (5, number)
    one.finish()
    assert one.job("j").status == "completed"
    assert one.job("j").done == 8


def test_what_a_slice_gives_back_has_not_begun(bench: Build) -> None:
    one = bench(paced(50.0))
    one.post("j", "slow.input", 5, last=False)
    one.finish(left=4)
    assert begun(one) == [4]
    one.finish(untouched=[number for number, _ in next(iter(one.slices.values())).blocks])
    assert begun(one) == [4]


def test_endings_do_not_wait_for_the_pace(bench: Build) -> None:
    flow = rd.Flow("sum")
    slow = total()
    slow._declared.options = slow._declared.options.replace(rate_limit=1.0)
    flow.add_routine(slow, "total")
    one = bench(flow)
    assert one.machine.partitions == {0: 1}, "one home can keep a pace"
    one.post("j", "total.input")
    one.finish()
    one.run_out()
    assert one.job("j").status == "completed"


def test_coroutines_begin_at_the_pace_too(bench: Build) -> None:
    @rd.routine(rate_limit=20.0, max_concurrency=50)
    async def fetch(x: int) -> int:
        return x

    flow = rd.Flow("fetching")
    flow.add_routine(fetch, "fetch")
    one = bench(flow)
    one.post("j", "fetch.input", 10)
    assert begun(one) == [2]
    [first] = one.slices.values()
    one.finish(running=[first.blocks[0][0]])
    assert begun(one) == [0], "its host goes on with what it has"
    one.tick(1.0)
    one.finish()
    assert begun(one) == [2]
    for _ in range(10):
        one.run_out()
        one.tick(0.2)
    assert one.job("j").status == "completed"


def test_a_pause_for_the_pace_is_no_stall(bench: Build) -> None:
    one = bench(paced(0.5, no_progress_timeout=1.0))
    one.post("j", "slow.input", 2)
    one.finish()
    one.tick(1.5)
    assert one.job("j").status == "running"
    one.tick(1.0)
    one.run_out()
    assert one.job("j").status == "completed"


def test_the_pace_is_part_of_the_picture_and_outlives_a_restart(bench: Build) -> None:
    one, other = bench(paced(1.0)), bench(paced(1.0))
    one.post("j", "slow.input", 3)
    one.finish()
    picture.restore(other.machine, picture.take(one.machine))
    assert picture.take(other.machine) == picture.take(one.machine)
    other.clock.now = one.clock.now
    other.feed(Restarted(1))
    assert begun(other) == []
    other.tick(1.01)
    assert begun(other) == [1]


def test_slices_of_a_bounded_routine(bench: Build) -> None:
    flow = rd.Flow("bounded")
    flow.add_routine(rd.routine(max_concurrency=2)(lambda x: x), "two")
    flow.add_routine(lambda x: x, "any")
    one = bench(flow, workers=8, lookahead=True)
    for _ in range(6):
        one.post("j", "two.input", last=False)
        one.post("j", "any.input", last=False)
    groups = [one.plan.groups[work.group].routines for work in one.slices.values()]
    assert groups.count(("two",)) == 2
    assert groups.count(("any",)) == 6


def test_homes_of_a_bounded_routine(bench: Build) -> None:
    flow = rd.Flow("bounded")
    few = total(key="k")
    few._declared.options = few._declared.options.replace(max_concurrency=2)
    flow.add_routine(few, "few")
    assert bench(flow, homes=5).machine.partitions == {0: 2}
    assert bench(flow, homes=1).machine.partitions == {0: 1}
