"""A driver whose every step is journaled: events first, then what follows from them.

The journal holds what the machine was told, and when. The machine is a function of that: telling it again makes it what it was.
A snapshot is the machine's picture together with the timers that are set.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from routilux_dist.checkpoint.inspection import list_runs
from routilux_dist.checkpoint.journal import Journal, Recovered
from routilux_dist.checkpoint.options import Checkpoint
from routilux_dist.checkpoint.stores import Store, open_store
from routilux_dist.clock import Clock, SystemClock
from routilux_dist.coordinator import picture, rollbacks
from routilux_dist.coordinator.commands import Abort, Advise, Command, Dispatch, SetDoor, SetTimer
from routilux_dist.coordinator.events import ControlAsked, Event, Restarted, TimerFired, TimerKey
from routilux_dist.coordinator.machine import Machine
from routilux_dist.driver import changes, records
from routilux_dist.driver.collecting import Collector
from routilux_dist.driver.driver import Body, Driver
from routilux_dist.driver.ledger import Ledger, Written
from routilux_dist.driver.quarantine import WELL_SECONDS, Starts
from routilux_dist.driver.session import Durable, Opening
from routilux_dist.errors import CheckpointDamagedError, CheckpointError, CheckpointVersionError, StoreError
from routilux_dist.plan.plan import Plan
from routilux_dist.plan.tuning import Tuning

#: Version of what a snapshot and a record hold.
FORMAT = 2
#: Those that are read. In 1 each block and body was a list with a mark; the others are read by the same table.
_READ = frozenset({1, FORMAT})
#: A snapshot is taken when this much was journaled since the last one, whatever the time.
SNAPSHOT_BYTES = 64 << 20


class SteadyClock:
    """Wall-clock time that never goes back, not even from one process to the next: what durable machines live by."""

    def __init__(self, clock: Clock, least: float = 0.0) -> None:
        self._clock = clock
        self._offset = max(clock.wall(), least) - clock.monotonic()

    def monotonic(self) -> float:
        """Seconds since 1970, at least those that were seen before."""
        return self._clock.monotonic() + self._offset

    def wall(self) -> float:
        """The same."""
        return self.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a machine is made of, besides its memory; every snapshot holds it.

    Attributes:
        plan: The plan.
        tuning: How work is cut.
        partitions: Homes by group; they stay what they were when a run goes on.
        lookahead, beside: See `Machine`.
        schemas: Routine -> what its state and slots look like, for noticing a change of code.
    """

    plan: Plan
    tuning: Tuning
    partitions: Mapping[int, int]
    lookahead: bool
    beside: tuple[int, ...] = ()
    schemas: Mapping[str, Any] = field(default_factory=dict)

    def machine(self, workers: int = 1, slots: Mapping[int, int] | None = None, validate: bool = False) -> Machine:
        """Return a fresh machine."""
        return Machine(
            self.plan,
            self.tuning,
            workers=workers,
            partitions=self.partitions,
            slots=slots,
            lookahead=self.lookahead,
            beside=frozenset(self.beside),
            keeps=True,
            validate=validate,
        )

    def as_data(self) -> dict[str, Any]:
        """Return it as a snapshot holds it."""
        return {
            "plan": self.plan,
            "tuning": self.tuning,
            "partitions": dict(self.partitions),
            "lookahead": self.lookahead,
            "beside": list(self.beside),
            "schemas": dict(self.schemas),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Setting:
        """Return what a snapshot holds."""
        return cls(**{**data, "beside": tuple(data["beside"])})


@dataclass(slots=True)
class Past:
    """What a run's journal amounts to.

    Attributes:
        setting: What its machine was made of.
        machine: The machine, as it was at the end of the journal.
        timers: What was set and has not rung: (when, key).
    """

    setting: Setting
    machine: Machine
    timers: list[tuple[float, TimerKey]]


#: See `read`.
Watch = Callable[[Machine, list[Command]], None]


def as_snapshot(setting: Setting, taken: picture.Picture, timers: list[tuple[float, TimerKey]]) -> dict[str, Any]:
    """Return what a snapshot holds."""
    return {
        "format": FORMAT,
        "setting": setting.as_data(),
        "picture": taken,
        "timers": [[at, list(key)] for at, key in timers],
    }


def read(
    found: Recovered, get_blob: records.GetBlob, allow_pickle: bool = False, watch: Watch | None = None
) -> Past | None:
    """Tell a machine again what a journal says; None if the run never began.

    Args:
        found: The journal.
        get_blob: Returns what is out of line.
        allow_pickle: Whether bodies may be pickled.
        watch: Is shown the machine as the snapshot has it, with the slices that were out, and then after each record with what
            it ordered.

    Raises:
        CheckpointDamagedError: There is a log and no snapshot.
        CheckpointVersionError: The snapshot is of a format that this code does not know, or the machine decides otherwise by now
            than the one that wrote the journal: what was done does not fit what it would have done.
    """
    if found.snapshot is None and found.seq:  # a run begins with one
        raise CheckpointDamagedError(
            f"the log is there up to record {found.seq}, but no snapshot that can be read: there is nothing to go on from",
            intact=0,
        )
    if found.snapshot is None:
        return None
    data = records.loads(found.snapshot, get_blob, allow_pickle)
    if data["format"] not in _READ:
        raise CheckpointVersionError(
            f"the snapshot has format {data['format']}, this version reads formats up to {FORMAT}: use the version that wrote "
            f"it, or a newer one"
        )
    setting = Setting.from_data(data["setting"])
    machine = setting.machine()
    picture.restore(machine, data["picture"])
    # By key, so that one that rings is found without a look at all the others; a heap each.
    timers: dict[TimerKey, list[float]] = {}
    for at, key in data["timers"]:
        heapq.heappush(timers.setdefault(tuple(key), []), at)
    if watch is not None:
        watch(machine, [Dispatch(flight.slice) for flight in machine.flights.values()])
    for record in found.records:
        now, events, *marks = records.loads(record, get_blob, allow_pickle)
        _check_course(machine, marks)
        for event in events:
            if isinstance(event, TimerFired):
                _rang(timers, event.key)
        ordered = machine.handle(*events, now=now)
        for command in ordered:
            if isinstance(command, SetTimer):
                heapq.heappush(timers.setdefault(command.key, []), command.at)
        if watch is not None:
            watch(machine, ordered)
    return Past(
        setting, machine, sorted(((at, key) for key, due in timers.items() for at in due), key=lambda timer: timer[0])
    )


def _check_course(machine: Machine, marks: list[int]) -> None:
    """Raise if a machine that is told a journal is not where the one that wrote it was; older journals do not say."""
    if any(mark != machine.mark for mark in marks):
        raise CheckpointVersionError(
            "the journal does not lead to where it led when it was written: another version of routilux_dist wrote it, which "
            "cut work in another way; go on with that version and shut it down, which leaves a snapshot that this one reads"
        )


def _rang(timers: dict[TimerKey, list[float]], key: TimerKey) -> None:
    """Take out a timer: of several with a key the one that was due first."""
    due = timers.get(key)
    if due is None:
        return
    heapq.heappop(due)
    if not due:
        del timers[key]


class DurableDriver(Driver):
    """A driver that journals.

    Whoever is told something is told it after what it rests on is durable. With `durability="sync"` slices wait for that too.

    Args:
        setting: What the machine is made of.
        machine: The machine.
        body: What touches the world; besides a driver's it is asked to do things later on the owner's thread (`later`).
        clock: A steady clock.
        journal: The open journal.
        checkpoint: How carefully.
        past: What the run was, if it goes on.
        later: Calls a function on the thread that owns the driver.
        on_fenced: Called when another coordinator has taken over.
        starts: Is told once that this process lives well with the run.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, and each is a fact of the place it runs in
        self,
        setting: Setting,
        machine: Machine,
        body: Body,
        clock: Clock,
        *,
        journal: Journal,
        checkpoint: Checkpoint,
        past: Past | None,
        later: Callable[[Callable[[], None]], None],
        on_fenced: Callable[[str], None],
        starts: Starts | None = None,
    ) -> None:
        super().__init__(machine, body, clock)
        self._setting, self._journal, self._every = setting, journal, checkpoint.seconds
        self._sync, self._async = checkpoint.durability == "sync", checkpoint.durability == "async"
        self._on_fenced, self._past = on_fenced, past
        #: Commands that wait for a record to be durable, and those who wait likewise.
        self._held: deque[tuple[int, Command]] = deque()
        #: How many of these commands send slices.
        self._slices_held = 0
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self.synced = journal.seq
        #: Why the store does not take more at present, "" if it does.
        self.trouble = ""
        self._snapshot_at = clock.monotonic()
        self._snapshot_seq = -1
        self._starts, self._lives_well = starts, False
        self._begun_at, self._commits = clock.monotonic(), machine.commits
        self._later, self._is_fenced = later, False
        self._ledger = Ledger(journal, checkpoint.durability, self._told, Collector(journal, checkpoint.keep))

    def begin(self) -> None:
        """Begin, or go on; to be called once the body can carry out commands. What goes on is told so, and dispatches at once."""
        past, self._past = self._past, None
        for at, key in past.timers if past is not None else ():
            self._set_timer(SetTimer(key, at))
        # Where nothing waits to be done, nothing can be at fault.
        self._lives_well = past is None or not any(job.blocks for job in self.machine.jobs.values())
        self.snapshot()
        if past is not None:
            self.feed(Restarted(self.machine.workers, dict(self.machine.slots)))

    def feed(self, *events: Event) -> None:
        """Journal what happened, take it in, and carry out what the machine orders."""
        now = self.clock.monotonic()
        seq = self._ledger.add(records.dumps([now, list(events), self.machine.mark], self._journal.hold_blob))
        commands = self.machine.handle(*events, now=now)
        self._lives_well = self._lives_well or self.machine.commits > self._commits
        for command in commands:
            if self._may(command):
                self._do[type(command)](command)
            else:
                self._held.append((seq, command))
                self._slices_held += isinstance(command, Dispatch)
        if self._ledger.bytes > SNAPSHOT_BYTES:
            self.snapshot()

    def _may(self, command: Command) -> bool:
        """Whether a command is carried out before what it rests on is durable."""
        if isinstance(command, (SetTimer, SetDoor, Advise)):
            return True
        if isinstance(command, (Dispatch, Abort)):
            # Where slices wait already, they keep their order.
            return not self._sync and not self.trouble and not self._slices_held
        return False

    def when_durable(self, call: Callable[[], None]) -> None:
        """Call when all that was fed so far is durable; at once if that is not promised."""
        if self._async or self.synced >= self._ledger.seq:
            call()
        else:
            self._waiting.append((self._ledger.seq, call))

    def _told(self, written: Written) -> None:
        """Hear of the ledger, in its own thread."""
        if self._lives_well and not written.trouble and not written.fenced:
            self._note_well()
        self._later(lambda: self._written(written))

    def _note_well(self) -> None:
        starts, self._starts = self._starts, None
        if starts is not None:
            with contextlib.suppress(StoreError):  # then it counts once more than it should
                starts.clear()

    def _written(self, written: Written) -> None:
        if written.fenced:
            self._is_fenced = True
            self._on_fenced(written.fenced)
            return
        self.trouble = written.trouble
        self.synced = max(self.synced, written.seq)
        while self._held and self._held[0][0] <= self.synced:
            _, command = self._held.popleft()
            self._slices_held -= isinstance(command, Dispatch)
            self._do[type(command)](command)
        while self._waiting and self._waiting[0][0] <= self.synced:
            self._waiting.popleft()[1]()

    def ask(self, question: str, job_id: str = "") -> Any:
        """See `Driver.ask`; a summary says what the store has."""
        answer = super().ask(question, job_id)
        if question == "summary" and answer is not None and self.trouble:
            waits = f"the store takes nothing at present: {self.trouble}"
            answer["waits_for"] = f"{waits}; {answer['waits_for']}" if answer["waits_for"] else waits
        return answer

    # ---- snapshots -----------------------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """Return when the next timer, or a snapshot, is due."""
        due = super().next_due()
        if self._starts is not None and not self._lives_well:
            well_at = self._begun_at + WELL_SECONDS
            due = well_at if due is None else min(due, well_at)
        if self._ledger.seq == self._snapshot_seq:
            return due
        snapshot_at = self._snapshot_at + self._every
        return snapshot_at if due is None else min(due, snapshot_at)

    def due(self) -> None:
        """Fire what is due; take a snapshot if it is time."""
        super().due()
        if not self._lives_well and self.clock.monotonic() >= self._begun_at + WELL_SECONDS:
            self._lives_well = True
            self.snapshot()  # the ledger notes it with what it writes next
        if self._ledger.seq != self._snapshot_seq and self.clock.monotonic() >= self._snapshot_at + self._every:
            jobs = [job.id for job in self.machine.jobs.values() if not job.stream]
            if jobs:
                self.feed(*(ControlAsked(job, "checkpoint", rollbacks.LAST_GOOD) for job in jobs))
            self.snapshot()

    def snapshot(self) -> None:
        """Store the machine's picture."""
        timers = [(at, key) for at, _, key in sorted(self._timers)]
        data = as_snapshot(self._setting, picture.take(self.machine), timers)
        self._ledger.snapshot(records.dumps(data, self._journal.hold_blob))
        self._snapshot_at, self._snapshot_seq = self.clock.monotonic(), self._ledger.seq

    def round_off(self) -> None:
        """See `Driver.round_off`."""
        if not self._is_fenced and self._ledger.seq != self._snapshot_seq:
            self.snapshot()

    def close(self) -> None:
        """Write what is left."""
        self._ledger.close()
        if not self._is_fenced:
            self._note_well()


# ---- opening ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a run finds where it goes on: the backend's facts that a machine needs.

    Attributes:
        workers, slots: See `Machine`.
        homes: Homes of groups that leave their number open, for a run that begins.
        lookahead, beside: See `Machine`.
    """

    workers: int
    homes: int
    slots: Mapping[int, int] = field(default_factory=dict)
    lookahead: bool = True
    beside: tuple[int, ...] = ()


def open_run(
    opening: Opening,
    place: Place,
    body: Body,
    later: Callable[[Callable[[], None]], None],
    on_fenced: Callable[[str], None],
) -> DurableDriver:
    """Open a run, to begin it or to go on with it: `begin` comes next.

    Raises:
        CheckpointError: It cannot be read, has begun already, is not there, or is quarantined.
        ConfigurationError: Its flow has changed in a way that loses something.
    """
    durable = opening.durable
    assert durable is not None
    checkpoint = durable.checkpoint
    store = open_store(checkpoint.url)
    if not durable.go_on or not durable.begin:
        _check_presence(store, durable)
    starts = Starts(store, durable.run)
    starts.begin(durable.force)
    journal, found = Journal.open(store, durable.run, checkpoint.key, checkpoint.keep)
    try:
        past = read(found, journal.get_blob, checkpoint.allow_pickle)
        partitions = opening.partitions(place.homes)
        kept: picture.Picture | None = None
        if past is not None:
            partitions, kept, past.timers = changes.adapt(
                past.setting, past.machine, opening.plan, partitions, durable.schemas, timers=past.timers
            )
        setting = Setting(
            plan=opening.plan,
            tuning=opening.tuning,
            partitions=partitions,
            lookahead=place.lookahead,
            beside=place.beside,
            schemas=durable.schemas,
        )
        machine = setting.machine(validate=opening.validate)
        if kept is not None:
            picture.restore(machine, kept)
        machine.workers, machine.slots = place.workers, dict(place.slots)
        clock = SteadyClock(SystemClock(), machine.now)
        driver = DurableDriver(
            setting,
            machine,
            body,
            clock,
            journal=journal,
            checkpoint=checkpoint,
            past=past,
            later=later,
            on_fenced=on_fenced,
            starts=starts,
        )
    except BaseException:
        journal.close()
        with contextlib.suppress(StoreError):
            starts.take_back()
        raise
    return driver


def _check_presence(store: Store, durable: Durable) -> None:
    """Raise if a run that has to begin is there, or one that has to be there is not."""
    there = durable.run in list_runs(store)
    if there and not durable.go_on:
        raise CheckpointError(
            f"{store.url} has a run {durable.run!r} already: go on with it by rt.recover({durable.checkpoint.url!r}, "
            f"flow=…, job_id={durable.run!r}), or give another job_id"
        )
    if not there and not durable.begin:
        known = ", ".join(list_runs(store)) or "none"
        raise CheckpointError(f"{store.url} has no run {durable.run!r}; it has: {known}")
