"""How a hub reaches a member of its crew: by Ray's calls, and for what is light through a socket."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from typing import Any, TypeAlias

import ray.exceptions

from routilux_dist.cluster import bodies
from routilux_dist.cluster.wires import Doorway, End
from routilux_dist.wire.slices import Receipt, Slice

#: What became of a slice: its receipt, None if it was not begun, and the reference of what is too large to travel with it.
Outcome: TypeAlias = "Coroutine[Any, Any, tuple[Receipt | None, Any]]"
#: Seconds in which Ray has to tell of a process's death when its socket has ended.
VERDICT_SECONDS = 5.0


async def by_ray(receipt: Any, stored: Any) -> tuple[Receipt | None, Any]:
    """Return the outcome of a slice that was sent in a call of Ray's, which has returned these references."""
    return await receipt, stored


class Reach:
    """A member, as its hub reaches it.

    That it lives, Ray tells: a call that never returns fails when the process is gone. The end of the socket would not do, which
    children that user code has forked may hold open.
    """

    def __init__(self, actor: Any, doorway: Doorway) -> None:
        self.actor = actor
        self._doorway = doorway
        self._door = doorway.expect(self._connected)
        self._end: End | None = None
        self._watching: asyncio.Task[None] | None = None
        #: Slices that were sent through the socket and are not answered, by the number of their call.
        self._out: dict[int, asyncio.Future[tuple[Receipt | None, bool]]] = {}
        #: (running flow, group) whose last slice made something large: that travels with a call of Ray's.
        self._large: set[tuple[str, int]] = set()

    def ready(self) -> Any:
        """Ask it to answer, and to connect; return the reference of its answer."""
        return self.actor.ready.remote(self._door)

    def run(
        self, turn: int, running: str, shipment: list[Any] | None, work: Slice, inline_bytes: int, *arguments: Any
    ) -> Outcome:
        """Have it run a slice, see `CrewMember.run`."""
        end, what = self._end, (running, work.group)
        if end is None or shipment is not None or arguments or what in self._large:
            refs = self.actor.run.remote(turn, running, shipment, work, inline_bytes, *arguments)
            return self._by_ray(what, *refs)
        end.send((turn, running, work, inline_bytes))
        answered = self._out[turn] = asyncio.get_running_loop().create_future()
        return self._by_wire(turn, what, answered)

    def drop(self, turn: int, stop: bool) -> None:
        """Ask it not to begin a slice, see `CrewMember.drop`."""
        if self._end is not None:
            self._end.send((turn, stop))
        else:
            self.actor.drop.remote(turn, stop)

    def forget(self, turn: int, running: str) -> Any:
        """Ask it to close the routines of a running flow; return the reference of its answer."""
        self._large = {what for what in self._large if what[0] != running}
        return self.actor.forget.remote(turn, running)

    def close(self, turn: int) -> Any:
        """Ask it to close all routines; return the reference of its answer."""
        return self.actor.close.remote(turn)

    def end(self) -> None:
        """It is wanted no more."""
        self._doorway.forget(self._door)

    # ---- by Ray --------------------------------------------------------------------------------------------------

    async def _by_ray(self, what: tuple[str, int], receipt_ref: Any, stored: Any) -> tuple[Receipt | None, Any]:
        receipt, _ = await by_ray(receipt_ref, stored)
        if receipt is not None and not bodies.are_apart(receipt):
            self._large.discard(what)
        return receipt, stored

    # ---- through the socket --------------------------------------------------------------------------------------

    async def _by_wire(
        self, turn: int, what: tuple[str, int], answered: asyncio.Future[tuple[Receipt | None, bool]]
    ) -> tuple[Receipt | None, Any]:
        receipt, apart = await answered
        if not apart:
            return receipt, None
        self._large.add(what)
        there, stored = self.actor.rest.remote(turn)
        await there
        return receipt, stored

    def _connected(self, end: End) -> None:
        self._end = end
        end.hear, end.ended = self._heard, self._ended
        self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        try:
            await self.actor.stay.remote()
        except Exception as exc:
            self._fail(exc)

    def _heard(self, message: Any) -> None:
        turn, receipt, apart, error = message
        answered = self._out.pop(turn, None)
        if answered is None or answered.done():
            return
        if error is None:
            answered.set_result((receipt, apart))
        else:
            failed = ray.exceptions.RayTaskError("run", error, RuntimeError(error))  # type: ignore[no-untyped-call]
            answered.set_exception(failed)

    def _ended(self) -> None:
        self._end = None
        reason = "its socket has ended, although it lives"
        unknown = ray.exceptions.ActorUnavailableError(reason, self.actor._actor_id.binary())
        asyncio.get_running_loop().call_later(VERDICT_SECONDS, functools.partial(self._fail, unknown))

    def _fail(self, exc: BaseException) -> None:
        out, self._out = self._out, {}
        for answered in out.values():
            if not answered.done():
                answered.set_exception(exc)
        if self._end is not None:
            self._end.close()
