"""Coordinators that die, and go on with what is in a journal: the real one, on a disk that tears, with writers that live on."""

from __future__ import annotations

from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.memory import MemoryStore
from routilux_dist.coordinator import picture
from routilux_dist.coordinator.events import ControlAsked, Event, TimerKey
from routilux_dist.coordinator.machine import Machine
from routilux_dist.driver import durable, records
from routilux_dist.driver.durable import Setting
from routilux_dist.errors import FencedError
from routilux_dist.testing.faults import Faults
from routilux_dist.testing.ledger import Broken
from routilux_dist.testing.tape import Tape
from routilux_dist.testing.world import Knobs, World
from tests.simulation.scenarios import Books

RUN = "run"
FAULTS = Faults(
    (
        "restart",
        "death",
        "false death",
        "innocent",
        "twice",
        "again",
        "alien",
        "early",
        "pause",
        "cancel",
        "resize",
        "retry",
    ),
    8,
    4,
)


class Journaled:
    """A world's log, as a `DurableDriver` writes it: events first, and a snapshot now and then.

    Args:
        world: The world.
        tape: Says when snapshots are taken, and how disks tear.
    """

    def __init__(self, world: World, tape: Tape) -> None:
        self._tape, self._store = tape, MemoryStore()
        machine = world.machine
        self._setting = Setting(
            plan=machine.plan, tuning=machine.tuning, partitions=machine.partitions, lookahead=machine.lookahead
        )
        self._journal, _ = Journal.open(self._store, RUN)
        #: Writers that do not know that they were replaced.
        self._zombies: list[Journal] = []
        self._snapshot(machine, [])

    def fed(self, world: World, event: Event) -> None:
        """See `Log`."""
        self._write(self._journal, world.now, event)
        for zombie in list(self._zombies):
            self._haunt(zombie, world)

    def go_on(self, world: World) -> tuple[Machine, list[tuple[float, TimerKey]]]:
        """See `Log`."""
        old = self._journal
        if self._tape.choose(3) == 1:
            self._tear(world)
        self._journal, found = Journal.open(self._store, RUN)
        past = durable.read(found, self._journal.get_blob)
        if past is None:
            raise Broken("the journal has no beginning")
        if _bytes(past.machine) != _bytes(world.machine):
            raise Broken("telling another machine what the journal says does not make it what the first one was")
        machine = self._setting.machine()
        picture.restore(machine, picture.take(past.machine))
        if self._tape.choose(2):
            self._zombies.append(old)
        if self._tape.choose(3) != 1:  # else it dies before its first snapshot
            self._snapshot(machine, past.timers)
        return machine, past.timers

    def _write(self, journal: Journal, now: float, event: Event) -> None:
        journal.append(records.dumps([now, [event]], journal.hold_blob))
        journal.sync()

    def _snapshot(self, machine: Machine, timers: list[tuple[float, TimerKey]]) -> None:
        data = durable.as_snapshot(self._setting, picture.take(machine), timers)
        self._journal.snapshot(records.dumps(data, self._journal.hold_blob))

    def _tear(self, world: World) -> None:
        """The coordinator dies while it writes: some bytes of the record are on the disk, and nobody was told anything."""
        journal, files = self._journal, self._store.files
        before = {name: len(data) for name, data in files.items()}
        self._write(journal, world.now, _nonsense(world))
        for name, data in files.items():
            start = before.get(name, 0)
            if len(data) > start:
                files[name] = data[: start + self._tape.choose(len(data) - start)]

    def _haunt(self, zombie: Journal, world: World) -> None:
        """An old coordinator goes on: what it writes must not count, and it must be told so."""
        if not self._tape.chance(30):
            return
        self._zombies.remove(zombie)
        try:
            self._write(zombie, world.now, _nonsense(world))
        except FencedError:
            return
        raise Broken("a coordinator that was replaced was told that what it wrote counts")


def _nonsense(world: World) -> Event:
    """Something that nobody asked for."""
    return ControlAsked(next(iter(world.ledger.alive), "j0"), "cancel", "nobody asked for it")


def _bytes(machine: Machine) -> bytes:
    return records.dumps(picture.take(machine), lambda data: "")


class Saved(Books):
    """Saved jobs: state comes with receipts, and outlives homes and coordinators."""

    def __init__(
        self, mode: str = "distributed", parts: tuple[str, ...] = ("chain", "every"), faults: Faults = FAULTS
    ) -> None:
        super().__init__(mode, 2, parts, faults=faults)

    def world(self, tape: Tape) -> World:
        drawn = super().world(tape)
        knobs: Knobs = drawn.knobs
        world = World(self.program, knobs, drawn.clients, self.faults, tape, keeps=True)
        world.log = Journaled(world, tape)
        return world
