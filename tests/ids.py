"""Names for parameters that are the same in every process: tests are shared among several."""

from __future__ import annotations

import re


def named(value: object, most: int = 30) -> str:
    """Return what a value looks like, without its address; a set with its members in order."""
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({', '.join(sorted(map(repr, value)))})"[:most]
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:most]
