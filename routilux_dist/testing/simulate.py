"""Running a user's own flow through many schedules of faults."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from routilux_dist.client import results
from routilux_dist.errors import WorkerLostError
from routilux_dist.flow.model import FlowModel
from routilux_dist.testing.faults import Faults
from routilux_dist.testing.ledger import Instance
from routilux_dist.testing.processes import Program
from routilux_dist.testing.search import SimulationReport, live, search
from routilux_dist.testing.tape import Tape
from routilux_dist.testing.world import Client, Knobs, Successor, World


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one job ended.

    Attributes:
        job: Its name: "job-0" for the first input, and so on.
        payload: The input.
        status: "completed", "failed" or "cancelled".
        outputs: Payloads by output event.
        dead_letters: Messages that ended without success.
        data: Job data.
        error: What `job.result()` would raise, or None.
    """

    job: str
    payload: Any
    status: str
    outputs: dict[str, list[Any]]
    dead_letters: list[results.DeadLetter]
    data: dict[str, Any]
    error: BaseException | None

    @property
    def died(self) -> bool:
        """Whether worker processes that died are to blame: the job's state was lost with one, or a message with too many."""
        lost = [self.error.__cause__ if self.error is not None else None, *(one.error for one in self.dead_letters)]
        return any(isinstance(error, WorkerLostError) for error in lost)


#: Asserts something of all jobs of a schedule.
Check = Callable[[list[Outcome]], object]


class SimulationError(AssertionError):
    """A simulated schedule broke an assertion. Its text tells the whole story; `report` holds it in parts."""

    def __init__(self, message: str, report: SimulationReport | None = None) -> None:
        super().__init__(message)
        self.report = report


class OwnFlow:
    """A user's flow as a scenario: each input is a job of its own."""

    def __init__(
        self,
        flow: FlowModel,
        inputs: Iterable[Any],
        check: Check | None = None,
        faults: Faults | None = None,
        setup: Callable[[], object] | None = None,
        successor: Successor | None = None,
    ) -> None:
        self.program = Program.of(flow)
        self.faults = faults if faults is not None else Faults()
        self._inputs = {f"job-{n}": payload for n, payload in enumerate(inputs)}
        self._check, self._setup, self._successor = check, setup, successor
        self._entry = ".".join(flow.entry_slot(None))
        #: What comes of it when nothing fails.
        self.calm: dict[str, Outcome] = {}

    def world(self, tape: Tape) -> World:
        """Return a new world with one client for each input."""
        if self._setup is not None:
            self._setup()
        clients = [Client(job, deque([("post", self._entry, [one], True)])) for job, one in self._inputs.items()]
        return World(self.program, Knobs.drawn(tape), clients, self.faults, tape, self._successor)

    def check(self, world: World) -> None:
        """Hand the outcomes to the user's check, or compare them with what comes when nothing fails."""
        first: dict[str, Instance] = {}
        for one in world.ledger.all:
            first.setdefault(one.name, one)
        outcomes = {job: self._outcome(first[job]) for job in self._inputs}
        if self._check is not None:
            self._check(list(outcomes.values()))
        elif not self.calm:
            self.calm = outcomes
        else:
            for job, now in outcomes.items():
                _compare(self.calm[job], now)

    def _outcome(self, one: Instance) -> Outcome:
        plan, failure = self.program.plan, one.failure
        return Outcome(
            one.name,
            self._inputs[one.name],
            one.status,
            results.outputs(plan, one.outputs),
            [results.dead_letter(plan, letter) for letter in one.letters],
            results.open_data(one.data),
            None if failure is None else results.job_error(plan.flow, one.name, failure),
        )


def _compare(calm: Outcome, now: Outcome) -> None:
    """Raise unless what completes gives what it gives when nothing fails. Order is not compared: flows promise none."""
    if now.status == "cancelled" or now.died:
        return
    assert now.status == calm.status, f"{now.job} is {now.status} ({now.error}); without faults it is {calm.status}"
    for event, expected in calm.outputs.items():
        missing, extra = list(expected), []
        for payload in now.outputs[event]:
            if payload in missing:
                missing.remove(payload)
            else:
                extra.append(payload)
        assert not missing, f"{now.job}: {event} has no {missing[0]!r:.200}, as it has without faults"
        assert not extra, f"{now.job}: {event} has {extra[0]!r:.200}, which it has not without faults"


def simulate(
    flow: FlowModel,
    inputs: Iterable[Any],
    *,
    check: Check | None = None,
    faults: Faults | None = None,
    seeds: int | Sequence[int] = 1000,
    setup: Callable[[], object] | None = None,
) -> SimulationReport:
    """Run a flow in this process through many schedules in which things go wrong, and find the smallest that breaks an assertion.

    Worker processes die before, while and after they run something; what they ran is run again. Receipts come late, twice or in
    another order. Timers ring early and late; jobs are paused. The engine is the one that runs flows on a cluster, and all its
    own promises are checked too. No thread is started, nothing waits, and the same seed gives the same schedule.

    What is left to the user's code is what no engine can promise: an activation may run more than once, so what it does outside
    (a payment, a mail, a row in a table) has to be the same if it is done twice. `rd.current_job().idempotency_key` is for that.

    Args:
        flow: A flow with one entry.
        inputs: Payloads; each is a job of its own, and they run at the same time.
        check: Called once per schedule with the outcomes of all jobs, in the order of `inputs`; raises `AssertionError` if
            something is wrong. Default: each job ends as it does when nothing fails, with the same outputs in any order.
        faults: What may go wrong. Default: what a correct flow has to bear.
        seeds: How many schedules, or the seeds to run.
        setup: Called before each schedule, such as to empty a fake database that the routines write to.

    Returns:
        What was run.

    Raises:
        SimulationError: A schedule broke an assertion; the text tells its story, event by event.
        ConfigurationError: The flow is not valid.
    """
    scenario = OwnFlow(flow, inputs, check, faults, setup)
    _, error = live(scenario, Tape(entries=()))
    if error is not None:
        raise SimulationError("the assertion does not even hold when nothing fails") from error
    report = search(scenario, range(seeds) if isinstance(seeds, int) else seeds)
    if report.breach is not None:
        raise SimulationError(f"flow {flow.name!r}: {report.breach}", report) from report.breach.error
    return report
