"""Routines that fail, each in its own way."""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import routilux_dist as rd


def refuse_odd(x: int) -> int:
    if x % 2:
        raise ValueError(f"odd number {x}")
    return x


@rd.routine
def risky(x):
    """Even numbers pass, odd ones raise."""
    return refuse_odd(x)


class Risky(rd.Routine):
    """Even numbers pass, odd ones raise; an instance takes an error handler of its own."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: int) -> None:
        self.emit("output", refuse_odd(x))


class RiskyTwice(Risky):
    """As Risky with a second event."""

    def setup(self) -> None:
        super().setup()
        self.add_event("also")


class Flaky(rd.Routine):
    """Succeeds on the attempt ``ok_at``; payload {name, ok_at}."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, task: dict[str, Any]) -> None:
        attempt = rd.current_job().attempt
        if attempt < task["ok_at"]:
            raise ConnectionError(f"{task['name']}: attempt {attempt}")
        self.emit("output", (task["name"], attempt))


class FlakyKey(rd.Routine):
    """Notes the idempotency key of each attempt in a file; payload {name, folder}."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, task: dict[str, str]) -> None:
        job = rd.current_job()
        with (Path(task["folder"]) / task["name"]).open("a") as notes:
            notes.write(f"{job.idempotency_key}\n")
        if job.attempt < 3:
            raise ConnectionError("not yet")
        self.emit("output", (task["name"], job.idempotency_key))


@rd.routine(retries=1)
def fails_once(x):
    """Needs the one retry that it asked for."""
    if rd.current_job().attempt == 1:
        raise ConnectionError("first attempt")
    return x


class Assorted(rd.Routine):
    """Raises what the payload says: value, os or key."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, what: str) -> None:
        if what == "value":
            raise ValueError("a bad value")
        if what == "os" and rd.current_job().attempt < 2:
            raise OSError("the disk was away")
        if what == "key":
            raise KeyError("a lost key")
        self.emit("output", what)


def sort_errors(exc: BaseException) -> Any:
    """How the scenarios classify: values are warnings, the system is worth a retry, keys are fatal."""
    if isinstance(exc, ValueError):
        return rd.WARNING
    return rd.RETRYABLE if isinstance(exc, OSError) else rd.FATAL


class Careful(rd.Routine):
    """Does everything that an activation can do; a negative number raises after all of it."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_event("book")
        self.add_state(sum=0, seen=[], nested={"pages": {"one": []}})

    def logic(self, x: int) -> None:
        self.emit("output", x)
        self.state["sum"] += x
        self.state["seen"].append(x)
        self.state["nested"]["pages"]["one"].append(x)
        self.state["nested"].setdefault("keys", {})[x] = True
        rd.current_job().update("sum", x, reducer="sum")
        rd.current_job().update("seen", x, reducer="append")
        rd.current_job().set_data(f"note {x}", x)
        if x < 0 or (x == 0 and rd.current_job().attempt == 1):
            raise ValueError(f"bad {x}")

    def finish(self) -> None:
        nested = self.state["nested"]
        self.emit(
            "book",
            sum=self.state["sum"],
            seen=list(self.state["seen"]),
            page=list(nested["pages"]["one"]),
            keys=sorted(nested.get("keys", ())),
        )


class CarefulHandler(rd.Routine):
    """The same promise for a slot handler with state per key."""

    def setup(self) -> None:
        self.add_slot("input", handler=self.on_input)
        self.add_event("output")
        self.add_state(seen=[], key=lambda x: x % 2)

    def on_input(self, x: int) -> None:
        self.state["seen"].append(x)
        self.emit("output", list(self.state["seen"]))
        if x < 0:
            raise ValueError(f"bad {x}")


@rd.routine
def yields_then_breaks(x):
    """A generator whose last item never comes."""
    yield x
    if x < 0:
        raise ValueError(f"bad {x}")
    yield x + 100


@rd.routine
async def async_yields_then_breaks(x):
    yield x
    if x < 0:
        raise ValueError(f"bad {x}")
    yield x + 100


@rd.routine
def needs_file(path):
    """Fails until its file is there."""
    if not Path(path).exists():
        raise FileNotFoundError(f"still missing: {Path(path).name}")
    return Path(path).read_text()


class NeedsSign(rd.Routine):
    """Notes that it tried, and fails until somebody has given the sign; payload {folder}."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, x: dict[str, str]) -> None:
        folder = Path(x["folder"])
        (folder / "tried").touch()
        if not (folder / "sign").exists():
            raise FileNotFoundError("no sign yet")
        self.emit("output", "saw the sign")


class Unpicklable(Exception):
    """Carries something that no process boundary lets through."""

    def __init__(self, text: str) -> None:
        super().__init__(text, threading.Lock())
        self.text = text

    def __str__(self) -> str:
        return self.text


class Unloadable(Exception):
    """Pickles, but cannot be built again from its arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


class Unprintable(Exception):
    """Cannot even say what happened."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


class Rude(BaseException):
    """Not an Exception."""


def local_error() -> Exception:
    """An exception whose class no other process can import."""

    class Hidden(Exception):
        pass

    return Hidden("from a hidden class")


HOSTILE = {
    "unpicklable": lambda: Unpicklable("holds a lock"),
    "unloadable": lambda: Unloadable("un", "loadable"),
    "unprintable": lambda: Unprintable(),
    "hidden": local_error,
    "rude": lambda: Rude("not an Exception"),
    "exit": lambda: SystemExit(3),
    "interrupt": lambda: KeyboardInterrupt("from user code"),
    "stop": lambda: StopIteration("from user code"),
    "generator_exit": lambda: GeneratorExit("from user code"),
    "recursion": lambda: RecursionError("too deep"),
    "memory": lambda: MemoryError("too much"),
}
"""name -> maker of an exception that is hard to handle."""


class Hostile(rd.Routine):
    """Raises the named hostile exception; any other payload passes."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, name: str) -> None:
        if name in HOSTILE:
            raise HOSTILE[name]()
        self.emit("output", name)


@rd.routine
def chained(x):
    """An error with a cause."""
    try:
        {}["the inner cause"]
    except KeyError as inner:
        raise RuntimeError("the outer story") from inner
    return x


def dig(depth: int = 0) -> int:
    return dig(depth + 1) + 1


def throw() -> None:
    raise RuntimeError("in a thread that was left behind")


def misbehave(what: str) -> None:
    """Do to the process what the text says."""
    if what == "recursion":
        dig()
    elif what == "chatter":
        sys.stdout.write("x" * 200 + "\n")
        for _ in range(20_000):
            sys.stdout.write("all work and no play makes a very long log\n")
    elif what == "threads":
        for target in (throw, functools.partial(time.sleep, 600.0)):
            threading.Thread(target=target, daemon=True).start()
    elif what == "surroundings":
        os.chdir("/")
        os.environ["ROUTILUX_LEFT_BEHIND"] = "x"
        sys.setrecursionlimit(sys.getrecursionlimit() + 7)
    elif what == "fork":
        os.fork()  # and the child goes on as if it were the worker


class Misbehaving(rd.Routine):
    """Misbehaves as told, and passes on what it was told."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")

    def logic(self, what: str) -> None:
        misbehave(what)
        self.emit("output", what)


class MisbehavingState(Misbehaving):
    """The same at a home."""

    def setup(self) -> None:
        super().setup()
        self.add_state(seen=0)

    def logic(self, what: str) -> None:
        self.state["seen"] += 1
        super().logic(what)


@rd.routine
async def misbehaving_coroutine(what):
    misbehave(what)
    return what


MISBEHAVING: dict[str, Any] = {"pool": Misbehaving, "home": MisbehavingState, "async": lambda: misbehaving_coroutine}


@rd.routine
def surroundings(x):
    """What the process looks like."""
    return [os.getcwd(), os.environ.get("ROUTILUX_LEFT_BEHIND"), sys.getrecursionlimit()]


class StrictCount(rd.Routine):
    """Counts, and does not take what is negative."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("output")
        self.add_state(count=0)

    def logic(self, x: int) -> None:
        job = rd.current_job()
        if x < 0:
            known = job.get_data("known", 0)
            raise ValueError(f"{x} after {self.state['count']} of {job.metadata['user']}; known: {min(known, 2)}")
        self.state["count"] += 1
        job.update("known", 1, reducer="sum")
        self.emit("output", self.state["count"])
