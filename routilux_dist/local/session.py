"""A running flow in this process: one engine thread, and worker threads if more than one is asked for."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Union

from routilux_dist.clock import SystemClock
from routilux_dist.coordinator.events import ControlAsked, Event, Posted, RetryAsked, SliceFinished
from routilux_dist.coordinator.machine import Machine
from routilux_dist.driver.driver import Driver, Gone, News
from routilux_dist.driver.session import OnNews, Opening
from routilux_dist.errors import StateError
from routilux_dist.local.hosts import Hosts, Threads
from routilux_dist.plan.plan import GroupKind
from routilux_dist.wire.slices import Slice
from routilux_workers.entry import refuse


class _Stop:
    """Ends the engine thread."""


Mail = Union[Event, Callable[[], None], _Stop]


class LocalSession:
    """A running flow in this process.

    With one worker, slices run on the engine thread itself: nothing is handed from thread to thread, and a breakpoint in a
    routine stops everything. With more, each worker thread has its own copies of the routines.
    """

    packed = False

    def __init__(self, opening: Opening, on_news: OnNews) -> None:
        clock = SystemClock()
        solo = any(g.kind is GroupKind.SOLO for g in opening.plan.groups)
        workers = 1 if solo else opening.workers
        self.partitions = opening.partitions(workers)
        self._on_news = on_news
        self._news: list[News] = []
        self._mail: queue.SimpleQueue[Mail] = queue.SimpleQueue()
        self._door = threading.Event()
        self._door.set()
        self._ready: deque[Slice] = deque()
        self._gone: set[str] = set()
        self._closed = False
        # Recipes, not the routines themselves: those hold their flow, and a flow may be collected while it runs.
        recipes = {r: routine.__reduce__() for r, routine in opening.routines.items()}
        hosts = Hosts(opening, recipes, self.partitions, self._gone.__contains__)
        self._hosts = hosts
        self._threads = Threads(hosts, workers, self._finished) if workers > 1 else None
        machine = Machine(
            opening.plan,
            opening.tuning,
            workers=workers,
            partitions=self.partitions,
            wall_offset=clock.wall() - clock.monotonic(),
            lookahead=False,
            validate=opening.validate,
        )
        self._driver = Driver(machine, self, clock)
        self._thread = threading.Thread(target=self._run, name=f"routilux-{opening.plan.flow}", daemon=True)
        self._thread.start()

    # ---- for clients ---------------------------------------------------------------------------------------------

    def post(self, event: Posted) -> None:
        if self._closed:
            raise StateError("the running flow was shut down; run it again with rt.exec(flow)")
        if not self._door.is_set() and threading.current_thread() is not self._thread:
            while not self._door.wait(0.5):
                if self._closed:
                    raise StateError("the running flow was shut down while a message waited to be taken in")
        self._mail.put(event)

    def control(self, event: ControlAsked | RetryAsked) -> None:
        if isinstance(event, ControlAsked) and event.action == "cancel":
            self._gone.add(event.job)  # seen by `current_job().cancelled` at once
        self._mail.put(event)

    def ask(self, question: str, job: str = "") -> Any:
        if threading.current_thread() is self._thread:
            return self._driver.ask(question, job)
        if self._closed:
            raise StateError("the running flow was shut down")
        answer: Future[Any] = Future()
        self._mail.put(lambda: answer.set_result(self._driver.ask(question, job)))
        while True:
            try:
                return answer.result(timeout=0.5)
            except TimeoutError:
                if not self._thread.is_alive():
                    raise StateError("the running flow was shut down") from None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._mail.put(_Stop())
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=10)

    # ---- for the driver ------------------------------------------------------------------------------------------

    def dispatch(self, work: Slice) -> None:
        if self._threads is None:
            self._ready.append(work)
        else:
            self._threads.submit(work)

    def set_door(self, is_open: bool) -> None:
        self._door.set() if is_open else self._door.clear()

    def tell(self, news: News) -> None:
        self._news.append(news)

    # ---- the engine thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except BaseException as exc:  # a fault of the engine: whoever waits has to hear of it
            self._closed = True
            self._on_news([Gone(f"{type(exc).__name__}: {exc}")])
            raise
        finally:
            self._closed = True
            if self._threads is not None:
                self._threads.close()
            self._hosts.close()

    def _step(self) -> bool:
        """Take in mail, fire timers, run one slice; return whether to go on."""
        events: list[Event] = []
        for mail in self._take_mail():
            if isinstance(mail, _Stop):
                self._abandon()
                return False
            if callable(mail):
                self._feed(events)
                mail()
            else:
                events.append(mail)
        self._feed(events)
        self._driver.due()
        if self._ready:
            self._feed([_run_slice(self._hosts, self._ready.popleft())])
        self._publish()
        return True

    def _take_mail(self) -> list[Mail]:
        """Return what has come; wait for it if there is nothing else to do."""
        mails: list[Mail] = []
        if not self._ready:
            due = self._driver.next_due()
            timeout = None if due is None else max(0.0, due - time.monotonic())
            try:
                mails.append(self._mail.get(timeout=timeout))
            except queue.Empty:
                return mails
        while not self._mail.empty() and len(mails) < 1000:
            mails.append(self._mail.get())
        return mails

    def _feed(self, events: list[Event]) -> None:
        if events:
            self._driver.feed(*events)
            events.clear()

    def _publish(self) -> None:
        if self._news:
            news, self._news = self._news, []
            self._on_news(news)

    def _abandon(self) -> None:
        """Cancel what has not ended, so that nobody waits for ever."""
        jobs = list(self._driver.machine.jobs)
        self._gone.update(jobs)
        self._feed([ControlAsked(job, "cancel", "the running flow was shut down") for job in jobs])
        self._publish()

    def _finished(self, event: Event) -> None:
        self._mail.put(event)


def _run_slice(hosts: Hosts, work: Slice) -> Event:
    try:
        return SliceFinished(hosts.get(work.group, work.partition).run(work))
    except Exception as exc:  # building a host failed: a routine's constructor or setup raised on replay
        return SliceFinished(refuse(work, exc))

