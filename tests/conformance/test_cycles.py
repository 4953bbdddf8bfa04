"""Cycles that end: a flow may send a message back, and the job ends when the last lap is done."""

from __future__ import annotations

import routilux_dist as rd
from tests.conformance.routines.basic import Collatz, Countdown, each, increment, keep_even, same
from tests.conformance.routines.stateful import Total
from tests.conformance.support import build, run


def collatz_steps(n: int) -> int:
    steps = 0
    while n != 1:
        n = 3 * n + 1 if n % 2 else n // 2
        steps += 1
    return steps


def test_a_countdown(runtime: rd.Runtime) -> None:
    flow = build({"count": Countdown()}, "count.again -> count.input")
    payload = {"name": "x", "left": 10}
    assert run(runtime, flow, payload, entry="count.input") == {"count.done": ["x"]}


def test_a_long_loop_needs_no_stack(runtime: rd.Runtime) -> None:
    flow = build({"count": Countdown()}, "count.again -> count.input")
    payload = {"name": "marathon", "left": 20_000}
    assert run(runtime, flow, payload, entry="count.input") == {"count.done": ["marathon"]}


def test_many_loops_at_once(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "count": Countdown()}, "each -> count\ncount.again -> count.input")
    outputs = run(runtime, flow, [{"name": i, "left": i} for i in range(100)])
    assert sorted(outputs["count.done"]) == list(range(100))


def test_a_cycle_of_several_routines(runtime: rd.Runtime) -> None:
    """``down -> pass -> back -> down``, left by another door."""
    flow = build(
        {"each": each, "count": Countdown(), "pass": same, "back": same},
        """each -> count
           count.again -> pass -> back -> count""",
    )
    outputs = run(runtime, flow, [{"name": "a", "left": 7}, {"name": "b", "left": 0}])
    assert sorted(outputs["count.done"]) == ["a", "b"]


def test_collatz(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "collatz": Collatz()}, "each -> collatz\ncollatz.again -> collatz.input")
    outputs = run(runtime, flow, [{"start": n, "n": n, "steps": 0} for n in range(1, 60)])
    found = {done["start"]: done["steps"] for done in outputs["collatz.done"]}
    assert len(outputs["collatz.done"]) == 59
    assert found == {n: collatz_steps(n) for n in range(1, 60)}


def test_a_cycle_that_feeds_a_counter(runtime: rd.Runtime) -> None:
    """Every lap is counted outside the cycle; the counter ends after the last one."""
    flow = build(
        {"climb": increment, "low": Below(50), "total": Total()},
        """climb -> low
           low.again -> climb.input
           climb -> total""",
    )
    outputs = run(runtime, flow, 0, entry="climb.input")
    assert outputs["total.output"] == [{"count": 50, "sum": sum(range(1, 51))}]
    assert outputs["low.done"] == [50]


def test_a_cycle_that_filters_itself_empty(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "even": keep_even, "next": increment}, "each -> even -> next -> even")
    assert run(runtime, flow, range(10)) == {}


class Below(rd.Routine):
    """Sends back what is below the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("again")
        self.add_event("done")

    def logic(self, x: int) -> None:
        self.emit("again" if x < self.limit else "done", x)
