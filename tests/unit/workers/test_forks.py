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
from tests.unit.workers.conftest import of

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
