"""Checking: each rule finds its fault and names thing, rule and fix; sound flows have none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from routilux_dist.compiler.check import ADVICE, RULES, Report, check
from routilux_dist.flow import activation
from routilux_dist.flow.functions import routine
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine
from tests.unit.compiler.drawing import Counts, Made, Sums, flow_of, pair, step


def report(drawing: str, routines: dict[str, Any] | None = None, *, need_entry: bool = True, **options: Any) -> Report:
    return check(flow_of(drawing, routines, **options), ship=False, need_entry=need_entry)


def faults(drawing: str, routines: dict[str, Any] | None = None, **options: Any) -> tuple[str, ...]:
    return report(drawing, routines, **options).faults


def warnings(drawing: str, routines: dict[str, Any] | None = None, **options: Any) -> tuple[str, ...]:
    found = report(drawing, routines, **options)
    assert found.faults == ()
    return found.warnings


def changed(made: Routine, *changes: Callable[[Any], Any]) -> Routine:
    for change in changes:
        change(made)
    return made


def policy(made: Routine, chosen: Any) -> Routine:
    return changed(made, lambda r: r.set_activation_policy(chosen))


# ---- sound flows ---------------------------------------------------------------------------------------------------

SOUND: dict[str, tuple[str, dict[str, Callable[[], Any]], dict[str, Any]]] = {
    "one routine": ("a", {}, {}),
    "a join": ("a -> p.left\na -> b -> p.right", {"p": pair}, {}),
    "a join in a cycle that is fed from outside": (
        "a -> p.left\na -> p.right\np -> b -> p.left",
        {"p": pair},
        {"max_hops": 9},
    ),
    "a bounded cycle": ("a -> b -> a", {}, {"entry": "a", "max_messages": 9}),
    "a cycle bounded in time": ("a -> b -> a", {}, {"entry": "a", "execution_timeout": 9}),
    "several beginnings": ("a -> c\nb -> c", {}, {"need_entry": False}),
    "a join that is posted to": ("p", {"p": pair}, {"need_entry": False}),
    "a handler for each slot": (
        "h -> b",
        {"h": lambda: changed(Made(""), lambda r: r.add_slot("x", len), lambda r: r.add_slot("y", len))},
        {"entry": "h.x"},
    ),
    "an optional slot with a handler": (
        "a -> b",
        {"b": lambda: changed(Made(), lambda r: r.add_slot("x", len, required=False))},
        {},
    ),
    "a required event that is connected": (
        "a.done -> b",
        {"a": lambda: changed(Made(), lambda r: r.add_event("done", required=True))},
        {},
    ),
    "a join that finish() feeds": ("a -> p.left\nsum -> p.right\na -> sum", {"p": pair, "sum": Sums}, {}),
    "a routine that only finishes": ("a -> b\nend -> b", {"end": lambda: Sums("")}, {"entry": "a"}),
    "async and stateful": ("a", {"a": lambda: AsyncCounts()}, {}),
}


class AsyncCounts(Counts):
    async def logic(self, x: Any) -> None: ...  # type: ignore[override]


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_flow(case: str) -> None:
    drawing, make, options = SOUND[case]
    assert report(drawing, {name: one() for name, one in make.items()}, **options) == Report()


# ---- the shape -----------------------------------------------------------------------------------------------------


def test_an_empty_flow() -> None:
    found = check(FlowModel("nothing"))
    assert found == Report(("flow 'nothing' is empty: add routines with flow.add_routine(…)",))


def test_an_entry_that_is_not_unique_matters_only_when_one_is_needed() -> None:
    [fault] = faults("a\nb")
    assert "2 routines have no incoming connection (a, b); say where messages enter: rd.Flow(…, entry='a')" in fault
    assert faults("a\nb", need_entry=False) == ()


def test_a_wrong_entry_is_wrong_even_when_none_is_needed() -> None:
    [fault] = faults("a", entry="b", need_entry=False)
    assert "no routine 'b'" in fault


def test_a_routine_without_slots() -> None:
    [fault] = faults("a\nb", {"b": Made("")}, entry="a")
    assert fault == "routine 'b' has no slots, so that it never runs; declare one in setup(): self.add_slot('input')"


def test_a_slot_that_nobody_listens_to() -> None:
    class Deaf(Routine):
        def setup(self) -> None:
            self.add_slot("left")
            self.add_slot("right")

    [fault] = faults("a -> b.left\na -> b.right", {"b": Deaf()})
    assert fault.startswith("slot 'b.left', 'b.right' has no handler, and routine 'b' has no logic")
    assert "write def logic(self, left, right), or give handler= to add_slot" in fault


def test_a_required_event_that_is_connected_to_nothing() -> None:
    made = changed(Made(), lambda r: r.add_event("done", required=True))
    [fault] = faults("a -> b", {"b": made})
    assert fault == (
        "event 'b.done' is required and connected to nothing; connect it to a slot, or declare it without required=True"
    )


# ---- what is fed ---------------------------------------------------------------------------------------------------


def test_a_slot_that_nobody_feeds() -> None:
    """::

    a --> p.left
     ?    p.right
    """
    [fault] = faults("a -> p.left", {"p": pair()})
    assert fault == (
        "slot 'p.right' is connected to nothing, while 'p.left' is fed; connect an event to it, "
        "or declare it with required=False if messages are posted to it"
    )


def test_a_slot_that_nobody_feeds_matters_even_if_logic_runs_without_it() -> None:
    made = policy(pair(), activation.immediate())
    assert len(faults("a -> p.left", {"p": made})) == 1


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


# ---- functions and resources ---------------------------------------------------------------------------------------


def test_functions_that_do_not_fit_name_their_routine() -> None:
    made = changed(Made(), lambda r: r.set_logic(lambda: None))
    [fault] = faults("b", {"b": made})
    assert fault.startswith("routine 'b': logic <lambda>() cannot take its slot (input)")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"num_gpus": 1.5},
            "num_gpus=1.5: more than one GPU has to be a whole number; use 1 or 2, or a fraction below 1",
        ),
        ({"num_cpus": 0.00001}, "CPU=1e-05: the smallest amount of a resource is 0.0001"),
        ({"resources": {"tape": 0.00005}}, "tape=5e-05: the smallest amount"),
    ],
)
def test_resources_that_nobody_has(options: dict[str, Any], says: str) -> None:
    [fault] = faults("a", {"a": routine(**options)(step)})
    assert f"routine 'a': {says}" in fault


@pytest.mark.parametrize("options", [{"num_gpus": 0.5}, {"num_gpus": 2.0}, {"num_cpus": 1.5}, {"num_cpus": 0}])
def test_resources_that_exist(options: dict[str, Any]) -> None:
    assert faults("a", {"a": routine(**options)(step)}) == ()


# ---- travelling ----------------------------------------------------------------------------------------------------


def test_what_cannot_travel_is_a_fault_only_if_it_has_to() -> None:
    lock = threading.Lock()
    flow = flow_of("a", {"a": lambda x: lock})
    assert check(flow, ship=False) == Report()
    [fault] = check(flow).faults
    assert fault.startswith("routine 'a' cannot be sent to workers: closure variable 'lock' of function")


# ---- advice --------------------------------------------------------------------------------------------------------


def test_what_no_message_reaches() -> None:
    [warning] = warnings("a -> b\nc -> d", entry="a")
    assert warning == (
        "no message gets to 'c', 'd': messages enter at a, and no way leads on from there; "
        "connect what is needed, remove the rest"
    )


def test_a_long_list_of_the_unreached_is_cut() -> None:
    [warning] = warnings("a\n" + " -> ".join(f"r{i}" for i in range(20)), entry="a")
    assert "'r7' and 12 more" in warning


def test_a_cycle_without_a_bound() -> None:
    """::

    a --> b --> c --> e
          ^-----'
    """
    [warning] = warnings("a -> b -> c -> e\nc -> b")
    assert warning == (
        "cycle b → c → b has no bound: the job runs for ever if messages go round and round; "
        "set max_hops= or max_messages= on the flow"
    )


def test_each_cycle_is_told_once() -> None:
    found = warnings("a -> a\na -> b -> c -> b\nc -> c", entry="a")
    assert [w.partition(" has")[0] for w in found] == ["cycle a → a", "cycle b → c → b"]


def test_a_huge_cycle_is_told_without_a_search() -> None:
    [warning] = warnings(" -> ".join([*(f"r{i}" for i in range(1200)), "r0"]), entry="r0")
    assert warning.startswith("cycle r0 → … → r0 has no bound")


def test_a_sequential_flow_whose_routines_want_different_places() -> None:
    wishes = {
        "a": routine(runtime_env={"pip": ["x"]})(step),
        "b": routine(runtime_env={"pip": ["y"]})(step),
        "c": routine(runtime_env={"pip": ["y"]})(step),
    }
    assert warnings("a -> b -> c", wishes) == ()
    [warning] = warnings("a -> b -> c", wishes, execution_mode="sequential")
    assert "different runtime_env: {'pip': ['x']} (a), {'pip': ['y']} (b); the last one counts" in warning


def test_actors_that_say_nothing() -> None:
    [stateful] = warnings("a", {"a": changed(Counts(), lambda r: r.set_options(actors=3))})
    assert stateful == "routine 'a': actors=3 says nothing here, because it is stateful: it keeps state per job"
    [sequential] = warnings("a", {"a": routine(actors=3)(step)}, execution_mode="sequential")
    assert sequential == "routine 'a': actors=3 says nothing here, because the flow is sequential"
    assert warnings("a", {"a": routine(actors=3)(step)}) == ()


# ---- all together --------------------------------------------------------------------------------------------------


def test_every_rule_says_what_it_demands() -> None:
    assert all(rule.__doc__ for rule in (*RULES, *ADVICE))


def test_all_faults_are_found_at_once() -> None:
    lock = threading.Lock()
    routines = {
        "p": pair(),
        "mute": Made(""),
        "odd": changed(Made(), lambda r: r.set_logic(lambda: None)),
        "gpu": routine(num_gpus=1.5)(step),
        "tied": lambda x: lock,
        "needy": changed(Made(), lambda r: r.add_event("done", required=True)),
    }
    flow = flow_of("a -> p.left\na -> odd\na -> gpu -> tied -> needy\nmute -> odd", routines)
    found = check(flow).faults
    about = ["entry is not unique", "'mute'", "'odd'", "'needy.done'", "'p.right'", "num_gpus", "'lock'"]
    assert len(found) == len(about)
    assert [part for part, fault in zip(about, found, strict=True) if part not in fault] == []


def test_faults_are_told_once() -> None:
    found = report("a -> p.left\na -> p.right\np -> p.left", {"p": pair()})
    assert len(set(found.warnings)) == len(found.warnings)
