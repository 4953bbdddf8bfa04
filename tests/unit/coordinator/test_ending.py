from __future__ import annotations

from collections.abc import Callable

import pytest

from routilux_dist.coordinator import ending
from routilux_dist.coordinator.commands import Report
from routilux_dist.plan.plan import PortKind
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench
from tests.unit.coordinator.conftest import chain, ring, summing

Build = Callable[..., Bench]


def controls(one: Bench) -> list[str]:
    """The control blocks that are in flight."""
    return [
        one.plan.ports[block.port].path
        for work in one.slices.values()
        for _, block in work.blocks
        if one.plan.ports[block.port].kind is PortKind.FINISH
    ]


def test_a_quiet_job_without_endings_is_done(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    assert one.job("j").alive
    one.finish()
    assert [r.status for r in one.of(Report)] == ["completed"]


def test_finish_waits_until_all_is_quiet_and_runs_once(bench: Build) -> None:
    one = bench(summing(), workers=2)
    one.post("j", "a.input")
    one.finish(emit={"total.input": 2})
    assert controls(one) == []
    one.finish()
    assert controls(one) == ["total.(finish)"]
    one.finish()
    assert one.job("j").status == "completed"


def test_finish_waits_for_a_sleeping_retry(bench: Build) -> None:
    one = bench(summing())
    one.post("j", "a.input")
    one.finish(retry=(5.0, 1))
    assert controls(one) == []
    one.tick(5.0)
    one.finish()
    assert controls(one) == ["total.(finish)"]


def test_a_job_that_sent_nothing_finishes_too(bench: Build) -> None:
    one = bench(summing())
    one.post("j", "a.input")
    one.finish()
    assert controls(one) == ["total.(finish)"]


def test_keyed_finishes_go_to_every_home_the_job_has_been_to(bench: Build) -> None:
    one = bench(summing(key="k"), homes=4)
    for home in (1, 3):
        one.post("j", "total.input", partition=home, last=False)
    one.run_out()
    one.ask("j", "close")
    assert sorted(work.partition for work in one.slices.values()) == [1, 3]


def test_a_cycle_ends_as_one_and_is_flushed_until_it_is_empty(bench: Build) -> None:
    one = bench(ring())
    one.post("j", "a.input")
    one.finish()
    assert controls(one) == ["first.(finish)", "second.(finish)"]
    work = next(iter(one.slices.values()))
    one.finish(work, emit={"second.input": 1})
    assert controls(one) == []  # what they sent each other comes first
    one.finish(waiting={"second": 1})
    assert one.job("j").alive
    assert controls(one) == ["first.(finish)", "second.(finish)"]
    one.run_out()
    assert one.job("j").status == "completed"


def test_messages_that_waited_in_vain_are_named(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    one.finish(waiting={"b": 2})
    assert any(entry.kind == "waiting" and "2 messages" in entry.text for entry in one.job("j").history)
    assert one.of(Report)[0].summary["waiting"] == 2


def test_a_report_holds_everything_and_the_machine_keeps_no_messages(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 2)
    one.finish(output={"b.output": 3}, dead=1)
    (report,) = one.of(Report)
    assert (report.client, report.job, sum(b.rows for b in report.outputs)) == ("client", "j", 3)
    assert report.summary["messages"]["outputs"] == 3
    assert one.job("j").outputs == []


def test_ended_jobs_are_forgotten_in_the_end(bench: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "REMEMBERED", 2)
    one = bench()
    for n in range(4):
        one.post(f"j{n}", "a.input")
        one.run_out()
    assert list(one.machine.ended) == ["j2", "j3"]


def test_ended_jobs_are_forgotten_by_what_they_hold(bench: Build) -> None:
    one = bench(keeps=True, tuning=Tuning(max_ended_bytes=100))
    for n in range(3):
        one.post(f"j{n}", "a.input", nbytes=40)
        one.finish(output={"b.output": 1})
    assert (list(one.machine.ended), one.machine.ended_bytes) == (["j1", "j2"], 80)
    one.post("huge", "a.input", nbytes=1000)
    one.finish(output={"b.output": 1})
    assert list(one.machine.ended) == ["huge"], "the newest one stays, whatever it holds"
    one.ask("huge", "release")
    assert (one.machine.ended, one.machine.ended_bytes) == ({}, 0)


def test_out_of_time(bench: Build) -> None:
    one = bench(chain(execution_timeout=5.0))
    one.post("j", "a.input")
    one.tick(4.9)
    assert one.job("j").alive
    one.tick(0.2)
    failure = one.of(Report)[0].failure
    assert failure.error_type == "JobTimeoutError"
    assert "execution_timeout=5 s; running for 5.1 s: a.input" in failure.message


def test_a_time_out_of_an_earlier_job_of_that_name(bench: Build) -> None:
    one = bench(chain(execution_timeout=5.0))
    one.post("j", "a.input")
    one.run_out()
    one.ask("j", "release")
    one.tick(3.0)
    one.post("j", "a.input", last=False)
    one.tick(3.0)
    assert one.job("j").alive
    one.tick(3.0)
    assert one.job("j").status == "failed"


def test_unwanted_work_is_asked_to_stop_and_then_made_to(bench: Build) -> None:
    from routilux_dist.coordinator.commands import Abort

    one = bench()
    one.post("j", "a.input")
    one.ask("j", "cancel")
    assert [(a.slice_id, a.force) for a in one.of(Abort)] == [(1, False)]
    one.tick(ending.GRACE_SECONDS)
    assert [a.force for a in one.of(Abort)] == [False, True]
    one.lose()
    assert one.machine.flights == {}


# ---- standing still -------------------------------------------------------------------------------------------------


def stuck(bench: Build, seconds: float = 5.0) -> Bench:
    """Work waits for a worker that is not there."""
    one = bench(chain(no_progress_timeout=seconds), workers=0)
    one.machine.slots[0] = 0
    return one


def test_standing_still_fails_with_a_report(bench: Build) -> None:
    one = stuck(bench)
    one.machine.workers = 1
    one.machine.slots[0] = 0
    one.post("j", "a.input", 3)
    assert not one.slices
    one.tick(5.0)
    failure = one.of(Report)[0].failure
    assert failure.error_type == "NoProgressError"
    assert "no_progress_timeout=5 s; messages wait for a worker of pool 0: 3 at a.input" in failure.message


def test_a_running_slice_is_progress_however_long_it_takes(bench: Build) -> None:
    one = bench(chain(no_progress_timeout=5.0))
    one.post("j", "a.input")
    one.post("j", "a.input")
    one.tick(60.0)
    assert one.job("j").alive


def test_a_paused_job_does_not_stand_still(bench: Build) -> None:
    one = stuck(bench)
    one.post("j", "a.input")
    one.ask("j", "pause")
    one.tick(60.0)
    assert one.job("j").alive
