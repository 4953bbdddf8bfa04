from __future__ import annotations

import pytest

import routilux_dist as rd
from routilux_dist.client import results
from routilux_dist.errors import SlotHandlerError, WorkerLostError
from routilux_dist.wire import codec
from routilux_dist.wire.block import Packed
from routilux_dist.wire.failure import Letter
from tests.unit.client.conftest import Desk, failure


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("error", rd.JobFailedError),
        ("limit", rd.LimitExceededError),
        ("timeout", rd.JobTimeoutError),
        ("stall", rd.NoProgressError),
        ("late", rd.JobFailedError),
    ],
)
def test_kinds_of_failures_are_kinds_of_errors(kind: str, expected: type[rd.JobFailedError]) -> None:
    error = results.job_error("f", "j", failure(kind=kind, attempts=3, payload="{'x': 1}"))
    assert type(error) is expected
    assert str(error).startswith(
        "job 'j' of flow 'f' failed in routine 'a', slot 'input', attempt 3, payload {'x': 1}\n"
    )
    assert (error.job_id, error.flow, error.routine) == ("j", "f", "a")


@pytest.mark.parametrize("carried", [None, Packed(b"no pickle"), codec.encode("no exception")])
def test_an_exception_that_was_not_carried_is_told(carried: Packed | None) -> None:
    revived = results.revive(failure(exception=carried))
    assert isinstance(revived, SlotHandlerError)
    assert (str(revived), revived.error_type) == ("ValueError: no", "ValueError")


def test_a_lost_worker_is_named() -> None:
    assert isinstance(results.revive(failure(kind="lost")), WorkerLostError)


def test_dead_letters_as_users_see_them(desk: Desk) -> None:
    routine = desk.plan.routines["total"]
    block = desk.output("j", "payload")._replace(port=routine.slots["input"])
    seen = results.dead_letter(desk.plan, Letter(failure(attempts=2), block))
    assert (seen.payload, seen.attempts, str(seen)) == ("payload", 2, "a.input: ValueError: ValueError: no (attempt 2)")
    joined = desk.output("j", (None, [1, 2]))._replace(port=routine.logic_port)
    assert results.dead_letter(desk.plan, Letter(failure(), joined)).payload == [1, 2]
    ending = desk.output("j", ("key",))._replace(port=routine.finish_port, rows=0)
    assert results.dead_letter(desk.plan, Letter(failure(), ending)).payload is None


def test_job_data_is_opened() -> None:
    closed = {
        "n": ("sum", 3),
        "l": ("append", [1, codec.encode([2])]),
        "u": ("union", [1, 1]),
        "o": ("last", codec.encode({})),
    }
    assert results.open_data(closed) == {"n": 3, "l": [1, [2]], "u": {1}, "o": {}}
    assert results.open_data(None) == {}


def test_error_records_keep_the_decision() -> None:
    (record,) = results.error_records([failure(strategy="skip")])
    assert (record.strategy, str(record)) == ("skip", "a.input: SlotHandlerError: ValueError: no (skip)")
