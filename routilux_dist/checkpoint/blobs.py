"""Blobs: large bytes out of line, named by their digest."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterable

from routilux_dist.checkpoint.stores import Store
from routilux_dist.errors import CheckpointDamagedError, CheckpointError

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """Blobs of a run. The digest is BLAKE2b of 32 bytes: whoever trusts the digest can trust the bytes."""

    def __init__(self, store: Store, run: str) -> None:
        self._store, self._folder = store, f"{run}/blobs"
        #: Digests that this process has stored.
        self._stored: set[str] = set()
        #: Digests that are held -> how often.
        self._held: Counter[str] = Counter()
        #: Guards both: a thread may put while another one deletes.
        self._lock = threading.Lock()

    def put(self, data: bytes, hold: bool = False) -> str:
        """Store bytes durably; return their digest.

        Args:
            data: The bytes.
            hold: Keep them whatever `retain` is told, until they are released as often as they were put.
        """
        digest = hashlib.blake2b(data, digest_size=32).hexdigest()
        with self._lock:
            if hold:
                self._held[digest] += 1
            stored = digest in self._stored
        if not stored:
            # Written again even if a file of this name exists: it may be the remains of a crash.
            try:
                self._store.replace(self._path(digest), data)
            except BaseException:
                if hold:
                    self.release([digest])
                raise
            with self._lock:
                self._stored.add(digest)
        return digest

    def release(self, digests: Iterable[str]) -> None:
        """What was put and held is named by something now."""
        with self._lock:
            self._held -= Counter(digests)

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest.

        Raises:
            CheckpointError: It is no digest.
            CheckpointDamagedError: They are missing, or are not what was stored.
        """
        path = self._path(digest)
        data = self._store.read(path)
        if data is None:
            raise CheckpointDamagedError(f"{path} is missing", file=path)
        if hashlib.blake2b(data, digest_size=32).hexdigest() != digest:
            raise CheckpointDamagedError(f"{path} is not what was stored", file=path)
        return data

    def retain(self, digests: Iterable[str]) -> int:
        """Delete all others that are not held; return how many."""
        wanted = set(digests)
        for digest in wanted:
            self._path(digest)
        deleted = 0
        for shelf in self._store.list(self._folder):
            for name in self._store.list(f"{self._folder}/{shelf}"):
                with self._lock:  # whoever puts it again writes it again
                    if name not in wanted and name not in self._held:
                        self._stored.discard(name)
                        self._store.delete(f"{self._folder}/{shelf}/{name}")
                        deleted += 1
        return deleted

    def _path(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise CheckpointError(f"{digest!r} is no digest of a blob: 64 hexadecimal digits")
        return f"{self._folder}/{digest[:2]}/{digest}"
