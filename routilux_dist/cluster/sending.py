"""Events on their way to a hub, in order and in as few calls as their flow allows."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from routilux_dist.coordinator.events import Event

#: Events in one call, and calls that may be on their way at once.
MAX_BATCH, MAX_CALLS = 512, 3
#: Events that may wait here for the coordinator to have room.
MAX_WAITING = 2048


class Mail(NamedTuple):
    """Something to be sent.

    Attributes:
        event: What happened.
        taken: Set when the coordinator has taken it in, or cannot.
        counts: Whether it takes up room while it waits.
    """

    event: Event
    taken: threading.Event | None = None
    counts: bool = False


class Sender:
    """Sends events: at once, by whoever has one, if nothing is on its way; else in batches, by a thread.

    The main thread always leaves it to the other one: it may be interrupted between any two steps, and the answer of a call that
    was made and is not known would be missed for ever.

    Args:
        call: Makes a call with events; `linger` says that nothing follows, so that the call may wait for what they lead to.
        on_answer: Gets what a call returned, or its error; called in a thread of Ray's, so it must not wait for anything.
        on_error: Gets what went wrong in the thread that sends.
    """

    def __init__(
        self,
        call: Callable[[list[Event], bool], Future[Any]],
        on_answer: Callable[[Future[Any]], None],
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._call, self._on_answer, self._on_error = call, on_answer, on_error
        #: Held while events are handed over, so that they keep their order. Never taken in `_answered`.
        self._order = threading.Lock()
        self._outbox: queue.SimpleQueue[Mail | None] = queue.SimpleQueue()
        #: Events in the outbox or in the hands of the thread.
        self._queued = 0
        #: A token for each event that may still wait. No semaphore: that is taken in Python code, and an interrupt of the main
        #: thread can leave it locked.
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._make_room(MAX_WAITING)
        self._slots = threading.Semaphore(MAX_CALLS)
        self._counting = threading.Lock()
        self._out = 0
        self.thread = threading.Thread(target=self._run, name="routilux-sender", daemon=True)
        self.thread.start()

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until another event may wait; return whether it may. Only for mail that counts."""
        try:
            self._room.get(timeout=seconds)
        except queue.Empty:
            return False
        return True

    def _make_room(self, events: int) -> None:
        for _ in range(events):
            self._room.put(None)

    def send(self, mail: Mail) -> None:
        """Send an event after those before it."""
        with self._order:
            if self._queued == 0 and self._out == 0 and threading.current_thread() is not threading.main_thread():
                self._slots.acquire()  # there is one: nothing is on its way
                self._hand_over([mail], linger=True)
                return
            self._queued += 1
            self._outbox.put(mail)

    def close(self) -> None:
        """Send what waits, and end."""
        self._outbox.put(None)

    def _run(self) -> None:
        try:
            while (mail := self._outbox.get()) is not None:
                self._slots.acquire()
                batch, ended = self._gather(mail)
                self._hand_over(batch, linger=self._out == 0 and self._outbox.empty())
                with self._order:
                    self._queued -= len(batch)
                if ended:
                    return
        except (Exception, SystemExit) as exc:  # Ray raises SystemExit in a thread that calls while it shuts down
            self._on_error(exc)

    def _gather(self, first: Mail) -> tuple[list[Mail], bool]:
        """Return what can go in one call, and whether it is the last one."""
        batch = [first]
        while len(batch) < MAX_BATCH and not self._outbox.empty():
            mail = self._outbox.get()
            if mail is None:
                return batch, True
            batch.append(mail)
        return batch, False

    def _hand_over(self, batch: list[Mail], linger: bool) -> None:
        with self._counting:
            self._out += 1
        try:
            future = self._call([mail.event for mail in batch], linger)
        except BaseException:
            self._ended(batch)
            raise
        counted = sum(mail.counts for mail in batch)
        self._make_room(counted)
        future.add_done_callback(lambda done: self._answered(batch, done))

    def _answered(self, batch: list[Mail], future: Future[Any]) -> None:
        self._ended(batch)
        self._on_answer(future)

    def _ended(self, batch: list[Mail]) -> None:
        self._slots.release()
        with self._counting:
            self._out -= 1
        for mail in batch:
            if mail.taken is not None:
                mail.taken.set()
