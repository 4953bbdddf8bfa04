"""Ray's part of the crew: where its processes are started, and how they are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from routilux_dist.cluster import remotes, resources
from routilux_dist.cluster.reach import HostReach, MemberReach
from routilux_dist.cluster.wires import Doorway
from routilux_dist.plan.plan import Plan


def here() -> dict[str, Any]:
    """Return the options of an actor that belongs on this process's node, as long as that lives.

    A coordinator is called for every message from there, and a driver seldom runs on the nodes that come and go.
    """
    return there(ray.get_runtime_context().get_node_id())


def there(node: str) -> dict[str, Any]:
    """Return the options of an actor that belongs on a node, as long as that lives.

    It asks for a byte of memory, because Ray has an actor that asks for nothing placed by a node taken at random, which goes by
    the affinity only if it knows that node already: beside nodes that had just joined 4 of 36 actors were where they belong,
    with the byte 36 of 36.
    """
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=True), "memory": 1}


class Started(NamedTuple):
    """A member of a crew that was started before its crew, and its node."""

    actor: Any
    node: str


def begun(plan: Plan, nodes: Mapping[str, Mapping[str, float]]) -> Started | None:
    """Start a first member here, beside the hub that will have it: either process takes half a second to come.

    It ends when nobody has its handle any more.

    Args:
        plan: What is about to run; not each flow has a use for the crew.
        nodes: Resources of each living node, by its id. Where there are no CPUs, nobody of the crew is wanted.
    """
    node = ray.get_runtime_context().get_node_id()
    if nodes.get(node, {}).get("CPU", 0.0) <= 0 or not any(resources.is_plain(group) for group in plan.groups):
        return None
    return Started(remotes.CrewMember.options(**there(node)).remote(1), node)


class RayHands:
    """Starts members on the nodes of a cluster, in proportion to their CPUs.

    Args:
        nodes: CPUs by node id, for nodes that can hold members.
        doorway: Where they connect, those on its node.
        first: A member that was started already.
    """

    def __init__(self, nodes: Mapping[str, float], doorway: Doorway, first: Started | None = None) -> None:
        self._nodes, self._doorway, self._first = dict(nodes), doorway, first
        #: Member -> node.
        self._at: dict[Any, str] = {}
        self._reaches: dict[Any, MemberReach] = {}

    def launch(self, number: int) -> MemberReach:
        """Start the process of a member and return how it is reached."""
        actor = self._launch(number)
        reach = self._reaches[actor] = MemberReach(actor, self._doorway)
        return reach

    def host(self, actor: Any) -> HostReach:
        """Return how a home, or a member of an actor pool, is reached."""
        return HostReach(actor, self._doorway)

    def _launch(self, number: int) -> Any:
        if self._first is not None:
            first, self._first = self._first, None
            self._at[first.actor] = first.node
            return first.actor
        node = self._roomiest()
        options = there(node) if node is not None and len(self._nodes) > 1 else {}
        actor = remotes.CrewMember.options(**options).remote(number)
        if node is not None:
            self._at[actor] = node
        return actor

    def _roomiest(self) -> str | None:
        members = list(self._at.values())
        return min(self._nodes, key=lambda node: (members.count(node) + 1) / self._nodes[node], default=None)

    def watch(self, result: Any, then: Callable[[bool], None]) -> None:
        """Say later whether a call to a member went well."""
        task = asyncio.ensure_future(_outcome(result, then))
        _watching.add(task)
        task.add_done_callback(_watching.discard)

    def end(self, actor: Any) -> None:
        """End the process of a member."""
        self._at.pop(actor, None)
        reach = self._reaches.pop(actor, None)
        if reach is not None:
            reach.end()
        ray.kill(actor)


#: The loop itself holds tasks weakly.
_watching: set[asyncio.Task[None]] = set()


async def _outcome(result: Any, then: Callable[[bool], None]) -> None:
    try:
        await result
    except Exception:
        then(False)
    else:
        then(True)
