"""Execution modes: the results are the same; ``sequential`` also fixes the order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import Countdown, Pair, double, each, increment
from tests.conformance.routines.stateful import Total
from tests.conformance.routines.waiting import Meet
from tests.conformance.support import build, completed, run

MODES = pytest.mark.parametrize("mode", ["distributed", "concurrent", "sequential"])


class Diary(rd.Routine):
    """Writes down that it ran, and with what; sends it on twice while it is small."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: str) -> None:
        rd.current_job().update("diary", f"{self.title}{x}", reducer="append")
        for part in ("x", "y"):
            self.emit("output", x + part)


class Lap(rd.Routine):
    """A countdown from the number."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: int) -> None:
        self.emit("output", name=x, left=x)


def tree(mode: str) -> rd.Flow:
    return build(
        {"start": each, "a": Diary("a"), "b": Diary("b"), "c": Diary("c"), "d": Diary("d")},
        """start -> a -> c
           start -> b -> c
           c -> d
           b -> d""",
        execution_mode=mode,
    )


def breadth_first() -> list[str]:
    """What strictly first in, first out means for the tree: one queue, targets in the order of connection."""
    targets = {"a": ["c"], "b": ["c", "d"], "c": ["d"], "d": []}
    queue = [(target, x) for x in ("1", "2") for target in ("a", "b")]
    diary = []
    while queue:
        routine, x = queue.pop(0)
        diary.append(routine + x)
        queue += [(target, x + part) for part in ("x", "y") for target in targets[routine]]
    return diary


def test_sequential_is_first_in_first_out(runtime: rd.Runtime) -> None:
    assert completed(runtime, tree("sequential"), ["1", "2"]).data["diary"] == breadth_first()


@MODES
def test_every_mode_runs_the_same_messages(runtime: rd.Runtime, mode: str) -> None:
    assert sorted(completed(runtime, tree(mode), ["1", "2"]).data["diary"]) == sorted(breadth_first())


@MODES
def test_every_mode_keeps_state_joins_and_cycles(runtime: rd.Runtime, mode: str) -> None:
    flow = build(
        {"each": each, "pair": Pair(), "total": Total(), "lap": Lap(), "count": Countdown()},
        """each -> pair.left
           each -> pair.right
           each -> total
           each -> lap -> count
           count.again -> count.input""",
        execution_mode=mode,
    )
    outputs = run(runtime, flow, range(20))
    assert sorted(outputs["count.done"]) == list(range(20))
    assert outputs["pair.output"] == [(i, i) for i in range(20)]
    assert outputs["total.output"] == [{"count": 20, "sum": 190}]


def test_sequential_gives_outputs_in_order(runtime: rd.Runtime) -> None:
    routines = {"each": each, "double": double, "increment": increment}
    flow = build(routines, "each -> double -> increment", execution_mode="sequential")
    assert run(runtime, flow, range(1000)) == {"increment.output": [2 * i + 1 for i in range(1000)]}


def test_sequential_loops_take_turns(runtime: rd.Runtime) -> None:
    """Shorter countdowns end first, because every lap goes to the end of the queue."""
    flow = build(
        {"each": each, "count": Countdown()}, "each -> count\ncount.again -> count.input", execution_mode="sequential"
    )
    outputs = run(runtime, flow, [{"name": n, "left": n} for n in (5, 3, 9, 0, 7)])
    assert outputs == {"count.done": [0, 3, 5, 7, 9]}


def test_concurrent_runs_two_at_once(runtime: rd.Runtime, tmp_path: Path) -> None:
    """Two messages that wait for each other: with one at a time neither would end."""
    flow = build({"each": each, "meet": Meet()}, "each -> meet", execution_mode="concurrent", max_workers=2)
    folder = str(tmp_path)
    items = [{"folder": folder, "name": name, "other": other} for name, other in (("a", "b"), ("b", "a"))]
    assert sorted(run(runtime, flow, items)["meet.output"]) == ["a", "b"]


def test_jobs_of_one_flow_run_at_once(runtime: rd.Runtime, tmp_path: Path) -> None:
    flow = build({"meet": Meet()}, execution_mode="concurrent", max_workers=2)
    folder = str(tmp_path)
    jobs = [
        runtime.submit(flow, {"folder": folder, "name": name, "other": other})
        for name, other in (("a", "b"), ("b", "a"))
    ]
    assert [job.result(timeout=60) for job in jobs] == [{"meet.output": ["a"]}, {"meet.output": ["b"]}]


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(rd.ConfigurationError, match=r"parallel.*distributed.*concurrent.*sequential"):
        rd.Flow("odd", execution_mode="parallel")


class Stubborn(rd.Routine):
    """Notes each try; "slow" ones need two."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: str) -> None:
        rd.current_job().trace(x)
        if x.startswith("slow") and rd.current_job().attempt == 1:
            raise ConnectionError(x)
        self.emit("output", x)


def test_sequential_messages_wait_for_one_that_is_tried_again(runtime: rd.Runtime) -> None:
    """As in a program that tries again and then goes on."""
    flow = build({"each": each, "work": Stubborn(), "after": str}, "each -> work -> after", execution_mode="sequential")
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.RETRY, max_retries=1, retry_delay=0.05))
    names = ["a", "slow b", "c", "slow d", "e"]
    assert completed(runtime, flow, names).result(timeout=60) == {"after.output": names}


def test_sequential_streams_deliver_while_they_run(runtime: rd.Runtime) -> None:
    """Trees that take longer than a slice keep their items."""
    flow = build({"a": nap, "b": nap, "c": nap}, "a -> b -> c", execution_mode="sequential")
    results = flow.map(range(4), runtime=runtime, on_error="collect")
    assert [r if isinstance(r, int) else f"error at {r.item}" for r in results] == [0, 1, "error at 2", 3]


@rd.routine
def nap(x):
    time.sleep(0.04)
    if x == 2:
        raise ValueError("two")
    return x
