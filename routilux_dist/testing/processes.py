"""Worker processes of a simulated world: real hosts, which are lost with their process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from routilux_dist.compiler.compile import prepare
from routilux_dist.flow.guards import Guard
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import GroupKind, Plan, PortPlan
from routilux_dist.testing.spares import Spares
from routilux_dist.wire import codec
from routilux_dist.wire.slices import Receipt, Slice
from routilux_workers.entry import refuse
from routilux_workers.host import Host


class Died(BaseException):
    """The process died while it ran a slice. Not an `Exception`: no user code between here and there may survive it."""


#: The process whose slice runs, innermost last.
_running: list[Process] = []


def crash() -> None:
    """Take the process down that runs the present activation, as `os._exit` or a fault in native code would.

    The simulated process is found dead at the end of its slice.

    Raises:
        Died: Always, so that the activation has no effect; outside of a simulated process nothing else happens.
    """
    if _running:
        _running[-1].crashed = True
    raise Died


class HostClock:
    """The clock of one process: each look at it takes `pace` seconds, and at a chosen look the process dies."""

    __slots__ = ("fatal", "looks", "now", "pace", "spent")

    def __init__(self, now: Callable[[], float], pace: float) -> None:
        self.now, self.pace = now, pace
        self.spent = 0.0
        self.looks = 0
        #: The look that is the last one, or 0.
        self.fatal = 0

    def take_over(self, other: HostClock) -> None:
        """Go on as another clock."""
        self.now, self.pace, self.spent, self.looks, self.fatal = (
            other.now, other.pace, other.spent, other.looks, other.fatal
        )  # fmt: skip

    def __call__(self) -> float:
        self.looks += 1
        if self.fatal and self.looks >= self.fatal:
            raise Died
        self.spent += self.pace
        return self.now() + self.spent


@dataclass(frozen=True, slots=True)
class Program:
    """A flow, compiled once for many schedules.

    Attributes:
        spares: Hosts of earlier schedules that are used again, where routines keep nothing on themselves; else None.
    """

    plan: Plan
    recipes: Mapping[str, tuple[Any, ...]]
    handler: ErrorHandler | None
    guards: tuple[Guard, ...] = ()
    spares: Spares | None = None
    _keys: dict[str, Any] = field(default_factory=dict)
    _ports: dict[str, PortPlan] = field(default_factory=dict)

    @classmethod
    def of(cls, flow: FlowModel, *, reuse: bool = False) -> Program:
        """Compile a flow.

        Args:
            flow: The flow.
            reuse: Whether hosts may serve one schedule after another: only if routines keep nothing on themselves.

        Raises:
            ConfigurationError: The flow is not valid.
        """
        plan = prepare(flow, ship=False, need_entry=False)
        return cls(
            plan,
            {name: routine.__reduce__() for name, routine in flow.routines.items()},
            flow.error_handler,
            flow.guards,
            Spares() if reuse else None,
            _ports={port.path: port for port in plan.ports},
        )

    def port(self, path: str) -> PortPlan:
        """Return the port of this name."""
        return self._ports[path]

    def key(self, routine: str) -> Any:
        """Return what tells the key of a routine's messages."""
        if routine not in self._keys:
            state = _cook(self.recipes[routine])._declared.state
            assert state is not None
            self._keys[routine] = state.key
        return self._keys[routine]

    def partitions(self, homes: int) -> dict[int, int]:
        """Return the number of homes by group."""
        return {g.index: g.homes(homes) for g in self.plan.groups if g.kind is GroupKind.SHARDS}

    def routines(self) -> dict[str, Routine]:
        """Return fresh copies of the routines, as a worker process has them."""
        return {name: _cook(recipe) for name, recipe in self.recipes.items()}


def _cook(recipe: tuple[Any, ...]) -> Routine:
    construct, arguments, state = recipe
    routine: Routine = construct(*arguments)
    routine.__setstate__(state)
    return routine


class Process:
    """One worker process and the slices that were sent to it.

    Args:
        program: What it runs.
        place: (group, partition).
        partitions: Number of homes, by group index.
        clock: Its clock.
        packed: Whether slices and receipts are encoded on the way, as between processes.
        is_cancelled: Tells whether a job was cancelled.
        keeps: Whether receipts carry the state that slices change.
        codec: How bodies are encoded.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of the process
        self,
        program: Program,
        place: tuple[int, int],
        partitions: Mapping[int, int],
        clock: HostClock,
        packed: bool,
        is_cancelled: Callable[[str], bool],
        keeps: bool = False,
        codec: codec.Codec = codec.PICKLE,
    ) -> None:
        self.keeps, self.codec = keeps, codec
        self.program, self.place, self.partitions = program, place, partitions
        self.clock, self.packed, self.is_cancelled = clock, packed, is_cancelled
        self.alive = True
        self.crashed = False
        #: Whether it stands for many processes, each of which runs one slice at a time and keeps nothing.
        self.shared = program.plan.groups[place[0]].kind is GroupKind.TASKS
        #: Slices that were sent and have not begun, by id.
        self.queue: deque[int] = deque()
        self._host: Host | None = None

    def run(self, work: Slice, fatal: int = 0) -> Receipt | None:
        """Run a slice; return None if the process died on the way.

        Args:
            work: The slice.
            fatal: At which look at its clock the process dies; 0 for never.
        """
        self.clock.looks, self.clock.fatal = 0, fatal
        self.crashed = False
        _running.append(self)
        if self.packed:
            work = codec.decode(codec.encode(work))
        try:
            receipt = self._open().run(work)
        except Died:
            self.die()
            return None
        except BaseException as exc:  # a routine's constructor or setup raised on replay, or the engine has a fault
            receipt = refuse(work, exc)
        finally:
            _running.pop()
        clock = self.clock  # that of a host that was taken over
        if self.crashed or (fatal and clock.looks >= fatal):  # it died where whatever user code raises is caught
            self.die()
            return None
        clock.fatal = 0
        return codec.decode(codec.encode(receipt)) if self.packed else receipt

    def _open(self) -> Host:
        host = self._host
        if host is not None and host.broken is not None:  # its open() failed: the next slice tries again
            host.close()
            host = None
        if host is None:
            host = self._host = self._spare() or self._new_host()
        return host

    def _spare(self) -> Host | None:
        spares = self.program.spares
        host = None if spares is None else spares.take(self._likeness)
        if host is not None:
            host.activity.is_cancelled = self.is_cancelled
            assert isinstance(host.clock, HostClock)
            host.clock.take_over(self.clock)
            self.clock = host.clock
        return host

    @property
    def _likeness(self) -> tuple[Any, ...]:
        return self.place, self.packed, self.keeps, tuple(self.partitions.values())

    def _new_host(self) -> Host:
        group, partition = self.place
        return Host(
            self.program.plan,
            self.program.routines(),
            group,
            flow_handler=self.program.handler,
            guards=self.program.guards,
            partition=partition,
            partitions=self.partitions,
            packed=self.packed,
            is_cancelled=self.is_cancelled,
            clock=self.clock,
            keeps=self.keeps,
            codec=self.codec,
        )

    def die(self) -> None:
        """Lose all that is here. Nothing of the user's runs any more; what was awaited is dropped."""
        self.alive = False
        if self._host is not None:
            self._host.loop.close()
            self._host = None

    def renew(self) -> None:
        """Go on in another process."""
        self.die()
        self.alive = True

    def close(self) -> None:
        """End the process in good order."""
        if self._host is None or not self.alive:
            return
        spares = self.program.spares
        if spares is None or not spares.give(self._likeness, self._host):
            self._host.close()
