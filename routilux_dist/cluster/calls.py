"""What Ray calls in worker processes. Wrapped in `remotes`, so that workers import it by name."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import ray

from routilux_dist.cluster import bodies
from routilux_dist.cluster.turns import Turns
from routilux_dist.wire.block import Packed
from routilux_dist.wire.slices import Receipt, Slice
from routilux_workers import entry
from routilux_workers.entry import Shipment
from routilux_workers.host import Host

#: What a slice's call returns: the receipt, and the bodies that are too large to travel with it.
Result = tuple[Receipt, "list[Packed] | None"]


#: Whether Ray asked this process to cancel the task that runs.
_interrupted = threading.Event()


def _is_cancelled(job: str) -> bool:
    """Whether the slice that runs here was cancelled; that happens only when all its jobs have ended."""
    return _interrupted.is_set() or bool(ray.get_runtime_context().is_canceled())


def _run(host: Host, work: Slice, arguments: tuple[Any, ...], inline_bytes: int) -> Result:
    receipt = host.run(bodies.resolve(work, arguments))
    return receipt, bodies.detach(receipt, inline_bytes)


def run_slice(running: str, shipment: list[Any], work: Slice, inline_bytes: int, *arguments: Any) -> Result:
    """Run a slice of stateless routines that ask for resources, in whichever process Ray chose.

    Args:
        running: Identifier of the running flow; the process keeps its routines under this name.
        shipment: A list with the reference to the `Shipment`, so that it is fetched only when it is needed.
        work: The slice.
        inline_bytes: Bodies above this size are returned apart.
        *arguments: What the slice's stored bodies are taken from.
    """
    _interrupted.clear()
    # Ray cancels a task by interrupting it. User code shall see `current_job().cancelled` and end in good order; one that does
    # not look is ended with its process.
    signal.signal(signal.SIGINT, lambda number, frame: _interrupted.set())
    try:
        host = entry.task_host(running, lambda: ray.get(shipment[0]), work.group, _is_cancelled)
    except Exception as exc:  # a routine cannot be built here: the job has to hear why
        return entry.refuse(work, exc), None
    return _run(host, work, arguments, inline_bytes)


#: Seconds after which a thread that waits gets its turn while user code computes: what waits is a slice to be unpacked, or a
#: receipt on its way.
SWITCH_SECONDS = 0.0005


class CrewMember:
    """A process that runs slices of stateless routines, of any running flow that its hub serves.

    Ray calls it in several threads, so that the next slice is unpacked and the last receipt is packed while one slice runs.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._turns = Turns()
        #: Shipments by running flow.
        self._known: dict[str, Shipment] = {}
        sys.setswitchinterval(SWITCH_SECONDS)

    def ready(self) -> None:
        """Answer, to show that the process runs."""

    @ray.method(num_returns=2, concurrency_group="run")
    def run(
        self, turn: int, running: str, shipment: list[Any] | None, work: Slice, inline_bytes: int, *arguments: Any
    ) -> tuple[Receipt | None, list[Packed] | None]:
        """Run a slice when it is its turn.

        Args:
            turn: Which of this process's calls it is.
            running: Identifier of the running flow; the process keeps its routines under this name.
            shipment: A list with the reference to the `Shipment`, or None if this process has it.
            work: The slice.
            inline_bytes: Bodies above this size are returned apart.
            *arguments: What the slice's stored bodies are taken from.

        Returns:
            None and None if it was dropped before its turn.
        """
        result = self._turns.call(turn, lambda: self._run(running, shipment, bodies.resolve(work, arguments)))
        return (None, None) if result is None else (result, bodies.detach(result, inline_bytes))

    def _run(self, running: str, shipment: list[Any] | None, work: Slice) -> Receipt:
        try:
            if shipment is not None and running not in self._known:
                self._known[running] = ray.get(shipment[0])
            host = entry.task_host(running, lambda: self._known[running], work.group, self._is_cancelled)
        except Exception as exc:  # a routine cannot be built here: the job has to hear why
            return entry.refuse(work, exc)
        return host.run(work)

    def _is_cancelled(self, job: str) -> bool:
        return self._turns.stopping

    @ray.method(concurrency_group="aside")
    def drop(self, turn: int, stop: bool) -> None:
        """Do not begin a slice; with `stop`, let user code see that it was cancelled if it runs already."""
        self._turns.drop(turn, stop)

    def forget(self, turn: int, running: str) -> None:
        """Close the routines of a running flow that was shut down."""
        self._turns.call(turn, lambda: self._forget(running))

    def _forget(self, running: str) -> None:
        self._known.pop(running, None)
        entry.close_flow(running)

    def close(self, turn: int) -> None:
        """Close all routines."""
        self._turns.call(turn, entry.close_all)

    def __repr__(self) -> str:
        return f"CrewMember({self._number})"


class HostActor:
    """A process that serves one group: a home of stateful routines, or a member of an actor pool."""

    def __init__(self, shipment: Shipment, group: int, partition: int, label: str) -> None:
        self._label = label
        self._place = (shipment, group, partition)
        self._host: Host | None = None
        self._broken: Exception | None = None
        self._build()

    def _build(self) -> None:
        self._broken = None
        try:
            self._host = entry.open_host(*self._place, _is_cancelled)
        except Exception as exc:  # a routine cannot be built here: the job has to hear why
            self._broken = exc

    def run(self, work: Slice, inline_bytes: int, *arguments: Any) -> Result:
        """Run a slice."""
        if self._host is None and self._broken is None:
            self._build()
        if self._host is None:
            assert self._broken is not None
            reason, self._broken = self._broken, None
            return entry.refuse(work, reason), None
        result = _run(self._host, work, arguments, inline_bytes)
        if self._host.broken is not None:  # its open() failed: the job has heard of it, the next slice tries again
            self._host.close()
            self._host = None
        return result

    def close(self) -> None:
        """Run `close()` of the routines."""
        if self._host is not None:
            self._host.close()

    def __repr__(self) -> str:
        return f"Host({self._label})"
