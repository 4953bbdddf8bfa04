"""Take the census: `python -m examples.code_census`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path

import routilux_dist as rd
from examples.code_census import files, page, report
from examples.code_census.flow import build_flow


def main() -> None:
    """Run the flow, print what it found, and write it down."""
    options = parse_arguments()
    started = time.perf_counter()
    with rd.Runtime(backend=options.backend, max_workers=options.workers) as runtime:
        job = runtime.submit(build_flow(), {"root": options.root, "limit": options.limit})
        job.watch(quiet=options.quiet)
        (findings,) = job.result()["census.findings"]
    run = {
        "root": options.root,
        "python": platform.python_version(),
        "backend": options.backend,
        "workers": options.workers or os.cpu_count(),
        "seconds": round(time.perf_counter() - started, 2),
    }

    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "census.json").write_text(report.as_json(findings, run), encoding="utf-8")
    (options.out / "census.html").write_text(page.as_html(findings, run), encoding="utf-8", errors="backslashreplace")
    if not options.quiet:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        print(report.as_text(findings))
        print(f"\nThe whole census: {options.out / 'census.html'} and census.json ({run['seconds']} s)")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.code_census", description=__doc__)
    parser.add_argument("--root", type=folder, default=files.standard_library(), help="the folder (%(default)s)")
    parser.add_argument("--backend", choices=["ray", "local"], default="ray", help="where to run (%(default)s)")
    parser.add_argument("--workers", type=int, metavar="N", help="how many workers (one per core)")
    parser.add_argument("--out", type=Path, default=Path("census-out"), help="where to write (%(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="measure only the first N files by name")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    return parser.parse_args()


def folder(text: str) -> str:
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    # Workers may have another working directory.
    return os.path.abspath(text)


if __name__ == "__main__":
    main()
