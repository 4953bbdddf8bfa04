"""Blobs: named by what they are."""

from __future__ import annotations

import pytest

from routilux_dist.checkpoint.blobs import Blobs
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.errors import CheckpointDamagedError, CheckpointError, StoreError


def test_a_blob_comes_back_in_any_process() -> None:
    store = MemoryStore()
    digest = Blobs(store, "run").put(b"x" * 1000)
    assert Blobs(store, "run").get(digest) == b"x" * 1000
    assert digest == Blobs(store, "other").put(b"x" * 1000)


def test_what_a_crash_left_is_written_again() -> None:
    store = MemoryStore()
    digest = Blobs(store, "run").put(b"abc")
    [file] = store.files
    store.files[file] = b"a"
    with pytest.raises(CheckpointDamagedError, match="is not what was stored"):
        Blobs(store, "run").get(digest)
    assert Blobs(store, "run").put(b"abc") == digest
    assert Blobs(store, "run").get(digest) == b"abc"


def test_the_same_bytes_are_written_once() -> None:
    store = MemoryStore()
    blobs = Blobs(store, "run")
    blobs.put(b"abc")
    store.fault = lambda operation, name: pytest.fail(f"{operation} {name}")
    blobs.put(b"abc")


def test_only_what_is_named_is_retained() -> None:
    store = MemoryStore()
    blobs = Blobs(store, "run")
    one, two = blobs.put(b"1"), blobs.put(b"2")
    assert blobs.retain([two]) == 1
    with pytest.raises(CheckpointDamagedError, match="is missing"):
        blobs.get(one)
    assert blobs.get(two) == b"2"
    assert blobs.put(b"1") == one
    assert blobs.get(one) == b"1"


@pytest.mark.parametrize("digest", ["", "abc", "../../x", "A" * 64])
def test_what_is_no_digest(digest: str) -> None:
    with pytest.raises(CheckpointError, match="is no digest"):
        Blobs(MemoryStore(), "run").get(digest)
    with pytest.raises(CheckpointError, match="is no digest"):
        Blobs(MemoryStore(), "run").retain([digest])


def test_what_is_held_stays_until_it_was_released_as_often() -> None:
    blobs = Blobs(MemoryStore(), "run")
    digest = blobs.put(b"one", hold=True)
    assert blobs.put(b"one", hold=True) == digest
    blobs.release([digest])
    assert blobs.retain([]) == 0
    blobs.release([digest])
    assert blobs.retain([]) == 1


def test_what_could_not_be_put_is_not_held() -> None:
    store = MemoryStore()
    blobs = Blobs(store, "run")

    def full(operation: str, name: str) -> None:
        raise OSError("full")

    store.fault = full
    with pytest.raises(StoreError, match="full"):
        blobs.put(b"one", hold=True)
    store.fault = None
    blobs.put(b"one")
    assert blobs.retain([]) == 1
