"""What a client holds of a running flow, whichever backend runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from routilux_dist.checkpoint.options import Checkpoint
from routilux_dist.coordinator.events import ControlAsked, Posted, RetryAsked
from routilux_dist.driver.driver import News
from routilux_dist.flow.guards import Guard
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.routine import Routine
from routilux_dist.plan.plan import GroupKind, Plan
from routilux_dist.plan.tuning import Tuning
from routilux_dist.wire.codec import PICKLE, Codec

OnNews = Callable[[list[News]], None]

#: Seconds that what is running has to come to its end when a running flow is shut down.
DRAIN_SECONDS = 10.0


class Session(Protocol):
    """A running flow."""

    @property
    def packed(self) -> bool:
        """Whether bodies of posted blocks have to be encoded."""
        ...

    @property
    def partitions(self) -> Mapping[int, int]:
        """Number of homes, by index of stateful groups."""
        ...

    def post(self, event: Posted) -> None:
        """Send messages; returns when they are on their way, waits while the flow is full."""
        ...

    def control(self, event: ControlAsked | RetryAsked) -> None:
        """Send a request."""
        ...

    def ask(self, question: str, job: str = "") -> Any:
        """Return the answer to a question, see `Driver.ask`."""
        ...

    def stop(self) -> None:
        """Begin to close, where that takes time: what runs comes to its end, and nothing new begins. Waits for nothing."""

    def close(self) -> None:
        """End the running flow: jobs that have not ended are cancelled, or left where they are saved."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Durable:
    """How a running flow is made durable.

    Attributes:
        checkpoint: Store and durability.
        run: Name of the run in the store.
        begin: Whether the run may begin; else it has to be there.
        go_on: Whether it may be there; else it has to begin.
        detached: Whether it outlives the process that opens it.
        force: Whether it is tried also if it is quarantined.
        schemas: See `durable.Setting`.
    """

    checkpoint: Checkpoint
    run: str
    begin: bool = True
    go_on: bool = False
    detached: bool = False
    force: bool = False
    schemas: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a backend needs to run a flow.

    Attributes:
        plan: The plan.
        routines: The user's routine objects by id; copies of them are run.
        flow_handler: The flow's error handler.
        guards: What the state of routines has to be like.
        workers: Slices that may run at once.
        tuning: How work is cut.
        validate: Check the machine's invariants after every event.
        worker_id: Name of the running flow.
        client_id: Name of the client that opens it.
        own: Whether it gets a coordinator process of its own.
        codec: How bodies are encoded: a typed one if they are to be stored.
        durable: Where and how it is made durable, or None.
    """

    plan: Plan
    routines: Mapping[str, Routine]
    flow_handler: ErrorHandler | None
    workers: int
    tuning: Tuning
    validate: bool
    worker_id: str
    client_id: str
    own: bool = True
    codec: Codec = PICKLE
    durable: Durable | None = None
    guards: tuple[Guard, ...] = ()

    def lean(self) -> Opening:
        """Return it without the routines, for a coordinator."""
        return dataclasses.replace(self, routines={}, flow_handler=None, guards=())

    def again(self) -> Opening:
        """Return it for a coordinator that takes the place of another one."""
        assert self.durable is not None
        return dataclasses.replace(self, durable=dataclasses.replace(self.durable, begin=True, go_on=True, force=False))

    def partitions(self, homes: int) -> dict[int, int]:
        """Return the number of homes by group, with `homes` for groups that leave it open."""
        return {g.index: g.homes(homes) for g in self.plan.groups if g.kind is GroupKind.SHARDS}
