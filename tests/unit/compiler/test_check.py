"""Checking: each rule finds its fault and names thing, rule and fix; sound flows have none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.compiler.check import ADVICE, RULES, Report, check
from routilux_dist.flow.functions import routine
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine
from tests.unit.compiler.drawing import Counts, Made, Sums, changed, faults, flow_of, pair, report, step, warnings

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


class Totals(Counts):
    """Takes sums instead of what they are made of."""

    def __init__(self, slots: str = "input") -> None:
        super().__init__("")
        self.summed = slots

    def setup(self) -> None:
        super().setup()
        for slot in self.summed.split():
            self.add_slot(slot, combine=add)


def add(one: Any, other: Any) -> Any:
    return one + other


async def later(one: Any, other: Any) -> Any: ...


def test_messages_are_combined_where_nobody_counts_them() -> None:
    assert faults("a -> b", {"b": Totals()}) == ()
    fine = changed(Totals(), lambda r: r.set_activation_policy(rd.immediate()))
    assert faults("a -> b", {"b": fine}) == ()
    fine = changed(
        Counts(""), lambda r: r.add_slot("x", step, combine=add), lambda r: r.set_activation_policy(rd.batch(2))
    )
    assert faults("a -> b.x", {"b": fine}) == ()


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (
            lambda: changed(Made(""), lambda r: r.add_slot("input", combine=add)),
            "declares no state, so no messages belong",
        ),
        (
            lambda: changed(Totals(), lambda r: r.set_activation_policy(rd.batch(2))),
            "logic waits for several messages (batch",
        ),
        (
            lambda: changed(Totals(), lambda r: r.set_activation_policy(rd.every(2))),
            "logic waits for several messages (every",
        ),
        (lambda: changed(Totals(), lambda r: r.set_activation_policy(bool)), "logic waits for several messages ("),
        (
            lambda: changed(Counts(""), lambda r: r.add_slot("input", combine=len)),
            "len(obj, /), cannot take (first, second)",
        ),
        (lambda: changed(Counts(""), lambda r: r.add_slot("input", combine=later)), "is called and not awaited"),
    ],
)
def test_messages_that_cannot_be_combined(made: Callable[[], Made], says: str) -> None:
    [fault] = faults("a -> b", {"b": made()})
    assert fault.startswith(("combine= of slot 'b.input'", "routine 'b': combine= of slot 'input'"))
    assert says in fault


def test_a_join_does_not_combine() -> None:
    found = faults("a -> b.x\na -> b.y", {"b": Totals("x y")})
    assert len(found) == 2
    assert all("logic waits for several messages (all_ready" in fault for fault in found)


# ---- travelling ----------------------------------------------------------------------------------------------------


def test_what_cannot_travel_is_a_fault_only_if_it_has_to() -> None:
    lock = threading.Lock()
    flow = flow_of("a", {"a": lambda x: lock})
    assert check(flow, ship=False) == Report()
    [fault] = check(flow).faults
    assert fault.startswith("routine 'a' cannot be sent to workers: closure variable 'lock' of function")


# ---- advice --------------------------------------------------------------------------------------------------------


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


def test_a_pace_needs_a_coordinator_in_between() -> None:
    paced = routine(rate_limit=5)(step)
    [fault] = faults("a", {"a": paced}, execution_mode="sequential")
    assert "'a': rate_limit=5" in fault
    assert "sequential" in fault
    [fault] = faults("a -> a", {"a": paced}, entry="a", max_hops=3)
    assert "connected to itself" in fault
    assert faults("a -> b -> a", {"a": paced}, entry="a", max_hops=3) == ()
