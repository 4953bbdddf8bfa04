"""Steps: what a host calls for a message at one port."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from routilux_dist.errors import StateError, ValidationError
from routilux_dist.flow.context import ACTIVITY
from routilux_dist.flow.functions import by_name
from routilux_dist.flow.handling import ErrorHandler
from routilux_dist.flow.ports import ERROR_EVENT
from routilux_dist.flow.routine import MISSING, Routine, join_payload

if TYPE_CHECKING:
    from routilux_workers.activity import Activity
    from routilux_workers.outbox import Outbox
    from routilux_workers.stateful import StatefulRoutine

#: Event -> (steps of this host, outboxes) that receive it.
Routes = dict[str, tuple[tuple["Step", ...], tuple["Outbox", ...]]]

#: (step, payload, hops)
Message = tuple["Step", Any, int]


class Step:
    """One port of a routine of this host."""

    __slots__ = (
        "call",
        "control",
        "count",
        "errors",
        "handler",
        "index",
        "port",
        "returned",
        "routes",
        "routine_id",
        "slot",
        "sole",
        "stateful",
        "timeout",
    )  # fmt: skip

    def __init__(self, port: int, slot: str, routine_id: str, index: int, handler: ErrorHandler) -> None:
        self.port, self.slot, self.routine_id, self.index, self.handler = port, slot, routine_id, index, handler
        #: Runs user code on a payload and returns what it returned.
        self.call: Callable[[Any], Any]
        self.routes: Routes = {}
        #: Emits what the user's function returned, if that is not None.
        self.returned: Callable[[Any], None]
        #: The only receiver of what is returned, if there is just one and it is on this host.
        self.sole: Step | None = None
        self.stateful: StatefulRoutine | None = None
        #: Whether it serves control blocks, which are no messages.
        self.control = False
        #: Seconds an async activation may take, or None.
        self.timeout: float | None = None
        #: Activations and errors since the host last turned to another job.
        self.count = 0
        self.errors = 0


def make_emit(routine_id: str, routes: Routes, activity: Activity) -> Callable[..., None]:
    """Return the `emit` of a routine on this host: a closure, because it is called for every message.

    It raises where no activation of the host runs, such as in `open()` or in a thread of its own: that message would be lost.
    """
    push, box = activity.local.append, activity.boxed.append
    missing, running = MISSING, ACTIVITY.get

    def emit(event: str, payload: Any = missing, /, **fields: Any) -> None:
        if payload is missing:
            payload = fields
        elif fields:
            join_payload(event, payload, fields)
        try:
            local, outboxes = routes[event]
        except KeyError:
            # Same name, slow path: it raises the error that explains.
            activity.emit(event, payload)
            return
        if running(None) is not activity:
            raise StateError(
                f"routine {routine_id!r} cannot emit {event!r} now: emit works inside logic, a handler or finish, in the thread "
                f"that runs them; to send what another thread found, wait for it there"
            )
        depth = activity.depth
        for step in local:
            push((step, payload, depth))
        for outbox in outboxes:
            box((outbox, payload, depth))

    return emit


def default_event(routine: Routine) -> str | None:
    """Return the event that returned values go to: the only one, or "output"."""
    events = [e for e in routine._declared.events if e != ERROR_EVENT]
    return events[0] if len(events) == 1 else "output" if "output" in events else None


def make_returned(step: Step, routine: Routine, activity: Activity) -> Callable[[Any], None]:
    """Return what emits a returned value on the routine's default event."""

    def returned(value: Any) -> None:
        emit_returned(activity, step, routine, value)

    if (default := default_event(routine)) is None:
        return returned

    def emit_default(value: Any) -> None:
        local, outboxes = step.routes[default]
        depth = activity.depth
        if type(value) is GeneratorType and not local and len(outboxes) == 1:
            (outbox,), box = outboxes, activity.boxed.append
            for item in outbox.bundled(activity, value):
                box((outbox, item, depth))
            return
        for item in value if type(value) is GeneratorType else (value,):
            for target in local:
                activity.local.append((target, item, depth))
            for outbox in outboxes:
                activity.boxed.append((outbox, item, depth))

    return emit_default


def sole_receiver(step: Step, routine: Routine) -> Step | None:
    """Return the only step that receives a routine's returned values, or None."""
    local, outboxes = step.routes.get(default_event(routine) or "", ((), ()))
    return local[0] if len(local) == 1 and not outboxes else None


def emit_returned(activity: Activity, step: Step, routine: Routine, value: Any) -> None:
    """Emit a returned value; a generator's items one by one.

    Raises:
        ValidationError: The routine has several events and none is the default.
    """
    default = default_event(routine)
    events = [e for e in routine._declared.events if e != ERROR_EVENT]
    if default is None and events:
        raise ValidationError(
            f"routine {step.routine_id!r} returned a value, but has {len(events)} events ({', '.join(events)}) and none is "
            f"called 'output': use self.emit(event, value)"
        )
    for item in value if type(value) is GeneratorType else (value,):
        if default is not None:  # without any event, running the generator is all there is to do
            activity.emit(default, item)


def as_call(function: Callable[..., Any], routine_id: str, single: bool) -> Callable[[Any], Any]:
    """Return a function of one payload.

    Args:
        function: A handler, or logic with one slot, or a routine function.
        routine_id: For messages.
        single: Whether it takes the payload as it is, however many parameters it has (methods, handlers).
    """
    if single or not by_name(function):
        return function
    accepted = inspect.signature(function).parameters.values()
    open_ended = any(p.kind is p.VAR_KEYWORD for p in accepted)
    names = [p.name for p in accepted if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    who = f"routine {routine_id!r} (function {getattr(function, '__name__', repr(function))})"
    needed = [p.name for p in accepted if p.name in names and p.default is p.empty]

    def call(payload: Any) -> Any:
        try:
            return function(**payload)
        except TypeError as exc:
            if exc.__traceback__ is not None and exc.__traceback__.tb_next is not None:
                raise  # raised inside the function
            raise ValidationError(explain_misfit(who, payload, names, needed, open_ended)) from None

    return call


def explain_misfit(who: str, payload: Any, names: list[str], needed: list[str], open_ended: bool) -> str:
    """Say why a payload cannot be passed by name."""
    if not isinstance(payload, dict):
        return (
            f"{who} takes {', '.join(names)} by name, so its payload has to be a dict; got {type(payload).__name__}; "
            f"send a dict, or give the function one parameter"
        )
    missing = [n for n in needed if n not in payload]
    unknown = [] if open_ended else [str(k) for k in payload if k not in names]
    parts = [f"missing {', '.join(missing)}"] if missing else []
    parts += [f"unknown {', '.join(unknown)}"] if unknown else []
    hint = "; take **rest to let unknown fields pass" if unknown else ""
    return (
        f"{who} takes {', '.join(names)} by name; the payload does not fit: {'; '.join(parts) or 'not all keys are text'} "
        f"(it has {', '.join(map(str, payload)) or 'no fields'}){hint}"
    )
