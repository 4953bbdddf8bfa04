from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from tests.unit.workers.conftest import conserves, of

Build = Callable[..., Workbench]


def tree(**options: Any) -> rd.Flow:
    """a -> b and c; b -> d; c -> d. Every routine adds its letter twice."""

    def letter(name: str) -> Callable[[str], Any]:
        return lambda path: (path + name + str(n) for n in (1, 2))

    return of(
        *((name, letter(name)) for name in "abcd"),
        links=("a.output b.input", "a.output c.input", "b.output d.input", "c.output d.input"),
        **options,
    )


def test_depth_first_except_in_sequential_flows(workbench: Build) -> None:
    deep, broad = workbench(tree()), workbench(tree(execution_mode="sequential"))
    found = [one.sent(one.send("a.input", "")) for one in (deep, broad)]
    assert sorted(found[0]) == sorted(found[1])
    assert found[0][:4] == ["a1b1d1", "a1b1d2", "a1b2d1", "a1b2d2"]
    assert [p[2:4] for p in found[1]][::2] == ["b1", "b2", "c1", "c2"] * 2


@pytest.mark.parametrize("mode", ["distributed", "sequential"])
def test_however_often_time_is_up_the_results_are_the_same(workbench: Build, mode: str) -> None:
    whole = workbench(tree(execution_mode=mode))
    expected = whole.sent(whole.send("a.input", "x", "y"))
    one = workbench(tree(execution_mode=mode))
    queue, entries, found = [], [one.block("a.input", ["x", "y"])], []
    for _ in range(200):
        taken = queue if queue else [entries.pop(0)]
        queue = []
        receipt = one.run(*taken, budget=0.0)
        assert conserves(one, receipt, *(b for n, b in enumerate(taken) if n not in _places(receipt, one, taken)))
        found += one.sent(receipt)
        queue += [taken[place] for place in _places(receipt, one, taken)]
        for block in receipt.blocks:
            (entries if block.entry else queue).append(block)
        if not queue and not entries:
            break
    assert sorted(found) == sorted(expected)
    if mode == "sequential":
        assert found == expected


def _places(receipt: Any, one: Workbench, taken: list[Any]) -> list[int]:
    first = one._numbers - len(taken) + 1
    return [number - first for number in receipt.untouched]


def test_hops_are_counted_along_the_way(workbench: Build) -> None:
    one = workbench(tree())
    receipt = one.run(one.block("a.input", [""], hops=4), budget=0.0)
    assert {b.hops for b in receipt.blocks} == {5}


def test_costs_are_measured_by_the_port_they_entered_at(workbench: Build) -> None:
    one = workbench(tree())
    receipt = one.run(one.block("a.input", ["x", "y"]), one.block("d.input", ["z"]))
    rows = {one.plan.ports[port].path: rows for port, (rows, seconds) in receipt.costs.items()}
    assert rows == {"a.input": 2, "d.input": 1}


def test_several_messages_for_ports_that_are_kept_apart_go_back(workbench: Build) -> None:
    one = workbench(tree())
    port = one.plan.slot("b", "input").index
    receipt = one.run(one.block("a.input", [""]), apart=frozenset({port}), spread=2)
    back = [(one.plan.ports[b.port].path, b.rows) for b in receipt.blocks]
    assert back == [("b.input", 2)]
    assert all("c" in sent for sent in one.sent(receipt))


def test_a_stop_in_the_middle_of_a_tree_leaves_the_rest(workbench: Build) -> None:
    def fail(path: str) -> str:
        if path == "2":
            raise ValueError(path)
        return path

    flow = of(("a", lambda x: (str(n) for n in range(5))), ("b", fail), links=("a.output b.input",))
    receipt = (one := workbench(flow)).send("a.input", 1, 2)
    assert one.sent(receipt) == ["0", "1"]
    assert receipt.blocks == []
    assert set(receipt.stopped) == {"job"}
