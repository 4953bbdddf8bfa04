"""Descriptions of what lies in a store."""

from __future__ import annotations

import pytest

from routilux_dist.checkpoint.inspection import inspect, list_runs
from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.errors import CheckpointError


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    journal, _ = Journal.open(store, "run")
    journal.append(b"1")
    journal.put_blob(b"blob")
    journal.snapshot(b"state", name="good")
    journal.append(b"2")
    journal.append(b"3")
    journal.close()
    return store


def test_a_run(store: MemoryStore) -> None:
    before = dict(store.files)
    said = inspect(store, "run")
    assert store.files == before
    assert (said["epoch"], said["seq"], said["replay"], said["blobs"], said["damage"]) == (1, 3, 2, 1, None)
    assert [(s["first"], s["records"], s["state"]) for s in said["segments"]] == [(1, 1, "open"), (2, 2, "closed")]
    assert [(s["seq"], s["name"], s["state"]) for s in said["snapshots"]] == [(1, "good", "good")]
    assert said["bytes"] == sum(len(d) for n, d in before.items() if "/segments/" in n or "/snapshots/" in n)


def test_damage_is_described(store: MemoryStore) -> None:
    files = {name: name for name in store.files}
    first = next(name for name in files if name.endswith("00000001-000001"))
    snapshot = next(name for name in files if "/snapshots/" in name)
    store.files[first] = store.files[first][:-1]
    store.files[snapshot] = b"x"
    said = inspect(store, "run")
    assert said["seq"] is None
    assert first in said["damage"]
    assert said["segments"][0]["state"].startswith("torn at byte")
    assert said["snapshots"][0]["state"] == "damaged"


def test_signed_files_without_the_key_are_described_as_that() -> None:
    store = MemoryStore()
    journal, _ = Journal.open(store, "run", key=b"k" * 32)
    journal.snapshot(b"")
    said = inspect(store, "run")
    assert "give the one it was written with" in said["segments"][0]["state"]
    assert "give the one it was written with" in said["damage"]
    assert inspect(store, "run", key=b"k" * 32)["damage"] is None


def test_runs_are_listed(store: MemoryStore) -> None:
    store.replace("other/x", b"")
    Journal.open(store, "second")
    assert list_runs(store) == ["run", "second"]
    with pytest.raises(CheckpointError, match="no run 'third'; it has: run, second"):
        inspect(store, "third")
