"""Processes that are stopped (SIGSTOP): Ray does not notice; the coordinator does."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from tests.chaos.processes import gone
from tests.conformance.support import WAIT, build

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(300)]

N, BAD = 40, 21
#: A process that is only slow is never found stopped, so this may be short.
TUNING = rd.Tuning(stopped_seconds=0.3)


def pids(sign: Path) -> list[int]:
    return [int(line) for line in sign.read_text().split()] if sign.exists() else []


def stop(x: dict[str, Any], times: int) -> None:
    """Stop this process, unless that was done so often before."""
    sign = Path(x["sign"])
    if len(pids(sign)) < times:
        with sign.open("a") as file:
            file.write(f"{os.getpid()}\n")
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(5)  # another thread may get the signal: this one has to be here when it stops


@rd.routine
def spread(x: dict[str, Any]) -> Any:
    for n in range(N):
        yield {**x, "n": n}


@rd.routine
def work(x: dict[str, Any]) -> int:
    if x["n"] == BAD:
        stop(x, x["times"])
    return int(x["n"])


class Count(rd.Routine):
    """Counts in state; stops at one message."""

    bad = BAD

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(count=0)

    def logic(self, x: dict[str, Any]) -> None:
        self.state["count"] += 1
        if x["n"] == self.bad:
            stop(x, x["times"])

    def finish(self) -> None:
        self.emit("output", self.state["count"])


def test_a_member_that_was_stopped_is_ended_and_its_slice_is_done_again(ray_cluster: str, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    with rd.Runtime(max_workers=2, tuning=TUNING) as runtime:
        job = runtime.submit(build({"spread": spread, "work": work}, "spread -> work"), {"sign": str(sign), "times": 1})
        assert sorted(job.result(timeout=WAIT)["work.output"]) == list(range(N))
        assert (job.dead_letters, job.errors) == ([], [])
        assert gone(pids(sign), WAIT) == [], "it was ended"


def test_a_message_that_always_stops_its_process_is_put_aside(ray_cluster: str, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    handler = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)
    with rd.Runtime(max_workers=2, tuning=TUNING) as runtime:
        flow = build({"spread": spread, "work": work}, "spread -> work", error_handler=handler)
        job = runtime.submit(flow, {"sign": str(sign), "times": 99})
        assert sorted(job.result(timeout=WAIT)["work.output"]) == [n for n in range(N) if n != BAD]
        [letter] = job.dead_letters
        assert (letter.payload["n"], letter.attempts) == (BAD, 3)
        assert "stopped by a signal for 0.3 s" in str(job.errors[0])
        assert len(set(pids(sign))) == 3
        assert gone(pids(sign), WAIT) == []


def test_a_home_of_a_saved_job_that_was_stopped_goes_on_elsewhere(ray_cluster: str, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    with rd.Runtime(max_workers=2, tuning=TUNING) as runtime:
        flow = build({"spread": spread, "count": Count()}, "spread -> count")
        job = runtime.submit(flow, {"sign": str(sign), "times": 1}, job_id="stops", checkpoint=str(tmp_path / "ckpt"))
        assert job.result(timeout=WAIT) == {"count.output": [N]}
        assert job.errors == []
        assert gone(pids(sign), WAIT) == []


class CountAndStopAtOnce(Count):
    """Stops its process in the first slice that this has, with the first message."""

    bad = 0


@pytest.mark.parametrize("times", [1, 2])
def test_a_home_that_was_stopped_by_its_first_message_goes_on_elsewhere(
    ray_cluster: str, tmp_path: Path, times: int
) -> None:
    sign = tmp_path / "sign"
    with rd.Runtime(max_workers=2, tuning=TUNING) as runtime:
        flow = build({"spread": spread, "count": CountAndStopAtOnce()}, "spread -> count")
        job = runtime.submit(
            flow, {"sign": str(sign), "times": times}, job_id="first", checkpoint=str(tmp_path / "ckpt")
        )
        assert job.result(timeout=WAIT) == {"count.output": [N]}
        assert job.errors == []
        assert len(set(pids(sign))) == times
        assert gone(pids(sign), WAIT) == []


@rd.routine
def compute(x: int) -> int:
    """Keeps the GIL, and then sleeps, both for longer than a stopped process is waited for."""
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        sum(range(3_000_000))
    time.sleep(0.6)
    return os.getpid()


def test_a_process_that_computes_is_left_alone(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=1, tuning=TUNING) as runtime:
        job = runtime.submit(build({"compute": compute}), 1)
        assert len(job.result(timeout=WAIT)["compute.output"]) == 1
        assert job.stats()["messages"]["done"] == 1
        assert job.errors == []
