"""Saved jobs on Ray: any process may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import ray

import routilux_dist as rd
from routilux_dist.cluster import saved_hub
from routilux_dist.cluster.inbox import Answer
from routilux_dist.cluster.saved_hub import SavedHub
from routilux_dist.driver.driver import Gone
from routilux_dist.wire import codec
from tests.chaos import processes
from tests.conformance.routines import saved
from tests.conformance.support import eventually
from tests.conformance.test_saved import folding

pytestmark = pytest.mark.ray

N = 2000
RIGHT = {"fold.output": [[sum(range(N)), N]]}
SECONDS = 110


def hub(name: str) -> Any:
    return ray.get_actor(f"routilux:{name}", namespace="routilux")


def pid_of(name: str) -> int:
    return int(ray.get(hub(name).begin.remote())[1])


def begun(job: rd.Job, least: int) -> None:
    eventually(lambda: job.stats()["messages"]["done"] >= least, "some of it is done")


def test_a_coordinator_that_is_killed_comes_back_and_goes_on(ray_cluster: str, tmp_path: Path) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(folding(slowly=True), N, job_id="killed", checkpoint=str(tmp_path))
        hit = []
        for least in (50, 600):
            begun(job, least)
            hit.append(pid_of("killed"))
            assert job.stats()["messages"]["in_flight"] > 0, "the fault hits work"
            os.kill(hit[-1], signal.SIGKILL)
        assert job.result(timeout=SECONDS) == RIGHT
        assert job.stats()["messages"]["accepted"] == 2 * N + 1
        assert pid_of("killed") not in hit


class Fragile(saved.Fold):
    """Kills its process once, in the middle."""

    def logic(self, input: int) -> None:
        sign = self.get_config("sign")
        if input == 500 and not os.path.exists(sign):
            with open(sign, "w") as file:
                file.write("here")
            os.kill(os.getpid(), signal.SIGKILL)
        super().logic(input)


def test_state_outlives_its_home(ray_cluster: str, tmp_path: Path) -> None:
    flow = folding(slowly=True)
    fragile = Fragile()
    fragile.set_config(sign=str(tmp_path / "sign"))
    flow = rd.Flow("fragile")
    flow.add_routine(rd.routine(saved.numbers), "numbers")
    flow.add_routine(fragile, "fold")
    flow.connect("numbers.output", "fold.input")
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(flow, N, job_id="fragile", checkpoint=str(tmp_path / "ckpt"))
        assert job.result(timeout=SECONDS) == RIGHT
    assert (tmp_path / "sign").exists(), "the fault did hit"


def test_two_coordinators_of_a_run_never_commit_side_by_side(ray_cluster: str, tmp_path: Path) -> None:
    with rd.Runtime(max_workers=2) as first:
        job = first.submit(folding(slowly=True), N, job_id="twice", checkpoint=str(tmp_path))
        begun(job, 50)
        stopped = pid_of("twice")
        os.kill(stopped, signal.SIGSTOP)
        try:
            with rd.Runtime(max_workers=2, namespace="elsewhere") as second:
                again = second.recover(str(tmp_path), folding(slowly=True))
                os.kill(stopped, signal.SIGCONT)
                assert again.result(timeout=SECONDS) == RIGHT
                with pytest.raises(rd.ExecutionError, match="taken over"):
                    job.result(timeout=SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):  # fenced, and ended
                os.kill(stopped, signal.SIGCONT)


DRIVER = """
    import os, sys, time
    import routilux_dist as rd
    from tests.conformance.test_saved import folding

    if __name__ == "__main__":
        with rd.Runtime(address=sys.argv[1], max_workers=2) as runtime:
            job = runtime.submit(folding(slowly=True), int(sys.argv[3]), job_id="left", checkpoint=sys.argv[2], detached=True)
            while job.stats()["messages"]["done"] < 50:
                time.sleep(0.05)
            print("begun", flush=True)
            os._exit(9)
"""


def test_a_detached_job_outlives_its_driver(ray_cluster: str, tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(DRIVER))
    address = ray.get_runtime_context().gcs_address
    done = subprocess.run(
        [sys.executable, str(script), address, str(tmp_path / "ckpt"), str(N)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.path.join(os.getcwd(), "workers")])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert "begun" in done.stdout, done.stderr
    assert done.returncode == 9, "the driver was lost, it did not end"
    with rd.Runtime() as runtime:
        job = runtime.attach("left")
        assert job.status in ("running", "completed")
        os.kill(pid_of("left"), signal.SIGKILL)  # nobody but the cluster brings it back
        assert job.result(timeout=SECONDS) == RIGHT
        ray.kill(hub("left"), no_restart=True)
        with pytest.raises(rd.ConfigurationError, match=r"no saved job 'nobody' runs.*rt\.recover"):
            runtime.attach("nobody")


class Told:
    """Stands for a coordinator that went on."""

    closed = False

    def __init__(self, opening: Any) -> None:
        self.opening = opening
        self.events: list[Any] = []

    async def take(self, events: list[Any], client: str, linger: bool) -> Answer:
        self.events += events
        return Answer(None, [])

    def ask(self, question: str, job: str) -> str:
        return f"{question} of {job}"


class Back(SavedHub):
    """A hub that was restarted, and whose call to go on has not arrived yet."""

    broken = False

    async def _open(self, opening: Any) -> None:
        if self.broken:
            raise OSError("the store is away")
        self._coordinators["run"] = Told(opening)  # type: ignore[assignment]


class First:
    worker_id = "run"

    def again(self) -> str:
        return "again"


@pytest.fixture
def back(monkeypatch: pytest.MonkeyPatch) -> Back:
    monkeypatch.setattr(saved_hub, "_was_restarted", lambda: True)
    monkeypatch.setattr(ray, "get_runtime_context", MagicMock())
    return Back("back", codec.encode((First(), None)).data)


def test_a_post_that_overtakes_the_restart_is_not_lost(back: Back) -> None:
    """A client's call may arrive before the one by which a coordinator that came back tells itself to go on."""
    asyncio.run(back.take("run", ["posted"]))  # type: ignore[list-item]
    told: Any = back._coordinators["run"]
    assert (told.opening, told.events) == ("again", ["posted"])
    assert asyncio.run(back.ask("run", "status", "j")) == "status of j"


def test_a_client_that_attaches_during_a_restart_finds_the_run(back: Back) -> None:
    with contextlib.suppress(AttributeError):  # the stand-in has no homes to tell of
        asyncio.run(back.begin())
    told: Any = back._coordinators["run"]
    assert told.opening == "again", "it goes on; to begin would be refused"


def test_a_coordinator_that_cannot_go_on_says_so_to_whoever_posts(back: Back) -> None:
    back.broken = True
    with pytest.raises(rd.ExecutionError, match="could not go on after a restart: OSError: the store is away"):
        asyncio.run(back.take("run", ["posted"]))  # type: ignore[list-item]
    back.broken = False
    asyncio.run(back.take("run", ["posted"]))  # type: ignore[list-item]
    assert back._coordinators


def test_a_coordinator_that_was_shut_down_does_not_come_back(back: Back) -> None:
    asyncio.run(back.shut_down("run"))
    assert asyncio.run(back.news("run", "client")).news == [Gone("the running flow was shut down")]
    assert not back._coordinators


def test_a_job_that_kills_its_coordinator_again_and_again_is_put_aside(ray_cluster: str, tmp_path: Path) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(folding(slowly=True), N, job_id="poison", checkpoint=str(tmp_path))
        begun(job, 50)
        (tmp_path / "poison" / "starts").write_bytes(b"3")  # as three coordinators would leave it
        os.kill(pid_of("poison"), signal.SIGKILL)
        with pytest.raises(rd.ExecutionError, match="'poison' is quarantined"):
            job.result(timeout=SECONDS)
        with pytest.raises(rd.CheckpointError, match=r"quarantined.*force=True"):
            runtime.recover(str(tmp_path), folding(slowly=True))
        assert runtime.recover(str(tmp_path), folding(slowly=True), force=True).result(timeout=SECONDS) == RIGHT


def test_a_detached_coordinator_leaves_when_its_job_has_ended_and_nobody_looks(
    ray_cluster: str, tmp_path: Path
) -> None:
    checkpoint = rd.Checkpoint(str(tmp_path), linger=1)
    right = {"fold.output": [[sum(range(200)), 200]]}
    with rd.Runtime(max_workers=2) as first:
        job = first.submit(folding(slowly=True), 200, job_id="lingers", checkpoint=checkpoint, detached=True)
        assert job.result(timeout=SECONDS) == right
        process = pid_of("lingers")
        with rd.Runtime() as second:
            assert second.attach("lingers").result(timeout=SECONDS) == right
        time.sleep(2)
        assert job.status == "completed", "a client is there: it stays"
        assert processes.alive(process)
    assert processes.gone([process], SECONDS) == []
    with rd.Runtime(max_workers=2) as third:
        eventually(lambda: "lingers" not in third.overviews(), "its name is free, and Ray does not bring it back")
        with pytest.raises(
            rd.ConfigurationError, match=r"no saved job 'lingers' runs.*rt\.recover\(…\) gives its results"
        ):
            third.attach("lingers")
        assert third.recover(checkpoint, folding(slowly=True), job_id="lingers").result(timeout=SECONDS) == right


def test_every_client_of_a_job_is_told_how_it_ended(ray_cluster: str, tmp_path: Path) -> None:
    with rd.Runtime(max_workers=2) as first, rd.Runtime(max_workers=2) as second:
        job = first.submit(folding(slowly=True), 200, job_id="shared", checkpoint=str(tmp_path))
        other = second.attach("shared")
        assert job.result(timeout=SECONDS) == other.result(timeout=SECONDS) == {"fold.output": [[sum(range(200)), 200]]}
