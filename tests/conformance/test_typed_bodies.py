"""A running flow with the typed codec: the same results, and nothing in it that reading would have to trust."""

from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.client import runtime as runtime_module
from routilux_dist.driver.session import Opening
from routilux_dist.wire.block import Form, Rows
from routilux_dist.wire.codec import typed
from tests.bodies import bodies
from tests.conformance.routines.basic import each
from tests.conformance.support import WAIT, build


@pytest.fixture(autouse=True)
def typed_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running flows that are opened here have the typed codec."""
    monkeypatch.setattr(runtime_module, "Opening", lambda **fields: Opening(**{**fields, "codec": typed()}))


class Total(rd.Routine):
    """Keeps what it has seen, and says it at the end."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(seen=[])

    def logic(self, input: Any) -> None:
        self.state["seen"].append(input)

    def finish(self) -> None:
        self.emit("output", list(self.state["seen"]))


def note(x: int) -> dict[str, Any]:
    rd.current_job().set_data("last", {"pair": (1, 2), "by": dict(rd.current_job().metadata)})
    if x == 3:
        raise KeyError("three")
    return {"x": x, "kinds": ({x}, b"raw", 2**70)}


def odd(x: int) -> Any:
    return {"field": [object()]} if x == 2 else x


def continuing(routines: dict[str, Any], links: str) -> rd.Flow:
    flow = build(routines, links)
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    return flow


def test_results_data_and_letters_are_as_ever(runtime: rd.Runtime) -> None:
    flow = continuing({"each": each, "note": note, "total": Total()}, "each -> note -> total")
    job = runtime.submit(flow, [1, 2, 3], metadata={"user": ("ann", 1)})
    outputs = job.result(timeout=WAIT)
    (seen,) = outputs["total.output"]
    assert sorted(seen, key=lambda one: one["x"]) == [{"x": n, "kinds": ({n}, b"raw", 2**70)} for n in (1, 2)]
    assert job.data["last"] == {"pair": (1, 2), "by": {"user": ("ann", 1)}}
    [letter] = job.dead_letters
    assert (letter.payload, letter.error_type, repr(letter.error)) == (3, "KeyError", "KeyError('three')")


def test_nothing_that_comes_back_is_a_pickle(runtime: rd.Runtime) -> None:
    worker = runtime.exec(continuing({"each": each, "note": note}, "each -> note"))
    _, job = runtime.post(worker.flow, "each", "input", [1, 2, 3], worker_id=worker.worker_id)
    assert job.wait_for_completion(timeout=WAIT)
    contents = [list(worker.fetch(job._report.outputs)), job._report.letters, job._report.failures, job._report.data]
    found = [body for body in bodies(contents) if not isinstance(body, Rows)]
    assert len(found) >= 3
    assert {body.form for body in found} == {Form.TYPED}


def test_what_cannot_be_typed_is_refused_where_it_is_posted(runtime: rd.Runtime) -> None:
    worker = runtime.exec(build({"each": each}))
    with pytest.raises(
        rd.SerializationError, match=r"the message for each.input .*: payload\['when'\]\[0\]: type object"
    ):
        runtime.post(worker.flow, "each", "input", {"when": [object()]}, worker_id=worker.worker_id)


def test_what_cannot_be_typed_is_told_with_routine_event_and_field(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "odd": odd, "total": Total()}, "each -> odd -> total")
    job = runtime.submit(flow, [1, 2])
    error = job.exception(timeout=WAIT)
    assert isinstance(error, rd.JobFailedError)
    assert isinstance(error.cause, rd.SerializationError)
    assert "odd.output emitted" in str(error.cause)
    assert "payload['field'][0]: type object is not registered" in str(error.cause)
