"""The verifier finds what it is there to find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.ledger import KEYS, key_of, link
from tests.chaos.verify import Line, verify

N = 20


def right() -> tuple[dict[str, Any], list[Line]]:
    """What a round without faults gives."""
    chains: dict[int, tuple[int, str]] = {}
    rows, lines = [], []
    for n in range(N):
        count, chain = chains.get(key_of(n), (0, ""))
        chains[key_of(n)] = count + 1, link(chain, n)
        rows.append([key_of(n), *chains[key_of(n)]])
        rows[-1].insert(2, n)
        lines += [Line("work", n, 1, n), Line("chain", n, 2, n + 0.5)]
    states = [[key, *chain] for key, chain in chains.items()]
    messages = {"accepted": 2 * N + 1, "done": 2 * N + 1, "pending": 0, "in_flight": 0}
    outputs = {"chain.output": rows, "chain.state": states}
    return {"status": "completed", "outputs": outputs, "messages": messages, "letters": 0, "errors": []}, lines


def test_what_is_right_is_called_right() -> None:
    told, lines = right()
    report = verify(N, told, lines, [])
    assert report["violations"] == []
    assert (report["commits"], report["executions"], report["re_executions"]) == (N, 2 * N, 0)


def _swap(told: dict[str, Any]) -> None:
    rows = told["outputs"]["chain.output"]
    rows[0], rows[KEYS] = rows[KEYS], rows[0]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda told: told["outputs"]["chain.output"].pop(3), "lost"),
        (lambda told: told["outputs"]["chain.output"].append(told["outputs"]["chain.output"][3]), "committed twice"),
        (lambda told: told["outputs"]["chain.output"].append([0, 9, 9999, "x"]), "made up"),
        (lambda told: told["outputs"]["chain.state"][0].__setitem__(1, 7), "the state is"),
        (lambda told: told["outputs"]["chain.state"].pop(), "final states"),
        (lambda told: told["outputs"]["chain.output"][0].__setitem__(3, "x"), "does not follow"),
        (_swap, "not dense"),
        (lambda told: told["messages"].update(accepted=2 * N), "do not add up"),
        (lambda told: told.update(letters=1), "blamed"),
        (lambda told: told.update(status="failed"), "the job is failed"),
    ],
)
def test_damage_is_found(damage: Callable[[dict[str, Any]], object], said: str) -> None:
    told, lines = right()
    damage(told)
    assert any(said in text for text in verify(N, told, lines, [])["violations"])


def test_what_was_never_executed_cannot_be_committed() -> None:
    told, lines = right()
    assert any("never executed" in text for text in verify(N, told, lines[:-1], [])["violations"])


def test_a_kill_counts_only_if_work_had_to_be_done_again() -> None:
    told, lines = right()
    kills = [{"what": "worker", "pid": 1, "at": 5.5}, {"what": "worker", "pid": 77, "at": 6.0}]
    report = verify(N, told, [*lines, Line("work", 5, 3, 6.0), Line("chain", 6, 4, 9.0)], kills)
    assert (report["kills"], report["hits"], report["unexplained"]) == (2, 1, 1)
    kills = [{"what": "coordinator", "pid": 9, "at": 5.5}, {"what": "driver", "pid": 8, "at": 99.0}]
    assert verify(N, told, [*lines, Line("work", 5, 3, 6.0)], kills)["hits"] == 1
