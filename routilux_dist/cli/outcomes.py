"""How a command ends: exit codes, and what is said about an error."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

import click

from routilux_dist.errors import ConfigurationError, RoutiluxError


class Exit(enum.IntEnum):
    """Exit codes, for shell scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


#: The exit codes as `--help` shows them.
CODES = """\b
Exit codes:
  0    all done
  1    the job failed or took too long, or its results cannot be written
  2    the command, the flow or the input is wrong, or Ray cannot be reached
  3    some items failed (with --on-error skip or collect); the others are done
  130  interrupted (Ctrl-C)
  141  the reader of standard output went away
  143  terminated (SIGTERM)"""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the same as Ctrl-C, with another exit code."""


class FlowImportError(ConfigurationError):
    """A user's module could not be loaded; `shown` is the user's traceback."""

    shown: str = ""


class Command(click.Command):
    """A command whose errors end as one message and an exit code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(click.Option(["--debug"], is_flag=True, help="Show the whole traceback of an error."))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and exit."""
        debug = ctx.params.pop("debug")
        try:
            with _sigterm():
                code = super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (Exception, KeyboardInterrupt) as exc:
            code = ended_by(exc, debug=debug)
        ctx.exit(int(code or Exit.OK))


@contextlib.contextmanager
def _sigterm() -> Iterator[None]:
    """Have SIGTERM end a command as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    heed_sigterm()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def heed_sigterm() -> None:
    """Have SIGTERM raise `Terminated` in the main thread."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: Any) -> None:
    raise Terminated


def ended_by(exc: BaseException, *, debug: bool) -> Exit:
    """Say on standard error what went wrong; return the exit code."""
    if isinstance(exc, BrokenPipeError):
        _close_stdout()
        return Exit.PIPE_CLOSED
    if debug:
        tell("".join(traceback.format_exception(exc)).rstrip())
    if isinstance(exc, KeyboardInterrupt):
        terminated = isinstance(exc, Terminated)
        tell("terminated" if terminated else "interrupted")
        return Exit.TERMINATED if terminated else Exit.INTERRUPTED
    if isinstance(exc, FlowImportError) and exc.shown and not debug:
        tell(exc.shown)
    tell(f"error: {_message(exc)}")
    return Exit.USAGE if isinstance(exc, ConfigurationError) else Exit.FAILED


def leave_at_once(exc: KeyboardInterrupt) -> NoReturn:
    """End this process, whatever its threads are at: leaving in good order would wait for them, or for what they wait for."""
    code = ended_by(exc, debug=False)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(int(code))


def _message(exc: BaseException) -> str:
    if isinstance(exc, (RoutiluxError, TimeoutError)):
        return str(exc)
    if isinstance(exc, OSError):
        return f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc)
    return f"{type(exc).__name__}: {exc} (unexpected; --debug shows where)"


def tell(text: str) -> None:
    """Write a line to standard error; it may be closed."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(text, err=True)


def _close_stdout() -> None:
    """Have the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
