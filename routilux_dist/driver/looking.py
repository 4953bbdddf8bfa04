"""What a saved run is like, found out without taking it over: nothing is claimed, and no code of the user's is loaded."""

from __future__ import annotations

from typing import Any

from routilux_dist.checkpoint import recovery
from routilux_dist.checkpoint.blobs import Blobs
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.inspection import list_runs
from routilux_dist.checkpoint.journal import Recovered
from routilux_dist.checkpoint.stores import Store, open_store
from routilux_dist.coordinator import views
from routilux_dist.coordinator.machine import Machine
from routilux_dist.driver import durable, records
from routilux_dist.driver.durable import Past
from routilux_dist.errors import CheckpointError


def jobs_in(url: str, run: str, key: bytes | None = None) -> dict[str, dict[str, Any]]:
    """Return the jobs of a run as they were last written down: id -> what `Job.state()` says.

    Raises:
        CheckpointError: There is no such run, or it is damaged.
    """
    past = past_of(url, run, key)
    return {} if past is None else states(past.machine)


def states(machine: Machine) -> dict[str, dict[str, Any]]:
    """Return the jobs of a machine: id -> what `Job.state()` says."""
    return {job.id: views.summary(machine, job) for job in (*machine.ended.values(), *machine.jobs.values())}


def past_of(url: str, run: str, key: bytes | None = None) -> Past | None:
    """Return what a run was when it was last written down, None if it never began.

    Messages stay closed, so it does no harm that some may be pickled.

    Raises:
        CheckpointError: There is no such run, or it is damaged.
    """
    store = open_store(url)
    known = list_runs(store)
    if run not in known:
        raise CheckpointError(f"{store.url} has no run {run!r}; it has: {', '.join(known) or 'none'}")
    return durable.read(*history(store, run, key), allow_pickle=True)


def history(
    store: Store, run: str, key: bytes | None = None, *, oldest: bool = False
) -> tuple[Recovered, records.GetBlob]:
    """Return what a run's journal holds, and what gives its blobs.

    Args:
        store: The store.
        run: Name of the run.
        key: Secret it was signed with, if it was.
        oldest: Begin as far back as the log is kept, instead of with the newest snapshot.
    """
    found = recovery.recover(store, run, Checks(run, key), oldest=oldest)
    snapshot = None if found.snapshot is None else found.snapshot.data
    return Recovered(epoch=0, snapshot=snapshot, records=found.records, seq=found.end[0]), Blobs(store, run).get
