"""The actor of a coordinator that saves: it comes back by itself, and goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import ray

from routilux_dist.clock import SystemClock
from routilux_dist.cluster import launch, remotes
from routilux_dist.cluster.hub import CALLS, Hub
from routilux_dist.cluster.inbox import Answer
from routilux_dist.driver.driver import Gone
from routilux_dist.driver.session import Opening
from routilux_dist.errors import ExecutionError
from routilux_dist.wire import codec
from routilux_dist.wire.block import Packed
from routilux_workers.entry import Shipment

#: What an actor is made with has to be small to stay with the cluster when its maker is gone; so it comes in pieces.
PIECE_BYTES = 90 << 10
#: Looks in the time that it lingers, and most seconds between two of them.
LOOKS, MOST_SECONDS = 4, 30.0


def nodes() -> dict[str, dict[str, float]]:
    """Return the resources of each living node, by its id."""
    return {n["NodeID"]: n["Resources"] for n in ray.nodes() if n["Alive"]}  # type: ignore[no-untyped-call]


class SavedHub(Hub):
    """A process that holds one coordinator that saves.

    Args:
        label: What it is called in the dashboard.
        pieces: The encoded (opening, shipment).
    """

    def __init__(self, label: str, *pieces: bytes) -> None:
        super().__init__(label)
        opening, shipment = codec.decode(Packed(b"".join(pieces)))
        self._opening: Opening = opening
        self._shipment: Shipment = shipment
        #: Why it could not go on after a restart, or None.
        self._broken: str | None = None
        self._shut = False
        #: Calls of clients that are not answered yet, and when the last one was.
        self._calls = 0
        self._called = SystemClock().monotonic()
        self._watcher: asyncio.Task[None] | None = None
        self._restarted = _was_restarted()
        if self._restarted:  # nobody may be there to ask for it
            ray.get_runtime_context().current_actor.go_on.remote()

    async def begin(self) -> tuple[Mapping[int, int], int]:
        """Open the run and begin or go on; return the homes by group, and the process."""
        await self._come_back()
        if self._opening.worker_id not in self._coordinators:
            await self._open(self._opening)
        partitions = self._coordinators[self._opening.worker_id].shipment.partitions
        return dict(partitions), os.getpid()

    async def go_on(self) -> None:
        """Go on after a restart."""
        if self._opening.worker_id in self._coordinators or self._shut:
            return
        try:
            await self._open(self._opening.again())
            self._broken = None
        except Exception as exc:  # whoever asks hears of it
            self._broken = f"it could not go on after a restart: {type(exc).__name__}: {exc}"

    async def _come_back(self) -> None:
        """After a restart, go on before anybody is answered: calls of clients may overtake the one that was made for it.

        Raises:
            ExecutionError: It cannot go on.
        """
        if self._restarted:
            await self.go_on()
            if self._broken is not None:
                raise ExecutionError(self._broken)

    async def broken(self) -> str | None:
        """Return why it could not go on after a restart, or None."""
        return self._broken

    async def _open(self, opening: Opening) -> None:
        self._linger()
        await self.open(
            opening.worker_id, self._shipment, opening.workers, opening.tuning, opening.validate, nodes(), opening
        )

    async def take(self, *arguments: Any, **named: Any) -> Answer:
        """See `Hub.take`. To take in nothing, and say that it went well, would lose what was accepted."""
        with self._somebody():
            await self._come_back()
            return await super().take(*arguments, **named)

    async def ask(self, running: str, question: str, job: str) -> Any:
        """See `Coordinator.ask`."""
        with self._somebody():
            await self._come_back()
            return await super().ask(running, question, job)

    async def news(self, running: str, client: str) -> Answer:
        """See `Coordinator.news`."""
        with self._somebody():
            await self.go_on()
            if self._broken is not None:
                return Answer(None, [Gone(self._broken)])
            return await super().news(running, client)

    async def release(self, running: str, client: str) -> None:
        """See `Coordinator.release`."""
        coordinator = self._coordinators.get(running)
        if coordinator is not None:
            coordinator.release(client)

    async def shut_down(self, running: str) -> None:
        """See `Hub.shut_down`."""
        self._shut = True
        await super().shut_down(running)

    async def describe(self) -> tuple[Opening, Mapping[int, int]]:
        """Return what it was opened with, and the homes by group: for clients that find it by its name."""
        with self._somebody():
            partitions, _ = await self.begin()
            return self._opening, partitions

    # ---- the end of a detached one -------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _somebody(self) -> Iterator[None]:
        """Somebody is there: a client that listens always has a call out."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._called = SystemClock().monotonic()

    def _linger(self) -> None:
        """See to it that a detached job's coordinator does not stay for ever; a running flow (`rt.exec`) waits for work."""
        durable = self._opening.durable
        if self._watcher is None and durable is not None and durable.detached and not (durable.begin and durable.go_on):
            self._watcher = asyncio.ensure_future(self._leave_after(durable.checkpoint.linger_seconds))

    async def _leave_after(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(min(seconds / LOOKS, MOST_SECONDS))
            coordinator = self._coordinators.get(self._opening.worker_id)
            if self._calls or SystemClock().monotonic() < self._called + seconds:
                continue
            if coordinator is not None and not coordinator.at_rest:
                continue
            await self.shut_down(self._opening.worker_id)
            ray.get_runtime_context().current_actor.leave.remote()
            return

    async def leave(self) -> None:
        """End this process; its workers and homes end with it. Ray does not bring back an actor that ends by itself."""
        if self._crew is not None:
            self._crew.end()  # Ray waits for calls that are out, and those that tell of their deaths always are
        ray.actor.exit_actor()  # type: ignore[no-untyped-call]


def _was_restarted() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of what it uses there itself
        return bool(ray.get_runtime_context().was_current_actor_reconstructed)


SavedHubActor: Any = remotes.actor(SavedHub, num_cpus=0, max_restarts=-1)


def start(label: str, name: str, namespace: str, opening: Opening, shipment: Shipment) -> Any:
    """Start a hub and return its handle."""
    lean = opening.lean()
    data = codec.encode((lean, shipment)).data
    pieces = [data[n : n + PIECE_BYTES] for n in range(0, len(data), PIECE_BYTES)]
    assert opening.durable is not None
    lifetime = "detached" if opening.durable.detached else None
    options = {"name": name, "namespace": namespace, "max_concurrency": CALLS, "lifetime": lifetime, **launch.here()}
    return SavedHubActor.options(**options).remote(label, *pieces)
