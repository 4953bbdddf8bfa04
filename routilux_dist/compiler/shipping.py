"""Whether a flow's routines can be sent to workers, and what stands in the way."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import cloudpickle

from routilux_dist.errors import SerializationError
from routilux_dist.flow.functions import FunctionRoutine, RoutineFunction
from routilux_dist.flow.model import FlowModel
from routilux_dist.flow.routine import Routine
from routilux_dist.wire import codec

#: A routine that takes more is better off loading it where it runs.
LARGE_BYTES = 16 << 20
#: Most objects that are looked at to find the way to a culprit.
SEARCHED = 100_000

#: A part of a value: (name, part).
Parts = Iterator[tuple[str, Any]]

_PLAIN = (str, bytes, int, float, complex, bool, type(None), ModuleType)
_IN_OPEN = "create it in open(), from a description that can be sent (a path, a URL, settings)"
_IN_FUNCTION = "create it inside the function, or write a rd.Routine that creates it in open()"


def inspect_shipping(flow: FlowModel) -> tuple[list[str], list[str]]:
    """Return (faults, warnings) about sending the routines to workers."""
    try:
        size = codec.encode((dict(flow.routines), flow.error_handler)).nbytes
    except SerializationError:
        return list(_faults(flow)), []
    if size < LARGE_BYTES:
        return [], []
    return [], list(_large(flow))


def _large(flow: FlowModel) -> Iterator[str]:
    for routine_id, routine in flow.routines.items():
        size = codec.encode(routine).nbytes
        if size >= LARGE_BYTES:
            yield (
                f"routine {routine_id!r}: {size / 2**20:.0f} MiB travel with every copy of it; "
                f"load large data in open(), or send it as messages"
            )


def _faults(flow: FlowModel) -> Iterator[str]:
    for routine_id, routine in flow.routines.items():
        for culprit in culprits(routine):
            yield f"routine {routine_id!r} cannot be sent to workers: {culprit}"
    if refusal(flow.error_handler):
        parts = {name: getattr(flow.error_handler, name) for name in ("classify", "retry_on")}
        bad = [name for name, part in parts.items() if refusal(part)]
        yield (
            f"the flow's error handler cannot be sent to workers: {', '.join(bad) or 'it'} holds "
            f"{_shown(*_leaf(flow.error_handler))}; use a function of a module"
        )


def culprits(routine: Routine) -> list[str]:
    """Return what of a routine cannot be sent, why, and what to do instead."""
    if not refusal(routine):
        return []
    ways: dict[int, tuple[str, Any, str]] = {}
    for name, part in _of_routine(routine):
        if refusal(part):
            leaf, why = _leaf(part)
            way = _way(name, part, leaf)
            if id(leaf) not in ways or len(way) < len(ways[id(leaf)][0]):
                ways[id(leaf)] = (way, leaf, why)
    if not ways:
        return [f"it holds {_shown(*_leaf(routine))}; {_IN_OPEN}"]
    return [f"{way} is {_shown(leaf, why)}; {_advice(way)}" for way, leaf, why in ways.values()]


def _advice(way: str) -> str:
    inside = any(word in way for word in ("closure variable", "global", "parameter"))
    return _IN_FUNCTION if inside else _IN_OPEN


def refusal(value: Any) -> str:
    """Return why a value cannot be sent, or ""."""
    try:
        codec.encode(value)
    except SerializationError as exc:
        return exc.message
    return ""


def _shown(leaf: Any, why: str) -> str:
    kind = type(leaf)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"a {name} ({why:.160})"


class _Tracer(cloudpickle.Pickler):  # type: ignore[misc]
    """Remembers which object it tried last."""

    last: Any = None

    def persistent_id(self, obj: Any) -> None:
        self.last = obj


def _leaf(value: Any) -> tuple[Any, str]:
    """Return the object inside a value that cannot be pickled, and why."""
    tracer = _Tracer(io.BytesIO(), protocol=5, buffer_callback=lambda _: None)
    try:
        tracer.dump(value)
    except Exception as exc:
        return tracer.last, f"{type(exc).__name__}: {exc}"
    return value, refusal(value)


def _way(name: str, start: Any, leaf: Any) -> str:
    """Return the name of the shortest way from a named value to an object inside it."""
    waiting = deque([(name, start)])
    seen = {id(start): start}  # keeps what it lists alive, so that no two have the same id
    while waiting and len(seen) < SEARCHED:
        way, value = waiting.popleft()
        if value is leaf:
            return way
        for step, part in parts_of(value):
            if id(part) not in seen and not isinstance(part, _PLAIN):
                seen[id(part)] = part
                waiting.append((f"{way}{step}" if step[0] in ".[" else f"{step} of {way}", part))
    return f"what {name} holds"


# ---- what a value is made of -------------------------------------------------------------------------------------


def _of_routine(routine: Routine) -> Parts:
    declared = routine._declared
    if isinstance(routine, FunctionRoutine):
        yield f"function {routine._label!r}", routine.template.function
    else:
        yield f"class {type(routine).__name__}", type(routine)
        yield from ((f"constructor argument {name!r}", value) for name, value in _arguments(routine).items())
    for method, args, kwargs in declared.late:
        if method == "__setattr__":
            yield f"attribute {args[0]!r}", args[1]
        elif method in ("add_slot", "set_handler"):
            yield f"slot {args[0]!r}", args[1:]
        else:
            yield from ((method, value) for value in args)
            yield from ((f"{method} {name!r}", value) for name, value in kwargs.items())


def _arguments(routine: Routine) -> dict[str, Any]:
    declared = routine._declared
    try:
        bound = inspect.signature(type(routine).__init__).bind_partial(routine, *declared.args, **declared.kwargs)
    except (TypeError, ValueError):
        return {**{str(i): value for i, value in enumerate(declared.args)}, **declared.kwargs}
    return {name: value for name, value in bound.arguments.items() if value is not routine}


def parts_of(value: Any) -> Parts:
    """Yield the parts of a value that are pickled with it. A step that is a word is read "step of value"."""
    if isinstance(value, Mapping):
        yield from ((f"[{key!r:.40}]", item) for key, item in value.items())
        yield from (("[key]", key) for key in value)
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{i}]" if isinstance(value, (list, tuple)) else "[item]", item) for i, item in enumerate(value))
    elif isinstance(value, FunctionType):
        yield from _of_function(value)
    elif isinstance(value, RoutineFunction):
        yield ".function", value.function
    elif isinstance(value, functools.partial):
        yield from ((".func", value.func), (".args", value.args), (".keywords", value.keywords))
    elif isinstance(value, (MethodType, BuiltinMethodType)):
        yield from ((".__self__", value.__self__), (".__func__", getattr(value, "__func__", None)))
    elif isinstance(value, Routine):
        yield from ((f".{name}", part) for name, part in _of_routine(value))
    elif isinstance(value, type):
        if not _by_reference(value):
            yield from ((f".{name}", _plain_function(part)) for name, part in vars(value).items())
    else:
        yield from ((f".{name}", part) for name, part in _attributes(value))


def _of_function(function: FunctionType) -> Parts:
    if _by_reference(function):
        return
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # a variable without a value yet
            yield f"closure variable {name!r}", cell.cell_contents
    for name in dict.fromkeys(_names(function.__code__)):
        if name in function.__globals__:
            yield f"global {name!r}", function.__globals__[name]
    yield from (("default of a parameter", value) for value in function.__defaults__ or ())
    yield from ((f"default of parameter {name!r}", value) for name, value in (function.__kwdefaults__ or {}).items())
    yield from ((f".{name}", value) for name, value in vars(function).items())


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names that a function looks up, and those of the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _plain_function(member: Any) -> Any:
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member)


def _by_reference(thing: Callable[..., Any]) -> bool:
    """Whether a function or class is sent as its name, so that nothing of it is looked at."""
    try:
        pickle.dumps(thing)
    except Exception:
        return False
    return thing.__module__ != "__main__"


def _attributes(value: Any) -> Parts:
    yield from getattr(value, "__dict__", {}).items()
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield name, getattr(value, name)
