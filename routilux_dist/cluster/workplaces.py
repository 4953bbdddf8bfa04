"""Where slices are sent: the crew for stateless pools, Ray tasks for those that ask for resources, actors for the rest."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import ray
import ray.exceptions

from routilux_dist.clock import Clock
from routilux_dist.cluster import bodies, remotes, resources
from routilux_dist.cluster.crew import Crew, Share
from routilux_dist.cluster.reach import HostReach, Outcome, by_ray, cancel
from routilux_dist.plan.plan import GroupKind, GroupPlan, Plan
from routilux_dist.wire.slices import Slice
from routilux_workers.entry import Shipment

#: Seconds to wait for news of whether a process has taken up a flow.
MOVING_SECONDS = 10.0


class _Sent(NamedTuple):
    """Where a slice was sent: the place, its process, and what the call returns that had that serve this flow."""

    place: tuple[int, int]
    reach: HostReach
    moving_in: Any


class Workplaces:
    """Sends slices to the cluster; actors are made when they are first needed."""

    def __init__(
        self, shipment: Shipment, running: str, workers: int, cpus: int, inline_bytes: int, crew: Crew
    ) -> None:
        self._plan: Plan = shipment.plan
        self._crew = crew
        self._shipment = ray.put(shipment)
        self._running, self._workers, self._cpus, self._inline = running, workers, cpus, inline_bytes
        plain = {g.index for g in self._plan.groups if resources.is_plain(g)}
        self._tasks = {
            g.index: self._task(g) for g in self._plan.groups if g.kind is GroupKind.TASKS and g.index not in plain
        }
        #: What the flow has of the crew; None if it has no use for it.
        self._share: Share | None = crew.join(running, workers, [self._shipment]) if plain else None
        self._plain = plain
        #: (group, number) -> process; the number is the partition, or the place in the pool.
        self._hosts: dict[tuple[int, int], HostReach] = {}
        #: Process that served another flow before -> what its call to serve this one returns, until it has run a slice.
        self._moving_in: dict[HostReach, Any] = {}
        self._load: dict[tuple[int, int], int] = {}
        #: Slice -> where it was sent.
        self._at: dict[int, _Sent] = {}
        #: Task that runs a slice -> reference of its receipt.
        self._refs: dict[int, Any] = {}
        #: Slices at hosts that nobody wants any more.
        self._unwanted: set[int] = set()
        #: Slices that had no part in the end of their actor.
        self._innocent: set[int] = set()

    def _task(self, group: GroupPlan) -> Any:
        options = resources.call_options(group, self._workers, self._cpus)
        return remotes.run_slice.options(name=self._label(group), **options)

    def _label(self, group: GroupPlan, number: int | None = None) -> str:
        names = "+".join(group.routines[:3]) + ("+…" if len(group.routines) > 3 else "")
        return f"{self._plan.flow}/{names}" + ("" if number is None else f"#{number}")

    def send(self, work: Slice) -> Outcome:
        """Send a slice; return what becomes of it."""
        sent, arguments = bodies.attach(work)
        task = self._tasks.get(work.group)
        if task is not None:
            refs = task.remote(self._running, [self._shipment], sent, self._inline, *arguments)
            self._refs[work.id] = refs[0]
            return by_ray(*refs)
        if work.group in self._plain:
            assert self._share is not None
            return self._share.send(work.id, sent, self._inline, *arguments, alone=work.alone)  # type: ignore[no-any-return]
        place = self._place(self._plan.groups[work.group], work.partition)
        reach = self._host(place)
        self._at[work.id] = _Sent(place, reach, self._moving_in.get(reach))
        self._load[place] = self._load.get(place, 0) + 1
        return reach.run(sent, self._inline, *arguments)

    def _place(self, group: GroupPlan, partition: int) -> tuple[int, int]:
        if group.kind is not GroupKind.ACTORS or group.is_async:  # the slice names its host
            return group.index, partition
        size = group.size or self._workers
        return min(((group.index, n) for n in range(size)), key=lambda place: self._load.get(place, 0))

    def _host(self, place: tuple[int, int]) -> HostReach:
        reach = self._hosts.get(place)
        if reach is None:
            group = self._plan.groups[place[0]]
            partition = 0 if group.kind is GroupKind.ACTORS else place[1]
            home = self._shipment, group.index, partition, self._label(group, place[1])
            actor = self._crew.vacated.take() if resources.suits_any(group) else None
            moving_in = actor.serve.remote(*home) if actor is not None else None
            if actor is None:
                options = resources.call_options(group, self._workers, self._cpus)
                actor = remotes.HostActor.options(**options).remote(*home)
            reach = self._hosts[place] = self._crew.hands.host(actor)
            if group.kind is GroupKind.ACTORS and not group.is_async:
                reach.only_by_ray()  # it has several slices: what is large of one could be fetched only after the others
            if moving_in is not None:
                self._moving_in[reach] = moving_in
        return reach

    async def was_there(self, slice_id: int) -> bool:
        """Whether the process that a slice was sent to may have begun it: not if it was gone before it served this flow."""
        at = self._at.get(slice_id)
        if at is None or at.moving_in is None:
            return True
        try:
            await asyncio.wait_for(at.moving_in, MOVING_SECONDS)
        except (ray.exceptions.ActorUnavailableError, asyncio.TimeoutError):
            return True  # nobody knows
        except Exception:
            return False
        return True

    def done(self, slice_id: int, now: float, well: bool) -> bool:
        """A slice is no longer out; return whether somebody still wants it."""
        if self._share is not None and slice_id in self._share:
            return self._share.done(slice_id, now, well)
        self._refs.pop(slice_id, None)
        at = self._at.pop(slice_id, None)
        if at is not None:
            self._load[at.place] -= 1
            if well:
                self._moving_in.pop(at.reach, None)
        self._innocent.discard(slice_id)
        wanted = slice_id not in self._unwanted
        self._unwanted.discard(slice_id)
        return wanted

    def rebalance(self) -> None:
        """Let processes that have nothing to do take over what waits elsewhere."""
        if self._share is not None:
            self._share.rebalance()

    def hold_back(self) -> None:
        """Ask back what has been sent and has not begun, as far as it can be told."""
        if self._share is not None:
            self._share.hold_back()

    def stop(self, slice_id: int, force: bool) -> None:
        """Stop a slice that nobody wants. A process notices by itself, or is replaced."""
        if self._share is not None and slice_id in self._share:
            self._share.stop(slice_id, force)
        elif slice_id in self._at and force:
            self.retire(slice_id)
        elif slice_id in self._at:
            self._unwanted.add(slice_id)
            self._at[slice_id].reach.stop(slice_id)
        elif slice_id in self._refs:
            cancel(self._refs[slice_id], force)

    def actor_of(self, slice_id: int) -> Any:
        """Return the actor that has a slice; None if it is a task."""
        if self._share is not None and slice_id in self._share:
            return self._share.actor_of(slice_id)
        return self._at[slice_id].reach.actor if slice_id in self._at else None

    def died(self, slice_id: int, alone: bool) -> bool:
        """The process that had a slice is gone; the next slice for its place gets a new one.

        Args:
            slice_id: The slice.
            alone: Whether only its call failed.

        Returns:
            Whether the slice has no part in it, because another one ran.
        """
        if self._share is not None and slice_id in self._share:
            return self._share.died(slice_id, alone)
        self._end(slice_id)
        return slice_id in self._innocent

    def retire(self, slice_id: int) -> None:
        """End the process that has a slice; what else waits for it there has no part in that."""
        if self._share is not None and slice_id in self._share:
            self._share.retire(slice_id)
        elif slice_id in self._at:
            reach = self._at[slice_id].reach
            self._innocent.update(other for other, sent in self._at.items() if sent.reach is reach)
            self._end(slice_id)

    def _end(self, slice_id: int) -> None:
        if slice_id in self._at:
            place, reach, _ = self._at[slice_id]
            if self._hosts.get(place) is reach:  # and not its successor
                del self._hosts[place]
                self._moving_in.pop(reach, None)
                ray.kill(reach.actor)  # after any doubt: it must not go on with the old state

    async def close(self, seconds: float, clock: Clock) -> None:
        """Have all routines closed, and give back the processes that may serve others; `kill` ends what is left.

        Args:
            seconds: How long to wait.
            clock: Tells when a process was given back.
        """
        leaving = [] if self._share is None else self._share.close()
        waits = [asyncio.ensure_future(_quietly(ref)) for ref in leaving]
        waits += [asyncio.ensure_future(self._vacate(place, reach, clock)) for place, reach in self._hosts.items()]
        if waits:
            await asyncio.wait(waits, timeout=seconds)

    async def _vacate(self, place: tuple[int, int], reach: HostReach, clock: Clock) -> None:
        free = await _quietly(reach.vacate())
        if free and resources.suits_any(self._plan.groups[place[0]]) and self._hosts.get(place) is reach:
            del self._hosts[place]
            self._moving_in.pop(reach, None)
            self._crew.vacated.add(reach.actor, clock.monotonic())

    def kill(self) -> None:
        """End all actors, and what still runs slices of this flow."""
        if self._share is not None:
            self._share.kill()
        for reach in self._hosts.values():
            ray.kill(reach.actor)
        self._hosts.clear()
        self._moving_in.clear()


async def _quietly(ref: Any) -> Any:
    """Return what a call returned; None if it failed."""
    try:
        return await ref
    except Exception:
        return None
