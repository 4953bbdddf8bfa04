from __future__ import annotations

import concurrent.futures
import pickle
import threading
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.client.job import Job
from routilux_dist.errors import StateError
from routilux_dist.wire import codec
from tests.unit.client.conftest import Desk, failure


def posted(desk: Desk, name: str = "j") -> Job:
    return desk.worker.post("a", "input", 1, job_id=name)


def test_a_completed_job_has_outputs_for_every_event(desk: Desk) -> None:
    job = posted(desk)
    assert not job.done()
    desk.report("j", outputs=(desk.output("j", 1, 2), desk.output("j", 3)))
    assert job.result(timeout=0) == {"total.output": [1, 2, 3]}
    assert job.exception() is None
    assert (job.status, job.errors, job.dead_letters, job.data) == ("completed", [], [], {})


def test_a_failed_job_raises_with_the_users_exception_as_cause(desk: Desk) -> None:
    job = posted(desk)
    desk.report(
        "j", "failed", failure=failure(exception=codec.encode(KeyError("mine")), traceback="…\nKeyError: 'mine'")
    )
    with pytest.raises(
        rd.JobFailedError, match=r"(?s)'j' of flow 'summing' failed in routine 'a'.*KeyError: 'mine'$"
    ) as caught:
        job.result()
    assert isinstance(caught.value.cause, KeyError)
    assert caught.value.__cause__ is caught.value.cause


def test_a_cancelled_job_says_why(desk: Desk) -> None:
    job = posted(desk)
    desk.report("j", "cancelled")
    assert job.cancelled()
    with pytest.raises(rd.JobCancelledError, match="'summing' was cancelled: enough"):
        job.result()
    with pytest.raises(concurrent.futures.CancelledError):
        job.exception()


def test_waiting_in_vain_names_the_job_and_its_status(desk: Desk) -> None:
    job = posted(desk)
    with pytest.raises(TimeoutError, match=r"'j' of flow 'summing' did not end within 0\.001 s; it is pending"):
        job.result(timeout=0.001)
    assert job.wait_for_completion(timeout=0.001) is False


def test_the_tools_for_futures_take_it(desk: Desk) -> None:
    jobs = [posted(desk, f"j{n}") for n in range(3)]
    threads = [threading.Thread(target=desk.report, args=(job.job_id,)) for job in jobs]
    for thread in threads:
        thread.start()
    assert set(concurrent.futures.as_completed(jobs, timeout=20)) == set(jobs)
    assert concurrent.futures.wait(jobs).not_done == set()
    for thread in threads:
        thread.join()


def test_callbacks_may_not_wait_for_jobs_that_cannot_end_meanwhile(desk: Desk) -> None:
    first, second = posted(desk, "first"), posted(desk, "second")
    met: list[Any] = []

    def callback(job: Any) -> None:
        for wait in (second.result, second.exception, second.wait_for_completion):
            try:
                wait()
            except StateError as exc:
                met.append(str(exc))
        met.append(second.cancel())

    first.add_done_callback(callback)
    desk.report("first")
    assert ["'second'" in text for text in met[:3]] == [True] * 3
    assert met[3] is True
    desk.report("second", "cancelled")
    assert second.cancelled()


def test_cancel_of_an_ended_job_changes_nothing(desk: Desk) -> None:
    job = posted(desk)
    desk.report("j")
    assert job.cancel() is False
    assert desk.session.asked == []


def test_requests_are_sent_on(desk: Desk) -> None:
    job = posted(desk)
    job.pause(), job.resume(), job.close()
    assert [event.action for event in desk.session.asked] == ["pause", "resume", "close"]


def test_state_before_and_after_the_coordinator_knows_it(desk: Desk) -> None:
    job = posted(desk)
    assert job.state()["status"] == "pending"
    desk.session.answers["summary"] = {**job.state(), "status": "running"}
    assert job.running()
    assert set(job.stats()) == {"messages", "routines", "waiting", "seconds"}


class Stubborn(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__("stubborn")
        self.lock = threading.Lock()


@pytest.mark.parametrize(("cause", "kept"), [(ValueError("x"), True), (Stubborn(1, 2), False), (None, False)])
def test_errors_of_jobs_pickle_whatever_their_cause(cause: BaseException | None, kept: bool) -> None:
    error = rd.JobFailedError("text", job_id="j", cause=cause, failure=failure())
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.job_id, again.failure) == ("text", "j", failure())
    assert (type(again.cause) is ValueError) is kept
    assert again.__cause__ is again.cause
