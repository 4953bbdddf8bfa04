"""Bugs put into the engine on purpose. Each is a change of a few words in one function; the simulator has to find every one.

A mutant whose words are not in the function any more is out of date: write it anew, or strike it out if the bug it stood for
cannot be made any more.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from routilux_dist.checkpoint import journal, recovery
from routilux_dist.coordinator import commit, control, dispatch, ending, lanes, losses, machine, posting, rates
from routilux_dist.driver import durable
from routilux_dist.testing.faults import Faults
from routilux_dist.testing.search import Scenario
from routilux_workers import activity, blame, combining, errands, host, keeping, outbox, stateful, trees
from tests.simulation.further import Async, Combined, Paced, Together
from tests.simulation.journaled import Saved
from tests.simulation.scenarios import Books, Crowd, Names, everything

MODULES: dict[str, Any] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        commit, control, dispatch, ending, lanes, losses, machine, posting, rates, activity, blame, combining, host, outbox,
        stateful, trees,
        journal, recovery, durable, keeping, errands,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug.

    Attributes:
        name: What is wrong.
        where: "module.function" or "module.Class.method" of the coordinator, the workers, the driver or the journal.
        old, new: The change.
        seed: A seed that found it when it was written.
        scenario: Where it is looked for; a bug that takes several accidents to show has one that brings them about often.
    """

    name: str
    where: str
    old: str
    new: str
    seed: int = 0
    scenario: Callable[[], Scenario] = everything

    def source(self) -> str | None:
        """Return the function's text with the bug, or None if it is out of date."""
        owner, name = self._owner()
        if getattr(owner, name, None) is None:
            return None
        text = textwrap.dedent(inspect.getsource(getattr(owner, name)))
        return text.replace(self.old, self.new) if text.count(self.old) == 1 else None

    def _owner(self) -> tuple[Any, str]:
        module, *path, name = self.where.split(".")
        owner: Any = MODULES[module]
        for part in path:
            owner = getattr(owner, part, None)
        return owner, name

    def apply(self, patch: pytest.MonkeyPatch) -> None:
        """Put the bug in."""
        text = self.source()
        assert text is not None, f"{self.name}: {self.where} does not hold {self.old!r} (once)"
        owner, name = self._owner()
        made: dict[str, Any] = {}
        exec(compile(text, f"<{self.name}>", "exec"), MODULES[self.where.split(".")[0]].__dict__, made)
        before = inspect.getattr_static(owner, name)
        patch.setattr(owner, name, made[name])
        for event, handler in machine.HANDLERS.items():
            if handler is before:
                patch.setitem(machine.HANDLERS, event, made[name])


MUTANTS = (
    # ---- the machine ---------------------------------------------------------------------------------------------
    Mutant("a receipt of any attempt is taken", "commit.finished", " or flight.attempt != receipt.attempt", ""),
    Mutant("a loss of any attempt is taken", "losses.lost", " or flight.attempt != event.attempt", "", seed=60),
    Mutant(
        "the innocent flag is dropped",
        "losses.lost",
        "innocent = event.innocent or flight.aborted",
        "innocent = flight.aborted",
        seed=29,
    ),
    Mutant(
        "every loss is innocent",
        "losses.lost",
        "innocent = event.innocent or flight.aborted",
        "innocent = True",
        seed=58,
    ),
    Mutant(
        "state that dies with an unwanted slice",
        "losses.lost",
        "not (event.innocent or flight.forced)",
        "not innocent",
        scenario=Crowd,
        seed=288,
    ),
    Mutant("state that dies is not missed", "losses.lost", "_state_lost(machine, flight, event)", "pass", seed=26),
    Mutant(
        "what was to be forgotten is forgotten",
        "losses.lost",
        "flight.lane.forget[:0] = flight.slice.forget",
        "pass",
        scenario=lambda: Names("sequential", 2, faults=Faults(("innocent",), 6)),
        seed=109,
    ),
    Mutant(
        "a part of a suspect block gets lost",
        "losses._suspect",
        "parts = cut(number, block, size) if",
        "parts = cut(number, block, size)[:1] if",
        seed=15,
    ),
    Mutant(
        "names are identities",
        "commit.land",
        "flight.jobs[block.job]",
        "(machine.find(block.job) or flight.jobs[block.job])",
        seed=295,
    ),
    Mutant("an ended job is landed", "commit.land", "if not job.alive:", "if False:", seed=2),
    Mutant("what goes back is not counted at the door", "commit.put_back", "if block.entry:", "if False:"),
    Mutant("what goes back goes to the end of the queue", "commit.put_back", "front=True", "front=False", seed=6),
    Mutant("what goes back is not counted", "commit.put_back", "job.pending += block.rows", "pass"),
    Mutant(
        "blocks not begun go back twice",
        "commit.finished",
        "for number in reversed(receipt.untouched):",
        "for number in receipt.untouched * 2:",
        seed=54,
    ),
    Mutant(
        "blocks not begun are dropped",
        "commit.finished",
        "for number in reversed(receipt.untouched):",
        "for number in ():",
        seed=54,
    ),
    Mutant("job data is not folded", "commit.finished", "_fold_data(jobs, receipt)", "pass", seed=15),
    Mutant("retries are lost", "commit._messages", "in receipt.retries:", "in receipt.retries[1:]:", seed=7),
    Mutant("what is left over changes its order", "commit._messages", "in reversed(left)", "in left", seed=20),
    Mutant(
        "what a home left over goes to the end",
        "commit._messages",
        "block.entry or (",
        "block.entry or (False and ",
        seed=40,
    ),
    Mutant("outputs are kept twice", "commit._deliver", "job.output_rows += block.rows", "job.outputs.append(block)"),
    Mutant("items of streams are not told", "commit._deliver", "items=items,", "items=None,", seed=46),
    Mutant("a paused job goes on to finish", "ending.advance", " and job.status is not JobStatus.PAUSED", "", seed=11),
    Mutant("a job ends before it is closed", "ending.advance", "job.closed and ", "", seed=36),
    Mutant(
        "a job ends while messages are on their way", "ending.advance", "job.blocks == 0", "job.pending == 0", seed=1
    ),
    Mutant(
        "finish runs in one home only",
        "ending._homes",
        "if index == routine.group)",
        "if index == routine.group)[:1]",
        seed=28,
    ),
    Mutant(
        "what is discarded stays at the door",
        "ending.discard",
        "posting.leave_door(machine, queued.block)",
        "pass",
        seed=3,
    ),
    Mutant(
        "discarded messages are not counted",
        "ending.discard",
        "job.discarded = job.accepted - job.done - job.dead",
        "pass",
        seed=2,
    ),
    Mutant("homes are not told to forget", "ending._end", "lane.forget.append(job.id)", "pass", seed=38),
    Mutant(
        "a time-out hits a later job of the same name",
        "ending.time_out",
        " or machine.now < job.created + seconds",
        "",
        seed=253,
    ),
    Mutant("one slice too many in a home", "dispatch._has_room", "lane.flying < 1", "lane.flying < 2"),
    Mutant("what leaves the door is counted there", "dispatch._send", "if block.entry:", "if False:"),
    Mutant(
        "a paused job's new messages are served", "lanes.put", "job.status is not JobStatus.PAUSED and ", "", seed=25
    ),
    Mutant("pausing leaves the queue as it is", "lanes.park", "lane.order.remove(job)", "pass", seed=26),
    Mutant("resuming leaves the queue as it is", "lanes.unpark", "lane.order.append(job)", "pass", seed=25),
    Mutant("a job is served once too often", "lanes.take", "lane.order.popleft()", "pass"),
    Mutant(
        "an ended job takes messages",
        "posting.posted",
        "event.must_exist or event.job in machine.ended",
        "event.must_exist",
        seed=30,
    ),
    Mutant("the door stays closed", "posting.leave_door", "machine.door_open = True", "pass", seed=15),
    Mutant(
        "a retry that is due is dropped", "posting.wake_retry", "enqueue(machine, job, block, number)", "pass", seed=7
    ),
    Mutant(
        "a message that comes too late is not counted", "posting._too_late", "job.dead += block.rows", "pass", seed=157
    ),
    Mutant("a message that comes too late is taken", "posting.posted", "job.stage == 0", "True", seed=157),
    Mutant("dead letters posted again stay letters", "control.retry_asked", "if n not in chosen]", "]", seed=57),
    Mutant(
        "dead letters posted again stay dead", "control.retry_asked", "job.dead -= letter.block.rows", "pass", seed=57
    ),
    Mutant("a cancelled job keeps its messages", "ending.cancel", "discard(machine, job)", "pass", seed=7),
    # ---- workers -------------------------------------------------------------------------------------------------
    Mutant(
        "state of a failed activation stays", "stateful.StatefulRoutine.take_back", "self.restore()", "pass", seed=31
    ),
    Mutant(
        "a slice that starts over keeps its state",
        "stateful.StatefulRoutine.put_cell_back",
        "cell.data = pickle.loads(data) if isinstance(data, bytes) else data",
        "pass",
        seed=309,
    ),
    Mutant(
        "a slice that starts over keeps what waited",
        "stateful.StatefulRoutine.put_cell_back",
        "cell.queues, cell.fresh, cell.due = before.queues, before.fresh, before.due",
        "pass",
        scenario=lambda: Books("distributed", 0, ("chain", "book", "every")),
        seed=49,
    ),
    Mutant(
        "a slice that starts over keeps its plain state",
        "stateful.StatefulRoutine.put_cell_back",
        "cell.data = before\n",
        "pass\n",
        scenario=lambda: Books("distributed", 2, ("chain", "book")),
        seed=49,
    ),
    Mutant(
        "a slice that starts over keeps new cells",
        "stateful.StatefulRoutine.put_cell_back",
        "self.cells.get(cell.home, {}).pop(cell.key, None)",
        "pass",
        scenario=lambda: Books("distributed", 2, ("chain", "book")),
        seed=7,
    ),
    Mutant(
        "messages made one are the last of them",
        "combining.CombiningOutbox._bundle",
        "combine(found, payload)",
        "payload",
        scenario=Combined,
    ),
    Mutant(
        "a slice that starts over is careless again",
        "stateful.StatefulRoutine.rewind",
        "self.careful = True",
        "pass",
        seed=31,
    ),
    Mutant(
        "a slice that starts over forgets that finish did not run",
        "stateful.StatefulRoutine.rewind",
        "self.finished[job].discard(key)",
        "pass",
        scenario=lambda: Books("distributed", 0),
        seed=89,
    ),
    Mutant(
        "a slice that starts over keeps its effects",
        "host.Host.run",
        "stateful.rewind()\n            self._begin(work, started)",
        "stateful.rewind()",
        seed=382,
    ),
    Mutant(
        "jobs share state",
        "stateful.StatefulRoutine.cell",
        'home = self.activity.job_id if self.per_job else ""',
        'home = ""',
        seed=12,
    ),
    Mutant("homes do not forget", "stateful.StatefulRoutine.forget", "self.cells.pop(job, None)", "pass", seed=41),
    Mutant(
        "finish does not note that it ran",
        "stateful.StatefulRoutine.conclude",
        "self.finished.setdefault(job, set()).add(cell.key)",
        "pass",
        seed=37,
    ),
    Mutant(
        "a message that waits is counted twice",
        "stateful.StatefulRoutine._lists",
        "self.waiting -= len(taken)",
        "pass",
        seed=62,
    ),
    Mutant("what is given back loses a message", "host.Host.give_back", "payloads[rows:]", "payloads[rows + 1 :]"),
    Mutant("what is given back was begun", "host.Host.give_back", "payloads[rows:]", "payloads[rows - 1 :]"),
    Mutant(
        "messages given back keep the wrong marks",
        "host.Host.give_back",
        "items + rows, items",
        "items, items",
        seed=46,
    ),
    Mutant("begun items are not booked", "host.Host.begun", "ranges.append((items, rows))", "pass", seed=46),
    Mutant("spilled messages are not counted", "host.Host.spill", "self.spilled += 1", "pass", seed=1),
    Mutant(
        "postponed messages count as done",
        "host.Host.settle_job",
        "tally.done += ran - self.postponed",
        "tally.done += ran",
        seed=7,
    ),
    Mutant(
        "a retry does not count its tries",
        "blame._Case.close",
        "self._block(self.activity.attempt + 1)",
        "self._block(self.activity.attempt)",
        seed=15,
    ),
    Mutant("what a failed activation emitted stays", "blame.fail", "activity.drop()\n", "pass\n"),
    Mutant("job data of a failed activation stays", "activity.Activity.drop", "self.writes.clear()", "pass", seed=15),
    Mutant(
        "job data is not committed", "activity.Activity.commit_data", "data[key] = reducing", "_ = reducing", seed=15
    ),
    Mutant(
        "the outbox mixes jobs up",
        "outbox.Outbox.add",
        "if activity.job_id is not self.job:",
        "if self.job is None:",
        seed=63,
    ),
    Mutant("a foreign key is served here", "outbox.KeyedOutbox.add", "self.home[0] == partition", "True", seed=38),
    Mutant(
        "blocks are cut one too short",
        "outbox.Packer.cut",
        "payloads[start : start + rows] if",
        "payloads[start : start + rows - 1] if",
    ),
    Mutant(
        "blocks that there is no time for vanish",
        "trees.run",
        "host.receipt.untouched.extend(b for b, _ in blocks[place:])",
        "pass",
        seed=54,
    ),
    Mutant(
        "what there is no time for vanishes",
        "trees._drain",
        "forks.spill_stack(host, activity, reversed(queue))",
        "pass",
        seed=12,
    ),
    # ---- paces, pools that wait, shared state --------------------------------------------------------------------
    Mutant(
        "what begins is not booked",
        "rates.begin",
        "lane.paced = paced + rows / lane.group.rate_limit",
        "pass",
        scenario=Paced,
    ),
    Mutant(
        "the burst is a message too large", "rates.allowance", "max(1.0, rate * BURST_SECONDS)", "2.0", scenario=Paced
    ),
    Mutant("nobody looks at a pace again", "rates.allowance", "machine.order(", "str(", scenario=Paced),
    Mutant(
        "a bound on what runs at once is not kept",
        "dispatch._has_room",
        "if group.at_once:",
        "if False:",
        scenario=Paced,
        seed=3,
    ),
    Mutant(
        "the running flow's state is each job's",
        "stateful.StatefulRoutine.cell",
        'home = self.activity.job_id if self.per_job else ""',
        "home = self.activity.job_id",
        scenario=Together,
    ),
    Mutant(
        "what a host carries is forgotten", "commit._carry_on", "carried.known[number] = block", "pass", scenario=Async
    ),
    # ---- what is saved -------------------------------------------------------------------------------------------
    Mutant(
        "a writer that was replaced is not told",
        "journal.Journal._check_epoch",
        "newest > self.epoch",
        "False",
        scenario=Saved,
        seed=7,
    ),
    Mutant(
        "what a replaced writer wrote counts",
        "recovery._history",
        "newest = max(",
        "newest = min(",
        scenario=Saved,
        seed=23,
    ),
    Mutant(
        "the last record is forgotten", "recovery.Path.records", "last + 1)]", "last + 1)][:-1]", scenario=Saved, seed=1
    ),
    Mutant("a record is read twice", "recovery.Path.records", "last + 1)]", "last + 1)] * 2", scenario=Saved, seed=1),
    Mutant(
        "what is synced is not written",
        "journal.Journal.sync",
        "self._write(self._pending)",
        "pass",
        scenario=Saved,
        seed=1,
    ),
    Mutant(
        "what is synced is written again", "journal.Journal.sync", "self._pending = []", "pass", scenario=Saved, seed=7
    ),
    Mutant(
        "a writer goes on from the beginning",
        "journal.Journal.open",
        "journal._synced, journal._last = history.durable, history.end",
        "pass",
        scenario=Saved,
        seed=31,
    ),
    Mutant(
        "a snapshot is not written",
        "journal.Journal.snapshot",
        "self._store.replace(",
        "(lambda *_: None)(",
        scenario=Saved,
        seed=1,
    ),
    Mutant(
        "a snapshot is of the record before",
        "journal.Journal.snapshot",
        "Place(record,",
        "Place(max(record - 1, 0),",
        scenario=Saved,
        seed=26,
    ),
    Mutant(
        "timers that records set are forgotten",
        "durable.read",
        "heapq.heappush(timers.setdefault(command.key, []), command.at)",
        "pass",
        scenario=Saved,
        seed=15,
    ),
    Mutant(
        "timers of snapshots are forgotten",
        "durable.as_snapshot",
        "for at, key in timers]",
        "for at, key in ()]",
        scenario=lambda: Saved(faults=Faults(("restart",), 4)),
        seed=15,
    ),
    Mutant("records are told at another time", "durable.read", "now=now", "now=machine.now", scenario=Saved, seed=31),
    Mutant(
        "what was out is lost with a coordinator",
        "machine._restarted",
        "commit.put_back(machine, jobs, flight.lane, number, block)",
        "pass",
        scenario=Saved,
        seed=1,
    ),
    Mutant(
        "homes are not told their state",
        "machine._restarted",
        "0.0, lane.homed",
        "0.0, False",
        scenario=Saved,
        seed=31,
    ),
    Mutant(
        "a home that was lost is not told its state",
        "losses.lost",
        "homed and machine.keeps  #",
        "False  #",
        scenario=lambda: Saved(faults=Faults(("home",), 2)),
        seed=1,
    ),
    Mutant("what slices change is not kept", "host.Host.run", "self._keep()", "pass", scenario=Saved, seed=13),
)
