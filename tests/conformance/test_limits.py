"""The limits of a flow end a job that passes them, and leave all others alone."""

from __future__ import annotations

from typing import Any

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import Countdown, Forever, double, each
from tests.conformance.support import WAIT, Running, build, run


def forever(**limits: Any) -> rd.Flow:
    return build({"forever": Forever()}, "forever.again -> forever.input", entry="forever.input", **limits)


def test_max_messages(runtime: rd.Runtime) -> None:
    job = runtime.submit(forever(max_messages=5000), 0)
    with pytest.raises(rd.LimitExceededError) as caught:
        job.result(timeout=WAIT)
    assert job.status == "failed"
    assert "max_messages" in str(caught.value)
    assert "5000" in str(caught.value).replace(",", "")


def test_max_messages_counts_posted_and_emitted(runtime: rd.Runtime) -> None:
    """One posted, ten emitted: eleven are allowed, ten are not."""
    allowed = build({"each": each, "double": double}, "each -> double", max_messages=11)
    assert len(run(runtime, allowed, range(10))["double.output"]) == 10
    short = build({"each": each, "double": double}, "each -> double", max_messages=10)
    with pytest.raises(rd.LimitExceededError):
        run(runtime, short, range(10))


def test_max_hops(runtime: rd.Runtime) -> None:
    job = runtime.submit(forever(max_hops=300), 0)
    with pytest.raises(rd.LimitExceededError) as caught:
        job.result(timeout=WAIT)
    assert "max_hops" in str(caught.value)
    assert "300" in str(caught.value)


def test_max_hops_measures_the_longest_path_not_the_number(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "count": Countdown()}, "each -> count\ncount.again -> count.input", max_hops=20)
    laps = [{"name": i, "left": 10} for i in range(50)]
    assert sorted(run(runtime, flow, laps)["count.done"]) == list(range(50))


def test_execution_timeout_of_an_endless_job(runtime: rd.Runtime) -> None:
    job = runtime.submit(forever(execution_timeout=0.5), 0)
    with pytest.raises(rd.JobTimeoutError) as caught:
        job.result(timeout=WAIT)
    assert job.status == "failed"
    assert "execution_timeout" in str(caught.value)
    assert "0.5" in str(caught.value)


def test_execution_timeout_of_a_job_that_only_waits(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double}, execution_timeout=0.5))
    job = running.post("double.input", 1, close=False)
    with pytest.raises(rd.JobTimeoutError):
        job.result(timeout=WAIT)


def test_a_limit_ends_one_job_and_not_its_neighbours(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "count": Countdown()}, "each -> count\ncount.again -> count.input", max_hops=50)
    running = Running(runtime, flow)
    short = [running.post("each.input", [{"name": i, "left": 3}]) for i in range(5)]
    long = running.post("each.input", [{"name": "long", "left": 5000}])
    with pytest.raises(rd.LimitExceededError):
        long.result(timeout=WAIT)
    assert [job.result(timeout=WAIT)["count.done"] for job in short] == [[i] for i in range(5)]


@pytest.mark.parametrize("limit", ["max_messages", "max_hops", "execution_timeout"])
def test_a_senseless_limit_is_refused(limit: str) -> None:
    with pytest.raises(rd.ConfigurationError, match=rf"{limit}=0: has to be"):
        rd.Flow("senseless", **{limit: 0})
