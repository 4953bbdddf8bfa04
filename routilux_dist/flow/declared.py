"""What a routine has declared, and the declarations: each can be carried out again on a copy."""

from __future__ import annotations

import enum
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import activation, merging, options
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.ports import Event, Handler, Slot
from routilux_dist.flow.state import Key, StateDeclaration

if TYPE_CHECKING:
    from routilux_dist.flow.model import FlowModel
    from routilux_dist.flow.routine import Routine


class Phase(enum.Enum):
    """Where a routine object stands in its life."""

    INIT = "init"  #: the constructor runs
    SETUP = "setup"  #: `setup()` runs
    READY = "ready"  #: belongs to the user; changes are recorded
    OPEN = "open"  #: a worker's copy, `open()` runs
    RUNNING = "running"  #: a worker's copy, read-only


#: A call made after `setup()`, to be made again on copies: (method, args, kwargs).
Call = tuple[str, tuple[Any, ...], dict[str, Any]]


class Declared:
    """Everything a routine has declared. Read by the compiler and the workers."""

    __slots__ = (
        *("args", "changes", "kwargs", "late", "phase", "slots", "events", "config"),
        *("policy", "state", "handler", "logic", "options", "flow", "id"),
    )

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.late: list[Call] = []
        #: How often something was declared or assigned after `setup()`: tells a running flow that it is out of date.
        self.changes = 0
        self.phase = Phase.INIT
        self.slots: dict[str, Slot] = {}
        self.events: dict[str, Event] = {}
        self.config: dict[str, Any] = {}
        self.policy: activation.Policy = activation.AllReady()
        self.state: StateDeclaration | None = None
        self.handler: ErrorHandler | None = None
        self.logic: Callable[..., Any] | None = None
        self.options = options.DEFAULT
        self.flow: FlowModel | None = None
        self.id = ""


class Own:
    """Stands for a method of the routine itself: bound to the original, it would tie each copy to it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def to_record(routine: Routine, value: Any) -> Any:
    """Return a value as it is recorded for copies."""
    if isinstance(value, MethodType) and value.__self__ is routine:
        name = value.__func__.__name__
        return Own(name) if getattr(type(routine), name, None) is value.__func__ else value
    return value


def from_record(routine: Routine, value: Any) -> Any:
    """Return a recorded value as it is meant for this routine."""
    return getattr(routine, value.name) if isinstance(value, Own) else value


def _add_slot(
    routine: Routine,
    name: str,
    handler: Handler = None,
    merge: merging.Merge = None,
    *,
    combine: merging.Combine = None,
    required: bool = True,
) -> Slot:
    declared = routine._declared
    if name in declared.slots:
        raise ConfigurationError(f"routine {routine._label!r} has a slot {name!r} already; slot names are unique")
    _check_handler(routine, name, handler)
    slot = declared.slots[name] = Slot(routine, name, handler, merge, combine, required)
    return slot


def _check_handler(routine: Routine, slot: str, handler: Any) -> None:
    if handler is None or callable(handler):
        return
    if not isinstance(handler, str) or not callable(getattr(type(routine), handler, None)):
        raise ConfigurationError(
            f"routine {routine._label!r}, slot {slot!r}: handler has to be a function or the name of a method, "
            f"got {handler!r}"
        )


def _set_handler(routine: Routine, slot: str, handler: Handler) -> None:
    _check_handler(routine, slot, handler)
    routine.get_slot(slot).handler = handler


def _add_event(routine: Routine, name: str, *, required: bool = False) -> Event:
    declared = routine._declared
    if name in declared.events:
        raise ConfigurationError(f"routine {routine._label!r} has an event {name!r} already; event names are unique")
    event = declared.events[name] = Event(routine, name, required)
    return event


def _add_state(routine: Routine, *, scope: str, key: Key, **initial: Any) -> None:
    declared = routine._declared
    if declared.state is None:
        declared.state = StateDeclaration()
    declared.state.extend(initial, scope, key)


def _set_policy(routine: Routine, policy: object) -> None:
    routine._declared.policy = activation.as_policy(policy)


def _set_logic(routine: Routine, logic: Callable[..., Any] | str) -> None:
    function = getattr(routine, logic, None) if isinstance(logic, str) else logic
    if not callable(function):
        raise ConfigurationError(f"routine {routine._label!r}: set_logic takes a function, got {logic!r}")
    routine._declared.logic = function


def _set_config(routine: Routine, **values: Any) -> None:
    routine._declared.config.update(values)


def _set_options(routine: Routine, **values: Any) -> None:
    routine._declared.options = routine._declared.options.replace(**values)


def _set_error_handler(routine: Routine, handler: ErrorHandler) -> None:
    routine._declared.handler = handler


DECLARATIONS: dict[str, Callable[..., Any]] = {
    "add_slot": _add_slot,
    "set_handler": _set_handler,
    "add_event": _add_event,
    "add_state": _add_state,
    "set_activation_policy": _set_policy,
    "set_logic": _set_logic,
    "set_config": _set_config,
    "set_options": _set_options,
    "set_error_handler": _set_error_handler,
}
