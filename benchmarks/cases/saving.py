"""What it costs to save a job, and to go on with one."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import routilux_dist as rd
from benchmarks.burn import burn
from benchmarks.measuring import OURS, Case, Contender, Figure, Run, Setup, Target, Values, check, seconds
from benchmarks.workloads import TINY, spread

_numbers = itertools.count(1)


def spreading(functions: tuple[Any, ...], name: str) -> rd.Flow:
    """Return a flow that takes a list and runs the functions on each of its items."""
    flow = rd.Flow(name)
    flow.add_routine(rd.routine(spread), "spread")
    for function in functions:
        flow.add_routine(rd.routine(function), function.__name__)
    flow.pipe("spread", *(function.__name__ for function in functions))
    return flow


def working(functions: tuple[Any, ...], items: Any, saved: bool) -> Any:
    """Return what opens a contender that runs a job with all items."""

    @contextmanager
    def open_(setup: Setup) -> Iterator[Run]:
        flow, runtime, work = spreading(functions, "saved" if saved else "plain"), setup.runtime(), items(setup)
        store = tempfile.mkdtemp(prefix="routilux-bench-")
        # A saved job has a coordinator process of its own; the plain ones too, so that nothing else is compared.
        checkpoint = {"checkpoint": store} if saved else {}
        worker = runtime.exec(flow, worker_id=f"bench-{next(_numbers)}", **checkpoint)
        entry = flow.entry_slot(None)

        def job() -> int:
            return sum(len(found) for found in worker.post(*entry, work).result(timeout=240).values())

        worker.post(*entry, work[:20]).result(timeout=60)
        try:
            yield lambda: {"time": seconds(job, len(work))}
        finally:
            worker.close()
            shutil.rmtree(store, ignore_errors=True)

    return open_


def saving(name: str, title: str, functions: tuple[Any, ...], items: Any, least: float) -> Case:
    return Case(
        name=name,
        title=title,
        figures=(Figure("time", "s"),),
        contenders=(
            Contender(OURS, working(functions, items, saved=True)),
            Contender("not saved", working(functions, items, saved=False)),
        ),
        targets=(Target("time", "not saved", at_least=least),),
    )


# ---- going on ------------------------------------------------------------------------------------------------------


@contextmanager
def open_recovery(setup: Setup) -> Iterator[Run]:
    """Messages that wait in a saved job, each posted by itself, and how long another coordinator takes to have them all."""
    # All of them wait at the door of a paused job: one that lets so many wait.
    roomy = rd.Tuning(max_pending_blocks=1 << 20)
    count, runtime = setup.pick(100_000, 500), setup.once("roomy", lambda: rd.Runtime(backend="local", tuning=roomy))
    flow = spreading(TINY, "waiting")
    store = Path(tempfile.mkdtemp(prefix="routilux-bench-"))
    name = "waiting"
    worker = runtime.exec(flow, worker_id=name, checkpoint=rd.Checkpoint(str(store), durability="async"))
    job = worker.post("add_one", "input", 0, close=False)
    job.pause()
    for n in range(count):
        worker.post("add_one", "input", n, job_id=job.job_id, close=False)
    worker.close()
    nbytes = sum(path.stat().st_size for path in store.rglob("*") if path.is_file() and "segments" in path.parts)

    def run() -> Values:
        started = time.perf_counter()
        again = runtime.exec(flow, worker_id=name, checkpoint=str(store))
        found = again.adopt(job.job_id)
        check(found.stats()["messages"]["pending"], count)
        taken = time.perf_counter() - started
        again.close()
        return {"time": taken, "bytes": nbytes / count}

    try:
        yield run
    finally:
        shutil.rmtree(store, ignore_errors=True)


CASES = (
    saving("saved-cpu10", "a saved job, 300 items of 10 ms", (burn,), lambda s: [s.loops(10)] * s.pick(300, 24), 0.95),
    saving("saved-tiny", "a saved job, 100,000 tiny items", TINY, lambda s: list(range(s.pick(100_000, 500))), 0.5),
    Case(
        name="recovery",
        title="going on with 100,000 messages that wait, local",
        figures=(Figure("time", "s", compared=False), Figure("bytes", "bytes/message", compared=False)),
        contenders=(Contender(OURS, open_recovery),),
        targets=(Target("time", at_most=5.0), Target("bytes", at_most=100.0)),
        ray_cpus=0,
    ),
)
