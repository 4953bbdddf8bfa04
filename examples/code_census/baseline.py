"""The same census by hand, on a `multiprocessing.Pool`: what the flow has to agree with, and a yardstick for its speed.

Run it with `python -m examples.code_census.baseline [folder]`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

from examples.code_census import files, measure, similar
from examples.code_census.findings import findings
from examples.code_census.tally import EMPTY, merge, tally


class Surveyed(NamedTuple):
    """What became of one file: its tally and signatures, or the reason why there are none."""

    path: str
    tally: dict[str, Any] = EMPTY
    signed: Sequence[tuple[Any, ...]] = ()
    reason: str = ""


def census(root: str, *, limit: int | None = None, workers: int | None = None) -> dict[str, Any]:
    """Take the census of a folder.

    Args:
        root: The folder.
        limit: How many files to measure at most; `None` for all.
        workers: How many processes to use; `None` for one per core.

    Returns:
        The findings (see `findings.findings`).
    """
    paths = files.listing(root, limit)
    with multiprocessing.Pool(workers or os.cpu_count()) as pool:
        surveyed = list(pool.imap_unordered(partial(survey, root), paths))
    return findings(
        reduce(merge, (file.tally for file in surveyed), EMPTY),
        similar.groups(each for file in surveyed for each in file.signed),
        [{"path": file.path, "reason": file.reason} for file in surveyed if file.reason],
    )


def survey(root: str, path: str) -> Surveyed:
    """Read and measure one file."""
    try:
        source = files.read(root, path)
        found = measure.functions(path, source)
    except Exception as error:  # one bad file, whatever is wrong with it, never stops the census
        return Surveyed(path, reason=f"{type(error).__name__}: {error}")
    return Surveyed(path, tally(path, source, found), similar.signatures(path, found))


def main() -> None:
    """Print the findings as JSON."""
    parser = argparse.ArgumentParser(description="Take the census without routilux_dist.")
    parser.add_argument("root", nargs="?", default=files.standard_library())
    parser.add_argument("--limit", type=int)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    print(json.dumps(census(options.root, limit=options.limit, workers=options.workers), indent=1))


if __name__ == "__main__":
    main()
