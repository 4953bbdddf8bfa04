"""What the machine did lately, bounded: the tail of every internal error."""

from __future__ import annotations

from collections import deque


class Story:
    """The last events, one short line each."""

    def __init__(self, size: int = 200) -> None:
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=size)

    def add(self, now: float, about: str, text: str) -> None:
        """Note something about a job, slice or lane."""
        self._lines.append((now, about, text))

    def tell(self, about: str = "", last: int = 20) -> str:
        """Return the last lines, about one thing if it is named."""
        lines = [line for line in self._lines if not about or line[1] == about][-last:]
        return "\n".join(f"  {now:.4f} {what}: {text}" for now, what, text in lines) or "  (nothing)"
