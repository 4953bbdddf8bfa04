"""``finish``: once per job and key, when nothing upstream can come any more, upstream before downstream."""

from __future__ import annotations

from pathlib import Path

import routilux_dist as rd
from tests.conformance.routines.basic import double, drop, each, increment
from tests.conformance.routines.faulty import Flaky, risky
from tests.conformance.routines.stateful import (
    Announce,
    CountingLoop,
    FailingFinish,
    LeaveMark,
    Record,
    Total,
    TotalByField,
)
from tests.conformance.support import Running, build, completed, ended, failure, root_cause, run


def test_finish_sees_the_whole_job(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "double": double, "total": Total()}, "each -> double -> total")
    assert run(runtime, flow, range(500)) == {"total.output": [{"count": 500, "sum": 249_500}]}


def test_finish_runs_upstream_first_and_feeds_the_next(runtime: rd.Runtime) -> None:
    """What one ``finish`` emits is counted before the next one runs."""
    flow = build(
        {"each": each, "third": Announce("third"), "second": Announce("second"), "first": Announce("first")},
        "each -> first -> second -> third",
    )
    job = completed(runtime, flow, range(10))
    assert job.result(timeout=0) == {"third.output": [45]}
    assert job.data["finished"] == ["first", "second", "third"]


def test_finish_waits_for_all_ways_in(runtime: rd.Runtime) -> None:
    flow = build(
        {"each": each, "short": Announce("short"), "long": Announce("long"), "end": Announce("end"), "same": increment},
        """each -> short -> end
           each -> same -> long -> end""",
    )
    job = completed(runtime, flow, range(10))
    assert job.result(timeout=0) == {"end.output": [45 + 55]}
    assert sorted(job.data["finished"][:2]) == ["long", "short"]
    assert job.data["finished"][2:] == ["end"]


def test_finish_waits_for_a_retry(runtime: rd.Runtime) -> None:
    """A message that waits for its next attempt is still upstream."""
    flaky = Flaky()
    flaky.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.RETRY, max_retries=3, retry_delay=0.2))
    flow = build({"each": each, "flaky": flaky, "record": Record()}, "each -> flaky -> record")
    outputs = run(runtime, flow, [{"name": "slow", "ok_at": 3}, {"name": "quick", "ok_at": 1}])
    [seen] = outputs["record.output"]
    assert sorted(seen) == [("quick", 1), ("slow", 3)]


def test_finish_of_an_empty_job_runs_once(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "drop": drop, "total": Total()}, "each -> drop -> total")
    assert run(runtime, flow, range(5)) == {"total.output": [{"count": 0, "sum": 0}]}
    assert run(runtime, flow, []) == {"total.output": [{"count": 0, "sum": 0}]}


def test_finish_of_keyed_state_runs_per_key(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "total": TotalByField()}, "each -> total")
    sales = [{"user": user, "amount": amount} for user in ("ann", "bob", "cleo") for amount in (1, 2, 3)]
    assert sorted(run(runtime, flow, sales)["total.output"]) == [("ann", 6), ("bob", 6), ("cleo", 6)]
    assert run(runtime, flow, []) == {"total.output": []}


def test_finish_in_a_cycle_runs_once_after_the_last_lap(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "loop": CountingLoop()}, "each -> loop\nloop.again -> loop.input")
    assert run(runtime, flow, [0, 3, 5]) == {"loop.laps": [1 + 4 + 6]}


def test_a_cycle_ends_before_what_it_feeds(runtime: rd.Runtime) -> None:
    flow = build(
        {"total": Total(), "each": each, "loop": CountingLoop()},
        """each -> loop
           loop.again -> loop.input
           loop.laps -> total""",
    )
    assert run(runtime, flow, [2, 2]) == {"total.output": [{"count": 1, "sum": 6}]}


def test_every_job_finishes_for_itself(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"each": each, "total": Total()}, "each -> total"))
    jobs = [running.post("each.input", range(n)) for n in range(8)]
    sums = [job.result(timeout=60)["total.output"] for job in jobs]
    assert sums == [[{"count": n, "sum": sum(range(n))}] for n in range(8)]


def test_a_failed_job_does_not_finish(runtime: rd.Runtime, tmp_path: Path) -> None:
    mark = tmp_path / "finished"
    flow = build({"each": each, "risky": risky, "mark": LeaveMark(str(mark))}, "each -> risky -> mark")
    assert ended(runtime, flow, [2, 4]).status == "completed"
    assert mark.exists()
    mark.unlink()
    assert ended(runtime, flow, [2, 3]).status == "failed"
    assert not mark.exists()


def test_an_error_in_finish_fails_the_job(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "books": FailingFinish()}, "each -> books")
    error = failure(ended(runtime, flow, [1, 2]))
    assert root_cause(error) == "ArithmeticError: the books do not balance"
    assert "books" in str(error)
    assert "finish" in str(error)
