"""Makes what a driver does durable, without making it wait: a thread writes, and says how far it has come."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from routilux_dist.driver.collecting import Collector
from routilux_dist.errors import FencedError, StoreError

#: Seconds that records are gathered for one sync, by durability.
GATHER = {"sync": 0.0, "group": 0.002, "async": 0.5}
#: Seconds between tries while the store fails: the first, and the most.
FIRST_WAIT, MAX_WAIT = 0.2, 5.0
#: Seconds that `close` waits for a store that fails.
CLOSE_SECONDS = 10.0


class Log(Protocol):
    """What is needed of a journal."""

    @property
    def seq(self) -> int:
        """Number of the last record."""
        ...

    def append(self, data: bytes) -> int:
        """Add a record."""
        ...

    def sync(self) -> int:
        """Make all records durable; return the number of the last one."""
        ...

    def snapshot(self, data: bytes, name: str | None = None) -> int:
        """Store what all records so far amount to."""
        ...

    def close(self) -> None:
        """Mark the end."""
        ...


class Written(NamedTuple):
    """How far the writing has come: told from the ledger's own thread.

    Attributes:
        seq: Number of the last durable record.
        trouble: Why the store does not take more at present, "" if it does.
        fenced: Why nothing of this writer counts any more, "" if it does.
    """

    seq: int
    trouble: str = ""
    fenced: str = ""


class _Item(NamedTuple):
    data: bytes
    snapshot: bool


class Ledger:
    """Writes records in their order, many with one sync.

    Args:
        log: The journal; from now on only the ledger's thread touches it.
        durability: "sync", "group" or "async".
        told: Called after each step, from the ledger's thread.
        collector: Deletes blobs that nothing names any more.
    """

    def __init__(
        self, log: Log, durability: str, told: Callable[[Written], None], collector: Collector | None = None
    ) -> None:
        self._log, self._gather, self._told, self._collector = log, GATHER[durability], told, collector
        #: Number of the last record that was handed over.
        self.seq = log.seq
        #: Bytes handed over since the last snapshot.
        self.bytes = 0
        self._queue: deque[_Item] = deque()
        self._bell = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="routilux-ledger", daemon=True)
        self._thread.start()

    def add(self, data: bytes) -> int:
        """Hand over a record; return its number."""
        with self._bell:
            self.seq += 1
            self.bytes += len(data)
            self._queue.append(_Item(data, False))
            self._bell.notify()
            return self.seq

    def snapshot(self, data: bytes) -> None:
        """Hand over what all records so far amount to."""
        with self._bell:
            self.bytes = 0
            self._queue.append(_Item(data, True))
            self._bell.notify()

    def close(self) -> None:
        """Write what is left and end; gives up after a while if the store fails."""
        with self._bell:
            self._closing = True
            self._bell.notify()
        self._thread.join(timeout=CLOSE_SECONDS)

    # ---- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._wait():
            if not self._closing and self._gather:
                time.sleep(self._gather)
            if not self._write_all():
                return
        try:
            self._log.close()
        except (StoreError, FencedError):
            pass  # what is durable is durable; a reader finds the end by itself

    def _wait(self) -> bool:
        with self._bell:
            while not self._queue and not self._closing:
                self._bell.wait()
            return bool(self._queue)

    def _write_all(self) -> bool:
        """Write what was handed over; return whether this writer still counts."""
        wait = FIRST_WAIT
        while True:
            try:
                seq = self._step()
                self._told(Written(seq))
                return True
            except FencedError as exc:
                self._told(Written(self._log.seq, fenced=str(exc)))
                return False
            except StoreError as exc:
                self._told(Written(0, trouble=str(exc)))
            if self._closing and wait > FIRST_WAIT * 4:
                return False
            time.sleep(wait)
            wait = min(wait * 2, MAX_WAIT)

    def _step(self) -> int:
        while self._queue and not self._queue[0].snapshot:
            number = self._log.append(self._queue[0].data)
            with self._bell:
                data = self._queue.popleft().data
            if self._collector is not None:
                self._collector.appended(number, data)
        seq = self._log.sync()
        if self._queue and self._queue[0].snapshot:
            number = self._log.snapshot(self._queue[0].data)
            with self._bell:
                data = self._queue.popleft().data
            self._collect(number, data)
        return seq

    def _collect(self, number: int, data: bytes) -> None:
        """Delete the blobs that nothing names any more, or some of them: the next snapshot tries again."""
        if self._collector is None:
            return
        try:
            self._collector.snapshot(number, data)
        except StoreError:
            pass
