"""The same seed gives the same schedule, in any process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

from routilux_dist.testing import story
from routilux_dist.testing.search import live
from routilux_dist.testing.tape import Tape
from tests.meta.repo import ROOT
from tests.simulation.scenarios import everything

SEEDS = 20


def digest() -> str:
    """A hash of all that happens in some schedules."""
    scenario, said = everything(), hashlib.sha256()
    for seed in range(SEEDS):
        world, error = live(scenario, Tape(seed))
        lines = story.tell(world.program.plan, world.trace)
        said.update("\n".join([*lines, repr(error), repr(world.tape.entries)]).encode())
    return said.hexdigest()


def test_a_seed_says_everything() -> None:
    assert digest() == digest()


def test_hashes_of_text_say_nothing() -> None:
    def elsewhere(seed: str) -> str:
        code = "from tests.simulation.test_determinism import digest; print(digest())"
        path = os.pathsep.join([str(ROOT), str(ROOT / "workers")])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert elsewhere("1") == elsewhere("2") == digest()


def test_a_tape_says_as_much_as_its_seed() -> None:
    scenario = everything()
    for seed in range(SEEDS):
        world, _ = live(scenario, Tape(seed))
        again, _ = live(scenario, Tape(entries=world.tape.entries))
        assert story.tell(again.program.plan, again.trace) == story.tell(world.program.plan, world.trace)
