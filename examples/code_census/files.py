"""Source files: which there are, and what they say."""

from __future__ import annotations

import io
import os
import sysconfig
import tokenize

SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "dist-packages"})


def standard_library() -> str:
    """Return the folder of the running Python's standard library."""
    return sysconfig.get_path("stdlib")


def listing(root: str, limit: int | None = None) -> list[str]:
    """List the Python files under a folder, the largest first.

    A long file that comes last keeps one core busy while the others wait, so size decides the order. Which files are
    listed never depends on it: `limit` takes the first ones by name.

    Args:
        root: The folder to search.
        limit: How many files to list at most; `None` for all.

    Returns:
        Paths relative to `root`, with forward slashes on every system.
    """
    sizes: dict[str, int] = {}
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in SKIPPED_FOLDERS]
        for name in names:
            full = os.path.join(folder, name)
            if name.endswith(".py") and os.path.isfile(full):
                sizes[os.path.relpath(full, root).replace(os.sep, "/")] = os.path.getsize(full)
    return sorted(sorted(sizes)[:limit], key=lambda path: (-sizes[path], path))


def read(root: str, path: str) -> str:
    """Read one listed file as text.

    Raises:
        OSError: If the file cannot be read.
        SyntaxError: If it declares an encoding that does not exist or that its first lines contradict.
        UnicodeDecodeError: If a later line is not in the encoding of the file.
    """
    with open(os.path.join(root, path), "rb") as file:
        return decode(file.read())


def decode(data: bytes) -> str:
    """Decode source code as Python does (PEP 263: byte order mark, coding cookie, else UTF-8), newlines as `\\n`."""
    # `tokenize.open` does the same, but puts the full path into its messages: they would differ between machines.
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return io.TextIOWrapper(io.BytesIO(data), encoding).read()
