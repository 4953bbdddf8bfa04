"""The crew that runs stateless routines on Ray."""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import ray
import ray._private.state

import routilux_dist as rd
from tests.conformance.routines.basic import double
from tests.conformance.support import Running, build, eventually

pytestmark = pytest.mark.ray


def where(x: int) -> tuple[int, int, float, float]:
    """Return process and thread, and when it ran."""
    start = time.monotonic()
    time.sleep(0.01)
    return os.getpid(), threading.get_ident(), start, time.monotonic()


def test_max_workers_holds_and_user_code_has_one_thread_per_process(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        seen = list(rd.pipeline(where, name="where").map(range(80), runtime=runtime))
    assert len(seen) == 80
    places = {(pid, thread) for pid, thread, _, _ in seen}
    assert len({pid for pid, _ in places}) == len(places) <= 2
    edges = sorted([(start, 1) for _, _, start, _ in seen] + [(end, -1) for _, _, _, end in seen])
    assert max(itertools.accumulate(change for _, change in edges)) <= 2


def pid_of(x: int) -> int:
    return os.getpid()


def test_flows_run_in_passing_find_the_crew_running(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=1) as runtime:
        first = runtime.submit(rd.pipeline(pid_of, name="first"), 0).result(timeout=60)["pid_of.output"]
        second = runtime.submit(rd.pipeline(pid_of, name="second"), 0).result(timeout=60)["pid_of.output"]
        assert first == second


def slow(x: dict[str, Any]) -> str:
    """Runs until it is cancelled, or for as long as it is told; leaves a sign of either."""
    job = rd.current_job()
    Path(x["began"]).touch()
    until = time.monotonic() + x["seconds"]
    while time.monotonic() < until and not job.cancelled:
        time.sleep(0.01)
    Path(x["ended"]).write_text("cancelled" if job.cancelled else "through")
    return "done"


def test_a_running_slice_sees_that_its_job_was_cancelled(ray_cluster: str, tmp_path: Path) -> None:
    began, ended = tmp_path / "began", tmp_path / "ended"
    with rd.Runtime(max_workers=1) as runtime:
        job = runtime.submit(rd.pipeline(slow), {"began": str(began), "ended": str(ended), "seconds": 120})
        wait_for(began)
        job.cancel()
        wait_for(ended)
        wait_until(lambda: bool(ended.read_text()))
        assert ended.read_text() == "cancelled"


def wait_for(path: Path) -> None:
    wait_until(path.exists)


def wait_until(is_so: Any) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


class Closing(rd.Routine):
    """Leaves a sign when it is closed."""

    def __init__(self, sign: str) -> None:
        super().__init__()
        self.sign = sign

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: int) -> int:
        return x

    def close(self) -> None:
        Path(self.sign).touch()


def test_routines_are_closed_with_their_running_flow(ray_cluster: str, tmp_path: Path) -> None:
    sign = tmp_path / "closed"
    with rd.Runtime(max_workers=1) as runtime:
        worker = runtime.exec(rd.pipeline(Closing(str(sign)), name="closing"))
        assert worker.post("Closing", "input", 3).result(timeout=60) == {"Closing.output": [3]}
        assert not sign.exists()
        worker.close()
        wait_for(sign)


def members() -> set[str]:
    """The members of all crews that live or are about to."""
    actors = ray._private.state.actors()
    return {a["ActorID"] for a in actors.values() if a["ActorClassName"] == "CrewMember" and a["State"] != "DEAD"}


@pytest.mark.parametrize("end", ["it is closed", "its hub dies"])
def test_the_member_that_is_started_with_a_hub_ends_with_it(ray_cluster: str, end: str) -> None:
    before = members()
    with rd.Runtime(max_workers=1) as runtime:
        running = Running(runtime, build({"double": double}))
        assert running.run("double.input", 4) == {"double.output": [8]}
        mine = members() - before
        assert len(mine) == 1, "it is the crew's first, and not one more"
        if end == "its hub dies":
            session: Any = running.worker.session
            ray.kill(session._hub)
            eventually(lambda: not members() & mine, "the member has ended")
    eventually(lambda: not members() & mine, "the member has ended")
