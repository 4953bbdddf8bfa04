"""`prepare`: a flow with faults is refused with all of them, any other becomes a plan."""

from __future__ import annotations

import pickle
import random
import time
from typing import Any

import pytest

from routilux_dist.compiler.compile import compile_flow, prepare
from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.functions import routine
from routilux_dist.flow.model import FlowModel, Limits
from tests.unit.compiler.drawing import Counts, Made, Sums, flow_of, pair, step


def test_a_plan_holds_what_was_said() -> None:
    flow = flow_of("a -> sum", {"sum": Sums()}, name="words", max_hops=9, max_workers=3)
    plan = prepare(flow)
    assert (plan.flow, plan.mode, plan.max_workers, plan.limits) == ("words", "distributed", 3, Limits(max_hops=9))
    assert plan.connections == (("a.output", "sum.input"),)
    assert plan.entry == plan.slot("a", "input").index
    assert plan.names() == ("sum.output",)


def test_a_flow_that_has_to_be_told_where_messages_enter() -> None:
    flow = flow_of("a\nb")
    with pytest.raises(ConfigurationError, match="the entry is not unique"):
        prepare(flow)
    assert prepare(flow, need_entry=False).entry is None


def test_all_faults_are_told_at_once_with_numbers() -> None:
    flow = flow_of("a -> p.left\na -> mute", {"p": pair(), "mute": Made("input")})
    mute = flow.routines["mute"]
    mute.add_event("needed", required=True)
    with pytest.raises(ConfigurationError) as caught:
        prepare(flow)
    first, *lines = caught.value.message.splitlines()
    assert first == "flow 'drawn' has 2 faults:"
    assert [line[:5] for line in lines] == ["  1. ", "  2. "]
    assert tuple(line[5:] for line in lines) == caught.value.problems


def test_one_fault_is_a_fault() -> None:
    with pytest.raises(ConfigurationError, match=r"flow 'nothing' has a fault:\n  1. flow 'nothing' is empty"):
        prepare(FlowModel("nothing"))


def test_warnings_go_into_the_plan() -> None:
    plan = prepare(flow_of("a -> b -> a", entry="a"))
    assert len(plan.warnings) == 1
    assert "cycle a → b → a has no bound" in plan.warnings[0]


def test_what_stays_in_this_process_need_not_travel() -> None:
    captured = (x for x in ())
    flow = flow_of("a", {"a": lambda x: captured})
    with pytest.raises(ConfigurationError, match="cannot be sent to workers"):
        prepare(flow)
    assert prepare(flow, ship=False).names() == ("a.output",)


def test_the_same_flow_gives_the_same_plan() -> None:
    def plan() -> Any:
        return prepare(flow_of("a -> c -> s\na -> b -> s\nb -> a", {"s": Sums()}, entry="a", max_hops=3))

    assert plan() == plan()


def test_a_plan_travels_and_holds_no_user_object() -> None:
    data = pickle.dumps(prepare(flow_of("a -> count", {"count": Counts()})))
    assert b"tests.unit" not in data
    assert pickle.loads(data).names() == ("count.output",)


def big_flow(routines: int, connections: int) -> FlowModel:
    """Functions, classes and joins in a graph without cycles."""
    chance = random.Random(1)
    flow = FlowModel("big")
    kinds = [lambda: step, Made, lambda: routine(step), pair]
    for i in range(routines):
        flow.add_routine(kinds[i % 4](), f"r{i}")
    slots = [list(r._declared.slots) for r in flow.routines.values()]
    for i in range(1, routines):
        for slot in slots[i]:
            flow.connect(f"r{chance.randrange(i)}.output", f"r{i}.{slot}")
    while len(flow.connections) < connections:
        for _ in range(1000):
            target = chance.randrange(1, routines)
            flow.connect(f"r{chance.randrange(target)}.output", f"r{target}.{chance.choice(slots[target])}")
    return flow


@pytest.mark.slow
def test_ten_thousand_routines_take_seconds_not_minutes() -> None:
    """About a second on one core; a pass that is not linear takes many."""
    flow = big_flow(10_000, 50_000)
    begun = time.perf_counter()
    plan = prepare(flow)
    assert time.perf_counter() - begun < 10
    assert len(plan.routines) == 10_000


def test_compiling_alone_checks_nothing() -> None:
    assert compile_flow(flow_of("a -> p.left", {"p": pair()}), ("mind the gap",)).warnings == ("mind the gap",)
