"""Mistakes: each is answered with its kind of error, and a text that names the thing, the rule and the fix.

A mistake in one message leaves the other messages of its job alone, unless the strategy is STOP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import Pair, double, each, increment, same
from tests.conformance.routines.stateful import CountByKey
from tests.conformance.routines.styles import DottedEvent, Hoarder, Holder, Lockable, Misspelt, SpacedSlot, area, shout
from tests.conformance.support import build, completed, ended, failure, root_cause, run


def told(error: BaseException | str, *words: str) -> None:
    """The text has all the words, whatever their case."""
    text = str(error).lower()
    missing = [word for word in words if word.lower() not in text]
    assert not missing, f"{missing} not in: {error}"


def one_is_wrong(
    runtime: rd.Runtime, make: Callable[[], Any], wrong: Any, right: Sequence[Any]
) -> tuple[str, list[Any]]:
    """Send one wrong message among right ones, once with STOP and once with CONTINUE.

    Args:
        runtime: Where to run.
        make: Gives the routine that does not like the wrong message.
        wrong: Its payload.
        right: Payloads of the others.

    Returns:
        The root cause with which STOP fails the job; what the right messages gave under CONTINUE.
    """
    flow = build({"each": each, "strict": make()}, "each -> strict")
    error = failure(ended(runtime, flow, [*right, wrong]))
    told(error, "strict", flow.name)

    lenient = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)
    flow = build({"each": each, "strict": make()}, "each -> strict", error_handler=lenient)
    job = completed(runtime, flow, [right[0], wrong, *right[1:]])
    assert [letter.payload for letter in job.dead_letters] == [wrong]
    return root_cause(error), job.result(timeout=0)["strict.output"]


# ---- payloads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (5, ("dict", "int", "width", "height")),
        (None, ("dict", "none", "width", "height")),
        ([1, 2], ("dict", "list", "width", "height")),
        ({"width": 1}, ("missing", "height")),
        ({"width": 1, "height": 2, "depth": 3}, ("depth", "**")),
    ],
    ids=["number", "none", "list", "missing", "unknown"],
)
def test_a_payload_that_does_not_fit_the_parameters(runtime: rd.Runtime, wrong: Any, words: tuple[str, ...]) -> None:
    cause, outputs = one_is_wrong(runtime, lambda: area, wrong, [{"width": 1, "height": 2}, {"width": 2, "height": 2}])
    told(cause, "ValidationError", "area", *words)
    assert sorted(outputs) == ["2 m2", "4 m2"]


def test_a_payload_of_the_wrong_type(runtime: rd.Runtime) -> None:
    cause, outputs = one_is_wrong(runtime, lambda: increment, "text", [1, 2, 3])
    told(cause, "TypeError")
    assert sorted(outputs) == [2, 3, 4]


@pytest.mark.parametrize("wrong", [{"other": 1}, 7], ids=["no such field", "no fields"])
def test_a_payload_without_the_key_of_the_state(runtime: rd.Runtime, wrong: Any) -> None:
    cause, outputs = one_is_wrong(runtime, CountByKey, wrong, [{"key": "a"}, {"key": "b"}])
    told(cause, "ValidationError", "'key'")
    assert sorted(outputs) == [("a", 1), ("b", 1)]


def test_a_key_of_a_type_that_cannot_be_a_key(runtime: rd.Runtime) -> None:
    cause, outputs = one_is_wrong(runtime, CountByKey, {"key": ["a", "list"]}, [{"key": "a"}, {"key": "b"}])
    told(cause, "ValidationError", "list", "key", "str", "tuple")
    assert sorted(outputs) == [("a", 1), ("b", 1)]


def test_empty_input_is_input(runtime: rd.Runtime) -> None:
    flow = build({"same": same, "list": listed}, "same -> list")
    for empty in ("", [], {}, 0, b"", (), False):
        assert run(runtime, flow, empty) == {"list.output": [[empty]]}
    assert run(runtime, build({"each": each, "same": same}, "each -> same"), []) == {"same.output": []}


@rd.routine
def listed(x):
    return [x]


# ---- what a routine must not do -------------------------------------------------------------------------------------


def test_emit_on_an_unknown_event(runtime: rd.Runtime) -> None:
    cause, outputs = one_is_wrong(runtime, Misspelt, 3, [2, 4])
    told(cause, "ConfigurationError", "'outptu'", "did you mean", "'output'")
    assert sorted(outputs) == [2, 4]


def test_writing_an_attribute_while_running(runtime: rd.Runtime) -> None:
    cause, outputs = one_is_wrong(runtime, Hoarder, 3, [2, 4])
    told(cause, "StateError", "counter", "self.state", "job data")
    assert sorted(outputs) == [2, 4]


def test_emitting_outside_of_a_run() -> None:
    with pytest.raises(rd.StateError) as caught:
        Misspelt().emit("output", 1)
    told(caught.value, "output", "flow.run")


# ---- a flow that is drawn wrongly -----------------------------------------------------------------------------------


def refusal(act: Callable[[], Any]) -> rd.ConfigurationError:
    """The error with which a wrong step is refused."""
    with pytest.raises(rd.ConfigurationError) as caught:
        act()
    return caught.value


def test_connecting_across_flows() -> None:
    here, there = Lockable(), Lockable()
    one, two = build({"here": here}, name="one"), build({"there": there}, name="two")
    error = refusal(lambda: here.get_event("output").connect(there.get_slot("input")))
    told(error, one.name, two.name, "here", "there", "one flow")


def test_connecting_to_a_routine_of_another_flow_by_its_id() -> None:
    build({"there": same})
    flow = build({"here": same})
    told(refusal(lambda: flow.connect("here.output", "there.input")), "'there'", flow.name, "'here'")


def test_connecting_a_routine_that_is_in_no_flow() -> None:
    here = Lockable()
    build({"here": here})
    told(refusal(lambda: here.get_event("output").connect(Lockable().get_slot("input"))), "Lockable", "add_routine")


@pytest.mark.parametrize(
    ("source", "target", "wrong", "right"),
    [
        ("double.outptu", "increment.input", "outptu", "output"),
        ("double.output", "increment.inptu", "inptu", "input"),
        ("duoble.output", "increment.input", "duoble", "double"),
        ("double.output", "incremnt.input", "incremnt", "increment"),
    ],
)
def test_an_unknown_port_or_routine(source: str, target: str, wrong: str, right: str) -> None:
    flow = build({"double": double, "increment": increment})
    told(refusal(lambda: flow.connect(source, target)), f"'{wrong}'", f"did you mean '{right}'")


@pytest.mark.parametrize("path", ["double", "double.output.more", "", ".", None, 3])
def test_a_connection_that_names_no_port(path: Any) -> None:
    flow = build({"double": double, "increment": increment})
    told(refusal(lambda: flow.connect(path, "increment.input")), repr(path) if path else "", "event")


def test_a_duplicate_id() -> None:
    flow = build({"double": double}, name="twins")
    told(refusal(lambda: flow.add_routine(increment, "double")), "'double'", flow.name, "already", "unique")
    assert list(flow.routines) == ["double"]


def test_one_routine_object_in_two_places() -> None:
    routine = Lockable()
    flow = build({"first": routine})
    told(refusal(lambda: flow.add_routine(routine, "second")), "'first'", flow.name, "another Lockable")


def test_a_class_in_place_of_a_routine() -> None:
    told(refusal(lambda: build({"pair": Pair})), "Pair", "instance", "Pair(")


@pytest.mark.parametrize("thing", [None, 3, "double", [double]])
def test_something_that_is_no_routine(thing: Any) -> None:
    told(refusal(lambda: build({"thing": thing})), type(thing).__name__, "routine", "function")


def test_a_function_without_parameters() -> None:
    told(refusal(lambda: build({"f": lambda: 1})), "lambda", "parameter")


def test_a_slot_name_with_spaces() -> None:
    told(refusal(SpacedSlot), "slot", "'my slot'", "letters", "'my_slot'")


def test_an_event_name_with_a_dot() -> None:
    told(refusal(DottedEvent), "event", "'out.put'", "letters", "'out_put'")


@pytest.mark.parametrize("name", ["two words", "a.b", "", "ä/b", "1st", 5, None])
def test_an_id_that_is_not_allowed(name: Any) -> None:
    if name is not None:
        told(refusal(lambda: rd.Flow("fine").add_routine(double, name)), "routine", repr(name))
    told(refusal(lambda: rd.Flow(name)), "flow", repr(name))


def test_the_same_slot_twice() -> None:
    routine = rd.Routine("twice")
    routine.define_slot("input")
    told(refusal(lambda: routine.define_slot("input")), "twice", "'input'", "already")


def test_an_unknown_merge_strategy() -> None:
    told(
        refusal(lambda: rd.Routine("m").define_slot("input", merge="apend")),
        "'input'",
        "'apend'",
        "'append'",
        "'override'",
    )


def test_an_unknown_option() -> None:
    told(refusal(lambda: rd.routine(num_cpu=2)(len)), "'num_cpu'", "did you mean 'num_cpus'")
    told(refusal(lambda: rd.Flow("f", max_mesages=3)), "'max_mesages'", "did you mean 'max_messages'")


def test_an_entry_that_is_not_unique(runtime: rd.Runtime) -> None:
    flow = build({"left": double, "right": increment}, name="two_doors")
    told(refusal(lambda: runtime.submit(flow, 1)), flow.name, "left", "right", "entry=")


def test_a_cycle_without_an_entry(runtime: rd.Runtime) -> None:
    flow = build({"a": double, "b": increment}, "a -> b -> a", name="round")
    told(refusal(lambda: runtime.submit(flow, 1)), flow.name, "entry=")


def test_an_entry_that_does_not_exist(runtime: rd.Runtime) -> None:
    flow = build({"double": double})
    told(refusal(lambda: runtime.submit(flow, 1, entry="duoble.input")), "'duoble'", "did you mean 'double'")
    told(refusal(lambda: runtime.submit(flow, 1, entry="double.inptu")), "'inptu'", "did you mean 'input'")


def test_an_empty_flow(runtime: rd.Runtime) -> None:
    flow = rd.Flow("nothing_in_it")
    told(refusal(lambda: runtime.submit(flow, 1)), "nothing_in_it", "empty", "add_routine")


def test_validate_lists_every_fault_at_once() -> None:
    pair, holder = Pair(), Holder(threading.Lock())
    flow = build({"double": double, "pair": pair, "holder": holder}, "double -> pair.left")
    error = refusal(flow.validate)
    told(error, "pair", "right", "holder", "thing")
    assert len(error.problems) >= 2


def test_validate_accepts_a_sound_flow() -> None:
    flow = build({"each": each, "lock": Lockable(), "pair": Pair()}, "each -> lock -> pair.left\neach -> pair.right")
    flow.validate()


# ---- what cannot travel ---------------------------------------------------------------------------------------------


def with_late_lock() -> Any:
    routine = Holder("harmless")
    routine.late_lock = threading.Lock()
    return routine


def with_closure() -> Any:
    captured_lock = threading.Lock()

    @rd.routine
    def guarded(x: Any) -> Any:
        with captured_lock:
            return x

    return guarded


@pytest.mark.parametrize(
    ("make", "name"),
    [(lambda: Holder(threading.Lock()), "thing"), (with_late_lock, "late_lock"), (with_closure, "captured_lock")],
    ids=["constructor argument", "attribute", "closure"],
)
def test_something_that_cannot_be_serialized_is_found_by_validate(make: Callable[[], Any], name: str) -> None:
    flow = build({"each": each, "guarded": make()}, "each -> guarded")
    told(refusal(flow.validate), "'guarded'", name, "lock", "open()")


# ---- flows that cannot be found -------------------------------------------------------------------------------------


def test_a_flow_file_that_does_not_import(runtime: rd.Runtime) -> None:
    error = refusal(lambda: runtime.exec("tests.conformance.broken_flow:flow"))
    told(error, "tests.conformance.broken_flow", "a_dependency_that_nobody_has", "ModuleNotFoundError")


def test_a_flow_file_that_does_not_exist(runtime: rd.Runtime) -> None:
    told(refusal(lambda: runtime.exec("no.such.module:flow")), "no.such.module:flow", "PYTHONPATH")


def test_a_flow_file_without_the_flow(runtime: rd.Runtime) -> None:
    error = refusal(lambda: runtime.exec("tests.conformance.test_bad_input:a_known_flw"))
    told(error, "tests.conformance.test_bad_input", "'a_known_flw'", "did you mean 'a_known_flow'")


def test_something_that_is_not_a_flow(runtime: rd.Runtime) -> None:
    told(refusal(lambda: runtime.exec("tests.conformance.routines.styles:Pairs")), "'Pairs'", "styles")
    told(refusal(lambda: runtime.exec("tests.conformance.support:WAIT")), "support:WAIT", "float", "not a flow")


def test_a_flow_name_that_nobody_has(runtime: rd.Runtime) -> None:
    error = refusal(lambda: runtime.submit(f"{a_known_flow.name}x", 1))
    told(error, f"'{a_known_flow.name}x'", f"did you mean '{a_known_flow.name}'")


def test_posting_to_nowhere(runtime: rd.Runtime) -> None:
    worker = runtime.exec(a_known_flow)

    def post(routine: str, slot: str) -> None:
        runtime.post(a_known_flow.name, routine, slot, 1, worker_id=worker.worker_id)

    told(refusal(lambda: post("duoble", "input")), "'duoble'", "did you mean 'double'")
    told(refusal(lambda: post("double", "inptu")), "'inptu'", "did you mean 'input'")


def test_an_unknown_backend() -> None:
    with pytest.raises(rd.ConfigurationError) as caught:
        rd.Runtime(backend="spark")
    told(caught.value, "'spark'", "'ray'", "'local'")


a_known_flow = build({"double": double, "shout": shout}, "double -> shout", name="a_known_flow_of_this_file")
