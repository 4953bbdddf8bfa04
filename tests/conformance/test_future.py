"""A job behaves as a ``concurrent.futures.Future``."""

from __future__ import annotations

import concurrent.futures
import threading
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION
from pathlib import Path

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import double
from tests.conformance.routines.faulty import risky
from tests.conformance.routines.waiting import Gate
from tests.conformance.support import WAIT, Running, build, completed, ended, eventually


class Held:
    """A running flow whose jobs wait until the test opens the gate."""

    def __init__(self, runtime: rd.Runtime, folder: Path) -> None:
        self.folder = folder
        self.running = Running(runtime, build({"gate": Gate()}))

    def post(self, name: str) -> rd.Job:
        return self.running.post("gate.input", {"folder": str(self.folder), "name": name})

    def has_started(self, name: str) -> bool:
        return (self.folder / f"started-{name}").exists()

    def release(self) -> None:
        (self.folder / "open").touch()


@pytest.fixture
def held(runtime: rd.Runtime, tmp_path: Path):
    held = Held(runtime, tmp_path)
    yield held
    held.release()


def test_a_running_job(held: Held) -> None:
    job = held.post("x")
    eventually(lambda: held.has_started("x"), "the routine starts")
    assert (job.running(), job.done(), job.cancelled()) == (True, False, False)
    assert job.status == "running"
    with pytest.raises(TimeoutError):
        job.result(timeout=0.05)
    with pytest.raises(TimeoutError):
        job.exception(timeout=0.05)
    held.release()
    assert job.result(timeout=WAIT) == {"gate.output": ["x"]}
    assert (job.running(), job.done(), job.cancelled()) == (False, True, False)
    assert job.exception(timeout=0) is None
    assert job.cancel() is False


def test_a_failed_job(runtime: rd.Runtime) -> None:
    job = ended(runtime, build({"risky": risky}), 1)
    assert (job.running(), job.done(), job.cancelled()) == (False, True, False)
    assert isinstance(job.exception(timeout=0), rd.JobFailedError)
    with pytest.raises(rd.JobFailedError) as caught:
        job.result(timeout=0)
    assert str(caught.value) == str(job.exception(timeout=0))


def test_a_cancelled_job(held: Held) -> None:
    job = held.post("x")
    assert job.cancel() is True
    eventually(job.done, "the job is cancelled")
    assert (job.running(), job.cancelled(), job.status) == (False, True, "cancelled")
    with pytest.raises(rd.JobCancelledError):
        job.result(timeout=WAIT)
    with pytest.raises(concurrent.futures.CancelledError):
        job.exception(timeout=WAIT)


def test_wait_all(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double}))
    jobs = {running.post("double.input", i) for i in range(12)}
    done, waiting = concurrent.futures.wait(jobs, timeout=WAIT)
    assert (done, waiting) == (jobs, set())


def test_wait_first_completed(runtime: rd.Runtime, held: Held) -> None:
    slow = held.post("slow")
    quick = runtime.submit(build({"double": double}), 1)
    done, waiting = concurrent.futures.wait([slow, quick], timeout=WAIT, return_when=FIRST_COMPLETED)
    assert (done, waiting) == ({quick}, {slow})


def test_wait_first_exception(runtime: rd.Runtime, held: Held) -> None:
    slow = held.post("slow")
    broken = runtime.submit(build({"risky": risky}), 1)
    done, waiting = concurrent.futures.wait([slow, broken], timeout=WAIT, return_when=FIRST_EXCEPTION)
    assert (done, waiting) == ({broken}, {slow})


def test_as_completed(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double}))
    jobs = {running.post("double.input", i): i for i in range(12)}
    seen = [(jobs[job], job.result()["double.output"]) for job in concurrent.futures.as_completed(jobs, timeout=WAIT)]
    assert sorted(seen) == [(i, [2 * i]) for i in range(12)]


def test_callbacks_run_once_with_the_job(held: Held) -> None:
    job = held.post("x")
    calls: list[rd.Job] = []
    called = threading.Event()
    job.add_done_callback(lambda j: (calls.append(j), called.set()))
    assert not calls
    held.release()
    assert called.wait(WAIT)
    assert job.result(timeout=WAIT)
    assert calls == [job]


def test_a_callback_on_a_finished_job_runs_at_once(runtime: rd.Runtime) -> None:
    job = completed(runtime, build({"double": double}), 1)
    calls: list[rd.Job] = []
    job.add_done_callback(calls.append)
    assert calls == [job]


def test_a_callback_on_a_failed_job(runtime: rd.Runtime) -> None:
    job = runtime.submit(build({"risky": risky}), 1)
    called = threading.Event()
    job.add_done_callback(lambda _: called.set())
    assert called.wait(WAIT)
    assert job.status == "failed"
