"""Charts of the findings, as SVG.

Every point and bar says in words what it shows, so that no script is needed to read it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, NamedTuple

from examples.code_census.report import plural


class Frame(NamedTuple):
    """The drawing area: a picture of `width` x `height`, less a margin on each side."""

    width: int = 560
    height: int = 340
    left: int = 52
    right: int = 12
    top: int = 22
    bottom: int = 44

    def x(self, share: float) -> float:
        return round(self.left + share * (self.width - self.left - self.right), 1)

    def y(self, share: float) -> float:
        return round(self.height - self.bottom - share * (self.height - self.top - self.bottom), 1)

    def svg(self, label: str, parts: Iterator[str]) -> str:
        box = f'viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(label)}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n' + "\n".join(parts) + "\n</svg>"


def histogram(steps: Sequence[dict[str, Any]]) -> str:
    """Draw how many functions there are in each step of complexity, on a logarithmic scale: most are in the first."""
    frame = Frame()
    return frame.svg("Histogram of complexity", _bars(frame, steps))


def scatter(places: Sequence[Sequence[int]], most_complex: Sequence[dict[str, Any]]) -> str:
    """Draw length against complexity, both on logarithmic scales; a larger circle stands for more functions.

    Args:
        places: Triples of a length, a complexity, and how many functions have both.
        most_complex: Functions to mark, the first of them with its name.
    """
    frame = Frame()
    return frame.svg("Length and complexity", _points(frame, places, most_complex))


def _bars(frame: Frame, steps: Sequence[dict[str, Any]]) -> Iterator[str]:
    top = _ceiling(max(step["functions"] for step in steps))
    yield from _grid(frame, top, "functions", vertical=True)
    yield _text(frame.x(0.5), frame.height - 6, "complexity", "axis middle")
    slot = 1 / len(steps)
    for index, step in enumerate(steps):
        count, label = step["functions"], _step(step)
        x, width = frame.x((index + 0.12) * slot), round(frame.x(slot * 0.76) - frame.left, 1)
        y = min(frame.y(_share(count, top)), frame.y(0) - 2) if count else frame.y(0)
        place = f'x="{x}" y="{y}" width="{width}" height="{round(frame.y(0) - y, 1)}"'
        title = f"<title>complexity {label}: {plural(count, 'function')}</title>"
        yield f'<rect class="{_colour(step["from"])}" {place}>{title}</rect>'
        yield _text(x + width / 2, y - 5, f"{count:,}", "value middle")
        yield _text(x + width / 2, frame.y(0) + 16, label, "middle")


def _points(frame: Frame, places: Sequence[Sequence[int]], most_complex: Sequence[dict[str, Any]]) -> Iterator[str]:
    wide = _ceiling(max((length for length, _, _ in places), default=1))
    high = _ceiling(max((complexity for _, complexity, _ in places), default=1))
    yield from _grid(frame, high, "complexity", vertical=True)
    yield from _grid(frame, wide, "length in lines", vertical=False)

    def circle(length: int, complexity: int, radius: float, colour: str, title: str) -> str:
        x, y = frame.x(_share(length, wide)), frame.y(_share(complexity, high))
        return f'<circle class="{colour}" cx="{x}" cy="{y}" r="{radius}"><title>{escape(title)}</title></circle>'

    for length, complexity, count in places:
        radius = round(1.6 + 0.75 * math.log2(count), 1)
        title = f"{length} lines, complexity {complexity}: {plural(count, 'function')}"
        yield circle(length, complexity, radius, _colour(complexity), title)
    for each in most_complex:
        place = f"{each['path']}:{each['line']}"
        title = f"{each['name']} ({place}): {each['length']} lines, complexity {each['complexity']}"
        yield circle(each["length"], each["complexity"], 3, "marked", title)
    for first in most_complex[:1]:
        x, y = frame.x(_share(first["length"], wide)), frame.y(_share(first["complexity"], high))
        # The name goes to the side with more room.
        right = x < frame.width / 2
        yield _text(x + 7 if right else x - 7, y + 4, first["name"], "name" if right else "name end")


def _grid(frame: Frame, top: float, title: str, *, vertical: bool) -> Iterator[str]:
    """Draw a logarithmic axis from 1 to `top`."""
    for value in _ticks(top):
        if vertical:
            y = frame.y(_share(value, top))
            yield f'<line class="grid" x1="{frame.left}" y1="{y}" x2="{frame.width - frame.right}" y2="{y}"/>'
            yield _text(frame.left - 7, y + 4, f"{value:,}", "end")
        else:
            x = frame.x(_share(value, top))
            yield f'<line class="grid" x1="{x}" y1="{frame.top}" x2="{x}" y2="{frame.y(0)}"/>'
            yield _text(x, frame.y(0) + 16, f"{value:,}", "middle")
    if vertical:
        yield _text(frame.left - 7, 11, title, "axis")
    else:
        yield _text(frame.x(0.5), frame.height - 6, title, "axis middle")


def _ceiling(value: int) -> float:
    """Return where an axis ends that has to show a value: a little above it."""
    return max(10.0, value * 1.3)


def _ticks(top: float) -> list[int]:
    """List the round numbers up to the end of an axis: powers of ten, and on a short axis also twice and five times."""
    factors = (1, 2, 5) if top < 1000 else (1,)
    return [
        factor * 10**power
        for power in range(math.ceil(math.log10(top)))
        for factor in factors
        if factor * 10**power <= top
    ]


def _share(value: int, top: float) -> float:
    """Return how far up a logarithmic axis from 1 to `top` a value is."""
    return math.log10(value) / math.log10(top)


def _step(step: dict[str, Any]) -> str:
    start, end = step["from"], step["to"]
    if end is None:
        return f"{start}+"
    return f"{start}" if start == end else f"{start}–{end}"


def _colour(complexity: int) -> str:
    """Name the class of a complexity: up to 10 is simple, up to 20 moderate (McCabe's limits)."""
    return "simple" if complexity <= 10 else "moderate" if complexity <= 20 else "complex"


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text class="{classes}" x="{round(x, 1)}" y="{round(y, 1)}">{escape(text)}</text>'
