"""A driver that may be killed: reads commands from its input, one JSON object a line, and answers each with one."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray
import ray._private.state

import routilux_dist as rd
from tests.chaos import ledger

LOGICAL_CPUS = 4
#: What a running flow remembers of jobs that have ended.
ENDED_BYTES = 2 << 20


class Driver:
    """A runtime on a cluster of its own, or on one that is there."""

    def __init__(self, address: str) -> None:
        fresh = {"num_cpus": LOGICAL_CPUS, "object_store_memory": 128 << 20, "include_dashboard": False}
        context = ray.init(address=address, log_to_driver=False, **(fresh if address == "local" else {}))
        self.address = context.address_info["address"]
        # A flow that runs for hours keeps the results of its last jobs; here these are a few.
        self._runtime = rd.Runtime(max_workers=2, tuning=rd.Tuning(max_ended_bytes=ENDED_BYTES))
        self._job: rd.Job | None = None
        #: The runtime and the job that was taken over last.
        self._before: tuple[rd.Runtime, rd.Job | None] = (self._runtime, None)
        #: Jobs of a flow that runs on and on, by their names.
        self._open: dict[str, rd.Job] = {}

    def submit(self, spec: dict[str, Any]) -> dict[str, Any]:
        self._job = self._runtime.submit(
            ledger.flow(spec["witness"], spec["seconds"]),
            spec["n"],
            job_id=spec["job"],
            checkpoint=spec["checkpoint"],
            detached=spec["detached"],
        )
        return {}

    def attach(self, spec: dict[str, Any]) -> dict[str, Any]:
        self._job = self._runtime.attach(spec["job"])
        return {}

    def recover(self, spec: dict[str, Any]) -> dict[str, Any]:
        flow = ledger.flow(spec["witness"], spec["seconds"])
        self._job = self._runtime.recover(spec["checkpoint"], flow, job_id=spec["job"])
        return {}

    def nothing(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {}

    def look(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Return how the job is."""
        job = self._job
        if job is None:
            return {"job": None}
        return {
            "job": job.stats(),
            "errors": [str(error)[:500] for error in job.errors],
            "waits": str(job.state())[:2000],
        }

    def take_over(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Go on with the job in another namespace, while its coordinator in this one is still there."""
        self._before = (self._runtime, self._job)
        self._runtime = rd.Runtime(max_workers=2, namespace=spec["namespace"])
        return self.recover(spec)

    def fenced(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Wait for what the job that was taken over says."""
        runtime, job = self._before
        assert job is not None
        told = str(job.exception(timeout=spec["timeout"]))
        runtime.close()
        return {"told": told}

    def open(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Begin a flow that runs on and on: with a first job, whose handle keeps it."""
        self.submit({**spec, "job": spec["run"], "n": 1, "detached": True})
        assert self._job is not None
        return {"outputs": self._job.result(timeout=spec["timeout"])}

    def join(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Attach to a flow that runs on and on."""
        self._job = self._runtime.attach(spec["run"], ledger.flow(spec["witness"], spec["seconds"]))
        return {}

    def more(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Post another job to the flow that runs, unless it is there."""
        worker = next(one for one in self._runtime.workers() if one.worker_id == spec["run"])
        there = spec["job"] in worker.stats()["jobs"]
        known = worker.adopt(spec["job"]) if there else worker.post("numbers", "input", spec["n"], job_id=spec["job"])
        self._open[spec["job"]] = known
        return {}

    def poll(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Write down what each job gave that has ended; return which these are."""
        ended = [name for name, job in self._open.items() if job.done()]
        for name in ended:
            _write(Path(spec["folder"]) / f"{name}.told", self._open.pop(name), True)
        return {"ended": ended}

    def wait(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Write down all that the job gave."""
        job = self._job
        assert job is not None
        status = _write(Path(spec["told"]), job, job.wait_for_completion(timeout=spec["timeout"]))
        self._job = None
        return {"status": status}

    def close(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Close the runtime; return what the cluster has not got back.

        The coordinator of a detached job outlives it, for whoever attaches; it is ended here.
        """
        self._runtime.close()
        for name in spec["detached"]:
            ray.kill(ray.get_actor(f"routilux:{name}", namespace="routilux"), no_restart=True)
        until = time.monotonic() + 30
        missing, actors = _missing(), _actors()
        while missing or (actors and spec.get("actors")):
            if time.monotonic() > until:
                break
            time.sleep(0.1)
            missing, actors = _missing(), _actors()
        return {"missing": missing, "actors": actors}


def _missing() -> dict[str, float]:
    """Return what the cluster has not got back of its CPUs."""
    free, total = ray.available_resources().get("CPU", 0.0), ray.cluster_resources().get("CPU", 0.0)
    return {"CPU": total - free} if free < total else {}


def _actors() -> list[str]:
    """Return the classes of actors that Ray does not call dead: they end some time after their owner."""
    return [a["ActorClassName"] for a in ray._private.state.actors().values() if a["State"] != "DEAD"]


def _write(told: Path, job: rd.Job, ended: bool) -> str:
    error = job.exception(0) if ended else None
    if error is not None and not isinstance(error, rd.JobFailedError):
        raise error  # nobody can be asked about it any more
    status = str(job.status if ended else f"hangs in {job.status}: {job.stats()}")
    outputs = job.outputs if ended else {}
    letters, errors = len(job.dead_letters), [str(error)[:2000] for error in job.errors]
    facts = {"status": status, "outputs": outputs, "messages": job.stats()["messages"]}
    told.write_text(json.dumps({**facts, "letters": letters, "errors": errors}))
    return status


def main(address: str) -> None:
    """Serve commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever prints does not disturb the answers
    driver = Driver(address)
    answers.write(json.dumps({"address": driver.address}) + "\n")
    for line in sys.stdin:
        spec = json.loads(line)
        try:
            answer = getattr(driver, spec["do"])(spec)
        except Exception as exc:
            answer = {"error": f"{type(exc).__name__}: {exc}"}
        answers.write(json.dumps(answer) + "\n")
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
