"""What Ray calls in worker processes. Wrapped in `remotes`, so that workers import it by name."""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import ray

from routilux_dist.cluster import bodies, wires
from routilux_dist.cluster.turns import Call, Turns
from routilux_dist.cluster.wires import Door, NotLightError, Wire
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import GroupKind
from routilux_dist.wire.block import Packed
from routilux_dist.wire.codec import Codec, typed
from routilux_dist.wire.slices import Receipt, Slice
from routilux_workers import entry, speech
from routilux_workers.entry import Shipment
from routilux_workers.host import Host
from routilux_workers.surroundings import Surroundings

T = TypeVar("T")

#: What a slice's call returns: the receipt, and the bodies that are too large to travel with it.
Result = tuple["Receipt | None", "list[Packed] | None"]


#: Whether Ray asked this process to cancel the task that runs.
_interrupted = threading.Event()


def _is_cancelled(job: str) -> bool:
    """Whether the slice that runs here was cancelled; that happens only when all its jobs have ended."""
    if _interrupted.is_set():
        return True
    # Ray knows its own thread only. Where user code runs in another one, that thread looks.
    return threading.current_thread() is threading.main_thread() and bool(ray.get_runtime_context().is_canceled())


#: The thread of tasks whose routines have time-outs, once there was one, and how many calls it had.
_turns: Turns | None = None
_turn = 0


def _codec(shipment: entry.Shipment | None) -> Codec:
    """Return how an error is to be told; typed, which every flow can take, if it is not known."""
    return typed() if shipment is None else shipment.codec


def _run_apart(host: Host, work: Slice) -> Receipt:
    """Run a slice in another thread than this one, which can answer if it is stuck; the process ends then."""
    global _turns, _turn
    _turns = _turns if _turns is not None else Turns()
    host.when_stuck(_turns.answer)
    _turn += 1
    receipt = _turns.call(_turn - 1, lambda: entry.serve(host, work))
    assert receipt is not None, "nothing is dropped here"
    if receipt.retire:
        global _stuck
        _stuck = True
        threading.Timer(END_SECONDS, os._exit, (0,)).start()
    return receipt


#: Whether a thread of this process is stuck, and how long its last answer has to get away.
_stuck = False
END_SECONDS = 0.5


def run_slice(
    running: str, shipment: list[Any], work: Slice, inline_bytes: int, *arguments: Any
) -> tuple[Receipt | None, list[Packed] | None]:
    """Run a slice of stateless routines that ask for resources, in whichever process Ray chose.

    Args:
        running: Identifier of the running flow; the process keeps its routines under this name.
        shipment: A list with the reference to the `Shipment`, so that it is fetched only when it is needed.
        work: The slice.
        inline_bytes: Bodies above this size are returned apart.
        *arguments: What the slice's stored bodies are taken from.

    Returns:
        None and None if it was not begun, because the process is about to end.
    """
    if _stuck:
        return None, None
    _interrupted.clear()
    speech.give_voice()
    # Ray cancels a task by interrupting it. User code shall see `current_job().cancelled` and end in good order; one that does
    # not look is ended with its process.
    signal.signal(signal.SIGINT, lambda number, frame: _interrupted.set())
    sent: list[entry.Shipment] = []

    def fetch() -> entry.Shipment:
        sent.append(ray.get(shipment[0]))
        return sent[0]

    try:
        host = entry.task_host(running, fetch, work.group, _is_cancelled)
    except Exception as exc:  # a routine cannot be built here: the job has to hear why
        return entry.refuse(work, exc, _codec(sent[0] if sent else None)), None
    work = bodies.resolve(work, arguments)
    receipt = _run_apart(host, work) if host.limited else entry.serve(host, work)
    return receipt, bodies.detach(receipt, inline_bytes)


def _answer(
    wire: Wire, number: int, outcome: Callable[[], Receipt | None], inline_bytes: int, apart: dict[int, Result]
) -> None:
    """Send back what became of a call that came through a wire: (number, receipt, whether there is more, traceback or None).

    Args:
        wire: Leads to the hub; if that is gone, this process soon will be.
        number: Of the call.
        outcome: Returns the receipt, or raises.
        inline_bytes: Bodies above this size do not travel with it.
        apart: Gets what does not go through a wire, until a call of Ray's fetches it (`rest`): (None, large bodies), or all.
    """
    receipt = stored = None
    try:
        receipt = outcome()
        stored = None if receipt is None else bodies.detach(receipt, inline_bytes)
        answer = wires.pack((number, receipt, stored is not None, None))
        if stored is not None:
            apart[number] = None, stored
    except NotLightError:
        apart[number] = receipt, stored
        answer = wires.pack((number, None, True, None))
    except BaseException as exc:
        if not isinstance(exc, Exception) and threading.current_thread() is threading.main_thread():
            raise  # the process is to end
        answer = wires.pack((number, None, False, traceback.format_exc()))
    with contextlib.suppress(OSError):
        wire.post(answer)


#: Containers that a process makes before young ones are looked through for cycles, and looks that pass before older ones
#: are, too. State of a hundred thousand keys, looked through as often as Python would by itself, took as long as all the rest.
#: Young ones still are looked at often: they may hold large things.
GC_THRESHOLDS = (1_000, 20, 50)


def _prepare() -> None:
    """Prepare a process that is ours alone."""
    gc.freeze()  # what was imported stays
    gc.set_threshold(*GC_THRESHOLDS)
    speech.give_voice()


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
        #: The way to the hub beside Ray's, if there is one, and whether that has ended.
        self._wire: Wire | None = None
        self._alone = threading.Event()
        #: See `_answer`; by the number of the call.
        self._apart: dict[int, Result] = {}
        sys.setswitchinterval(SWITCH_SECONDS)
        _prepare()

    def ready(self, door: Door | None) -> None:
        """Answer, to show that the process runs, and connect to its hub if that can be reached through a door."""
        self._wire = wires.dial(door, ray.get_runtime_context().get_node_id())
        if self._wire is not None:
            self._wire.listen(self._hear, self._alone.set, "routilux-wire")

    @ray.method(concurrency_group="stay")
    def stay(self) -> None:
        """Return when the hub is gone: whoever waits for it longer hears of the end of this process."""
        self._alone.wait()

    def _hear(self, message: Any) -> None:
        if len(message) == 2:
            self._turns.drop(*message)
            return
        turn, running, work, inline_bytes = message
        wire = self._wire
        assert wire is not None

        def reply(call: Call[Receipt]) -> None:
            _answer(wire, turn, call.outcome, inline_bytes, self._apart)

        self._turns.begin(turn, lambda: self._run(running, None, work), reply)

    @ray.method(num_returns=2, concurrency_group="aside")
    def rest(self, turn: int) -> Result:
        """See `_answer`."""
        return self._apart.pop(turn)

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
            return entry.refuse(work, exc, _codec(self._known.get(running)))
        host.when_stuck(self._turns.answer)
        return entry.serve(host, work)

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


#: What Ray's log monitor takes as the name of an actor, where a line begins with it.
_NAME_PREFIX = ":actor_name:"


class HostActor:
    """A process that serves one group: a home of stateful routines, or a member of an actor pool.

    User code of a home runs in the main thread. That of a pool runs in a thread of its own, so that the process can answer when
    it is stuck: without state, nothing is lost with it. When its flow has ended, it may serve another one.
    """

    def __init__(self, shipment: Shipment, group: int, partition: int, label: str) -> None:
        #: The thread of pools, once this was one, and how many calls it had.
        self._pool: Turns | None = None
        #: That thread, where user code runs in it; None for homes.
        self._turns: Turns | None = None
        self._turn = 0
        #: What it attends to, if it does; the slice that came through it and runs, and slices that were cancelled.
        self._wire: Wire | None = None
        self._runs = -1
        self._dropped: set[int] = set()
        #: See `_answer`.
        self._apart: dict[int, Result] = {}
        _prepare()
        #: What the process was like before any routine came here.
        self._surroundings = Surroundings()
        self._settle(shipment, group, partition, label)

    def _settle(self, shipment: Shipment, group: int, partition: int, label: str) -> None:
        self._label = label
        self._place: tuple[Shipment, int, int] | None = (shipment, group, partition)
        self._turns = None
        if shipment.plan.groups[group].kind is GroupKind.ACTORS:
            self._pool = self._turns = self._pool if self._pool is not None else Turns()
        self._host: Host | None = None
        self._broken: Exception | None = None
        self._do(self._build)

    def serve(self, shipment: Shipment, group: int, partition: int, label: str) -> None:
        """Serve another place than so far; this process was vacated."""
        for stream in (sys.stdout, sys.stderr):
            print(f"{_NAME_PREFIX}Host({label})", file=stream, flush=True)
        self._settle(shipment, group, partition, label)

    def _do(self, function: Callable[[], T], look: Callable[[], object] | None = None) -> T:
        if self._turns is None:
            return function()
        self._turn += 1
        return self._turns.call(self._turn - 1, function, look)  # type: ignore[return-value] # nothing is dropped here

    def _look(self) -> None:
        assert self._turns is not None
        if self._wire is None:
            self._turns.stopping = self._turns.stopping or _is_cancelled("")

    def _is_cancelled(self, job: str) -> bool:
        if self._wire is not None:
            return self._runs in self._dropped
        return _is_cancelled(job) if self._turns is None else self._turns.stopping

    def _build(self) -> None:
        assert self._place is not None, "it was vacated"
        self._broken = None
        try:
            self._host = entry.open_host(*self._place, self._is_cancelled)
        except Exception as exc:  # a routine cannot be built here: the job has to hear why
            self._broken = exc
            return
        if self._turns is not None:
            self._host.when_stuck(self._turns.answer)

    def attend(self, door: Door) -> None:
        """Serve what comes through a socket, until its coordinator says that it is to leave it, or is gone."""
        self._wire = wires.dial(door, ray.get_runtime_context().get_node_id())
        if self._wire is None:
            return
        calls: queue.SimpleQueue[tuple[Slice, int] | None] = queue.SimpleQueue()

        def hear(message: Any) -> None:
            if isinstance(message, int):
                self._dropped.add(message)
            else:
                calls.put(message)

        self._wire.listen(hear, lambda: calls.put(None), "routilux-wire")
        try:
            while (call := calls.get()) is not None:
                self._attend_to(*call)
        finally:
            self._dropped.clear()
            self._wire.close()
            self._wire = None

    def _attend_to(self, work: Slice, inline_bytes: int) -> None:
        assert self._wire is not None
        self._runs = work.id
        outcome = lambda: None if work.id in self._dropped else self._serve(work)  # noqa: E731
        _answer(self._wire, work.id, outcome, inline_bytes, self._apart)
        self._runs = -1
        self._dropped.discard(work.id)

    def rest(self, slice_id: int) -> Result:
        """See `_answer`."""
        return self._apart.pop(slice_id)

    def run(self, work: Slice, inline_bytes: int, *arguments: Any) -> Result:
        """Run a slice."""
        receipt = self._serve(bodies.resolve(work, arguments))
        return receipt, bodies.detach(receipt, inline_bytes)

    def _serve(self, work: Slice) -> Receipt:
        return self._do(lambda: self._run(work), self._look)

    def _run(self, work: Slice) -> Receipt:
        if self._host is None and self._broken is None:
            self._build()
        if self._host is None:
            assert self._broken is not None
            assert self._place is not None
            reason, self._broken = self._broken, None
            return entry.refuse(work, reason, self._place[0].codec)
        receipt = entry.serve(self._host, work)
        if self._host.broken is not None:  # its open() failed: the job has heard of it, the next slice tries again
            self._host.close()
            self._host = None
        return receipt

    def vacate(self) -> bool:
        """Run `close()` of the routines; return whether the process may serve another flow.

        Not if routines had an `open()`: what that set up (libraries, connections, threads) may still be there. Nor if the
        environment, the working directory or the like is not what it was when the process began.
        """
        fit = self._leave()
        gc.collect()  # hosts are full of cycles, and hold the state of their flow
        return fit and Surroundings() == self._surroundings

    def _leave(self) -> bool:
        host, self._host, self._place, self._broken = self._host, None, None, None
        if host is None:  # they could not be built: nobody knows how far that came
            return False
        self._do(host.close)
        return all(
            type(routine).open is Routine.open and "open" not in vars(routine) for routine in host.routines.values()
        )

    def __repr__(self) -> str:
        return f"Host({self._label})"
