from __future__ import annotations

from collections.abc import Callable

import pytest

import routilux_dist as rd
from routilux_dist.coordinator.commands import Refuse, Report, SetDoor
from routilux_dist.coordinator.events import Posted
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench
from tests.unit.coordinator.conftest import Batches, chain, summing

Build = Callable[..., Bench]


ENDED = "job 'j' has ended and takes no more messages; give another job_id, or none for a fresh one"


def test_the_first_post_makes_the_job(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 3, metadata={"user": 1}, correlation_id="c1")
    job = one.job("j")
    assert (job.accepted, job.flying, job.closed, job.correlation_id) == (3, 3, True, "c1")
    work = next(iter(one.slices.values()))
    assert work.jobs["j"].metadata == {"user": 1}
    assert job.status == "running"
    assert job.history[0].kind == "posted"


def test_an_open_job_takes_more_and_waits_for_its_close(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", last=False)
    one.run_out()
    assert one.job("j").alive
    one.post("j", "a.input", last=False)
    assert one.job("j").accepted == 2
    one.run_out()
    one.ask("j", "close")
    assert one.job("j").status == "completed"


def test_a_closed_job_takes_more_until_it_is_finishing(bench: Build) -> None:
    one = bench(summing())
    one.post("j", "a.input")
    one.post("j", "a.input")
    assert one.job("j").accepted == 2
    one.finish()
    one.finish()
    assert one.job("j").stage == 1
    one.post("j", "a.input")
    job = one.job("j")
    assert (job.accepted, job.dead, len(job.letters)) == (3, 1, 1)
    assert "finishing" in job.letters[0].failure.message
    one.run_out()
    assert one.job("j").status == "completed"


@pytest.mark.parametrize("released", [False, True])
def test_a_name_is_free_again_once_the_job_is_released(bench: Build, released: bool) -> None:
    one = bench()
    one.post("j", "a.input")
    one.run_out()
    if released:
        one.ask("j", "release")
    one.post("j", "a.input")
    assert bool(one.slices) is released
    assert [r.reason for r in one.of(Refuse)] == ([] if released else [ENDED])


def test_adding_to_a_job_that_has_to_exist(bench: Build) -> None:
    one = bench()
    one.feed(Posted(job="j", must_exist=True, client="me"))
    assert one.of(Refuse) == [Refuse(client="me", job="j", reason="job 'j' does not exist")]


def test_a_job_without_messages_ends_at_once(bench: Build) -> None:
    one = bench()
    one.feed(Posted(job="j", client="me"))
    assert one.job("j").status == "completed"
    assert [r.client for r in one.of(Report)] == ["me"]


def test_the_door_closes_when_full_and_opens_at_half(bench: Build) -> None:
    one = bench(tuning=Tuning(max_pending_blocks=4))
    for n in range(6):
        one.post(f"j{n}", "a.input")
    assert one.of(SetDoor) == [SetDoor(False)]  # one of six is in flight, five wait
    one.finish()
    one.finish()
    assert not one.machine.door_open
    one.finish()
    assert one.of(SetDoor) == [SetDoor(False), SetDoor(True)]


def test_the_door_counts_bytes_too(bench: Build) -> None:
    one = bench(tuning=Tuning(max_pending_bytes=100))
    one.post("j0", "a.input", nbytes=90)
    one.post("j1", "a.input", nbytes=60)
    assert one.machine.door_open
    one.post("j2", "a.input", nbytes=60)
    assert not one.machine.door_open
    one.ask("j2", "cancel")
    one.ask("j1", "cancel")
    assert one.machine.door_open


def test_a_retry_sleeps_without_a_slice_and_comes_back(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 2)
    one.finish(retry=(5.0, 1))
    assert not one.slices
    assert len(one.job("j").sleeping) == 1
    one.tick(4.9)
    assert not one.slices
    one.tick(0.2)
    (work,) = one.slices.values()
    assert work.blocks[0][1].attempt == 2
    one.run_out()
    assert one.job("j").status == "completed"


def test_a_retry_without_delay_does_not_sleep(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    one.finish(retry=(0.0, 1))
    assert len(one.slices) == 1


def test_alarms_of_ended_jobs_ring_in_vain(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    one.finish(retry=(5.0, 1))
    one.ask("j", "cancel")
    one.tick(10)
    assert not one.slices


def test_a_wake_goes_to_the_home_that_asked(bench: Build) -> None:
    flow = rd.Flow("waiting")
    flow.add_routine(Batches(), "second")
    one = bench(flow, homes=3)
    name = next(f"j{n}" for n in range(99) if one.home(one.port("second.input"), f"j{n}") == 2)
    one.post(name, "second.input", last=False)
    one.finish(wakes=[(name, one.port("second.(wake)"), 2.0)], waiting={"second": 1})
    one.tick(2.0)
    (work,) = one.slices.values()
    assert (work.partition, work.blocks[0][1].port) == (2, one.port("second.(wake)"))


def test_too_many_messages_at_the_door(bench: Build) -> None:
    one = bench(chain(max_messages=3))
    one.post("j", "a.input", 4)
    assert one.job("j").status == "failed"
    assert one.of(Report)[0].failure.error_type == "LimitExceededError"
