"""The records of a plan, and how needs read."""

from __future__ import annotations

import dataclasses

import pytest

from routilux_dist.plan.plan import GroupKind, Needs, PortKind, PortPlan
from tests.unit.plan.example import words


def test_a_port_is_called_as_users_write_it() -> None:
    assert PortPlan(0, PortKind.SLOT, "clean", "input", 0).path == "clean.input"


def test_a_slot_is_found_by_routine_and_name() -> None:
    plan = words()
    port = plan.slot("pair", "right")
    assert (port.routine, port.name, port.kind) == ("pair", "right", PortKind.SLOT)
    assert plan.ports[port.index] is port


def test_outputs_are_named_in_order() -> None:
    assert words().names() == ("by_user.output", "pair.output")


def test_a_plan_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        words().flow = "other"  # type: ignore[misc]


def test_amounts_leave_out_what_is_not_needed() -> None:
    needs = Needs(num_cpus=2, memory=5, resources=(("tape", 1),))
    assert needs.amounts() == {"CPU": 2, "memory": 5, "tape": 1}
    assert Needs(num_cpus=0).amounts() == {}


@pytest.mark.parametrize(
    ("needs", "text"),
    [
        (Needs(), "1 CPU by default"),
        (Needs(explicit_cpus=True), "1 CPU"),
        (Needs(num_cpus=0.5, num_gpus=2, explicit_cpus=True), "0.5 CPU, 2 GPU"),
        (Needs(memory=3 * 2**20, resources=(("tape", 1),)), "1 CPU by default, 3 MiB memory, 1 tape"),
        (Needs(num_cpus=0), "nothing"),
        (Needs(extra=(("accelerator_type", "A100"),)), "1 CPU by default, accelerator_type='A100'"),
    ],
)
def test_needs_in_words(needs: Needs, text: str) -> None:
    assert str(needs) == text


def test_every_kind_of_group_is_in_the_example() -> None:
    """The example is there to show them all."""
    kinds = {group.kind for group in words().groups} | {group.kind for group in words("sequential").groups}
    assert kinds == set(GroupKind)
