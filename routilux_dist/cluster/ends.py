"""What a failed call tells of how its process ended."""

from __future__ import annotations

import asyncio
from typing import Any

import ray.exceptions

#: Seconds in which the cluster finds out whether a process that cannot be reached is dead, and seconds between two questions.
FIND_OUT_SECONDS, ASK_SECONDS = 60.0, 0.5
#: What Ray writes into the error of an actor that went down with its node.
_NODE_DIED = "its node has died"


def with_its_node(exc: BaseException) -> bool:
    """Whether a process ended because its node did: nothing that it ran is to blame."""
    if isinstance(exc, (ray.exceptions.NodeDiedError, ray.exceptions.LocalRayletDiedError)):
        return True
    return isinstance(exc, ray.exceptions.RayActorError) and (exc.preempted or _NODE_DIED in str(exc))


async def find_out(exc: BaseException, actor: Any) -> BaseException:
    """Return what the cluster says of a process that could not be reached, as soon as it knows.

    A process that dies is known to be dead within a second. When its whole node is gone, it is known only when the node has
    missed some health checks; until then calls fail with `ActorUnavailableError`.

    Args:
        exc: How a call failed.
        actor: The process that was called, or None if it was no actor.
    """
    until = asyncio.get_running_loop().time() + FIND_OUT_SECONDS
    while isinstance(exc, ray.exceptions.ActorUnavailableError) and actor is not None:
        left = until - asyncio.get_running_loop().time()
        if left <= 0:
            break
        try:
            await asyncio.wait_for(_ready(actor), left)
        except ray.exceptions.RayError as again:
            exc = again
        except asyncio.TimeoutError:
            break
        else:
            break  # it can be reached again; whether it ran the call nobody knows
        await asyncio.sleep(ASK_SECONDS)
    return exc


async def _ready(actor: Any) -> None:
    await actor.__ray_ready__.remote()
