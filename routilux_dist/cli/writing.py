"""From results to JSON on standard output or in a file."""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Any

from routilux_dist.errors import ConfigurationError, RoutiluxError, SerializationError


class Writer:
    """Writes JSON texts, UTF-8, one after another.

    Args:
        path: A file, opened when there is something to write; "-" for standard output.
        use_repr: Write what JSON cannot hold as its `repr`.

    Raises:
        ConfigurationError: The file cannot be written.
    """

    def __init__(self, path: str = "-", *, use_repr: bool = False) -> None:
        self._path = path
        self._use_repr = use_repr
        if path == "-" and sys.stdout is None:
            raise ConfigurationError("standard output is closed; give --output FILE")
        self._stream: IO[bytes] | None = sys.stdout.buffer if path == "-" else None
        folder = os.path.dirname(os.path.abspath(path))
        if path != "-" and (os.path.isdir(path) or not os.path.isdir(folder)):
            fault = "is a folder" if os.path.isdir(path) else "cannot be written: its folder does not exist"
            raise ConfigurationError(f"--output {path} {fault}")

    def write(self, value: Any, *, indent: int | None = None) -> None:
        """Write one value and a line end; it is out when this returns.

        Raises:
            SerializationError: JSON cannot hold it.
        """
        text = to_json(value, indent=indent, use_repr=self._use_repr)
        stream = self._opened()
        stream.write(text + b"\n")
        stream.flush()

    def close(self) -> None:
        """Make the file whole: without results it is empty."""
        stream = self._opened()
        stream.flush()
        if self._path != "-":
            stream.close()

    def _opened(self) -> IO[bytes]:
        if self._stream is None:
            self._stream = open(self._path, "wb")  # noqa: SIM115 - closed in close()
        return self._stream


def to_json(value: Any, *, indent: int | None = None, use_repr: bool = False) -> bytes:
    """Return a value as JSON, UTF-8.

    Raises:
        SerializationError: It cannot be written so; the message names the type.
    """
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, indent=indent, default=repr if use_repr else _refuse
        )
    except (TypeError, ValueError, RecursionError) as exc:
        if use_repr:  # a key of a dict, a number that is none, or a value inside itself
            return json.dumps(repr(value)).encode()
        fault = "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc)
        raise SerializationError(
            f"a result cannot be written as JSON: {fault}; --repr writes it as Python shows it"
        ) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, such as an undecodable file name holds
        return json.dumps(value, allow_nan=False, indent=indent, default=repr).encode()


def _refuse(value: Any) -> Any:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise TypeError(f"it holds a {name}")


def item_error(item: Any, error: RoutiluxError) -> dict[str, Any]:
    """Return the line that stands for an item that failed."""
    cause = getattr(error, "cause", None) or error
    try:
        json.dumps(item)
    except (TypeError, ValueError, RecursionError):
        item = repr(item)
    return {
        "item": item,
        "error": str(cause),
        "error_type": type(cause).__name__,
        "routine": getattr(error, "routine", ""),
    }
