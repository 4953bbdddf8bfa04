"""A store in this process, for tests and for trying things out. It ends with the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

from routilux_dist.checkpoint.stores import check_name
from routilux_dist.errors import StoreError

Fault = Callable[[str, str], None]


class MemoryStore:
    """See `Store`.

    Attributes:
        fault: Called with (operation, name) before anything is done; what it raises is what the store does. An `OSError` arrives
            as `StoreError`. Operations: list, read, create, replace, delete, append, write, sync.
    """

    _named: ClassVar[dict[str, MemoryStore]] = {}

    def __init__(self, url: str = "memory://") -> None:
        self.url = url
        self.fault: Fault | None = None
        self.files: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @classmethod
    def named(cls, name: str) -> MemoryStore:
        """Return the store that everybody in this process gets for this name."""
        return cls._named.setdefault(name, cls(f"memory://{name}"))

    def _begin(self, operation: str, name: str) -> None:
        if name or operation != "list":
            check_name(name)
        if self.fault is not None:
            try:
                self.fault(operation, name)
            except OSError as exc:
                raise StoreError(f"{self.url}/{name}: {operation} failed: {exc}") from exc

    def list(self, folder: str) -> list[str]:
        """See `Store.list`."""
        self._begin("list", folder)
        prefix = f"{folder}/" if folder else ""
        with self._lock:
            return sorted({name[len(prefix) :].split("/")[0] for name in self.files if name.startswith(prefix)})

    def read(self, name: str) -> bytes | None:
        """See `Store.read`."""
        self._begin("read", name)
        return self.files.get(name)

    def create(self, name: str, data: bytes) -> bool:
        """See `Store.create`."""
        self._begin("create", name)
        with self._lock:
            if name in self.files:
                return False
            self.files[name] = bytes(data)
            return True

    def replace(self, name: str, data: bytes) -> None:
        """See `Store.replace`."""
        self._begin("replace", name)
        with self._lock:
            self.files[name] = bytes(data)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        self._begin("delete", name)
        with self._lock:
            self.files.pop(name, None)

    def append(self, name: str) -> _Growing:
        """See `Store.append`."""
        self._begin("append", name)
        if not self.create(name, b""):
            raise StoreError(f"{self.url}/{name}: exists already")
        return _Growing(self, name)


class _Growing:
    def __init__(self, store: MemoryStore, name: str) -> None:
        self._store, self._name = store, name
        self._unsynced = b""

    def write(self, data: bytes) -> None:
        self._store._begin("write", self._name)
        self._unsynced += data

    def sync(self) -> None:
        self._store._begin("sync", self._name)
        with self._store._lock:
            self._store.files[self._name] = self._store.files.get(self._name, b"") + self._unsynced
        self._unsynced = b""

    def close(self) -> None:
        self._unsynced = b""
