"""A simulated world: the real machine and real hosts, with everything between them in the hands of a tape.

Nothing happens by itself. `calm` and `dangers.wild` list what could happen next, `do` makes one of it happen. The world is meaner
than any cluster: slices run once, twice or in part; what they answer comes late, in any order, twice, or after they were reported
lost; timers ring in any order; processes die with what they hold; clients ask for anything at any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from routilux_dist.coordinator import commit, invariants
from routilux_dist.coordinator.commands import Abort, Command, Deliver, Dispatch, Refuse, Report, SetTimer
from routilux_dist.coordinator.events import (
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
from routilux_dist.coordinator.machine import Machine
from routilux_dist.errors import InternalError
from routilux_dist.flow.state import key_of, partition_of
from routilux_dist.plan.plan import GroupKind, PortPlan
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import dangers, glance
from routilux_dist.testing.faults import Faults
from routilux_dist.testing.ledger import Broken, Ledger
from routilux_dist.testing.processes import HostClock, Process, Program
from routilux_dist.testing.tape import Tape
from routilux_dist.wire import codec
from routilux_dist.wire.block import Block, Body, Rows
from routilux_dist.wire.slices import Receipt, Slice

#: What may happen next: a verb, and what it is about.
Action = tuple[Any, ...]
#: Makes the machine that goes on where another one died.
Successor = Callable[[Machine], Machine]


class Log(Protocol):
    """What a world's coordinator writes down, and what another one reads."""

    def fed(self, world: World, event: Event) -> None:
        """Something happened; the machine is told once this returns."""
        ...

    def go_on(self, world: World) -> tuple[Machine, list[tuple[float, TimerKey]]]:
        """The coordinator has died: return the machine that goes on, and its timers."""
        ...


#: Timers of limits. When they ring whenever they like, few jobs live to see their end.
LIMITS = ("timeout", "stall", "abort")
#: Events that a job may take to its end once nothing fails any more.
PATIENCE = 1000
#: The machine's invariants are looked at in one pass after every event, and rule by rule after each of so many, and at the end.
RULE_BY_RULE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """The size of a world. The first choice of each is the plainest.

    Attributes:
        workers, homes: How many.
        lookahead: Whether a second slice per worker is sent.
        pace: Seconds that each look at a worker's clock takes: with large ones, budgets are spent after few messages.
        block_rows: Most messages per block.
        door: Entry blocks that may wait.
        packed: Whether all that travels is encoded.
    """

    workers: int = 2
    homes: int = 2
    lookahead: bool = False
    pace: float = 0.0
    block_rows: int = 8192
    door: int = 4096
    packed: bool = False

    @classmethod
    def drawn(cls, tape: Tape, packed: int = 4) -> Knobs:
        """Draw a world; so many in a hundred encode what travels, which takes its time."""
        return cls(
            workers=(2, 1, 3)[tape.choose(3)],
            homes=(2, 1, 3)[tape.choose(3)],
            lookahead=tape.chance(50),
            pace=(0.0, 0.03, 0.2, 0.001)[tape.choose(4)],
            block_rows=(8192, 1, 2)[tape.choose(3)],
            door=(4096, 2)[tape.choose(2)],
            packed=tape.chance(packed),
        )


@dataclass(slots=True)
class Client:
    """Somebody with a job, and what remains to be done for it, in order.

    Steps are ("post", "routine.slot", payloads, last), ("close",), and ("release",) once the job has ended.
    """

    job: str
    steps: deque[tuple[Any, ...]]
    stream: bool = False
    ordered: bool = False
    metadata: Any = None
    #: Items sent so far, for streams.
    sent: int = 0
    last_post: Posted | None = None


@dataclass(eq=False, slots=True)
class Sent:
    """A slice that was ordered."""

    slice: Slice
    process: Process
    #: Whether a receipt of it is on its way, or was.
    ran: bool = False
    #: Whether the machine knows how it ended.
    told: bool = False
    #: Whether a loss of it is on its way.
    doomed: bool = False
    #: Whether nobody wants it any more; "force" if its process has to go.
    unwanted: str = ""
    #: Whether the machine has asked for its end: then its loss is nobody's fault.
    aborted: bool = False


@dataclass(slots=True)
class Mail:
    """News of a slice on their way to the machine."""

    event: SliceFinished | SliceLost
    sent: Sent


@dataclass(slots=True)
class World:
    """One schedule.

    Args:
        program: The flow.
        knobs: The size of the world.
        clients: Who posts what.
        faults: What may go wrong.
        tape: All choices.
        successor: Makes the machine that goes on when the coordinator dies; None where coordinators do not die.
        keeps: Whether state comes with receipts and is kept by the machine, as for saved jobs.
        log: Where the machine's events are saved: then coordinators die, and others go on with what was saved.
    """

    program: Program
    knobs: Knobs
    clients: list[Client]
    faults: Faults
    tape: Tape
    successor: Successor | None = None
    keeps: bool = False
    log: Log | None = None
    now: float = 0.0
    ledger: Ledger = field(init=False)
    processes: dict[tuple[int, int], Process] = field(default_factory=dict)
    sent: dict[int, Sent] = field(default_factory=dict)
    mail: list[Mail] = field(default_factory=list)
    #: What was delivered lately.
    old_mail: deque[Mail] = field(default_factory=lambda: deque(maxlen=3))
    timers: list[tuple[float, TimerKey]] = field(default_factory=list)
    trace: list[tuple[float, str, Any]] = field(default_factory=list)
    events: int = 0
    faults_left: int = 0
    deaths: int = 0
    #: Whether the limits of time ring like any other timer, or only when nothing else is left to do.
    hasty: bool = False
    #: Processes with state that were lost.
    homes_lost: int = 0
    kinds: tuple[str, ...] = ()
    machine: Machine = field(init=False)
    partitions: dict[int, int] = field(init=False)
    #: Requests by name, as users see them cancelled.
    cancelled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.partitions = self.program.partitions(self.knobs.homes)
        self.ledger = Ledger(self.program.plan)
        self.machine = Machine(
            self.program.plan,
            Tuning(block_rows=self.knobs.block_rows, max_pending_blocks=self.knobs.door),
            workers=self.knobs.workers,
            partitions=self.partitions,
            lookahead=self.knobs.lookahead,
            keeps=self.keeps,
        )

    # ---- a whole schedule ----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Live through a schedule: first with faults, then in peace until all jobs have ended.

        Raises:
            Broken: A promise was broken.
        """
        tape = self.tape
        # Faults of few kinds, each often, find more than a little of everything.
        dense = tape.choose(3)
        self.kinds = tuple(kind for kind in self.faults.kinds if dense == 0 or tape.chance((0, 50, 20)[dense]))
        self.faults_left = tape.choose(self.faults.most + 1)
        self.hasty = tape.chance(20)
        percent = (15, 40)[tape.choose(2)]
        for _ in range((60, 20, 150)[tape.choose(3)]):
            calm = self.calm()
            wild = dangers.wild(self) if self.faults_left and tape.chance(percent) else []
            if wild:
                self.faults_left -= 1
                self.do(wild[tape.choose(len(wild))])
            elif calm:
                self.do(calm[tape.choose(len(calm))])
            else:
                break
        self.calm_down()

    def calm_down(self) -> None:
        """Let everything come to its end: nothing fails any more, every client says all it has to say."""
        until = self.events + PATIENCE
        while True:
            calm = next(self._calm(), None)
            if calm is not None:
                self.do(calm)
            elif not self._let_go():
                break
            if self.events > until:
                raise Broken(
                    f"{PATIENCE} events after the last fault these jobs still go on: {', '.join(self.ledger.alive)}"
                )
        if self.ledger.alive:
            stuck = {name: (str(job.status), job.blocks, job.stage) for name, job in self.machine.jobs.items()}
            raise Broken(f"nothing happens any more, and these jobs have not ended: {stuck}")
        invariants.check(self.machine)
        if not self.machine.door_open:
            raise Broken("no job is left, and producers still have to wait")

    def _let_go(self) -> bool:
        """Resume and close what nobody resumes or closes; return whether there was something."""
        for name, one in self.ledger.alive.items():
            if one.paused or not one.closed:
                self.do(("ask", name, "resume" if one.paused else "close"))
                return True
        return False

    # ---- what may happen -----------------------------------------------------------------------------------------

    def calm(self) -> list[Action]:
        """Return what may happen without anything going wrong, the most urgent first."""
        return list(self._calm())

    def _calm(self) -> Iterator[Action]:
        some = False
        for number, client in enumerate(self.clients):
            if client.steps and (client.steps[0][0] != "release" or client.job not in self.ledger.alive):
                some = True
                yield ("client", number)
        for process in self.processes.values():
            if process.queue:
                some = True
                for slice_id in process.queue if process.shared else (process.queue[0],):
                    yield ("run", slice_id)
        for number in range(len(self.mail)):
            some = True
            yield ("mail", number)
        if len(self.timers) > 1:
            self.timers.sort(key=lambda timer: timer[0])
        patient = some and not self.hasty
        for number, (at, key) in enumerate(self.timers):
            if not patient or at <= self.now or key[0] not in LIMITS:
                yield ("timer", number)
        for one in self.sent.values():
            if one.unwanted and not one.doomed:
                yield ("stop", one.slice.id)

    def do(self, action: Action) -> None:
        """Make something happen."""
        self.trace.append((self.now, "do", action))
        verb = action[0]
        if verb == "client":
            self._client(self.clients[action[1]])
        elif verb == "run":
            self.run_slice(self.sent[action[1]])
        elif verb == "mail":
            self.deliver(self.mail.pop(action[1]))
        elif verb == "timer":
            at, key = self.timers.pop(action[1])
            self.now = max(self.now, at)
            self.feed(TimerFired(key))
        elif verb == "stop":
            self.stop(self.sent[action[1]])
        elif verb == "ask":
            self.feed(ControlAsked(action[1], action[2], "somebody asked for it"))
        else:
            dangers.do(self, action)

    # ---- clients -------------------------------------------------------------------------------------------------

    def _client(self, client: Client) -> None:
        step = client.steps.popleft()
        if step[0] != "post":
            self.feed(ControlAsked(client.job, step[0]))
            return
        _, path, payloads, last = step
        port = self.program.port(path)
        client.last_post = Posted(
            job=client.job,
            blocks=tuple(self._blocks(client, port, payloads)),
            last=last,
            stream=client.stream,
            ordered=client.ordered,
            client="client",
            metadata=client.metadata,
        )
        client.sent += len(payloads)
        self.feed(client.last_post)

    def _blocks(self, client: Client, port: PortPlan, payloads: Sequence[Any]) -> list[Block]:
        """Cut messages into blocks of one home each, in order."""
        blocks: list[Block] = []
        homes = [self._home(port, client.job, payload) for payload in payloads]
        start = 0
        for end in range(1, len(payloads) + 1):
            if end < len(payloads) and homes[end] == homes[start] and end - start < 2:
                continue
            part = list(payloads[start:end])
            items = client.sent + start if client.stream else None
            body: Body = self.codec.pack(part, items) if self.packed else Rows(part, items)
            blocks.append(Block(client.job, port.index, homes[start], end - start, 0, 1, 0, True, "", body))
            start = end
        return blocks

    def _home(self, port: PortPlan, job: str, payload: Any) -> int:
        plan = self.program.plan
        routine, count = plan.routines[port.routine], self.partitions.get(port.group, 1)
        if plan.groups[port.group].kind is not GroupKind.SHARDS:
            return 0
        if not routine.keyed:
            return partition_of(job if routine.scope == "job" else "", count)
        return partition_of(key_of(self.program.key(routine.id), payload), count)

    @property
    def packed(self) -> bool:
        """Whether what travels is encoded: what is saved always is."""
        return self.knobs.packed or self.keeps

    @property
    def codec(self) -> codec.Codec:
        """How."""
        return codec.typed() if self.keeps else codec.PICKLE

    # ---- slices --------------------------------------------------------------------------------------------------

    def process_for(self, work: Slice) -> Process:
        """Return the process that a slice is sent to; one that died stays in its place until the machine was told."""
        place = (work.group, work.partition)
        process = self.processes.get(place)
        if process is None:
            process = self.processes[place] = self.new_process(place)
        return process

    def new_process(self, place: tuple[int, int]) -> Process:
        """Start a process."""
        clock = HostClock(lambda: self.now, self.knobs.pace)
        how = (self.packed, self.cancelled.__contains__, self.keeps, self.codec)
        return Process(self.program, place, self.partitions, clock, *how)

    def run_slice(self, sent: Sent, fatal: int = 0) -> None:
        """Have a slice run in its process; its receipt is on its way then."""
        sent.process.queue.remove(sent.slice.id)
        receipt = sent.process.run(sent.slice, fatal)
        if receipt is None:
            self.mourn(sent)
            return
        sent.ran = True
        self.send_mail(SliceFinished(receipt), sent)

    def send_mail(self, event: SliceFinished | SliceLost, sent: Sent) -> None:
        """Put news of a slice on their way."""
        self.mail.append(Mail(event, sent))

    def mourn(self, sent: Sent) -> None:
        """The process of a slice has died: all that it had to do is lost."""
        process = sent.process
        self.lose(sent, "the process died")
        if process.shared:
            process.renew()
            return
        process.die()
        for number in list(process.queue):
            self.lose(self.sent[number], "the process died")

    def lose(self, sent: Sent, reason: str, innocent: bool = False) -> None:
        """Have the loss of a slice reported."""
        if not sent.doomed and not sent.told:
            sent.doomed = True
            if sent.slice.id in sent.process.queue:
                sent.process.queue.remove(sent.slice.id)
            self.send_mail(SliceLost(sent.slice.id, sent.slice.attempt, reason, innocent), sent)

    def stop(self, sent: Sent) -> None:
        """Stop a slice that nobody wants: one that did not begin is cancelled, else its process is ended if it has to be."""
        if not sent.ran:
            self.lose(sent, "it was cancelled", innocent=True)
        elif sent.unwanted == "force":
            self.mail = [mail for mail in self.mail if mail.sent is not sent]
            self.mourn(sent)
        sent.unwanted = ""

    def deliver(self, mail: Mail) -> None:
        """Tell the machine how a slice ended."""
        self.old_mail.append(mail)
        sent, event = mail.sent, mail.event
        first = not sent.told
        sent.told = True
        self.sent.pop(sent.slice.id, None)
        if first and isinstance(event, SliceLost) and not event.innocent:
            self.homes_lost += not sent.process.shared
            self.mourn(sent)  # after any doubt: it must not go on with the old state
            if not sent.process.alive and self.processes.get(sent.process.place) is sent.process:
                del self.processes[sent.process.place]
        self.feed(event, sent if first else None)

    # ---- the machine ---------------------------------------------------------------------------------------------

    def feed(self, event: Event, sent: Sent | None = None, dying: bool = False) -> None:
        """Tell the machine something, check what it does, and do it.

        Args:
            event: What happened.
            sent: The slice, if this is the first news of one.
            dying: Whether the coordinator dies before it sends anything to workers.
        """
        self.events += 1
        self.trace.append((self.now, "event", event))
        if self.log is not None:
            self.log.fed(self, event)
        machine, ledger = self.machine, self.ledger
        letters = {name: len(job.letters) for name, job in machine.jobs.items()} if isinstance(event, SliceLost) else {}
        again: list[Any] = []
        if isinstance(event, RetryAsked) and event.job in machine.jobs and not machine.jobs[event.job].stage:
            again = [letter for letter in machine.jobs[event.job].letters if letter.block.rows]
        commands = self._handled(event)
        if isinstance(event, Posted):
            ledger.posted(event, machine, any(isinstance(command, Refuse) for command in commands))
        elif isinstance(event, ControlAsked):
            ledger.asked(event)
        elif isinstance(event, RetryAsked):
            ledger.retried(event.job, again)
        elif sent is not None and isinstance(event, SliceFinished):
            ledger.finished(sent.slice, event.receipt)
        elif sent is not None and isinstance(event, SliceLost):
            ledger.lost(sent.slice, machine, letters, event.innocent or sent.aborted)
        if dying:
            self.obey([command for command in commands if isinstance(command, (Report, Deliver))])
            return
        self.obey(commands)
        ledger.check(machine)

    def _handled(self, event: Event) -> Sequence[Command]:
        """Have the machine handle an event; hold it to its rules."""
        machine = self.machine
        if isinstance(event, SliceFinished):
            self._weigh(event.receipt)
        commands = machine.handle(event, now=self.now)
        if self.events % RULE_BY_RULE == 0:
            invariants.check(machine)
        elif not glance.holds(machine):
            invariants.check(machine)
            raise InternalError(
                "a rule of the machine is broken, and `invariants` does not say which: see `testing.glance`"
            )
        return commands

    def _weigh(self, receipt: Receipt) -> None:
        """No message may appear or vanish in a slice."""
        flight = self.machine.flights.get(receipt.slice_id)
        if flight is not None and flight.attempt == receipt.attempt:
            jobs = {block.job: job for block in flight.blocks.values() if (job := flight.jobs[block.job]).alive}
            commit.check_conservation(self.machine, flight, receipt, jobs)

    def obey(self, commands: Sequence[Command]) -> None:
        """Carry out what the machine orders."""
        for command in commands:
            if isinstance(command, Dispatch):
                self._dispatch(command.slice)
            elif isinstance(command, SetTimer):
                self.timers.append((command.at, command.key))
            elif isinstance(command, Report):
                self.trace.append((self.now, "report", command))
                self.ledger.reported(command)
            elif isinstance(command, Deliver):
                self.ledger.delivered(command)
            elif isinstance(command, Abort) and command.slice_id in self.sent:
                self.sent[command.slice_id].unwanted = "force" if command.force else "please"
                self.sent[command.slice_id].aborted = True

    def _dispatch(self, work: Slice) -> None:
        place = (work.group, work.partition)
        kind = self.program.plan.groups[work.group].kind
        if kind in (GroupKind.SHARDS, GroupKind.SOLO) and any(
            (one.slice.group, one.slice.partition) == place for one in self.sent.values()
        ):
            raise Broken(
                f"slice {work.id} is sent to home {place} while another one is there: their order is not certain"
            )
        self.trace.append((self.now, "dispatch", work))
        self.ledger.dispatched(work)
        process = self.process_for(work)
        sent = self.sent[work.id] = Sent(work, process)
        if process.alive:
            process.queue.append(work.id)
        else:
            self.lose(sent, "the process is dead")

    def go_on(self) -> None:
        """Another coordinator goes on with what the log says: it has processes of its own, and no slice is out any more."""
        assert self.log is not None
        self.machine, self.timers = self.log.go_on(self)
        self.ledger.restarted([one.slice for one in self.sent.values()])
        for one in self.sent.values():
            one.told = True
        self.old_mail.extend(self.mail)
        self.sent.clear()
        self.mail.clear()
        for process in self.processes.values():
            process.die()
        self.processes.clear()
        self.feed(Restarted(self.machine.workers))

    def close(self) -> None:
        """End all processes."""
        for process in self.processes.values():
            process.close()
