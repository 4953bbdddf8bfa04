"""What one client does for one job reaches the coordinator in the order in which it was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

import routilux_dist as rd
from routilux_dist.coordinator.events import ControlAsked
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


def test_a_call_that_arrives_before_the_one_it_follows_waits_for_it(runtime: rd.Runtime) -> None:
    """Ray starts the calls of an actor with a loop as they come: under load one in a hundred passed the one before it."""
    running = Running(runtime, build({"double": double}))
    job = running.post("double.input", 1, close=False)
    eventually(lambda: job.outputs["double.output"] == [2], "the message is through")
    session: Any = running.worker.session
    first, second = next(session._turns), next(session._turns)

    def ask(action: str, turn: int) -> Any:
        event = ControlAsked(job.job_id, action)
        return session._hub.take.remote(session._running, [event], "", False, (session._client, turn))

    pausing = ask("pause", second)
    assert ray.wait([pausing], timeout=0.3) == ([], [pausing])
    assert job.status == "running"
    ray.get(ask("resume", first))
    ray.get(pausing)
    assert job.status == "paused"


def test_a_request_does_not_pass_the_message_that_makes_its_job(runtime: rd.Runtime) -> None:
    running = Running(runtime, build({"double": double}))
    for number in range(30):
        job = running.post("double.input", number, close=False)
        job.pause()
        assert job.status == "paused"
        job.resume()
        job.close()
        assert job.result(timeout=WAIT) == {"double.output": [2 * number]}


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
