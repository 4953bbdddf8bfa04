"""Slots and events: where messages enter and leave a routine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks, merging, naming

if TYPE_CHECKING:
    from routilux_dist.flow.routine import Routine

#: A handler is a function, or the name of a method of the routine.
Handler: TypeAlias = str | Callable[..., Any] | None
F = TypeVar("F", bound=Callable[..., Any])

#: The event that every routine has.
ERROR_EVENT = "error"


class Slot:
    """One input of a routine.

    As a decorator it sets its handler: ``@routine.define_slot("input")``.
    """

    __slots__ = ("combine", "handler", "merge", "name", "required", "routine")

    def __init__(
        self,
        routine: Routine,
        name: str,
        handler: Handler,
        merge: merging.Merge,
        combine: merging.Combine,
        required: bool,
    ) -> None:
        self.routine = routine
        self.name = naming.check("slot", name)
        self.handler = handler
        self.merge = merging.check(name, merge)
        self.combine = merging.check_combine(name, combine, merge)
        checks.refuse(f"slot {name!r}", [checks.flag("required", required)])
        self.required = required

    def __call__(self, handler: F) -> F:
        self.routine._declare("set_handler", self.name, handler)
        return handler

    def __repr__(self) -> str:
        return f"Slot({self.routine._label}.{self.name})"


class Event:
    """One output of a routine."""

    __slots__ = ("name", "required", "routine")

    def __init__(self, routine: Routine, name: str, required: bool) -> None:
        checks.refuse(f"event {name!r}", [checks.flag("required", required)])
        self.routine = routine
        self.name = naming.check("event", name)
        self.required = required

    def connect(self, slot: Slot) -> Event:
        """Connect this event to a slot of the same flow.

        Raises:
            ConfigurationError: One of the routines is in no flow yet, or they are in different ones.
        """
        if not isinstance(slot, Slot):
            raise ConfigurationError(f"event {self!r} connects to a slot, got {slot!r}; use routine.get_slot(name)")
        source, target = self.routine._declared, slot.routine._declared
        if source.flow is None or target.flow is None:
            loose = self.routine if source.flow is None else slot.routine
            raise ConfigurationError(
                f"routine {loose._label!r} is in no flow yet: call flow.add_routine(...) before connecting it"
            )
        if source.flow is not target.flow:
            raise ConfigurationError(
                f"cannot connect {source.flow.name}:{source.id}.{self.name} to "
                f"{target.flow.name}:{target.id}.{slot.name}: an event connects to slots of its own flow; "
                f"add both routines to one flow"
            )
        source.flow.connect(f"{source.id}.{self.name}", f"{target.id}.{slot.name}")
        return self

    def __repr__(self) -> str:
        return f"Event({self.routine._label}.{self.name})"
