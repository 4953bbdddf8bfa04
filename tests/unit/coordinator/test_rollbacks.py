from __future__ import annotations

from collections.abc import Callable
from typing import Any

from routilux_dist.coordinator import picture
from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import ControlAsked
from routilux_dist.testing import Bench
from routilux_dist.wire import codec
from routilux_dist.wire.slices import Kept
from tests.unit.coordinator.conftest import chain, summing

Build = Callable[..., Bench]


def checkpoint(one: Bench, name: str = "here") -> None:
    one.feed(ControlAsked("j", "checkpoint", name))


def rollback(one: Bench, name: str = "here") -> None:
    one.feed(ControlAsked("j", "rollback", name))


def kept(job: str, routine: int, value: Any) -> Kept:
    return Kept(job, routine, 0, codec.encode(value))


def test_a_job_goes_back_to_what_it_was(bench: Build) -> None:
    one = bench(keeps=True)
    one.post("j", "a.input", 3, last=False)
    one.finish(output={"b.output": 3}, data={"j": {"n": ("sum", 3)}})
    one.post("j", "a.input", 2, last=False)
    checkpoint(one)  # two are with a worker
    one.finish(output={"b.output": 2}, data={"j": {"n": ("sum", 2)}})
    one.post("j", "a.input", 1)
    before = one.job("j")
    rollback(one)
    job = one.job("j")
    assert job is not before
    assert (job.accepted, job.done, job.retracted, job.pending + job.flying) == (6, 3, 1, 2)
    assert (job.data, sum(b.rows for b in job.outputs), job.generation) == ({"n": ("sum", 3)}, 3, 1)
    one.run_out()
    assert job.alive, "more was promised then"
    assert [entry.kind for entry in job.history][-1] == "rolled back"


def test_receipts_from_before_a_rollback_count_for_nothing(bench: Build) -> None:
    one = bench(keeps=True)
    checkpoint_at_once = lambda: checkpoint(one)  # noqa: E731
    one.post("j", "a.input", 2, last=False)
    checkpoint_at_once()
    late = next(iter(one.slices.values()))
    rollback(one)
    one.finish(late, output={"b.output": 2})
    assert (one.job("j").done, one.job("j").output_rows) == (0, 0)
    one.run_out()
    assert one.job("j").done == 2


def test_an_ended_job_lives_again(bench: Build) -> None:
    one = bench(keeps=True)
    one.post("j", "a.input", 2, last=False)
    checkpoint(one)
    one.finish(stop="no")
    assert one.job("j").status == "failed"
    rollback(one)
    assert one.job("j").alive
    assert (one.job("j").failure, one.job("j").discarded) == (None, 0)
    one.ask("j", "close")
    one.run_out()
    assert [report.status for report in one.of(Report)] == ["failed", "completed"]


def test_a_home_is_told_the_state_of_the_checkpoint(bench: Build) -> None:
    one = bench(summing(), homes=1, keeps=True)
    one.post("j", "total.input", last=False)
    one.finish(kept=[kept("j", 1, 1)])
    checkpoint(one)
    one.post("j", "total.input", last=False)
    one.finish(kept=[kept("j", 1, 2)])
    rollback(one)
    one.post("j", "total.input", last=False)
    (work,) = one.slices.values()
    assert work.state is not None
    assert [codec.decode(piece.body) for piece in work.state] == [1]
    one.finish()
    one.post("j", "total.input", last=False)
    (work,) = one.slices.values()
    assert work.state is None, "it knows"


def test_a_home_does_not_forget_a_job_that_lives_again(bench: Build) -> None:
    one = bench(summing(), homes=1, keeps=True)
    one.post("j", "total.input", last=False)
    one.finish(kept=[kept("j", 1, 1)])
    checkpoint(one)
    one.ask("j", "cancel")
    rollback(one)
    one.post("j", "total.input", last=False)
    (work,) = one.slices.values()
    assert work.state
    assert work.forget == ()


def test_a_paused_job_is_paused_again(bench: Build) -> None:
    one = bench(keeps=True)
    one.post("j", "a.input", last=False)
    one.post("j", "a.input", last=False)
    one.ask("j", "pause")
    checkpoint(one)
    one.finish()
    one.ask("j", "resume")
    rollback(one)
    assert one.job("j").status == "paused"
    one.run_out()
    assert one.job("j").pending == 2


def test_time_that_was_left_is_left_again(bench: Build) -> None:
    one = bench(chain(execution_timeout=10), keeps=True)
    one.post("j", "a.input", last=False)
    one.tick(4)
    checkpoint(one)
    one.tick(7)
    assert one.job("j").status == "failed"
    rollback(one)
    one.tick(5)
    assert one.job("j").alive
    one.tick(2)
    assert one.job("j").status == "failed"


def test_an_unknown_checkpoint_changes_nothing(bench: Build) -> None:
    one = bench(keeps=True)
    one.post("j", "a.input", last=False)
    job = one.job("j")
    rollback(one, "nowhere")
    assert one.job("j") is job


def test_checkpoints_are_part_of_the_picture(bench: Build) -> None:
    one = bench(summing(), homes=1, keeps=True)
    one.post("j", "total.input", 2, last=False)
    one.finish(kept=[kept("j", 1, 1)])
    checkpoint(one)
    other = bench(summing(), homes=1, keeps=True)
    picture.restore(other.machine, picture.take(one.machine))
    rollback(other)
    assert other.machine.lanes[1, 0].kept["j"]
    assert other.job("j").generation == 1
