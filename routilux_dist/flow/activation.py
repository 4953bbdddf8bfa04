"""When `logic` runs: activation policies.

A policy is plain data. Which messages wait is known to the worker that runs the routine; it asks the policy.
All policies count per job, and per key when the routine's state is keyed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks


@dataclass(frozen=True, slots=True)
class AllReady:
    """Run when every slot has a message; take the oldest of each."""

    def __str__(self) -> str:
        return "all_ready()"


@dataclass(frozen=True, slots=True)
class Immediate:
    """Run for every message, whichever slot it came to; the other slots get `None`."""

    def __str__(self) -> str:
        return "immediate()"


@dataclass(frozen=True, slots=True)
class Batch:
    """Run with lists of `size` payloads; what is left is flushed after `timeout` seconds or at the end of the job."""

    size: int
    timeout: float | None = None

    def __post_init__(self) -> None:
        checks.refuse(
            "rd.batch(n, timeout=None)",
            (
                checks.whole("n", self.size, least=1),
                checks.seconds("timeout", self.timeout, above=0, none="waiting for the end of the job"),
            ),
        )

    def __str__(self) -> str:
        return f"batch({self.size})" if self.timeout is None else f"batch({self.size}, timeout={self.timeout:g})"


@dataclass(frozen=True, slots=True)
class Every:
    """Run `seconds` after the first waiting message, with lists of all that came."""

    seconds: float

    def __post_init__(self) -> None:
        checks.refuse("rd.every(seconds)", [checks.seconds("seconds", self.seconds, above=0, none="")])

    def __str__(self) -> str:
        return f"every({self.seconds:g})"


@dataclass(frozen=True, slots=True)
class SlotView:
    """What a custom policy sees of one slot: the waiting payloads, oldest first."""

    name: str
    payloads: Sequence[Any]

    def __len__(self) -> int:
        return len(self.payloads)

    def __bool__(self) -> bool:
        return len(self.payloads) > 0


#: Falsy: wait. True: take everything waiting. A mapping slot -> count: take that many of each.
CustomAnswer: TypeAlias = bool | Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Custom:
    """Run when the user's function says so; it is asked after each arrival."""

    decide: Callable[[Mapping[str, SlotView]], CustomAnswer]

    def __str__(self) -> str:
        return f"custom({getattr(self.decide, '__name__', 'function')})"


Policy: TypeAlias = AllReady | Immediate | Batch | Every | Custom


def all_ready() -> Policy:
    """Run `logic` when every slot has a message: one message of each. The default."""
    return AllReady()


def immediate() -> Policy:
    """Run `logic` for any message on any slot; the arguments of the other slots are `None`."""
    return Immediate()


def batch(n: int, timeout: float | None = None) -> Policy:
    """Run `logic` with a list of `n` payloads per slot.

    Args:
        n: Size of a batch, at least 1.
        timeout: Flush a smaller batch this many seconds after its first message. Without it the rest waits for the
            end of the job, where it is always flushed.

    Raises:
        ConfigurationError: `n` or `timeout` is out of range.
    """
    return Batch(n, timeout)


def every(seconds: float) -> Policy:
    """Run `logic` `seconds` after the first waiting message, with a list of all that came meanwhile per slot."""
    return Every(seconds)


def is_direct(policy: Policy, slots: int) -> bool:
    """Whether logic with so many slots runs for each message as it comes, so that none waits."""
    return isinstance(policy, Immediate) or (isinstance(policy, AllReady) and slots <= 1)


def as_policy(value: object) -> Policy:
    """Accept a policy or a function over slot views.

    Raises:
        ConfigurationError: it is neither.
    """
    if isinstance(value, (AllReady, Immediate, Batch, Every, Custom)):
        return value
    if callable(value) and value not in (all_ready, immediate, batch, every):
        return Custom(value)
    raise ConfigurationError(
        f"activation policy has to be rd.all_ready(), rd.immediate(), rd.batch(n), rd.every(s) or a function, "
        f"got {value!r}"
    )
