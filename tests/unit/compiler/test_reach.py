"""Where messages get: doors, and the way through routines that can run."""

from __future__ import annotations

import re
from typing import Any

import pytest

from routilux_dist.compiler.reach import Reach, reach
from routilux_dist.flow import activation
from tests.unit.compiler.drawing import Made, Sums, flow_of, pair, scanned


def reach_of(drawing: str, routines: dict[str, Any] | None = None, *, need_entry: bool = True, **options: Any) -> Reach:
    return reach(scanned(flow_of(drawing, routines, **options)), need_entry=need_entry)


def doors(drawing: str, routines: dict[str, Any] | None = None, **options: Any) -> list[str]:
    return [".".join(inlet) for inlet in reach_of(drawing, routines, **options).doors.inlets]


def arrived(found: Reach) -> set[str]:
    return {f"{routine}.{slot}" for routine, slots in found.arrived.items() for slot in slots}


def with_handler(slots: str) -> Made:
    made = Made(slots)
    made.add_slot("signal", handler=len)
    return made


def optional(slots: str, name: str) -> Made:
    made = Made(slots)
    made.add_slot(name, required=False)
    return made


def policy(made: Made, chosen: Any) -> Made:
    made.set_activation_policy(chosen)
    return made


# ---- doors ---------------------------------------------------------------------------------------------------------


def test_the_only_routine_that_nobody_feeds_is_the_door() -> None:
    assert doors("a -> b -> c") == ["a.input"]


def test_a_named_entry_is_the_only_door() -> None:
    assert doors("a -> b -> c", entry="b") == ["b.input"]


def test_without_a_need_for_an_entry_all_beginnings_are_doors() -> None:
    """::

    a --> b <-- p(left, right)        c --> c
    """
    found = doors("a -> b\np -> b\nc -> c", {"p": pair()}, need_entry=False)
    assert sorted(found) == ["a.input", "c.input", "p.left", "p.right"]


def test_a_cycle_is_begun_at_the_slots_it_has_for_that() -> None:
    """::

    seed? --> loop.seed
              loop --> loop.input
    """
    assert doors("loop -> loop.input", {"loop": Made("seed input")}, need_entry=False) == ["loop.seed"]


def test_a_named_entry_is_added_to_the_beginnings() -> None:
    assert doors("a -> b\nc", entry="b", need_entry=False) == ["b.input", "a.input", "c.input"]


def test_what_need_not_be_connected_waits_for_posts() -> None:
    assert doors("a -> b", {"b": optional("input", "settings")}) == ["a.input", "b.settings"]


@pytest.mark.parametrize(
    ("drawing", "routines", "options", "says"),
    [
        ("a\nb", {}, {}, "the entry is not unique"),
        ("a -> b -> a", {}, {}, "every routine has an incoming connection"),
        ("p", {"p": pair()}, {}, r"the entry of flow 'drawn': routine 'p' has no default slot.*entry=…"),
        ("a", {}, {"entry": "b"}, "no routine 'b'"),
        ("a", {}, {"entry": "b", "need_entry": False}, "no routine 'b'"),
    ],
)
def test_a_wrong_entry_is_told_and_the_beginnings_are_taken_instead(
    drawing: str, routines: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    found = reach_of(drawing, routines, **options).doors
    assert re.search(says, found.fault)
    assert found.inlets


# ---- the way through -----------------------------------------------------------------------------------------------


def test_a_join_lets_through_when_all_its_slots_are_fed() -> None:
    """::

    a --> p.left   p --> b
     '--> p.right
    """
    found = reach_of("a -> p.left\na -> p.right\np -> b", {"p": pair()})
    assert arrived(found) == {"a.input", "p.left", "p.right", "b.input"}


def test_a_join_that_waits_for_itself_stops_everything() -> None:
    """::

    a --> p.left   p --> b
          p.right <--'
    """
    found = reach_of("a -> p.left\np -> b\nb -> p.right", {"p": pair()})
    assert arrived(found) == {"a.input", "p.left"}
    assert found.reached == {"a", "p", "b"}


@pytest.mark.parametrize(
    "made",
    [
        policy(pair(), activation.immediate()),
        policy(pair(), activation.every(1)),
        policy(pair(), lambda slots: True),
        policy(pair(), activation.batch(2)),
        Sums("left right"),
    ],
    ids=["immediate", "every", "custom", "batch, at the end", "finish"],
)
def test_what_runs_without_all_its_slots_lets_through(made: Made) -> None:
    made = type(made)("left right") if isinstance(made, Sums) else policy(pair(), made._declared.policy)
    assert "b.input" in arrived(reach_of("a -> p.left\np -> b\nb -> p.right", {"p": made}))


def test_a_handler_lets_through_whatever_logic_waits_for() -> None:
    found = reach_of("a -> p.signal\np -> b\nb -> p.left", {"p": with_handler("left right")})
    assert arrived(found) == {"a.input", "p.signal", "b.input", "p.left"}


def test_finish_sends_even_when_nothing_came() -> None:
    found = reach_of("a -> b\nsum -> c", {"sum": Sums()}, entry="a")
    assert arrived(found) == {"a.input", "b.input", "c.input"}
    assert "sum" not in found.reached


def test_sources_are_listed_once() -> None:
    found = reach_of("a.x -> b\na.y -> b\nc -> b", {"a": Made(events="x y")}, need_entry=False)
    assert found.sources == {("b", "input"): ("a", "c")}
