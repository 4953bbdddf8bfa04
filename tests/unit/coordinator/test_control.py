from __future__ import annotations

from collections.abc import Callable

import pytest

from routilux_dist.coordinator.commands import Refuse, Report
from routilux_dist.coordinator.events import ControlAsked, RetryAsked
from routilux_dist.errors import InternalError
from routilux_dist.testing import Bench
from tests.unit.coordinator.conftest import chain, summing

Build = Callable[..., Bench]


def test_a_paused_job_is_not_dispatched_and_what_flies_is_committed(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 2)
    one.ask("j", "pause")
    one.ask("j", "pause")
    one.finish(emit={"b.input": 2})
    assert not one.slices
    assert (one.job("j").status, one.job("j").done) == ("paused", 2)
    one.ask("j", "resume")
    one.ask("j", "resume")
    assert len(one.slices) == 1
    one.run_out()
    assert one.job("j").status == "completed"


def test_a_paused_job_does_not_end(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    one.ask("j", "pause")
    one.finish()
    assert one.job("j").status == "paused"
    one.ask("j", "resume")
    assert one.job("j").status == "completed"


def test_a_job_is_resumed_as_what_it_was(bench: Build) -> None:
    one = bench()
    one.post("first", "a.input")
    one.post("j", "a.input")
    one.ask("j", "pause")
    one.ask("j", "resume")
    assert one.job("j").status == "pending"


def test_retries_of_a_paused_job_wait_for_it(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    one.finish(retry=(1.0, 1))
    one.ask("j", "pause")
    one.tick(2.0)
    assert not one.slices
    one.ask("j", "resume")
    assert len(one.slices) == 1


@pytest.mark.parametrize("paused", [False, True])
def test_cancel_discards_what_waits_and_what_flies(bench: Build, paused: bool) -> None:
    one = bench()
    one.post("j", "a.input", 3)
    one.post("j", "a.input", 4)
    if paused:
        one.ask("j", "pause")
    one.ask("j", "cancel", "enough")
    job = one.job("j")
    assert (job.status, job.discarded, job.accepted) == ("cancelled", 7, 7)
    assert ("cancelled", "enough") in [(e.kind, e.text) for e in job.history]
    assert [r.status for r in one.of(Report)] == ["cancelled"]
    one.finish(emit={"b.input": 9})
    assert not one.slices


def test_a_paused_job_may_fail(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    one.ask("j", "pause")
    one.finish(stop="no")
    assert one.job("j").status == "failed"


def test_requests_about_ended_or_unknown_jobs_change_nothing(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    one.run_out()
    told = len(one.told)
    for job in ("j", "nobody"):
        for action in ("pause", "resume", "cancel", "close", "release"):
            one.ask(job, action)
    assert len(one.told) == told


def test_an_unknown_action_is_a_fault(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    with pytest.raises(InternalError, match="'dance'"):
        one.ask("j", "dance")


def test_dead_letters_are_posted_again(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 3, last=False)
    one.finish(dead=3)
    assert one.job("j").dead == 3
    one.feed(RetryAsked("j", (1,)))
    assert (one.job("j").dead, len(one.job("j").letters)) == (2, 2)
    one.feed(RetryAsked("j"))
    assert (one.job("j").dead, len(one.job("j").letters)) == (0, 0)
    one.run_out()
    assert one.job("j").done == 3


def test_dead_letters_of_an_ended_job_are_refused(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input", 1)
    one.finish(dead=1)
    one.feed(RetryAsked("j"))
    assert "has ended" in one.of(Refuse)[0].reason


def test_dead_letters_of_a_finishing_job_stay(bench: Build) -> None:
    one = bench(summing())
    one.post("j", "a.input", 1)
    one.finish(dead=1)
    assert one.job("j").stage == 1
    one.feed(RetryAsked("j"))
    assert len(one.job("j").letters) == 1


def test_letters_out_of_range_and_without_messages_are_left(bench: Build) -> None:
    one = bench(chain())
    one.post("j", "a.input", 1, last=False)
    one.finish(dead=1)
    letter = one.job("j").letters[0]
    one.job("j").letters.append(letter.__class__(letter.failure, letter.block._replace(rows=0)))
    one.feed(RetryAsked("j", (1, 7)))
    assert len(one.job("j").letters) == 2


def test_who_adopts_a_job_hears_of_its_end_and_so_does_who_posted_it(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    for client in ("new", "newer", "new"):
        one.feed(ControlAsked("j", "adopt", client=client))
    posted_by = one.job("j").client
    one.run_out()
    assert [report.client for report in one.of(Report)] == [posted_by, "new", "newer"]
    one.feed(ControlAsked("j", "adopt", client="late"))
    assert one.of(Report)[-1].client == "late"


def test_who_adopts_a_job_that_has_ended_hears_of_its_next_end_too(bench: Build) -> None:
    one = bench(keeps=True)
    one.post("j", "a.input", last=False)
    one.ask("j", "checkpoint", "early")
    one.ask("j", "cancel")
    one.feed(ControlAsked("j", "adopt", client="late"))
    one.feed(ControlAsked("j", "rollback", "early", "somebody"))
    one.ask("j", "close")
    one.run_out()
    assert [report.client for report in one.of(Report)][-2:] == [one.job("j").client, "late"]


def test_who_posts_to_the_job_of_another_client_hears_of_its_end(bench: Build) -> None:
    one = bench()
    for client in ("first", "second", "first"):
        one.post("j", "a.input", last=False, client=client)
    one.ask("j", "close")
    one.run_out()
    assert [report.client for report in one.of(Report)] == ["first", "second"]
