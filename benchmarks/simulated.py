"""A flow on any number of workers, in simulated time.

Machine, driver, crew and hosts are the real ones. Simulated are processes, the network and the user's work, which is a number of
seconds. The coordinator is one thread: what the real code takes of the real CPU, and what Ray takes of it for each call, is
added to its clock, so that it saturates as a real one does. With `handling` the former is a constant, and a run can be repeated.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import routilux_dist as rd
from routilux_dist.client import streams
from routilux_dist.client.flows import Flow
from routilux_dist.cluster.crew import Crew
from routilux_dist.coordinator.commands import Advise, Deliver, Report
from routilux_dist.coordinator.events import Event, Posted, SliceFinished, SliceLost
from routilux_dist.coordinator.machine import Machine
from routilux_dist.driver.driver import Driver, News
from routilux_dist.flow.routine import replica
from routilux_dist.plan.plan import GroupKind
from routilux_dist.plan.tuning import Tuning
from routilux_dist.wire.block import Block, Rows
from routilux_dist.wire.slices import Receipt, Slice
from routilux_workers.host import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds that things take beside the engine's own code.

    Attributes:
        slice: Of the coordinator's thread, for the call that takes a slice to a worker and brings its receipt.
        post: Of the coordinator's thread, for a call of a client.
        travel: One way, from process to process.
        gap: Of a worker, between two slices.
        client: Of a client, for packing and posting a block.
    """

    slice: float = 0.0
    post: float = 0.0
    travel: float = 0.0005
    gap: float = 0.0005
    client: float = 0.0001


@dataclass(slots=True)
class Moment:
    """What time it is."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


#: The time in the process that runs a slice at present.
PRESENT = Moment()


def spend(seconds: float) -> None:
    """Work so long."""
    PRESENT.now += seconds


def spend_and_name(work: tuple[float, int]) -> int:
    """Work, and pass on a key."""
    PRESENT.now += work[0]
    return work[1]


class Count(rd.Routine):
    """Counts by key, and takes 10 µs for each."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_state(count=0, key=lambda key: key)

    def logic(self, key: int) -> None:
        PRESENT.now += 1e-5
        self.state["count"] += 1


def plain_flow() -> Flow:
    """Return a flow of one stateless routine; a message is a number of seconds."""
    return rd.pipeline(spend, name="plain")


def keyed_flow() -> Flow:
    """Return a flow with keyed state behind a stateless routine; a message is (seconds, key)."""
    flow = rd.Flow("keyed")
    flow.add_routine(rd.routine(spend_and_name), "work")
    flow.add_routine(Count(), "count")
    flow.pipe("work", "count")
    return flow


@dataclass(slots=True)
class Figures:
    """What was seen.

    Attributes:
        end: When everything was done.
        busy: (when, seconds) of work that ended with a receipt.
        slices: (when, seconds) of each slice.
        blocks: Blocks in them.
        coordinator: Seconds that the coordinator was busy; `engine` is what our code took of it.
        waits: Seconds that receipts spent in the coordinator, until what they led to was sent.
        mail: Messages that were before the coordinator when another one came.
    """

    end: float = 0.0
    busy: list[tuple[float, float]] = field(default_factory=list)
    slices: list[tuple[float, float]] = field(default_factory=list)
    blocks: int = 0
    coordinator: float = 0.0
    engine: float = 0.0
    waits: list[float] = field(default_factory=list)
    mail: list[int] = field(default_factory=list)


class Process:
    """A worker: runs slices one at a time, in the order of their turns."""

    def __init__(self, cluster: Cluster, host: Host) -> None:
        self._cluster, self._host = cluster, host
        self._waiting: deque[tuple[int, Slice]] = deque()
        self._running = False
        self.actor = self

    # ---- for the crew: see `routilux_dist.cluster.reach` ---------------------------------------------------------

    def ready(self) -> None:
        """It has answered already."""

    def run(self, turn: int, running: str, shipment: Any, work: Slice) -> None:
        self._cluster.send(self._arrived, turn, work)

    def drop(self, turn: int, stop: bool) -> None:
        self._cluster.send(self._dropped, turn)

    # ---- inside --------------------------------------------------------------------------------------------------

    def _arrived(self, turn: int, work: Slice) -> None:
        self._waiting.append((turn, work))
        if not self._running:
            self._begin()

    def _dropped(self, turn: int) -> None:
        for entry in self._waiting:
            if entry[0] == turn:
                self._waiting.remove(entry)
                self._cluster.mail(self._cluster.costs.travel, self._cluster.taken_back, entry[1])
                return

    def _begin(self) -> None:
        cluster = self._cluster
        _, work = self._waiting.popleft()
        self._running = True
        PRESENT.now = started = cluster.now + cluster.costs.gap
        receipt = self._host.run(work)
        taken = PRESENT.now - started
        cluster.ran(work, PRESENT.now, taken)
        cluster.later(PRESENT.now - cluster.now, self._ended, work, receipt)

    def _ended(self, work: Slice, receipt: Receipt) -> None:
        self._cluster.mail(self._cluster.costs.travel, self._cluster.finished, work, receipt)
        self._running = False
        if self._waiting:
            self._begin()


class Cluster:
    """A coordinator and its workers.

    Args:
        flow: The flow; its first port is where messages enter.
        workers: How many there are; homes of keyed state are processes beside them, as many.
        costs: See `Costs`.
        tuning: How work is cut.
        handling: Seconds that the engine takes for what arrives at the coordinator; None to measure it.
    """

    def __init__(
        self, flow: Flow, workers: int, costs: Costs, *, tuning: Tuning | None = None, handling: float | None = None
    ) -> None:
        self.costs, self.handling, self.now = costs, handling, 0.0
        self.plan = flow.compile(ship=False)
        self.figures = Figures()
        self._flow = flow
        self._homes = {g.index: g.homes(workers) for g in self.plan.groups if g.kind is GroupKind.SHARDS}
        self._clock = Moment()
        machine = Machine(
            self.plan, tuning if tuning is not None else Tuning(), workers=workers, partitions=self._homes
        )
        self.driver = Driver(machine, self, self._clock)
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._mail: deque[tuple[float, Callable[..., None], tuple[Any, ...]]] = deque()
        self._serving = False
        self._outgoing: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.clients: list[Client] = []
        self.door = True
        self._shared = self._host(0, 0) if self.plan.groups[0].kind is GroupKind.TASKS else None
        self._processes = {
            (group, number): Process(self, self._host(group, number))
            for group, count in self._homes.items()
            for number in range(count)
        }
        self._crew = Crew(self, workers)
        self._share = self._crew.join("flow", workers, None)
        while len(self._crew.members) < workers:
            self._crew.start()
        for member in self._crew.members:
            member.ready = True
            member.knows.add("flow")

    def _host(self, group: int, partition: int) -> Host:
        routines = {name: replica(one) for name, one in self._flow.routines.items()}
        return Host(
            self.plan,
            routines,
            group,
            partition=partition,
            partitions=self._homes,
            packed=False,
            clock=PRESENT.monotonic,
        )

    # ---- time ----------------------------------------------------------------------------------------------------

    def later(self, seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        """Have something happen."""
        self._count += 1
        heapq.heappush(self._heap, (self.now + seconds, self._count, call, arguments))

    def run(self) -> Figures:
        """Go on until nothing happens any more."""
        for client in self.clients:
            client.go_on()
        while self._heap:
            self.now, _, call, arguments = heapq.heappop(self._heap)
            call(*arguments)
        assert all(client.through for client in self.clients), "somebody still waits"
        return self.figures

    # ---- the coordinator's mailbox -------------------------------------------------------------------------------

    def mail(self, travel: float, call: Callable[..., None], *arguments: Any) -> None:
        """Send something to the coordinator."""
        self.later(travel, self._arrive, call, arguments)

    def _arrive(self, call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.figures.mail.append(len(self._mail) + self._serving)
        self._mail.append((self.now, call, arguments))
        if not self._serving:
            self._serve()

    def _serve(self) -> None:
        arrived, call, arguments = self._mail.popleft()
        self._serving, self._clock.now = True, self.now
        started = time.thread_time()
        call(*arguments)
        taken = time.thread_time() - started if self.handling is None else self.handling
        self.figures.engine += taken
        taken += self.costs.post if call == self.posted else self.costs.slice
        self.figures.coordinator += taken
        if call == self.finished:
            self.figures.waits.append(self.now + taken - arrived)
        for target, about in self._outgoing:
            self.later(taken + self.costs.travel, target, *about)
        self._outgoing.clear()
        self.later(taken, self._served)

    def _served(self) -> None:
        self._serving = False
        if self._mail:
            self._serve()

    def send(self, call: Callable[..., None], *arguments: Any) -> None:
        """Send something to another process, when the coordinator is through with what it does."""
        self._outgoing.append((call, arguments))

    def posted(self, client: Client, events: list[Event]) -> None:
        """A client's call has arrived."""
        self.driver.feed(*events)
        self.send(client.answered)

    def finished(self, work: Slice, receipt: Receipt) -> None:
        """A receipt has arrived."""
        mine = (work.group, work.partition) not in self._processes
        if mine:
            self._share.done(work.id, self.now, True)
        self.driver.feed(SliceFinished(receipt))
        if mine:
            self._share.rebalance()

    def taken_back(self, work: Slice) -> None:
        """A slice has come back that was not begun."""
        if self._share.done(work.id, self.now, False):
            self.dispatch(work)
        else:
            self.driver.feed(SliceLost(work.id, work.attempt, "it was cancelled", innocent=True))

    # ---- for the driver and the crew -----------------------------------------------------------------------------

    def dispatch(self, work: Slice) -> None:
        home = self._processes.get((work.group, work.partition))
        if home is None:
            self._share.send(work.id, work, alone=work.alone)
        else:
            home.run(work.id, "flow", None, work)

    def abort(self, slice_id: int, force: bool) -> None:
        raise AssertionError("nobody stops anything here")

    def set_door(self, is_open: bool) -> None:
        self.door = is_open
        if is_open:
            for client in self.clients:
                self.send(client.go_on)

    def tell(self, news: News) -> None:
        for client in self.clients:
            if isinstance(news, Advise) or getattr(news, "job", "") == client.job:
                self.send(client.told, news)

    def launch(self, number: int) -> Process:
        assert self._shared is not None
        return Process(self, self._shared)

    def watch(self, result: Any, then: Callable[[bool], None]) -> None:
        """Members have answered already."""

    def end(self, actor: Process) -> None:
        raise AssertionError("nobody dies here")

    # ---- what was seen -------------------------------------------------------------------------------------------

    def ran(self, work: Slice, end: float, seconds: float) -> None:
        """Note a slice that a worker ran."""
        self.figures.slices.append((end, seconds))
        self.figures.blocks += len(work.blocks)
        self.figures.busy.append((end, seconds))
        self.figures.end = max(self.figures.end, end)


class Client:
    """Posts items as fast as it may: those of a stream within a window, others until the door is closed.

    Args:
        cluster: Where to.
        items: The messages.
        stream: Whether they are items of a `flow.map`.
        job: Name of the job.
    """

    #: Calls on their way at once, and blocks in one.
    CALLS, BLOCKS = 3, 64

    def __init__(self, cluster: Cluster, items: Sequence[Any], *, stream: bool = False, job: str = "job") -> None:
        self._cluster, self._items, self._stream, self.job = cluster, items, stream, job
        self._sent = self._through = self._calls = 0
        self._advice = 0
        self.through = False
        self._width = cluster.driver.machine.workers
        cluster.clients.append(self)

    def go_on(self) -> None:
        """Send what may be sent."""
        while self._calls < self.CALLS and (blocks := self._blocks()):
            self._calls += 1
            self._cluster.mail(
                self._cluster.costs.travel + len(blocks) * self._cluster.costs.client,
                self._cluster.posted,
                self,
                [
                    Posted(
                        job=self.job,
                        blocks=(block,),
                        last=not self._stream and block is blocks[-1] and self._sent == len(self._items),
                        stream=self._stream,
                        client="client",
                    )
                    for block in blocks
                ],
            )

    def _blocks(self) -> list[Block]:
        blocks: list[Block] = []
        rows = self._advice or (1 if self._stream else 16)
        window = streams.widest(rows, self._width, Tuning().max_pending_blocks) if self._stream else len(self._items)
        most = self.BLOCKS if self._cluster.door else 0
        while len(blocks) < most and self._sent < min(len(self._items), self._through + window):
            payloads = list(self._items[self._sent : self._sent + rows])
            body = Rows(payloads, self._sent if self._stream else None)
            blocks.append(Block(self.job, 0, 0, len(payloads), 0, 1, 0, True, "", body))
            self._sent += len(payloads)
        return blocks

    def answered(self) -> None:
        """A call has returned."""
        self._calls -= 1
        self.go_on()

    def told(self, news: News) -> None:
        """News have come."""
        if isinstance(news, Advise):
            self._advice = news.rows.get(0, self._advice)
        elif isinstance(news, Deliver):
            ranges, singles, added = news.items or ((), (), ())
            self._through += sum(count for _, count in ranges) + len(singles) - len(added)
            self.through = self._through == len(self._items)
        elif isinstance(news, Report):
            assert news.status == "completed", news
            self.through = True
        self.go_on()
