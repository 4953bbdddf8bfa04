"""How a hub reaches its workers: by Ray's calls, and for what is light through a socket."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Coroutine
from typing import Any, TypeAlias

import ray
import ray.exceptions

from routilux_dist.cluster import bodies
from routilux_dist.cluster.wires import VERDICT_SECONDS, Doorway, End, NotLightError
from routilux_dist.wire.slices import Receipt, Slice

#: What became of a slice: its receipt, None if it was not begun, and the reference of what is too large to travel with it.
Outcome: TypeAlias = "Coroutine[Any, Any, tuple[Receipt | None, Any]]"
#: Seconds before Ray is asked to cancel a call: one that is cancelled while it is being sent may never arrive, and an actor then
#: waits half a minute for it and refuses those that came after it.
SENDING_SECONDS = 0.2


async def by_ray(receipt: Any, stored: Any) -> tuple[Receipt | None, Any]:
    """Return the outcome of a slice that was sent in a call of Ray's, which has returned these references."""
    return await receipt, stored


def cancel(ref: Any, force: bool = False) -> None:
    """Have Ray cancel a call, once it has been sent for sure."""
    asyncio.get_running_loop().call_later(SENDING_SECONDS, functools.partial(ray.cancel, ref, force=force))


class _Line:
    """A socket to a process, and the slices that are out there.

    That the process lives, Ray tells: a call that lasts as long as the socket fails when it is gone. The end of the socket would
    not do, which children that user code has forked may hold open.
    """

    def __init__(self, actor: Any, doorway: Doorway) -> None:
        self._actor, self._doorway = actor, doorway
        self.door = doorway.expect(self._connected)
        self._end: End | None = None
        self._leaving = False
        #: Set to whether it is connected, as soon as that is known.
        self.connected: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._out: dict[int, asyncio.Future[tuple[Receipt | None, bool]]] = {}

    @property
    def open(self) -> bool:
        """Whether something can be sent now."""
        return self._end is not None and not self._leaving

    def leave(self) -> None:
        """Say that nothing more will come."""
        self._leaving = True
        if self._end is not None:
            self._end.send(None)

    def call(self, number: int, message: Any) -> asyncio.Future[tuple[Receipt | None, bool]]:
        """Send a slice; return what comes back: its receipt, and whether something is too large to come with it.

        Raises:
            NotLightError: It is not for a socket, or there is none.
        """
        if self._end is None or self._leaving:
            raise NotLightError("there is no line")
        self._end.send(message)
        answered = self._out[number] = asyncio.get_running_loop().create_future()
        return answered

    def tell(self, message: Any) -> None:
        """Send something that has no answer."""
        if self._end is not None:
            self._end.send(message)

    def give_up(self) -> None:
        """Nobody is going to connect."""
        self._doorway.forget(self.door)
        if not self.connected.done():
            self.connected.set_result(False)

    def fail(self, exc: BaseException) -> None:
        """The process is gone."""
        self.give_up()
        out, self._out = self._out, {}
        for answered in out.values():
            if not answered.done():
                answered.set_exception(exc)
        end, self._end = self._end, None
        if end is not None:
            end.abort()  # what was not sent yet is for nobody

    def _connected(self, end: End) -> None:
        self._end = end
        end.hear, end.ended = self._heard, self._ended
        if self._leaving:
            end.send(None)
        if not self.connected.done():
            self.connected.set_result(True)

    def _heard(self, message: Any) -> None:
        number, receipt, apart, error = message
        answered = self._out.pop(number, None)
        if answered is None or answered.done():
            return
        if error is None:
            answered.set_result((receipt, apart))
        else:
            failed = ray.exceptions.RayTaskError("run", error, RuntimeError(error))  # type: ignore[no-untyped-call]
            answered.set_exception(failed)

    def _ended(self) -> None:
        self._end = None
        if self._out:
            reason = "its socket has ended, although it lives"
            unknown = ray.exceptions.ActorUnavailableError(reason, self._actor._actor_id.binary())
            asyncio.get_running_loop().call_later(VERDICT_SECONDS, functools.partial(self.fail, unknown))


class MemberReach:
    """A member of a crew, as its hub reaches it."""

    def __init__(self, actor: Any, doorway: Doorway) -> None:
        self.actor = actor
        self._line = _Line(actor, doorway)
        self._line.connected.add_done_callback(self._watch)
        self._watching: asyncio.Task[None] | None = None
        #: (running flow, group) whose last slice made something large: that travels with a call of Ray's.
        self._large: set[tuple[str, int]] = set()

    def ready(self) -> Any:
        """Ask it to answer, and to connect; return the reference of its answer."""
        return self.actor.ready.remote(self._line.door)

    def run(
        self, turn: int, running: str, shipment: list[Any] | None, work: Slice, inline_bytes: int, *arguments: Any
    ) -> Outcome:
        """Have it run a slice, see `CrewMember.run`."""
        what = running, work.group
        if self._line.open and shipment is None and not arguments and what not in self._large:
            with contextlib.suppress(NotLightError):
                return self._by_line(turn, what, self._line.call(turn, (turn, running, work, inline_bytes)))
        return self._by_ray(what, *self.actor.run.remote(turn, running, shipment, work, inline_bytes, *arguments))

    def drop(self, turn: int, stop: bool) -> None:
        """Ask it not to begin a slice, see `CrewMember.drop`."""
        if self._line.open:
            self._line.tell((turn, stop))
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
        self._line.give_up()

    def _watch(self, connected: asyncio.Future[bool]) -> None:
        if connected.result():
            self._watching = asyncio.ensure_future(self._stays())

    async def _stays(self) -> None:
        try:
            await self.actor.stay.remote()
        except Exception as exc:
            self._line.fail(exc)

    async def _by_ray(self, what: tuple[str, int], receipt_ref: Any, stored: Any) -> tuple[Receipt | None, Any]:
        receipt, _ = await by_ray(receipt_ref, stored)
        if receipt is not None and not bodies.are_apart(receipt):
            self._large.discard(what)
        return receipt, stored

    async def _by_line(
        self, turn: int, what: tuple[str, int], answered: asyncio.Future[tuple[Receipt | None, bool]]
    ) -> tuple[Receipt | None, Any]:
        receipt, apart = await answered
        if not apart:
            return receipt, None
        self._large.add(what)
        there, stored = self.actor.rest.remote(turn)
        whole = await there
        return receipt if whole is None else whole, stored


class HostReach:
    """A home, or a process of an actor pool, as its coordinator reaches it.

    While it attends to its socket, its main thread does nothing else: it has to leave that before it can answer a call of Ray's.
    """

    def __init__(self, actor: Any, doorway: Doorway) -> None:
        self.actor, self._doorway = actor, doorway
        #: The line that it attends to, or is about to; None if it does not.
        self._line: _Line | None = None
        self._attending: asyncio.Task[None] | None = None
        #: Slice -> reference of its receipt, where Ray was called.
        self._refs: dict[int, Any] = {}
        #: Slices that wait for a line to be connected, and those of them that nobody wants any more.
        self._waiting: set[int] = set()
        self._unwanted: set[int] = set()
        #: Slice -> the line through which it was sent; that may have been left since.
        self._sent: dict[int, _Line] = {}
        #: Whether it is worth trying to reach it in this way.
        self._near = True
        self._over = False

    def only_by_ray(self) -> None:
        """Never have it attend to a socket again."""
        self._over = True

    def run(self, work: Slice, inline_bytes: int, *arguments: Any) -> Outcome:
        """Have it run a slice, see `HostActor.run`."""
        if self._line is not None and not arguments:
            self._waiting.add(work.id)
            return self._by_line(self._line, work, inline_bytes)
        self._leave()
        return self._by_ray(work, self._call(work, inline_bytes, *arguments))

    def stop(self, slice_id: int) -> None:
        """Ask it not to begin a slice, or let user code see that it was cancelled."""
        ref = self._refs.get(slice_id)
        if ref is not None:
            cancel(ref)
        elif slice_id in self._sent:
            self._sent[slice_id].tell(slice_id)
        elif slice_id in self._waiting:
            self._unwanted.add(slice_id)

    def vacate(self) -> Any:
        """Ask it to close its routines, see `HostActor.vacate`; return the reference of its answer."""
        self.only_by_ray()  # a slice that still runs must not have it attend behind that: nobody would have it leave
        self._leave()
        return self.actor.vacate.remote()

    def _call(self, work: Slice, inline_bytes: int, *arguments: Any) -> list[Any]:
        refs: list[Any] = self.actor.run.options(num_returns=2).remote(work, inline_bytes, *arguments)
        self._refs[work.id] = refs[0]
        return refs

    async def _by_ray(self, work: Slice, refs: list[Any]) -> tuple[Receipt | None, Any]:
        try:
            receipt, stored = await by_ray(*refs)
        finally:
            del self._refs[work.id]
        large = receipt is not None and bodies.are_apart(receipt)
        # Not when it is started: of two calls that are sent to a new actor at once, Ray loses one now and then.
        # Nor before those have gone that wait for the line before: Ray's calls would wait for ever behind a new one.
        if self._near and self._line is None and not (self._over or large or self._refs or self._waiting):
            self._line = _Line(self.actor, self._doorway)
            self._attending = asyncio.ensure_future(self._attend(self._line))
        return receipt, stored

    async def _attend(self, line: _Line) -> None:
        try:
            await self.actor.attend.remote(line.door)
        except Exception as exc:
            line.fail(exc)
        else:
            line.give_up()

    def _leave(self) -> None:
        """Have it come back from its socket, once it has done what it got there."""
        if self._line is not None:
            self._line.leave()
            self._line = None

    async def _by_line(self, line: _Line, work: Slice, inline_bytes: int) -> tuple[Receipt | None, Any]:
        answered = None
        try:
            self._near = await line.connected
            if work.id in self._unwanted:
                return None, None
            with contextlib.suppress(NotLightError):
                answered = line.call(work.id, (work, inline_bytes))
        finally:
            self._waiting.discard(work.id)
            self._unwanted.discard(work.id)
        if answered is None:
            self._leave()
            return await self._by_ray(work, self._call(work, inline_bytes))
        self._sent[work.id] = line
        try:
            receipt, apart = await answered
        finally:
            del self._sent[work.id]
        if not apart:
            return receipt, None
        self._leave()
        there, stored = self.actor.rest.options(num_returns=2).remote(work.id)
        whole = await there
        return receipt if whole is None else whole, stored
