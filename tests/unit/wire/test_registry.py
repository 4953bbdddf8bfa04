"""Registering types: what is asked of a type, a name and a version, and what comes back."""

from __future__ import annotations

import enum
import pickle
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

import cloudpickle
import pytest

from routilux_dist.errors import ConfigurationError, SerializationError
from routilux_dist.wire import typed
from routilux_dist.wire.registry import Registry


class Color(enum.Enum):
    RED = "r"
    BLUE = object()  # its value could not travel


class Level(enum.IntEnum):
    LOW = 1


class Bits(enum.Flag):
    A = 1
    B = 2


@dataclass
class Point:
    x: int
    y: Any = None
    total: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.total = self.x * 2


@dataclass(frozen=True, slots=True)
class Frozen:
    inner: Any


class Pair(NamedTuple):
    left: Any
    right: Any


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


class Model:
    """Stands for a pydantic model: the same three names."""

    model_fields = ("a",)

    def __init__(self, a: int) -> None:
        self.a = a

    @classmethod
    def model_validate(cls, state: dict[str, Any]) -> Model:
        if not isinstance(state.get("a"), int):
            raise ValueError("a has to be an int")
        return cls(**state)

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)


def again(value: Any, registry: Registry) -> Any:
    return typed.loads(*typed.dumps(value, registry=registry), registry=registry)


@pytest.mark.parametrize(
    "value",
    [
        Color.RED,
        Color.BLUE,
        Level.LOW,
        Bits.A | Bits.B,
        Bits(0),
        Point(1, [2]),
        Frozen(Frozen((1,))),
        Pair(1, {2}),
        Model(3),
    ],
)
def test_kinds_that_need_no_functions(value: Any) -> None:
    registry = Registry()
    for cls in (Color, Level, Bits, Point, Frozen, Pair, Model):
        registry.register(cls)
    back = again({"v": [value], "k": {"n": value}}, registry)
    assert back == {"v": [value], "k": {"n": value}}
    assert type(back["v"][0]) is type(value)


def test_an_object_of_a_real_pydantic_model() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Order(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        number: int
        lines: tuple[str, ...] = ()

    registry = Registry()
    registry.register(Order)
    assert again(Order(number=1, lines=("a",)), registry) == Order(number=1, lines=("a",))


def test_fields_are_what_they_were_whatever_the_constructor_makes_of_them() -> None:
    registry = Registry()
    registry.register(Point)
    point = Point(1)
    point.total = 77
    assert again(point, registry).total == 77


def test_functions_of_ones_own() -> None:
    registry = Registry()
    registry.register(Celsius, "temperature", encode=lambda c: c.degrees, decode=lambda degrees: Celsius(degrees))
    assert again(Celsius(3.5), registry).degrees == 3.5
    assert b"temperature" in typed.dumps(Celsius(1), registry=registry)[0]


def test_it_is_a_decorator_too() -> None:
    registry = Registry()
    assert registry.register(Point) is Point


def test_a_subclass_is_a_type_of_its_own() -> None:
    class Sub(Point):
        pass

    registry = Registry()
    registry.register(Point)
    with pytest.raises(
        SerializationError, match=r"type .*Sub is not registered; register it with rd.register_type\(Sub\)"
    ):
        typed.dumps(Sub(1), registry=registry)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Point",), "has to be a class"),
        ((Point, "../x"), "has to match"),
        ((Point, 7), "has to match"),
        ((Point, None, 0), "has to be an int from 1"),
        ((Point, None, True), "has to be an int from 1"),
        ((Point, None, 1, repr), "give both encode= and decode="),
        ((Celsius,), "give encode= and decode="),
    ],
)
def test_what_cannot_be_registered(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Registry().register(*arguments)


def test_a_name_belongs_to_one_class() -> None:
    registry = Registry()
    registry.register(Point, "p")
    with pytest.raises(ConfigurationError, match=r"the name 'p' belongs to .*Point already"):
        registry.register(Frozen, "p")
    registry.register(Point, "q")
    registry.register(Frozen, "p")
    assert again(Point(1), registry) == Point(1)


def test_a_module_that_is_loaded_again_replaces_its_classes() -> None:
    registry = Registry()

    def load() -> type:
        module = ModuleType("shop")
        code = "from dataclasses import dataclass\n@dataclass\nclass Item:\n    n: int\n"
        sys.modules["shop"] = module
        try:
            exec(code, module.__dict__)
        finally:
            del sys.modules["shop"]
        return module.Item  # type: ignore[no-any-return]

    first, second = load(), load()
    registry.register(first)
    data, _ = typed.dumps(first(1), registry=registry)
    registry.register(second)
    assert type(typed.loads(data, registry=registry)) is second
    with pytest.raises(SerializationError, match="not registered"):
        typed.dumps(first(1), registry=registry)


# ---- versions --------------------------------------------------------------------------------------------------------


def written(version: int) -> bytes:
    registry = Registry()
    registry.register(Celsius, "c", version, encode=lambda c: c.degrees, decode=Celsius)
    return typed.dumps(Celsius(10.0), registry=registry)[0]


def test_a_newer_version_is_refused() -> None:
    registry = Registry()
    registry.register(Celsius, "c", 1, encode=lambda c: c.degrees, decode=lambda v: Celsius(v))
    with pytest.raises(SerializationError, match="version 2 was written, version 1 is registered"):
        typed.loads(written(2), registry=registry)


def test_an_older_version_is_read_by_a_function_that_asks_for_it() -> None:
    registry = Registry()
    registry.register(
        Celsius, "c", 3, encode=lambda c: c.degrees, decode=lambda v, version: Celsius(v / 2 if version < 3 else v)
    )
    assert typed.loads(written(2), registry=registry).degrees == 5
    assert typed.loads(written(3), registry=registry).degrees == 10
    registry.register(Celsius, "c", 3, encode=lambda c: c.degrees, decode=lambda v: Celsius(v))
    with pytest.raises(SerializationError, match="version 2 was written, version 3 is registered"):
        typed.loads(written(2), registry=registry)


def test_an_unknown_field_is_refused_and_a_missing_one_has_its_default() -> None:
    registry = Registry()
    state: dict[str, Any] = {"x": 1}
    registry.register(Point, encode=lambda point: state, decode=lambda v: v)
    short = typed.dumps(Point(1), registry=registry)[0]
    state["z"] = 1
    long = typed.dumps(Point(1), registry=registry)[0]
    registry.register(Point)
    assert typed.loads(short, registry=registry) == Point(1)
    with pytest.raises(SerializationError, match="Point has no field 'z'"):
        typed.loads(long, registry=registry)


def test_a_name_that_nobody_registered_is_refused() -> None:
    with pytest.raises(SerializationError, match=r"type 'c' is not registered in this process"):
        typed.loads(written(1), registry=Registry())


# ---- from process to process -----------------------------------------------------------------------------------------


def test_a_registry_travels_with_its_types() -> None:
    registry = Registry()
    registry.register(Point, "p")
    registry.register(Level)
    there = cloudpickle.loads(cloudpickle.dumps(registry))
    assert again(Point(1), there) == Point(1)
    assert again(Level.LOW, there) is Level.LOW


def test_what_is_registered_here_stays() -> None:
    here, there = Registry(), Registry()
    here.register(Point, "mine")
    there.register(Point, "theirs")
    there.register(Frozen, "mine")
    there.register(Pair)
    here.learn(there)
    assert [entry.name for entry in here.entries()] == ["mine", "Pair"]


def test_functions_that_follow_from_a_class_do_not_travel() -> None:
    mine = Registry()
    mine.register(Point)
    again = pickle.loads(pickle.dumps(mine))
    entry = again.named("Point")
    assert entry is not None
    assert entry.decode(entry.encode(Point(1, 2))) == Point(1, 2)
