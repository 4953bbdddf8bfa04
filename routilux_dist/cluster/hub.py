"""The actor that coordinators live in."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Mapping
from typing import Any

import ray

from routilux_dist.clock import SystemClock
from routilux_dist.cluster import launch, remotes
from routilux_dist.cluster.coordinator import SHUT_DOWN, Coordinator
from routilux_dist.cluster.crew import IDLE_SECONDS, Crew
from routilux_dist.cluster.inbox import Answer
from routilux_dist.cluster.launch import RayHands
from routilux_dist.cluster.wires import Door, Doorway, End, NotLightError
from routilux_dist.coordinator.events import Event
from routilux_dist.driver.driver import Gone
from routilux_dist.driver.session import Opening
from routilux_dist.errors import ExecutionError
from routilux_dist.plan.tuning import Tuning
from routilux_workers.entry import Shipment

#: Concurrent calls of a hub: clients that wait for news or for the door.
CALLS = 10_000


_GONE = Answer(None, [Gone(SHUT_DOWN)])


class Hub:
    """A process that holds coordinators, by running flow.

    A flow started with `rt.exec` has one of its own. The flows that a runtime runs in passing share one, because starting a
    process takes longer than most of them.
    """

    def __init__(self, label: str, first: launch.Started | None = None) -> None:
        self._label = label
        #: The first member of the crew, if whoever made this process has started that one, too.
        self._first = first
        self._coordinators: dict[str, Coordinator] = {}
        self._crew: Crew | None = None
        self._doorway: Doorway | None = None
        #: Doors for clients, by running flow, and calls that came through them and are not answered yet.
        self._doors: dict[str, Door] = {}
        self._answering: set[asyncio.Task[None]] = set()
        #: Answers with references in them, which Ray has to bring, by the number under which they are asked for.
        self._apart: dict[int, Answer] = {}
        self._numbers = itertools.count()

    async def open(
        self,
        running: str,
        shipment: Shipment,
        workers: int,
        tuning: Tuning,
        validate: bool,
        nodes: Mapping[str, Mapping[str, float]],
        opening: Opening | None = None,
    ) -> Door:
        """Start the coordinator of a flow; return how its client may connect.

        Args:
            running: Identifier of the running flow.
            shipment: Its plan and its routines.
            workers: Slices that may run at once.
            tuning: How work is cut.
            validate: Check the machine's invariants after every event.
            nodes: Resources of each living node, by its id.
            opening: How it is saved, if it is.
        """
        if self._crew is None:
            cpus = {node: has.get("CPU", 0.0) for node, has in nodes.items()}
            self._doorway = Doorway(ray.get_runtime_context().get_node_id())
            self._crew = Crew(
                RayHands({n: c for n, c in cpus.items() if c > 0}, self._doorway, self._first),
                most=2 * max(1, int(sum(cpus.values()))),
            )
            self._first = None
            self._sweep(self._crew)
            await self._doorway.open()
        found = Coordinator(shipment, running, workers, tuning, validate, list(nodes.values()), self._crew, opening)
        self._coordinators[running] = found
        assert self._doorway is not None
        door = self._doors[running] = self._doorway.expect(self._connected)
        return door

    def _connected(self, end: End) -> None:
        end.hear = functools.partial(self._asked, end)

    def _asked(self, end: End, message: Any) -> None:
        task = asyncio.ensure_future(self._answer(end, *message))
        self._answering.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._answering.discard)

    async def _answer(self, end: End, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        try:
            answer = await (self.take if method == "take" else self.news)(*arguments)
        except Exception as exc:
            try:
                end.send((number, None, exc))
            except NotLightError:
                end.send((number, None, ExecutionError(f"{type(exc).__name__}: {exc}")))
            return
        try:
            end.send((number, answer, None))
        except NotLightError:
            apart = next(self._numbers)
            self._apart[apart] = answer
            end.send((number, apart, None))

    async def rest(self, apart: int) -> Answer:
        """Return an answer that could not go through the socket."""
        return self._apart.pop(apart)

    def _sweep(self, crew: Crew) -> None:
        crew.sweep(SystemClock().monotonic())
        asyncio.get_running_loop().call_later(IDLE_SECONDS / 2, self._sweep, crew)

    async def take(
        self,
        running: str,
        events: list[Event],
        client: str = "",
        linger: bool = False,
        turn: tuple[str, int] | None = None,
    ) -> Answer:
        """See `Coordinator.take`.

        Args:
            running: The running flow.
            events: What happened.
            client: Who is told what is new.
            linger: Wait a moment for what these events lead to.
            turn: Who calls, and the number of the call; None for calls that need no order.
        """
        coordinator = self._coordinators.get(running)
        if coordinator is None:
            return _GONE
        if turn is not None:
            await coordinator.line(turn[0]).turn(turn[1])
        return await coordinator.take(events, client, linger)

    async def news(self, running: str, client: str) -> Answer:
        """See `Coordinator.news`."""
        coordinator = self._coordinators.get(running)
        if coordinator is None:
            return _GONE
        answer = await coordinator.news(client)
        if not answer.news and coordinator.closed:
            self._coordinators.pop(running, None)  # its last news were fetched
            return coordinator.last_words(client)
        return answer

    async def ask(self, running: str, question: str, job: str) -> Any:
        """See `Coordinator.ask`."""
        coordinator = self._coordinators.get(running)
        return None if coordinator is None else coordinator.ask(question, job)

    async def shut_down(self, running: str) -> None:
        """End a running flow. It stays until its client has fetched how its jobs ended."""
        coordinator = self._coordinators.get(running)
        if running in self._doors and self._doorway is not None:
            self._doorway.forget(self._doors.pop(running))
        if coordinator is not None:
            await coordinator.shut_down()

    async def running(self) -> list[str]:
        """Return the running flows."""
        return list(self._coordinators)

    def __repr__(self) -> str:
        return f"Coordinator({self._label})"


HubActor: Any = remotes.actor(Hub, num_cpus=0)


def start(label: str, name: str, namespace: str, first: launch.Started | None) -> Any:
    """Start a hub and return its handle; `first` is a member of its crew that was started already, see `launch.begun`."""
    options = {"name": name, "namespace": namespace, "max_concurrency": CALLS, **launch.here()}
    return HubActor.options(**options).remote(label, first)
