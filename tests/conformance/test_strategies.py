"""What becomes of a message whose routine raised: STOP, CONTINUE, SKIP, RETRY; at the routine or at the flow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import double, each, same
from tests.conformance.routines.faulty import Flaky, NeedsSign, Risky, RiskyTwice, fails_once
from tests.conformance.routines.waiting import Either, mark
from tests.conformance.support import WAIT, Running, build, completed, ended, errors_of, eventually, failure, root_cause

STOP, CONTINUE, SKIP, RETRY = (rd.ErrorStrategy[name] for name in ("STOP", "CONTINUE", "SKIP", "RETRY"))
LEVELS = pytest.mark.parametrize("level", ["routine", "flow"])


def guarded(routine: rd.Routine, handler: rd.ErrorHandler, level: str, links: str, **others: Any) -> rd.Flow:
    """A flow ``each -> guarded -> …`` in which the handler stands at the routine or at the flow."""
    if level == "routine":
        routine.set_error_handler(handler)
    flow = build({"each": each, "guarded": routine, **others}, f"each -> guarded\n{links}")
    if level == "flow":
        flow.set_error_handler(handler)
    return flow


def quick_retry(max_retries: int, **options: Any) -> rd.ErrorHandler:
    return rd.ErrorHandler(RETRY, max_retries=max_retries, retry_delay=0.01, **options)


def test_stop_is_the_default(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "risky": Risky(), "double": double}, "each -> risky -> double")
    job = ended(runtime, flow, [2, 3, 4])
    assert root_cause(failure(job)) == "ValueError: odd number 3"


@LEVELS
def test_stop(runtime: rd.Runtime, level: str) -> None:
    flow = guarded(Risky(), rd.ErrorHandler(STOP), level, "guarded -> double", double=double)
    job = ended(runtime, flow, [2, 3, 4])
    assert root_cause(failure(job)) == "ValueError: odd number 3"
    assert "odd number 3" in errors_of(job)


@LEVELS
def test_continue(runtime: rd.Runtime, level: str) -> None:
    flow = guarded(Risky(), rd.ErrorHandler(CONTINUE), level, "guarded -> double", double=double)
    job = completed(runtime, flow, range(8))
    assert sorted(job.result(timeout=0)["double.output"]) == [0, 4, 8, 12]
    assert sorted(letter.payload for letter in job.dead_letters) == [1, 3, 5, 7]
    assert len(job.errors) == 4
    assert all(f"odd number {n}" in errors_of(job) for n in (1, 3, 5, 7))


@LEVELS
def test_continue_with_a_connected_error_event(runtime: rd.Runtime, level: str) -> None:
    links = """guarded -> double
               guarded.error -> clinic"""
    flow = guarded(Risky(), rd.ErrorHandler(CONTINUE), level, links, double=double, clinic=same)
    job = completed(runtime, flow, [1, 2, 3])
    outputs = job.result(timeout=0)
    assert outputs["double.output"] == [4]
    reports = sorted(outputs["clinic.output"], key=lambda report: report["payload"])
    assert [set(report) for report in reports] == [
        {"routine", "slot", "payload", "error", "error_type", "attempts"} for _ in reports
    ]
    assert [(r["routine"], r["slot"], r["payload"], r["error_type"], r["attempts"]) for r in reports] == [
        ("guarded", "input", 1, "ValueError", 1),
        ("guarded", "input", 3, "ValueError", 1),
    ]
    assert ["odd number 1" in str(reports[0]["error"]), "odd number 3" in str(reports[1]["error"])] == [True, True]
    assert sorted(letter.payload for letter in job.dead_letters) == [1, 3]


def test_the_error_event_is_no_output(runtime: rd.Runtime) -> None:
    flow = guarded(Risky(), rd.ErrorHandler(CONTINUE), "routine", "")
    assert completed(runtime, flow, [1]).result(timeout=0) == {"guarded.output": []}


@LEVELS
def test_skip_lets_the_message_bypass_the_routine(runtime: rd.Runtime, level: str) -> None:
    flow = guarded(Risky(), rd.ErrorHandler(SKIP), level, "guarded -> double", double=double)
    job = completed(runtime, flow, [1, 2, 3])
    assert sorted(job.result(timeout=0)["double.output"]) == [2, 4, 6]
    assert len(job.errors) == 2
    assert len(job.dead_letters) == 0


def test_skip_goes_once_to_every_connected_slot(runtime: rd.Runtime) -> None:
    """Two events of the routine lead to one slot: the message arrives there once."""
    flow = guarded(
        RiskyTwice(),
        rd.ErrorHandler(SKIP),
        "routine",
        """guarded -> sink.a
           guarded.also -> sink.a
           guarded.also -> sink.b
           guarded -> double""",
        sink=Either(),
        double=double,
    )
    outputs = completed(runtime, flow, [5]).result(timeout=0)
    assert sorted(outputs["sink.output"], key=repr) == [(5, None), (None, 5)]
    assert outputs["double.output"] == [10]


@LEVELS
def test_retry_succeeds_in_the_end(runtime: rd.Runtime, level: str) -> None:
    flow = guarded(Flaky(), quick_retry(3), level, "")
    tasks = [{"name": f"t{n}", "ok_at": n} for n in (1, 2, 3, 4)]
    job = completed(runtime, flow, tasks)
    assert sorted(job.result(timeout=0)["guarded.output"]) == [("t1", 1), ("t2", 2), ("t3", 3), ("t4", 4)]
    assert len(job.dead_letters) == 0


@LEVELS
def test_retry_exhausted_stops_by_default(runtime: rd.Runtime, level: str) -> None:
    flow = guarded(Flaky(), quick_retry(2), level, "")
    job = ended(runtime, flow, [{"name": "hopeless", "ok_at": 99}])
    assert root_cause(failure(job)) == "ConnectionError: hopeless: attempt 3"


@LEVELS
def test_retry_exhausted_continue(runtime: rd.Runtime, level: str) -> None:
    flow = guarded(Flaky(), quick_retry(2, exhausted=CONTINUE), level, "")
    job = completed(runtime, flow, [{"name": "hopeless", "ok_at": 99}, {"name": "fine", "ok_at": 3}])
    assert job.result(timeout=0) == {"guarded.output": [("fine", 3)]}
    [letter] = job.dead_letters
    assert letter.payload == {"name": "hopeless", "ok_at": 99}
    assert letter.attempts == 3


@LEVELS
def test_retry_exhausted_skip(runtime: rd.Runtime, level: str) -> None:
    flow = guarded(Flaky(), quick_retry(1, exhausted=SKIP), level, "guarded -> sink", sink=same)
    hopeless = {"name": "hopeless", "ok_at": 99}
    job = completed(runtime, flow, [hopeless, {"name": "fine", "ok_at": 2}])
    assert sorted(job.result(timeout=0)["sink.output"], key=repr) == [("fine", 2), hopeless]
    assert len(job.dead_letters) == 0


def test_a_message_that_waits_for_its_retry_holds_no_worker(backend: str, tmp_path: Path) -> None:
    """The only worker has to do something else before the retry can succeed."""
    needy = NeedsSign()
    needy.set_error_handler(quick_retry(600, retry_backoff=1.0, max_delay=0.05))
    flow = build({"needy": needy, "mark": mark})
    with rd.Runtime(backend=backend, max_workers=1) as runtime:
        running = Running(runtime, flow)
        job = running.post("needy.input", {"folder": str(tmp_path)}, close=False)
        eventually((tmp_path / "tried").exists, "the first attempt")
        running.post("mark.input", {"folder": str(tmp_path), "name": "sign"}, job_id=job.job_id, close=False)
        job.close()
        assert job.result(timeout=WAIT) == {"needy.output": ["saw the sign"], "mark.output": ["sign"]}


def test_no_retries_means_one_attempt(runtime: rd.Runtime) -> None:
    flow = guarded(Flaky(), quick_retry(0, exhausted=CONTINUE), "routine", "")
    [letter] = completed(runtime, flow, [{"name": "once", "ok_at": 2}]).dead_letters
    assert letter.attempts == 1


def test_retry_on_limits_what_is_tried_again(runtime: rd.Runtime) -> None:
    handler = quick_retry(5, retry_on=(ConnectionError,), exhausted=CONTINUE)
    flow = build({"each": each, "flaky": Flaky(), "risky": Risky()}, "each -> flaky")
    flow.set_error_handler(handler)
    job = completed(runtime, flow, [{"name": "back", "ok_at": 4}], entry="each.input")
    assert job.result(timeout=0)["flaky.output"] == [("back", 4)]
    [letter] = completed(runtime, flow, 3, entry="risky.input").dead_letters
    assert letter.attempts == 1
    assert "odd number 3" in str(letter.error)


def test_the_routine_beats_the_flow(runtime: rd.Runtime) -> None:
    routine = Risky()
    routine.set_error_handler(rd.ErrorHandler(SKIP))
    flow = build({"each": each, "inner": routine, "outer": Risky()}, "each -> inner -> outer")
    flow.set_error_handler(rd.ErrorHandler(CONTINUE))
    job = completed(runtime, flow, [1, 2])
    assert job.result(timeout=0) == {"outer.output": [2]}
    assert [(letter.routine, letter.payload) for letter in job.dead_letters] == [("outer", 1)]


def test_optional_means_continue(runtime: rd.Runtime) -> None:
    routine = Risky()
    routine.set_as_optional()
    job = completed(runtime, build({"each": each, "risky": routine}, "each -> risky"), [1, 2])
    assert job.result(timeout=0) == {"risky.output": [2]}
    assert [letter.payload for letter in job.dead_letters] == [1]


def test_critical_means_retry_then_stop(runtime: rd.Runtime) -> None:
    routine = Flaky()
    routine.set_as_critical(max_retries=2, retry_delay=0.01)
    flow = build({"flaky": routine})
    assert completed(runtime, flow, {"name": "a", "ok_at": 3}).result(timeout=0) == {"flaky.output": [("a", 3)]}
    error = failure(ended(runtime, flow, {"name": "b", "ok_at": 4}))
    assert root_cause(error) == "ConnectionError: b: attempt 3"


def test_the_option_retries(runtime: rd.Runtime) -> None:
    assert completed(runtime, build({"once": fails_once}), "x").result(timeout=0) == {"once.output": ["x"]}


def test_a_stop_discards_what_waits(runtime: rd.Runtime) -> None:
    """After the failure nothing more of the job comes out, and the runtime serves the next job."""
    flow = build({"each": each, "risky": Risky(), "double": double}, "each -> risky -> double")
    failed = ended(runtime, flow, [1, *range(0, 2000, 2)])
    failure(failed)
    before = len(failed.outputs.get("double.output", []))
    assert completed(runtime, flow, [2]).result(timeout=0) == {"double.output": [4]}
    assert len(failed.outputs.get("double.output", [])) == before
