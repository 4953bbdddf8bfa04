"""A running flow in this process: one engine thread, and worker threads if more than one is asked for."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from routilux_dist.clock import SystemClock
from routilux_dist.coordinator.events import ControlAsked, Event, Posted, RetryAsked
from routilux_dist.coordinator.machine import Machine
from routilux_dist.driver.driver import Driver, Gone, News
from routilux_dist.driver.session import DRAIN_SECONDS, OnNews, Opening
from routilux_dist.errors import FencedError, StateError
from routilux_dist.local.hosts import Hosts, Threads, run_slice
from routilux_dist.plan.plan import GroupKind
from routilux_dist.wire.slices import Slice

#: Most events that the machine is given at once.
MAX_EVENTS = 1000


class LocalSession:
    """A running flow in this process.

    With one worker, slices run on the engine thread itself: nothing is handed from thread to thread, and a breakpoint in a
    routine stops everything. With more, each worker thread has its own copies of the routines.

    Posts only leave mail. Whoever asks or controls takes the machine's lock and works the mail off, in its order, so that a
    question is answered and a job cancelled while a routine keeps the engine thread busy.
    """

    def __init__(self, opening: Opening, on_news: OnNews) -> None:
        #: Bodies that may be stored are encoded even where they never leave the process.
        self.packed = opening.codec.typed
        #: Whether what is done here is saved.
        self._saved = opening.durable is not None
        solo = any(g.kind is GroupKind.SOLO for g in opening.plan.groups)
        workers = 1 if solo else opening.workers
        self._on_news = on_news
        #: What happened and was not taken in yet; the bell rings after something was added.
        self._mail: deque[Event] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        #: Guards the driver and its machine. Never held while user code runs.
        self._lock = threading.RLock()
        self._news: deque[News] = deque()
        #: Held by the one thread that passes news on, so that they keep their order.
        self._telling = threading.RLock()
        self._door = threading.Event()
        self._door.set()
        self._ready: deque[Slice] = deque()
        self._cancelled: set[str] = set()
        self._closed = False
        self._broken: BaseException | None = None
        # Recipes, not the routines themselves: those hold their flow, and a flow may be collected while it runs.
        recipes = {r: routine.__reduce__() for r, routine in opening.routines.items()}
        with self._lock:
            self._driver = self._drive(opening, workers)
            self._machine = self._driver.machine
            self.partitions: Mapping[int, int] = self._machine.partitions
            self._hosts = Hosts(opening, recipes, self.partitions, self._cancelled.__contains__)
            self._threads = Threads(self._hosts, workers, self._happened) if workers > 1 else None
            self._driver.begin()
        self._thread = threading.Thread(target=self._run, name=f"routilux-{opening.plan.flow}", daemon=True)
        self._thread.start()

    def _drive(self, opening: Opening, workers: int) -> Driver:
        """Return the driver: a new one, or a durable one that may go on with what another process began."""
        if opening.durable is not None:
            from routilux_dist.driver import durable

            place = durable.Place(workers=workers, homes=workers, lookahead=False)
            return durable.open_run(opening, place, self, self._for_ledger, self._fenced)
        clock = SystemClock()
        machine = Machine(
            opening.plan,
            opening.tuning,
            workers=workers,
            partitions=opening.partitions(workers),
            wall_offset=clock.wall() - clock.monotonic(),
            lookahead=False,
            validate=opening.validate,
        )
        return Driver(machine, self, clock)

    # ---- for clients ---------------------------------------------------------------------------------------------

    def post(self, event: Posted) -> None:
        """Send messages; waits while the flow is full, except where that would keep it from getting emptier."""
        self._check()
        if not self._door.is_set() and threading.current_thread() is not self._thread:
            while not self._door.wait(0.5):
                self._check()
        self._happened(event)
        if self._closed:  # it may have closed between the check and the post
            self._abandon()
        elif self._saved and threading.current_thread() is not self._thread:
            self._wait_until_durable()

    def _wait_until_durable(self) -> None:
        """Return when what was posted would survive."""
        durable = threading.Event()
        with self._lock:
            self._take_in()
            self._driver.when_durable(durable.set)
        self._bell.put(None)
        self._tell()
        while not durable.wait(0.5):
            self._check()

    def control(self, event: ControlAsked | RetryAsked) -> None:
        """Carry out a request; when this returns, the machine knows."""
        if isinstance(event, ControlAsked) and event.action == "cancel":
            self._cancelled.add(event.job)  # seen by `current_job().cancelled` at once
        self._mail.append(event)
        self._work_off()

    def ask(self, question: str, job: str = "") -> Any:
        """Answer a question; see `Driver.ask`."""
        self._check()
        self._work_off()
        with self._lock:
            return self._driver.ask(question, job)

    def may_wait(self) -> bool:
        """Whether this thread may wait for a job: not if it is the one that has to run it."""
        return self._threads is not None or threading.current_thread() is not self._thread

    def stop(self) -> None:
        """What runs here is in the way of nothing else."""

    def close(self) -> None:
        """End the running flow."""
        if self._closed:
            return
        self._closed = True
        self._abandon()
        self._bell.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=DRAIN_SECONDS)

    @property
    def closed(self) -> bool:
        """Whether it takes no more messages: it was closed, or has met a fault of the engine."""
        return self._closed

    def _check(self) -> None:
        if isinstance(self._broken, FencedError):
            raise self._broken
        if self._broken is not None:
            raise StateError(f"the running flow ended with a fault of the engine: {self._broken}")
        if self._closed:
            raise StateError("the running flow was shut down; run it again with rt.exec(flow)")

    # ---- for the driver ------------------------------------------------------------------------------------------

    def dispatch(self, work: Slice) -> None:
        """Have a slice run: on the engine thread if there is no other."""
        if self._threads is None:
            self._ready.append(work)
        else:
            self._threads.submit(work)

    def abort(self, slice_id: int, force: bool) -> None:
        """Routines see `current_job().cancelled`; a thread cannot be ended from outside."""

    def set_door(self, is_open: bool) -> None:
        """Let producers go on, or make them wait."""
        self._door.set() if is_open else self._door.clear()

    def tell(self, news: News) -> None:
        """Keep news until the machine's lock is free again."""
        self._news.append(news)

    # ---- for a durable driver ------------------------------------------------------------------------------------

    def _for_ledger(self, call: Callable[[], None]) -> None:
        """Carry out what the ledger's thread has to tell the driver."""
        with self._lock:
            if not self._closed:
                call()
        self._bell.put(None)
        self._tell()

    def _fenced(self, reason: str) -> None:
        """Another process goes on with the run: nothing that happens here counts any more."""
        self._broken = FencedError(reason)
        self._closed = True
        self._news.append(Gone(reason))

    # ---- whoever has the lock ------------------------------------------------------------------------------------

    def _happened(self, event: Event) -> None:
        self._mail.append(event)
        self._bell.put(None)

    def _work_off(self) -> None:
        """Work off the mail on this thread; the engine looks again what there is to run, and until when to wait."""
        with self._lock:
            self._take_in()
        self._bell.put(None)
        self._tell()

    def _take_in(self) -> None:
        """Feed the machine with what has happened."""
        if self._broken is not None:
            self._mail.clear()
            return
        try:
            while self._mail:
                self._driver.feed(*[self._mail.popleft() for _ in range(min(len(self._mail), MAX_EVENTS))])
            self._driver.due()
        except BaseException as exc:  # a fault of the engine: whoever waits has to hear of it
            self._broken = exc
            self._closed = True
            self._door.set()
            self._news.append(Gone(f"{type(exc).__name__}: {exc}"))
            raise
        if self._cancelled and not self._machine.flights:
            self._cancelled.clear()  # nobody is left who could ask

    def _abandon(self) -> None:
        """Cancel what has not ended, so that nobody waits for ever."""
        with self._lock:
            self._take_in()
            jobs = list(self._machine.jobs)
            self._cancelled.update(jobs)
            if self._saved:  # they go on where somebody recovers them
                self._news.append(Gone("the running flow was shut down; its jobs are saved: go on with rt.recover(…)"))
            else:
                self._mail.extend(ControlAsked(job, "cancel", "the running flow was shut down") for job in jobs)
                self._take_in()
            if self._broken is not None:
                self._news.append(Gone(str(self._broken)))
        self._door.set()
        self._tell()

    def _tell(self) -> None:
        """Pass news on, one by one: a callback that makes more of them passes the next ones on itself."""
        while self._news and self._telling.acquire(blocking=False):
            try:
                with contextlib.suppress(IndexError):
                    self._on_news([self._news.popleft()])
            finally:
                self._telling.release()

    # ---- the engine thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closed:
                self._step()
        finally:
            self._closed = True
            self._abandon()
            if self._threads is not None:
                self._threads.close()
                if self._saved:  # what they were running is committed
                    with self._lock:
                        self._take_in()
            self._hosts.close()
            with self._lock:
                self._driver.round_off()
            self._driver.close()

    def _step(self) -> None:
        """Take in mail, fire timers, run one slice."""
        if not self._ready and not self._mail:
            self._wait()
        with self._lock:
            self._take_in()
            work = self._ready.popleft() if self._ready else None
        self._tell()
        if work is not None and not self._closed:
            self._mail.append(run_slice(self._hosts, work, 0))

    def _wait(self) -> None:
        """Wait until the bell rings or a timer is due."""
        due = self._driver.next_due()
        with contextlib.suppress(queue.Empty):
            self._bell.get(timeout=None if due is None else max(0.0, due - self._driver.clock.monotonic()))
        # What rang already is in the mail, which is looked at after this.
        while not self._bell.empty():
            self._bell.get()
