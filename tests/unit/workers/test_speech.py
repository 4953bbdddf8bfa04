from __future__ import annotations

import contextvars
import io
import logging
import sys
from collections.abc import Callable

import pytest

import routilux_dist as rd
from routilux_dist.testing import Workbench
from routilux_workers import speech
from tests.unit.workers.conftest import of

Build = Callable[..., Workbench]


def listen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what arrives at the real stream. Not a fixture: pytest changes streams between a test and its fixtures."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    speech.give_voice()
    return stream


def test_each_line_says_who_printed_it(workbench: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = listen(monkeypatch)

    def talk(x: str) -> str:
        print("one", x)  # noqa: T201 - the subject
        print("two\nthree")  # noqa: T201 - the subject
        sys.stdout.write("fo")
        sys.stdout.write("ur\n")
        return x

    one = workbench(of(("a", talk)))
    one.send("a.input", "x")
    assert printed.getvalue().splitlines() == [f"[small/a job] {line}" for line in ("one x", "two", "three", "four")]


def test_what_is_logged_goes_the_same_way(workbench: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = listen(monkeypatch)
    logger = logging.Logger("mine")
    logger.addHandler(logging.StreamHandler())
    one = workbench(of(("a", lambda x: logger.warning("careful with %s", x))))
    one.send("a.input", "x")
    assert printed.getvalue() == "[small/a job] careful with x\n"


def test_other_lines_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = listen(monkeypatch)

    def outside() -> None:
        sys.stdout.write("outside\n")
        sys.stdout.writelines(["a\n", "b\n"])

    contextvars.Context().run(outside)  # whatever other tests have left in this one
    assert printed.getvalue() == "outside\na\nb\n"


def test_voice_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listen(monkeypatch)
    before = sys.stdout
    speech.give_voice()
    assert sys.stdout is before
    assert not sys.stdout.isatty()


def test_coroutines_have_their_own_voice(workbench: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = listen(monkeypatch)

    @rd.routine
    async def talk(x: str) -> None:
        print(x)  # noqa: T201 - the subject

    one = workbench(of(("a", talk)))
    one.run(one.block("a.input", ["x"], "j"), one.block("a.input", ["y"], "k"))
    assert sorted(printed.getvalue().splitlines()) == ["[small/a j] x", "[small/a k] y"]
