"""The limits of a flow end a job that passes them, and leave all others alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import Countdown, Forever, double, each, text_of_size
from tests.conformance.routines.paced import spanning, stamping
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


@pytest.mark.parametrize("kind", ["plain", "stateful", "waiting"])
def test_a_rate_limit_is_kept_by_the_running_flow_as_a_whole(runtime: rd.Runtime, kind: str) -> None:
    limit, most = 40.0, 60
    flow = build({"each": each, "stamped": stamping(kind, rate_limit=limit)}, "each -> stamped")
    (job,) = [Running(runtime, flow).post("each.input", range(most))]
    stamps = sorted(job.result(timeout=WAIT)["stamped.output"])
    assert len(stamps) == most
    # What begins late on a busy machine may come in a bunch: of the whole time, only the pace and one burst may begin.
    assert stamps[-1] - stamps[0] >= (most - limit / 10) / limit - 0.2
    within = max(sum(1 for other in stamps if one <= other < one + 0.5) for one in stamps)
    assert within <= most * 0.8, "they are spread"


def test_max_concurrency_bounds_slices_of_a_routine_that_is_not_async(runtime: rd.Runtime) -> None:
    flow = build({"each": each, "alone": spanning(max_concurrency=1)}, "each -> alone")
    spans = sorted(run(runtime, flow, range(12))["alone.output"])
    assert len(spans) == 12
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans)), "one at a time"


@pytest.mark.parametrize("limit", ["max_messages", "max_hops", "execution_timeout"])
def test_a_senseless_limit_is_refused(limit: str) -> None:
    with pytest.raises(rd.ConfigurationError, match=rf"{limit}=0: has to be"):
        rd.Flow("senseless", **{limit: 0})


def test_a_payload_that_is_too_large_is_refused_where_it_would_leave_its_process(
    runtime: rd.Runtime, backend: str, tmp_path: Path
) -> None:
    """At the post, and as an error of its sender, by the strategy. The flow is saved, so that bodies are encoded anywhere."""
    lenient = rd.ErrorHandler(rd.ErrorStrategy.CONTINUE)
    with rd.Runtime(backend=backend, max_workers=1, tuning=rd.Tuning(max_payload_bytes=10_000)) as narrow:
        flow = build({"sized": text_of_size}, error_handler=lenient)
        running = narrow.exec(flow, worker_id=f"narrow-{backend}", checkpoint=str(tmp_path))
        with pytest.raises(
            rd.SerializationError, match=r"sized\.input.*20,0\d\d bytes.* 10,000 bytes.*max_payload_bytes"
        ):
            narrow.post(flow.name, "sized", "input", ["x" * 20_000], worker_id=running.worker_id)
        _, job = narrow.post(flow.name, "sized", "input", [5, 20_000, 7], worker_id=running.worker_id)
        assert [len(text) for text in job.result(timeout=WAIT)["sized.output"]] == [5, 7]
        (letter,) = job.dead_letters
        assert (letter.routine, letter.slot, letter.error_type) == ("sized", "output", "SerializationError")
        assert "10,000 bytes" in str(letter.error)
