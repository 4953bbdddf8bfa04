"""Async functions and async ``logic`` behave as their plain twins, and wait together."""

from __future__ import annotations

from pathlib import Path

import routilux_dist as rd
from tests.conformance.routines.basic import each
from tests.conformance.routines.styles import (
    AsyncGeneratorLogic,
    AsyncLogic,
    async_double,
    async_spread,
    crowded,
    dawdle,
)
from tests.conformance.routines.waiting import async_gate, async_meet
from tests.conformance.support import WAIT, Running, build, completed, ended, eventually, failure, run


def test_an_async_function(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "double": async_double}, "each -> double")
    assert sorted(run(runtime, flow, range(100))["double.output"]) == [2 * i for i in range(100)]


def test_an_async_generator(runtime: rd.Runtime) -> None:
    assert run(runtime, build({"spread": async_spread}), 5) == {"spread.output": [0, 1, 2, 3, 4]}


def test_async_logic_with_state_has_one_writer(runtime: rd.Runtime) -> None:
    """A read, a pause and a write do not lose what others wrote meanwhile."""
    flow = build({"each": each, "sum": AsyncLogic()}, "each -> sum")
    assert run(runtime, flow, range(100)) == {"sum.output": [4950]}


def test_an_async_generator_as_logic(runtime: rd.Runtime) -> None:
    assert run(runtime, build({"g": AsyncGeneratorLogic()}), 3) == {"g.output": [0, 1, 2]}


def test_coroutines_wait_together(runtime: rd.Runtime, tmp_path: Path) -> None:
    """Each ends only after it has seen the other."""
    flow = build({"each": each, "meet": async_meet}, "each -> meet")
    folder = str(tmp_path)
    outputs = run(
        runtime, flow, [{"folder": folder, "name": "a", "other": "b"}, {"folder": folder, "name": "b", "other": "a"}]
    )
    assert sorted(outputs["meet.output"]) == ["a", "b"]


def test_max_concurrency_bounds_them(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "crowded": crowded}, "each -> crowded")
    counts = run(runtime, flow, range(30))["crowded.output"]
    assert len(counts) == 30
    assert max(counts) <= 3


def test_an_error_in_a_coroutine_is_handled_as_any_other(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "double": async_double}, "each -> double")
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    job = completed(runtime, flow, [1, None, 3])
    assert sorted(job.result(timeout=0)["double.output"]) == [2, 6]
    assert [letter.payload for letter in job.dead_letters] == [None]


def test_timeout_ends_an_activation(runtime: rd.Runtime) -> None:
    error = failure(ended(runtime, build({"dawdle": dawdle}), "x"))
    assert "TimeoutError" in str(error)
    assert "0.2" in str(error)
    assert "dawdle" in str(error)


def test_messages_that_ended_do_not_wait_for_one_that_waits(runtime: rd.Runtime, tmp_path: Path) -> None:
    """More than may wait at once pass it by, and are committed; it is begun once."""
    running = Running(runtime, build({"gate": async_gate}))
    job = running.post("gate.input", {"folder": str(tmp_path), "name": "slow"}, close=False)
    eventually(lambda: (tmp_path / "slow-started").exists(), "the slow one starts")
    for n in range(20):
        running.post("gate.input", {"name": n}, job_id=job.job_id, close=False)
    eventually(lambda: len(job.outputs.get("gate.output", ())) == 20, "the others are committed")
    assert not job.done()
    (tmp_path / "open-slow").touch()
    job.close()
    assert sorted(map(str, job.result(timeout=WAIT)["gate.output"])) == sorted([*map(str, range(20)), "slow"])
    assert job.stats()["routines"]["gate"]["activations"] == 21


def test_one_of_many_in_a_block_waits_alone(runtime: rd.Runtime, tmp_path: Path) -> None:
    """The others of its block go on to the next routine."""
    flow = build({"each": each, "gate": async_gate, "after": str}, "each -> gate -> after")
    names = [{"name": n} for n in range(10)]
    names.insert(4, {"folder": str(tmp_path), "name": "slow"})
    job = runtime.submit(flow, names)
    eventually(lambda: len(job.outputs.get("after.output", ())) == 10, "the others are through")
    (tmp_path / "open-slow").touch()
    assert sorted(job.result(timeout=WAIT)["after.output"]) == sorted([*map(str, range(10)), "slow"])


def test_cancelling_a_job_cancels_its_coroutines(runtime: rd.Runtime, tmp_path: Path) -> None:
    running = Running(runtime, build({"gate": async_gate}))
    kept = running.post("gate.input", {"folder": str(tmp_path), "name": "kept"})
    job = running.post("gate.input", {"folder": str(tmp_path), "name": "gone"})
    eventually(lambda: all((tmp_path / f"{name}-started").exists() for name in ("kept", "gone")), "both start")
    assert job.cancel()
    eventually(lambda: (tmp_path / "gone-cancelled").exists(), "the coroutine is cancelled")
    (tmp_path / "open-kept").touch()
    assert kept.result(timeout=WAIT) == {"gate.output": ["kept"]}
    assert not (tmp_path / "kept-cancelled").exists()


def test_a_job_that_waits_alone_is_cancelled_too(runtime: rd.Runtime, tmp_path: Path) -> None:
    job = runtime.submit(build({"gate": async_gate}), {"folder": str(tmp_path), "name": "x"})
    eventually(lambda: (tmp_path / "x-started").exists(), "it starts")
    assert job.cancel()
    eventually(lambda: (tmp_path / "x-cancelled").exists(), "the coroutine is cancelled")
