"""Branches: readings go different ways by their quality, and meet again in one report.

split ──> judge ──good──────────────> report
            ├─────doubtful──> repair ──┤
            └─────hopeless─────────────┘

python -m examples.data_pipeline --backend local
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import routilux_dist as rd

READINGS = """\
Oslo -3.5
Cairo 35.1
Lima 68F
Quito ??
Oslo -2.5
Nairobi 77F
Lima 21
Atlantis
"""


def split(text: str) -> Iterator[str]:
    yield from text.splitlines()


class Judge(rd.Routine):
    """Decides which way a reading goes: the event says it."""

    def setup(self) -> None:
        self.add_slot("input")
        for quality in ("good", "doubtful", "hopeless"):
            self.add_event(quality)

    def logic(self, input: str) -> None:
        place, _, reading = input.partition(" ")
        try:
            self.emit("good", place=place, celsius=float(reading))
        except ValueError:
            self.emit("doubtful" if reading.endswith("F") else "hopeless", place=place, reading=reading)


def repair(place: str, reading: str) -> dict[str, Any]:
    fahrenheit = float(reading.removesuffix("F"))
    return {"place": place, "celsius": round((fahrenheit - 32) / 1.8, 1)}


class Report(rd.Routine):
    """Gathers both ways, and speaks when everything has come."""

    def setup(self) -> None:
        self.add_slot("readings", handler=self.on_reading)
        self.add_slot("rejects", handler=self.on_reject)
        self.add_event("report")
        self.add_state(celsius={}, rejected=[])

    def on_reading(self, reading: dict[str, Any]) -> None:
        self.state["celsius"].setdefault(reading["place"], []).append(reading["celsius"])

    def on_reject(self, reject: dict[str, Any]) -> None:
        self.state["rejected"].append(reject["place"])

    def finish(self) -> None:
        means = {place: sum(values) / len(values) for place, values in self.state["celsius"].items()}
        self.emit("report", means=means, rejected=sorted(self.state["rejected"]))


def build_flow() -> rd.Flow:
    flow = rd.Flow("data_pipeline")
    flow.add_routine(split, "split")
    flow.add_routine(Judge(), "judge")
    flow.add_routine(repair, "repair")
    flow.add_routine(Report(), "report")
    flow.pipe("split", "judge")
    flow.connect("judge.good", "report.readings")
    flow.connect("judge.doubtful", "repair.input")
    flow.connect("repair.output", "report.readings")
    flow.connect("judge.hopeless", "report.rejects")
    return flow


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["ray", "local"], default="ray")
    options = parser.parse_args(argv)

    with rd.Runtime(backend=options.backend) as runtime:
        (report,) = runtime.submit(build_flow(), READINGS).result()["report.report"]
    for place, mean in sorted(report["means"].items()):
        print(f"{place:<10} {mean:6.1f} °C")
    print("no sense in:", ", ".join(report["rejected"]))


if __name__ == "__main__":
    main()
