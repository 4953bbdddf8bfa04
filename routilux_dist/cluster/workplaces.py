"""Where slices are sent: the crew for stateless pools, Ray tasks for those that ask for resources, actors for the rest."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import ray

from routilux_dist.cluster import bodies, remotes, resources
from routilux_dist.cluster.crew import Crew, Share
from routilux_dist.cluster.lookout import Whereabouts
from routilux_dist.plan.plan import GroupKind, GroupPlan, Plan
from routilux_dist.wire.slices import Slice
from routilux_workers.entry import Shipment

#: Seconds before Ray is asked to cancel a call: one that is cancelled while it is being sent may never arrive, and an actor then
#: waits half a minute for it and refuses those that came after it.
SENDING_SECONDS = 0.2


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
        #: (group, number) -> actor; the number is the partition, or the place in the pool.
        self._actors: dict[tuple[int, int], Any] = {}
        self._load: dict[tuple[int, int], int] = {}
        #: Actor -> where its process is; None from when it is asked until it has said so.
        self._wheres: dict[Any, Whereabouts | None] = {}
        #: Slice -> the place and the actor that it was sent to.
        self._at: dict[int, tuple[tuple[int, int], Any]] = {}
        #: Slices that had no part in the end of their actor.
        self._innocent: set[int] = set()

    def _task(self, group: GroupPlan) -> Any:
        options = resources.call_options(group, self._workers, self._cpus)
        return remotes.run_slice.options(name=self._label(group), **options)

    def _label(self, group: GroupPlan, number: int | None = None) -> str:
        names = "+".join(group.routines[:3]) + ("+…" if len(group.routines) > 3 else "")
        return f"{self._plan.flow}/{names}" + ("" if number is None else f"#{number}")

    def send(self, work: Slice) -> list[Any]:
        """Send a slice; return the references of its two results."""
        sent, arguments = bodies.attach(work)
        task = self._tasks.get(work.group)
        if task is not None:
            return task.remote(self._running, [self._shipment], sent, self._inline, *arguments)  # type: ignore[no-any-return]
        if work.group in self._plain:
            assert self._share is not None
            return self._share.send(work.id, sent, self._inline, *arguments, alone=work.alone)  # type: ignore[no-any-return]
        place = self._place(self._plan.groups[work.group], work.partition)
        actor = self._actor(place)
        self._at[work.id] = place, actor
        self._load[place] = self._load.get(place, 0) + 1
        method = actor.run.options(num_returns=2)
        return method.remote(sent, self._inline, *arguments)  # type: ignore[no-any-return]

    def _place(self, group: GroupPlan, partition: int) -> tuple[int, int]:
        if group.kind is not GroupKind.ACTORS or group.is_async:  # the slice names its host
            return group.index, partition
        size = group.size or self._workers
        return min(((group.index, n) for n in range(size)), key=lambda place: self._load.get(place, 0))

    def _actor(self, place: tuple[int, int]) -> Any:
        actor = self._actors.get(place)
        if actor is None:
            group = self._plan.groups[place[0]]
            label = self._label(group, place[1])
            partition = 0 if group.kind is GroupKind.ACTORS else place[1]
            options = resources.call_options(group, self._workers, self._cpus)
            actor = remotes.HostActor.options(**options).remote(self._shipment, group.index, partition, label)
            self._actors[place] = actor
        return actor

    def _settled(self, actor: Any, well: bool, where: Any) -> None:
        if well and actor in self._wheres:  # else it is gone
            self._wheres[actor] = where

    def where(self, slice_id: int) -> Whereabouts | None:
        """Return the process that has a slice; None if nobody knows: Ray chooses those of tasks."""
        if self._share is not None and slice_id in self._share:
            where: Whereabouts | None = self._share.where(slice_id)
            return where
        return self._wheres.get(self._at[slice_id][1]) if slice_id in self._at else None

    def done(self, slice_id: int, now: float, well: bool) -> bool:
        """A slice is no longer out; return whether somebody still wants it."""
        if self._share is not None and slice_id in self._share:
            return self._share.done(slice_id, now, well)
        at = self._at.pop(slice_id, None)
        if at is not None:
            place, actor = at
            self._load[place] -= 1
            # Not when it is started: of two calls that are sent to a new actor at once, Ray loses one now and then.
            if well and place in self._actors and self._actors[place] is actor and actor not in self._wheres:
                self._wheres[actor] = None
                self._crew.hands.watch(actor.where.remote(), lambda well, where: self._settled(actor, well, where))
        self._innocent.discard(slice_id)
        return True

    def rebalance(self) -> None:
        """Let processes that have nothing to do take over what waits elsewhere."""
        if self._share is not None:
            self._share.rebalance()

    def hold_back(self) -> None:
        """Ask back what has been sent and has not begun, as far as it can be told."""
        if self._share is not None:
            self._share.hold_back()

    def stop(self, slice_id: int, receipt: Any, force: bool) -> None:
        """Stop a slice that nobody wants. A process notices by itself, or is replaced."""
        if self._share is not None and slice_id in self._share:
            self._share.stop(slice_id, force)
        elif force and slice_id in self._at:
            self.retire(slice_id)
        else:
            asyncio.get_running_loop().call_later(SENDING_SECONDS, functools.partial(ray.cancel, receipt, force=force))

    def actor_of(self, slice_id: int) -> Any:
        """Return the actor that has a slice; None if it is a task."""
        if self._share is not None and slice_id in self._share:
            return self._share.actor_of(slice_id)
        return self._at[slice_id][1] if slice_id in self._at else None

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
            actor = self._at[slice_id][1]
            self._innocent.update(other for other, (_, its) in self._at.items() if its is actor)
            self._end(slice_id)

    def _end(self, slice_id: int) -> None:
        if slice_id in self._at:
            place, actor = self._at[slice_id]
            if place in self._actors and self._actors[place] is actor:  # and not its successor
                del self._actors[place]
                self._wheres.pop(actor, None)
                ray.kill(actor)  # after any doubt: it must not go on with the old state

    def close(self) -> list[Any]:
        """Have all routines closed; return references to wait for."""
        leaving = [] if self._share is None else self._share.close()
        return leaving + [actor.close.remote() for actor in self._actors.values()]

    def kill(self) -> None:
        """End all actors, and what still runs slices of this flow."""
        if self._share is not None:
            self._share.kill()
        for actor in self._actors.values():
            ray.kill(actor)
        self._actors.clear()
        self._wheres.clear()
