"""The short ways to run a flow: ``run``, ``execute``, ``wait_for_completion``, a flow by its path."""

from __future__ import annotations

from pathlib import Path

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import Pair, double, each, increment
from tests.conformance.routines.waiting import Gate
from tests.conformance.support import WAIT, build, completed

PATH = "tests.conformance.test_running:by_path"

by_path = build({"double": double}, name="by_path")


def test_run(backend: str) -> None:
    flow = build({"double": double, "increment": increment}, "double -> increment")
    assert flow.run(1, backend=backend, timeout=WAIT) == {"increment.output": [3]}
    assert flow.run(1, backend=backend, entry="increment.input") == {"increment.output": [2]}


def test_run_raises_what_went_wrong(backend: str) -> None:
    flow = build({"double": double})
    with pytest.raises(rd.JobFailedError, match="TypeError"):
        flow.run(None, backend=backend, timeout=WAIT)


def test_run_gives_up_after_its_timeout(backend: str, tmp_path: Path) -> None:
    flow = build({"gate": Gate()})
    with pytest.raises(TimeoutError):
        flow.run({"folder": str(tmp_path), "name": "x"}, backend=backend, timeout=0.2)
    (tmp_path / "open").touch()


def test_a_flow_that_grew_between_two_runs_runs_as_it_is_now(backend: str) -> None:
    flow = build({"double": double})
    assert flow.run(1, backend=backend, timeout=WAIT) == {"double.output": [2]}
    flow.add_routine(increment, "increment")
    flow.pipe("double", "increment")
    assert flow.run(1, backend=backend, timeout=WAIT) == {"increment.output": [3]}


def test_execute_and_wait(backend: str) -> None:
    flow = build({"each": each, "double": double}, "each -> double")
    job = flow.execute("each", entry_params=[1, 2], backend=backend)
    assert flow.wait_for_completion(job, timeout=WAIT) is True
    assert sorted(job.result(timeout=0)["double.output"]) == [2, 4]
    assert job.state()


def test_wait_for_completion_tells_when_it_is_not_done(backend: str, tmp_path: Path) -> None:
    flow = build({"gate": Gate()})
    job = flow.execute("gate", entry_params={"folder": str(tmp_path), "name": "x"}, backend=backend)
    assert flow.wait_for_completion(job, timeout=0.05) is False
    assert job.wait_for_completion(timeout=0.05) is False
    (tmp_path / "open").touch()
    assert flow.wait_for_completion(job, timeout=WAIT) is True
    assert job.outputs == {"gate.output": ["x"]}


def test_execute_names_the_routine_where_the_message_enters(backend: str) -> None:
    flow = build({"pair": Pair(), "increment": increment})
    job = flow.execute("increment", entry_params=1, backend=backend)
    assert job.result(timeout=WAIT) == {"pair.output": [], "increment.output": [2]}


def test_a_flow_by_its_path(runtime: rd.Runtime) -> None:
    worker = runtime.exec(PATH)
    _, job = runtime.post(PATH, "double", "input", 4, worker_id=worker.worker_id)
    assert job.result(timeout=WAIT) == {"double.output": [8]}
    assert runtime.submit(PATH, 5).result(timeout=WAIT) == {"double.output": [10]}


def test_a_flow_by_its_name(runtime: rd.Runtime) -> None:
    flow = build({"double": double})
    assert runtime.submit(flow.name, 5).result(timeout=WAIT) == {"double.output": [10]}


def test_the_runtime_lists_its_jobs(runtime: rd.Runtime) -> None:
    job = completed(runtime, build({"double": double}), 1)
    assert job.job_id in str(runtime.list_jobs())


def test_a_closed_runtime_takes_no_jobs_and_results_stay(backend: str, tmp_path: Path) -> None:
    flow = build({"gate": Gate()})
    with rd.Runtime(backend=backend, max_workers=1) as runtime:
        job = runtime.submit(flow, {"folder": str(tmp_path), "name": "x"})
        (tmp_path / "open").touch()
        assert job.result(timeout=WAIT) == {"gate.output": ["x"]}
    assert job.result(timeout=0) == {"gate.output": ["x"]}
    with pytest.raises(rd.RoutiluxError):
        runtime.submit(flow, {"folder": str(tmp_path), "name": "y"})
