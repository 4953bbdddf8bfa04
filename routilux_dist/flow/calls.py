"""Which functions of a routine are called, and how."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from routilux_dist.flow.functions import RoutineFunction
from routilux_dist.flow.ports import Slot
from routilux_dist.flow.routine import Routine


def logic_of(routine: Routine) -> Callable[..., Any] | None:
    """Return the routine's logic: what `set_logic` set, else its method, else None."""
    if routine._declared.logic is not None:
        return routine._declared.logic
    return getattr(routine, "logic", None)


def handler_of(routine: Routine, slot: Slot) -> Callable[..., Any] | None:
    """Return a slot's handler as something to call, or None."""
    if isinstance(slot.handler, str):
        return getattr(routine, slot.handler)  # type: ignore[no-any-return]
    return slot.handler


def functions(routine: Routine) -> list[Callable[..., Any]]:
    """Return the user functions of a routine."""
    handlers = [handler_of(routine, slot) for slot in routine._declared.slots.values()]
    return [f for f in (*handlers, logic_of(routine)) if f is not None]


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a function has to be awaited."""
    if isinstance(function, RoutineFunction):
        function = function.function
    targets = [function]
    if not inspect.isroutine(function):  # an object that can be called; a partial is looked through by inspect
        targets.append(type(function).__call__)
    return any(inspect.iscoroutinefunction(t) or inspect.isasyncgenfunction(t) for t in targets)
