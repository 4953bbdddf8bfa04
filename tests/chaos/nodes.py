"""A cluster of a head and two nodes on this machine; in each scenario the nodes that work are lost.

The head has no CPU and holds the driver; coordinators ask for the node of their driver, and the run says so if one is not there.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray._private.state
from ray.cluster_utils import Cluster

import routilux_dist as rd
from tests.chaos import ledger
from tests.chaos.verify import verify, witness

N, ARRAYS, SIDE = 900, 24, 5 << 20
SECONDS = 200
#: What only the nodes have: an actor that asks for nothing may be put on the head as well.
ON_NODES = {"work": 0.01}


def make_large(n: int) -> Any:
    time.sleep(0.15)
    return np.full(SIDE, n % 251, dtype=np.uint8)


def look_long(x: Any) -> int:
    time.sleep(0.3)
    return int(x[0])


class Sum(rd.Routine):
    """Adds up arrays, which come through the object store."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(total=0, count=0)

    def logic(self, input: Any) -> None:
        self.state["total"] += int(input[0])
        self.state["count"] += len(input) // SIDE

    def finish(self) -> None:
        self.emit("output", [self.state["total"], self.state["count"]])


class World:
    """The cluster, and its nodes that work."""

    def __init__(self) -> None:
        store = {"object_store_memory": 256 << 20}
        # A raylet that is gone is noticed after five seconds instead of fifteen; one that has no time gets twenty-five.
        config = {"health_check_period_ms": 500, "health_check_timeout_ms": 2000, "health_check_failure_threshold": 10}
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": config, **store},
        )
        self.store = store
        self.nodes = [self.add(), self.add()]
        ray.init(address=self.cluster.address, log_to_driver=False)
        self.cluster.wait_for_nodes()

    def add(self) -> Any:
        return self.cluster.add_node(num_cpus=2, resources={"work": 100}, **self.store)

    def lose(self, place: int) -> None:
        """Kill a node with all that it runs; another one takes its place."""
        self.cluster.remove_node(self.nodes[place], allow_graceful=False)
        self.nodes[place] = self.add()

    def settle(self) -> None:
        """Wait until the cluster knows who is dead: what a job is told of the nodes when it begins has to be true."""
        until = time.monotonic() + SECONDS / 2
        mine = {node.node_id for node in self.nodes}
        while {n["NodeID"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU")} != mine:
            assert time.monotonic() < until, ray.nodes()
            time.sleep(0.1)

    def busy(self, name: str) -> int:
        """Wait for a node that runs actors of this class; return the place of that with most. No coordinator is ever there."""
        until = time.monotonic() + SECONDS / 2
        while True:
            actors = [a for a in ray._private.state.actors().values() if a["State"] == "ALIVE"]
            at = [[a["ActorClassName"] for a in actors if a["Address"]["NodeID"] == n.node_id] for n in self.nodes]
            assert not any({"Hub", "SavedHub"} & set(here) for here in at), f"coordinators are with their drivers: {at}"
            if any(name in here for here in at):
                return max(range(len(at)), key=lambda place: at[place].count(name))
            assert time.monotonic() < until, f"nobody works: {at}"
            time.sleep(0.05)

    def close(self) -> None:
        ray.shutdown()
        self.cluster.shutdown()


def begun(job: rd.Job, least: int) -> None:
    """Wait for some messages to be done, and more to be under way."""
    until = time.monotonic() + SECONDS
    while (count := job.stats()["messages"])["done"] < least or not count["in_flight"]:
        assert time.monotonic() < until, count
        time.sleep(0.02)


def stateless(world: World, folder: Path) -> None:
    """Members of the crew go down with their node; the job is not saved."""
    count = 4 * N  # losing a node takes a while
    sign = folder / "stateless"
    flow = rd.Flow("stateless")
    work = ledger.Work()
    work.set_config(witness=str(sign), seconds=0.005)
    flow.add_routine(rd.routine(ledger.numbers), "numbers")
    flow.add_routine(work, "work")
    flow.connect("numbers.output", "work.input")
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(flow, count)
        begun(job, N // 10)
        until = time.monotonic() + SECONDS / 4
        while len(at := Counter(line.pid for line in witness(sign)[-200:])) < 2 or min(at.values()) < 50:
            assert time.monotonic() < until, "a member on each node is busy"
            time.sleep(0.05)
        world.lose(world.busy("CrewMember"))
        assert sorted(job.result(timeout=SECONDS)["work.output"]) == list(range(count))
        assert not job.dead_letters
        assert not job.errors
    times = Counter(line.n for line in witness(sign))
    assert times.total() > count, "work was under way"


def large_results(world: World, folder: Path) -> None:
    """Arrays of five megabytes lie in the object store of the node that made them; the job is saved."""
    flow = rd.Flow("large")
    flow.add_routine(rd.routine(ledger.numbers), "numbers")
    flow.add_routine(rd.routine(actors=2, resources=ON_NODES)(make_large), "large")
    flow.add_routine(Sum(), "sum")
    flow.connect("numbers.output", "large.input")
    flow.connect("large.output", "sum.input")
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(flow, ARRAYS, job_id="large", checkpoint=str(folder / "large"))
        begun(job, 4)
        world.lose(world.busy("HostActor"))
        assert job.result(timeout=SECONDS) == {"sum.output": [[sum(range(ARRAYS)), ARRAYS]]}
        assert not job.dead_letters
        assert not job.errors


def lost_bodies(world: World, folder: Path) -> None:
    """What is large and not saved goes down with its node. The job says so, and blames nobody's code."""
    flow = rd.Flow("bodies")
    flow.add_routine(rd.routine(ledger.numbers), "numbers")
    flow.add_routine(rd.routine(actors=2, resources=ON_NODES)(make_large), "large")
    flow.add_routine(rd.routine(actors=1, resources=ON_NODES)(look_long), "look")
    flow.connect("numbers.output", "large.input")
    flow.connect("large.output", "look.input")
    with rd.Runtime(max_workers=2) as runtime:
        job = runtime.submit(flow, ARRAYS)
        begun(job, 8)
        world.lose(world.busy("HostActor"))
        told = str(job.exception(timeout=SECONDS))
        assert "the object store has lost" in told, told
        assert "workers died" not in told, told


def shards(world: World, folder: Path) -> None:
    """Homes of a saved job go down with their node, again and again: the chains go on."""
    sign = folder / "shards"
    with rd.Runtime(max_workers=2) as runtime:
        flow = ledger.flow(str(sign), 0.01)
        flow.routines["chain"].set_options(resources=ON_NODES)
        job = runtime.submit(flow, N, job_id="shards", checkpoint=str(folder / "ckpt"))
        for least in (N // 3, N, 5 * N // 3):
            begun(job, least)
            world.lose(world.busy("HostActor"))
        assert job.wait_for_completion(timeout=SECONDS), job.stats()
        told = {
            "status": job.status,
            "outputs": job.outputs,
            "messages": job.stats()["messages"],
            "letters": len(job.dead_letters),
            "errors": [str(error) for error in job.errors],
        }
    report = verify(N, told, witness(sign), [])
    assert report["violations"] == []
    assert report["re_executions"] > 0, "work was under way"


SCENARIOS: dict[str, Callable[[World, Path], None]] = {
    "stateless": stateless,
    "large": large_results,
    "bodies": lost_bodies,
    "shards": shards,
}


def main(folder: str) -> None:
    """Run the scenarios."""
    world = World()
    try:
        for name, scenario in SCENARIOS.items():
            started = time.monotonic()
            world.settle()
            scenario(world, Path(folder))
            sys.stderr.write(f"{name}: {time.monotonic() - started:.1f} s\n")
            sys.stdout.write(f"{name}:ok\n")
            sys.stdout.flush()
    finally:
        world.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(place)
