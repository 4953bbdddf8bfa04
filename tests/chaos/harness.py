"""Runs the ledger, kills processes of it at random moments, and has every round verified by another process."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import processes
from tests.chaos.verify import Line

ROOT = Path(__file__).resolve().parents[2]
#: What is killed: processes of stateless steps, homes of state, coordinators, drivers of detached jobs, everything. Coordinators
#: that are "stopped" go on when another one has taken over.
KINDS = ("workers", "homes", "coordinator", "driver", "all", "stopped")
#: Mean seconds of work between two strikes.
MEAN = 0.2
#: Seconds for anything at all to happen, and for a round to end; nothing needs a tenth of it on a quiet machine.
PATIENCE, ROUND_PATIENCE = 120.0, 240.0
#: Lines that a process has written before it is killed: three kills around one message would be that message's fault. What was
#: lost is done first by whoever comes next, up to two hundred numbers of a stateless step.
WARM, WARM_WORKER = 30, 250
#: Part of the strikes at workers and homes that kill all of them at once.
SEVERAL = 0.6
#: Part of a round's numbers after which nobody is killed any more.
LATE = 0.9


class ChaosError(Exception):
    """The rig itself does not work, or the system hangs."""


class Witness:
    """What the witness file says so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self.lines: list[Line] = []

    def look(self) -> list[Line]:
        """Read on."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                text, end, _ = file.read().rpartition(b"\n")
            self._read += len(text) + len(end)
            for line in text.decode().splitlines():
                routine, n, pid, at = line.split()
                self.lines.append(Line(routine, int(n), int(pid), float(at)))
        return self.lines

    def done(self) -> int:
        """Return how many numbers reached the end of the line."""
        return len({line.n for line in self.look() if line.routine == "chain"})


class Child:
    """A driver process."""

    def __init__(self, log: Path, address: str = "local") -> None:
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.driver", address],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment(),
            )
        self._address: str | None = None

    @property
    def address(self) -> str:
        """Its cluster; waits until it is there."""
        if self._address is None:
            self._address = ""
            self._address = self.answer(PATIENCE)["address"]
        return self._address

    def answer(self, seconds: float) -> dict[str, Any]:
        """Return the next answer."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise ChaosError(f"the driver does not answer within {seconds} s")
        line = self.process.stdout.readline()
        if not line:
            raise ChaosError(f"the driver ended with {self.process.wait(timeout=10)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChaosError(answer["error"])
        return answer

    def send(self, do: str, **spec: Any) -> None:
        """Send a command; its answer comes when it is carried out."""
        assert self.address
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **spec}).encode() + b"\n")
        self.process.stdin.flush()

    def call(self, do: str, **spec: Any) -> dict[str, Any]:
        """Have a command carried out."""
        self.send(do, **spec)
        return self.answer(ROUND_PATIENCE)

    def kill(self, everything: bool) -> None:
        """Kill the process; with `everything` all of its descendants, its cluster among them."""
        pids = processes.tree(self.process.pid) if everything else [self.process.pid]
        for pid in pids:
            processes.kill(pid)
        self.process.wait(timeout=30)
        self._let_go()
        left = processes.gone(pids, 30)
        if left:
            raise ChaosError(f"killed, and still there: {left}")

    def _let_go(self) -> None:
        """Close the pipes; what could not be sent any more is nobody's."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        pids = processes.tree(self.process.pid)
        self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        finally:
            self._let_go()
            for pid in processes.gone(pids, 20):
                processes.kill(pid)


def environment() -> dict[str, str]:
    """Return what Ray's processes inherit."""
    return {
        **{key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"},
        "RAY_AUTH_MODE": "disabled",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "workers")]),
    }


def percentile(seconds: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the largest of some figures."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
        "max": ordered[-1],
    }


@dataclass(slots=True)
class Totals:
    """What a run amounts to."""

    kind: str
    seed: int
    rounds: int = 0
    figures: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    #: What was killed -> seconds until something that it had cost was begun again.
    delays: dict[str, list[float]] = field(default_factory=dict)

    def add(self, report: dict[str, Any]) -> None:
        """Add a round."""
        self.rounds += 1
        for name, value in report.items():
            if isinstance(value, int):
                self.figures[name] = self.figures.get(name, 0) + value
        for what, delays in report["delays"].items():
            self.delays.setdefault(what, []).extend(delays)
        self.violations += [f"round {self.rounds}: {text}" for text in report["violations"]]

    def told(self) -> dict[str, Any]:
        """Return it as plain data."""
        redone = {what: percentile(delays) for what, delays in self.delays.items()}
        figures = {"kind": self.kind, "seed": self.seed, "rounds": self.rounds, **self.figures}
        return {**figures, "redone": redone, "violations": self.violations}


class Harness:
    """One kind of kill.

    Args:
        kind: One of `KINDS`.
        folder: Where everything is written.
        seed: Of the moments and the victims.
        mean: Mean seconds of work between two strikes.
        n: Numbers in a round.
        seconds: What a number takes.
    """

    def __init__(
        self, kind: str, folder: Path, seed: int, mean: float = MEAN, n: int = 3000, seconds: float = 0.003
    ) -> None:
        self.kind, self.folder, self.mean, self.n, self.seconds = kind, folder, mean, n, seconds
        self.totals = Totals(kind, seed)
        self._random = random.Random(seed)
        #: How many may still be killed.
        self._left = 0
        self._log = folder / "drivers.log"
        self._head: Child | None = None
        self._child: Child | None = None
        #: The driver that comes next, begun before the one that works is killed: beginning takes longer than the work between.
        self._spare: Child | None = None
        #: Namespaces used so far; each holds one coordinator of a job.
        self._places = 0

    def run(self, kills: int, until: float = float("inf")) -> Totals:
        """Run rounds until enough processes were killed, or it is too late (monotonic time); then look for what leaked."""
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if self.kind == "driver":
                self._head = Child(self._log)
            self._child = self._new_child()
            while (
                self.totals.figures.get("kills", 0) < kills and time.monotonic() < until and not self.totals.violations
            ):
                self._round(kills - self.totals.figures.get("kills", 0))
            self._look_for_leaks()
        except ChaosError as exc:
            self.totals.violations.append(str(exc))
        finally:
            for child in (self._child, self._spare, self._head):
                if child is not None and child.process.poll() is None:
                    child.kill(everything=True)
        self._judge()
        return self.totals

    def _new_child(self) -> Child:
        return Child(self._log, self._head.address if self._head is not None else "local")

    # ---- a round -------------------------------------------------------------------------------------------------

    def _round(self, most: int) -> None:
        name = f"{self.kind}-{self.totals.rounds}"
        witness = Witness(self.folder / f"{name}.witness")
        told = self.folder / f"{name}.told"
        saved = self.kind != "workers"
        spec = {
            "job": name,
            "n": self.n,
            "seconds": self.seconds,
            "witness": str(witness.path),
            "checkpoint": str(self.folder / "ckpt") if saved else None,
            "detached": self.kind == "driver",
        }
        assert self._child is not None
        self._child.call("submit", **spec)
        kills = self._kill_some(witness, spec, most)
        self._child.call("wait", told=str(told), timeout=ROUND_PATIENCE - 30)
        facts = {"n": self.n, "told": str(told), "witness": str(witness.path), "kills": kills}
        (self.folder / f"{name}.json").write_text(json.dumps(facts))
        command = [sys.executable, "-m", "tests.chaos.verify", str(self.folder / f"{name}.json")]
        checked = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=PATIENCE)
        if not checked.stdout:
            raise ChaosError(f"the verifier failed: {checked.stderr[-2000:]}")
        self.totals.add(json.loads(checked.stdout))

    def _kill_some(self, witness: Witness, spec: dict[str, Any], most: int) -> list[dict[str, Any]]:
        """Kill at random moments until the round is nearly over."""
        strike: Callable[..., dict[str, Any] | list[dict[str, Any]] | None] = {
            "workers": self._strike_workers,
            "homes": self._strike_workers,
            "coordinator": self._strike_coordinator,
            "driver": self._strike_driver,
            "all": self._strike_everything,
            "stopped": self._strike_stopped,
        }[self.kind]
        kills: list[dict[str, Any]] = []
        while len(kills) < most:
            if self.kind in ("driver", "all") and self._spare is None:
                self._spare = self._new_child()
            seen = witness.done()
            pause = self._random.expovariate(1 / self.mean)
            if not self._progress(witness, seen, pause):
                break
            self._left = most - len(kills)
            kill = strike(witness, spec) or []
            kills += kill if isinstance(kill, list) else [kill]
        return kills

    def _progress(self, witness: Witness, seen: int, pause: float) -> bool:
        """Wait until there was some progress, and then for a random while; return whether the round is still young."""
        until = time.monotonic() + PATIENCE
        while (done := witness.done()) < min(seen + WARM, LATE * self.n):
            if time.monotonic() > until:
                assert self._child is not None
                told = self._child.call("look")
                raise ChaosError(f"nothing happens any more: {done} of {self.n} numbers in {witness.path.name}: {told}")
            time.sleep(0.02)
        time.sleep(pause)
        return witness.done() < LATE * self.n

    def _strike_workers(self, witness: Witness, spec: dict[str, Any]) -> list[dict[str, Any]]:
        """Kill one process that works, or at times all that do."""
        routine, warm = ("work", WARM_WORKER) if self.kind == "workers" else ("chain", WARM)
        lines = [line for line in witness.look() if line.routine == routine]
        written: dict[int, int] = {}
        for line in lines:
            written[line.pid] = written.get(line.pid, 0) + 1
        recent = {line.pid for line in lines[-200:] if line.at > time.monotonic() - 0.5 and written[line.pid] >= warm}
        victims = sorted(pid for pid in recent if processes.alive(pid))
        if not victims:
            return []
        self._random.shuffle(victims)
        if not self._at_work(witness, routine, victims[0]):
            return []
        chosen = victims[: self._left] if self._random.random() < SEVERAL else victims[:1]
        killed = [pid for pid in chosen if processes.kill(pid)]
        return [{"what": "worker", "pid": pid, "at": time.monotonic()} for pid in killed]

    def _at_work(self, witness: Witness, routine: str, pid: int) -> bool:
        """Wait for a process to begin with a number: a kill between two slices would prove nothing."""
        known, until = len(witness.lines), time.monotonic() + 0.5
        while time.monotonic() < until:
            if any(line.pid == pid and line.routine == routine for line in witness.look()[known:]):
                return True
            known = len(witness.lines)
            time.sleep(0.0005)
        return False

    def _strike_coordinator(self, witness: Witness, spec: dict[str, Any]) -> dict[str, Any] | None:
        assert self._child is not None
        found = self._coordinators()
        if len(found) != 1:
            return None
        killed = processes.kill(found[0])
        return {"what": "coordinator", "pid": found[0], "at": time.monotonic()} if killed else None

    def _coordinators(self) -> list[int]:
        assert self._child is not None
        pids = processes.tree(self._child.process.pid)
        return [pid for pid in pids if processes.title(pid).startswith("ray::SavedHub")]

    def _strike_stopped(self, witness: Witness, spec: dict[str, Any]) -> dict[str, Any] | None:
        """Stop the coordinator, have another one take over, and let the first go on: meanwhile, or some time later.

        It has to find that it was taken over, to say so, and to end. Whether it committed anything is seen in the outputs.
        """
        child, found = self._child, self._coordinators()
        assert child is not None
        if len(found) != 1 or not processes.kill(found[0], signal.SIGSTOP):
            return None
        kill = {"what": "stopped", "pid": found[0], "at": time.monotonic()}
        self._places += 1
        child.send("take_over", namespace=f"place-{self._places}", **spec)
        try:
            if self._random.random() < 0.25:
                time.sleep(self._random.uniform(0, 1))
            else:
                child.answer(ROUND_PATIENCE)
                time.sleep(self._random.expovariate(1 / 0.2))
                child.send("nothing")
        finally:
            processes.kill(found[0], signal.SIGCONT)
        child.answer(ROUND_PATIENCE)
        told = child.call("fenced", timeout=PATIENCE)["told"]
        if "taken over" not in told:
            raise ChaosError(f"a coordinator that was stopped while another one took over says: {told}")
        if processes.gone(found, PATIENCE):
            raise ChaosError("a coordinator that was fenced is still there")
        return kill

    def _next_child(self) -> Child:
        spare, self._spare = self._spare, None
        return spare if spare is not None else self._new_child()

    def _strike_driver(self, witness: Witness, spec: dict[str, Any]) -> dict[str, Any]:
        assert self._child is not None
        pid = self._child.process.pid
        self._child.kill(everything=False)
        kill = {"what": "driver", "pid": pid, "at": time.monotonic()}
        self._child = self._next_child()
        self._child.call("attach", **spec)
        return kill

    def _strike_everything(self, witness: Witness, spec: dict[str, Any]) -> dict[str, Any]:
        assert self._child is not None
        pid = self._child.process.pid
        self._child.kill(everything=True)
        kill = {"what": "cluster", "pid": pid, "at": time.monotonic()}
        self._child = self._next_child()
        self._child.call("recover", **spec)
        return kill

    # ---- afterwards ----------------------------------------------------------------------------------------------

    def _look_for_leaks(self) -> None:
        """Nothing may be left of the runs but Ray itself."""
        assert self._child is not None
        if self._spare is not None:
            self._spare.kill(everything=True)
            self._spare = None
        detached = [f"driver-{n}" for n in range(self.totals.rounds)] if self.kind == "driver" else []
        missing = self._child.call("close", detached=detached)["missing"]
        if missing:
            self.totals.violations.append(f"the cluster has not got back {missing}")
        owner = self._head or self._child
        ours = ("ray::CrewMember", "ray::HostActor", "ray::Host", "ray::Hub", "ray::SavedHub", "ray::run_slice")
        until = time.monotonic() + 30
        while left := [t for pid in processes.tree(owner.process.pid) if (t := processes.title(pid)).startswith(ours)]:
            if time.monotonic() > until:
                self.totals.violations.append(f"processes are left: {left}")
                return
            time.sleep(0.1)
        owner.close()

    def _judge(self) -> None:
        """A run that proves nothing is wrong too."""
        figures, wrong = self.totals.figures, self.totals.violations
        kills, hits = figures.get("kills", 0), figures.get("hits", 0)
        if not wrong and kills - hits > max(1, 0.2 * kills):  # of a few, one may miss
            wrong.append(f"only {hits} of {kills} kills met work under way: this proves nothing")
        if not wrong and not kills:
            wrong.append("nothing was killed: this proves nothing")
        if not wrong and self.kind != "driver" and not figures.get("re_executions"):
            wrong.append("nothing was executed twice: this proves nothing")
