"""How long one message takes, and what large ones cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.cases.maps import Mapping, in_seconds
from benchmarks.measuring import OURS, Case, Contender, Figure, Run, Setup, Target, Values, check
from benchmarks.peers import dask, ray_tasks, routilux
from benchmarks.workloads import PAYLOAD, TINY, Chain, flow_of


def latencies(call: Callable[[int], Any], count: int) -> Values:
    """Return the median and the 99th percentile of calls one after another."""
    taken = []
    for number in range(count):
        started = time.perf_counter()
        found = call(number)
        taken.append((time.perf_counter() - started) * 1000)
        check(found, Chain(TINY)(number))
    taken.sort()
    p99 = taken[min(len(taken) - 1, int(0.99 * len(taken)))]
    median = statistics.median(taken)
    return {"median": median, "p99": p99, "p99 / median": p99 / median}


def open_ours(backend: str) -> Callable[[Setup], Any]:
    @contextmanager
    def open_(setup: Setup) -> Iterator[Run]:
        flow, runtime = flow_of(TINY, "latency"), setup.runtime(backend)
        (port,) = flow.run(1, runtime=runtime)
        call = lambda number: flow.run(number, runtime=runtime)[port][0]  # noqa: E731
        latencies(call, 50)
        yield lambda: latencies(call, setup.pick(300, 20))

    return open_


def peer(name: str, module: Any, brief: bool = False) -> Contender:
    @contextmanager
    def open_(setup: Setup) -> Iterator[Run]:
        with module.open_map(TINY, range(20)) as call:
            one = lambda number: call([number])[0]  # noqa: E731
            latencies(one, 20)
            yield lambda: latencies(one, setup.pick(300, 20))

    return Contender(name, open_, module.MODULE, brief)


payload = Mapping(PAYLOAD, lambda setup: range(setup.pick(64, 6)), in_seconds, range(2))

FIGURES = (Figure("median", "ms"), Figure("p99", "ms"), Figure("p99 / median", "×", compared=False))

CASES = (
    Case(
        name="latency",
        title="One message through three routines of a warm flow, from post to result",
        figures=FIGURES,
        contenders=(Contender(OURS, open_ours("ray")), peer("Ray tasks", ray_tasks), peer("Dask", dask, brief=True)),
        targets=(Target("median", "Ray tasks", at_least=round(1 / 0.55, 3)), Target("p99 / median", at_most=2)),
    ),
    Case(
        name="latency-local",
        title="The same in one process (backend='local')",
        figures=FIGURES,
        contenders=(Contender(OURS, open_ours("local")), peer("Routilux", routilux, brief=True)),
        ray_cpus=0,
    ),
    Case(
        name="payload",
        title="64 arrays of 16 MB, made by the first of three routines",
        figures=(Figure("time", "s"),),
        contenders=(payload.ours(), payload.ray_tasks(), payload.ceiling()),
        targets=(Target("time", "Ray tasks", at_least=2),),
    ),
)
