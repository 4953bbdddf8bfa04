"""Facts: what has to be known of a routine before it is placed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.compiler.facts import Facts, look
from routilux_dist.flow import activation
from routilux_dist.flow.functions import as_routine, routine
from routilux_dist.flow.routine import Routine
from tests.unit.compiler.drawing import Counts, Made, Opens, Sums, pair


def facts_of(made: Any, *changes: Callable[[Routine], Any]) -> Facts:
    made = as_routine(made)
    for change in changes:
        change(made)
    return look("it", made)


def test_a_plain_function_is_stateless_and_light() -> None:
    facts = facts_of(len)
    assert (facts.id, facts.label, facts.logic_slots) == ("it", "len", ("input",))
    assert (facts.stateful, facts.keyed, facts.has_finish, facts.flushes) == ((), False, False, False)
    assert (facts.has_open, facts.is_async, facts.scope) == (False, False, "job")


def test_a_label_is_a_name_or_a_class() -> None:
    assert facts_of(Made()).label == "Made"
    assert facts_of(Routine("double")).label == "double"


def test_slots_with_a_handler_do_not_go_to_logic() -> None:
    made = Made("a b")
    made.add_slot("c", handler=len)
    assert facts_of(made).logic_slots == ("a", "b")


STATEFUL: dict[str, tuple[Routine, list[Callable[[Any], Any]], tuple[str, ...]]] = {
    "state": (Counts(), [], ("it keeps state per job",)),
    "state of the flow": (Made(), [lambda r: r.add_state(scope="worker")], ("it keeps state per running flow",)),
    "keyed state": (Made(), [lambda r: r.add_state(key="user")], ("it keeps state per job by key",)),
    "finish": (Sums(), [], ("it keeps state per job", "it has finish()")),
    "merge": (Made(""), [lambda r: r.add_slot("x", len, "append")], ("slot x merges",)),
    "join": (pair(), [], ("logic joins 2 slots",)),
    "batch": (
        Made(),
        [lambda r: r.set_activation_policy(activation.batch(3))],
        ("policy batch(3) keeps messages waiting",),
    ),
    "every": (
        Made(),
        [lambda r: r.set_activation_policy(activation.every(3))],
        ("policy every(3) keeps messages waiting",),
    ),
}


@pytest.mark.parametrize("case", STATEFUL)
def test_why_a_routine_is_stateful(case: str) -> None:
    made, changes, reasons = STATEFUL[case]
    assert facts_of(made, *changes).stateful == reasons


def test_what_does_not_make_it_stateful() -> None:
    """A join with immediate() waits for nothing, and a policy without logic decides nothing."""
    assert facts_of(pair(), lambda r: r.set_activation_policy(activation.immediate())).stateful == ()
    only_handlers = Made("")
    only_handlers.add_slot("a", len)
    only_handlers.add_slot("b", len)
    only_handlers.set_activation_policy(activation.batch(3))
    assert facts_of(only_handlers).stateful == ()
    assert not facts_of(only_handlers).flushes


def test_scope_and_key() -> None:
    facts = facts_of(Made(), lambda r: r.add_state(scope="worker", key="user"))
    assert (facts.scope, facts.keyed) == ("worker", True)


@pytest.mark.parametrize(
    ("policy", "flushes"),
    [(activation.batch(2), True), (activation.every(1), True), (activation.immediate(), False), (bool, False)],
)
def test_what_is_flushed_at_the_end(policy: Any, flushes: bool) -> None:
    assert facts_of(Made(), lambda r: r.set_activation_policy(policy)).flushes is flushes


def test_life_cycle_methods_are_noticed() -> None:
    assert facts_of(Opens()).has_open
    assert facts_of(Sums()).has_finish


def test_one_async_function_makes_it_async() -> None:
    async def coroutine(x: Any) -> Any:
        return x

    assert facts_of(coroutine).is_async
    assert facts_of(routine(coroutine)).is_async
    assert facts_of(Made(), lambda r: r.add_slot("x", coroutine)).is_async
    assert not facts_of(Made(), lambda r: r.add_slot("x", len)).is_async
