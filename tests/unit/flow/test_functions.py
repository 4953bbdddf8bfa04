"""Functions as routines: still functions, usable many times, and able to travel."""

from __future__ import annotations

import functools
import operator
import pickle
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cloudpickle
import pytest

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow.functions import (
    FunctionRoutine,
    RoutineFunction,
    as_routine,
    by_name,
    check_parameters,
    routine,
)
from routilux_dist.flow.routine import Routine, replica


@routine
def clean(text: str) -> str:
    """Without the space around it."""
    return text.strip()


@routine(num_cpus=2, timeout=30)
def heavy(x: int) -> int:
    return x


def plain(x: int) -> int:
    return x + 1


# ---- the decorator -------------------------------------------------------------------------------------------------


def test_a_decorated_function_is_still_a_function() -> None:
    assert clean(" a ") == "a"
    assert clean.routine()(" a ") == "a"
    assert (clean.__name__, clean.__doc__) == ("clean", "Without the space around it.")
    assert repr(clean) == "<routine function 'clean'>"


def test_it_becomes_a_routine_any_number_of_times() -> None:
    first, second = clean.routine(), clean.routine()
    assert first is not second
    declared = first._declared
    assert (list(declared.slots), list(declared.events)) == (["input"], ["output"])
    assert declared.logic is clean.function
    assert first.name == "clean"


def test_options_go_to_the_routine() -> None:
    options = heavy.routine()._declared.options
    assert (options.num_cpus, options.timeout) == (2, 30)


def test_decorating_twice_adds_options_up() -> None:
    twice = routine(num_cpus=4, retries=1)(heavy)
    assert twice.function is heavy.function
    assert twice.routine_options == {"num_cpus": 4, "timeout": 30, "retries": 1}
    assert heavy.routine_options == {"num_cpus": 2, "timeout": 30}


def test_a_misspelt_option_is_refused_where_it_is_written() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'num_cpus'"):
        routine(num_cpu=2)(plain)


@pytest.mark.parametrize("thing", [3, None, "clean"])
def test_only_functions_are_decorated(thing: Any) -> None:
    with pytest.raises(ConfigurationError, match="decorates a function"):
        RoutineFunction(thing, {})


# ---- parameters ----------------------------------------------------------------------------------------------------


class Bound:
    def method(self, x: Any) -> Any:
        return x


AS_IT_IS: list[Callable[..., Any]] = [
    *(lambda x: x, lambda x=1: x, lambda *args: args, lambda x, *args: x, lambda *args, **rest: args),
    *(
        lambda x, /: x,
        lambda x, /, y=1: x,
        len,
        print,
        str.strip,
        int,
        Bound().method,
        functools.partial(operator.add, 2),
    ),
]
BY_NAME: list[Callable[..., Any]] = [
    *(lambda x, y: x, lambda x, y=1: x, lambda x, **rest: x, lambda **fields: fields, lambda *, x: x),
    *(lambda x, *, y: x, functools.partial(lambda a, b, c: a, c=1)),
]


@pytest.mark.parametrize("function", AS_IT_IS)
def test_one_parameter_takes_the_payload_as_it_is(function: Callable[..., Any]) -> None:
    assert not by_name(function)
    check_parameters(function)


@pytest.mark.parametrize("function", BY_NAME)
def test_several_parameters_take_it_by_name(function: Callable[..., Any]) -> None:
    assert by_name(function)
    check_parameters(function)


def test_a_function_without_parameters_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"<lambda>' takes no parameter"):
        as_routine(lambda: 1)


@pytest.mark.parametrize("function", [divmod, lambda x, y, /: x, lambda x, /, *, y: x])
def test_what_can_neither_be_named_nor_placed_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="cannot take a payload"):
        as_routine(function)


# ---- what a flow takes ---------------------------------------------------------------------------------------------


def test_a_routine_is_taken_as_it_is() -> None:
    made = Routine("made")
    assert as_routine(made) is made


def test_functions_become_routines() -> None:
    assert as_routine(clean)._declared.logic is clean.function
    assert as_routine(plain)._declared.logic is plain
    assert as_routine(functools.partial(pow, 2))._declared.slots.keys() == {"input"}


def test_a_class_is_not_an_instance() -> None:
    with pytest.raises(ConfigurationError, match=r"FunctionRoutine is a class: add an instance"):
        as_routine(FunctionRoutine)


@pytest.mark.parametrize("thing", [None, 3, "clean", [clean]])
def test_other_things_are_no_routines(thing: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"a flow holds routines and functions, got {type(thing).__name__}"):
        as_routine(thing)


# ---- travelling ----------------------------------------------------------------------------------------------------


def test_a_function_of_a_module_travels_by_name() -> None:
    assert pickle.loads(pickle.dumps(clean)) is clean
    again = pickle.loads(pickle.dumps(heavy.routine()))
    assert again.template is heavy
    assert again._declared.options.num_cpus == 2
    assert b"strip" not in pickle.dumps(clean)


def test_a_plain_function_of_a_module_travels_by_name() -> None:
    again = pickle.loads(pickle.dumps(as_routine(plain)))
    assert again._declared.logic is plain


def test_a_function_inside_a_function_travels_by_value() -> None:
    factor = 7

    @routine(num_cpus=2)
    def times(x: int) -> int:
        return factor * x

    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(times)
    again = pickle.loads(cloudpickle.dumps(times.routine()))
    assert again(6) == 42
    assert again._declared.options.num_cpus == 2


def test_a_function_under_another_name_travels_by_value() -> None:
    """`strip = rd.routine(clean)`: the name in the module stands for something else."""
    other = routine(plain)
    again = pickle.loads(pickle.dumps(other))
    assert again is not other
    assert again.function is plain


def test_a_function_of_main_travels_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's `__main__` is another one."""
    module = ModuleType("__main__")
    exec("def shout(text): return text.upper()", module.__dict__)
    decorated = routine(module.shout)
    module.shout = decorated  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", module)
    data = cloudpickle.dumps(decorated)
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    assert pickle.loads(data)("hey") == "HEY"


def test_a_replica_runs_the_same_function() -> None:
    made = clean.routine()
    assert replica(made)._declared.logic is clean.function
