"""The routine: what users write.

A routine object is a description. Copies of it run on workers: the constructor is called again with the recorded
arguments, `setup()` runs again, and every declaration or attribute that came later is replayed in order.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from routilux_dist.errors import ConfigurationError, StateError
from routilux_dist.flow import activation, checks, context, merging, naming, options
from routilux_dist.flow.declared import DECLARATIONS, Call, Declared, from_record, to_record
from routilux_dist.flow.declared import Phase as Phase
from routilux_dist.flow.handling import ErrorHandler, ErrorStrategy
from routilux_dist.flow.ports import ERROR_EVENT, Event, Handler, Slot
from routilux_dist.flow.state import Key

#: Stands for "no payload given": None is a payload like any other.
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<missing>", "__slots__": ()})()

R = TypeVar("R", bound="Routine")


class RoutineMeta(abc.ABCMeta):
    """Runs `setup()` once the constructor, with all its subclasses, is through."""

    def __call__(cls: type[R], *args: Any, **kwargs: Any) -> R:  # type: ignore[misc]
        routine = super().__call__(*args, **kwargs)  # type: ignore[misc]
        declared = routine._declared
        declared.phase = Phase.SETUP
        routine.setup()
        declared.phase = Phase.READY
        return routine  # type: ignore[no-any-return]


class Routine(metaclass=RoutineMeta):
    """A node of a flow: receives messages on slots, emits messages on events.

    Subclass it and write `setup()` and `logic()`, or build one by hand::

        r = rd.Routine("double")
        r.define_event("output")

        @r.define_slot("input")
        def on_input(x):
            return 2 * x

    Class options (Ray's words, see `set_options`) may be given with the class: ``class Embed(rd.Routine, num_gpus=1)``.
    """

    _declared: Declared
    _class_options: Mapping[str, Any] = {}
    #: The state of the running activation's job (and key); a dict. Only inside a routine that called `add_state`.
    state: dict[str, Any]
    name: str | None = None

    def __init_subclass__(cls, **class_options: Any) -> None:
        super().__init_subclass__()
        cls._class_options = {**cls._class_options, **class_options}
        try:
            options.DEFAULT.replace(**class_options)
        except ConfigurationError as exc:
            raise ConfigurationError(f"class {cls.__name__}: {exc}", problems=exc.problems) from None

    def __new__(cls: type[R], *args: Any, **kwargs: Any) -> R:
        routine = super().__new__(cls)
        declared = Declared(args, kwargs)
        if cls._class_options:
            declared.options = declared.options.replace(**cls._class_options)
        object.__setattr__(routine, "_declared", declared)
        return routine

    def __init__(self, name: str | None = None) -> None:
        checks.refuse(type(self).__name__, [checks.text("name", name, example="clean", none="none")])
        self.name = name

    # ---- what users override ------------------------------------------------------------------------------------

    def setup(self) -> None:
        """Declare slots, events, config and state. Cheap: runs on the driver and on every worker."""

    def open(self) -> None:
        """Acquire what one worker process needs (a model, a connection). May write attributes."""

    def close(self) -> None:
        """Release what `open()` acquired."""

    def finish(self) -> Any:
        """Run once per job (and key) when everything upstream is done. May emit."""

    # `logic` is deliberately not defined here: its absence says that the routine has only handlers.

    # ---- declarations -------------------------------------------------------------------------------------------

    def add_slot(
        self,
        name: str,
        handler: Handler = None,
        merge: merging.Merge = None,
        *,
        combine: merging.Combine = None,
        required: bool = True,
    ) -> Slot:
        """Declare an input.

        Args:
            name: Letters, digits, "_" and "-".
            handler: Called with the payload of each message. Without one, messages go to `logic`.
            merge: Fold the messages of a job into one value: "append", "override" or a function (so_far, new).
            combine: Make one message of two with the same key of the state, where they are emitted and before they are sent:
                a function (first, second) that returns one payload with that key. What it makes must not depend on how
                messages are put together, as with sums, counts or the greater of two: how many are, and which, is not
                promised. It must not alter what it is given.
            required: `validate()` reports a required slot that nobody feeds.

        Raises:
            ConfigurationError: The name is not allowed or taken, or `handler`, `merge` or `combine` is no such thing.
        """
        return self._declare("add_slot", name, handler, merge, combine=combine, required=required)  # type: ignore[no-any-return]

    define_slot = add_slot

    def add_event(self, name: str, output_params: object = None, *, required: bool = False) -> Event:
        """Declare an output.

        Args:
            name: Letters, digits, "_" and "-". Every routine has "error" already.
            output_params: Accepted for flows written for routilux; says nothing here.
            required: `validate()` reports a required event that is connected to nothing.

        Raises:
            ConfigurationError: The name is not allowed or taken.
        """
        return self._declare("add_event", name, required=required)  # type: ignore[no-any-return]

    define_event = add_event

    def add_state(self, *, scope: str = "job", key: Key = None, **initial: Any) -> None:
        """Declare state: `self.state` holds these values, one set per job (or running flow), and per key if given.

        Args:
            scope: "job" or "worker" (shared by all jobs of a running flow).
            key: Field name or function of the payload; messages with equal keys share state.
            **initial: Initial values.
        """
        self._declare("add_state", scope=scope, key=key, **initial)

    def set_activation_policy(self, policy: activation.Policy | Callable[..., Any]) -> None:
        """Set when `logic` runs: `rd.all_ready()`, `immediate()`, `batch(n)`, `every(s)` or a function."""
        self._declare("set_activation_policy", policy)

    def set_logic(self, logic: Callable[..., Any]) -> Callable[..., Any]:
        """Use a function as `logic`: one argument per slot. Returns it, so it works as a decorator."""
        self._declare("set_logic", logic)
        return logic

    def set_config(self, **values: Any) -> None:
        """Set configuration values; read-only while running."""
        self._declare("set_config", **values)

    def get_config(self, key: str, default: Any = None) -> Any:
        """Return a configuration value."""
        return self._declared.config.get(key, default)

    def set_options(self, **values: Any) -> None:
        """Set what the routine asks of the place where it runs: `num_cpus`, `timeout`, … (see `Options`)."""
        self._declare("set_options", **values)

    def set_error_handler(self, handler: ErrorHandler) -> None:
        """Set what happens when the routine raises; beats the flow's handler."""
        if not isinstance(handler, ErrorHandler):
            raise ConfigurationError(f"set_error_handler takes an rd.ErrorHandler, got {handler!r}")
        self._declare("set_error_handler", handler)

    def set_as_critical(self, max_retries: int = 3, retry_delay: float = 1.0, retry_backoff: float = 2.0) -> None:
        """The flow cannot do without this routine: retry, then stop the job."""
        self.set_error_handler(
            ErrorHandler(ErrorStrategy.RETRY, max_retries, retry_delay, retry_backoff, is_critical=True)
        )

    def set_as_optional(self, strategy: ErrorStrategy = ErrorStrategy.CONTINUE) -> None:
        """The flow can do without this routine: record its errors and go on."""
        self.set_error_handler(ErrorHandler(strategy))

    # ---- looking ------------------------------------------------------------------------------------------------

    def get_slot(self, name: str) -> Slot:
        """Return a slot.

        Raises:
            ConfigurationError: There is no such slot.
        """
        try:
            return self._declared.slots[name]
        except (KeyError, TypeError):
            hint = naming.did_you_mean(str(name), self._declared.slots, "slots")
            raise ConfigurationError(f"routine {self._label!r} has no slot {name!r}; {hint}") from None

    def get_event(self, name: str) -> Event:
        """Return an event; every routine has "error".

        Raises:
            ConfigurationError: There is no such event.
        """
        if name == ERROR_EVENT and name not in self._declared.events:
            return Event(self, ERROR_EVENT, required=False)
        try:
            return self._declared.events[name]
        except (KeyError, TypeError):
            hint = naming.did_you_mean(str(name), self._declared.events, "events")
            raise ConfigurationError(f"routine {self._label!r} has no event {name!r}; {hint}") from None

    @property
    def _label(self) -> str:
        """What to call it in messages: its id in the flow, else its name, else its class."""
        return self._declared.id or self.name or type(self).__name__

    # ---- running ------------------------------------------------------------------------------------------------

    def emit(self, event: str, payload: Any = MISSING, /, **fields: Any) -> None:
        """Send a message: `emit("e", value)`, `emit("e", a=1, b=2)` sends the dict, `emit("e")` sends `{}`.

        Takes effect when the activation returns. On workers this method is replaced by a faster one; this one serves
        code that holds another copy of the routine, such as a handler that is a function of an imported module.

        Raises:
            StateError: Called while no routine is running.
            ConfigurationError: The routine has no such event.
        """
        activity = context.ACTIVITY.get(None)
        if activity is None:
            raise StateError(
                f"routine {self._label!r} cannot emit {event!r} now: emit works inside logic, a handler or finish; "
                f"use flow.run(...) or rt.post(...) to send a message into a flow"
            )
        activity.emit(event, join_payload(event, payload, fields))

    def __setattr__(self, name: str, value: Any) -> None:
        declared = self._declared
        if declared.phase is Phase.RUNNING:
            raise StateError(
                f"routine {self._label!r} writes self.{name} while a job runs: instances are read-only then, a write "
                f"would be lost. Use self.add_state({name}=…) and self.state[{name!r}], job data "
                f"(rd.current_job().set_data), or open() for per-process resources"
            )
        object.__setattr__(self, name, value)
        if declared.phase is Phase.READY:
            self._record(name, ("__setattr__", (name, to_record(self, value)), {}))

    def __delattr__(self, name: str) -> None:
        if self._declared.phase is Phase.RUNNING:
            raise StateError(
                f"routine {self._label!r} deletes self.{name} while a job runs: instances are read-only then"
            )
        object.__delattr__(self, name)
        if self._declared.phase is Phase.READY:
            self._record(name, ("__delattr__", (name,), {}))

    if not TYPE_CHECKING:  # a checker would take it as "has every attribute"

        def __getattr__(self, name: str) -> Any:
            if name == "state":
                if self._declared.state is None:
                    raise StateError(
                        f"routine {self._label!r} uses self.state but declares none: call self.add_state(…) in setup()"
                    )
                raise StateError(
                    f"routine {self._label!r}: self.state is there only while logic, a handler or finish runs"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        declared = self._declared
        return _construct, (type(self), declared.args, declared.kwargs), {"late": declared.late, "id": declared.id}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._declared.id = state["id"]
        for method, args, kwargs in state["late"]:
            if method == "__setattr__":
                setattr(self, args[0], from_record(self, args[1]))
            elif method == "__delattr__":
                with contextlib.suppress(AttributeError):  # what came and went after setup() never came to this copy
                    delattr(self, args[0])
            else:
                self._declare(method, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._label!r})"

    # ---- inside -------------------------------------------------------------------------------------------------

    def _declare(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Carry out a declaration, and record it if it comes after `setup()`."""
        declared = self._declared
        if declared.phase in (Phase.OPEN, Phase.RUNNING):
            raise StateError(f"routine {self._label!r} calls {method} while a job runs: declare in setup()")
        given = [from_record(self, a) for a in args]
        named = {k: from_record(self, v) for k, v in kwargs.items()}
        result = DECLARATIONS[method](self, *given, **named)
        if declared.phase is Phase.READY:
            recorded = tuple(to_record(self, a) for a in given)
            declared.changes += 1
            declared.late.append((method, recorded, {k: to_record(self, v) for k, v in named.items()}))
        return result

    def _record(self, name: str, call: Call) -> None:
        """Record a change of an attribute. Only the last one counts, so that what was replaced need not travel."""
        late = self._declared.late
        self._declared.changes += 1
        # A property may do anything with what it is given, so it gets all of it.
        if not hasattr(getattr(type(self), name, None), "__set__"):
            late[:] = [c for c in late if c[0] not in ("__setattr__", "__delattr__") or c[1][0] != name]
        late.append(call)


def join_payload(event: str, payload: Any, fields: dict[str, Any]) -> Any:
    """Return the payload of an `emit` call."""
    if payload is MISSING:
        return fields
    if fields:
        raise ConfigurationError(
            f"emit({event!r}, payload, {', '.join(fields)}=…): give one payload or named fields, not both"
        )
    return payload


def replica(routine: Routine) -> Routine:
    """Return a copy as a worker would build it, sharing the recorded values."""
    construct, arguments, state = routine.__reduce__()
    copy: Routine = construct(*arguments)
    copy.__setstate__(state)
    return copy


def _construct(cls: type[Routine], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Routine:
    return cls(*args, **kwargs)
