"""The ways to write a routine: functions, generators, handlers, bare routines; and what a returned value means."""

from __future__ import annotations

import routilux_dist as rd
from tests.conformance.routines.basic import each, same
from tests.conformance.routines.styles import (
    Emits,
    GeneratorLogic,
    HandlerAndLogic,
    Returns,
    ReturnsNowhere,
    ReturnsToNobody,
    ReturnsToOnly,
    TwoHandlers,
    area,
    describe,
    none_of_these,
    shout,
)
from tests.conformance.support import Running, build, completed, ended, failure, root_cause, run


def test_several_parameters_are_passed_by_name(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "area": area}, "each -> area")
    outputs = run(runtime, flow, [{"height": 2, "width": 3}, {"width": 1, "height": 1, "unit": "cm"}])
    assert sorted(outputs["area.output"]) == ["1 cm2", "6 m2"]


def test_unknown_keys_reach_a_function_that_takes_them(runtime: rd.Runtime) -> None:
    outputs = run(runtime, build({"describe": describe}), {"name": "x", "b": 1, "a": 2})
    assert outputs == {"describe.output": [{"name": "x", "rest": ["a", "b"]}]}


def test_one_parameter_takes_a_dict_as_it_is(runtime: rd.Runtime) -> None:
    assert run(runtime, build({"same": same}), {"x": 1, "y": 2}) == {"same.output": [{"x": 1, "y": 2}]}


def test_only_none_emits_nothing(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "value": none_of_these}, "each -> value")
    outputs = run(runtime, flow, range(6))["value.output"]
    assert sorted(map(repr, outputs)) == sorted(map(repr, [False, 0, "", {}, []]))


def test_a_returned_value_goes_to_the_default_event(runtime: rd.Runtime) -> None:
    assert run(runtime, build({"r": Returns()}), "v") == {"r.other": [], "r.output": ["v"]}
    assert run(runtime, build({"r": ReturnsToOnly()}), "v") == {"r.answer": ["v"]}


def test_a_returned_value_is_ignored_without_events(runtime: rd.Runtime) -> None:
    job = completed(runtime, build({"r": ReturnsNowhere()}), "v")
    assert job.result(timeout=0) == {}
    assert job.data == {"seen": ["v"]}


def test_a_returned_value_without_a_default_event_is_an_error(runtime: rd.Runtime) -> None:
    error = failure(ended(runtime, build({"r": ReturnsToNobody()}), "v"))
    assert "ValidationError" in root_cause(error)
    for word in ("left", "right", "output"):
        assert word in root_cause(error)


def test_a_generator_as_logic_yields_and_emits(runtime: rd.Runtime) -> None:
    outputs = run(runtime, build({"g": GeneratorLogic()}), 4)
    assert outputs == {"g.output": [0, 1, 2, 3], "g.summary": [4]}


def test_the_forms_of_emit(runtime: rd.Runtime) -> None:
    outputs = run(runtime, build({"emits": Emits()}), 1)
    assert outputs == {"emits.value": [1], "emits.fields": [{"a": 1, "b": 2}], "emits.nothing": [{}]}


def test_handlers_of_several_slots_do_not_wait_for_each_other(runtime: rd.Runtime) -> None:
    flow = build({"two": TwoHandlers()})
    assert run(runtime, flow, "hello", entry="two.words") == {"two.output": ["HELLO"]}
    assert run(runtime, flow, 7, entry="two.numbers") == {"two.output": [70]}


def test_a_slot_with_a_handler_takes_no_part_in_the_join(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"rated": HandlerAndLogic()}))
    job = running.post("rated.amount", 5, close=False)
    running.post("rated.rate", 3, job_id=job.job_id, close=False)
    running.post("rated.amount", 5, job_id=job.job_id, close=False)
    running.post("rated.amount", 6, job_id=job.job_id, close=False)
    job.close()
    assert job.result(timeout=60) == {"rated.output": [5, 15, 18]}


def test_a_bare_routine_with_a_handler(runtime: rd.Runtime) -> None:
    routine = rd.Routine("shout")
    routine.define_slot("input", handler=shout)
    routine.define_event("output")
    assert run(runtime, build({"shout": routine}), "hey") == {"shout.output": ["hey!"]}


def test_a_bare_routine_with_set_logic(runtime: rd.Runtime) -> None:
    routine = rd.Routine("shout")
    routine.define_slot("input")
    routine.define_event("output")
    routine.set_logic(shout)
    assert run(runtime, build({"shout": routine}), "hey") == {"shout.output": ["hey!"]}


def test_a_bare_routine_with_a_decorated_handler(runtime: rd.Runtime) -> None:
    """The handler is a closure of this test: it travels by value."""
    routine = rd.Routine("shout")
    routine.define_event("output")
    ending = "?!"

    @routine.define_slot("input")
    def on_input(text: str) -> str:
        return text + ending

    assert on_input("called") == "called?!"
    assert run(runtime, build({"shout": routine}), "hey") == {"shout.output": ["hey?!"]}


def test_a_function_defined_on_the_spot(runtime: rd.Runtime) -> None:
    factor = 7

    @rd.routine
    def times(x: int) -> int:
        return factor * x

    assert times(1) == 7
    assert run(runtime, build({"times": times, "plus": lambda x: x + 1}, "times -> plus"), 6) == {"plus.output": [43]}


def test_a_pipeline_of_plain_functions(runtime: rd.Runtime) -> None:
    outputs = run(runtime, rd.pipeline(str.upper, shout, len), "hey")
    assert list(outputs.values()) == [[4]]


def test_a_decorated_function_is_still_a_function() -> None:
    assert area(2, 3) == "6 m2"
    assert area.__name__ == "area"
    assert list(each("ab")) == ["a", "b"]
