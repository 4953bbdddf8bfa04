"""Routines that react to nothing: their processes are replaced, and nobody else has to suffer."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from tests.conformance.support import WAIT, build, eventually

pytestmark = pytest.mark.ray

FOR_EVER = 600.0
CONTINUE = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)


@rd.routine
def each(xs: list[Any]) -> Any:
    yield from xs


def freeze(x: Any) -> Any:
    """A call into C that lasts."""
    if x == "bad":
        time.sleep(FOR_EVER)
    return x


@rd.routine(timeout=0.3)
def plain(x: Any) -> Any:
    return freeze(x)


@rd.routine(timeout=0.3, num_cpus=1)
def demanding(x: Any) -> Any:
    return freeze(x)


@rd.routine(timeout=0.3, actors=1)
def pooled(x: Any) -> Any:
    return freeze(x)


@rd.routine(timeout=0.3)
async def waiting(x: Any) -> Any:
    await asyncio.sleep(0)
    return freeze(x)


@pytest.mark.parametrize("routine", [plain, demanding, pooled, waiting], ids=lambda r: str(r.__name__))
def test_a_time_out_ends_code_in_c(ray_cluster: str, routine: Any) -> None:
    """The neighbours of the message that is stuck are done, once each, and no worker is said to be lost."""
    flow = build({"each": each, "work": routine}, "each -> work", error_handler=CONTINUE)
    with rd.Runtime(max_workers=1) as runtime:
        job = runtime.submit(flow, [*range(10), "bad", *range(10, 20)])
        assert sorted(job.result(timeout=WAIT)["work.output"]) == list(range(20))
        [letter] = job.dead_letters
        assert (letter.payload, letter.attempts) == ("bad", 1)
        assert "TimeoutError" in letter.error_type
        assert "time.sleep(FOR_EVER)" in job.errors[0].traceback
        assert runtime.submit(flow, [1]).result(timeout=WAIT) == {"work.output": [1]}


def spin(folder: str) -> None:
    """Compute, and look at nothing."""
    (Path(folder) / "pid").write_text(str(os.getpid()))
    while True:
        pass


@rd.routine
def busy(folder: str) -> None:
    spin(folder)


@rd.routine(actors=1)
def busy_pooled(folder: str) -> None:
    spin(folder)


@rd.routine
async def busy_waiting(folder: str) -> None:
    spin(folder)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("routine", [busy, busy_pooled, busy_waiting], ids=lambda r: str(r.__name__))
def test_cancelling_ends_what_computes_and_does_not_look(ray_cluster: str, tmp_path: Path, routine: Any) -> None:
    sign = tmp_path / "pid"

    def ready() -> bool:
        return sign.exists() and bool(sign.read_text())

    with rd.Runtime(max_workers=1) as runtime:
        job = runtime.submit(build({"work": routine}), str(tmp_path))
        eventually(ready, "it runs")
        pid = int(sign.read_text())
        job.cancel()
        with pytest.raises(rd.JobCancelledError):
            job.result(timeout=WAIT)
        eventually(lambda: not alive(pid), "its process has ended")
