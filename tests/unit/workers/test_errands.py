from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
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
    assert receipt.untouched == [2]
    assert conserves(one, receipt, blocks[0])
