"""Progress as text is a pure function of states."""

from __future__ import annotations

from typing import Any

import pytest

from routilux_dist.observe import progress
from routilux_dist.observe.progress import Meter, Row


def state(seconds: float = 10.0, status: str = "running", **calls: int) -> dict[str, Any]:
    """A state of job j in which each routine was called so often."""
    return {
        "job_id": "j",
        "flow": "words",
        "status": status,
        "seconds": seconds,
        "messages": {
            "accepted": sum(calls.values()),
            "done": sum(calls.values()),
            "dead": 0,
            "discarded": 0,
            "pending": 0,
            "in_flight": 0,
            "outputs": 0,
        },
        "routines": {
            name: {"activations": n, "errors": 0, "waiting": 0, "queued": 0, "running": 0} for name, n in calls.items()
        },
        "waits_for": "nothing waits",
    }


def test_rows_follow_the_order_of_the_state() -> None:
    seen = state(zebra=2000, ant=1)
    seen["routines"]["zebra"].update(errors=3, queued=5, running=4)
    first, second = progress.rows(seen, {"zebra": 12.34})
    assert first == Row("zebra", 2000, 4, 5, 3, 12.34)
    assert first.cells() == ("zebra", "2,000", "4", "5", "3", "12.3/s")
    assert second.cells() == ("ant", "1", "", "", "", "")


def test_rates_are_those_of_the_last_seconds() -> None:
    meter = Meter(window=5)
    assert meter.rates(state(2, a=100)) == {"a": 50}  # since the start of the job
    assert meter.rates(state(4, a=100)) == {"a": 25}
    assert meter.rates(state(8, a=100)) == {"a": 0}  # since second 2: what came before is forgotten
    assert meter.rates(state(10, a=160, b=6)) == {"a": 10, "b": 1}  # since second 4


def test_rates_of_an_ended_job_are_those_of_its_whole_life() -> None:
    meter = Meter()
    meter.rates(state(9, a=100))
    assert meter.rates(state(10, "completed", a=100)) == {"a": 10}


def test_a_job_that_took_no_time_has_no_rate() -> None:
    assert Meter().rates(state(0, a=1)) == {"a": 0}
    assert Meter().rates(state(0, "completed", a=1)) == {"a": 0}


def test_headline_names_only_what_there_is() -> None:
    assert progress.headline(state(3.21, a=1)) == "words: running for 3.2 s; 1 message done"
    seen = state(65, "failed", a=1204)
    seen["routines"]["a"]["errors"] = 1
    seen["messages"].update(pending=10, in_flight=2, dead=3, discarded=4, outputs=5)
    assert progress.headline(seen) == (
        "words: failed after 1:05 min; 1,204 messages done, 12 to do, 1 error, 3 dead letters, 4 discarded, 5 outputs"
    )
    assert progress.headline(state(1, "completed")) == "words: completed in 1.0 s; 0 messages done"


def test_a_line_ends_with_the_rate_of_all_routines() -> None:
    assert progress.line(state(a=1), {"a": 1.0, "b": 2.0}).endswith(", 3.00/s")
    assert progress.line(state(status="completed", a=1), {"a": 1.0}).endswith("done")


def test_a_line_says_what_a_job_that_stands_still_waits_for() -> None:
    before, now = state(10, a=1), state(12, a=1)
    now["waits_for"] = "2 messages wait in join for messages on its other slots"
    assert progress.line(now, {}, before).endswith("; 2 messages wait in join for messages on its other slots")
    assert "join" not in progress.line(now, {}, state(10, a=0))
    assert "join" not in progress.line(now, {})


def test_lines_come_ever_more_rarely() -> None:
    gaps = [progress.gap(n) for n in range(30)]
    assert gaps == sorted(gaps)
    assert gaps[0] < 1
    assert gaps[1] >= 2
    assert gaps[-1] == progress.LONGEST_GAP


def test_html_escapes_what_users_named() -> None:
    seen = state(a=1)
    seen["job_id"], seen["flow"] = "<script>", "a&b"
    html = progress.as_html(seen)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a&amp;b" in html
    assert html.count("<tr>") == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00 min"),
        (65.4, "1:05 min"),
        (3599.6, "1:00:00 h"),
        (7384, "2:03:04 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0, ""), (0.254, "0.25/s"), (37.52, "37.5/s"), (152.4, "152/s"), (12345.6, "12,346/s")]
)
def test_per_second(rate: float, text: str) -> None:
    assert progress.per_second(rate) == text
