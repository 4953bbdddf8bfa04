"""The ways to write a routine: functions, generators, coroutines, handlers, bare routines, life cycle."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import routilux_dist as rd


@rd.routine
def area(width, height, unit="m"):
    """Several parameters: the payload is a dict."""
    return f"{width * height} {unit}2"


@rd.routine
def describe(name, **rest):
    """Takes unknown keys."""
    return {"name": name, "rest": sorted(rest)}


@rd.routine
def none_of_these(x):
    """False, zero and empty are values; None is not."""
    return [None, False, 0, "", {}, []][x]


@rd.routine
async def async_double(x):
    await asyncio.sleep(0)
    return 2 * x


@rd.routine
async def async_spread(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


@rd.routine(max_concurrency=3)
async def crowded(_):
    """How many of its kind run at once in this process."""
    _crowd.append(None)
    try:
        inside = len(_crowd)
        await asyncio.sleep(0.01)
        return inside
    finally:
        _crowd.pop()


_crowd: list[None] = []


@rd.routine(timeout=0.2)
async def dawdle(_):
    await asyncio.sleep(600)


class AsyncLogic(rd.Routine):
    """An async ``logic`` with state."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(sum=0)

    async def logic(self, x: int) -> None:
        before = self.state["sum"]
        await asyncio.sleep(0)
        self.state["sum"] = before + x

    def finish(self) -> None:
        self.emit("output", self.state["sum"])


class GeneratorLogic(rd.Routine):
    """A ``logic`` that yields and emits."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_event("summary")

    def logic(self, n: int):
        yield from range(n)
        self.emit("summary", n)


class AsyncGeneratorLogic(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    async def logic(self, n: int):
        for i in range(n):
            await asyncio.sleep(0)
            yield i


class Returns(rd.Routine):
    """A returned value goes to the event ``output`` where several exist."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("other")
        self.add_event("output")

    def logic(self, x: Any) -> Any:
        return x


class ReturnsToOnly(rd.Routine):
    """... and to the only event, whatever its name."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("answer")

    def logic(self, x: Any) -> Any:
        return x


class ReturnsNowhere(rd.Routine):
    """... and is ignored where there is no event."""

    def setup(self) -> None:
        self.add_slot("input")

    def logic(self, x: Any) -> Any:
        rd.current_job().update("seen", x, reducer="append")
        return x


class ReturnsToNobody(rd.Routine):
    """... and is an error where it could go to several."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("left")
        self.add_event("right")

    def logic(self, x: Any) -> Any:
        return x


class TwoHandlers(rd.Routine):
    """A handler per slot; neither waits for the other."""

    def setup(self) -> None:
        self.add_slot("words", handler=self.on_word)
        self.add_slot("numbers", handler=self.on_number)
        self.add_event("output")

    def on_word(self, word: str) -> None:
        self.emit("output", word.upper())

    def on_number(self, number: int) -> int:
        return number * 10


class HandlerAndLogic(rd.Routine):
    """A handler for the rate, ``logic`` for the amounts."""

    def setup(self) -> None:
        self.add_slot("rate", handler=self.on_rate)
        self.add_slot("amount")
        self.add_event("output")
        self.add_state(rate=1)

    def on_rate(self, rate: int) -> None:
        self.state["rate"] = rate

    def logic(self, amount: int) -> None:
        self.emit("output", amount * self.state["rate"])


class Emits(rd.Routine):
    """The three forms of ``emit``."""

    def setup(self) -> None:
        self.add_slot("input")
        for event in ("value", "fields", "nothing"):
            self.add_event(event)

    def logic(self, x: Any) -> None:
        self.emit("value", x)
        self.emit("fields", a=x, b=2)
        self.emit("nothing")


def shout(text: str) -> str:
    return f"{text}!"


class Configured(rd.Routine):
    """Reads its configuration; writes it when told to, which it must not."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.set_config(prefix="<", suffix=">")

    def logic(self, x: Any) -> None:
        if x == "write":
            self.set_config(prefix="[")
        prefix, suffix = self.get_config("prefix"), self.get_config("suffix")
        self.emit("output", f"{prefix}{x}{suffix}{self.get_config('missing', '?')}")


class Resourceful(rd.Routine):
    """Opens a resource per process and keeps a diary of it."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def open(self) -> None:
        self.resource = f"resource of {os.getpid()}"
        self._note("open")

    def close(self) -> None:
        self._note("close")

    def logic(self, x: Any) -> None:
        self.emit("output", (x, self.resource == f"resource of {os.getpid()}"))

    def _note(self, what: str) -> None:
        with (Path(self.folder) / f"{what}s").open("a") as diary:
            diary.write(f"{os.getpid()}\n")


class FailingOpen(rd.Routine):
    """Never gets its resource."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def open(self) -> None:
        raise ConnectionRefusedError("the model server is away")

    def logic(self, x: Any) -> None:
        self.emit("output", x)


class Hoarder(rd.Routine):
    """Writes an attribute while it runs, which it must not; even numbers pass."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.counter = 0

    def logic(self, x: int) -> None:
        if x % 2:
            self.counter = x
        self.emit("output", x)


class Deleter(Hoarder):
    """Deletes an attribute while it runs, which is a write as well."""

    def logic(self, x: int) -> None:
        if x % 2:
            del self.counter
        self.emit("output", x)


class Lockable(rd.Routine):
    """Makes its lock in the constructor: replayed on the worker, so never sent."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.title = "unnamed"

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: Any) -> None:
        with self.lock:
            self.emit("output", f"{self.title} {x}")


class Holder(rd.Routine):
    """Keeps whatever it was given."""

    def __init__(self, thing: Any) -> None:
        super().__init__()
        self.thing = thing

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: Any) -> None:
        self.emit("output", x)


class Misspelt(rd.Routine):
    """Emits on an event that it never declared; even numbers pass."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: int) -> None:
        self.emit("outptu" if x % 2 else "output", x)


class SpacedSlot(rd.Routine):
    def setup(self) -> None:
        self.add_slot("my slot")


class DottedEvent(rd.Routine):
    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("out.put")


class Collector(rd.Routine):
    """Keeps what it saw in a list of its own, which no other process sees."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[int] = []

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, input: int) -> int:
        self.items.append(input)
        return input
