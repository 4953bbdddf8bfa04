"""Ways for a worker to end: each is a crash, none a success, and nothing of it is left afterwards."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

import routilux_dist as rd
from tests.chaos.processes import gone
from tests.conformance.support import WAIT, build, eventually

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(300)]

N, BAD = 60, 31


def leave_sign(x: dict[str, Any]) -> bool:
    """Leave a line with this process; return whether it is the first that this message sees."""
    with open(x["sign"], "a") as file:
        file.write(f"{os.getpid()}\n")
    return len(Path(x["sign"]).read_text().split()) == 1


def sigkill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def exit_zero() -> None:
    os._exit(0)


def segfault() -> None:
    ctypes.string_at(0)


MODES: dict[str, Callable[[], object]] = {
    "sigkill": sigkill,
    "exit": exit_zero,
    "segfault": segfault,
    "abort": os.abort,
}


@rd.routine
def spread(x: dict[str, Any]) -> Any:
    for n in range(N):
        yield {**x, "n": n}


@rd.routine
def die_once(x: dict[str, Any]) -> int:
    if x["n"] == BAD and leave_sign(x):
        MODES[x["mode"]]()
    return int(x["n"])


@rd.routine
def die_always(x: dict[str, Any]) -> int:
    if x["n"] == BAD:
        leave_sign(x)
        MODES[x["mode"]]()
    return int(x["n"])


def pids(sign: Path) -> list[int]:
    return [int(line) for line in sign.read_text().split()] if sign.exists() else []


@pytest.mark.parametrize("mode", MODES)
def test_a_worker_that_ends_is_a_crash_however_it_ends(ray_cluster: str, tmp_path: Path, mode: str) -> None:
    total = ray.available_resources().get("CPU")
    sign = tmp_path / "sign"
    with rd.Runtime(max_workers=2) as runtime:
        once = build({"spread": spread, "work": die_once}, "spread -> work")
        job = runtime.submit(once, {"mode": mode, "sign": str(sign)})
        assert sorted(job.result(timeout=2 * WAIT)["work.output"]) == list(range(N))
        assert len(pids(sign)) == 2, "it ran in a process that ended, and in another one"
        assert len(set(pids(sign))) == 2
        sign.unlink()
        handler = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)
        always = build({"spread": spread, "work": die_always}, "spread -> work", error_handler=handler)
        job = runtime.submit(always, {"mode": mode, "sign": str(sign)})
        assert sorted(job.result(timeout=2 * WAIT)["work.output"]) == [n for n in range(N) if n != BAD]
        [letter] = job.dead_letters
        assert (letter.payload["n"], letter.attempts, letter.error_type) == (BAD, 3, "WorkerLostError")
        assert len(set(pids(sign))) == 3
    assert gone(pids(sign), WAIT) == []
    eventually(lambda: ray.available_resources().get("CPU") == total, "Ray has got its CPUs back")


@rd.routine(actors=1)
def bite(x: dict[str, Any]) -> int:
    """Ends its process at one message."""
    time.sleep(0.01)
    if x["n"] == BAD:
        leave_sign(x)
        os._exit(0)
    return int(x["n"])


def test_what_waits_at_a_host_is_not_to_blame_for_what_runs_there(ray_cluster: str, tmp_path: Path) -> None:
    handler = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)
    flow = build({"spread": spread, "work": bite}, "spread -> work", error_handler=handler)
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(flow, {"sign": str(tmp_path / "sign")})
        assert sorted(job.result(timeout=2 * WAIT)["work.output"]) == [n for n in range(N) if n != BAD]
        assert [(letter.payload["n"], letter.attempts) for letter in job.dead_letters] == [(BAD, 3)]
    assert len(pids(tmp_path / "sign")) == 3
