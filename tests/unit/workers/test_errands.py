from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire import codec
from tests.unit.workers.conftest import conserves, of

Build = Callable[..., Workbench]


def concurrent(most: int, **options: Any) -> rd.Flow:
    running, seen = [0], [0]

    @rd.routine(max_concurrency=most)
    async def wait(x: int) -> int:
        running[0] += 1
        seen[0] = max(seen[0], running[0])
        for _ in range(3):
            await asyncio.sleep(0)
        running[0] -= 1
        return seen[0]

    return of(("a", wait), **options)


@pytest.mark.parametrize("most", [1, 3])
def test_messages_wait_together_as_many_as_allowed(workbench: Build, most: int) -> None:
    one = workbench(concurrent(most))
    assert max(one.sent(one.send("a.input", *range(9)))) == most


def test_effects_of_interleaved_activations_do_not_mix(workbench: Build) -> None:
    class Twice(rd.Routine):
        def setup(self) -> None:
            self.add_slot("input")
            self.add_event("output")

        async def logic(self, x: int) -> None:
            self.emit("output", (rd.current_job().idempotency_key, x))
            await asyncio.sleep(0)
            if x == 1:
                raise ValueError("one")
            self.emit("output", (rd.current_job().idempotency_key, x))

    one = workbench(of(("a", Twice()), error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)))
    block = one.block("a.input", [0, 1, 2])
    receipt = one.run(block)
    sent = one.sent(receipt)
    assert sorted(x for _, x in sent) == [0, 0, 2, 2]
    assert len({key for key, _ in sent}) == 2
    assert receipt.tallies["job"].routines == {0: [3, 1]}
    assert conserves(one, receipt, block)


def test_what_takes_too_long_is_cancelled(workbench: Build) -> None:
    cleaned: list[int] = []

    @rd.routine(timeout=0.01)
    async def forever(x: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(x)

    one = workbench(of(("a", forever)))
    failure = one.send("a.input", 1).stopped["job"]
    assert failure.error_type == "TimeoutError"
    assert "0.01 s" in failure.message
    assert cleaned == [1]


def test_async_generators_emit_each(workbench: Build) -> None:
    async def count(n: int) -> AsyncIterator[int]:
        for x in range(n):
            yield x

    one = workbench(of(("a", count)))
    assert one.sent(one.send("a.input", 3)) == [0, 1, 2]


def test_a_tree_of_async_routines_runs_in_one_task(workbench: Build) -> None:
    async def double(x: int) -> int:
        return 2 * x

    one = workbench(of(("a", double), ("b", double), links=("a.output b.input",)))
    block = one.block("a.input", [1, 2])
    receipt = one.run(block)
    assert sorted(one.sent(receipt)) == [4, 8]
    assert receipt.tallies["job"].done == 4
    assert conserves(one, receipt, block)


def test_no_time_gives_back_what_was_not_begun(workbench: Build) -> None:
    one = workbench(concurrent(2))
    blocks = one.block("a.input", [1, 2, 3]), one.block("a.input", [4])
    receipt = one.run(*blocks, budget=0.0)
    assert [b.rows for b in receipt.blocks] == [2]
    assert [b.rows for b in receipt.carried] == [1]
    assert receipt.untouched == [2]
    assert conserves(one, receipt, blocks[0])


def gated() -> tuple[rd.Flow, dict[str, asyncio.Event], list[str]]:
    """A flow whose messages end when their gate is open, the gates, and who began or was cancelled."""
    gates: dict[str, asyncio.Event] = {}
    seen: list[str] = []

    @rd.routine(max_concurrency=3)
    async def wait(name: str) -> str:
        seen.append(name)
        try:
            await gates.setdefault(name, asyncio.Event()).wait()
        except asyncio.CancelledError:
            seen.append(f"{name} cancelled")
            raise
        return f"{name} {rd.current_job().idempotency_key}"

    return of(("a", wait)), gates, seen


def opened(gates: dict[str, asyncio.Event], *names: str) -> None:
    for name in names:
        gates.setdefault(name, asyncio.Event()).set()


def test_what_has_ended_is_in_the_receipt_and_what_waits_goes_on(workbench: Build) -> None:
    flow, gates, seen = gated()
    one = workbench(flow, packed=True)
    opened(gates, "quick")
    block = one.block("a.input", ["slow", "quick"])
    receipt = one.run(block, budget=0.05)
    assert receipt.tallies["job"].done == 1
    [carried] = receipt.carried
    assert (carried.rows, carried.origin, carried.entry) == (1, "job/1.0", False)
    assert conserves(one, receipt, block)
    opened(gates, "slow")
    later = one.run(carried)
    assert later.tallies["job"].done == 1
    assert seen == ["slow", "quick"]  # it was not begun again
    assert codec.unpack(later.outputs[0].body).payloads == ["slow job/1.0"]


def test_a_block_of_one_message_is_carried_by_its_number(workbench: Build) -> None:
    flow, gates, seen = gated()
    one = workbench(flow)
    block = one.block("a.input", ["slow"])
    receipt = one.run(block, budget=0.01)
    assert (receipt.running, receipt.carried) == ([1], [])
    assert conserves(one, receipt, block)
    assert one.run(running=(1,), budget=0.01).running == [1]
    opened(gates, "slow")
    assert one.sent(one.run(running=(1,))) == ["slow job/1.0"]
    assert seen == ["slow"]


def test_new_messages_are_begun_beside_those_that_wait(workbench: Build) -> None:
    flow, gates, _ = gated()
    one = workbench(flow)
    opened(gates, "new")
    one.run(one.block("a.input", ["slow"]), budget=0.01)
    receipt = one.run(one.block("a.input", ["new"]), running=(1,), budget=0.05)
    assert one.sent(receipt) == ["new job/2.0"]
    assert receipt.running == [1]


def test_what_a_slice_does_not_name_is_cancelled(workbench: Build) -> None:
    flow, gates, seen = gated()
    one = workbench(flow)
    one.run(one.block("a.input", ["x"]), one.block("a.input", ["y"]), budget=0.01)
    opened(gates, "z")
    receipt = one.run(one.block("a.input", ["z"]), running=(2,), budget=0.05)
    assert seen == ["x", "y", "x cancelled", "z"]
    assert receipt.running == [2]
    assert receipt.tallies["job"].done == 1


def test_what_another_process_has_begun_goes_back(workbench: Build) -> None:
    one = workbench(gated()[0])
    assert one.run(running=(7,)).untouched == [7]


def test_a_stop_cancels_the_job_and_no_other(workbench: Build) -> None:
    seen: list[str] = []

    @rd.routine
    async def wait(name: str) -> None:
        if name == "bad":
            raise ValueError(name)
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(name)

    one = workbench(of(("a", wait)))
    mine, other = one.block("a.input", ["x", "bad"], "mine"), one.block("a.input", ["y"], "other")
    receipt = one.run(mine, other, budget=0.05)
    assert receipt.stopped.keys() == {"mine"}
    assert receipt.running == [2]
    assert not receipt.carried
    assert one.run(running=(2,), budget=0.01).running == [2]
    assert seen == ["x"]


def test_a_stream_books_what_has_ended(workbench: Build) -> None:
    flow, gates, _ = gated()
    one = workbench(flow)
    opened(gates, "b")
    receipt = one.run(one.block("a.input", ["a", "b"], items=5), budget=0.05)
    assert receipt.items["job"] == ([], [6], [])
    [carried] = receipt.carried
    assert codec.unpack(carried.body) == (["a"], [5])


def test_activations_that_disagree_about_job_data_stop_the_job(workbench: Build) -> None:
    @rd.routine
    async def write(x: Any) -> None:
        rd.current_job().update("most", x, reducer="max")

    one = workbench(of(("a", write)))
    assert "cannot be compared" in one.send("a.input", 1, "one").stopped["job"].message
