"""The verifier, a process of its own: recomputes a round from its inputs, its outputs and the witness.

``python -m tests.chaos.verify round.json`` prints a JSON object; ``violations`` has to be empty.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.ledger import KEYS, key_of, link


class Line(NamedTuple):
    """An execution."""

    routine: str
    n: int
    pid: int
    at: float


def witness(path: Path) -> list[Line]:
    """Read a witness file; a line that is just being written is none yet."""
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    fields = (line.split() for line in whole.splitlines())
    return [Line(routine, int(n), int(pid), float(at)) for routine, n, pid, at in fields]


def verify(n: int, told: dict[str, Any], lines: list[Line], kills: list[dict[str, Any]]) -> dict[str, Any]:
    """Return figures, and all that is wrong."""
    wrong: list[str] = []
    if told["status"] != "completed":
        wrong.append(f"the job is {told['status']}: {told['errors'][:1]}")
    rows = [tuple(row) for row in told["outputs"].get("chain.output", [])]
    seen = Counter(row[2] for row in rows)
    lost = [number for number in range(n) if number not in seen]
    twice = [number for number, times in seen.items() if times > 1]
    made_up = [number for number in seen if number not in range(n)]
    for what, found in (("lost", lost), ("committed twice", twice), ("made up", made_up)):
        if found:
            wrong.append(f"{len(found)} numbers {what}: {found[:10]}")
    wrong += _chains(n, rows, told["outputs"].get("chain.state", []))
    wrong += _books(n, told)
    times = Counter((line.routine, line.n) for line in lines)
    never = [(routine, number) for routine in ("work", "chain") for number in seen if (routine, number) not in times]
    if never:
        wrong.append(f"committed but never executed: {never[:10]}")
    hit, unexplained, delays = _hits(lines, kills)
    return {
        "messages": n,
        "commits": len(rows),
        "executions": times.total(),
        "re_executions": times.total() - len(times),
        "unexplained": unexplained,
        "kills": len(kills),
        "hits": len(hit),
        "hit": sorted(hit),
        "delays": delays,
        "lost": len(lost),
        "twice": len(twice),
        "violations": wrong,
    }


def _chains(n: int, rows: list[tuple[Any, ...]], states: list[list[Any]]) -> list[str]:
    """Fold the outputs again."""
    wrong = []
    by_key: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        by_key[row[0]].append(row)
    final = {state[0]: tuple(state[1:]) for state in states}
    if len(final) != len(states) or len(states) != min(KEYS, n):
        wrong.append(f"{len(states)} final states for {min(KEYS, n)} keys")
    for key, mine in by_key.items():
        chain = ""
        if [row[1] for row in mine] != list(range(1, len(mine) + 1)):
            wrong.append(f"outputs of key {key} are not dense, or out of order")
        for _, count, number, told in sorted(mine):
            chain = link(chain, number)
            if told != chain or key_of(number) != key:
                wrong.append(f"key {key}: link {count} does not follow from those before it")
                break
        if final.get(key) != (len(mine), chain):
            wrong.append(f"key {key}: the state is {final.get(key)}, the fold of its outputs {(len(mine), chain)}")
    return wrong


def _books(n: int, told: dict[str, Any]) -> list[str]:
    """Check that the machine's own counts add up."""
    wrong = []
    count = told["messages"]
    ended = sum(
        count[kind] for kind in ("done", "dead", "discarded", "retracted", "pending", "in_flight") if kind in count
    )
    if count["accepted"] != ended or count["accepted"] != 2 * n + 1 or count["done"] != ended:
        wrong.append(f"the counts do not add up for {n} numbers: {count}")
    if told["letters"]:
        wrong.append(f"{told['letters']} dead letters: innocent messages were blamed")
    return wrong


def _hits(lines: list[Line], kills: list[dict[str, Any]]) -> tuple[set[int], int, dict[str, list[float]]]:
    """Return which kills cost work that was under way, how many executions were repeated without one, and seconds.

    The seconds are those from a kill to when something that it had cost was begun again, for each such execution.

    A kill of a worker hit if what its victim had executed was executed again; that of a coordinator, if anything was; that of a
    driver, if work went on around it.
    """
    hit: set[int] = set()
    delays: dict[str, list[float]] = defaultdict(list)
    unexplained = 0
    last: dict[tuple[str, int], Line] = {}
    victims = {kill["pid"]: i for i, kill in enumerate(kills) if kill["what"] == "worker"}
    wide = [(kill["at"], i) for i, kill in enumerate(kills) if kill["what"] in ("coordinator", "cluster", "stopped")]
    for line in sorted(lines, key=lambda line: line.at):
        before = last.get(line[:2])
        last[line[:2]] = line
        if before is None:
            continue
        cause = victims.get(before.pid, max(((at, i) for at, i in wide if at < line.at), default=(0.0, None))[1])
        if cause is None:
            unexplained += 1
        else:
            hit.add(cause)
            delays[kills[cause]["what"]].append(round(line.at - kills[cause]["at"], 3))
    for i, kill in enumerate(kills):
        if kill["what"] == "driver" and any(x.at < kill["at"] for x in lines) and any(x.at > kill["at"] for x in lines):
            hit.add(i)
    return hit, unexplained, delays


def main(path: str) -> int:
    """Verify a round; return the exit code."""
    spec = json.loads(Path(path).read_text())
    told = json.loads(Path(spec["told"]).read_text())
    report = verify(spec["n"], told, witness(Path(spec["witness"])), spec["kills"])
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
