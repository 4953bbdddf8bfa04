"""Feeds the machine and has its commands carried out."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from routilux_dist.clock import Clock
from routilux_dist.coordinator import views
from routilux_dist.coordinator.commands import Abort, Advise, Deliver, Dispatch, Refuse, Report, SetDoor, SetTimer
from routilux_dist.coordinator.events import Event, TimerFired, TimerKey
from routilux_dist.coordinator.machine import Machine
from routilux_dist.wire.slices import Slice


@dataclass(frozen=True, slots=True)
class Gone:
    """The running flow cannot be reached any more; said by a session, never by a coordinator."""

    reason: str


#: What clients are told.
News = Report | Deliver | Refuse | Advise | Gone


#: So many timers cost nothing worth mentioning.
MANY_TIMERS = 1024


class Body(Protocol):
    """What touches the world for a driver."""

    def dispatch(self, work: Slice) -> None:
        """Have a worker run a slice. Later, feed `SliceFinished` or `SliceLost`."""
        ...

    def abort(self, slice_id: int, force: bool) -> None:
        """Have a slice stopped whose results nobody wants; with `force` whatever it takes."""
        ...

    def set_door(self, is_open: bool) -> None:
        """Let producers go on, or make them wait."""
        ...

    def tell(self, news: News) -> None:
        """Pass news on to a client (all clients for `Advise`)."""
        ...


class Driver:
    """One machine and its timers.

    After each `feed` the owner has to call `due` no later than `next_due()`.
    """

    def __init__(self, machine: Machine, body: Body, clock: Clock) -> None:
        self.machine, self.body, self.clock = machine, body, clock
        self._timers: list[tuple[float, int, TimerKey]] = []
        self._count = 0
        #: At how many timers to look for those that nobody wants any more.
        self._sweep_at = MANY_TIMERS
        self._do: dict[type, Callable[[Any], None]] = {
            Dispatch: lambda command: body.dispatch(command.slice),
            Abort: lambda command: body.abort(command.slice_id, command.force),
            SetTimer: self._set_timer,
            SetDoor: lambda command: body.set_door(command.open),
            Report: body.tell,
            Deliver: body.tell,
            Refuse: body.tell,
            Advise: body.tell,
        }

    def feed(self, *events: Event) -> None:
        """Take in what happened and carry out what the machine orders."""
        for command in self.machine.handle(*events, now=self.clock.monotonic()):
            self._do[type(command)](command)

    def begin(self) -> None:
        """Begin; to be called once the body can carry out commands."""

    def when_durable(self, call: Callable[[], None]) -> None:
        """Call when all that was fed so far would survive the loss of this process; here that is promised of nothing."""
        call()

    def round_off(self) -> None:
        """Leave things so that whoever goes on begins quickly; `close` comes next."""

    def close(self) -> None:
        """Nothing more will be fed."""

    def next_due(self) -> float | None:
        """Return when the next timer is due (monotonic seconds), or None."""
        return self._timers[0][0] if self._timers else None

    def due(self) -> None:
        """Fire the timers whose time has come."""
        fired: list[Event] = []
        now = self.clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            fired.append(TimerFired(heapq.heappop(self._timers)[2]))
        if fired:
            self.feed(*fired)

    def ask(self, question: str, job_id: str = "") -> Any:
        """Answer a question about the present state: "summary" of a job (None if unknown), or "overview"."""
        self.machine.now = self.clock.monotonic()
        if question == "overview":
            return views.overview(self.machine)
        job = self.machine.find(job_id)
        if job is None:
            return None
        if question == "summary":
            return views.summary(self.machine, job)
        if question == "contents":
            return tuple(job.outputs), tuple(job.failures), tuple(job.letters), dict(job.data)
        raise ValueError(f"unknown question {question!r}")

    def _set_timer(self, command: SetTimer) -> None:
        self._count += 1
        heapq.heappush(self._timers, (command.at, self._count, command.key))
        if len(self._timers) > self._sweep_at:
            # Jobs end long before their time is up: without this, all that ever were would be remembered until then.
            self._timers = [timer for timer in self._timers if self.machine.wants(timer[2])]
            heapq.heapify(self._timers)
            self._sweep_at = max(MANY_TIMERS, 2 * len(self._timers))
