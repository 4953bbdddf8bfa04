"""What a job says when processes die under it."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import ray

import routilux_dist as rd

pytestmark = pytest.mark.ray


def die(x: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def fragile(x: dict[str, Any]) -> int:
    """Dies the first time it sees a message, and leaves a sign of it."""
    if not os.path.exists(x["sign"]):
        with open(x["sign"], "w") as sign:
            sign.write("here")
        os.kill(os.getpid(), signal.SIGKILL)
    return int(x["value"])


class Total(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(total=0)

    def logic(self, input: int) -> None:
        if input < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.state["total"] += input
        self.emit("output", self.state["total"])


def test_a_slice_whose_worker_dies_is_run_again(ray_cluster: str, tmp_path: Any) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(rd.pipeline(fragile), {"sign": str(tmp_path / "sign"), "value": 5})
        assert job.result(timeout=60) == {"fragile.output": [5]}
    assert (tmp_path / "sign").exists(), "the fault did hit"


def test_a_message_that_always_kills_its_worker_ends_its_job(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(rd.pipeline(die), 1)
        with pytest.raises(rd.JobFailedError, match=r"WorkerLostError.*3 workers died") as caught:
            job.result(timeout=60)
        assert isinstance(caught.value.cause, rd.WorkerLostError)
        (letter,) = job.dead_letters
        assert (letter.payload, letter.attempts) == (1, 3)


def spread(x: dict[str, Any]) -> Any:
    for n in range(x["count"]):
        yield {"n": n, "poison": n in x["poison"], "deaths": x["deaths"]}


def bite(x: dict[str, Any]) -> int:
    """Ends its process at a poisonous message, and leaves a line for each time."""
    if x["poison"]:
        with open(x["deaths"], "a") as deaths:
            deaths.write(f"{x['n']}\n")
        os._exit(0)
    return int(x["n"])


def test_poison_is_put_aside_and_its_neighbours_go_through(ray_cluster: str, tmp_path: Any) -> None:
    poison, deaths = (17, 4_321, 9_999), tmp_path / "deaths"
    flow = rd.pipeline(spread, bite)
    flow.set_error_handler(rd.ErrorHandler(rd.ErrorStrategy.CONTINUE))
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(flow, {"count": 10_000, "poison": poison, "deaths": str(deaths)})
        outputs = job.result(timeout=110)
    assert sorted(outputs["bite.output"]) == [n for n in range(10_000) if n not in poison]
    assert sorted(letter.payload["n"] for letter in job.dead_letters) == list(poison)
    died = deaths.read_text().split()
    assert {int(n) for n in died} == set(poison), "every fault did hit"
    assert len(died) <= 12


def test_poison_in_a_map_is_its_item_alone(ray_cluster: str, tmp_path: Any) -> None:
    items = [{"n": n, "poison": n == 30, "deaths": str(tmp_path / "deaths")} for n in range(100)]
    found = list(rd.pipeline(bite).map(items, on_error="collect", timeout=110))
    assert [f for f in found if not isinstance(f, rd.ItemError)] == [n for n in range(100) if n != 30]
    (error,) = [f for f in found if isinstance(f, rd.ItemError)]
    assert error.item["n"] == 30
    assert isinstance(error.error.cause, rd.WorkerLostError)


def test_state_that_dies_with_its_worker_ends_the_job(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        flow = rd.pipeline(Total())
        job = runtime.submit(flow, -1)
        with pytest.raises(rd.JobFailedError, match="held its state died"):
            job.result(timeout=60)
        assert runtime.submit(flow, 4).result(timeout=60) == {"Total.output": [4]}, "the next job gets a new home"


def test_a_dead_coordinator_ends_what_waits(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        worker = runtime.exec(rd.pipeline(fragile, name="orphaned"), worker_id="orphaned-1")
        _, job = runtime.post("orphaned", "fragile", "input", {"sign": "/", "value": 1}, close=False)
        assert worker.stats()["flow"] == "orphaned"
        ray.kill(ray.get_actor("routilux:orphaned-1", namespace="routilux"))
        with pytest.raises(rd.ExecutionError, match="coordinator"):
            job.result(timeout=60)
