"""Jobs of very different sizes in one running flow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.measuring import OURS, Case, Contender, Figure, Run, Setup, Target, Values, check
from benchmarks.workloads import SPREAD, flow_of

SMALL, ROWS, MS = 100, 10, 1.0


@contextmanager
def open_shared(setup: Setup) -> Iterator[Run]:
    """A hundred small jobs alone, and then beside one that is a thousand times as large and well under way."""
    flow, runtime = flow_of(SPREAD, "shared"), setup.runtime()
    small = (ROWS, setup.loops(MS))
    huge = (setup.pick(100_000, 20_000), setup.loops(MS))
    worker = runtime.exec(flow)

    def small_jobs() -> float:
        started = time.perf_counter()
        jobs = [worker.post("spread", "input", small) for _ in range(SMALL)]
        check(sum(len(job.result(120)["spin.output"]) for job in jobs), SMALL * ROWS)
        return time.perf_counter() - started

    small_jobs()

    def run() -> Values:
        alone = small_jobs()
        other = worker.post("spread", "input", huge)
        while other.state()["messages"]["done"] < 1000:
            time.sleep(0.02)
        beside = small_jobs()
        check(other.cancel(), True)
        return {"alone": alone, "slower": beside / alone}

    yield run


CASES = (
    Case(
        name="sharing",
        title="100 jobs of 10 messages of 1 ms, beside a job of 100,000 of them: how much longer they take than alone",
        figures=(Figure("slower", "×", digits=2), Figure("alone", "s")),
        contenders=(Contender(OURS, open_shared),),
        targets=(Target("slower", at_most=3),),
    ),
)
