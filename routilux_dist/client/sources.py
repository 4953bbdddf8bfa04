"""Taking items from a user's iterable, ahead of what is consumed but never further than allowed.

Two threads per `flow.map`: one *takes* items, because a source may block for as long as it likes; one *sends* what was taken,
because a full flow makes whoever posts wait. The consumer waits for neither, so that its time-out holds whatever they do.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol

#: How long a sender waits for a block to fill up once there is something to send.
LINGER_SECONDS = 0.005
#: How long a consumer that leaves early waits for a source that is busy.
CLOSE_SECONDS = 1.0
#: A full window takes items again when one part in so many is free.
REFILL_PARTS = 4


class Through(NamedTuple):
    """The source has ended, and everything that it gave was sent.

    Attributes:
        given: Items that it gave.
        error: What it raised, or None.
    """

    given: int
    error: BaseException | None


class Broken(NamedTuple):
    """Items could not be sent, and no others will be."""

    error: BaseException


class Carrier(Protocol):
    """What sends items, and says how many."""

    def rows(self) -> int:
        """Return how many items are worth being sent."""
        ...

    def most(self) -> int:
        """Return how many items may be sent together if they are there: `rows` at least."""
        ...

    def window(self, out: int) -> int:
        """Return how many items may be out at once; `out` are."""
        ...

    def send(self, first: int, payloads: list[Any]) -> None:
        """Send items, the first of which has the number `first`."""
        ...

    def close(self, through: bool) -> None:
        """Everything is through, or nobody wants the rest; may be said again."""
        ...


class Source:
    """A user's iterable.

    Args:
        items: Where items come from. A generator is closed if it is left before its end.
        carrier: Where they go.
        tell: Is told how it ended (`Through`, `Broken`), after everything was sent.
    """

    def __init__(self, items: Iterator[Any], carrier: Carrier, tell: Callable[[Through | Broken], None]) -> None:
        self._items, self._carrier, self._tell = items, carrier, tell
        self._pending: deque[Any] = deque()
        #: Each is written by one thread: the taker, the sender, the consumer.
        self._taken = self._sent = self._consumed = 0
        self._ended = False
        #: Whether the window has not been full since a part of it was last free; the taker's alone.
        self._filling = True
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        #: Ring when there may be room to take more, and when there is something to send.
        self._room, self._work = threading.Event(), threading.Event()
        # The source is the caller's code: it sees the caller's context, whichever thread asks it.
        context = contextvars.copy_context()
        self._taker = threading.Thread(target=context.run, args=(self._take_all,), name="routilux-taker", daemon=True)
        self._sender = threading.Thread(target=self._send_all, name="routilux-item-sender", daemon=True)

    # ---- for the consumer ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to take items."""
        self._taker.start()
        self._sender.start()

    def consumed(self, count: int) -> None:
        """Make room: the results of `count` items have been consumed by now."""
        self._consumed = count
        self._room.set()

    def stop(self) -> None:
        """Take and send nothing more."""
        self._stopped.set()
        self._room.set()
        self._work.set()

    def wait_closed(self) -> None:
        """Wait a moment until the source is closed. One that is busy giving an item is closed when it has given it."""
        self._taker.join(CLOSE_SECONDS)

    # ---- the taker -----------------------------------------------------------------------------------------------

    def _take_all(self) -> None:
        try:
            while (room := self._wait_for_room()) and self._take(room):
                pass
        except BaseException as exc:  # whatever the user's iterable raises belongs to the consumer
            self._error = exc
        self._ended = True
        self._work.set()
        if self._stopped.is_set() and isinstance(self._items, Generator):
            self._items.close()

    def _wait_for_room(self) -> int:
        """Return how many items may be taken now; 0 when nothing more is wanted."""
        while not self._stopped.is_set():
            self._room.clear()
            out = self._taken - self._consumed
            window = self._carrier.window(out)
            free = window - out
            # A window that was full fills up again when a part of it is free: a call that brings one item costs as much as
            # one that brings many.
            if free <= 0:
                self._filling = False
            elif free >= window // REFILL_PARTS:
                self._filling = True
            # What was not sent yet is of unknown size, so there is little of it.
            room = min(free, max(2 * self._carrier.rows(), self._carrier.most()) - len(self._pending))
            if self._filling and room > 0:
                return room
            self._room.wait()
        return 0

    def _take(self, room: int) -> bool:
        """Take up to `room` items; return whether there may be more."""
        pending, work, rows = self._pending, self._work, self._carrier.rows()
        before = self._taken
        for payload in islice(self._items, room):
            pending.append(payload)
            self._taken += 1
            waiting = len(pending)
            if waiting == 1 or waiting == rows:
                work.set()
            if self._stopped.is_set():
                return False
        return self._taken - before == room

    # ---- the sender ----------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        try:
            while payloads := self._gather():
                if self._stopped.is_set():
                    return
                self._carrier.send(self._sent, payloads)
                if self._stopped.is_set():  # these may have come after the request to end the work
                    self._carrier.close(False)
                self._sent += len(payloads)
                self._room.set()
        except BaseException as exc:  # the running flow was shut down, or has a fault: the consumer has to hear of it
            self._tell(Broken(exc))
            return
        if not self._stopped.is_set():
            self._tell(Through(self._taken, self._error))

    def _gather(self) -> list[Any]:
        """Return items to send together; none when there will be no more."""
        pending, work = self._pending, self._work
        rows, most = self._carrier.rows(), self._carrier.most()
        lingered = False
        while not self._stopped.is_set():
            work.clear()
            ended = self._ended  # before looking: what it gave at last has to be seen
            if len(pending) >= rows or lingered or ended:
                break
            lingered = not work.wait(LINGER_SECONDS if pending else None) and bool(pending)
        return [pending.popleft() for _ in range(min(most, len(pending)))]
