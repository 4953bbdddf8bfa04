"""Light messages: what an activation, a job and a million messages cost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.cases.maps import Mapping
from benchmarks.measuring import OURS, Case, Contender, Figure, Run, Setup, Target, Values, check
from benchmarks.peers import dask, pool, ray_tasks
from benchmarks.workloads import TINY, Chain, flow_of

tiny = Mapping(
    TINY,
    items=lambda setup: range(setup.pick(300_000, 9_000)),
    tell=lambda count, taken: {"activations": len(TINY) * count / taken},
    warm=range(4),
)

# ---- many jobs -----------------------------------------------------------------------------------------------------


@contextmanager
def open_jobs(setup: Setup) -> Iterator[Run]:
    count = setup.pick(2_000, 100)
    flow, runtime = flow_of(TINY, "jobs"), setup.runtime()
    (port,) = flow.run(1, runtime=runtime)

    def run() -> Values:
        started = time.perf_counter()
        jobs = [runtime.submit(flow, number) for number in range(count)]
        total = sum(job.result(60)[port][0] for job in jobs)
        taken = time.perf_counter() - started
        check(total, sum(map(Chain(TINY), range(count))))
        return {"jobs": count / taken}

    run()
    yield run


def jobs_of(name: str, peer: Any, brief: bool = False) -> Contender:
    @contextmanager
    def open_(setup: Setup) -> Iterator[Run]:
        count = setup.pick(2_000, 100)
        with peer.open_map(TINY, range(4)) as call:

            def run() -> Values:
                started = time.perf_counter()
                total = sum(call(range(count)))
                taken = time.perf_counter() - started
                check(total, sum(map(Chain(TINY), range(count))))
                return {"jobs": count / taken}

            yield run

    return Contender(name, open_, peer.MODULE, brief)


# ---- more and more messages ----------------------------------------------------------------------------------------

SIZES = {"10 thousand": 10_000, "100 thousand": 100_000, "1 million": 1_000_000, "3 million": 3_000_000}
QUICK_SIZES = {"10 thousand": 10_000, "3 million": 30_000}


class Watch:
    """Follows the memory of processes while something runs."""

    def __init__(self, pids: list[int]) -> None:
        import psutil

        self._processes = [psutil.Process(pid) for pid in pids]
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def now(self) -> int:
        """Bytes in use."""
        return sum(process.memory_info().rss for process in self._processes)

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, self.now())

    def __enter__(self) -> Watch:
        self.peak = self.now()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()


def coordinator_pid() -> int:
    """Return the process of the coordinators of this process's Ray."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        if process.name().startswith("ray::") and ("Hub" in process.name() or "Coordinator" in process.name()):
            return process.pid
    raise LookupError("no coordinator is running")


def scaled(sizes: dict[str, int], call: Any, pids: list[int]) -> Values:
    """Run all sizes; return the cost per message of each, how it grew, and the memory that the largest took on top."""
    found: dict[str, float] = {}
    before = Watch(pids).now()
    for name, size in sizes.items():
        with Watch(pids) as watch:
            started = time.perf_counter()
            count = sum(1 for _ in call(iter(range(size))))
            found[name] = (time.perf_counter() - started) / size * 1e6
        check(count, size)
        found["memory growth"] = (watch.peak - before) / 1e6
    names = list(sizes)
    found["growth of cost"] = found[names[-1]] / found[names[0]]
    found["growth of cost from 100 thousand"] = found[names[-1]] / found[names[min(1, len(names) - 2)]]
    return found


@contextmanager
def open_scale(setup: Setup) -> Iterator[Run]:
    flow, runtime = flow_of(TINY, "scale"), setup.runtime()
    sizes = QUICK_SIZES if setup.quick else SIZES
    call = lambda items: flow.map(items, ordered=False, runtime=runtime)  # noqa: E731
    list(call(range(10_000)))
    list(call(range(100_000)))
    pids = [os.getpid(), coordinator_pid()]
    yield lambda: scaled(sizes, call, pids)


@contextmanager
def open_scale_pool(setup: Setup) -> Iterator[Run]:
    sizes = QUICK_SIZES if setup.quick else SIZES
    with pool.multiprocessing.get_context("spawn").Pool(pool.CORES) as processes:
        call = lambda items: processes.imap_unordered(Chain(TINY), items, chunksize=2048)  # noqa: E731
        list(call(range(10_000)))
        yield lambda: scaled(sizes, call, [os.getpid()])


CASES = (
    Case(
        name="tiny",
        title="300,000 messages through three trivial routines, results back in the driver",
        figures=(Figure("activations", "/s", more_is_better=True, digits=0),),
        contenders=(
            tiny.ours(),
            tiny.ray_data(),
            tiny.ray_tasks(0.005),
            tiny.dask(0.005),
            tiny.routilux(0.05),
            tiny.joblib(),
            tiny.pool(None),
        ),
        targets=(
            Target("activations", "Ray Data", at_least=3),
            Target("activations", "Ray tasks", at_least=400),
            Target("activations", "Dask", at_least=400),
            Target("activations", "Routilux", at_least=40),
        ),
    ),
    Case(
        name="tiny-local",
        title="The same in one process (backend='local')",
        figures=(Figure("activations", "/s", more_is_better=True, digits=0),),
        contenders=(tiny.ours(backend="local"), tiny.routilux(0.05)),
        targets=(Target("activations", at_least=1_000_000),),
        ray_cpus=0,
    ),
    Case(
        name="jobs",
        title="2,000 jobs of one message, posted at once to one flow of three routines",
        figures=(Figure("jobs", "/s", more_is_better=True, digits=0),),
        contenders=(
            Contender(OURS, open_jobs),
            jobs_of("Ray tasks", ray_tasks),
            jobs_of("Dask", dask, brief=True),
        ),
        targets=(Target("jobs", at_least=3_000),),
    ),
    Case(
        name="scale",
        title="More and more messages, lazily fed",
        figures=(
            *(Figure(name, "µs/message") for name in SIZES),
            Figure("growth of cost", "× from the first to the last", compared=False),
            Figure("growth of cost from 100 thousand", "×", compared=False),
            Figure("memory growth", "MB", digits=0, compared=False),
        ),
        contenders=(
            Contender(OURS, open_scale),
            Contender("Pool, chunk 2048", open_scale_pool, pool.MODULE, brief=True, note="takes all items at once"),
        ),
        targets=(Target("growth of cost", at_most=1.15), Target("memory growth", at_most=200)),
    ),
)
