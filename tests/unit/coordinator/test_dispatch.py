from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from routilux_dist.coordinator import dispatch
from routilux_dist.coordinator.events import CapacityChanged
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench
from tests.unit.coordinator.conftest import chain, fetching, summing

Build = Callable[..., Bench]


def sizes(one: Bench) -> list[int]:
    return [sum(block.rows for _, block in work.blocks) for work in one.slices.values()]


def priced(one: Bench, seconds: float, path: str = "a.input") -> Bench:
    """Teach the bench what messages of a port cost."""
    one.machine.learn(one.port(path), 1, seconds)
    return one


def test_a_block_of_unknown_cost_goes_alone(bench: Build) -> None:
    one = bench(workers=1)
    for _ in range(3):
        one.post("j", "a.input", 5, last=False)
    assert sizes(one) == [5]
    one.finish()
    assert sizes(one) == [5]
    one.finish(seconds=0.005)
    assert sizes(one) == [5]


def test_known_blocks_fill_a_slice(bench: Build) -> None:
    one = priced(bench(workers=1, tuning=Tuning(slice_seconds=0.1)), 0.01)
    one.post("first", "a.input", 1)
    for _ in range(8):
        one.post("j", "a.input", 2, last=False)
    one.finish()
    # Sixteen messages of 10 ms wait for one worker: half of that is below 100 ms.
    assert sizes(one) == [8]


def test_slices_shrink_towards_the_end(bench: Build) -> None:
    one = priced(bench(workers=1, tuning=Tuning(slice_seconds=1.0)), 1 / 128)  # exact in binary
    one.post("first", "a.input")
    for _ in range(160):
        one.post("j", "a.input", last=False)
    seen = []
    while one.slices:
        seen.append(sizes(one)[0])
        one.finish()
    assert seen[1] == 80
    assert seen[1:] == sorted(seen[1:], reverse=True)
    assert seen[-1] == 1


def test_a_slice_holds_at_least_one_block_however_long(bench: Build) -> None:
    one = priced(bench(), 10.0)
    one.post("j", "a.input", 50)
    assert sizes(one) == [50]


@pytest.mark.parametrize(("attribute", "bound"), [("MAX_BLOCKS", 3), ("MAX_BYTES", 30)])
def test_slices_are_bounded(bench: Build, monkeypatch: pytest.MonkeyPatch, attribute: str, bound: int) -> None:
    one = priced(bench(), 1e-6)
    one.post("first", "a.input")
    for _ in range(9):
        one.post("j", "a.input", nbytes=10, last=False)
    monkeypatch.setattr(dispatch, attribute, bound)
    monkeypatch.setattr(dispatch, "MIN_SECONDS", 1.0)
    one.finish()
    assert sizes(one) == [3]


def test_jobs_take_turns(bench: Build) -> None:
    one = bench()
    one.post("first", "a.input")
    for job in ("x", "x", "y", "y"):
        one.post(job, "a.input", last=False)
    order = []
    while one.slices:
        order.append(next(iter(one.slices.values())).blocks[0][1].job)
        one.finish()
    assert order == ["first", "x", "y", "x", "y"]


def test_started_work_comes_first(bench: Build) -> None:
    one = bench()
    for _ in range(2):
        one.post("j", "a.input", last=False)
    one.finish(emit={"b.input": 1})
    assert next(iter(one.slices.values())).blocks[0][1].port == one.port("b.input")


@pytest.mark.parametrize(("lookahead", "flying"), [(False, 2), (True, 4)])
def test_no_more_slices_than_hide_the_way(bench: Build, lookahead: bool, flying: int) -> None:
    one = priced(bench(workers=2, lookahead=lookahead), 0.05)
    for _ in range(9):
        one.post("j", "a.input", last=False)
    assert len(one.slices) == flying


def test_a_group_whose_next_slice_would_run_beside_the_first_is_sent_none_ahead(bench: Build) -> None:
    one = priced(bench(workers=2, lookahead=True), 0.05)
    one.machine.beside = frozenset({0})
    for _ in range(9):
        one.post("j", "a.input", last=False)
    assert len(one.slices) == 2


def test_while_there_are_suspects_nothing_is_sent_ahead_and_slices_are_alone(bench: Build) -> None:
    one = priced(bench(workers=1, lookahead=True), 0.05)
    for _ in range(4):
        one.post("j", "a.input", last=False)
    assert [work.alone for work in one.slices.values()] == [False, False]
    one.lose()
    one.finish()
    (work,) = one.slices.values()
    assert work.alone


def test_unknown_costs_are_not_looked_ahead_of(bench: Build) -> None:
    one = bench(workers=2, lookahead=True)
    for _ in range(9):
        one.post("j", "a.input", last=False)
    assert len(one.slices) == 2


def test_more_workers_get_work_at_once(bench: Build) -> None:
    one = bench(workers=1)
    for _ in range(9):
        one.post("j", "a.input", last=False)
    assert len(one.slices) == 1
    one.feed(CapacityChanged(3))
    assert len(one.slices) == 3
    one.feed(CapacityChanged(8, {0: 4}))
    assert len(one.slices) == 4


def test_a_home_runs_one_slice_at_a_time(bench: Build) -> None:
    one = bench(summing(), workers=4)
    for _ in range(3):
        one.post("j", "total.input", last=False)
    assert len(one.slices) == 1
    one.post("j", "a.input", last=False)
    assert len(one.slices) == 2


def test_sequential_entries_go_one_by_one_and_a_tree_goes_as_a_whole(bench: Build) -> None:
    one = bench(chain(execution_mode="sequential"), workers=4)
    for _ in range(3):
        one.post("j", "a.input", 2, last=False)
    assert sizes(one) == [2]
    one.finish(emit={"b.input": 3, "a.input": 4}, left=1)
    assert sizes(one) == [7]  # both inner blocks, before what is left of the entry block
    one.finish()
    assert sizes(one) == [1]
    one.finish()
    assert sizes(one) == [2]


def first_jobs(one: Bench) -> list[str]:
    return [work.blocks[0][1].job for work in one.slices.values()]


def test_sequential_jobs_take_turns_between_two_entries(bench: Build) -> None:
    one = bench(chain(execution_mode="sequential"))
    for job in ("j", "k"):
        one.post(job, "a.input", last=False)
        one.post(job, "a.input", last=False)
        one.post(job, "a.input")
    seen = []
    while one.slices:
        seen += first_jobs(one)
        one.finish()
    assert seen == ["j", "j", "k", "j", "k", "k"]  # the first was begun before there was another job


def test_a_sequential_tree_is_not_broken_off_for_another_job(bench: Build) -> None:
    one = bench(chain(execution_mode="sequential"))
    for job in ("j", "k"):
        one.post(job, "a.input", last=False)
        one.post(job, "a.input")
    one.finish(emit={"b.input": 2})
    assert first_jobs(one) == ["j"]
    one.finish()
    assert first_jobs(one) == ["k"]


def test_what_is_behind_a_sequential_retry_waits_for_it(bench: Build) -> None:
    one = bench(chain(execution_mode="sequential"))
    one.post("j", "a.input", 2, last=False)
    one.post("j", "a.input")
    one.post("k", "a.input")
    one.finish(retry=(2.0, 1), left=1)
    assert first_jobs(one) == ["k"]
    one.finish()
    assert not one.slices
    one.ask("j", "pause")
    one.tick(2)
    assert not one.slices
    one.ask("j", "resume")
    [again] = one.slices.values()
    assert [(b.attempt, b.rows) for _, b in again.blocks] == [(2, 1)]
    one.finish()
    assert sizes(one) == [1]
    one.run_out()
    assert one.job("j").done == 3


def test_a_job_that_is_cancelled_while_it_waits_for_a_retry_leaves_nothing(bench: Build) -> None:
    one = bench(chain(execution_mode="sequential"))
    one.post("j", "a.input")
    one.finish(retry=(2.0, 1))
    one.ask("j", "cancel")
    one.ask("j", "release")
    one.post("j", "a.input")
    one.finish(retry=(9.0, 1))
    one.tick(3)
    assert not one.slices, "the alarm of the first job is not the second one's"
    one.tick(9)
    one.run_out()
    assert one.job("j").status == "completed"


def test_coroutines_of_unknown_cost_wait_together(bench: Build) -> None:
    one = bench(fetching())
    one.post("x", "fetch.input", last=False)
    for _ in range(6):
        one.post("j", "fetch.input", last=False)
    one.finish()
    assert sizes(one) == [4]


def test_an_async_host_gets_new_messages_beside_those_that_wait(bench: Build) -> None:
    one = bench(fetching())
    for _ in range(6):
        one.post("j", "fetch.input", last=False)
    [first] = one.slices.values()
    one.finish(running=[first.blocks[0][0]])
    [second] = one.slices.values()
    assert second.running == (first.blocks[0][0],)
    assert len(second.blocks) == 3
    assert one.job("j").flying == 4
    one.finish(running=[*second.running, *(number for number, _ in second.blocks)])
    [third] = one.slices.values()
    assert (len(third.running), third.blocks) == (4, [])


def test_what_is_carried_out_of_a_block_is_a_block_of_its_own(bench: Build) -> None:
    one = bench(fetching())
    one.post("j", "fetch.input", 3)
    [(_, block)] = next(iter(one.slices.values())).blocks
    part = block._replace(rows=1, entry=False, origin="j/1.2")
    one.finish(left_running=[part])
    [follow_up] = one.slices.values()
    assert [b.origin for _, b in follow_up.blocks] == ["j/1.2"]
    assert (one.job("j").done, one.job("j").flying) == (2, 1)
    one.lose()
    [again] = one.slices.values()
    assert [b.origin for _, b in again.blocks] == ["j/1.2"]
    one.run_out()
    assert one.job("j").status == "completed"


def test_a_host_hears_that_nobody_wants_what_it_carries(bench: Build) -> None:
    one = bench(fetching())
    one.post("j", "fetch.input")
    [first] = one.slices.values()
    one.ask("j", "cancel")
    one.finish(running=[first.blocks[0][0]])
    [last] = one.slices.values()
    assert (last.running, last.blocks) == ((), [])
    one.finish()
    assert not one.slices


def test_what_goes_on_after_a_lost_call_is_put_back_and_disowned(bench: Build) -> None:
    one = bench(fetching())
    one.post("j", "fetch.input")
    one.lose(innocent=True)
    [again] = one.slices.values()
    assert (again.running, len(again.blocks)) == ((), 1)
    one.lose()  # with the process
    assert len(next(iter(one.slices.values())).blocks) == 1


def test_the_budget_shrinks_while_others_are_idle(bench: Build) -> None:
    one = bench(workers=4)
    one.post("j", "a.input")
    assert next(iter(one.slices.values())).budget == pytest.approx(0.01)
    alone = bench(workers=1)
    alone.post("j", "a.input")
    assert next(iter(alone.slices.values())).budget == pytest.approx(0.08)


def test_workers_are_told_which_jobs_have_ended(bench: Build) -> None:
    one = bench(summing())
    one.post("j", "total.input")
    one.run_out()
    home = one.home(one.port("total.input"), "j")
    other = next(f"k{n}" for n in range(99) if one.home(one.port("total.input"), f"k{n}") == home)
    one.post(other, "total.input")
    assert next(iter(one.slices.values())).forget == ("j",)
    one.finish()
    assert next(iter(one.slices.values())).forget == ()


def test_slices_grow_with_the_number_of_workers() -> None:
    """One coordinator sends them all: with many workers, slices of the usual size would be too many."""
    few, many = (Bench(chain(), workers=workers) for workers in (dispatch.FEW_WORKERS, 10 * dispatch.FEW_WORKERS))
    assert dispatch.slice_seconds(few.machine) == few.machine.tuning.slice_seconds
    assert dispatch.slice_seconds(many.machine) == 10 * few.machine.tuning.slice_seconds


def test_what_costs_nobody_knows_how_much_comes_back_soon(bench: Build) -> None:
    one = bench(workers=10 * dispatch.FEW_WORKERS)
    for _ in range(2):
        one.post("j", "a.input", last=False)
    first, second = one.slices.values()
    assert first.budget <= one.machine.tuning.slice_seconds
    one.finish(first, seconds=0.01)
    one.finish(second)
    for _ in range(2 * one.machine.workers):
        one.post("j", "a.input", 5000, last=False)
    assert max(work.budget for work in one.slices.values()) == dispatch.slice_seconds(one.machine)


@pytest.mark.parametrize("beside", ["nothing", "another job", "others cost more"])
def test_slices_are_longer_where_one_job_is_all_there_is_to_do(bench: Build, beside: str) -> None:
    one = bench(workers=2)
    for n in range(16):
        one.machine.learn(one.port("a.input"), 1, 0.01 if beside != "others cost more" or n % 2 else 0.02)
    seconds = one.machine.costs[one.port("a.input")].seconds
    assert seconds is not None
    one.machine.workers = 0  # nothing is sent yet
    for _ in range(100):
        one.post("j", "a.input", 1, last=False)
    if beside == "another job":
        one.post("other", "a.input", 1, last=False)
    one.feed(CapacityChanged(2))
    first = next(iter(one.slices.values()))
    usual = math.ceil(one.machine.tuning.slice_seconds / seconds)
    rows = sum(block.rows for _, block in first.blocks)
    if beside == "nothing":
        assert usual < rows <= dispatch.LONG * usual
        assert first.budget > one.machine.tuning.slice_seconds
    else:
        assert rows in (usual - 1, usual)
        assert first.budget == one.machine.tuning.slice_seconds


def test_a_little_of_what_is_unlike_makes_no_slice_shorter(bench: Build) -> None:
    one = bench(workers=2)
    entry, inner = one.port("a.input"), one.port("b.input")
    for n in range(16):
        one.machine.learn(entry, 1, 0.01)
        one.machine.learn(inner, 1, 1e-6 if n % 2 else 1e-4)
    assert one.machine.costs[inner].error > dispatch.STEADY
    one.machine.workers = 0  # nothing is sent yet
    for _ in range(100):
        one.post("j", "a.input", 1, last=False)
    lane = next(lane for lane in one.machine.lanes.values() if lane.rows.get(entry))
    lane.rows[inner] = 50
    waiting = dispatch._seconds_waiting(one.machine, lane)
    assert waiting is not None
    assert dispatch._is_steady(one.machine, lane, waiting)
    lane.rows[inner] = 500_000
    waiting = dispatch._seconds_waiting(one.machine, lane)
    assert waiting is not None
    assert not dispatch._is_steady(one.machine, lane, waiting)
    del lane.rows[inner]  # nothing really waited there


@pytest.mark.parametrize(("workers", "messages", "each"), [(2, 8, 0.002), (4, 8, 0.002), (4, 4, 0.005)])
def test_a_little_steady_work_is_shared_among_all_workers(workers: int, messages: int, each: float) -> None:
    one = Bench(chain(), workers=workers)
    for _ in range(16):
        one.machine.learn(one.port("a.input"), 1, each)
    one.machine.workers = 0  # nothing is sent yet
    for _ in range(messages):
        one.post("j", "a.input", 1, last=False)
    one.feed(CapacityChanged(workers))
    shares = [sum(block.rows for _, block in work.blocks) for work in one.slices.values()]
    assert len(shares) >= min(workers, messages)
    assert max(shares) <= messages / workers


def test_no_slice_is_shorter_than_it_takes_to_send_one_to_each_worker() -> None:
    two, many = (Bench(chain(), workers=workers) for workers in (2, 100))
    assert dispatch.least_seconds(two.machine) == dispatch.MIN_SECONDS
    assert dispatch.least_seconds(many.machine) == pytest.approx(100 * dispatch.SLICE_COST)
