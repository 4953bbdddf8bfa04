"""Slots and events: connecting from port to port, and slots as decorators."""

from __future__ import annotations

import pytest

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.model import Connection, FlowModel
from routilux_dist.flow.routine import Routine


def routine(name: str) -> Routine:
    made = Routine(name)
    made.add_slot("input")
    made.add_event("output")
    return made


def test_an_event_connects_to_a_slot_of_its_flow() -> None:
    flow, a, b = FlowModel(), routine("a"), routine("b")
    flow.add_routine(a, "first")
    flow.add_routine(b, "second")
    event = a.get_event("output")
    assert event.connect(b.get_slot("input")) is event
    assert flow.connections == (Connection("first", "output", "second", "input"),)


def test_the_error_event_connects_too() -> None:
    flow, a, b = FlowModel(), routine("a"), routine("b")
    flow.add_routine(a)
    flow.add_routine(b)
    a.get_event("error").connect(b.get_slot("input"))
    assert flow.connections == (Connection("a", "error", "b", "input"),)


def test_both_ends_are_in_a_flow() -> None:
    flow, a, b = FlowModel(), routine("a"), routine("b")
    with pytest.raises(ConfigurationError, match=r"'a' is in no flow yet.*add_routine"):
        a.get_event("output").connect(b.get_slot("input"))
    flow.add_routine(a)
    with pytest.raises(ConfigurationError, match="'b' is in no flow yet"):
        a.get_event("output").connect(b.get_slot("input"))


def test_both_ends_are_in_one_flow() -> None:
    here, there, a, b = FlowModel("here"), FlowModel("there"), routine("a"), routine("b")
    here.add_routine(a)
    there.add_routine(b)
    with pytest.raises(ConfigurationError, match=r"here:a\.output to there:b\.input.*one flow"):
        a.get_event("output").connect(b.get_slot("input"))


def test_an_event_connects_to_nothing_but_a_slot() -> None:
    a, b = routine("a"), routine("b")
    with pytest.raises(ConfigurationError, match=r"connects to a slot.*get_slot"):
        a.get_event("output").connect(b.get_event("output"))  # type: ignore[arg-type]


def test_a_slot_decorates_its_handler() -> None:
    made = Routine("made")

    @made.add_slot("input")
    def on_input(payload: object) -> object:
        return payload

    assert made.get_slot("input").handler is on_input
    assert on_input(3) == 3


def test_ports_tell_where_they_belong() -> None:
    made = routine("made")
    assert repr(made.get_slot("input")) == "Slot(made.input)"
    assert repr(made.get_event("output")) == "Event(made.output)"


@pytest.mark.parametrize("name", ["two words", "a.b", "", None])
def test_port_names_follow_the_rule(name: str) -> None:
    with pytest.raises(ConfigurationError, match="slot name"):
        Routine("made").add_slot(name)
    with pytest.raises(ConfigurationError, match="event name"):
        Routine("made").add_event(name)
