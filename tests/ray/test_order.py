"""What one client does for one job reaches the coordinator in the order in which it was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import routilux_dist as rd
from tests.conformance.routines.basic import double
from tests.conformance.routines.waiting import Gate
from tests.conformance.support import WAIT, Running, build, eventually

pytestmark = pytest.mark.ray


@pytest.fixture
def runtime(ray_cluster: str) -> Iterator[rd.Runtime]:
    with rd.Runtime(max_workers=2) as opened:
        yield opened


def test_closing_a_job_does_not_pass_its_messages(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double}))
    for _ in range(20):
        job = running.post("double.input", 0, close=False)
        eventually(lambda job=job: job.outputs["double.output"] == [0], "the coordinator knows the job")  # type: ignore[misc]
        for number in range(1, 6):
            running.post("double.input", number, job_id=job.job_id)
        job.close()
        assert sorted(job.result(timeout=WAIT)["double.output"]) == [0, 2, 4, 6, 8, 10]
        assert job.dead_letters == []


def test_a_request_for_a_job_that_has_ended_does_no_harm(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double}))
    job = running.post("double.input", 1)
    assert job.result(timeout=WAIT) == {"double.output": [2]}
    job.close()
    job.pause()
    job.resume()
    assert running.run("double.input", 2) == {"double.output": [4]}


def test_cancelling_passes_messages_that_wait_for_room(ray_cluster: str, tmp_path: Path) -> None:
    """What makes room may be this very request."""
    with rd.Runtime(max_workers=1, tuning=rd.Tuning(max_pending_blocks=1)) as narrow:
        running = Running(narrow, build({"gate": Gate()}))
        job = running.post("gate.input", {"folder": str(tmp_path), "name": "0"}, close=False)
        eventually(lambda: (tmp_path / "started-0").exists(), "the routine starts")
        for number in range(1, 30):
            message = {"folder": str(tmp_path), "name": str(number)}
            running.post("gate.input", message, job_id=job.job_id, close=False)
        job.close()
        assert job.cancel()
        (tmp_path / "open").touch()
