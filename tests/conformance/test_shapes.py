"""Chains, trees, fan-in, branches: what goes in comes out, once, along every path."""

from __future__ import annotations

from collections import Counter

import routilux_dist as rd
from tests.conformance.routines.basic import Branch, Repeat, Scale, double, drop, each, increment, keep_even, same
from tests.conformance.routines.waiting import Either
from tests.conformance.support import build, run


def test_a_single_routine(runtime: rd.Runtime) -> None:
    flow = build({"double": double})
    assert run(runtime, flow, 21) == {"double.output": [42]}


def test_a_chain(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "double": double, "increment": increment}, "each -> double -> increment")
    outputs = run(runtime, flow, range(10))
    assert list(outputs) == ["increment.output"]
    assert sorted(outputs["increment.output"]) == [2 * i + 1 for i in range(10)]


def test_a_deep_chain(runtime: rd.Runtime) -> None:
    ids = [f"step{i}" for i in range(60)]
    flow = build(dict.fromkeys(ids, increment), " -> ".join(ids))
    assert run(runtime, flow, 0) == {"step59.output": [60]}


def test_a_tree(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "double": double, "increment": increment, "even": keep_even},
        """each -> double
           each -> increment
           increment -> even""",
    )
    outputs = run(runtime, flow, range(6))
    assert sorted(outputs["double.output"]) == [0, 2, 4, 6, 8, 10]
    assert sorted(outputs["even.output"]) == [2, 4, 6]
    assert list(outputs) == ["double.output", "even.output"]


def test_fan_in(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "double": double, "increment": increment, "sink": same},
        """each -> double -> sink
           each -> increment -> sink""",
    )
    outputs = run(runtime, flow, range(5))
    assert Counter(outputs["sink.output"]) == Counter([0, 2, 4, 6, 8, 1, 2, 3, 4, 5])


def test_many_to_many(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "a": double, "b": increment, "c": same, "d": Scale(10)},
        """each -> a
           each -> b
           a -> c
           a -> d
           b -> c
           b -> d""",
    )
    outputs = run(runtime, flow, [1, 2, 3])
    assert Counter(outputs["c.output"]) == Counter([2, 4, 6, 2, 3, 4])
    assert Counter(outputs["d.output"]) == Counter([20, 40, 60, 20, 30, 40])


def test_a_branch_and_its_outputs_in_plan_order(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "branch": Branch(), "double": double}, "each -> branch\nbranch.odd -> double")
    outputs = run(runtime, flow, range(6))
    assert list(outputs) == ["branch.even", "double.output"]
    assert sorted(outputs["branch.even"]) == [0, 2, 4]
    assert sorted(outputs["double.output"]) == [2, 6, 10]


def test_an_output_without_messages_is_an_empty_list(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "branch": Branch()}, "each -> branch")
    assert run(runtime, flow, [2]) == {"branch.even": [2], "branch.odd": []}


def test_a_flow_that_gives_nothing(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "drop": drop, "double": double}, "each -> drop -> double")
    assert run(runtime, flow, range(10)) == {"double.output": []}


def test_copies_multiply_along_a_chain(runtime: rd.Runtime) -> None:
    flow = build({"a": Repeat(10), "b": Repeat(10), "c": Repeat(10)}, "a -> b -> c")
    assert run(runtime, flow, "x") == {"c.output": ["x"] * 1000}


def test_an_event_feeds_two_slots_of_one_routine(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "either": Either()}, "each -> either.a\neach -> either.b")
    outputs = run(runtime, flow, [1, 2])
    assert Counter(outputs["either.output"]) == Counter([(1, None), (None, 1), (2, None), (None, 2)])


def test_the_entry_can_be_named(runtime: rd.Runtime) -> None:
    flow = build({"left": double, "right": increment})
    assert run(runtime, flow, 10, entry="left.input") == {"left.output": [20], "right.output": []}
    assert run(runtime, flow, 10, entry="right.input") == {"left.output": [], "right.output": [11]}


def test_an_inner_routine_can_be_the_entry(runtime: rd.Runtime) -> None:
    flow = build({"double": double, "increment": increment}, "double -> increment")
    assert run(runtime, flow, 10, entry="increment.input") == {"increment.output": [11]}


def test_constructor_arguments_are_replayed(runtime: rd.Runtime) -> None:
    flow = build({"a": Scale(3, offset=1), "b": Scale(-1)}, "a -> b")
    assert run(runtime, flow, 5) == {"b.output": [-16]}


def test_payloads_of_every_kind_arrive_as_they_were(runtime: rd.Runtime) -> None:
    payloads = [
        None,
        "",
        "ö\ud800",
        b"\x00",
        2**100,
        float("inf"),
        (),
        (1, (2,)),
        {1, 2},
        frozenset({"a"}),
        {1: 2, (3,): [4]},
        range(3),
        Ellipsis,
        slice(1, 2),
        1 + 2j,
    ]
    outputs = run(runtime, build({"each": each, "same": same, "box": Box()}, "each -> same -> box"), payloads[1:])
    arrived = [box[0] for box in outputs["box.output"]]
    assert sorted(map(repr, arrived)) == sorted(map(repr, payloads[1:]))
    assert run(runtime, build({"box": Box()}), None) == {"box.output": [[None]]}


class Box(rd.Routine):
    """Wraps a payload, so that None shows."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: object) -> None:
        self.emit("output", [x])
