from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import routilux_dist as rd
from routilux_dist.errors import ConfigurationError
from routilux_dist.testing import Workbench
from routilux_dist.wire import codec
from routilux_dist.wire.slices import JobNote
from routilux_workers.activity import close_value, open_value
from tests.unit.workers.conftest import of

Build = Callable[..., Workbench]
CONTINUE = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)


def seeing(read: Callable[[Any], Any]) -> rd.Flow:
    return of(("a", lambda x: read(rd.current_job())))


def test_what_a_routine_sees_of_its_job(workbench: Build) -> None:
    def read(job: Any) -> Any:
        return (
            job.job_id,
            job.flow_id,
            job.routine_id,
            dict(job.metadata),
            job.correlation_id,
            job.attempt,
            job.cancelled,
        )

    one = workbench(seeing(read))
    block = one.block("a.input", [1])
    receipt = one.run(block, jobs={"job": JobNote({"user": 1}, "c")})
    assert one.sent(receipt) == [("job", "small", "a", {"user": 1}, "c", 1, False)]
    one.cancelled.add("job")
    receipt = one.run(block, jobs={"job": JobNote(codec.encode({"user": 2}))})
    assert one.sent(receipt)[0][3:] == ({"user": 2}, None, 1, True)


def test_metadata_is_read_only(workbench: Build) -> None:
    one = workbench(of(("a", lambda x: rd.current_job().metadata.update(a=1)), error_handler=CONTINUE))
    assert one.send("a.input", 1).letters[0].failure.error_type == "AttributeError"


def test_every_activation_has_a_key_of_its_own_that_tries_keep(workbench: Build) -> None:
    flow = of(("a", lambda x: rd.current_job().idempotency_key), ("b", lambda k: (k, rd.current_job().idempotency_key)))
    flow.connect("a.output", "b.input")
    one = workbench(flow)
    block = one.block("a.input", [1, 2])
    keys = [key for pair in one.sent(one.run(block)) for key in pair]
    assert len(set(keys)) == 4
    again = block._replace(attempt=2, origin="job/1.0")
    assert one.sent(one.run(again))[0][0] == "job/1.0"


def test_data_is_what_was_committed_plus_own_writes(workbench: Build) -> None:
    def count(x: int) -> Any:
        job = rd.current_job()
        job.update("n", x, reducer="sum")
        return job.get_data("n", 0)

    one = workbench(of(("a", count)))
    receipt = one.run(one.block("a.input", [1, 2]), jobs={"job": JobNote(data={"n": ("sum", 10)})})
    assert one.sent(receipt) == [11, 13]
    assert receipt.data == {"job": {"n": ("sum", 3)}}


def test_writes_of_a_failed_activation_are_dropped(workbench: Build) -> None:
    def write(x: int) -> None:
        rd.current_job().set_data("x", x)
        rd.current_job().trace(f"saw {x}")
        assert x < 2

    one = workbench(of(("a", write), error_handler=CONTINUE))
    receipt = one.send("a.input", 1, 2)
    assert receipt.data["job"] == {"x": ("last", 1)}
    assert receipt.traces == [("job", 0, "saw 1")]


def test_text_and_numbers_do_not_compare(workbench: Build) -> None:
    one = workbench(of(("a", lambda x: rd.current_job().update("m", x, reducer="max")), error_handler=CONTINUE))
    receipt = one.send("a.input", 1, "text", 3)
    assert receipt.data["job"] == {"m": ("max", 3)}
    assert "'m'" in receipt.letters[0].failure.message


def test_an_unknown_event_is_named_with_the_likely_one(workbench: Build) -> None:
    routine = rd.Routine("r")
    routine.add_slot("input", handler=lambda x: routine_emit(x))
    routine.add_event("output")

    def routine_emit(x: Any) -> None:
        from routilux_dist.flow.context import ACTIVITY

        ACTIVITY.get().emit("outptu", x)

    one = workbench(of(("r", routine), error_handler=CONTINUE))
    failure = one.send("r.input", 1).letters[0].failure
    assert failure.error_type == ConfigurationError.__name__
    assert "outptu" in failure.message
    assert "output" in failure.message


@pytest.mark.parametrize(
    ("reducer", "value", "opened"),
    [
        ("last", {"a": [1]}, {"a": [1]}),
        ("sum", 3, 3),
        ("append", (1, 2), [(1, 2)]),
        ("union", [1, 1, (2,)], {1, (2,)}),
        ("last", None, None),
    ],
)
def test_values_travel_closed(reducer: str, value: Any, opened: Any) -> None:
    assert open_value(reducer, close_value(reducer, value)) == opened


def test_job_data_that_cannot_be_typed_is_named() -> None:
    assert open_value("last", close_value("last", {"a": (1,)}, codec.typed())) == {"a": (1,)}
    with pytest.raises(rd.SerializationError, match=r"job data 'k'\['f'\]: type .* is not registered"):
        close_value("last", {"f": len}, codec.typed(), "job data 'k'")
