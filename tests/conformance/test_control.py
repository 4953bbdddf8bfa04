"""Pause, resume, cancel: from outside, while the job runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import Forever, double, each
from tests.conformance.routines.waiting import Gate, UntilCancelled, mark
from tests.conformance.support import WAIT, Running, build, eventually


def test_nothing_is_dispatched_while_paused(runtime: rd.Runtime, tmp_path: Path) -> None:
    folder = str(tmp_path)
    running = Running(runtime, build({"mark": mark}))
    job = running.post("mark.input", {"folder": folder, "name": "before"}, close=False)
    eventually(lambda: job.outputs.get("mark.output") == ["before"], "the first message is done")
    job.pause()
    eventually(lambda: job.status == "paused", "the job is paused")
    running.post("mark.input", {"folder": folder, "name": "meanwhile"}, job_id=job.job_id, close=False)
    job.close()
    time.sleep(0.3)
    assert not (tmp_path / "meanwhile").exists()
    assert not job.done()
    job.resume()
    assert job.result(timeout=WAIT) == {"mark.output": ["before", "meanwhile"]}


def test_what_is_in_flight_when_paused_is_kept(runtime: rd.Runtime, tmp_path: Path) -> None:
    flow = build({"each": each, "gate": Gate(), "after": mark_name}, "each -> gate -> after")
    job = runtime.submit(flow, [{"folder": str(tmp_path), "name": "x"}])
    eventually(lambda: (tmp_path / "started-x").exists(), "the routine starts")
    job.pause()
    (tmp_path / "open").touch()
    eventually(lambda: job.status == "paused", "the job is paused")
    job.resume()
    assert job.result(timeout=WAIT) == {"after.output": ["x"]}


def test_pausing_one_job_leaves_the_others_running(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double}))
    paused = running.post("double.input", 1, close=False)
    paused.pause()
    eventually(lambda: paused.status == "paused", "the job is paused")
    assert [running.run("double.input", i)["double.output"] for i in range(5)] == [[0], [2], [4], [6], [8]]
    paused.resume()
    paused.close()
    assert paused.result(timeout=WAIT) == {"double.output": [2]}


def test_a_paused_job_can_be_cancelled(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double}))
    job = running.post("double.input", 1, close=False)
    job.pause()
    assert job.cancel() is True
    with pytest.raises(rd.JobCancelledError):
        job.result(timeout=WAIT)


def test_cancel_ends_an_endless_job(runtime: rd.Runtime) -> None:
    flow = build({"forever": Forever()}, "forever.again -> forever.input")
    job = runtime.submit(flow, 0, entry="forever.input")
    assert not job.wait_for_completion(timeout=0.3)
    assert job.status == "running"
    assert job.cancel() is True
    with pytest.raises(rd.JobCancelledError) as caught:
        job.result(timeout=WAIT)
    assert job.status == "cancelled"
    assert flow.name in str(caught.value)


def test_cancel_discards_what_waits(runtime: rd.Runtime, tmp_path: Path) -> None:
    flow = build({"each": each, "gate": Gate(), "mark": leave_mark}, "each -> gate -> mark")
    folder = str(tmp_path)
    job = runtime.submit(flow, [{"folder": folder, "name": f"{i}"} for i in range(6)])
    eventually(lambda: any(tmp_path.glob("started-*")), "the first routine starts")
    job.cancel()
    eventually(job.done, "the job is cancelled")
    (tmp_path / "open").touch()
    assert runtime.submit(build({"double": double}), 1).result(timeout=WAIT) == {"double.output": [2]}
    assert job.outputs.get("mark.output", []) == []


def test_a_routine_notices_the_cancellation(runtime: rd.Runtime, tmp_path: Path) -> None:
    job = runtime.submit(build({"busy": UntilCancelled()}), {"folder": str(tmp_path)})
    eventually(lambda: (tmp_path / "started").exists(), "the routine starts")
    assert job.cancel() is True
    eventually(lambda: (tmp_path / "noticed").exists(), "the routine sees current_job().cancelled")
    with pytest.raises(rd.JobCancelledError):
        job.result(timeout=WAIT)
    assert job.outputs.get("busy.output", []) == []


@rd.routine
def mark_name(name):
    return name


@rd.routine
def leave_mark(name):
    return f"mark of {name}"
