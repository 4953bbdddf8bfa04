"""What a store can do, and how one is opened from its URL."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import unquote, urlsplit

from routilux_dist.errors import CheckpointError, ConfigurationError

#: One part of a name. It cannot be "." or "..", be hidden, or hold a separator; so no name leads out of its store.
PART_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NAME_RULE = re.compile(f"{PART_RULE.pattern}(?:/{PART_RULE.pattern})*")


class Appender(Protocol):
    """A file that grows."""

    def write(self, data: bytes) -> None:
        """Add bytes. After an error nothing is known of what was added since the last `sync`."""
        ...

    def sync(self) -> None:
        """Return when all that was written would survive the loss of every process and of power."""
        ...

    def close(self) -> None:
        """Give the file up. Says nothing about what was not synced."""
        ...


class Store(Protocol):
    """Files by name: parts separated by "/", see `PART_RULE`. Whatever fails raises `StoreError`, and may be tried again.

    Attributes:
        url: Where it is, for messages.
    """

    url: str

    def list(self, folder: str) -> list[str]:
        """Return the names directly in a folder ("" is the store itself), sorted; none if there is no such folder."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, or None if there is none."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Create a file durably, unless it exists; return whether this call created it. Of several callers one wins."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Write a file durably; whoever reads it finds the old or the new bytes, never a mixture."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file if it exists. May be undone by a loss of power."""
        ...

    def append(self, name: str) -> Appender:
        """Create a file that grows; there must be none of that name."""
        ...


def check_name(name: str) -> str:
    """Return a file's name.

    Raises:
        CheckpointError: It is not allowed.
    """
    if not _NAME_RULE.fullmatch(name):
        raise CheckpointError(
            f"{name!r} is no name in a store: letters, digits, '.', '_' and '-', each part starting with a letter or digit "
            f"and at most 128 characters long"
        )
    return name


def check_run(run: str) -> str:
    """Return a run's name.

    Raises:
        CheckpointError: It is not allowed.
    """
    if not PART_RULE.fullmatch(run):
        raise CheckpointError(f"{run!r} is no name of a run: it has to match {PART_RULE.pattern}")
    return run


def open_store(url: str) -> Store:
    """Return the store at a URL.

    Args:
        url: A path or `file://` path of a local directory; `memory://name`, shared within this process; or anything else that
            fsspec knows, such as `s3://bucket/prefix` (needs `pip install 'routilux_dist[storage]'` and the driver it names).

    Raises:
        ConfigurationError: There is no such kind of store, or its driver is not installed.
    """
    asked: object = url
    if not isinstance(asked, str) or not url:
        raise ConfigurationError(f"checkpoint store {url!r}: has to be a path or a URL")
    parts = urlsplit(url)
    if "://" not in url or parts.scheme == "file":
        from routilux_dist.checkpoint.directory import DirectoryStore

        if parts.scheme == "file" and "://" in url and parts.netloc not in ("", "localhost"):
            raise ConfigurationError(f"checkpoint store {url!r}: file:// names a path on this machine: file:///path")
        return DirectoryStore(unquote(parts.path) if "://" in url else url)
    if parts.scheme == "memory":
        from routilux_dist.checkpoint.memory import MemoryStore

        return MemoryStore.named(check_name(parts.netloc + parts.path.rstrip("/")))
    from routilux_dist.checkpoint.objects import ObjectStore

    return ObjectStore.at(url)
