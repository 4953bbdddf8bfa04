"""Numbering: every address gets a number, every event its receivers, and the end an order."""

from __future__ import annotations

from typing import Any

import pytest

from routilux_dist.compiler.compile import compile_flow
from routilux_dist.flow import activation
from routilux_dist.plan.plan import Plan, PortKind
from tests.unit.compiler.drawing import Counts, Made, Sums, flow_of


def plan_of(drawing: str, routines: dict[str, Any] | None = None) -> Plan:
    return compile_flow(flow_of(drawing, routines))


def paths(plan: Plan, routine: str, event: str) -> list[str]:
    return [plan.ports[p].path for p in plan.routines[routine].events[event]]


def test_a_port_is_found_at_its_number() -> None:
    plan = plan_of("a -> b -> c", {"b": Counts()})
    assert [port.index for port in plan.ports] == list(range(len(plan.ports)))
    for routine in plan.routines.values():
        kinds = [
            plan.ports[p].kind
            for p in (*routine.slots.values(), routine.logic_port, routine.finish_port, routine.wake_port)
        ]
        assert kinds == [PortKind.SLOT, PortKind.LOGIC, PortKind.FINISH, PortKind.WAKE]
        assert {plan.ports[p].group for p in routine.slots.values()} == {routine.group}


def test_an_event_reaches_all_its_slots_in_the_order_of_connection() -> None:
    """::

    a --> c
     '--> b.left
     '--> b.right
    """
    plan = plan_of("a -> c\na -> b.left\na -> b.right", {"b": Made("left right")})
    assert paths(plan, "a", "output") == ["c.input", "b.left", "b.right"]


def test_an_event_that_is_not_connected_is_an_output() -> None:
    plan = plan_of("a.even -> b", {"a": Made(events="even odd")})
    assert plan.names() == ("a.odd", "b.output")
    assert paths(plan, "a", "odd") == ["a.odd"]
    assert {plan.ports[p].group for p in plan.outputs} == {-1}


def test_errors_are_no_output_unless_they_are_connected() -> None:
    plan = plan_of("a -> b\na.error -> c", {"b": Made(events="error")})
    assert paths(plan, "a", "error") == ["c.input"]
    assert paths(plan, "b", "error") == []
    assert plan.names() == ("c.output",)


def test_routines_are_numbered_as_they_were_added() -> None:
    plan = plan_of("c -> a -> b")
    assert [(r.id, r.index) for r in plan.routines.values()] == [("c", 0), ("a", 1), ("b", 2)]


def batches() -> Made:
    made = Made()
    made.set_activation_policy(activation.batch(3))
    return made


@pytest.mark.parametrize(
    ("drawing", "stages"),
    [
        ("a -> s -> b -> t", [("s",), ("t",)]),
        ("t -> a -> s", [("t",), ("s",)]),
        ("a -> b", []),
        ("a -> s -> b -> s\ns -> t", [("s",), ("t",)]),
        ("a -> s -> t -> s", [("s", "t")]),
        ("a -> q -> s", [("q",), ("s",)]),
    ],
    ids=["a chain", "another order", "nothing to end", "a cycle of one", "a cycle of two", "a batch"],
)
def test_ends_come_in_the_order_of_the_graph_and_cycles_as_one(drawing: str, stages: list[tuple[str, ...]]) -> None:
    """`s` and `t` have finish(), `q` batches."""
    present = {word.strip() for line in drawing.splitlines() for word in line.split("->")}
    routines = {name: made for name, made in {"s": Sums(), "t": Sums(), "q": batches()}.items() if name in present}
    assert list(plan_of(drawing, routines).stages) == stages
