"""The simulated cluster: it runs everything, it can be repeated, and what an event costs does not grow with the workers."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from benchmarks import page, saturation
from benchmarks.simulated import Client, Cluster, Costs, keyed_flow, plain_flow
from routilux_dist.coordinator.events import Posted, SliceFinished
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.slices import Receipt


def simulated(workers: int, items: int, *, stream: bool = False, keyed: bool = False, **costs: float) -> Any:
    cluster = Cluster(keyed_flow() if keyed else plain_flow(), workers, Costs(**costs), handling=1e-4)
    Client(cluster, [(0.01, n % 7) if keyed else 0.01 for n in range(items)], stream=stream)
    return cluster.run()


@pytest.mark.parametrize(("stream", "keyed"), [(False, False), (True, False), (False, True)])
def test_everything_runs_and_a_run_can_be_repeated(stream: bool, keyed: bool) -> None:
    seen = simulated(8, 400, stream=stream, keyed=keyed)
    work = 400 * 0.01 + (400 * 1e-5 if keyed else 0)
    assert sum(seconds for _, seconds in seen.slices) == pytest.approx(work)
    assert work / 8 < seen.end < work
    again = simulated(8, 400, stream=stream, keyed=keyed)
    assert (again.end, again.waits) == (seen.end, seen.waits)


def test_a_coordinator_that_falls_behind_sends_larger_slices() -> None:
    """Small ones would make it fall further behind: then it would be busy all the time and most workers idle."""
    seen = simulated(100, 10_000, stream=True, slice=0.001)
    assert sum(seconds for _, seconds in seen.slices) / seen.end / 100 > 0.4


@pytest.mark.parametrize("keyed", [False, True])
def test_what_an_event_costs_does_not_grow_with_the_workers(keyed: bool) -> None:
    few, many = (calls_per_slice(workers, keyed) for workers in (20, 200))
    assert many < 1.5 * few


def calls_per_slice(workers: int, keyed: bool) -> float:
    """Return how many functions the coordinator calls for each slice: a count, not a time."""
    cluster = Cluster(keyed_flow() if keyed else plain_flow(), workers, Costs())
    machine, share = cluster.driver.machine, cluster._share
    entry = "count" if keyed else "spend"
    port = next(port.index for port in machine.plan.ports if port.routine == entry)
    for number in range(2 * workers):
        block = Block("job", port, number % workers if keyed else 0, 1, 0, 1, 0, False, "", Rows([0]))
        cluster.driver.feed(Posted(job="job", blocks=(block,), last=False))
    calls = slices = 0

    def count(frame: Any, event: str, about: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    while machine.flights:
        number, flight = next(iter(machine.flights.items()))
        receipt = Receipt(number, 1)
        receipt.tally("job").done += sum(block.rows for block in flight.blocks.values())
        slices += 1
        sys.setprofile(count)
        try:
            if not keyed:
                share.done(number, 0.0, True)
            cluster.driver.feed(SliceFinished(receipt))
            share.rebalance()
        finally:
            sys.setprofile(None)
    return calls / slices


def test_the_page_draws_a_line_for_each_kind_of_item() -> None:
    rows = [saturation.measure(workers, 100, each=1.0) for workers in (2, 10)]
    text = saturation.html(rows)
    assert text.count("<svg") == 1
    assert "100 ms, calls as on Ray" in text
    assert page.curves({"a": [(1, 0.5), (10, 1.0)]}, "workers", "busy").count("<path") == 6
