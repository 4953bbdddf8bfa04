"""Whether the functions of a routine can be called as they will be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

from routilux_dist.compiler.facts import Facts
from routilux_dist.flow import activation
from routilux_dist.flow.calls import handler_of, is_async, logic_of
from routilux_dist.flow.functions import FunctionRoutine
from routilux_dist.flow.routine import Routine

#: Answers of `misfit`: most routines share their functions with others of their class.
Answers = dict[tuple[Any, bool, int], str]


def misfits(facts: Facts, answers: Answers) -> Iterator[str]:
    """Yield what is wrong with the functions of a routine."""
    routine, declared = facts.routine, facts.routine._declared
    yield from _logic(facts, answers)
    for slot in declared.slots.values():
        handler = handler_of(routine, slot)
        if handler is not None and (why := misfit(handler, 1, answers)):
            yield (
                f"the handler of slot {slot.name!r}, {_shown(handler)}, cannot take the payload: {why}; "
                f"a handler has one parameter"
            )
        if callable(slot.merge) and (why := misfit(slot.merge, 2, answers)):
            yield f"merge= of slot {slot.name!r}, {_shown(slot.merge)}, cannot take (so_far, new): {why}"
        if slot.combine is not None:
            if why := misfit(slot.combine, 2, answers):
                yield f"combine= of slot {slot.name!r}, {_shown(slot.combine)}, cannot take (first, second): {why}"
            if is_async(slot.combine) or inspect.isgeneratorfunction(slot.combine):
                yield (
                    f"combine= of slot {slot.name!r}, {_shown(slot.combine)}, is called and not awaited: write a function "
                    f"without async and yield"
                )
    if isinstance(declared.policy, activation.Custom) and (why := misfit(declared.policy.decide, 1, answers)):
        yield (
            f"the activation policy {_shown(declared.policy.decide)} cannot be asked: {why}; "
            f"it has one parameter, a mapping slot name -> SlotView"
        )
    if declared.state is not None and callable(declared.state.key) and (why := misfit(declared.state.key, 1, answers)):
        yield f"key= of add_state, {_shown(declared.state.key)}, cannot take the payload: {why}"
    for name in ("open", "close", "finish"):
        # Looked up on the class: nearly all routines have the empty ones that they inherit.
        if getattr(type(routine), name) is not getattr(Routine, name):
            yield from _life(getattr(routine, name), name, answers)


def _logic(facts: Facts, answers: Answers) -> Iterator[str]:
    routine, slots = facts.routine, facts.logic_slots
    logic = logic_of(routine)
    if logic is None or not slots:
        return
    if isinstance(routine, FunctionRoutine) and logic is routine.template.function and len(slots) == 1:
        return  # takes its payload by name or as it is; `check_parameters` saw to it when the routine was made
    if why := misfit(logic, len(slots), answers):
        count = "its slot" if len(slots) == 1 else f"its {len(slots)} slots"
        yield (
            f"logic {_shown(logic)} cannot take {count} ({', '.join(slots)}): {why}; "
            f"logic has one parameter per slot without a handler, in the order of declaration"
        )


def _life(method: Callable[..., Any], name: str, answers: Answers) -> Iterator[str]:
    if why := misfit(method, 0, answers):
        yield f"{name}() is called without arguments, but {_shown(method)} needs some: {why}"
    if name != "finish" and (inspect.iscoroutinefunction(method) or inspect.isgeneratorfunction(method)):
        yield f"{name}() is called and not awaited: write def {name}(self) without async and yield"


def misfit(function: Callable[..., Any], count: int, answers: Answers) -> str:
    """Return why a function cannot take `count` positional arguments, "" if it can or nobody knows."""
    bound = isinstance(function, MethodType)
    key = (function.__func__ if isinstance(function, MethodType) else function, bound, count)
    try:
        if key not in answers:
            answers[key] = _misfit(function, count)
        return answers[key]
    except TypeError:  # a callable object that cannot be a key
        return _misfit(function, count)


def _misfit(function: Callable[..., Any], count: int) -> str:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""  # a builtin that does not say
    try:
        signature.bind(*(None,) * count)
    except TypeError as exc:
        return str(exc)
    return ""


def _shown(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None) or type(function).__name__
    try:
        return f"{name}{inspect.signature(function)}"
    except (TypeError, ValueError):
        return str(name)
