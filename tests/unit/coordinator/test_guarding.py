from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.coordinator import guarding, picture
from routilux_dist.coordinator.events import ControlAsked
from routilux_dist.testing import Bench
from routilux_dist.wire import codec
from routilux_dist.wire.failure import Failure
from routilux_dist.wire.slices import Kept
from tests.unit.coordinator.conftest import summing

Build = Callable[..., Bench]


@pytest.fixture
def one(bench: Build) -> Bench:
    flow = summing()
    flow.add_validator(lambda state: state["total"] >= 0)
    return bench(flow, homes=1, keeps=True)


def bad(one: Bench) -> None:
    """A slice of "total" leaves a state that is not valid."""
    failure = Failure(
        job="j", routine="total", kind="invalid", error_type="StateError", message="the state is not valid"
    )
    one.finish(stopped={"j": failure})


def good(one: Bench, value: int) -> None:
    one.finish(kept=[Kept("j", one.plan.routines["total"].index, 0, codec.encode(value))])


def states(one: Bench) -> list[Any]:
    return [codec.decode(body) for lane in one.machine.lanes.values() for body in lane.kept.get("j", {}).values()]


def last_good(one: Bench) -> None:
    one.feed(ControlAsked("j", "checkpoint", "last_good"))


def test_a_job_goes_back_to_its_last_good_checkpoint(one: Bench) -> None:
    one.post("j", "total.input", 2, last=False)
    good(one, 2)
    last_good(one)
    one.post("j", "total.input", 3, last=False)
    bad(one)
    job = one.job("j")
    assert (job.status, job.generation, job.rolled, job.done) == ("running", 1, 1, 2)
    assert states(one) == [2]
    assert [entry.kind for entry in job.history][-2:] == ["invalid", "rolled back"]
    good(one, 5)
    assert (job.done, job.retracted, states(one)) == (5, 0, [5])


def test_nothing_that_was_posted_is_lost_by_it(one: Bench) -> None:
    one.post("j", "total.input", 1, last=False)
    one.post("j", "total.input", 4)
    bad(one)
    job = one.job("j")
    assert (job.accepted, job.pending + job.flying, job.retracted, job.closed) == (5, 5, 0, True)
    one.run_out()
    assert one.job("j").status == "completed"


def test_a_job_that_does_not_get_further_fails(one: Bench) -> None:
    one.post("j", "total.input", 2)
    for _ in range(guarding.MAX_ROLLBACKS):
        bad(one)
        assert one.job("j").alive
        last_good(one)  # nothing was done since: it does not count
    bad(one)
    job = one.job("j")
    assert (job.status, job.failure.message, job.generation) == ("failed", "the state is not valid", 3)
    assert "3 times already" in [entry.text for entry in job.history if entry.kind == "invalid"][-1]


def test_one_that_gets_further_has_three_more_tries(one: Bench) -> None:
    one.post("j", "total.input", 2, last=False)
    for _ in range(guarding.MAX_ROLLBACKS):
        bad(one)
    good(one, 2)
    last_good(one)
    one.post("j", "total.input", 2)
    bad(one)
    assert (one.job("j").alive, one.job("j").rolled) == (True, 1)


def test_a_paused_job_stays_paused(one: Bench) -> None:
    one.post("j", "total.input", 2, last=False)
    one.ask("j", "pause")
    bad(one)
    assert (one.job("j").status, one.job("j").paused_as, one.slices) == ("paused", "pending", {})
    one.ask("j", "resume")
    assert one.slices


def test_without_a_checkpoint_the_job_fails(bench: Build) -> None:
    flow = summing()
    flow.add_validator(lambda state: state["total"] >= 0)
    one = bench(flow, homes=1)
    one.post("j", "total.input", 2)
    bad(one)
    assert (one.job("j").status, one.job("j").checkpoints) == ("failed", {})


def test_only_jobs_with_validators_have_a_checkpoint_at_once(bench: Build, one: Bench) -> None:
    other = bench(summing(), homes=1, keeps=True)
    for each in (one, other):
        each.post("j", "total.input", 2)
    assert (list(one.job("j").checkpoints), list(other.job("j").checkpoints)) == (["last_good"], [])


def test_it_is_in_the_picture(one: Bench) -> None:
    one.post("j", "total.input", 2, last=False)
    bad(one)
    taken = picture.take(one.machine)
    again = Bench(summing(), homes=1, keeps=True).machine
    picture.restore(again, taken)
    assert (again.jobs["j"].rolled, picture.take(again)) == (1, taken)


def test_streams_fail(bench: Build) -> None:
    flow = rd.Flow("stream")
    flow.add_routine(lambda x: x, "a")
    one = bench(flow, keeps=True)
    one.post("j", "a.input", 2, stream=True, last=False)
    bad(one)
    assert one.job("j").status == "failed"
