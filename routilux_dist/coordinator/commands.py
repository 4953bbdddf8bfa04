"""What should be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from routilux_dist.coordinator.events import TimerKey
from routilux_dist.wire.block import Block
from routilux_dist.wire.failure import Failure, Letter
from routilux_dist.wire.slices import Slice


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Have a worker run a slice; answer with `SliceFinished` or `SliceLost`."""

    slice: Slice


@dataclass(frozen=True, slots=True)
class Abort:
    """Nobody wants a slice any more: tell whoever runs it; with `force`, end the process if that is what it takes."""

    slice_id: int
    force: bool


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Answer with `TimerFired(key)` at `at` (seconds, monotonic)."""

    key: TimerKey
    at: float


@dataclass(frozen=True, slots=True)
class SetDoor:
    """Let producers go on, or make them wait: entry messages fill the space that is theirs."""

    open: bool


@dataclass(frozen=True, slots=True)
class Advise:
    """Tell producers how many messages a block for a port should hold."""

    rows: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Tell a client how a job ended."""

    client: str
    job: str
    status: str
    outputs: tuple[Block, ...] = ()
    failure: Failure | None = None
    failures: tuple[Failure, ...] = ()
    letters: tuple[Letter, ...] = ()
    data: Any = None
    summary: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Hand a stream's outputs and the progress of its items to its client."""

    client: str
    job: str
    outputs: tuple[Block, ...]
    #: (ranges, singles, added), see `wire.slices.Receipt.items`.
    items: Any
    letters: tuple[Letter, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Tell a client that what it asked for cannot be done."""

    client: str
    job: str
    reason: str


Command = Dispatch | Abort | SetTimer | SetDoor | Advise | Report | Deliver | Refuse
