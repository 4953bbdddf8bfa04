"""Jobs that are saved: begun with a checkpoint, found again, gone on with."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from routilux_dist.checkpoint.inspection import list_runs
from routilux_dist.checkpoint.options import Checkpoint, as_checkpoint
from routilux_dist.checkpoint.stores import PART_RULE, open_store
from routilux_dist.client.job import Job
from routilux_dist.client.worker import FlowWorker, check_job_id
from routilux_dist.driver import changes
from routilux_dist.driver.looking import jobs_in as jobs_in
from routilux_dist.driver.session import Durable
from routilux_dist.errors import CheckpointError, ConfigurationError, StoreError
from routilux_dist.flow.model import FlowModel

if TYPE_CHECKING:
    from routilux_dist.client.runtime import Runtime


def durable(flow: FlowModel, checkpoint: Checkpoint, run: str, **fields: Any) -> Durable:
    """Return how a running flow is made durable.

    Raises:
        ConfigurationError: The name is none for a run.
    """
    if not PART_RULE.fullmatch(run):
        raise ConfigurationError(
            f"{run!r} cannot name something that is saved: letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    return Durable(checkpoint=checkpoint, run=run, schemas=changes.schemas(flow.routines), **fields)


def submit(  # noqa: PLR0913 - keyword-only from the third on
    runtime: Runtime,
    flow: FlowModel,
    payload: Any,
    *,
    entry: str | None,
    job_id: str | None,
    checkpoint: Checkpoint,
    detached: bool,
    options: Mapping[str, Any],
) -> Job:
    """Start a saved job: a run of its own in the store, with a coordinator of its own; see `Runtime.submit`."""
    name = check_job_id(job_id)
    how = durable(flow, checkpoint, name, detached=detached)
    try:
        worker = runtime.start(flow, need_entry=entry is None, worker_id=name, durable=how)
    except StoreError as exc:
        raise StoreError(
            f"job {name!r} cannot be saved at {checkpoint.url!r}: {exc}; checkpoint= has to name a place that can be written to"
        ) from exc
    routine, slot = flow.entry_slot(entry)
    try:
        job = worker.post(routine, slot, payload, job_id=name, **options)
    except Exception:  # an interrupt may come when the message is saved already: then shutting down says how to go on
        worker.close()
        raise
    return holding(runtime, worker, job)


def recover(
    runtime: Runtime, checkpoint: Checkpoint | str, flow: FlowModel, job_id: str | None, *, detached: bool, force: bool
) -> Job:
    """Go on with a saved job; see `Runtime.recover`."""
    found = as_checkpoint(checkpoint)
    if found is None:
        raise ConfigurationError("recover: say where the job is saved, such as rt.recover('ckpt/', flow=…)")
    run = job_id if job_id is not None else _only_run(found)
    runtime.make_way(run)
    how = durable(flow, found, run, begin=False, go_on=True, detached=detached, force=force)
    worker = runtime.start(flow, need_entry=False, worker_id=run, durable=how)
    jobs = worker.stats()["jobs"]
    if not jobs:
        worker.close()
        raise CheckpointError(
            f"{found.url} holds {run!r} without a job: its process was lost before the message was saved, and nothing was begun; "
            f"submit it with another job_id"
        )
    if run in jobs:  # a job of its own; the others are its dead letters, posted again
        for other in jobs:
            if other != run:
                worker.adopt(other)
        return holding(runtime, worker, worker.adopt(run))
    if len(jobs) != 1:
        worker.close()
        raise ConfigurationError(
            f"{found.url} holds {run!r} with {len(jobs)} jobs, a running flow: go on with all of it by rt.exec(flow, "
            f"worker_id={run!r}, checkpoint={found.url!r})"
        )
    return holding(runtime, worker, worker.adopt(next(iter(jobs))))


def _only_run(checkpoint: Checkpoint) -> str:
    runs = list_runs(open_store(checkpoint.url))
    if not runs:
        raise CheckpointError(f"{checkpoint.url} holds nothing that was saved; look at the path")
    if len(runs) > 1:
        raise ConfigurationError(f"{checkpoint.url} holds {len(runs)} jobs; say which with job_id=: {', '.join(runs)}")
    return runs[0]


def left(worker: FlowWorker) -> Iterator[str]:
    """Say of each open job of a running flow that is saved how to go on with it."""
    if worker.durable is None or not worker.alive:
        return
    url, name = worker.durable.checkpoint.url, worker.worker_id
    for job in worker.jobs:
        if job.done():
            continue
        if worker.durable.detached:
            how = f"goes on in the cluster: rt.attach({name!r}) finds it"
        elif job.job_id == name:
            how = f"is saved; go on with it: rt.recover({url!r}, flow, job_id={name!r})"
        else:
            how = f"is saved; go on with it: rt.exec(flow, worker_id={name!r}, checkpoint={url!r})"
        yield f"job {job.job_id!r} of flow {worker.flow!r} has not ended and {how}"


def holding(runtime: Runtime, worker: FlowWorker, job: Job) -> Job:
    """Keep the job's coordinator as long as somebody holds the job: it may be rolled back after its end."""
    weakref.finalize(job, runtime.retire, worker).atexit = False
    return job
