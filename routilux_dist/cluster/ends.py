"""What a failed call tells of how its process ended."""

from __future__ import annotations

import asyncio
from typing import Any

import ray.exceptions

#: Seconds in which the cluster finds out whether a process that cannot be reached is dead, and seconds between two questions.
FIND_OUT_SECONDS, ASK_SECONDS = 60.0, 0.5
#: Seconds after which work is tried again whose process was ended for memory: what else fills the node may be done by then.
MEMORY_SECONDS = 1.0
#: What Ray writes into the error of an actor that went down with its node.
_NODE_DIED = "its node has died"
#: What it writes into that of one that was ended to keep its node from running out of memory.
_NO_MEMORY = "running low on memory"


def with_its_node(exc: BaseException) -> bool:
    """Whether a process ended because its node did: nothing that it ran is to blame."""
    if isinstance(exc, (ray.exceptions.NodeDiedError, ray.exceptions.LocalRayletDiedError)):
        return True
    return isinstance(exc, ray.exceptions.RayActorError) and (exc.preempted or _NODE_DIED in str(exc))


def of_memory(exc: BaseException) -> bool:
    """Whether Ray ended a process because its node was running out of memory."""
    if isinstance(exc, ray.exceptions.OutOfMemoryError):
        return True
    return isinstance(exc, ray.exceptions.RayActorError) and _NO_MEMORY in str(exc)


def lost_body(exc: BaseException) -> bool:
    """Whether a call could not be carried out because something large that it was to get is gone from the object store."""
    cause = exc.cause if isinstance(exc, ray.exceptions.RayTaskError) else exc
    return isinstance(cause, ray.exceptions.ObjectLostError)


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
