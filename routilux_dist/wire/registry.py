"""Users' own types in typed bodies: which ones may travel, and how they become plain values.

A type is found by the name it was registered with, never by a path that the bytes name: what nobody registered cannot be built.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from routilux_dist.errors import ConfigurationError

_NAME_RULE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]{0,127}")

Encode = Callable[[Any], Any]
Decode = Callable[..., Any]


class TypeEntry(NamedTuple):
    """One registered type.

    Attributes:
        cls: The class; subclasses of it are types of their own.
        name: What stands for it in the bytes.
        version: Version of its encoded form.
        encode: Object -> value of types that are known.
        decode: Value -> object; called with (value, version) if it takes two arguments.
        versioned: Whether `decode` takes two arguments, and so reads older versions.
        derived: Whether both functions follow from the class: they do not travel, whoever gets the entry derives them again.
        weight: Bytes that an object needs besides the value that it is made of, if they are many.
        shallow: Whether `decode` only puts parts into their places, whatever they are: they are looked at with the whole value.
        code, pack, unpack: For what comes by the hundred thousand in the engine's own records: an extension's number, object ->
            bytes (None for those that need the long form), and bytes -> object.
    """

    cls: type
    name: str
    version: int
    encode: Encode
    decode: Decode
    versioned: bool = False
    derived: bool = False
    weight: int = 0
    shallow: bool = False
    code: int = 0
    pack: Callable[[Any], bytes | None] | None = None
    unpack: Callable[[bytes], Any] | None = None

    def leaf(self, value: Any) -> bytes | None:
        """Return an object as an extension's bytes, None if it needs the long form."""
        return None if self.pack is None else self.pack(value)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.derived:
            return _derive, (self.cls, self.name, self.version)
        return TypeEntry, tuple(self)


def _derive(cls: type, name: str, version: int) -> TypeEntry:
    encode, decode = _functions(cls)
    return TypeEntry(cls, name, version, encode, decode, _takes_version(decode), derived=True)


class Registry:
    """Registered types, by class and by name."""

    def __init__(self, entries: Iterable[TypeEntry] = ()) -> None:
        self._by_class: dict[type, TypeEntry] = {}
        self._by_name: dict[str, TypeEntry] = {}
        self._leaves: dict[int, Callable[[bytes], Any]] = {}
        for entry in entries:
            self.add(entry)

    def register(
        self,
        cls: type,
        name: str | None = None,
        version: int = 1,
        encode: Encode | None = None,
        decode: Decode | None = None,
    ) -> type:
        """Let objects of a class be part of stored payloads, state and job data.

        Enums, dataclasses, named tuples and pydantic models need no functions; other classes need both.

        Args:
            cls: The class. Objects of its subclasses are not included: register each.
            name: What stands for the class in stored bytes; the class's name by default. Keep it when the class moves or is
                renamed: stored bytes find the class by it.
            version: Version of the encoded form, from 1. Bytes of a newer version are refused; those of an older one are handed
                to a `decode` that takes two arguments (value, version), and refused otherwise.
            encode: Object -> value made of plain, standard or registered types.
            decode: Value -> object, the other way round.

        Returns:
            The class, so that this can stand above a class as a decorator.

        Raises:
            ConfigurationError: It is not a class, cannot be taken apart without functions, or the name is taken.
        """
        asked: tuple[Any, Any, Any] = (cls, name, version)
        if not isinstance(asked[0], type):
            raise ConfigurationError(f"register_type({cls!r}): has to be a class")
        if name is None:
            name = cls.__name__
        elif not isinstance(asked[1], str) or not _NAME_RULE.fullmatch(name):
            raise ConfigurationError(f"register_type({cls.__name__}, name={name!r}): has to match {_NAME_RULE.pattern}")
        if type(asked[2]) is not int or version < 1:
            raise ConfigurationError(f"register_type({cls.__name__}, version={version!r}): has to be an int from 1")
        if (encode is None) != (decode is None):
            raise ConfigurationError(f"register_type({cls.__name__}): give both encode= and decode=, or neither")
        if encode is None or decode is None:
            self.add(_derive(cls, name, version))
        else:
            self.add(TypeEntry(cls, name, version, encode, decode, _takes_version(decode)))
        return cls

    def add(self, entry: TypeEntry) -> None:
        """Add an entry; the same class again replaces its entry.

        Raises:
            ConfigurationError: Another class has the name.
        """
        other = self._by_name.get(entry.name)
        # A module that is loaded again defines its classes again.
        if other is not None and _home(other.cls) != _home(entry.cls):
            raise ConfigurationError(
                f"register_type({entry.cls.__name__}): the name {entry.name!r} belongs to {'.'.join(_home(other.cls))} "
                f"already; give one of them another name="
            )
        before = self._by_class.pop(entry.cls, None)
        if before is not None:
            self._by_name.pop(before.name, None)
        if other is not None:
            self._by_class.pop(other.cls, None)
        self._by_class[entry.cls] = self._by_name[entry.name] = entry
        if entry.unpack is not None:
            self._leaves[entry.code] = entry.unpack

    def of(self, cls: type) -> TypeEntry | None:
        """Return the entry of exactly this class."""
        return self._by_class.get(cls)

    def named(self, name: str) -> TypeEntry | None:
        """Return the entry with this name."""
        return self._by_name.get(name)

    def leaf(self, code: int) -> Callable[[bytes], Any] | None:
        """Return what reads the extensions of this number."""
        return self._leaves.get(code)

    def entries(self) -> tuple[TypeEntry, ...]:
        """Return all entries, in the order of registration."""
        return tuple(self._by_name.values())

    def learn(self, other: Registry) -> None:
        """Add the types of another process; what is registered here stays."""
        for entry in other.entries():
            if entry.name not in self._by_name and entry.cls not in self._by_class:
                self.add(entry)

    def __reduce__(self) -> tuple[Any, ...]:
        return Registry, (self.entries(),)


#: Types that were registered with `rd.register_type`.
REGISTRY = Registry()
register_type = REGISTRY.register


def _home(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def _takes_version(decode: Decode) -> bool:
    try:
        inspect.signature(decode).bind(None, 1)
    except (TypeError, ValueError):
        return False
    return True


def _functions(cls: type) -> tuple[Encode, Decode]:
    if issubclass(cls, enum.Flag):
        return (lambda member: member.value), (lambda value: cls(value))
    if issubclass(cls, enum.Enum):
        return (lambda member: member.name), (lambda name: cls[name])
    if dataclasses.is_dataclass(cls):
        return _of_dataclass(cls)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        make: Decode = getattr(cls, "_make")  # noqa: B009 - a plain tuple has none
        return list, lambda items: make(items)
    if hasattr(cls, "model_fields") and hasattr(cls, "model_validate"):
        validate: Decode = cls.model_validate
        return _model_state, lambda state: validate(state)
    raise ConfigurationError(
        f"register_type({cls.__name__}): it is no enum, dataclass, named tuple or pydantic model; give encode= and decode="
    )


def _of_dataclass(cls: type) -> tuple[Encode, Decode]:
    fields = dataclasses.fields(cls)
    names = [f.name for f in fields]
    init = {f.name for f in fields if f.init}

    def encode(value: Any) -> dict[str, Any]:
        return {name: getattr(value, name) for name in names}

    def decode(state: dict[str, Any]) -> Any:
        unknown = state.keys() - set(names)
        if unknown:
            raise ValueError(f"{cls.__name__} has no field {sorted(unknown)[0]!r}")
        # The constructor checks what it checks; then every field is what it was, whatever __post_init__ made of it.
        value = cls(**{name: state[name] for name in state if name in init})
        for name in state:
            object.__setattr__(value, name, state[name])
        return value

    return encode, decode


def _model_state(model: Any) -> dict[str, Any]:
    """Fields (and extra fields) of a pydantic model as they are: its own validation builds it again."""
    return {**vars(model), **(getattr(model, "model_extra", None) or {})}
