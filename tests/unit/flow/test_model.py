"""The graph: adding, connecting, and finding where messages enter."""

from __future__ import annotations

from typing import Any

import pytest

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.model import Connection, ExecutionMode, FlowModel, Limits
from routilux_dist.flow.routine import Routine


def step(x: Any) -> Any:
    return x


class Ports(Routine):
    """Any ports; "error" is one that every routine has."""

    def __init__(self, slots: str = "", events: str = "") -> None:
        super().__init__()
        self.slots, self.events = slots.split(), events.split()

    def setup(self) -> None:
        for slot in self.slots:
            self.add_slot(slot)
        for event in self.events:
            self.add_event(event)


def chain(*names: str, **options: Any) -> FlowModel:
    flow = FlowModel("chain", **options)
    for name in names:
        flow.add_routine(step, name)
    return flow.pipe(*names) if len(names) > 1 else flow


# ---- options -------------------------------------------------------------------------------------------------------


def test_options_of_a_flow() -> None:
    handler = ErrorHandler()
    flow = FlowModel("f", execution_mode="sequential", max_workers=2, error_handler=handler, max_hops=3)
    assert flow.execution_mode is ExecutionMode.SEQUENTIAL
    assert (flow.max_workers, flow.error_handler, flow.limits) == (2, handler, Limits(max_hops=3))
    assert str(flow.execution_mode) == "sequential"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"execution_mode": "parallel"},
            "execution_mode='parallel'; use one of 'distributed', 'concurrent', 'sequential'",
        ),
        ({"max_workers": 0}, "max_workers=0: has to be a whole number of at least 1"),
        ({"max_workers": "2"}, "max_workers='2'"),
        ({"max_mesages": 3}, "unknown option 'max_mesages'; did you mean 'max_messages'"),
        ({"max_messages": 0}, "max_messages=0: has to be a whole number of at least 1"),
        ({"execution_timeout": "5"}, "execution_timeout='5': has to be seconds greater than 0"),
        ({"max_hops": float("nan")}, "max_hops=nan"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FlowModel("f", **options)
    assert says in caught.value.message
    assert "flow 'f'" in caught.value.message


def test_all_senseless_limits_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        FlowModel("f", max_messages=0, max_hops=-1)
    assert len(caught.value.problems) == 2


def test_the_flow_handler_is_one() -> None:
    flow = FlowModel("f")
    flow.set_error_handler(ErrorHandler())
    assert flow.error_handler == ErrorHandler()
    with pytest.raises(ConfigurationError, match=r"takes an rd.ErrorHandler"):
        flow.set_error_handler("stop")  # type: ignore[arg-type]


# ---- routines ------------------------------------------------------------------------------------------------------


def test_ids_come_from_names() -> None:
    flow = FlowModel()
    assert [flow.add_routine(r) for r in (step, Routine("two words"), Ports(), lambda x: x)] == [
        *("step", "two_words", "Ports", "_lambda_"),
    ]
    assert list(flow.routines) == ["step", "two_words", "Ports", "_lambda_"]


def test_an_id_is_taken_once() -> None:
    flow = chain("a")
    with pytest.raises(ConfigurationError, match=r"flow 'chain' has a routine 'a' already.*such as 'a_2'"):
        flow.add_routine(step, "a")
    flow.add_routine(step, "a_2")
    with pytest.raises(ConfigurationError, match="such as 'a_3'"):
        flow.add_routine(step, "a")


def test_a_routine_object_has_one_place() -> None:
    made, flow = Ports("input"), FlowModel("one")
    flow.add_routine(made, "first")
    for other in (flow, FlowModel("two")):
        with pytest.raises(ConfigurationError, match=r"'first' belongs to flow 'one' already.*make another Ports"):
            other.add_routine(made, "second")


def test_what_was_refused_is_not_added() -> None:
    flow = FlowModel("f")
    for thing, name in ((3, "x"), (step, "two words"), (Ports, "x")):
        with pytest.raises(ConfigurationError):
            flow.add_routine(thing, name)
    assert not flow.routines


def test_the_routines_cannot_be_changed_from_outside() -> None:
    with pytest.raises(TypeError):
        chain("a").routines["b"] = Ports()  # type: ignore[index]


def test_a_missing_routine_is_told_with_what_there_is() -> None:
    with pytest.raises(ConfigurationError, match="flow 'chain' has no routine 'claen'; did you mean 'clean'"):
        chain("clean", "other").routine("claen")
    with pytest.raises(ConfigurationError, match="no routine"):
        chain("clean").routine(["clean"])  # type: ignore[arg-type]


# ---- connections ---------------------------------------------------------------------------------------------------

EDGE = Connection("a", "output", "b", "input")


def unconnected() -> FlowModel:
    flow = FlowModel("f")
    flow.add_routine(step, "a")
    flow.add_routine(step, "b")
    return flow


def test_all_forms_make_the_same_connection_once() -> None:
    flow = unconnected()
    assert flow.connect("a.output", "b.input") is flow
    flow.connect("a", "output", "b", "input")
    flow.pipe("a", "b")
    flow.routines["a"].get_event("output").connect(flow.routines["b"].get_slot("input"))
    assert flow.connections == (EDGE,)
    assert str(EDGE) == "a.output -> b.input"
    assert repr(flow) == "<FlowModel 'f': 2 routines, 1 connections>"


@pytest.mark.parametrize("path", ["a", "a.output.more", "", ".", "a.", ".output", None, 3])
def test_a_path_names_routine_and_port(path: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        unconnected().connect(path, "b.input")
    assert f"{path!r} does not name an event: write 'routine.event'" in caught.value.message
    with pytest.raises(ConfigurationError, match=r"does not name a slot: write 'routine.slot'"):
        unconnected().connect("a.output", path)


@pytest.mark.parametrize("ports", [("b",), ("b", "input", "more")])
def test_connect_takes_two_or_four_words(ports: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match=f"got {2 + len(ports)} words"):
        unconnected().connect("a", "output", *ports)


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("c.output", "b.input", "no routine 'c'"),
        ("a.outptu", "b.input", "did you mean 'output'"),
        ("a.output", "c.input", "no routine 'c'"),
        ("a.output", "b.inptu", "did you mean 'input'"),
        ("a.input", "b.input", "no event 'input'"),
    ],
)
def test_both_ends_exist(source: str, target: str, says: str) -> None:
    flow = unconnected()
    with pytest.raises(ConfigurationError, match=says):
        flow.connect(source, target)
    assert flow.connections == ()


def test_cycles_and_many_to_many_are_fine() -> None:
    flow = unconnected()
    for source in "ab":
        for target in "ab":
            flow.connect(f"{source}.output", f"{target}.input")
    assert len(flow.connections) == 4


@pytest.mark.parametrize(
    ("events", "slots", "edge"),
    [
        ("done", "data", "done data"),
        ("other output", "other input", "output input"),
        ("done error", "data", "done data"),
    ],
)
def test_pipe_takes_the_default_ports(events: str, slots: str, edge: str) -> None:
    flow = FlowModel()
    flow.add_routine(Ports("input", events), "a")
    flow.add_routine(Ports(slots, "output"), "b")
    flow.pipe("a", "b")
    event, slot = edge.split()
    assert flow.connections == (Connection("a", event, "b", slot),)


def test_pipe_says_which_port_to_name() -> None:
    flow = FlowModel()
    flow.add_routine(Ports("input", "left right"), "a")
    flow.add_routine(Ports("x y", ""), "b")
    with pytest.raises(ConfigurationError, match=r"'a' has no default event: it has 2 \(left, right\).*'a.event'"):
        flow.pipe("a", "b")
    with pytest.raises(ConfigurationError, match=r"'b' has no default slot: it has 2 \(x, y\).*'b.slot'"):
        flow.default_slot("b")
    with pytest.raises(ConfigurationError, match=r"'b' has no default event: it has 0 \(none\)"):
        flow.default_event("b")
    with pytest.raises(ConfigurationError, match="two or more routines, got 1"):
        flow.pipe("a")


# ---- entries -------------------------------------------------------------------------------------------------------


def test_the_entry_is_the_only_routine_that_nobody_feeds() -> None:
    flow = chain("a", "b", "c")
    assert flow.entries() == ["a"]
    assert flow.entry_slot() == ("a", "input")


def test_an_entry_can_be_named() -> None:
    flow = chain("a", "b", "c", entry="b")
    assert flow.entry_slot() == ("b", "input")
    assert flow.entry_slot("c.input") == ("c", "input")


@pytest.mark.parametrize(
    ("entry", "says"),
    [("c", "no routine 'c'"), ("a.inptu", "did you mean 'input'"), ("a.", "does not name a slot")],
)
def test_a_named_entry_exists(entry: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        chain("a", "b").entry_slot(entry)


def test_why_an_entry_is_not_unique() -> None:
    two, ring = FlowModel("two"), chain("a", "b")
    two.add_routine(step, "left")
    two.add_routine(step, "right")
    ring.connect("b.output", "a.input")
    for flow, says in (
        (two, r"2 routines have no incoming connection \(left, right\).*entry='left'"),
        (ring, r"every routine has an incoming connection.*entry='a'"),
        (FlowModel("none"), r"flow 'none' is empty: add routines"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            flow.entry_slot()
