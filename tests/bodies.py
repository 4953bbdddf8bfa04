"""Every encoded body in anything, for tests of what is in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from routilux_dist.wire.block import Packed, Rows


def bodies(thing: Any) -> Iterator[Packed | Rows]:
    """Yield the bodies in records, lists, tuples and mappings, however deep."""
    if isinstance(thing, Packed | Rows):
        yield thing
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        for field in dataclasses.fields(thing):
            yield from bodies(getattr(thing, field.name))
    elif isinstance(thing, Mapping):
        for one in thing.values():
            yield from bodies(one)
    elif isinstance(thing, list | tuple | set | frozenset):
        for one in thing:
            yield from bodies(one)
