"""A coordinator: a mailbox around the driver."""

from __future__ import annotations

import asyncio
import dataclasses
import traceback
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import ray
import ray.exceptions

from routilux_dist.clock import SystemClock
from routilux_dist.cluster import bodies, ends, resources
from routilux_dist.cluster.crew import Crew
from routilux_dist.cluster.inbox import Answer, Inbox, Line
from routilux_dist.cluster.lookout import Lookout
from routilux_dist.cluster.reach import Outcome
from routilux_dist.cluster.workplaces import Workplaces
from routilux_dist.coordinator.commands import Advise
from routilux_dist.coordinator.events import ControlAsked, Event, Posted, SliceFinished, SliceLost
from routilux_dist.coordinator.machine import Machine
from routilux_dist.driver import durable
from routilux_dist.driver.driver import Driver, Gone, News
from routilux_dist.driver.durable import DurableDriver
from routilux_dist.driver.session import DRAIN_SECONDS, Opening
from routilux_dist.errors import ExecutionError, StateError
from routilux_dist.plan.plan import GroupKind
from routilux_dist.plan.tuning import Tuning
from routilux_dist.wire.slices import Receipt, Slice
from routilux_workers.entry import Shipment

SHUT_DOWN = "the running flow was shut down"
#: Seconds after which a client's call for news returns empty-handed, so that it can see whether it is still wanted.
POLL_SECONDS = 20.0
#: Seconds that the store has to take what was done before a running flow is shut down.
STORE_SECONDS = 5.0
#: Seconds that routines have to be closed.
CLOSE_SECONDS = 3.0
#: Seconds for which the call that brings a message waits for what it leads to.
LINGER_SECONDS = 0.02


class Coordinator:
    """One running flow on the cluster. Never runs user code, never opens a payload."""

    def __init__(  # noqa: PLR0913 - called by the hub alone
        self,
        shipment: Shipment,
        running: str,
        workers: int,
        tuning: Tuning,
        validate: bool,
        nodes: Sequence[Mapping[str, float]],
        crew: Crew,
        opening: Opening | None = None,
    ) -> None:
        clock = SystemClock()
        #: Whether what it does is saved.
        self.saved = opening is not None
        self._inboxes: dict[str, Inbox] = {}
        self._door = asyncio.Event()
        self._door.set()
        self._flying: set[asyncio.Task[None]] = set()
        self._clock = clock
        #: Slice that is out -> when it was sent.
        self._sent: dict[int, float] = {}
        #: Slices whose process was ended because it stood still.
        self._stood: dict[int, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        #: Whether it was shut down: what comes now is cancelled.
        self.closed = False
        #: Whether it is about to be: what has not begun waits for whoever goes on.
        self._draining = False
        #: Calls that wait for what they brought to be durable.
        self._undurable: set[asyncio.Future[None]] = set()
        #: Clients that have let go.
        self._left: set[str] = set()
        #: The fault of the engine that ended everything, if there was one.
        self._fatal: Gone | None = None
        #: Advice given so far, for clients that come later.
        self._advice: dict[int, int] = {}
        cpus = max(1, int(sum(node.get("CPU", 0) for node in nodes)))
        slots = resources.slots(shipment.plan, nodes)
        beside = resources.beside(shipment.plan, slots, workers, cpus)
        if opening is not None:
            self._driver: Driver = self._open_run(opening, workers, slots, beside)
            # A run that goes on has the homes that it had.
            shipment = dataclasses.replace(shipment, partitions=self._driver.machine.partitions)
        else:
            machine = Machine(
                shipment.plan,
                tuning,
                workers=workers,
                partitions=shipment.partitions,
                slots=slots,
                wall_offset=clock.wall() - clock.monotonic(),
                beside=beside,
                validate=validate,
            )
            self._driver = Driver(machine, self, clock)
        self.shipment = shipment
        self._workplaces = Workplaces(shipment, running, workers, cpus, tuning.inline_bytes, crew)
        self._guarded(self._driver.begin)
        self._set_timer()
        #: Looks for processes that stand still, until the end; nobody waits for it.
        self._lookout: asyncio.Task[None] | None = None
        if tuning.stopped_seconds is not None:
            self._lookout = asyncio.ensure_future(self._look_out(Lookout(tuning.stopped_seconds)))

    def _open_run(
        self, opening: Opening, workers: int, slots: Mapping[int, int], beside: AbstractSet[int]
    ) -> DurableDriver:
        loop = asyncio.get_running_loop()
        place = durable.Place(workers=workers, homes=workers, slots=slots, beside=tuple(sorted(beside)))

        def later(call: Callable[[], None]) -> None:
            loop.call_soon_threadsafe(self._later, call)

        return durable.open_run(opening, place, self, later, self._fenced)

    def _later(self, call: Callable[[], None]) -> None:
        """Carry out what the ledger's thread has to tell the driver."""
        self._guarded(call)
        self._set_timer()

    def _fenced(self, reason: str) -> None:
        """Another coordinator goes on with the run: nothing that happens here counts any more."""
        self.closed = True
        self._end(reason)
        for waiting in self._undurable:
            if not waiting.done():
                waiting.set_exception(ExecutionError(reason))
        self._workplaces.kill()

    # ---- for clients ---------------------------------------------------------------------------------------------

    def line(self, client: str) -> Line:
        """Return the order of a client's calls."""
        return self._inbox(client).line

    async def take(self, events: list[Event], client: str, linger: bool) -> Answer:
        """Take in messages and requests; after messages it returns when there is room for more.

        Args:
            events: What happened.
            client: Who is told what is new on this occasion; "" for nobody.
            linger: Wait a moment for what these events lead to: their way back is then that of this call.
        """
        if self.saved and self.closed:
            if any(isinstance(event, Posted) for event in events):  # to say that it went well would lose it
                raise ExecutionError(SHUT_DOWN if self._fatal is None else self._fatal.reason)
            return Answer(None, [])
        self._feed(*events)
        if self.saved:
            await self._until_durable()
        if self.closed:
            self._cancel_all()  # what was on its way when it closed
        elif not self._door.is_set() and any(isinstance(event, Posted) and event.blocks for event in events):
            await self._door.wait()
        if not client:
            return Answer(None, [])
        return await self._inbox(client).fetch(LINGER_SECONDS if linger and not self.closed else 0.0)

    async def _until_durable(self) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell() -> None:
            if not done.done():  # whoever waited may have gone
                done.set_result(None)

        self._driver.when_durable(tell)
        self._undurable.add(done)
        try:
            await done
        finally:
            self._undurable.discard(done)

    async def news(self, client: str) -> Answer:
        """Return what is new for a client; waits for it."""
        return await self._inbox(client).fetch(0.0 if self.closed else POLL_SECONDS)

    def last_words(self, client: str) -> Answer:
        """Tell a client that there will be no more news."""
        inbox = self._inbox(client)
        inbox.add(Gone(SHUT_DOWN))
        return inbox.take()

    def release(self, client: str) -> None:
        """A client lets go: nothing is kept for it any more."""
        self._left.add(client)
        inbox = self._inboxes.pop(client, None)
        if inbox is not None:
            inbox.close()

    @property
    def at_rest(self) -> bool:
        """Whether nothing more can happen here unless somebody wants it."""
        return self.closed or self._fatal is not None or not self._driver.machine.jobs

    def ask(self, question: str, job: str) -> Any:
        """Answer a question about the present state."""
        return self._driver.ask(question, job)

    async def shut_down(self) -> None:
        """Cancel what has not ended, or leave it where it is saved, and close the routines."""
        if self.saved and self._fatal is None:
            await self._drain()
        self.closed = True
        if self._lookout is not None:
            self._lookout.cancel()
        self._cancel_all()
        self._door.set()
        for inbox in self._inboxes.values():
            inbox.close()
        await self._workplaces.close(CLOSE_SECONDS, self._clock)
        self._workplaces.kill()
        # The ledger's last words are not for anybody: its thread must not wait for this loop.
        await asyncio.get_running_loop().run_in_executor(None, self._driver.close)

    async def _drain(self) -> None:
        """Let what is running come to its end and be committed, for a while; the rest is left to whoever goes on."""
        self._draining = True
        self._workplaces.hold_back()
        if self._flying:
            await asyncio.wait(set(self._flying), timeout=DRAIN_SECONDS)
        self._guarded(self._driver.round_off)
        # Jobs that ended meanwhile are told of, if the store works.
        await asyncio.wait([asyncio.ensure_future(self._until_durable())], timeout=STORE_SECONDS)

    def _cancel_all(self) -> None:
        if self.saved:  # they go on where somebody recovers them
            self._end("the running flow was shut down; its jobs are saved: go on with rt.recover(…)")
            return
        for job in list(self._driver.machine.jobs):
            self._feed(ControlAsked(job, "cancel", SHUT_DOWN))

    # ---- for the driver ------------------------------------------------------------------------------------------

    def dispatch(self, work: Slice) -> None:
        if self._draining:
            return
        try:
            if self.closed:
                raise StateError(SHUT_DOWN)
            outcome = self._workplaces.send(work)
        except Exception as exc:  # the call could not be made: its options, or a lost connection
            reason = f"{type(exc).__name__}: {exc}"
            asyncio.get_running_loop().call_soon(lambda: self._feed(SliceLost(work.id, work.attempt, reason)))
            return
        self._sent[work.id] = self._clock.monotonic()
        task = asyncio.ensure_future(self._await(work, outcome))
        self._flying.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._flying.discard)

    async def _await(self, work: Slice, outcome: Outcome) -> None:
        event: Event
        try:
            receipt, stored = await outcome
        except ray.exceptions.TaskCancelledError:
            event = SliceLost(work.id, work.attempt, "it was cancelled", innocent=True)
        except ray.exceptions.RayError as exc:
            event = await self._lost(work, exc)
        except Exception as exc:  # it could not be sent after all
            self._workplaces.died(work.id, alone=True)
            event = SliceLost(work.id, work.attempt, _reason(exc))
        else:
            if receipt is None:
                self._taken_back(work)
                return
            event = await self._finished(work, receipt, stored)
            if receipt.retire:
                self._workplaces.retire(work.id)
        self._forget(work.id)
        self._workplaces.done(work.id, self._clock.monotonic(), well=isinstance(event, SliceFinished))
        self._feed(event)
        self._workplaces.rebalance()

    async def _lost(self, work: Slice, exc: ray.exceptions.RayError) -> SliceLost:
        found = await ends.find_out(exc, self._workplaces.actor_of(work.id))
        began = await self._workplaces.was_there(work.id)
        innocent = self._workplaces.died(work.id, isinstance(found, ray.exceptions.RayTaskError)) or not began
        # State that nobody saved has gone with the node: that is not as if the slice had never run.
        stateful = self.shipment.plan.groups[work.group].kind in (GroupKind.SHARDS, GroupKind.SOLO)
        if ends.with_its_node(found) and (self.saved or not stateful):
            innocent = True
        if ends.lost_body(found):
            reason = "the object store has lost something large that it was to get"
            return SliceLost(work.id, work.attempt, f"{reason}: {_reason(found)}", innocent, lost_body=True)
        if ends.of_memory(found):
            reason = f"out of memory: {_reason(found)}"
            return SliceLost(work.id, work.attempt, reason, innocent, pause=ends.MEMORY_SECONDS)
        return SliceLost(work.id, work.attempt, self._stood.get(work.id) or _reason(found), innocent)

    async def _finished(self, work: Slice, receipt: Receipt, stored: Any) -> SliceFinished | SliceLost:
        if stored is None:
            return SliceFinished(receipt)
        if self.saved:  # what is saved has to be here; references are worth nothing to whoever goes on
            try:
                bodies.put_back(receipt, await stored)
            except ray.exceptions.RayError as exc:
                return SliceLost(work.id, work.attempt, _reason(exc), innocent=True)
        else:
            bodies.point(receipt, stored)
        return SliceFinished(receipt)

    def _taken_back(self, work: Slice) -> None:
        """A slice was not begun: either nobody wants it, or somebody is idle."""
        if self._workplaces.done(work.id, self._clock.monotonic(), well=False):
            self.dispatch(work)
        else:
            self._forget(work.id)
            self._feed(SliceLost(work.id, work.attempt, "it was cancelled", innocent=True))

    def _forget(self, slice_id: int) -> None:
        for table in (self._sent, self._stood):
            table.pop(slice_id, None)

    async def _look_out(self, lookout: Lookout) -> None:
        """End processes that stand still although they owe a slice; what ran there is tried again like after any crash."""
        while not self.closed:
            await asyncio.sleep(lookout.pause)
            now = self._clock.monotonic()
            late = [slice_id for slice_id, since in self._sent.items() if now - since >= lookout.pause]
            actors = {slice_id: self._workplaces.actor_of(slice_id) for slice_id in late}
            # Ray chooses the processes of tasks.
            still = await lookout.look(
                now, {slice_id: actor for slice_id, actor in actors.items() if actor is not None}
            )
            reason = f"its process was stopped by a signal for {lookout.patience:g} s and was ended"
            self._stood.update({slice_id: reason for slice_id in still if slice_id in self._sent})
            await lookout.end(still.values())

    def abort(self, slice_id: int, force: bool) -> None:
        if slice_id in self._sent:
            self._workplaces.stop(slice_id, force)

    def set_door(self, is_open: bool) -> None:
        self._door.set() if is_open or self.closed else self._door.clear()

    def tell(self, news: News) -> None:
        if isinstance(news, Advise):
            self._advice.update(news.rows)
            clients = list(self._inboxes)
        else:
            assert not isinstance(news, Gone), "only sessions say that"
            clients = [news.client]
        for client in clients:
            if client in self._left:
                continue
            inbox = self._inbox(client)
            inbox.add(news)
            # Advice is no reason to answer: it goes with the next news.
            if not isinstance(news, Advise) or len(inbox) > 16:
                inbox.ring()

    # ---- inside --------------------------------------------------------------------------------------------------

    def _inbox(self, client: str) -> Inbox:
        inbox = self._inboxes.get(client)
        if inbox is None:
            inbox = self._inboxes[client] = Inbox()
            if self._advice:
                inbox.add(Advise(dict(self._advice)))
            if self._fatal is not None:
                inbox.add(self._fatal)
        return inbox

    def _feed(self, *events: Event) -> None:
        self._guarded(lambda: self._driver.feed(*events))
        self._set_timer()

    def _guarded(self, call: Callable[[], None]) -> None:
        """Let every client hear of a fault of the engine; nothing can be trusted after it."""
        if self._fatal is not None:
            return
        try:
            call()
        except Exception as exc:
            self._end(f"{type(exc).__name__}: {exc}")
            traceback.print_exc()

    def _end(self, reason: str) -> None:
        """Tell every client that nothing more will come."""
        if self._fatal is None:
            self._fatal = Gone(reason)
            for inbox in self._inboxes.values():
                inbox.add(self._fatal)
                inbox.ring()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._driver.next_due() if self._fatal is None else None
        if due is not None:
            delay = max(0.0, due - self._driver.clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._guarded(self._driver.due)
        self._set_timer()


def _reason(exc: BaseException) -> str:
    first = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {first[0] if first else ''}"[:300]
