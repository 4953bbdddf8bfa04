"""The census as a flow.

    list ──> read ──> measure ──tally────────────────> census ──> findings
              │          ├─────signatures──> match ──────┤
              └──error───┴──error────────────────────────┘

`list`, `read` and `measure` have no state: they run wherever a core is free, and as a rule a file is measured by the
process that read it. `match` and `census` gather what comes, file by file, and speak in `finish`, when everything
before them is done. A file that cannot be read or parsed is a finding too: its error takes the lower way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import routilux_dist as rd
from examples.code_census import files, measure, similar
from examples.code_census.findings import findings
from examples.code_census.tally import EMPTY, merge, tally


@rd.routine
def list_files(root: str, limit: int | None = None) -> Iterator[dict[str, str]]:
    for path in files.listing(root, limit):
        yield {"root": root, "path": path}


@rd.routine
def read(root: str, path: str) -> dict[str, str]:
    return {"path": path, "source": files.read(root, path)}


class Measure(rd.Routine):
    """Parses one file; sends what is to be counted one way, and what its functions look like another."""

    def setup(self) -> None:
        self.add_slot("input")
        self.add_event("tally")
        self.add_event("signatures")

    def logic(self, input: dict[str, str]) -> None:
        path, source = input["path"], input["source"]
        functions = measure.functions(path, source)
        self.emit("tally", tally(path, source, functions))
        self.emit("signatures", similar.signatures(path, functions))


class Match(rd.Routine):
    """Gathers the signatures of all files, and finds the near-duplicates among them."""

    def setup(self) -> None:
        self.add_slot("signatures")
        self.add_event("groups")
        self.add_state(signed=[])

    def logic(self, signatures: list[Any]) -> None:
        self.state["signed"] += signatures

    def finish(self) -> None:
        self.emit("groups", similar.groups(self.state["signed"]))


class Census(rd.Routine):
    """Gathers everything that was found out, and draws the conclusions."""

    def setup(self) -> None:
        self.add_slot("tally", handler=self.on_tally)
        self.add_slot("groups", handler=self.on_groups)
        self.add_slot("failures", handler=self.on_failure)
        self.add_event("findings")
        self.add_state(tally=EMPTY, groups=[], failures=[])

    def on_tally(self, tally: dict[str, Any]) -> None:
        self.state["tally"] = merge(self.state["tally"], tally)

    def on_groups(self, groups: list[dict[str, Any]]) -> None:
        self.state["groups"] += groups

    def on_failure(self, failure: dict[str, Any]) -> None:
        reason = f"{failure['error_type']}: {failure['error']}"
        self.state["failures"].append({"path": failure["payload"]["path"], "reason": reason})

    def finish(self) -> None:
        self.emit("findings", findings(self.state["tally"], self.state["groups"], self.state["failures"]))


def build_flow() -> rd.Flow:
    flow = rd.Flow("code_census")
    flow.add_routine(list_files, "list")
    flow.add_routine(read, "read")
    flow.add_routine(Measure(), "measure")
    flow.add_routine(Match(), "match")
    flow.add_routine(Census(), "census")

    flow.pipe("list", "read", "measure")
    flow.connect("measure.tally", "census.tally")
    flow.connect("measure.signatures", "match.signatures")
    flow.connect("match.groups", "census.groups")

    for step in ("read", "measure"):
        flow.routines[step].set_as_optional()  # an error is recorded, and the job goes on
        flow.connect(f"{step}.error", "census.failures")
    return flow
