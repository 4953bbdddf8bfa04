"""Exceptions that are hard to handle: whatever a routine raises, the job tells and the runtime lives on."""

from __future__ import annotations

import itertools
import os
import threading

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import double, each
from tests.conformance.routines.faulty import HOSTILE, MISBEHAVING, Hostile
from tests.conformance.support import build, completed, ended, failure, run

TYPES = {
    "unpicklable": "Unpicklable",
    "unloadable": "Unloadable",
    "unprintable": "Unprintable",
    "hidden": "Hidden",
    "rude": "Rude",
    "exit": "SystemExit",
    "interrupt": "KeyboardInterrupt",
    "stop": "StopIteration",
    "generator_exit": "GeneratorExit",
    "recursion": "RecursionError",
    "memory": "MemoryError",
}


def flow_of() -> rd.Flow:
    return build({"each": each, "hostile": Hostile(), "after": len}, "each -> hostile -> after")


def test_the_list_is_complete() -> None:
    assert TYPES.keys() == HOSTILE.keys()


def test_each_fails_its_own_job(runtime: rd.Runtime) -> None:
    """One flow for all, so that a broken worker would show in the next job."""
    flow = flow_of()
    for name, error_type in TYPES.items():
        job = ended(runtime, flow, ["before", name])
        error = failure(job)
        assert error_type in str(error), name
        assert "hostile" in str(error), name
        assert repr(error), name
    assert run(runtime, flow, ["four"]) == {"after.output": [4]}


def test_all_at_once_under_continue_harm_nobody_else(runtime: rd.Runtime) -> None:
    flow = flow_of()
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    neighbours = ["x" * i for i in range(1, 30)]
    mixed = [item for pair in itertools.zip_longest(neighbours, HOSTILE) for item in pair if item]
    job = completed(runtime, flow, mixed)
    assert sorted(job.result(timeout=0)["after.output"]) == list(range(1, 30))
    assert sorted(letter.payload for letter in job.dead_letters) == sorted(HOSTILE)
    assert {letter.payload: letter.error_type.rpartition(".")[2] for letter in job.dead_letters} == TYPES


@pytest.mark.parametrize("name", ["unpicklable", "rude", "exit"])
def test_a_retry_of_a_hostile_exception_ends(runtime: rd.Runtime, name: str) -> None:
    flow = flow_of()
    flow.set_error_handler(
        rd.ErrorHandler(
            rd.ErrorStrategy.RETRY,
            max_retries=1,
            retry_delay=0.01,
            retry_on=(BaseException,),
            exhausted=rd.ErrorStrategy.CONTINUE,
        )
    )
    [letter] = completed(runtime, flow, [name]).dead_letters
    assert letter.attempts == 2


def test_an_exception_as_a_payload_is_just_a_payload(runtime: rd.Runtime) -> None:
    [back] = run(runtime, build({"give": give_error}), "x")["give.output"]
    assert isinstance(back, ValueError)
    assert str(back) == "about x"


def test_a_payload_that_cannot_travel_fails_its_job_only(runtime: rd.Runtime, backend: str) -> None:
    """An output crosses a process boundary on Ray; the local backend may hand it over as it is."""
    flow = build({"give": give_lock, "double": double})
    job = runtime.submit(flow, "x", entry="give.input")
    assert job.wait_for_completion(timeout=60)
    if backend == "ray":
        text = str(failure(job))
        assert "SerializationError" in text
        assert "lock" in text
        assert "give" in text
    assert run(runtime, flow, 2, entry="double.input")["double.output"] == [4]


@pytest.mark.parametrize("place", MISBEHAVING)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_routine_does_to_its_process_harms_nobody(runtime: rd.Runtime, place: str) -> None:
    """Each is done once, and so are its neighbours."""
    flow = build({"each": each, "bad": MISBEHAVING[place]()}, "each -> bad")
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    deeds = ["recursion", "chatter", "threads", *(["fork"] if hasattr(os, "fork") else [])]
    mixed = [item for number, deed in enumerate(deeds) for item in (deed, f"neighbour {number}")]
    job = completed(runtime, flow, mixed)
    passed = [item for item in mixed if item != "recursion"]
    assert sorted(job.result(timeout=0)["bad.output"]) == sorted(passed)
    assert [letter.payload for letter in job.dead_letters] == ["recursion"]
    assert "RecursionError" in str(job.dead_letters[0].error_type)
    assert job.stats()["routines"]["bad"]["activations"] == len(mixed)


@rd.routine
def give_error(x):
    return ValueError(f"about {x}")


@rd.routine
def give_lock(x):
    return {"x": x, "lock": threading.Lock()}
