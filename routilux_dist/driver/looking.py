"""What a saved run is like, found out without taking it over: nothing is claimed, and no code of the user's is loaded."""

from __future__ import annotations

from typing import Any

from routilux_dist.checkpoint import recovery
from routilux_dist.checkpoint.blobs import Blobs
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.inspection import list_runs
from routilux_dist.checkpoint.journal import Recovered
from routilux_dist.checkpoint.stores import open_store
from routilux_dist.coordinator import views
from routilux_dist.driver import durable
from routilux_dist.errors import CheckpointError


def jobs_in(url: str, run: str, key: bytes | None = None) -> dict[str, dict[str, Any]]:
    """Return the jobs of a run as they were last written down: id -> what `Job.state()` says.

    Messages stay closed, so it does no harm that some may be pickled.

    Raises:
        CheckpointError: There is no such run, or it is damaged.
    """
    store = open_store(url)
    known = list_runs(store)
    if run not in known:
        raise CheckpointError(f"{store.url} has no run {run!r}; it has: {', '.join(known) or 'none'}")
    history = recovery.recover(store, run, Checks(run, key))
    snapshot = None if history.snapshot is None else history.snapshot.data
    found = Recovered(epoch=0, snapshot=snapshot, records=history.records, seq=history.end[0])
    past = durable.read(found, Blobs(store, run).get, allow_pickle=True)
    if past is None:
        return {}
    machine = past.machine
    return {job.id: views.summary(machine, job) for job in (*machine.ended.values(), *machine.jobs.values())}
