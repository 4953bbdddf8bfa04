"""A message is called the same however the work is cut."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_dist.wire.slices import JobNote, Slice
from tests.unit.workers.conftest import of, stateful

Build = Callable[..., Workbench]
Apart = Callable[[], frozenset[int]]


class Noting:
    """Notes under which key each path of the tree was run."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = {}

    def note(self, path: str) -> None:
        self.seen.setdefault(path, set()).add(rd.current_job().idempotency_key)

    def flow(self, **options: Any) -> rd.Flow:
        """a -> b and c, several of each by turns; b -> d, one; c -> d, two; d -> e, one; e -> e until it is long."""

        def grow(name: str, count: int) -> Callable[[str], Any]:
            def step(path: str) -> Any:
                self.note(path + name)
                return (path + name + str(n) for n in range(count))

            return step

        def again(path: str) -> str | None:
            self.note(path + "e")
            return path + "e" if len(path) < 12 else None

        return of(
            ("a", grow("a", 3)),
            ("b", grow("b", 1)),
            ("c", grow("c", 2)),
            ("d", grow("d", 1)),
            ("e", again),
            links=(
                "a.output b.input",
                "a.output c.input",
                "b.output d.input",
                "c.output d.input",
                "d.output e.input",
                "e.output e.input",
            ),
            **options,
        )


def keys(one: Workbench, seen: dict[str, set[str]], budget: Callable[[], float], apart: Apart) -> dict[str, str]:
    """Run a tree in slices that are cut as told; return the key of each path."""
    ticks = itertools.count()
    one.host.clock = lambda: float(next(ticks))
    work = [(1, one.block("a.input", ["x", "y", "z"]))]
    numbers = itertools.count(2)
    rows = {port.index: 2 for port in one.plan.ports}
    while work:
        # Started work comes before new work, as the machine has it.
        work.sort(key=lambda numbered: numbered[1].entry)
        taken = work if one.host.fifo else work[:2]
        notes = {"job": JobNote()}
        receipt = one.host.run(Slice(1, 1, one.group, 0, taken, budget(), notes, rows, 2, apart=apart()))
        left = [(number, block) for number, block in taken if number in receipt.untouched]
        work = [*((next(numbers), block) for block in receipt.blocks), *left, *work[len(taken) :]]
    assert {len(found) for found in seen.values()} == {1}
    found = {path: key for path, (key,) in seen.items()}
    seen.clear()
    return found


@pytest.mark.parametrize("mode", ["distributed", "sequential"])
def test_a_key_does_not_depend_on_how_the_work_is_cut(workbench: Build, mode: str) -> None:
    noting = Noting()
    one = workbench(noting.flow(execution_mode=mode))
    expected = keys(one, noting.seen, lambda: 1e9, frozenset)
    assert len(set(expected.values())) == len(expected) > 100
    assert keys(one, noting.seen, lambda: 0.0, frozenset) == expected
    ports = [one.plan.slot(name, "input").index for name in "bcde"]
    for seed in range(20):
        dice = random.Random(seed)

        def budget(dice: random.Random = dice) -> float:
            return float(dice.randrange(60))

        def apart(dice: random.Random = dice) -> frozenset[int]:
            return frozenset(port for port in ports if dice.random() < 0.3)

        assert keys(one, noting.seen, budget, apart) == expected


def ring(workbench: Build, last: int, end: Callable[[int], Any], links: tuple[str, ...], mode: str) -> Workbench:
    """a -> a and log, so many times; then something else."""

    def a(x: int) -> Any:
        return x + 1 if x < last else end(x)

    return workbench(of(("a", a), ("log", lambda x: None), links=links, execution_mode=mode))


LINKS = [("a.output a.input", "a.output log.input"), ("a.output log.input", "a.output a.input")]


@pytest.mark.parametrize("mode", ["distributed", "sequential"])
@pytest.mark.parametrize("links", LINKS)
def test_forks_within_forks_may_go_on_for_ever(workbench: Build, mode: str, links: tuple[str, ...]) -> None:
    seen: list[str] = []
    asks = ring(workbench, 3000, lambda x: seen.append(rd.current_job().idempotency_key), links, mode)
    assert not asks.send("a.input", 0).stopped
    assert len(seen[0]) < 100
    fails = ring(workbench, 3000, lambda x: 1 / 0, links, mode)
    assert fails.send("a.input", 0).stopped["job"].error_type == "ZeroDivisionError"
    spills = ring(workbench, 1 << 60, lambda x: None, links, mode)
    ticks = itertools.count()
    spills.host.clock = lambda: float(next(ticks))
    left = spills.run(spills.block("a.input", [0]), budget=5000.0).blocks
    assert max(len(block.origin) / block.rows for block in left) < 100


def test_what_is_left_of_a_fan_out_is_named_by_few_words(workbench: Build) -> None:
    """Each message in line has taken a step since the fork."""
    flow = of(
        ("a", lambda n: (i for i in range(n))),
        ("b", lambda x: x),
        ("c", lambda x: x),
        links=("a.output b.input", "b.output c.input"),
        execution_mode="sequential",
    )
    one = workbench(flow)
    ticks = itertools.count()
    one.host.clock = lambda: float(next(ticks))
    receipt = one.run(one.block("a.input", [5000]), budget=7000.0)
    last = receipt.blocks[-1]
    assert last.rows > 1000
    assert len(last.origin) < 100


def test_a_finish_that_is_tried_again_keeps_its_key(workbench: Build) -> None:
    seen: list[str] = []

    def end(routine: Any) -> None:
        seen.append(rd.current_job().idempotency_key)
        if len(seen) < 3:
            raise ValueError("again")

    routine = stateful(lambda one, x: None, end, n=0)
    routine.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.RETRY, max_retries=3, retry_delay=0.0))
    one = workbench(of(("a", routine)))
    one.send("a.input", 1)
    receipt = one.run(one.control("a.(finish)"))
    for _ in range(2):
        [(_, again)] = receipt.retries
        receipt = one.run(again)
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_flush_is_named_by_its_cell_and_not_by_what_else_is_due(workbench: Build) -> None:
    seen: dict[str, str] = {}

    class Batch(rd.Routine):
        def setup(self) -> None:
            self.add_slot("input")
            self.add_state(key="k", n=0)
            self.set_activation_policy(rd.batch(2, timeout=10.0))

        def logic(self, items: list[Any]) -> None:
            seen[items[0]["k"]] = rd.current_job().idempotency_key

    def keys_at(at: float) -> dict[str, str]:
        one = workbench(of(("b", Batch())))
        now = [0.0]
        one.host.wiring.stateful[0].now = lambda: now[0]
        for now[0], key in ((0.0, "A"), (1.0, "B"), (2.0, "A"), (5.0, "A")):
            one.send("b.input", {"k": key})
        now[0] = at
        seen.clear()
        wake = [(77, one.control("b.(wake)"))]
        one.host.run(Slice(99, 1, one.group, 0, wake, 60.0, {"job": JobNote()}, {}, 16))
        return dict(seen)

    early, late = keys_at(12.0), keys_at(16.0)
    assert (set(early), set(late)) == ({"B"}, {"A", "B"})
    assert early["B"] == late["B"] != late["A"]
