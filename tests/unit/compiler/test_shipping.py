"""Shipping: what keeps a routine from travelling is found, with the way to it and the way around it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.compiler.shipping import LARGE_BYTES, culprits, inspect_shipping, parts_of, refusal
from routilux_dist.flow.functions import as_routine, routine
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.routine import Routine
from tests.unit.compiler.drawing import flow_of, step

#: A function inside a function is sent with the globals it uses.
A_GLOBAL_LOCK = threading.Lock()


class Holder(Routine):
    def __init__(self, thing: Any = None, *more: Any, **named: Any) -> None:
        super().__init__()
        self.thing = thing

    def setup(self) -> None:
        self.add_slot("input")


class Box:
    def __init__(self, content: Any) -> None:
        self.content = content


class Slotted:
    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def with_change(change: Callable[[Any], Any]) -> Routine:
    made = Holder()
    change(made)
    return made


def capturing() -> Any:
    captured_lock = threading.Lock()

    @routine
    def guarded(x: Any) -> Any:
        with captured_lock:
            return x

    return guarded.routine()


def capturing_further() -> Any:
    captured_lock = threading.Lock()

    def inner(x: Any) -> Any:
        return captured_lock, x

    def outer(x: Any) -> Any:
        return inner(x)

    return as_routine(outer)


def using_a_global() -> Any:
    def guarded(items: Any) -> Any:
        return [item for item in items if A_GLOBAL_LOCK]

    return as_routine(guarded)


def by_default() -> Any:
    def guarded(x: Any, lock: Any = threading.Lock()) -> Any:  # noqa: B008
        return x, lock

    return as_routine(guarded)


def in_a_class() -> Routine:
    class Local(Holder):
        def logic(self, x: Any) -> Any:
            return A_GLOBAL_LOCK, x

    return Local()


LOCK = threading.Lock
CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "argument": (lambda: Holder(LOCK()), "constructor argument 'thing' is a _thread.lock"),
    "named argument": (lambda: Holder(key=LOCK()), "constructor argument 'named'['key'] is"),
    "deep argument": (lambda: Holder(1, {"a": [0, LOCK()]}), "constructor argument 'more'[0]['a'][1] is"),
    "object": (lambda: Holder(Box(Slotted(LOCK()))), "constructor argument 'thing'.content.inner is"),
    "partial": (lambda: Holder(functools.partial(print, LOCK())), "constructor argument 'thing'.args[0] is"),
    "method": (lambda: Holder(LOCK().acquire), "constructor argument 'thing'.__self__ is"),
    "generator": (lambda: Holder(x for x in ()), "constructor argument 'thing' is a generator"),
    "attribute": (lambda: with_change(lambda r: setattr(r, "late", LOCK())), "attribute 'late' is"),
    "config": (lambda: with_change(lambda r: r.set_config(lock=LOCK())), "set_config 'lock' is"),
    "handler": (
        lambda: with_change(lambda r: r.add_slot("x", lambda _: A_GLOBAL_LOCK)),
        "global 'A_GLOBAL_LOCK' of slot 'x'[0] is",
    ),
    "state": (lambda: with_change(lambda r: r.add_state(lock=LOCK())), "add_state 'lock' is"),
    "closure": (capturing, "closure variable 'captured_lock' of function 'guarded' is"),
    "closure of a closure": (
        capturing_further,
        "closure variable 'captured_lock' of closure variable 'inner' of function 'outer' is",
    ),
    "global": (using_a_global, "global 'A_GLOBAL_LOCK' of function 'guarded' is"),
    "default": (by_default, "default of a parameter of function 'guarded' is"),
    "method of a local class": (in_a_class, "global 'A_GLOBAL_LOCK' of class Local.logic is"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_way_to_what_cannot_travel(case: str) -> None:
    make, way = CASES[case]
    [culprit] = culprits(make())
    assert culprit.startswith(way)
    assert "cannot pickle" in culprit
    assert "open()" in culprit


def test_the_advice_fits_the_place() -> None:
    [captured], [given] = culprits(capturing()), culprits(Holder(threading.Lock()))
    assert captured.endswith("create it inside the function, or write a rd.Routine that creates it in open()")
    assert given.endswith("create it in open(), from a description that can be sent (a path, a URL, settings)")


def test_all_culprits_of_a_routine_are_told() -> None:
    made = Holder(threading.Lock())
    made.other = threading.Lock()
    assert [c.split(" is ")[0] for c in culprits(made)] == ["constructor argument 'thing'", "attribute 'other'"]


def test_a_culprit_with_two_ways_is_told_once_by_the_shorter_one() -> None:
    lock = threading.Lock()
    made = Holder()
    made.box, made.lock = Box([lock]), lock
    assert [c.split(" is ")[0] for c in culprits(made)] == ["attribute 'lock'"]


def test_a_helper_that_knows_its_routine_is_not_to_blame() -> None:
    made = Holder()
    made.helper = Box(made)
    made.lock = threading.Lock()
    assert all("_thread.lock" in c for c in culprits(made))


def test_an_object_that_refuses_is_named_with_its_reason() -> None:
    [culprit] = culprits(Holder(Refuses()))
    assert "'thing' is a tests.unit.compiler.test_shipping.Refuses (RuntimeError: not me)" in culprit


class Refuses:
    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


@pytest.mark.parametrize(
    "made",
    [
        lambda: Holder({"a": 1}),
        lambda: as_routine(step),
        lambda: as_routine(lambda x: x),
        lambda: with_change(lambda r: r.add_slot("x", r.get_slot)),
    ],
)
def test_what_can_travel_has_no_culprits(made: Callable[[], Routine]) -> None:
    assert culprits(made()) == []


def test_what_is_sent_as_a_name_is_not_looked_into() -> None:
    """`step` is found by name on the worker: whatever its module holds is no obstacle."""
    assert list(parts_of(step)) == []
    assert list(parts_of(Holder)) == []


def test_only_faulty_routines_of_a_flow_are_named() -> None:
    flow = flow_of("good -> bad\ngood -> worse", {"bad": Holder(threading.Lock()), "worse": capturing()})
    faults, warnings = inspect_shipping(flow)
    assert [fault.partition(" cannot")[0] for fault in faults] == ["routine 'bad'", "routine 'worse'"]
    assert warnings == []


def test_the_error_handler_of_a_flow_travels_too() -> None:
    flow = flow_of("a", error_handler=ErrorHandler(classify=lambda exc: A_GLOBAL_LOCK))  # type: ignore[arg-type,return-value]
    [fault], _ = inspect_shipping(flow)
    assert fault.startswith("the flow's error handler cannot be sent to workers: classify holds a _thread.lock")


def test_a_load_is_noticed() -> None:
    flow = flow_of("a\nb", {"a": Holder(bytes(LARGE_BYTES)), "b": Holder(b"")})
    faults, [warning] = inspect_shipping(flow)
    assert faults == []
    assert warning.startswith("routine 'a': 16 MiB travel with every copy of it; load large data in open()")


def test_a_refusal_is_the_reason() -> None:
    assert refusal(threading.Lock()) == "TypeError: cannot pickle '_thread.lock' object"
    assert refusal(lambda: 1) == ""
