"""Rules about messages: whether they get to where they are waited for. Each test draws its flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.flow import activation
from routilux_dist.flow.routine import Routine
from tests.unit.compiler.drawing import Made, changed, faults, pair, policy, report, warnings

# ---- what is fed ---------------------------------------------------------------------------------------------------


def test_a_slot_that_nobody_feeds() -> None:
    """::

    a --> p.left
     ?    p.right
    """
    [fault] = faults("a -> p.left", {"p": pair()})
    assert fault == (
        "slot 'p.right' is connected to nothing, while 'p.left' is fed, and logic waits for both; "
        "connect an event to it, or declare it with required=False if messages are posted to it"
    )


@pytest.mark.parametrize(
    "made",
    [
        lambda: policy(pair(), activation.immediate()),
        lambda: changed(Made("left"), lambda r: r.add_slot("right", len)),
        lambda: changed(Made("right"), lambda r: r.add_slot("left", len)),
    ],
    ids=["immediate", "another slot has a handler", "the fed slot has a handler"],
)
def test_a_slot_that_nobody_feeds_is_only_odd_if_logic_runs_without_it(made: Callable[[], Routine]) -> None:
    [warning] = warnings("a -> p.left", {"p": made()})
    assert warning == (
        "slot 'p.right' is connected to nothing, while 'p.left' is fed; "
        "connect an event to it, or declare it with required=False if messages are posted to it"
    )


def test_the_slot_that_logic_waits_for_is_named_with_its_partner() -> None:
    made = changed(
        Made(""), lambda r: r.add_slot("signal", len), lambda r: r.add_slot("left"), lambda r: r.add_slot("right")
    )
    [fault] = faults("a -> p.signal\na -> p.right", {"p": made})
    assert fault.startswith("slot 'p.left' is connected to nothing, while 'p.right' is fed, and logic waits for both")


def test_an_optional_slot_may_stay_unconnected() -> None:
    made = changed(Made(), lambda r: r.add_slot("settings", len, required=False))
    assert faults("a -> b", {"b": made}) == ()


def test_an_optional_slot_that_logic_waits_for_is_odd() -> None:
    made = changed(Made(), lambda r: r.add_slot("settings", required=False))
    [warning] = warnings("a -> b", {"b": made})
    assert warning == (
        "slot 'b.settings' may stay unconnected, but all_ready() makes logic wait for it: logic runs only if messages "
        "are posted to it; use rd.immediate(), or give it a handler"
    )


def test_an_entry_with_two_slots_of_which_one_is_fed() -> None:
    """A message enters at ``p.left``; nobody ever brings the other one."""
    [fault] = faults("p", {"p": pair()}, entry="p.left")
    assert fault == (
        "routine 'p': logic never gets ready: all_ready() waits for every slot, and 'p.right' is connected to nothing; "
        "connect an event to it, or use rd.immediate()"
    )


# ---- joins that never get ready ------------------------------------------------------------------------------------


def test_a_join_that_needs_its_own_output() -> None:
    """::

    a --> p.left     p --> fix --> p.right
    """
    [fault] = faults("a -> p.left\np -> fix -> p.right", {"p": pair()}, max_hops=9)
    assert fault == (
        "routine 'p': logic never gets ready: all_ready() waits for every slot, and 'p.right' gets messages only from "
        "its own cycle (p → fix → p), which cannot begin; feed it from outside too, use rd.immediate(), "
        "or give it a handler"
    )


def test_a_join_that_feeds_itself() -> None:
    [fault] = faults("a -> p.left\np -> p.right", {"p": pair()}, max_hops=9)
    assert "only from its own cycle (p → p)" in fault


def test_two_joins_that_wait_for_each_other() -> None:
    """::

    a --> p.left    p --> q.right
    a --> q.left    q --> p.right
    """
    found = faults("a -> p.left\na -> q.left\np -> q.right\nq -> p.right", {"p": pair(), "q": pair()}, max_hops=9)
    assert [fault.partition(":")[0] for fault in found] == ["routine 'p'", "routine 'q'"]


def test_a_batch_that_can_never_be_full() -> None:
    made = policy(pair(), activation.batch(3))
    [fault] = faults("p", {"p": made}, entry="p.left")
    assert "batch(3) waits for every slot" in fault


@pytest.mark.parametrize("chosen", [activation.immediate(), activation.every(1), lambda slots: True])
def test_a_policy_that_does_not_wait_for_all(chosen: Any) -> None:
    made = policy(pair(), chosen)
    assert faults("a -> p.left\np -> p.right", {"p": made}, max_hops=9) == ()


def test_only_the_cause_is_named_and_not_what_follows() -> None:
    """``p`` waits for itself; ``q`` and ``r`` only wait for ``p``::

    a --> p.left     p --> q.right    q --> r.right
          p.right <--'
    a --> q.left                      a --> r.left
    """
    joins = {name: pair() for name in "pqr"}
    drawing = "a -> p.left\np -> p.right\na -> q.left\np -> q.right\na -> r.left\nq -> r.right"
    [fault] = faults(drawing, joins, max_hops=9)
    assert fault.startswith("routine 'p'")


def test_an_unfed_slot_is_the_cause_of_what_follows() -> None:
    """::

    a --> p.left   p --> q.left
     ?    p.right  a --> q.right
    """
    [fault] = faults("a -> p.left\np -> q.left\na -> q.right", {"p": pair(), "q": pair()})
    assert fault.startswith("slot 'p.right' is connected to nothing")


def test_a_join_that_waits_for_what_no_message_reaches() -> None:
    """::

    entry: a --> p.left     lost --> p.right
    """
    found = report("a -> p.left\nlost -> p.right", {"p": pair()}, entry="a")
    [fault], [warning] = found.faults, found.warnings
    assert "'p.right' gets messages only from 'lost', which no message reaches; connect that first" in fault
    assert "no message gets to 'lost'" in warning


def test_a_handler_in_the_cycle_begins_it() -> None:
    made = changed(pair(), lambda r: r.add_slot("seed", len))
    assert faults("a -> p.seed\na -> p.left\np -> p.right", {"p": made}, max_hops=9) == ()


def test_faults_about_a_large_cycle_stay_short() -> None:
    ring = " -> ".join(f"r{i}" for i in range(40))
    [fault] = faults(f"a -> p.left\np -> {ring} -> p.right", {"p": pair()}, max_hops=99)
    assert "(p → r0 → r1 → r2 → … → r39 → p)" in fault


# ---- what no message reaches ----


def test_what_no_message_reaches() -> None:
    [warning] = warnings("a -> b\nc -> d", entry="a")
    assert warning == (
        "no message gets to 'c', 'd': messages enter at a, and no way leads on from there; "
        "connect what is needed, remove the rest"
    )


def test_a_long_list_of_the_unreached_is_cut() -> None:
    [warning] = warnings("a\n" + " -> ".join(f"r{i}" for i in range(20)), entry="a")
    assert "'r7' and 12 more" in warning
