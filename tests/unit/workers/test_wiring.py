from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from tests.unit.workers.conftest import of, stateful

Build = Callable[..., Workbench]


def act(routine: Any, x: Any) -> Any:
    return x


def mixed(**options: Any) -> rd.Flow:
    return of(
        ("a", lambda x: x), ("b", lambda x: x), ("s", stateful(act, n=0)), ("c", lambda x: x),
        links=("a.output b.input", "b.output s.input", "s.output c.input"), **options,
    )  # fmt: skip


def test_what_is_in_one_group_is_called_and_what_is_not_is_boxed(workbench: Build) -> None:
    pool, shard = workbench(mixed(), "a", homes=2), workbench(mixed(), "s", homes=2)
    routes = {s.routine_id: s.routes["output"] for s in pool.host.wiring.steps.values()}
    assert [step.routine_id for step in routes["a"][0]] == ["b"]
    assert [pool.plan.ports[box.port].path for box in routes["b"][1]] == ["s.input"]
    assert [
        shard.plan.ports[box.port].path for step in shard.host.wiring.steps.values() for box in step.routes["output"][1]
    ]
    assert set(pool.host.routines) == {"a", "b", "c"}
    assert set(shard.host.routines) == {"s"}


def test_in_sequential_flows_everything_is_called(workbench: Build) -> None:
    one = workbench(mixed(execution_mode="sequential"))
    assert one.sent(one.send("a.input", 1)) == [1]
    assert one.send("a.input", 2).blocks == []


def test_one_outbox_for_all_ways_to_a_port(workbench: Build) -> None:
    flow = of(
        ("a", lambda x: x), ("b", lambda x: x), ("s", stateful(act, n=0)),
        links=("a.output s.input", "b.output s.input", "a.output b.input"),
    )  # fmt: skip
    one = workbench(flow, "a", homes=1)
    receipt = one.send("a.input", 1, 2)
    assert [(one.plan.ports[b.port].path, b.rows) for b in receipt.blocks] == [("s.input", 4)]


@pytest.mark.parametrize(
    ("own", "retries", "flow", "expected"),
    [
        ("skip", 2, "continue", "skip"),
        (None, 2, "continue", "retry"),
        (None, None, "continue", "continue"),
        (None, None, None, "stop"),
    ],
)
def test_whose_handler_decides(
    workbench: Build, own: str | None, retries: int | None, flow: str | None, expected: str
) -> None:
    routine = rd.Routine("r")
    routine.add_slot("input", handler=lambda x: x)
    routine.set_options(retries=retries)
    if own is not None:
        routine.set_error_handler(rd.ErrorHandler(own))
    one = workbench(of(("r", routine), error_handler=None if flow is None else rd.ErrorHandler(flow)))
    assert {str(step.handler.strategy) for step in one.host.wiring.steps.values()} == {expected}


def test_async_functions_of_stateful_routines_are_waited_for(workbench: Build) -> None:
    made = rd.Routine("r")
    made.add_slot("input")
    made.add_event("output")
    made.set_activation_policy(rd.batch(2))

    async def logic(xs: list[int]) -> int:
        return sum(xs)

    made.set_logic(logic)
    one = workbench(of(("r", made)))
    assert one.sent(one.send("r.input", 1, 2, 3)) == [3]
    assert one.sent(one.run(one.control("r.(finish)"))) == [3]


def test_time_outs_hold_for_flushes_too(workbench: Build) -> None:
    made = rd.Routine("r")
    made.add_slot("input")
    made.set_activation_policy(rd.batch(2))
    made.set_options(timeout=0.01)

    def logic(xs: list[int]) -> None:
        while True:
            pass

    made.set_logic(logic)
    one = workbench(of(("r", made)))
    one.send("r.input", 1)
    assert one.run(one.control("r.(finish)")).stopped["job"].error_type == "TimeoutError"


class Slow(rd.Routine):
    """Takes as long as the payload says, with a time-out."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(n=0)
        self.set_options(timeout=0.05)


class SlowWait(Slow):
    async def logic(self, x: float) -> None:
        await asyncio.sleep(x)
        self.emit("output", x)


class SlowWalk(Slow):
    def logic(self, x: float) -> Iterator[float]:
        until = time.monotonic() + x
        while time.monotonic() < until:
            pass
        yield x


@pytest.mark.parametrize("kind", [SlowWait, SlowWalk])
def test_a_timeout_ends_async_logic_and_generators_served_one_by_one(workbench: Build, kind: type[Slow]) -> None:
    one = workbench(of(("r", kind()), error_handler=rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)))
    receipt = one.send("r.input", 2.0, 0.0)
    assert "longer than its timeout of 0.05 s" in receipt.letters[0].failure.message
    assert one.sent(receipt) == [0.0]
