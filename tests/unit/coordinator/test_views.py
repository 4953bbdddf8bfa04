from __future__ import annotations

import json
from collections.abc import Callable

from routilux_dist.coordinator import views
from routilux_dist.testing import Bench
from tests.unit.coordinator.conftest import chain, summing

Build = Callable[..., Bench]


def test_a_summary_is_plain_data_with_wall_clock_times(bench: Build) -> None:
    one = bench()
    one.clock.advance(10.0)
    one.post("j", "a.input", 2, correlation_id="c")
    one.clock.advance(5.0)
    one.finish(output={"b.output": 1}, waiting={"b": 3})
    summary = views.summary(one.machine, one.job("j"))
    assert json.loads(json.dumps(summary))["job_id"] == "j"
    assert summary["created"] == one.clock.wall() - 5.0
    assert (summary["seconds"], summary["status"], summary["correlation_id"]) == (5.0, "completed", "c")
    assert summary["messages"] == {
        "accepted": 2, "done": 2, "dead": 0, "discarded": 0, "retracted": 0, "pending": 0, "in_flight": 0, "outputs": 1,
    }  # fmt: skip
    assert summary["waiting"] == 3
    assert summary["routines"]["b"]["waiting"] == 3
    assert summary["waits_for"] == ""


def test_what_a_job_waits_for(bench: Build) -> None:
    one = bench(summing())
    one.post("other", "a.input", last=False)
    one.post("j", "a.input", 2, last=False)
    one.clock.advance(1.5)
    one.ask("other", "pause")
    told = views.describe(one.machine, one.job("j"))
    assert "messages wait for a worker of pool 0: 2 at a.input" in told
    assert "more input is promised" in told
    assert "running for 1.5 s: a.input" in views.describe(one.machine, one.job("other"))
    one.finish(retry=(9.0, 1))
    assert "1 messages wait for a retry" in views.describe(one.machine, one.job("other"))
    one.finish(waiting={"total": 1})
    assert "1 messages wait in total" in views.describe(one.machine, one.job("j"))
    one.ask("other", "cancel")


def test_nothing_waits(bench: Build) -> None:
    one = bench()
    one.post("j", "a.input")
    one.run_out()
    assert views.describe(one.machine, one.job("j")) == "nothing waits"


def test_the_overview_names_jobs_lanes_and_costs(bench: Build) -> None:
    one = bench()
    one.post("done", "a.input")
    one.finish(seconds=0.5)
    one.post("j", "a.input", 2)
    one.post("j", "a.input", 3)
    overview = views.overview(one.machine)
    assert overview["jobs"] == {"done": "completed", "j": "running"}
    assert (overview["slices_in_flight"], overview["slices_committed"]) == (1, 1)
    assert overview["seconds_per_message"] == {"a.input": 0.5}


def test_a_history_that_is_read_later_shows_nothing_too_old(bench: Build) -> None:
    one = bench(chain(history_ttl_seconds=60.0))
    one.post("j", "a.input", 1, last=False)
    assert views.summary(one.machine, one.job("j"))["history"]
    one.machine.now += 61.0
    assert views.summary(one.machine, one.job("j"))["history"] == []
