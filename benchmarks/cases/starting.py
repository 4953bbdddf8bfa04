"""Compiling, starting, and a whole program."""

from __future__ import annotations

import graphlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import aside
from benchmarks.environment import CORES, ROOT
from benchmarks.measuring import OURS, Case, Contender, Figure, Run, Setup, Target, Values, check
from benchmarks.workloads import edges, large_flow

# ---- compile -------------------------------------------------------------------------------------------------------


def sizes(setup: Setup) -> tuple[int, int]:
    return setup.pick(10_000, 200), setup.pick(50_000, 1_000)


@contextmanager
def open_compile(setup: Setup) -> Iterator[Run]:
    flow = large_flow(*sizes(setup))

    def run() -> Values:
        started = time.perf_counter()
        plan = flow.compile()
        taken = time.perf_counter() - started
        check(len(plan.routines), sizes(setup)[0])
        return {"time": taken}

    yield run


@contextmanager
def open_sort(setup: Setup) -> Iterator[Run]:
    """The least that can be done with such a graph: read it and sort it."""
    pairs = edges(*sizes(setup))

    def run() -> Values:
        started = time.perf_counter()
        sorter = graphlib.TopologicalSorter[int]()
        for source, target in pairs:
            sorter.add(target, source)
        count = len(list(sorter.static_order()))
        taken = time.perf_counter() - started
        check(count, sizes(setup)[0])
        return {"time": taken}

    yield run


# ---- start ---------------------------------------------------------------------------------------------------------

LOCAL = """
import routilux_dist as rd
from benchmarks.workloads import TINY
print(rd.pipeline(*TINY).run(1, backend="local"))
"""
RAY = """
import time
began = time.perf_counter()
from benchmarks import environment
environment.prepare()
import ray
connecting = time.perf_counter()
ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
connected = time.perf_counter()
{}
print("beyond", time.perf_counter() - connected)
"""
RAY_OURS = """
import routilux_dist as rd
from benchmarks.workloads import TINY
rd.pipeline(*TINY).run(1)
"""
RAY_TASKS = """
from benchmarks.workloads import TINY
reference = 1
for function in TINY:
    reference = ray.remote(function).remote(reference)
ray.get(reference)
"""
ROUTILUX = """
from benchmarks.peers import routilux
from benchmarks.workloads import TINY
with routilux.open_map(TINY, [1]) as run:
    pass
"""


def fresh_process(code: str) -> tuple[float, str]:
    """Run code in a new interpreter; return how long that took, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return time.perf_counter() - started, done.stdout


def started(name: str, code: str, module: str = "routilux_dist") -> Contender:
    @contextmanager
    def open_(setup: Setup) -> Iterator[Run]:
        fresh_process(code)
        yield lambda: {"time": fresh_process(code)[0]}

    return Contender(name, open_, module)


def started_ray(name: str, code: str) -> Contender:
    @contextmanager
    def open_(setup: Setup) -> Iterator[Run]:
        yield lambda: {"beyond ray.init": float(fresh_process(RAY.format(code))[1].split()[-1])}

    return Contender(name, open_, "ray")


# ---- demo ----------------------------------------------------------------------------------------------------------


def limit(setup: Setup) -> int | None:
    return 60 if setup.quick else None


@contextmanager
def open_census(setup: Setup) -> Iterator[Run]:
    from examples.code_census import files
    from examples.code_census.flow import build_flow

    flow, runtime, root = build_flow(), setup.runtime(), files.standard_library()

    def run() -> Values:
        began = time.perf_counter()
        (found,) = flow.run({"root": root, "limit": limit(setup)}, runtime=runtime)["census.findings"]
        taken = time.perf_counter() - began
        check(bool(found), True)
        return {"time": taken}

    flow.run({"root": root, "limit": 4}, runtime=runtime)
    yield run


def by_hand(root: str, limit: int | None) -> bool:
    from examples.code_census import baseline

    return bool(baseline.census(root, limit=limit, workers=CORES))


@contextmanager
def open_baseline(setup: Setup) -> Iterator[Run]:
    from examples.code_census import files

    # Its pool forks, which a process that is connected to Ray should not do.
    with aside.process(by_hand, files.standard_library(), limit(setup)) as line:

        def run() -> Values:
            began = time.perf_counter()
            line.begin()
            check(line.end(), True)
            return {"time": time.perf_counter() - began}

        yield run


CASES = (
    Case(
        name="compile",
        title="A flow of 10,000 routines and 50,000 connections, from graph to plan",
        figures=(Figure("time", "s"),),
        contenders=(Contender(OURS, open_compile), Contender("graphlib sorts it", open_sort, "graphlib")),
        targets=(Target("time", at_most=2),),
        ray_cpus=0,
    ),
    Case(
        name="start-local",
        title="A fresh process to its first result (backend='local')",
        figures=(Figure("time", "s"),),
        contenders=(
            started(OURS, LOCAL),
            started("an empty program", "pass", "sys"),
            started("Routilux", ROUTILUX, "routilux"),
        ),
        targets=(Target("time", at_most=0.3),),
        ray_cpus=0,
    ),
    Case(
        name="start-ray",
        title="A fresh process to its first result on Ray, without `ray.init` itself",
        figures=(Figure("beyond ray.init", "s"),),
        contenders=(started_ray(OURS, RAY_OURS), started_ray("Ray tasks", RAY_TASKS)),
        targets=(Target("beyond ray.init", at_most=0.5),),
        ray_cpus=0,
    ),
    Case(
        name="demo",
        title="The code census of the standard library, against the same by hand on a Pool",
        figures=(Figure("time", "s"),),
        contenders=(Contender(OURS, open_census), Contender("baseline", open_baseline, "multiprocessing")),
        targets=(Target("time", "baseline", at_least=round(1 / 1.10, 3)),),
    ),
)
