"""What the parts of the engine cost, each beside the floor under it.

    pytest benchmarks/test_micro.py --benchmark-only

The usual run of the tests does not collect them; without `--benchmark-only` each runs once, as a test.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.workloads import TINY, Chain, CountKeyed, Total, add_one, large_flow, words_of
from benchmarks.workloads import flow_of as _flow_of
from routilux_dist.client.flows import Flow
from routilux_dist.coordinator.commands import Dispatch
from routilux_dist.coordinator.events import Posted, SliceFinished
from routilux_dist.coordinator.machine import Machine
from routilux_dist.plan.tuning import Tuning
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.slices import JobNote, Receipt, Slice, Tally
from routilux_workers.host import Host

MESSAGES = 10_000
Benchmark = Callable[..., Any]


# ---- per activation ------------------------------------------------------------------------------------------------


def slice_loop(flow: Flow, payloads: list[Any], entry: str, *, stream: bool = False, packed: bool = False) -> Any:
    """Return what runs a slice of a flow's first port in a host of this process."""
    plan = flow.compile(ship=False)
    port = next(port for port in plan.ports if port.routine == entry)
    host = Host(plan, dict(flow.routines), port.group, packed=packed)
    items = 0 if stream else None
    body = codec.pack(payloads, items) if packed else Rows(payloads, items)
    block = Block("job", port.index, 0, len(payloads), 0, 1, 0, True, "", body)
    work = Slice(1, 1, port.group, 0, [(1, block)], 60.0, {"job": JobNote(stream=stream)}, {}, 8192)

    def run() -> Receipt:
        receipt = host.run(work)
        assert not receipt.stopped
        return receipt

    return run


@pytest.mark.benchmark(group="per activation: 10,000 messages through three routines")
@pytest.mark.parametrize("stream", [False, True], ids=["job", "stream"])
@pytest.mark.parametrize("packed", [False, True], ids=["rows", "packed"])
def test_slice_loop(benchmark: Benchmark, stream: bool, packed: bool) -> None:
    receipt = benchmark(slice_loop(_flow_of(TINY), list(range(MESSAGES)), "add_one", stream=stream, packed=packed))
    assert sum(block.rows for block in receipt.outputs) == MESSAGES


@pytest.mark.benchmark(group="per activation: 10,000 messages through three routines")
def test_floor_plain_calls(benchmark: Benchmark) -> None:
    chain = Chain(TINY)
    assert len(benchmark(lambda: [chain(number) for number in range(MESSAGES)])) == MESSAGES


def _state_flow(routine: Any) -> Flow:
    flow = Flow("state")
    flow.add_routine(routine, "count")
    return flow


@pytest.mark.benchmark(group="per activation of a stateful routine: 10,000 messages")
def test_unkeyed_state(benchmark: Benchmark) -> None:
    benchmark(slice_loop(_state_flow(Total()), list(range(MESSAGES)), "count"))


@pytest.mark.benchmark(group="per activation of a stateful routine: 10,000 messages")
def test_keyed_state(benchmark: Benchmark) -> None:
    words = (list(words_of(pickle.__file__)) * 5)[:MESSAGES]
    benchmark(slice_loop(_state_flow(CountKeyed()), words, "count"))


@pytest.mark.benchmark(group="per activation of a stateful routine: 10,000 messages")
def test_floor_dictionary(benchmark: Benchmark) -> None:
    words = (list(words_of(pickle.__file__)) * 5)[:MESSAGES]

    def count() -> dict[str, int]:
        counts: dict[str, int] = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        return counts

    benchmark(count)


# ---- per block -----------------------------------------------------------------------------------------------------

PAYLOADS = [{"user": number, "text": "some words", "score": 0.5} for number in range(1000)]


@pytest.mark.benchmark(group="per block of 1,000 small dictionaries")
def test_pack(benchmark: Benchmark) -> None:
    assert benchmark(codec.pack, PAYLOADS, None).nbytes


@pytest.mark.benchmark(group="per block of 1,000 small dictionaries")
def test_unpack(benchmark: Benchmark) -> None:
    assert benchmark(codec.unpack, codec.pack(PAYLOADS, None)).payloads == PAYLOADS


@pytest.mark.benchmark(group="per block of 1,000 small dictionaries")
def test_floor_pickle(benchmark: Benchmark) -> None:
    assert benchmark(pickle.dumps, PAYLOADS, 5)


@pytest.mark.benchmark(group="per block of 1,000 small dictionaries")
def test_floor_unpickle(benchmark: Benchmark) -> None:
    assert benchmark(pickle.loads, pickle.dumps(PAYLOADS, 5)) == PAYLOADS


# ---- per slice -----------------------------------------------------------------------------------------------------


def _machine() -> tuple[Machine, int]:
    flow = _flow_of((add_one,), "one")
    plan = flow.compile(ship=False)
    return Machine(plan, Tuning(), workers=2), plan.ports[0].index


def _job(machine: Machine, port: int, number: int) -> None:
    """Post a job of one message, and have its slice finish."""
    name = f"job-{number}"
    block = Block(name, port, 0, 1, 0, 1, 0, True, "", Rows([1]))
    now = number * 0.001
    for command in machine.handle(Posted(job=name, blocks=(block,), client="c"), now=now):
        if isinstance(command, Dispatch):
            work = command.slice
            receipt = Receipt(work.id, work.attempt)
            for _, sent in work.blocks:
                receipt.tallies[sent.job] = Tally(done=sent.rows, routines={0: [sent.rows, 0]})
            receipt.costs = {port: (len(work.blocks), 1e-5)}
            machine.handle(SliceFinished(receipt), now=now)


@pytest.mark.benchmark(group="per slice: the machine's part of a job of one message")
def test_machine_handles_a_job(benchmark: Benchmark) -> None:
    machine, port = _machine()
    numbers = iter(range(10**9))
    benchmark(lambda: _job(machine, port, next(numbers)))
    assert not machine.jobs


@pytest.mark.benchmark(group="per slice: the host's part of a message")
def test_slice_of_one_message(benchmark: Benchmark) -> None:
    benchmark(slice_loop(_flow_of(TINY), [1], "add_one", packed=True))


# ---- per flow ------------------------------------------------------------------------------------------------------


@pytest.mark.benchmark(group="compile: 1,000 routines, 5,000 connections")
@pytest.mark.parametrize("ship", [False, True], ids=["plan", "plan-and-ship"])
def test_compile(benchmark: Benchmark, ship: bool) -> None:
    flow = large_flow(1_000, 5_000)
    assert len(benchmark(lambda: flow.compile(ship=ship)).routines) == 1_000
