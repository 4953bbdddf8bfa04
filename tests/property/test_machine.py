"""Whatever happens in whatever order, the machine's invariants hold, and jobs that may end do end."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import routilux_dist as rd
from routilux_dist.coordinator import picture
from routilux_dist.coordinator.commands import Report
from routilux_dist.coordinator.events import CapacityChanged, ControlAsked, Restarted, RetryAsked
from routilux_dist.driver import records
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing import Bench


def no_blob(data: Any) -> Any:
    raise AssertionError("nothing here is large")


JOBS = st.sampled_from(["j1", "j2", "j3"])
TERMINAL = ("completed", "failed", "cancelled")


class Total(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(total=0)

    def logic(self, x: int) -> None:
        self.state["total"] += x

    def finish(self) -> None:
        self.emit("output", self.state["total"])


class Batches(Total):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_activation_policy(rd.batch(3, timeout=2))


def flow(mode: str, bounds: dict[str, float] | None = None, **limits: object) -> rd.Flow:
    made = rd.Flow("machine", execution_mode=mode, **limits)
    made.add_routine(lambda x: x, "a")
    made.add_routine(rd.routine(**bounds)(lambda x: x) if bounds and mode == "distributed" else lambda x: x, "b")
    made.add_routine(Total(), "total")
    made.add_routine(Batches(), "batches")
    made.connect("a.output", "b.input")
    made.connect("b.output", "total.input")
    made.connect("total.output", "batches.input")
    made.connect("batches.output", "total.input")  # two endings in one cycle
    return made


class AnyOrder(RuleBasedStateMachine):
    """Events of any kind, as a driver could feed them."""

    @initialize(
        mode=st.sampled_from(["distributed", "sequential"]),
        workers=st.integers(1, 3),
        lookahead=st.booleans(),
        limits=st.sampled_from([{}, {"max_messages": 25}, {"execution_timeout": 30.0}, {"no_progress_timeout": 5.0}]),
        door=st.sampled_from([2, 4096]),
        keeps=st.booleans(),
        bounds=st.sampled_from([None, {"rate_limit": 20.0}, {"max_concurrency": 1}]),
    )
    def begin(
        self,
        mode: str,
        workers: int,
        lookahead: bool,
        limits: dict[str, object],
        door: int,
        keeps: bool,
        bounds: dict[str, float] | None,
    ) -> None:
        tuning = Tuning(max_pending_blocks=door)
        self.make = lambda: Bench(
            flow(mode, bounds, **limits), workers=workers, lookahead=lookahead, tuning=tuning, keeps=keeps
        )
        self.bench = self.make()
        #: Pictures by how much had been fed when they were taken.
        self.pictures = {0: records.dumps(picture.take(self.bench.machine), no_blob)}

    def some_slice(self, number: int):
        slices = list(self.bench.slices.values())
        return slices[number % len(slices)]

    @rule(
        job=JOBS,
        rows=st.integers(1, 4),
        last=st.booleans(),
        slot=st.sampled_from(["a.input", "b.input", "total.input"]),
    )
    def post(self, job: str, rows: int, last: bool, slot: str) -> None:
        self.bench.post(job, slot, rows, last=last)

    @rule(job=JOBS, name=st.sampled_from(["one", "two"]), action=st.sampled_from(["checkpoint", "rollback"]))
    def go_back(self, job: str, name: str, action: str) -> None:
        self.bench.feed(ControlAsked(job, action, name))

    @rule()
    def snapshot(self) -> None:
        self.pictures[len(self.bench.fed)] = records.dumps(picture.take(self.bench.machine), no_blob)

    @rule(workers=st.integers(1, 3))
    def restart(self, workers: int) -> None:
        self.bench.slices.clear()
        self.bench.feed(Restarted(workers))

    @precondition(lambda self: self.bench.slices)
    @rule(
        number=st.integers(0, 9),
        emit=st.dictionaries(
            st.sampled_from(["b.input", "total.input", "batches.input"]), st.integers(1, 3), max_size=2
        ),
        given_back=st.integers(0, 2),
        dead=st.integers(0, 1),
        seconds=st.sampled_from([0.0, 0.001, 1.0]),
    )
    def finish(self, number: int, emit: dict[str, int], given_back: int, dead: int, seconds: float) -> None:
        work = self.some_slice(number)
        first = work.blocks[0][1]
        left = min(given_back, max(0, first.rows - 1))
        self.bench.finish(
            work,
            emit=emit,
            left=left,
            dead=min(dead, first.rows - left),
            seconds=seconds,
        )

    @precondition(lambda self: self.bench.slices)
    @rule(number=st.integers(0, 9), delay=st.sampled_from([0.0, 1.0]))
    def finish_with_a_retry(self, number: int, delay: float) -> None:
        work = self.some_slice(number)
        if work.blocks[0][1].rows:
            self.bench.finish(work, retry=(delay, 1))

    @precondition(lambda self: self.bench.slices)
    @rule(number=st.integers(0, 9))
    def finish_without_the_last_blocks(self, number: int) -> None:
        work = self.some_slice(number)
        self.bench.finish(work, untouched=[n for n, _ in work.blocks[1:]])

    @precondition(lambda self: self.bench.slices)
    @rule(number=st.integers(0, 9))
    def finish_with_waiting_messages(self, number: int) -> None:
        work = self.some_slice(number)
        wake = (work.blocks[0][1].job, self.bench.port("batches.(wake)"), 2.0)
        self.bench.finish(work, wakes=[wake], waiting={"batches": 1})

    @precondition(lambda self: self.bench.slices)
    @rule(number=st.integers(0, 9))
    def stop(self, number: int) -> None:
        self.bench.finish(self.some_slice(number), stop="no")

    @precondition(lambda self: self.bench.slices)
    @rule(number=st.integers(0, 9), innocent=st.booleans())
    def lose(self, number: int, innocent: bool) -> None:
        self.bench.lose(self.some_slice(number), innocent=innocent)

    @rule(job=JOBS, action=st.sampled_from(["pause", "resume", "cancel", "close", "release"]))
    def ask(self, job: str, action: str) -> None:
        self.bench.ask(job, action)

    @rule(job=JOBS)
    def retry_dead_letters(self, job: str) -> None:
        self.bench.feed(RetryAsked(job))

    @rule(workers=st.integers(1, 4))
    def resize(self, workers: int) -> None:
        self.bench.feed(CapacityChanged(workers))

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0]))
    def tick(self, seconds: float) -> None:
        self.bench.tick(seconds)

    @invariant()
    def one_report_for_each_end(self) -> None:
        if not hasattr(self, "bench"):
            return
        assert set(self.bench.machine.ended) <= {report.job for report in self.bench.of(Report)}

    def teardown(self) -> None:
        """Let everything go on: every job has to end."""
        if not hasattr(self, "bench"):
            return
        for job in list(self.bench.machine.jobs):
            self.bench.ask(job, "close")
            self.bench.ask(job, "resume")
        for _ in range(50):
            self.bench.run_out()
            if not self.bench.machine.jobs:
                break
            self.bench.tick(1.0)
        left = {j.id: (str(j.status), j.blocks, j.stage) for j in self.bench.machine.jobs.values()}
        assert not left, f"jobs that never end: {left}"
        machine = self.bench.machine
        assert machine.door_open
        assert (machine.door_blocks, machine.door_bytes) == (0, 0)
        assert not any(lane.queues or lane.flying for lane in machine.lanes.values())
        assert all(str(job.status) in TERMINAL for job in machine.ended.values())
        self.tell_again()

    def tell_again(self) -> None:
        """From any snapshot, the same events lead to the same machine, to the byte."""
        right = records.dumps(picture.take(self.bench.machine), no_blob)
        for fed, taken in self.pictures.items():
            machine = self.make().machine
            picture.restore(machine, records.loads(taken, no_blob))
            for now, events in self.bench.fed[fed:]:
                stored = records.loads(records.dumps([now, list(events)], no_blob), no_blob)
                machine.handle(*stored[1], now=stored[0])
            assert records.dumps(picture.take(machine), no_blob) == right, f"from {fed} of {len(self.bench.fed)}"


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
