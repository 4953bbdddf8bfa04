"""Declarations as records: what is kept for copies."""

from __future__ import annotations

from typing import Any

from routilux_dist.flow.declared import DECLARATIONS, Declared, Own, Phase, from_record, to_record
from routilux_dist.flow.routine import Routine


class Example(Routine):
    def method(self, payload: Any) -> Any:
        return payload

    def _hidden(self) -> None: ...

    alias = _hidden


def test_a_method_of_the_routine_is_kept_by_name() -> None:
    example, other = Example(), Example()
    record = to_record(example, example.method)
    assert isinstance(record, Own)
    assert record.name == "method"
    assert from_record(other, record) == other.method


def test_everything_else_is_kept_as_it_is() -> None:
    example, other = Example(), Example()
    for value in (1, "method", len, other.method, Example.method, None, "a".upper):
        assert to_record(example, value) is value
        assert from_record(example, value) is value


def test_a_method_under_another_name_is_found_by_its_own() -> None:
    example = Example()
    assert from_record(example, to_record(example, example.alias)) == example._hidden


def test_a_function_bound_by_hand_has_no_name_to_keep() -> None:
    example = Example()
    bound = (lambda self, payload: payload).__get__(example)
    assert to_record(example, bound) is bound


def test_every_declaration_can_be_called_by_its_name() -> None:
    """A recorded call holds the name: one that is missing could not be replayed."""
    used = {"add_slot", "set_handler", "add_event", "add_state", "set_activation_policy", "set_logic"}
    assert set(DECLARATIONS) == used | {"set_config", "set_options", "set_error_handler"}


def test_a_new_routine_has_declared_nothing() -> None:
    declared = Declared((), {})
    assert (declared.slots, declared.events, declared.late, declared.phase) == ({}, {}, [], Phase.INIT)
