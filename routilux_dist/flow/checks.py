"""What a value that a user gives may be: one sentence for what is wrong with it, "" for nothing.

Each sentence names the argument, what was given, and what it may be. Whoever asks gathers the sentences, so that all faults
are told at once.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from routilux_dist.errors import ConfigurationError
from routilux_dist.ids import JOB_ID_RULE

#: About thirty years. Longer times overflow the clocks of the system; they mean "for ever", which is None.
LONGEST_SECONDS = 1e9


def refuse(head: str, faults: Iterable[str]) -> None:
    """Raise if there is a fault.

    Raises:
        ConfigurationError: With `head`, all faults in the message, and each in `problems`.
    """
    found = tuple(fault for fault in faults if fault)
    if found:
        raise ConfigurationError(f"{head}: " * bool(head) + "; ".join(found), problems=found)


def number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    unit: str = "",
    none: str = "",
) -> str:
    """Say what is wrong with a number: True, text, nan and the infinite ones are none.

    Args:
        name: The argument.
        value: What was given.
        above: It has to be greater.
        least: It may not be less.
        most: It may not be more.
        unit: What it counts, such as "seconds".
        none: What None means, where it is allowed.
    """
    if value is None and none:
        return ""
    if _is_number(value):
        low = (above is None or value > above) and (least is None or value >= least)
        if low and (most is None or value <= most):
            return ""
    return _fault(name, value, f"{unit or 'a number'}{_bounds(above, least, most)}", none)


def seconds(
    name: str, value: Any, *, above: float | None = None, least: float | None = None, none: str = "no bound"
) -> str:
    """Say what is wrong with a time; see `number`."""
    if _is_number(value, finite=False) and value > LONGEST_SECONDS:
        return f"{name}={value!r}: more than {LONGEST_SECONDS:g} seconds" + (f"; None means {none}" if none else "")
    return number(name, value, above=above, least=least, unit="seconds", none=none)


def whole(name: str, value: Any, *, least: int, most: int | None = None, none: str = "") -> str:
    """Say what is wrong with a count; see `number`."""
    if value is None and none:
        return ""
    if _is_number(value, numbers.Integral) and value >= least and (most is None or value <= most):
        return ""
    return _fault(name, value, f"a whole number{_bounds(None, least, most)}", none)


def flag(name: str, value: Any) -> str:
    """Say what is wrong with a yes or no."""
    return "" if isinstance(value, bool) else _fault(name, value, "True or False", "")


def text(name: str, value: Any, *, example: str, none: str = "") -> str:
    """Say what is wrong with a text, such as `example`; an empty one names nothing."""
    if (value is None and none) or (isinstance(value, str) and value.strip()):
        return ""
    return _fault(name, value, f"a text such as {example!r}", none)


def mapping(name: str, value: Any, *, example: str, none: str = "") -> str:
    """Say what is wrong with a mapping from names, such as `example`."""
    if value is None and none:
        return ""
    if isinstance(value, Mapping):
        wrong = next((key for key in value if not isinstance(key, str)), None)
        return "" if wrong is None else f"{name}={value!r:.80}: its keys are names, {wrong!r} is none"
    return _fault(name, value, f"a mapping such as {example}", none)


def instance(name: str, value: Any, kind: type | tuple[type, ...], *, example: str, none: str = "") -> str:
    """Say what is wrong with an object of a certain class, made for example by `example`."""
    if (value is None and none) or isinstance(value, kind):
        return ""
    return _fault(name, value, example, none)


def function(name: str, value: Any, *, example: str, none: str = "") -> str:
    """Say what is wrong with a function, such as `example`."""
    if (value is None and none) or callable(value):
        return ""
    return _fault(name, value, f"a function such as {example}", none)


def choice(name: str, value: Any, options: Iterable[str]) -> str:
    """Say what is wrong with one of several words."""
    listed = tuple(options)
    if isinstance(value, str) and value in listed:
        return ""
    return f"{name}={value!r:.80}: use one of {', '.join(map(repr, listed))}"


def identifier(name: str, value: Any) -> str:
    """Return the identifier of a job or a running flow that a user chose.

    Raises:
        ConfigurationError: It is not allowed.
    """
    if not isinstance(value, str) or not JOB_ID_RULE.fullmatch(value):
        raise ConfigurationError(
            f"{name} {value!r:.200} is not allowed: letters, digits, '.', '_' and '-', starting with a letter or digit, at most "
            f"128 characters"
        )
    return value


def waiting(timeout: Any) -> float | None:
    """Return how long to wait; as in the standard library, less than nothing is nothing.

    Raises:
        ConfigurationError: It is no time.
    """
    refuse("", [seconds("timeout", timeout, none="for ever")])
    return None if timeout is None else max(0.0, float(timeout))


def _is_number(value: Any, kind: Any = numbers.Real, *, finite: bool = True) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and (not finite or math.isfinite(value))


def _fault(name: str, value: Any, rule: str, none: str) -> str:
    return f"{name}={value!r:.80}: has to be {rule}" + (f", or None for {none}" if none else "")


def _bounds(above: float | None, least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    if above is not None and most is not None:
        return f" greater than {above:g}, at most {most:g}"
    if above is not None:
        return f" greater than {above:g}"
    if least is not None:
        return f" of at least {least:g}"
    return "" if most is None else f" of at most {most:g}"
