"""Runs that kill whoever goes on with them are put aside: how often that happened is written down before anything is read."""

from __future__ import annotations

from routilux_dist.checkpoint.stores import Store
from routilux_dist.errors import CheckpointError

#: Times in a row that a run is gone on with before it is put aside: each time its process died before anything was done.
MAX_STARTS = 3
#: Seconds after which a process is taken to live well with a run, also if nothing was committed.
WELL_SECONDS = 60.0


class Starts:
    """Counts how often in a row a run was gone on with, and nothing came of it.

    Args:
        store: The store.
        run: Name of the run.
    """

    def __init__(self, store: Store, run: str) -> None:
        self._store, self._run, self._name = store, run, f"{run}/starts"
        self._before: int | None = None

    def begin(self, force: bool = False) -> None:
        """Count one more; a run that never began counts from its first restart on.

        Args:
            force: Try again, whatever was counted.

        Raises:
            CheckpointError: It was tried often enough.
        """
        if not self._store.list(f"{self._run}/epochs"):
            return
        text = b"" if force else self._store.read(self._name) or b""
        count = int(text) if text.isdigit() else 0
        if count >= MAX_STARTS:
            raise CheckpointError(
                f"{self._run!r} is quarantined: it was gone on with {count} times, and each time the process died before any "
                f"work of it was done. Something in it kills its coordinator: look at that one's log, and for memory that runs "
                f"out. Then rt.recover({self._store.url!r}, flow=…, job_id={self._run!r}, force=True) tries again, "
                f"or rt.exec(…, force=True) for a running flow, or routilux-dist recover --force"
            )
        self._store.replace(self._name, b"%d" % (count + 1))
        self._before = count

    def take_back(self) -> None:
        """It ended with an error that was told: nobody died of it."""
        if self._before is not None:
            self._store.replace(self._name, b"%d" % self._before)

    def clear(self) -> None:
        """Something came of it."""
        if self._store.read(self._name) not in (None, b"0"):
            self._store.replace(self._name, b"0")
