"""A store in a local directory, or in one that several machines share.

What it takes for a file to survive the loss of power: its bytes are synced, and the directory that names it is synced as well.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from routilux_dist.checkpoint.stores import PART_RULE, check_name
from routilux_dist.errors import StoreError


class Disk:
    """The calls of the operating system that a directory store makes, each with one meaning. Tests have a disk that crashes."""

    def create(self, path: str) -> int:
        """Create a file, which must not exist, and return its descriptor."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, file: int, data: bytes) -> None:
        """Write all bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]

    def sync(self, file: int) -> None:
        """Make a file's bytes durable."""
        os.fsync(file)

    def close(self, file: int) -> None:
        """Close a descriptor."""
        os.close(file)

    def sync_folder(self, path: str) -> None:
        """Make a directory's entries durable."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def make_folder(self, path: str) -> bool:
        """Create a directory; return whether it was missing. Its parent has to exist."""
        try:
            os.mkdir(path)
        except FileExistsError:
            return False
        return True

    def is_folder(self, path: str) -> bool:
        """Whether there is a directory."""
        return os.path.isdir(path)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of what has that name."""
        os.replace(old, new)

    def delete(self, path: str) -> None:
        """Delete a file."""
        os.unlink(path)

    def read(self, path: str) -> bytes:
        """Return a file's bytes; links are not followed."""
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(file, "rb") as opened:
            return opened.read()

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return os.listdir(path)


class DirectoryStore:
    """See `Store`.

    Args:
        path: The directory; it is created when something is written.
        disk: How the operating system is asked.
    """

    def __init__(self, path: str | Path, disk: Disk | None = None) -> None:
        self._root = os.path.abspath(os.path.expanduser(path))
        self.url = self._root
        self._inside = os.path.join(self._root, "")
        self._disk = disk if disk is not None else Disk()
        self._made: set[str] = set()

    def list(self, folder: str) -> list[str]:
        """See `Store.list`."""
        path = self._path(folder) if folder else self._root
        with self._told("list", path):
            try:
                names = self._disk.names(path)
            except (FileNotFoundError, NotADirectoryError):
                return []
            return sorted(name for name in names if PART_RULE.fullmatch(name))

    def read(self, name: str) -> bytes | None:
        """See `Store.read`."""
        path = self._path(name)
        with self._told("read", path):
            try:
                return self._disk.read(path)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def create(self, name: str, data: bytes) -> bool:
        """See `Store.create`."""
        path = self._path(name)
        with self._told("create", path):
            self._make_folders(os.path.dirname(path))
            try:
                file = self._disk.create(path)
            except FileExistsError:
                return False
            try:
                self._fill(file, data)
            except OSError:
                with suppress(OSError):
                    self._disk.delete(path)
                raise
            self._disk.sync_folder(os.path.dirname(path))
            return True

    def replace(self, name: str, data: bytes) -> None:
        """See `Store.replace`."""
        path = self._path(name)
        folder, base = os.path.split(path)
        with self._told("replace", path):
            self._make_folders(folder)
            draft = os.path.join(folder, f".{base[:60]}.{secrets.token_hex(6)}")
            try:
                self._fill(self._disk.create(draft), data)
                self._disk.rename(draft, path)
            except OSError:
                with suppress(OSError):
                    self._disk.delete(draft)
                raise
            self._disk.sync_folder(folder)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        path = self._path(name)
        with self._told("delete", path), suppress(FileNotFoundError, NotADirectoryError):
            self._disk.delete(path)

    def append(self, name: str) -> _Growing:
        """See `Store.append`."""
        path = self._path(name)
        with self._told("append to", path):
            self._make_folders(os.path.dirname(path))
            return _Growing(self, path, self._disk.create(path))

    def _path(self, name: str) -> str:
        return self._inside + check_name(name)

    def _fill(self, file: int, data: bytes) -> None:
        try:
            self._disk.write(file, data)
            self._disk.sync(file)
        finally:
            self._disk.close(file)

    def _make_folders(self, path: str) -> None:
        """Create a directory with its parents, durably: a new directory is an entry of its parent."""
        if path in self._made:
            return
        inside = path.startswith(self._root)
        if inside or not self._disk.is_folder(path):
            parent = os.path.dirname(path)
            self._make_folders(parent)
            # Synced also when it exists: whoever made it may have been lost before he synced it.
            if self._disk.make_folder(path) or inside:
                self._disk.sync_folder(parent)
        self._made.add(path)

    def _told(self, what: str, path: str) -> _Told:
        return _Told(self, what, path)


class _Told:
    """Has what the system refuses told as a `StoreError`."""

    __slots__ = ("_path", "_store", "_what")

    def __init__(self, store: DirectoryStore, what: str, path: str) -> None:
        self._store, self._what, self._path = store, what, path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, OSError):
            self._store._made.clear()
            raise StoreError(f"cannot {self._what} {self._path}: {exc.strerror or exc}") from exc


class _Growing:
    def __init__(self, store: DirectoryStore, path: str, file: int) -> None:
        self._store, self._path, self._file = store, path, file
        self._named = False

    def write(self, data: bytes) -> None:
        with self._store._told("append to", self._path):
            self._store._disk.write(self._file, data)

    def sync(self) -> None:
        with self._store._told("sync", self._path):
            self._store._disk.sync(self._file)
            if not self._named:
                self._store._disk.sync_folder(os.path.dirname(self._path))
                self._named = True

    def close(self) -> None:
        with self._store._told("close", self._path):
            self._store._disk.close(self._file)
