"""From arguments, files and standard input to messages."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import IO, Any

from routilux_dist.errors import ConfigurationError

FORMATS = ("json", "jsonl", "lines", "files")
_BOM = b"\xef\xbb\xbf"


def messages(values: Sequence[str], form: str, *, content: bool = False) -> Iterator[Any]:
    """Yield the messages that `--input` values stand for; text is read only as far as messages are taken.

    Args:
        values: Texts; "@path" stands for what a file holds, "-" for standard input. For "files": patterns of file names.
        form: One of `FORMATS`.
        content: For "files": yield what the files hold, not their paths.

    Raises:
        ConfigurationError: Something does not exist or cannot be read. What can be known beforehand is found at once.
    """
    if form == "files":
        paths = matching(values)
        return (_text(path) for path in paths) if content else iter(paths)
    for value in values:
        if value.startswith("@") and not os.path.isfile(value[1:]) and not _is_stream(value[1:]):
            raise ConfigurationError(f"--input {value}: there is no file {value[1:]!r}")
    if form == "json":
        return _values(values)
    lines = _lines(values)
    return (text for _, text in lines) if form == "lines" else _json_lines(lines)


def matching(patterns: Iterable[str]) -> list[str]:
    """Return the files that patterns match ("**" goes through all folders), sorted, each once.

    Raises:
        ConfigurationError: A pattern matches no file.
    """
    found: set[str] = set()
    for pattern in patterns:
        files = [path for path in glob.iglob(pattern, recursive=True) if os.path.isfile(path)]
        if not files:
            raise ConfigurationError(f"no file matches {pattern!r} (in {os.getcwd()}); quote patterns for the shell")
        found.update(files)
    return sorted(found)


def _is_stream(path: str) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)


def _open(value: str) -> tuple[str, IO[bytes]]:
    """Return the name and the bytes of a value that is not the text itself."""
    if value == "-":
        return "standard input", sys.stdin.buffer
    try:
        return value[1:], open(value[1:], "rb")
    except OSError as exc:
        raise ConfigurationError(f"{value[1:]} cannot be read: {exc.strerror}") from None


def _lines(values: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of lines."""
    for value in values:
        if value != "-" and not value.startswith("@"):
            yield from ((f"--input, line {n}", text) for n, text in enumerate(value.splitlines(), 1))
            continue
        name, stream = _open(value)
        with closing(stream):
            for number, line in enumerate(stream, 1):
                place = f"{name}, line {number}"
                start = len(_BOM) if number == 1 and line.startswith(_BOM) else 0
                yield place, _decoded(line[start:].rstrip(b"\n").removesuffix(b"\r"), place)


def _json_lines(lines: Iterable[tuple[str, str]]) -> Iterator[Any]:
    for place, text in lines:
        if text.strip():
            yield _json(text, place)


def _values(values: Sequence[str]) -> Iterator[Any]:
    for value in values:
        if value != "-" and not value.startswith("@"):
            yield _json(value, "--input")
            continue
        name, stream = _open(value)
        with closing(stream):
            yield _json(_decoded(stream.read().removeprefix(_BOM), name), name)


def _text(path: str) -> str:
    name, stream = _open(f"@{path}")
    with stream:
        return _decoded(stream.read(), name)


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigurationError(
            f"{place} is not UTF-8 text: byte {exc.start + 1} is 0x{data[exc.start]:02x}; convert it, or pass paths with "
            f"--files and read them in a routine"
        ) from None


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        fault = str(exc) if isinstance(exc, ValueError) else "it is nested too deeply"
        if not text.strip():
            fault = "it is empty"
        shown = text if len(text) <= 60 else text[:59] + "…"
        hint = (
            f"; for text write '{json.dumps(shown, ensure_ascii=False)}', or add --format lines"
            if place == "--input"
            else ""
        )
        quoted = f" {shown!r}" if text.strip() else ""
        raise ConfigurationError(f"{place}:{quoted} is not JSON: {fault}{hint}") from None
