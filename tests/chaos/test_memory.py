"""No memory left in a process: an error like any other. A node that runs out of it is the matter of `tests.chaos.memory`."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

import routilux_dist as rd
from tests.chaos.memory import BAD, N
from tests.conformance.support import WAIT, build

pytestmark = [pytest.mark.ray, pytest.mark.chaos, pytest.mark.timeout(300)]


@rd.routine
def spread(n: int) -> object:
    yield from range(n)


@rd.routine
def greedy(x: int) -> tuple[int, int]:
    """Ask at one message for more than this process may have."""
    if x == BAD:
        before = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20), before[1]))
        try:
            bytearray(1 << 30)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
    return x, os.getpid()


def test_a_process_that_gets_no_memory_raises_an_ordinary_error(ray_cluster: str) -> None:
    handler = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)
    with rd.Runtime(max_workers=1) as runtime:
        job = runtime.submit(build({"spread": spread, "greedy": greedy}, "spread -> greedy", error_handler=handler), N)
        outputs = job.result(timeout=WAIT)["greedy.output"]
    assert sorted(x for x, _ in outputs) == [x for x in range(N) if x != BAD]
    assert len({pid for _, pid in outputs}) == 1, "its process goes on"
    [letter] = job.dead_letters
    assert (letter.payload, letter.attempts, letter.error_type) == (BAD, 1, "MemoryError")
    assert "could not get the memory that it asked for" in str(job.errors[0])
