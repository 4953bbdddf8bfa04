"""Hours of work under fire: ``python -m tests.chaos.soak --minutes 60``, or ``make soak``; prints one JSON line.

A detached flow gets job after job. Every ten seconds a worker, a home, the coordinator or the driver dies. Each job is verified
as soon as it has ended, by a process of its own, and its files are deleted. What the processes and the journal hold is sampled,
and has to stay flat.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.chaos import processes
from tests.chaos.figures import ROLES, Samples
from tests.chaos.harness import PATIENCE, ROOT, ChaosError, Child, Witness, environment, percentile

RUN = "soak"
#: Seconds between two kills, and between two samples.
EVERY = 10.0
#: How often which kind is chosen. What lives for minutes can show whether it grows.
WEIGHTS = {"worker": 6, "home": 6, "coordinator": 1, "driver": 1}
#: Jobs at once, numbers in each, and what a number takes.
JOBS, N, SECONDS = 2, 4000, 0.003
#: By how many MiB the memory of a role may rise in the whole run after it has begun, besides a tenth of its median; likewise what
#: is saved, besides a quarter of it; and open files, in numbers.
MEMORY_RISE, SAVED_RISE, FILES_RISE = 16.0, 4.0, 10.0


class Soak:
    """One run.

    Args:
        folder: Where everything is written.
        seed: Of the kinds and the victims.
        minutes: For which jobs are begun.
        every: Seconds between two kills.
    """

    def __init__(self, folder: Path, seed: int, minutes: float, every: float = EVERY) -> None:
        self.folder, self.minutes, self.every = folder, minutes, every
        self.violations: list[str] = []
        self.kills: list[dict[str, Any]] = []
        self.samples = Samples()
        self.figures: Counter[str] = Counter()
        self._hit: set[int] = set()
        self._delays: dict[str, list[float]] = defaultdict(list)
        self._random = random.Random(seed)
        self._begun = 0
        #: Open jobs -> their witness and the kills before them; verifiers that run -> their job.
        self._open: dict[str, tuple[Witness, int]] = {}
        self._verifiers: dict[str, subprocess.Popen[str]] = {}
        self._log = folder / "drivers.log"
        self._head = Child(self._log)
        self._child = Child(self._log, self._head.address)
        self._spec = {
            "run": RUN,
            "witness": str(folder / "{job}.witness"),
            "seconds": SECONDS,
            "checkpoint": str(folder / "ckpt"),
        }

    def run(self) -> dict[str, Any]:
        """Run; return what it amounts to."""
        started = time.monotonic()
        try:
            self._child.call("open", **self._spec, timeout=PATIENCE)
            (self.folder / f"{RUN}.witness").unlink()
            self._work(started, started + 60 * self.minutes)
            self._end()
        except ChaosError as exc:
            self.violations.append(str(exc))
        finally:
            for child in (self._child, self._head):
                if child.process.poll() is None:
                    child.kill(everything=True)
        warm = started + max(60.0, 6 * self.minutes)
        return self._told(time.monotonic() - started, warm)

    def _work(self, started: float, until: float) -> None:
        sample_at, kill_at = started, started + self.every
        moved = time.monotonic()
        while (now := time.monotonic()) < until or self._open or self._verifiers:
            while now < until and len(self._open) < JOBS:
                self._begin_job()
            if now >= sample_at:
                sample_at = now + EVERY
                folders = {"journal": self.folder / "ckpt", "files": self.folder}
                self.samples.take(now, self._head.process.pid, self._child.process.pid, folders)
            if kill_at <= now < until:
                kill = self._strike(self._random.choices([*WEIGHTS], [*WEIGHTS.values()])[0])
                if kill is not None:
                    self.kills.append(kill)
                    kill_at += self.every
            if self._collect():
                moved = now
            if now - moved > PATIENCE:
                raise ChaosError(f"no job has ended for {PATIENCE} s: {[*self._open]}")
            if self.violations:
                return
            time.sleep(0.2)

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def _begin_job(self) -> None:
        self._begun += 1
        name = f"{RUN}-{self._begun}"
        self._child.call("more", run=RUN, job=name, n=N)
        self._open[name] = Witness(self.folder / f"{name}.witness"), len(self.kills)

    def _collect(self) -> bool:
        """Have ended jobs verified, and take in what was found; return whether a job has ended."""
        ended: list[str] = self._child.call("poll", folder=str(self.folder))["ended"]
        for name in ended:
            witness, first = self._open.pop(name)
            facts = {"n": N, "told": str(self.folder / f"{name}.told"), "witness": str(witness.path)}
            spec = self.folder / f"{name}.json"
            spec.write_text(json.dumps({**facts, "kills": self.kills[first:], "first": first}))
            command = [sys.executable, "-m", "tests.chaos.verify", str(spec)]
            self._verifiers[name] = subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
            )
        for name, verifier in list(self._verifiers.items()):
            if verifier.poll() is not None:
                del self._verifiers[name]
                self._take_in(name, verifier)
        return bool(ended)

    def _take_in(self, name: str, verifier: subprocess.Popen[str]) -> None:
        assert verifier.stdout is not None
        with verifier.stdout as told:
            text = told.read()
        if not text:
            raise ChaosError(f"the verifier of {name} ended with {verifier.returncode}")
        report = json.loads(text)
        self.violations += [f"{name}: {one}" for one in report["violations"]]
        for what in ("commits", "executions", "re_executions", "unexplained", "lost", "twice"):
            self.figures[what] += report[what]
        self.figures["jobs"] += 1
        spec = json.loads((self.folder / f"{name}.json").read_text())
        self._hit.update(spec["first"] + n for n in report["hit"])
        for what, delays in report["delays"].items():
            self._delays[what] += delays
        if not report["violations"]:  # else somebody wants to look at them
            for ending in ("told", "json", "witness"):
                (self.folder / f"{name}.{ending}").unlink()

    # ---- kills ---------------------------------------------------------------------------------------------------

    def _strike(self, kind: str) -> dict[str, Any] | None:
        if kind == "driver":
            return self._strike_driver()
        if kind == "coordinator" and self._busy("work") is None and self._busy("chain") is None:
            return None  # it has only just come back: three times in a row, and it would be at fault itself
        pid = self._coordinator() if kind == "coordinator" else self._busy("work" if kind == "worker" else "chain")
        if pid is None or not processes.kill(pid):
            return None
        what = "worker" if kind == "home" else kind
        return {"what": what, "kind": kind, "pid": pid, "at": time.monotonic()}

    def _busy(self, routine: str) -> int | None:
        """Return a process that works on a routine at this moment."""
        since = time.monotonic() - 0.5
        recent = {
            line.pid
            for witness, _ in self._open.values()
            for line in witness.look()[-200:]
            if line.routine == routine and line.at > since
        }
        alive = sorted(pid for pid in recent if processes.alive(pid))
        return self._random.choice(alive) if alive else None

    def _coordinator(self) -> int | None:
        tree = processes.tree(self._head.process.pid)
        return next((pid for pid in tree if processes.title(pid).startswith(ROLES["coordinator"])), None)

    def _strike_driver(self) -> dict[str, Any]:
        pid = self._child.process.pid
        self._child.kill(everything=False)
        kill = {"what": "driver", "kind": "driver", "pid": pid, "at": time.monotonic()}
        self._child = Child(self._log, self._head.address)
        self._child.call("join", **self._spec)
        for name in self._open:
            self._child.call("more", run=RUN, job=name, n=N)
        return kill

    # ---- afterwards ----------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """Nothing may be left of it but what was saved."""
        told = self._child.call("close", detached=[RUN], actors=True)
        self.violations += [f"still there: {what}" for what in (told["missing"], told["actors"]) if what]
        until, ours = time.monotonic() + 30, tuple(begin for begins in ROLES.values() for begin in begins)
        while left := [
            t for pid in processes.tree(self._head.process.pid) if (t := processes.title(pid)).startswith(ours)
        ]:
            if time.monotonic() > until:
                self.violations.append(f"processes are left: {left}")
                break
            time.sleep(0.1)
        files = [path.name for path in self.folder.iterdir() if path.name not in ("ckpt", "drivers.log")]
        if files and not self.violations:
            self.violations.append(f"files are left: {files}")
        self._child.close()
        self._head.close()

    def _told(self, seconds: float, warm: float) -> dict[str, Any]:
        memory = {role: series.after(warm) for role, series in self.samples.memory.items()}
        files = {role: series.after(warm) for role, series in self.samples.files.items()}
        sizes = {name: series.after(warm) for name, series in self.samples.sizes.items()}
        for what, group, least, part in (
            ("memory in MiB", {role: memory[role] for role in ("driver", *ROLES) if role in memory}, MEMORY_RISE, 0.1),
            ("open files", {role: files[role] for role in ("driver", *ROLES) if role in files}, FILES_RISE, 0.1),
            ("size", sizes, SAVED_RISE, 0.25),
        ):
            for name, series in group.items():
                if series.rise() > least + part * series.middle():
                    self.violations.append(f"{what} of {name} is not flat: {series.told()}")
        kinds = Counter(kill["kind"] for kill in self.kills)
        if not self.figures["re_executions"] or not self.kills:
            self.violations.append("nothing was executed twice: this proves nothing")
        return {
            "minutes": self.minutes,
            "seconds": round(seconds, 1),
            "messages": 2 * self.figures["commits"],
            **self.figures,
            "kills": len(self.kills),
            **{f"kills of {kind}": count for kind, count in sorted(kinds.items())},
            "hits": len(self._hit),
            "redone": {what: percentile(delays) for what, delays in self._delays.items()},
            "memory": {role: series.told() for role, series in sorted(memory.items())},
            "growth per hour of a life": self.samples.growths(),
            "open files": {role: series.told() for role, series in sorted(files.items())},
            "saved": {name: series.told() for name, series in sorted(sizes.items())},
            "violations": self.violations,
        }


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="routilux-soak-") as folder:
        told = Soak(Path(folder), arguments.seed, arguments.minutes, arguments.every).run()
        if told["violations"]:
            sys.stderr.write((Path(folder) / "drivers.log").read_text(errors="replace")[-5000:])
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if told["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
