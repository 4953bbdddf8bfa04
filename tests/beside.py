"""`pytest -p tests.beside`: the tests that need no Ray run in a second process, beside those that do, which mostly wait.

The other process collects the same tests, runs its part and writes its reports down; this one reports them as its own when it
is through. So there is one list of failures, one exit code and one last line, which counts all. That every test of the other part
was reported is checked: a process that ends early is an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

#: Where tests live that need no Ray, unless they are marked.
FOLDERS = ("unit", "property", "simulation", "meta", "upgrade")
#: What waits for Ray should not wait for these as well.
NICENESS = 5
#: Seconds that the other part may take once this one is through.
PATIENCE = 600


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--beside-reports", metavar="FILE", help="run the part that needs no Ray, and write its reports here"
    )


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--beside-reports")
    config.pluginmanager.register(Other(config, Path(path)) if path else This())


def needs_no_ray(item: pytest.Item) -> bool:
    """Whether a test belongs to the other process."""
    place = item.path.relative_to(item.config.rootpath).parts
    return place[0] == "tests" and place[1] in FOLDERS and item.get_closest_marker("ray") is None


class Other:
    """The process that runs the tests which need no Ray."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._config, self._file = config, path.open("w", encoding="utf-8")
        os.nice(NICENESS)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        session.items[:] = [item for item in session.items if needs_no_ray(item)]
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._file.write(json.dumps(data, default=str) + "\n")

    def pytest_unconfigure(self) -> None:
        self._file.close()


class This:
    """The process that runs the others, and tells of all."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        theirs = {item.nodeid for item in session.items if needs_no_ray(item)}
        if not theirs or len(theirs) == len(session.items) or session.config.option.collectonly:
            return (yield)
        session.items[:] = [item for item in session.items if item.nodeid not in theirs]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "reports"
            with started(session.config, path) as child:
                result = yield
                said = child.communicate(timeout=PATIENCE)[0]
            report(session, path, theirs, f"the process beside this one ended with {child.returncode}:\n{said}")
        return result


@contextlib.contextmanager
def started(config: pytest.Config, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the other process; it ends with this block at the latest."""
    command = [sys.executable, "-m", "pytest", *config.invocation_params.args]
    child = subprocess.Popen(
        [*command, "-q", "-p", "no:cacheprovider", "--beside-reports", str(path)],
        cwd=config.invocation_params.dir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def report(session: pytest.Session, path: Path, theirs: set[str], said: str) -> None:
    """Report what the other process reported.

    Raises:
        pytest.exit.Exception: It did not report the end of every test of its part.
    """
    hook, seen = session.config.hook, set()
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        data = json.loads(line)
        if isinstance(data["longrepr"], list):  # where and why it was skipped
            data["longrepr"] = tuple(data["longrepr"])
        one = hook.pytest_report_from_serializable(config=session.config, data=data)
        hook.pytest_runtest_logreport(report=one)
        if one.when == "teardown":
            seen.add(one.nodeid)
    missing = theirs - seen
    if missing and not session.shouldstop and not session.shouldfail:
        pytest.exit(f"{len(missing)} tests were not run, such as {min(missing)}; {said}", returncode=1)
