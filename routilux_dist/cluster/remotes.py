"""The only `ray.remote` wraps of what runs in worker processes. Ray's own retries are off: the machine counts attempts."""

from __future__ import annotations

from typing import Any

import ray

from routilux_dist.cluster import calls

#: A slice as a task; returns the references of a receipt and of what is too large to travel with it.
run_slice: Any = ray.remote(num_returns=2, max_retries=0)(calls.run_slice)

#: A process that runs slices of stateless routines. "run": a slice that runs, and those that wait for it; "aside": what has to
#: get through meanwhile.
CrewMember: Any = ray.remote(  # type: ignore[call-overload]
    num_cpus=0, max_restarts=0, max_task_retries=0, max_concurrency=2, concurrency_groups={"run": 4, "aside": 1}
)(calls.CrewMember)

#: A process that serves one group.
HostActor: Any = ray.remote(max_restarts=0, max_task_retries=0)(calls.HostActor)
