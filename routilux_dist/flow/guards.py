"""What the state of routines has to be like: functions and JSON Schemas, and how state that is not so is repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from routilux_dist.errors import ConfigurationError

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Guard:
    """One validator.

    Attributes:
        check: A function of a state, or a JSON Schema. A function says that a state is wrong by raising, by returning False, or
            by returning a text that says what is wrong.
        routine: Whose state; None for every routine that declares some.
        repair: Makes a state that is right of one that is wrong, or None.
    """

    check: Callable[[State], Any] | Mapping[str, Any]
    routine: str | None = None
    repair: Callable[[State], State] | None = None

    def finder(self) -> Callable[[State], str]:
        """Return a function that says what is wrong with a state, "" for nothing."""
        return _by_function(self.check) if callable(self.check) else by_schema(self.check)


def _by_function(check: Callable[[State], Any]) -> Callable[[State], str]:
    name = getattr(check, "__qualname__", type(check).__name__)

    def wrong(state: State) -> str:
        try:
            answer = check(state)
        except Exception as exc:  # that is how it says so
            return f"{type(exc).__name__}: {exc}"
        if isinstance(answer, str):
            return answer
        return f"{name} returned False" if answer is False else ""

    return wrong


def by_schema(schema: Mapping[str, Any]) -> Callable[[State], str]:
    """Return what says what a JSON Schema finds wrong with a state; it looks up nothing outside of the schema.

    Raises:
        ConfigurationError: It is no JSON Schema, or the package `jsonschema` is missing.
    """
    try:
        import jsonschema
        import referencing
    except ModuleNotFoundError as exc:
        raise ConfigurationError(
            f"a validator that is a JSON Schema needs the package {exc.name!r}: pip install 'routilux_dist[schema]', or give a "
            f"function"
        ) from None
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as exc:
        raise ConfigurationError(f"a validator is no JSON Schema: at {exc.json_path}: {exc.message}") from None
    validator = kind(schema, registry=referencing.Registry())

    def wrong(state: State) -> str:
        error = jsonschema.exceptions.best_match(validator.iter_errors(state))
        return "" if error is None else f"at {error.json_path.replace('$', 'state', 1)}: {error.message}"

    return wrong
