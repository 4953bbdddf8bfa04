"""Declared state of a routine, and which partition a key belongs to."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from routilux_dist.errors import ConfigurationError, ValidationError

Key: TypeAlias = str | Callable[[Any], Any] | None


@dataclass(slots=True)
class StateDeclaration:
    """What `add_state` declared.

    Attributes:
        initial: Initial values; each new state starts with copies.
        scope: "job" (one state per job) or "worker" (one per running flow).
        key: None, the name of a field of the payload, or a function of the payload.
    """

    initial: dict[str, Any] = field(default_factory=dict)
    scope: str = "job"
    key: Key = None

    def extend(self, values: Mapping[str, Any], scope: str, key: Key) -> None:
        """Add further values; scope and key hold for all state of a routine.

        Raises:
            ConfigurationError: The scope or the key is none, or there is another key already.
        """
        if scope not in ("job", "worker"):
            raise ConfigurationError(f"add_state(scope={scope!r}): the scope is 'job' or 'worker'")
        if key is not None and not isinstance(key, str) and not callable(key):
            raise ConfigurationError(f"add_state(key={key!r}): a field name or a function of the payload")
        if None not in (key, self.key) and key != self.key:
            raise ConfigurationError(
                f"add_state(key={key!r}): the routine's state is keyed by {self.key!r} already; "
                f"all state of a routine has one key: combine them in a function that returns a tuple"
            )
        self.initial.update(values)
        self.scope = scope if self.scope == "job" else self.scope
        self.key = key if key is not None else self.key


def key_of(key: Key, payload: Any) -> Any:
    """Return the key of a payload.

    Raises:
        ValidationError: The payload has no such field.
    """
    if key is None:
        return None
    if not isinstance(key, str):
        return key(payload)
    if isinstance(payload, Mapping):
        try:
            return payload[key]
        except KeyError:
            raise ValidationError(
                f"the state is keyed by {key!r}, but the payload has no such field; "
                f"it has {sorted(map(str, payload))[:8]}"
            ) from None
    try:
        return getattr(payload, key)
    except AttributeError:
        raise ValidationError(
            f"the state is keyed by {key!r}, but a {type(payload).__name__} has no such field; "
            f"emit a dict with {key!r}, or declare key= as a function of the payload"
        ) from None


def partition_of(key: Any, partitions: int) -> int:
    """Return the partition (0 ≤ p < `partitions`) of a key; equal keys go to the same one in every process."""
    number = fingerprint(key)  # also where there is only one: a bad key is bad everywhere
    return number % partitions if partitions > 1 else 0


def fingerprint(key: Any) -> int:
    """Return a number that is the same for equal keys, in every process.

    Python's own hash differs between processes for text, so text goes through CRC-32; and so do numbers, because keys
    such as 10, 20, 30 would otherwise share few of the partitions.

    Raises:
        ValidationError: A value of this type cannot be a key.
    """
    if isinstance(key, str):
        return zlib.crc32(key.encode("utf-8", "surrogatepass"))
    if isinstance(key, (int, float)) and key == key:  # bool and IntEnum too; equal numbers have equal hashes
        number = int(key) if isinstance(key, int) else float(key)
        return zlib.crc32((hash(number) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big"))
    if isinstance(key, enum.Enum):
        return zlib.crc32(key.name.encode("utf-8", "surrogatepass"))
    if isinstance(key, bytes):
        return zlib.crc32(key)
    if key is None:
        return 0
    if isinstance(key, tuple):
        return zlib.crc32(b"".join(fingerprint(k).to_bytes(4, "big") for k in key), 1)
    if isinstance(key, frozenset):
        return sum(fingerprint(k) for k in key) & 0xFFFFFFFF
    raise ValidationError(
        f"a {type(key).__name__} cannot be a state key: {key!r:.80}; "
        f"use str, bytes, numbers other than nan, None, Enum, or tuples of these"
    )
