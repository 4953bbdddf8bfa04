"""The store of this process: its faults."""

from __future__ import annotations

import pytest

from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.errors import StoreError


def test_a_fault_is_what_the_store_does() -> None:
    store = MemoryStore()
    seen: list[tuple[str, str]] = []
    store.fault = lambda operation, name: seen.append((operation, name))
    file = store.append("a/b")
    file.write(b"x")
    file.sync()
    store.replace("c", b"")
    assert seen == [("append", "a/b"), ("create", "a/b"), ("write", "a/b"), ("sync", "a/b"), ("replace", "c")]

    def full(operation: str, name: str) -> None:
        raise OSError(28, "No space left on device")

    store.fault = full
    with pytest.raises(StoreError, match=r"memory:///d: replace failed: .* No space left"):
        store.replace("d", b"")
    store.fault = None
    assert store.read("d") is None


def test_what_was_not_synced_is_not_there() -> None:
    store = MemoryStore()
    file = store.append("a")
    file.write(b"x")
    file.close()
    assert store.read("a") == b""
