"""The only `ray.remote` wraps of what runs in worker processes.

Ray's own retries are off: the machine counts attempts. So are its task events, which would tell the dashboard of every slice:
each costs its caller, its process and the cluster's head some CPU, and the head keeps them.
"""

from __future__ import annotations

from typing import Any

import ray

from routilux_dist.cluster import calls

#: `ray.remote`; its types do not know all of its options.
_remote: Any = ray.remote


def actor(cls: type, *, max_restarts: int = 0, **options: Any) -> Any:
    """Return a class as one of Ray's actors, without what Ray does about failures and events."""
    return _remote(max_restarts=max_restarts, max_task_retries=0, enable_task_events=False, **options)(cls)


#: A slice as a task; returns the references of a receipt and of what is too large to travel with it.
run_slice: Any = _remote(num_returns=2, max_retries=0, enable_task_events=False)(calls.run_slice)

#: A process that runs slices of stateless routines. "run": a slice that runs, and those that wait for it; "aside": what has to
#: get through meanwhile; "stay": a call that lasts as long as its hub.
CrewMember: Any = actor(
    calls.CrewMember, num_cpus=0, max_concurrency=2, concurrency_groups={"run": 4, "aside": 1, "stay": 1}
)

#: A process that serves one group.
HostActor: Any = actor(calls.HostActor)
