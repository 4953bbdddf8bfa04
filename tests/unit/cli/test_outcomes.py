"""How errors end: one message, the right code, nothing on standard output."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner, Result

import routilux_dist as rd
from routilux_dist.cli.outcomes import Command, Exit, FlowImportError


def run(error: BaseException | None, *args: str, code: int | None = None) -> Result:
    @click.command(cls=Command)
    def command() -> int | None:
        click.echo("a result")
        if error is not None:
            raise error
        return code

    return CliRunner().invoke(command, args)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (rd.ConfigurationError("wrong"), Exit.USAGE, "error: wrong\n"),
        (rd.ConnectError("no Ray"), Exit.USAGE, "error: no Ray\n"),
        (rd.JobFailedError("job failed\nValueError: x"), Exit.FAILED, "error: job failed\nValueError: x\n"),
        (TimeoutError("too long"), Exit.FAILED, "error: too long\n"),
        (FileNotFoundError(2, "No such file", "x.txt"), Exit.FAILED, "error: x.txt: No such file\n"),
        (OSError(28, "No space left on device"), Exit.FAILED, "error: [Errno 28] No space left on device\n"),
        (KeyError("k"), Exit.FAILED, "error: KeyError: 'k' (unexpected; --debug shows where)\n"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted\n"),
        (FlowImportError("cannot load x", shown="Trace"), Exit.USAGE, "Trace\nerror: cannot load x\n"),
    ],
)
def test_errors(error: BaseException, code: Exit, said: str) -> None:
    result = run(error)
    assert result.exit_code == code
    assert result.stderr == said
    assert result.stdout == "a result\n"


def test_debug_shows_the_whole_traceback() -> None:
    result = run(rd.ConfigurationError("wrong"), "--debug")
    assert result.exit_code == Exit.USAGE
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "test_outcomes.py" in result.stderr
    assert result.stderr.endswith("error: wrong\n")


def test_a_wrong_option_is_a_usage_error() -> None:
    result = run(None, "--none")
    assert result.exit_code == Exit.USAGE
    assert "No such option" in result.stderr


@pytest.mark.parametrize(("code", "expected"), [(None, 0), (Exit.PARTIAL, 3)])
def test_a_command_returns_its_code(code: int | None, expected: int) -> None:
    assert run(None, code=code).exit_code == expected
