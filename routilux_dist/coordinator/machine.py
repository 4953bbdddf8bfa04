"""The machine: its memory, and the table from events to what is done about them."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from routilux_dist.coordinator import commit, control, dispatch, ending, invariants, lanes, losses, posting, pressure
from routilux_dist.coordinator.commands import Advise, Command, SetDoor
from routilux_dist.coordinator.events import (
    CapacityChanged,
    ControlAsked,
    Event,
    Posted,
    Restarted,
    RetryAsked,
    SliceFinished,
    SliceLost,
    TimerFired,
    TimerKey,
)
from routilux_dist.coordinator.state import Board, Cost, Entry, Flight, Job, Lane
from routilux_dist.coordinator.story import Story
from routilux_dist.errors import InternalError
from routilux_dist.plan.plan import GroupKind, GroupPlan, Plan, PortKind
from routilux_dist.plan.tuning import Tuning


class Machine:
    """State of one running flow and all its jobs. `handle` is the only way in.

    Args:
        plan: The plan.
        tuning: How work is cut.
        workers: Slices that may run at once.
        partitions: Number of homes, by index of stateful groups.
        slots: Slices of a group that may run at once because of its resources, by group index.
        wall_offset: What to add to `now` for wall-clock time.
        lookahead: Whether to have a second slice ready per worker, to hide the way there and back.
        beside: Groups that get none all the same, because theirs would run beside the first.
        keeps: Whether the state of homes comes with their receipts and is kept here: then it outlives them, ended jobs keep
            their results, and jobs can be rolled back.
        validate: Check all invariants after every call.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, and each is a fact of the place it runs in
        self,
        plan: Plan,
        tuning: Tuning,
        *,
        workers: int = 1,
        partitions: Mapping[int, int] | None = None,
        slots: Mapping[int, int] | None = None,
        wall_offset: float = 0.0,
        lookahead: bool = True,
        beside: AbstractSet[int] = frozenset(),
        keeps: bool = False,
        validate: bool = False,
    ) -> None:
        self.plan, self.tuning, self.workers = plan, tuning, workers
        self.partitions = dict(partitions or {})
        self.slots = dict(slots or {})
        self.wall_offset, self.lookahead, self.validate = wall_offset, lookahead, validate
        self.beside, self.keeps = beside, keeps
        self.now = 0.0
        #: Routine ids by index.
        self.names = tuple(plan.routines)
        self.jobs: dict[str, Job] = {}
        #: Jobs that have ended, oldest first, without their messages.
        self.ended: OrderedDict[str, Job] = OrderedDict()
        #: Bytes that these hold.
        self.ended_bytes = 0
        self.lanes: dict[tuple[int, int], Lane] = {}
        self.flights: dict[int, Flight] = {}
        #: Block id -> workers that died while they ran it.
        self.crashes: dict[int, int] = {}
        self.costs: dict[int, Cost] = {}
        #: Client -> number of its last request that was taken in.
        self.requests: dict[str, int] = {}
        #: Messages per block by port, as advised last.
        self.advice: dict[int, int] = {}
        #: Ports by group whose messages should not pile up in one slice, see `Slice.apart`.
        self.apart: dict[int, set[int]] = {
            group.index: _inner_ports(plan, group) for group in plan.groups if group.kind is not GroupKind.SOLO
        }
        #: Ports whose messages wait because those they lead to are far behind; and, by routine, which these are. Worked out.
        self.held: lanes.Held = {}
        self.before: dict[str, frozenset[int]] = {}
        self.door_open = True
        self.door_bytes = self.door_blocks = 0
        #: Slices committed so far; stands still when nothing gets done.
        self.commits = 0
        self.stall_mark: int | None = None
        self.story = Story()
        #: Last numbers given, and a checksum of what was in all slices so far.
        self.numbers = {"block": 0, "slice": 0, "course": 0}
        self._commands: list[Command] = []
        self.board = Board()
        for group in plan.groups:
            count = self.partitions.get(group.index, 1) if group.kind is GroupKind.SHARDS else 1
            for partition in range(count):
                lane = Lane(group, partition, len(self.lanes), self.board)
                lane.most_blocks, lane.most_bytes = pressure.bounds(tuning, group, count)
                self.lanes[group.index, partition] = lane
        #: Lanes of async pools: they may have something to send although nothing waits.
        self.pools = {lane.number: lane for lane in self.lanes.values() if lane.group.is_async}

    def handle(self, *events: Event, now: float) -> list[Command]:
        """Take in what happened; return what should be done, in order.

        Args:
            *events: In the order in which they happened.
            now: Monotonic seconds.
        """
        self.now = now
        self._commands = []
        for event in events:
            handler = HANDLERS.get(type(event))
            if handler is None:
                raise InternalError(f"unknown event {event!r}\n{self.story.tell()}")
            handler(self, event)
        dispatch.settle(self)
        if self.validate:
            invariants.check(self)
        return self._commands

    def repeated(self, client: str, request: int) -> bool:
        """Whether a request was taken in already: its client did not hear so, and sent it again."""
        if not request:
            return False
        if request <= self.requests.get(client, 0):
            return True
        self.requests[client] = request
        return False

    # ---- for the other modules of this room ------------------------------------------------------------------------

    def order(self, command: Command) -> None:
        """Add a command."""
        self._commands.append(command)

    def number(self, kind: str) -> int:
        """Return the next number of a block or slice."""
        self.numbers[kind] += 1
        return self.numbers[kind]

    @property
    def mark(self) -> int:
        """A number below 128 that another course of things would have made another one, most likely: for journals."""
        return (self.numbers["course"] + 7 * self.numbers["block"] + self.numbers["slice"]) % 128

    def lane(self, port: int, partition: int) -> Lane:
        """Return the lane that serves a port."""
        return self.lanes[self.plan.ports[port].group, partition]

    def note(self, job: Job, kind: str, text: str, routine: str = "") -> None:
        """Add to a job's history, and forget what is too old or too much."""
        history: deque[Entry] = job.history
        wall = self.now + self.wall_offset
        history.append(Entry(wall, kind, routine, text))
        limits = self.plan.limits
        while limits.max_history_size is not None and len(history) > limits.max_history_size:
            history.popleft()
        if limits.history_ttl_seconds is not None:
            while history and history[0].time < wall - limits.history_ttl_seconds:
                history.popleft()
        self.story.add(self.now, job.id, f"{kind} {routine} {text}"[:200])

    def learn(self, port: int, rows: int, seconds: float) -> None:
        """Take in how long messages of a port took; advise producers when it changes what they should do."""
        if rows <= 0:  # a slice that was stopped before its first message
            return
        cost = self.costs.get(port)
        if cost is None:
            cost = self.costs[port] = Cost()
        cost.learn(rows, seconds)
        assert cost.seconds is not None
        group = self.plan.ports[port].group
        slice_seconds = dispatch.slice_seconds(self)
        if cost.seconds < slice_seconds / 4:
            self.apart.get(group, set()).discard(port)
        wanted = slice_seconds / 8 / max(cost.seconds, 1e-9)
        rows_now = int(min(max(wanted, 1), self.tuning.block_rows))
        before = self.advice.get(port, 0)
        if not before or rows_now >= before * 1.5 or rows_now <= before / 1.5:
            self.advice[port] = rows_now
            self.order(Advise({port: rows_now}))

    def wants(self, timer: TimerKey) -> bool:
        """Return whether a timer still means something; one for the end of a job that has ended does not."""
        return timer[0] != "timeout" or timer[1] in self.jobs

    def find(self, job: str) -> Job | None:
        """Return a job, alive or remembered."""
        return self.jobs.get(job) or self.ended.get(job)


def _inner_ports(plan: Plan, group: GroupPlan) -> set[int]:
    """Return the ports of a group that its own stateless routines send to: at first, nobody knows what these cost."""
    inside = set(group.routines)
    return {
        port
        for routine_id in group.routines
        for ports in plan.routines[routine_id].events.values()
        for port in ports
        if plan.ports[port].routine in inside
        and plan.ports[port].kind is PortKind.SLOT
        and not plan.routines[plan.ports[port].routine].stateful
    }


def _timer_fired(machine: Machine, event: TimerFired) -> None:
    kind, *about = event.key
    if kind == "retry":
        posting.wake_retry(machine, *about)
    elif kind == "hold":
        posting.release(machine, *about)
    elif kind == "wake":
        posting.wake_routine(machine, *about)
    elif kind == "timeout":
        ending.time_out(machine, *about)
    elif kind == "stall":
        ending.stalled(machine)
    elif kind in ("rest", "rate"):
        pass  # whatever waited is dispatched after every event
    elif kind == "abort":
        ending.abort(machine, about[0], force=True)
    else:
        raise InternalError(f"unknown timer {event.key!r}")


def _capacity_changed(machine: Machine, event: CapacityChanged) -> None:
    machine.workers = event.workers
    machine.slots.update(event.slots)


def _restarted(machine: Machine, event: Restarted) -> None:
    """Another coordinator goes on: nothing is out any more, and no home has any state."""
    machine.workers, machine.slots = event.workers, dict(event.slots)
    for flight in reversed(machine.flights.values()):
        jobs = commit.land(machine, flight, flight.blocks.keys())
        for number, block in reversed(flight.blocks.items()):
            commit.put_back(machine, jobs, flight.lane, number, block)
    machine.flights.clear()
    for lane in machine.lanes.values():
        lanes.fly(lane, -lane.flying)
        lane.rest_until, lane.cold = 0.0, lane.homed
        lane.alarm = 0.0
        lane.forget.clear()
        lane.out.clear()
        lane.carried.clear()
    machine.stall_mark = None
    machine.order(SetDoor(machine.door_open))
    if machine.advice:
        machine.order(Advise(dict(machine.advice)))


HANDLERS: dict[type, Callable[[Machine, Any], None]] = {
    Posted: posting.posted,
    SliceFinished: commit.finished,
    SliceLost: losses.lost,
    TimerFired: _timer_fired,
    ControlAsked: control.asked,
    RetryAsked: control.retry_asked,
    CapacityChanged: _capacity_changed,
    Restarted: _restarted,
}
