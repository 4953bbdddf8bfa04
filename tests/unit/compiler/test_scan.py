"""The first pass: facts, successors and components of the whole graph."""

from __future__ import annotations

from routilux_dist.flow.model import FlowModel
from tests.unit.compiler.drawing import Made, flow_of, scanned


def test_successors_are_listed_once_in_the_order_of_connection() -> None:
    """::

    a ==left,right==> b        (two connections, one successor)
    a ------> c
    """
    draft = scanned(flow_of("a -> b.left\na -> c\na -> b.right", {"b": Made("left right")}))
    assert draft.successors == {"a": ("b", "c"), "b": (), "c": ()}
    assert list(draft.facts) == ["a", "b", "c"]


def test_a_cycle_is_one_component() -> None:
    """::

    a --> b --> c --> d
          ^-----'
    """
    assert scanned(flow_of("a -> b -> c -> d\nc -> b")).components == (("a",), ("b", "c"), ("d",))


def test_an_empty_flow_has_nothing() -> None:
    draft = scanned(FlowModel("empty"))
    assert (draft.facts, draft.successors, draft.components) == ({}, {}, ())
