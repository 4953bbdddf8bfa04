"""Plain functions as routines: `@rd.routine`."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, overload

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import options
from routilux_dist.flow.routine import Routine

P = ParamSpec("P")
T = TypeVar("T")


class RoutineFunction(Generic[P, T]):
    """A function that can be added to flows, any number of times, and is still a function."""

    def __init__(self, function: Callable[P, T], routine_options: Mapping[str, Any]) -> None:
        if not callable(function):
            raise ConfigurationError(f"@rd.routine decorates a function, got {function!r}")
        if isinstance(function, RoutineFunction):
            routine_options = {**function.routine_options, **routine_options}
            function = function.function
        options.DEFAULT.replace(**routine_options)
        functools.update_wrapper(self, function)
        self.function: Callable[P, T] = function
        self.routine_options: dict[str, Any] = dict(routine_options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.function(*args, **kwargs)

    def routine(self) -> FunctionRoutine:
        """Return a new routine that runs the function."""
        return FunctionRoutine(self)

    def __reduce__(self) -> str | tuple[Any, ...]:
        # By reference where the worker can import it; by value for __main__, notebooks and nested functions.
        module, name = str(getattr(self, "__module__", "")), str(getattr(self, "__qualname__", "."))
        importable = module != "__main__" and "." not in name
        if importable and getattr(sys.modules.get(module), name, None) is self:
            return name
        return RoutineFunction, (self.function, self.routine_options)

    def __repr__(self) -> str:
        return f"<routine function {getattr(self.function, '__qualname__', self.function)!r}>"


class FunctionRoutine(Routine):
    """Runs a function: slot "input", event "output"."""

    def __init__(self, template: RoutineFunction[..., Any]) -> None:
        super().__init__(getattr(template, "__name__", None))
        self.template = template

    def setup(self) -> None:
        function = self.template.function
        check_parameters(function)
        self.add_slot("input")
        self.add_event("output")
        self.set_options(**self.template.routine_options)
        self.set_logic(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.template.function(*args, **kwargs)


def check_parameters(function: Callable[..., Any]) -> None:
    """Raise `ConfigurationError` if a message could never be passed to the function."""
    name = getattr(function, "__qualname__", repr(function))
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a builtin without a signature: it gets the payload as it is
    if not signature.parameters:
        raise ConfigurationError(
            f"function {name!r} takes no parameter, but a routine receives a message; write def {name}(payload): …"
        )
    if by_name(function):
        return
    try:
        signature.bind(None)
    except TypeError as exc:
        raise ConfigurationError(
            f"function {name!r} cannot take a payload ({exc}): several parameters are passed by name, "
            f"but its first one has no name to pass by"
        ) from None


def by_name(function: Callable[..., Any]) -> bool:
    """Whether a function takes its payload as named arguments: it has several parameters, or only keyword ones.

    `f(x)`, `f(*args)` and `f(x, /, y=1)` take it as it is; `f(x, y)`, `f(x, **rest)`, `f(*, x)`, `f(**fields)` by name.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    if not parameters or parameters[0].kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL):
        return False
    named = [p for p in parameters if p.kind is not p.VAR_POSITIONAL]
    return len(named) > 1 or named[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)


@overload
def routine(function: Callable[P, T], /) -> RoutineFunction[P, T]: ...
@overload
def routine(**routine_options: Any) -> Callable[[Callable[P, T]], RoutineFunction[P, T]]: ...
def routine(function: Any = None, /, **routine_options: Any) -> Any:
    """Make a function usable as a routine; it stays callable.

    The function receives the payload (several parameters: the fields of a dict, by name); what it returns is emitted,
    None emits nothing, a generator emits each item.

    Args:
        function: The function, when the decorator is used without options.
        **routine_options: `num_cpus`, `timeout`, `retries`, … (see `routilux_dist.flow.options.Options`).

    Raises:
        ConfigurationError: Not a function, or an unknown option.
    """
    if function is not None:
        return RoutineFunction(function, routine_options)
    return lambda f: RoutineFunction(f, routine_options)


def as_routine(value: object) -> Routine:
    """Return a routine for what a user adds to a flow: a routine, a routine function, or a plain function.

    Raises:
        ConfigurationError: It is none of these.
    """
    if isinstance(value, Routine):
        return value
    if isinstance(value, RoutineFunction):
        return value.routine()
    if isinstance(value, type) and issubclass(value, Routine):
        raise ConfigurationError(f"{value.__name__} is a class: add an instance, {value.__name__}(…)")
    if callable(value):
        return RoutineFunction(value, {}).routine()
    raise ConfigurationError(f"a flow holds routines and functions, got {type(value).__name__}: {value!r}")
