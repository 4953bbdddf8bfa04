"""The progress of a job as rows, lines and HTML, made of nothing but what `Job.state()` says."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from routilux_dist.ids import JobStatus

State = Mapping[str, Any]

#: Heads of the columns of a table of rows.
HEADS = ("routine", "done", "running", "queued", "errors", "rate")
#: Seconds before the first plain line, between the first two, and at most.
FIRST_GAP, SECOND_GAP, LONGEST_GAP = 0.5, 2.0, 60.0


class Row(NamedTuple):
    """One routine of a job. Counts are calls (done, errors) and messages (running, queued); `rate` is calls per second."""

    routine: str
    done: int
    running: int
    queued: int
    errors: int
    rate: float

    def cells(self) -> tuple[str, ...]:
        """Return the row as text, in the order of `HEADS`; what is zero is left empty, except `done`."""
        counts = (f"{n:,}" if n else "" for n in (self.running, self.queued, self.errors))
        return (self.routine, f"{self.done:,}", *counts, per_second(self.rate))


class Meter:
    """Calls per second of each routine, over the last few states that were seen; over the whole run once the job has ended.

    Args:
        window: Seconds of the job's own time that count.
    """

    def __init__(self, window: float = 5.0) -> None:
        self._window = window
        self._seen: deque[tuple[float, dict[str, int]]] = deque([(0.0, {})])

    def rates(self, state: State) -> dict[str, float]:
        """Take in a state, and return the rates."""
        seconds = float(state["seconds"])
        calls = {name: counts["activations"] for name, counts in state["routines"].items()}
        if has_ended(state):
            return {name: done / seconds if seconds > 0 else 0.0 for name, done in calls.items()}
        while len(self._seen) > 1 and self._seen[1][0] <= seconds - self._window:
            self._seen.popleft()
        since, before = self._seen[0]
        self._seen.append((seconds, calls))
        past = seconds - since
        return {name: (done - before.get(name, 0)) / past if past > 0 else 0.0 for name, done in calls.items()}


def has_ended(state: State) -> bool:
    """Whether the job has ended."""
    return JobStatus(state["status"]).is_terminal


def rows(state: State, rates: Mapping[str, float]) -> list[Row]:
    """Return a row for each routine that has had something to do, in the order of the plan."""
    return [
        Row(
            name,
            counts["activations"],
            counts.get("running", 0),
            counts.get("queued", 0),
            counts["errors"],
            rates.get(name, 0.0),
        )
        for name, counts in state["routines"].items()
    ]


def headline(state: State) -> str:
    """Return the job in a few words: "census: running for 3.2 s; 1,204 messages done, 310 to do, 2 errors"."""
    messages = state["messages"]
    errors = sum(counts["errors"] for counts in state["routines"].values())
    parts = [counted(messages["done"], "message") + " done"]
    for number, text in (
        (messages["pending"] + messages["in_flight"], f"{messages['pending'] + messages['in_flight']:,} to do"),
        (errors, counted(errors, "error")),
        (messages["dead"], counted(messages["dead"], "dead letter")),
        (messages["discarded"], f"{messages['discarded']:,} discarded"),
        (messages["outputs"], counted(messages["outputs"], "output")),
    ):
        if number:
            parts.append(text)
    return f"{state['flow']}: {state['status']} {_since(state)}; {', '.join(parts)}"


def line(state: State, rates: Mapping[str, float], before: State | None = None) -> str:
    """Return the job as one line; it says what a job waits for that stood still since `before`."""
    text = headline(state)
    if has_ended(state):
        return text
    if before is not None and before["messages"] == state["messages"] and state["waits_for"]:
        return f"{text}; {state['waits_for']}"
    total = sum(rates.values())
    return f"{text}, {per_second(total)}" if total else text


def gap(number: int) -> float:
    """Return the seconds to wait before plain line `number` (from 0): lines come ever more rarely."""
    return FIRST_GAP if number == 0 else min(LONGEST_GAP, SECOND_GAP * 1.5 ** (number - 1))


def as_html(state: State) -> str:
    """Return the job as an HTML table, for notebooks."""
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    lines = (
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row.cells()) + "</tr>"
        for row in rows(state, Meter().rates(state))
    )
    title = f"<caption>{escape(headline(state))} <code>{escape(str(state['job_id']))}</code></caption>"
    return f"<table>{title}<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def per_second(rate: float) -> str:
    """Return a rate with about three digits: "1,520/s", "37.5/s", "0.25/s"; "" for none."""
    if rate <= 0:
        return ""
    digits = 0 if rate >= 100 else 1 if rate >= 10 else 2
    return f"{rate:,.{digits}f}/s"


def duration(seconds: float) -> str:
    """Return a duration: "3.2 s", "1:05 min", "2:03:04 h"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def counted(number: int, one: str) -> str:
    """Return "1 error", "2 errors"."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def _since(state: State) -> str:
    word = {JobStatus.COMPLETED: "in", JobStatus.FAILED: "after", JobStatus.CANCELLED: "after"}
    return f"{word.get(JobStatus(state['status']), 'for')} {duration(state['seconds'])}"
