"""What the rules look at, and how they name it."""

from __future__ import annotations

import pytest

from routilux_dist.compiler.reach import reach
from routilux_dist.compiler.view import View, cycle_through, listed
from tests.unit.compiler.drawing import flow_of, scanned


def view_of(drawing: str) -> View:
    draft = scanned(flow_of(drawing))
    return View(draft, reach(draft, need_entry=False))


def test_a_shortest_cycle_is_found() -> None:
    """::

    a --> b --> c --> d
    ^     '-----------'
    '-----------'
    """
    view = view_of("a -> b -> c -> d -> b\nc -> a")
    assert cycle_through(view, "a") == ["a", "b", "c", "a"]
    assert cycle_through(view, "d") == ["d", "b", "c", "d"]


def test_a_routine_may_be_a_cycle_of_its_own() -> None:
    assert cycle_through(view_of("a -> a -> b"), "a") == ["a", "a"]


def test_the_middle_of_a_long_cycle_is_left_out() -> None:
    view = view_of(" -> ".join([*(f"r{i}" for i in range(20)), "r0"]))
    assert cycle_through(view, "r0") == ["r0", "r1", "r2", "r3", "…", "r19", "r0"]


def test_there_is_no_cycle_through_a_chain() -> None:
    with pytest.raises(AssertionError, match="a is not in a cycle"):
        cycle_through(view_of("a -> b"), "a")


def test_routines_of_a_cycle_have_one_home() -> None:
    home = view_of("a -> b -> c -> b\nc -> d").home
    assert (home["b"] == home["c"], home["a"] < home["b"] < home["d"]) == (True, True)


def test_a_long_list_is_cut() -> None:
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed([str(i) for i in range(10)]).endswith("'7' and 2 more")
