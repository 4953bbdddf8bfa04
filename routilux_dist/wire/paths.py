"""Where a part of a value is: the text that an error names it by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from routilux_dist.wire.registry import Registry

_MAX_VISITS = 1_000_000


def place_of(value: Any, part: Any, registry: Registry) -> str:
    """Return the way to a part of a value, such as "['rows'][3].when"; "" for the value itself or if it is not found."""
    stack: list[tuple[Any, str]] = [(value, "")]
    seen: set[int] = set()
    while stack and len(seen) < _MAX_VISITS:
        here, path = stack.pop()
        if here is part:
            return path
        if id(here) not in seen:
            seen.add(id(here))
            stack.extend(reversed([(member, path + step) for member, step in _members(here, registry)]))
    return ""


def _members(value: Any, registry: Registry) -> Iterator[tuple[Any, str]]:
    kind = type(value)
    if kind is dict:
        for key, member in value.items():
            yield member, f"[{key!r:.80}]"
            yield key, f".keys()[{key!r:.80}]"
    elif kind is list or kind is tuple:
        for place, member in enumerate(value):
            yield member, f"[{place}]"
    elif kind is set or kind is frozenset:
        for member in value:
            yield member, f".{{{member!r:.80}}}"
    elif registry.of(kind) is not None:
        yield from _attributes(value)
        if isinstance(value, tuple):
            yield from zip(value, (f".{name}" for name in getattr(value, "_fields", ())))
    elif isinstance(value, BaseException):
        for place, member in enumerate(value.args):
            yield member, f".args[{place}]"
        yield from _attributes(value)
    else:
        yield getattr(value, "tzinfo", None), ".tzinfo"


def _attributes(value: Any) -> Iterator[tuple[Any, str]]:
    for name in [*getattr(value, "__dict__", ()), *getattr(type(value), "__slots__", ())]:
        if hasattr(value, name):
            yield getattr(value, name), f".{name}"
