"""What lies in a store, described without opening any of it for good: nothing is claimed, nothing is fenced."""

from __future__ import annotations

from typing import Any

from routilux_dist.checkpoint import recovery, segments, snapshots
from routilux_dist.checkpoint.frames import Checks
from routilux_dist.checkpoint.stores import Store, check_run
from routilux_dist.errors import CheckpointError, StoreError


def list_runs(store: Store) -> list[str]:
    """Return the names of the runs in a store."""
    return [name for name in store.list("") if store.list(f"{name}/epochs")]


def inspect(store: Store, run: str, key: bytes | None = None) -> dict[str, Any]:
    """Describe a run's files in plain values.

    Args:
        store: The store.
        run: Name of the run.
        key: Secret it was signed with, if it was.

    Returns:
        `epoch` (newest), `segments` (file, epoch, first, records, bytes, state), `snapshots` (file, seq, name, bytes, state),
        `seq` (last record, None if damaged), `replay` (records after the newest snapshot), `blobs`, `bytes`, `damage` (why it
        cannot be opened, or None) and `notes`.

    Raises:
        CheckpointError: There is no such run, or it can be none.
        StoreError: The store failed.
    """
    epochs = store.list(f"{check_run(run)}/epochs")
    if not epochs:
        raise CheckpointError(f"{store.url} has no run {run!r}; it has: {', '.join(list_runs(store)) or 'none'}")
    checks = Checks(run, key)
    described: dict[str, Any] = {
        "run": run,
        "epoch": max(int(name) for name in epochs if name.isdigit()),
        "segments": [_segment(store, f"{run}/segments/{name}", checks) for name in store.list(f"{run}/segments")],
        "snapshots": [_snapshot(store, run, place, checks) for place in recovery.snapshot_places(store, run)],
        "blobs": sum(len(store.list(f"{run}/blobs/{shelf}")) for shelf in store.list(f"{run}/blobs")),
        "seq": None,
        "replay": None,
        "damage": None,
        "notes": [],
    }
    described["bytes"] = sum(one["bytes"] for kind in ("segments", "snapshots") for one in described[kind])
    try:
        history = recovery.recover(store, run, checks)
    except StoreError:
        raise
    except CheckpointError as exc:
        described["damage"] = str(exc)
    else:
        described.update(seq=history.end[0], replay=len(history.records), notes=history.notes)
    return described


def _segment(store: Store, name: str, checks: Checks) -> dict[str, Any]:
    data = store.read(name) or b""
    described: dict[str, Any] = {"file": name, "bytes": len(data), "epoch": None, "first": None, "records": None}
    try:
        segment = segments.read(name, data, checks)
    except CheckpointError as exc:
        return {**described, "state": str(exc)}
    if segment.head is None:
        return {**described, "records": 0, "state": "damaged" if segment.damaged else "torn"}
    state = "closed" if segment.closed else "open"
    if segment.offset < segment.size:
        state = f"{'damaged' if segment.damaged else 'torn'} at byte {segment.offset}"
    described.update(epoch=segment.head.epoch, first=segment.head.first, records=len(segment.ends), state=state)
    return described


def _snapshot(store: Store, run: str, place: snapshots.Place, checks: Checks) -> dict[str, Any]:
    name = f"{run}/snapshots/{snapshots.file_name(place)}"
    data = store.read(name) or b""
    try:
        state = "good" if snapshots.read(name, data, checks) is not None else "damaged"
    except CheckpointError as exc:
        state = str(exc)
    return {"file": name, "seq": place.record, "name": place.name, "bytes": len(data), "state": state}
