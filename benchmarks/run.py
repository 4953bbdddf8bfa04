"""Run the benchmarks: `python -m benchmarks.run`.

Each workload runs in a process of its own, one after another. `--quick` is for finding out whether everything works; its figures
mean nothing, and are kept only where `--json` and `--html` say.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import burn, compare, environment, facts, page, table

HERE = Path(__file__).resolve().parent
LATEST = HERE / "results" / "latest.json"
PAGE = environment.ROOT / "docs" / "benchmarks" / "index.html"
#: What is compiled before anything is measured.
COMPILED = ("routilux_dist", "workers/routilux_workers", "benchmarks")
#: Seconds for a workload and round, before it is given up.
PATIENCE = 240


def main() -> int:
    """Measure, print the table, write the results; return the exit code."""
    options = parse_arguments()
    # A workload's process has to end with this one, also when this one is told to end.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for name in COMPILED:  # as pip does with what it installs: our processes would translate every module anew
        compileall.compile_dir(environment.ROOT / name, quiet=1)
    before = json.loads(options.compare.read_text(encoding="utf-8")) if options.compare else None
    results = measure(options)
    rows = [row for case in results["cases"].values() for row in case["rows"]]
    print(table.text(rows))
    failed = {name: case["failed"] for name, case in results["cases"].items() if case.get("failed")}
    for name, reason in failed.items():
        print(f"{name} FAILED: {reason}", file=sys.stderr)
    write(options, results)
    lost = compare.fallen([r for c in before["cases"].values() for r in c["rows"]], rows) if before else []
    for line in lost:
        print(f"fallen: {line}", file=sys.stderr)
    return 1 if failed or lost else 0


def parse_arguments() -> argparse.Namespace:
    from benchmarks.cases import CASES

    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does everything work?")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="NAME,…", help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, help="times that everybody runs (5; quick: 2)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where to write the results (benchmarks/results/latest.json)"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="where to write the page (docs/benchmarks/index.html)"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        nargs="?",
        const=LATEST,
        metavar="FILE",
        help="exit with 1 if a ratio fell (latest.json)",
    )
    parser.add_argument(
        "--renew", action="store_true", help="put these workloads into the stored results, in place of their older ones"
    )
    parser.add_argument("--note", default="", help="something to say with the results")
    options = parser.parse_args()
    unknown = set(options.only or ()) - set(CASES)
    if unknown:
        parser.error(f"there is no workload {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    options.only = options.only or list(CASES)
    options.rounds = options.rounds or (2 if options.quick else 5)
    return options


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the workloads; return all results."""
    loops = burn.calibrate()
    results: dict[str, Any] = {
        "machine": facts.machine(loops),
        "rounds": options.rounds,
        "quick": options.quick,
        "note": options.note,
        "cases": {},
    }
    for number, name in enumerate(options.only, 1):
        started = time.perf_counter()
        results["cases"][name] = run_case(name, options, loops)
        taken = time.perf_counter() - started
        print(f"[{number}/{len(options.only)}] {name}: {taken:.0f} s", file=sys.stderr, flush=True)
    return results


def run_case(name: str, options: argparse.Namespace, loops: float) -> dict[str, Any]:
    """Run one workload in a process of its own; a failure is a result."""
    from benchmarks.cases import CASES

    ask = json.dumps({"rounds": options.rounds, "quick": options.quick, "loops_per_ms": loops})
    failed: dict[str, Any] = {"title": CASES[name].title, "rows": [], "values": {}, "absent": {}}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", name, str(out), ask],
            cwd=environment.ROOT,
            start_new_session=True,
        )
        try:
            child.wait(PATIENCE * options.rounds)
        except subprocess.TimeoutExpired:
            return failed | {"failed": f"it took more than {PATIENCE * options.rounds} s"}
        finally:
            _end(child)
        if child.returncode != 0 or not out.exists():
            return failed | {"failed": f"its process ended with {child.returncode}"}
        return json.loads(out.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process and what it started."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def write(options: argparse.Namespace, results: dict[str, Any]) -> None:
    """Write the results and the page; a part of the workloads does not replace the whole, but may renew its part."""
    from benchmarks.cases import CASES

    if options.renew:
        fresh = {name: case for name, case in results["cases"].items() if not case.get("failed")}
        stored = json.loads(LATEST.read_text(encoding="utf-8"))
        cases = stored["cases"] | fresh
        notes = (stored["note"], f"Later than the others: {', '.join(fresh)}.", options.note)
        ordered = {name: cases[name] for name in CASES if name in cases}
        results = results | {"note": " ".join(filter(None, notes)), "cases": ordered}
    whole = not options.quick and (options.renew or set(options.only) == set(CASES))
    for path, text in (
        (options.json or (LATEST if whole else None), json.dumps(results, indent=1, ensure_ascii=False) + "\n"),
        (options.html or (PAGE if whole else None), page.as_html(results)),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
