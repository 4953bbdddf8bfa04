"""State, and jobs that stay open."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from benchmarks.cases.light import Watch, coordinator_pid
from benchmarks.measuring import OURS, Case, Contender, Figure, Run, Setup, Target, Values, check
from benchmarks.peers import ray_tasks
from benchmarks.workloads import TINY, count_flow, flow_of, texts


def corpus(setup: Setup) -> tuple[list[str], int]:
    found: tuple[list[str], int] = setup.once("texts", lambda: texts(setup.pick(2_000_000, 40_000)))
    return found


def ours(way: str) -> Contender:
    @contextmanager
    def open_(setup: Setup) -> Iterator[Run]:
        (paths, total), flow, runtime = corpus(setup), count_flow(way), setup.runtime()

        def run() -> Values:
            started = time.perf_counter()
            found = flow.run(paths, runtime=runtime)["count.output"]
            pairs = chain.from_iterable(counts.items() for counts in found) if way == "together" else found
            counted = sum(count for _, count in pairs)
            taken = time.perf_counter() - started
            check(counted, total)
            return {"words": total / taken}

        flow.run(paths[:2], runtime=runtime)
        yield run

    return Contender(OURS, open_)


@contextmanager
def open_actors(setup: Setup) -> Iterator[Run]:
    paths, total = corpus(setup)
    with ray_tasks.open_count(paths) as call:

        def run() -> Values:
            started = time.perf_counter()
            check(call(), total)
            return {"words": total / (time.perf_counter() - started)}

        yield run


@contextmanager
def open_held(setup: Setup) -> Iterator[Run]:
    """Jobs that had a message and stay open; each round adds to those before."""
    count = setup.pick(10_000, 200)
    flow, runtime = flow_of(TINY, "held"), setup.runtime()
    worker = runtime.exec(flow)
    held = []

    def hold(number: int) -> None:
        held.extend(worker.post("add_one", "input", 1, close=False) for _ in range(number))
        while held[-1].state()["messages"]["done"] < len(TINY):
            time.sleep(0.05)
        time.sleep(0.2)  # the jobs next to it may be a slice behind

    hold(count // 10)
    watch = Watch([os.getpid(), coordinator_pid()])

    def run() -> Values:
        before = watch.now()
        hold(count)
        check(len(worker.jobs), len(held))
        return {"memory": (watch.now() - before) / count / 1000}

    yield run


def state_case(name: str, title: str, way: str, targets: tuple[Target, ...]) -> Case:
    return Case(
        name=name,
        title=title,
        figures=(Figure("words", "/s", more_is_better=True, digits=0),),
        contenders=(ours(way), Contender("Ray actors, batches of 100", open_actors, "ray")),
        targets=targets,
    )


AIM = (Target("words", "Ray actors, batches of 100", at_least=5),)

CASES = (
    state_case(
        "state",
        "Word count over the standard library, 2 million words, a state for each word, with combine=",
        "combined",
        AIM,
    ),
    state_case("state-each", "The same with an activation for each word", "keyed", ()),
    state_case("state-together", "The same words in one dictionary", "together", ()),
    Case(
        name="held",
        title="10,000 jobs that stay open: memory of driver and coordinator for each",
        figures=(Figure("memory", "kB/job", digits=1),),
        contenders=(Contender(OURS, open_held),),
        targets=(Target("memory", at_most=20),),
    ),
)
