"""A driver that may be killed: reads commands from its input, one JSON object a line, and answers each with one."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray

import routilux_dist as rd
from tests.chaos import ledger

LOGICAL_CPUS = 4


class Driver:
    """A runtime on a cluster of its own, or on one that is there."""

    def __init__(self, address: str) -> None:
        fresh = {"num_cpus": LOGICAL_CPUS, "object_store_memory": 128 << 20, "include_dashboard": False}
        context = ray.init(address=address, log_to_driver=False, **(fresh if address == "local" else {}))
        self.address = context.address_info["address"]
        self._runtime = rd.Runtime(max_workers=2)
        self._job: rd.Job | None = None
        #: The runtime and the job that was taken over last.
        self._before: tuple[rd.Runtime, rd.Job | None] = (self._runtime, None)

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

    def wait(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Write down all that the job gave."""
        job = self._job
        assert job is not None
        ended = job.wait_for_completion(timeout=spec["timeout"])
        told = {
            "status": job.status if ended else f"hangs in {job.status}: {job.stats()}",
            "outputs": job.outputs,
            "messages": job.stats()["messages"],
            "letters": len(job.dead_letters),
            "errors": [str(error)[:2000] for error in job.errors],
        }
        Path(spec["told"]).write_text(json.dumps(told))
        self._job = None
        return {"status": told["status"]}

    def close(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Close the runtime; return what the cluster has not got back.

        The coordinator of a detached job outlives it, for whoever attaches; it is ended here.
        """
        self._runtime.close()
        for name in spec["detached"]:
            ray.kill(ray.get_actor(f"routilux:{name}", namespace="routilux"), no_restart=True)
        until = time.monotonic() + 30
        missing: dict[str, float] = {}
        while time.monotonic() < until:
            free = ray.available_resources()
            missing = {
                k: v - free.get(k, 0) for k, v in ray.cluster_resources().items() if k == "CPU" and free.get(k, 0) < v
            }
            if not missing:
                break
            time.sleep(0.1)
        return {"missing": missing}


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
