"""Names of routines, slots and events, and what to say about a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from routilux_dist.errors import ConfigurationError
from routilux_dist.ids import NAME_RULE


def check(kind: str, name: object) -> str:
    """Return `name` if it may name a `kind`, else raise `ConfigurationError`."""
    if not isinstance(name, str):
        raise ConfigurationError(f"{kind} name has to be a str, got {type(name).__name__}: {name!r}")
    if not NAME_RULE.fullmatch(name):
        raise ConfigurationError(
            f"{kind} name {name!r} is not allowed: letters, digits, '_' and '-' only, starting with a letter or '_', "
            f"at most 128 characters; try {suggest_name(name)!r}"
        )
    return name


def suggest_name(text: str) -> str:
    """Make an allowed name that looks like `text`."""
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in text.strip())[:120]
    return cleaned if NAME_RULE.fullmatch(cleaned) else f"_{cleaned}"


def did_you_mean(name: str, known: Iterable[str], what: str) -> str:
    """Return the tail of an error message: the closest known names, or all of them."""
    options = sorted(known)
    if not options:
        return f"it has no {what}"
    close = difflib.get_close_matches(name, options, n=1)
    listed = ", ".join(repr(o) for o in options[:12]) + (", …" if len(options) > 12 else "")
    return (f"did you mean {close[0]!r}? " if close else "") + f"known {what}: {listed}"
