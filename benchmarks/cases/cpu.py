"""Work for the CPU: how near to the ceiling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import ceiling
from benchmarks.burn import burn
from benchmarks.cases.maps import Mapping, in_seconds
from benchmarks.environment import CORES
from benchmarks.measuring import OURS, Case, Contender, Figure, Run, Setup, Target, Values, seconds
from benchmarks.peers import pool, ray_tasks
from benchmarks.workloads import fan_out, flow_of, label, mixed_flow, mixed_item, shorten, skewed, sleep_a_little

TIME = (Figure("time", "s"),)

cpu10 = Mapping((burn,), lambda setup: [setup.loops(10)] * setup.pick(300, 24), in_seconds, [1000] * 2)
cpu1 = Mapping((burn,), lambda setup: [setup.loops(1)] * setup.pick(3_000, 120), in_seconds, [1000] * 2)
skew = Mapping((burn,), lambda setup: skewed(setup.pick(400, 40), setup.loops(10)), in_seconds, [1000] * 2)

# ---- a mixed graph -------------------------------------------------------------------------------------------------


def mixed_items(setup: Setup) -> list[int]:
    return [setup.loops(10)] * setup.pick(300, 24)


def mixed_sum(items: list[int]) -> int:
    """What the mixed graph gives, without the work."""
    return sum(sum(fan_out(shorten(label(loops)))) for loops in items)


@contextmanager
def open_mixed(setup: Setup) -> Iterator[Run]:
    items, flow, runtime = mixed_items(setup), mixed_flow(), setup.runtime()
    expected = mixed_sum(items)

    def run() -> Values:
        return {"time": seconds(lambda: flow.run(items, runtime=runtime)["total.output"][0], expected)}

    flow.run([1000] * 8, runtime=runtime)
    run()
    yield run


@contextmanager
def open_mixed_ceiling(setup: Setup) -> Iterator[Run]:
    items = mixed_items(setup)
    with ceiling.split(mixed_item, items, items) as call:
        yield lambda: {"time": seconds(call, mixed_sum(items))}


@contextmanager
def open_mixed_ray(setup: Setup) -> Iterator[Run]:
    items = mixed_items(setup)
    with ray_tasks.open_mixed(items) as call:
        yield lambda: {"time": seconds(call, mixed_sum(items))}


# ---- more workers --------------------------------------------------------------------------------------------------

WORKERS = (1, 2, 4, 8)
SLEEP_MS = 20


def sleepers(setup: Setup, workers: int) -> list[int]:
    return [SLEEP_MS] * (setup.pick(60, 8) * workers)


@contextmanager
def open_workers(setup: Setup) -> Iterator[Run]:
    runtime = setup.runtime()
    flows = {n: flow_of((sleep_a_little,), f"sleep{n}", max_workers=n) for n in WORKERS}
    for n, flow in flows.items():
        list(flow.map(sleepers(setup, n), ordered=False, runtime=runtime))

    def run() -> Values:
        found = {}
        for n, flow in flows.items():
            items = sleepers(setup, n)
            taken = seconds(lambda: sum(flow.map(items, ordered=False, runtime=runtime)), sum(items))  # noqa: B023
            found[f"{n} workers"] = sum(items) / 1000 / n / taken
        return found

    yield run


@contextmanager
def open_workers_pool(setup: Setup) -> Iterator[Run]:
    def run() -> Values:
        found = {}
        for n in WORKERS:
            items = sleepers(setup, n)
            with pool.open_map((sleep_a_little,), [1], workers=n) as call:
                taken = seconds(lambda: sum(call(items)), sum(items))  # noqa: B023
            found[f"{n} workers"] = sum(items) / 1000 / n / taken
        return found

    yield run


CASES = (
    Case(
        name="cpu10",
        title="300 items of 10 ms",
        figures=TIME,
        contenders=(
            cpu10.ours(),
            cpu10.ceiling(),
            cpu10.pool(),
            cpu10.ray_tasks(),
            cpu10.joblib(),
            cpu10.dask(),
            cpu10.ray_data(blocks=8 * CORES),
        ),
        targets=(
            Target("time", "ceiling", at_least=0.98),
            Target("time", "Pool, chunk 1", at_least=1.0),
            Target("time", "Ray tasks", at_least=1.05),
        ),
    ),
    Case(
        name="cpu1",
        title="3,000 items of 1 ms",
        figures=TIME,
        contenders=(
            cpu1.ours(),
            cpu1.ceiling(),
            cpu1.pool(),
            cpu1.pool(None),
            cpu1.ray_tasks(),
            cpu1.joblib(),
            cpu1.dask(),
            cpu1.ray_data(blocks=8 * CORES),
        ),
        targets=(
            Target("time", "ceiling", at_least=0.95),
            Target("time", "Pool, chunk 1", at_least=1.15),
            Target("time", "Pool, best chunk", at_least=1.0),
            Target("time", "Ray tasks", at_least=1.9),
        ),
    ),
    Case(
        name="skew",
        title="400 items, lognormal (sigma 1.5, mean 10 ms), of which nothing is known beforehand",
        figures=TIME,
        contenders=(
            skew.ours(fresh=True),
            skew.ceiling("longest first", costs=lambda items: items),
            skew.pool(),
            skew.ray_tasks(),
        ),
        targets=(Target("time", "longest first", at_least=round(1 / 1.10, 3)),),
    ),
    Case(
        name="mixed",
        title="Light, heavy (10 ms), light, fan-out 1:50, fan-in with state; 300 items",
        figures=TIME,
        contenders=(
            Contender(OURS, open_mixed),
            Contender("ceiling", open_mixed_ceiling),
            Contender("Ray tasks and an actor", open_mixed_ray, "ray"),
        ),
        targets=(Target("time", "ceiling", at_least=0.92),),
    ),
    Case(
        name="workers",
        title="Sleeping items (20 ms) on 1, 2, 4 and 8 workers, in parts of the ideal",
        figures=tuple(Figure(f"{n} workers", "of ideal", more_is_better=True) for n in WORKERS),
        contenders=(Contender(OURS, open_workers), Contender("Pool, chunk 1", open_workers_pool, pool.MODULE)),
        # More than the ideal would mean more workers than were asked for.
        targets=tuple(Target(f"{n} workers", at_least=0.95, at_most=1.05) for n in WORKERS),
        ray_cpus=max(WORKERS),
    ),
)
