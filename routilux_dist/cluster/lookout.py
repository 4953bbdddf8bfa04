"""Processes that stand still: one that was stopped by a signal neither answers nor ends, and Ray sees its socket open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ray
import ray._private.state
import ray.exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

#: Calls a function with processes of a node, there.
AtNode = Callable[[str, list[int], Callable[[Iterable[int]], set[int]]], Awaitable[set[int]]]
#: Tells where the processes of some actors are, as far as that is known.
Find = Callable[[Iterable[Any]], Awaitable[dict[Any, "Whereabouts"]]]
#: Seconds that another node has to answer; one that does not is the business of Ray's health checks.
ASK_SECONDS = 10.0
#: Most looks in the time for which a process may stand still, and seconds between two at most.
LOOKS, LONGEST = 3, 10.0


class Whereabouts(NamedTuple):
    """A process, and the node that it is on."""

    node: str
    pid: int


async def find(actors: Iterable[Any]) -> dict[Any, Whereabouts]:
    """Return where the processes of actors are, as Ray's table of actors has it; one that is not there yet, or gone, is left out.

    They are not asked themselves: one that was stopped in its first call could not say it any more.
    """
    return await asyncio.to_thread(_find, list(actors))


def _find(actors: list[Any]) -> dict[Any, Whereabouts]:
    found: dict[Any, Whereabouts] = {}
    with contextlib.suppress(ray.exceptions.RayError):  # the head is away: the next look asks again
        for actor in actors:
            # Ray's public way to this table asks its dashboard, which need not run.
            row = ray._private.state.actors(actor._actor_id.hex())
            if row and row["State"] == "ALIVE":
                found[actor] = Whereabouts(row["Address"]["NodeID"], row["Pid"])
    return found


def stopped(pids: Iterable[int]) -> set[int]:
    """Return which processes of this machine are stopped by a signal: not those that a debugger holds.

    Where the system does not tell, there are none.
    """
    return {pid for pid in pids if _state(pid) == "T"}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def end_stopped(pids: Iterable[int]) -> set[int]:
    """Kill those of some processes of this machine that are stopped; return which."""
    found = stopped(pids)
    for pid in found:
        with contextlib.suppress(OSError):  # it is gone
            os.kill(pid, signal.SIGKILL)
    return found


#: Tasks, and not resident processes: they are needed only while a slice takes long.
_there: Mapping[Any, Any] = {
    function: ray.remote(num_cpus=0, max_retries=0)(function) for function in (stopped, end_stopped)
}


async def at_node(node: str, pids: list[int], do: Callable[[Iterable[int]], set[int]]) -> set[int]:
    """Call `stopped` or `end_stopped` on a node; nobody is found on one that does not answer."""
    if node == ray.get_runtime_context().get_node_id():
        return do(pids)
    strategy = NodeAffinitySchedulingStrategy(node, soft=False)
    answer = _there[do].options(scheduling_strategy=strategy).remote(pids)
    try:
        found: set[int] = await asyncio.wait_for(answer, ASK_SECONDS)
    except (ray.exceptions.RayError, asyncio.TimeoutError):
        return set()
    return found


class Lookout:
    """Finds processes that have stood still for too long.

    A look into the process table, and not a question to the process itself: code that computes for a minute, or keeps the GIL in
    a library, could not answer either, and is not to be ended for that.

    Args:
        patience: Seconds for which a process may stand still.
        find: Tells where the processes of actors are.
        at_node: Calls `stopped` or `end_stopped` for processes of a node.
    """

    def __init__(self, patience: float, find: Find = find, at_node: AtNode = at_node) -> None:
        self.patience = patience
        #: Seconds between two looks; what a process has had for less than that is not looked at.
        self.pause = min(patience / LOOKS, LONGEST)
        self._find, self._at_node = find, at_node
        #: Where the processes are that were looked at last.
        self._places: dict[Any, Whereabouts] = {}
        #: Processes that were found stopped at every look -> when first.
        self._since: dict[Whereabouts, float] = {}

    async def look(self, now: float, slices: Mapping[int, Any]) -> dict[int, Whereabouts]:
        """Look at the processes of slices that take long.

        Args:
            now: The time of this look, in seconds.
            slices: The actor of each slice.

        Returns:
            The slices whose process is to be ended, and where that is.
        """
        known = {actor: place for actor in slices.values() if (place := self._places.get(actor)) is not None}
        self._places = known | await self._find(set(slices.values()) - known.keys())
        found = await self._ask(self._places.values(), stopped)
        self._since = {place: self._since.get(place, now) for place in found}
        places = {slice_id: self._places.get(actor) for slice_id, actor in slices.items()}
        return {
            slice_id: place
            for slice_id, place in places.items()
            if place in found and now - self._since[place] >= self.patience
        }

    async def end(self, places: Iterable[Whereabouts]) -> None:
        """Kill processes, unless they go on meanwhile. Ray tells of their end like of any other."""
        await self._ask(places, end_stopped)

    async def _ask(self, places: Iterable[Whereabouts], do: Callable[[Iterable[int]], set[int]]) -> set[Whereabouts]:
        nodes: dict[str, set[int]] = defaultdict(set)
        for place in places:
            nodes[place.node].add(place.pid)
        answers = await asyncio.gather(*(self._at_node(node, sorted(pids), do) for node, pids in nodes.items()))
        return {Whereabouts(node, pid) for node, pids in zip(nodes, answers) for pid in pids}
