"""A store in whatever fsspec knows: S3, GCS, Azure and others.

Objects cannot grow. What is appended becomes numbered objects `name+1`, `name+2`, …, one per sync, each created only if it does
not exist; `list` and `read` show them as one file.

Of several callers of `create` one wins only where the driver makes exclusive creation one step of the service (s3fs does, with a
conditional put). Other drivers look first and create then, which leaves a moment for two writers. For local paths use a
`DirectoryStore`: the driver of fsspec for them does not sync.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from routilux_dist.checkpoint.stores import PART_RULE, check_name
from routilux_dist.errors import ConfigurationError, StoreError


class ObjectStore:
    """See `Store`.

    Args:
        filesystem: A filesystem of fsspec.
        root: Where in it the store is.
        url: What the store is called in messages.
    """

    def __init__(self, filesystem: Any, root: str, url: str | None = None) -> None:
        self._files, self._root = filesystem, root.rstrip("/")
        self.url = url if url is not None else self._root

    @classmethod
    def at(cls, url: str) -> ObjectStore:
        """Return the store at a URL.

        Raises:
            ConfigurationError: fsspec or the driver is not installed, or does not know the URL.
        """
        try:
            import fsspec
        except ImportError:
            raise ConfigurationError(
                f"checkpoint store {url!r} needs fsspec: pip install 'routilux_dist[storage]', and the driver of its scheme "
                f"(s3fs, gcsfs, adlfs, ...)"
            ) from None
        try:
            filesystem, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as exc:
            raise ConfigurationError(f"checkpoint store {url!r} cannot be opened: {exc}") from exc
        return cls(filesystem, root, url)

    def list(self, folder: str) -> list[str]:
        """See `Store.list`."""
        path = self._path(folder) if folder else self._root
        with self._told("list", path):
            try:
                self._files.invalidate_cache(path)
                found = self._files.ls(path, detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
            names = {one.rstrip("/").rsplit("/", 1)[-1].partition("+")[0] for one in found}
            return sorted(name for name in names if PART_RULE.fullmatch(name) and not self._is_file(found, path))

    @staticmethod
    def _is_file(found: Any, path: str) -> bool:
        # Some drivers list a file as its own content.
        return len(found) == 1 and found[0].strip("/") == path.strip("/")

    def read(self, name: str) -> bytes | None:
        """See `Store.read`."""
        path = self._path(name)
        with self._told("read", path):
            whole = self._get(path)
            if whole is not None:
                return whole
            parts: tuple[bytes, ...] = ()
            while (part := self._get(f"{path}+{len(parts) + 1}")) is not None:
                parts = (*parts, part)
            return b"".join(parts) if parts else None

    def create(self, name: str, data: bytes) -> bool:
        """See `Store.create`."""
        path = self._path(name)
        with self._told("create", path):
            return self._create(path, data)

    def _create(self, path: str, data: bytes) -> bool:
        self._make_folder(path)
        try:
            self._files.pipe_file(path, data, mode="create")
        except FileExistsError:
            return False
        except (TypeError, ValueError, NotImplementedError):  # a driver that does not know how
            if self._files.exists(path):
                return False
            self._files.pipe_file(path, data)
        return True

    def replace(self, name: str, data: bytes) -> None:
        """See `Store.replace`."""
        path = self._path(name)
        with self._told("replace", path):
            self._make_folder(path)
            if "file" not in self._files.protocol:
                self._files.pipe_file(path, data)
                return
            draft = f"{path}+draft"  # objects appear as a whole, files do not
            self._files.pipe_file(draft, data)
            self._files.mv(draft, path)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        path = self._path(name)
        with self._told("delete", path):
            for one in (path, *self._parts(path)):
                try:
                    self._files.rm_file(one)
                except FileNotFoundError:
                    pass

    def append(self, name: str) -> _Growing:
        """See `Store.append`."""
        path = self._path(name)
        with self._told("append to", path):
            if self._files.exists(path) or self._files.exists(f"{path}+1"):
                raise StoreError(f"{path} exists already")
        return _Growing(self, path)

    def _path(self, name: str) -> str:
        return f"{self._root}/{check_name(name)}"

    def _parts(self, path: str) -> tuple[str, ...]:
        parts: tuple[str, ...] = ()
        while self._files.exists(f"{path}+{len(parts) + 1}"):
            parts = (f"{path}+{len(parts) + 1}", *parts)
        return parts  # from the end: what is left after a failure is the beginning of the file

    def _get(self, path: str) -> bytes | None:
        try:
            data: bytes = self._files.cat_file(path)
        except (FileNotFoundError, IsADirectoryError):
            return None
        return data

    def _make_folder(self, path: str) -> None:
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)

    @contextmanager
    def _told(self, what: str, path: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except Exception as exc:  # drivers raise what their libraries raise
            raise StoreError(f"cannot {what} {path}: {type(exc).__name__}: {exc}") from exc


class _Growing:
    def __init__(self, store: ObjectStore, path: str) -> None:
        self._store, self._path = store, path
        self._parts, self._unsynced = 0, b""

    def write(self, data: bytes) -> None:
        self._unsynced += data

    def sync(self) -> None:
        if not self._unsynced:
            return
        part = f"{self._path}+{self._parts + 1}"
        with self._store._told("append to", part):
            if not self._store._create(part, self._unsynced):
                raise StoreError(f"{part} exists already: somebody else writes to the same file")
        self._parts, self._unsynced = self._parts + 1, b""

    def close(self) -> None:
        self._unsynced = b""
