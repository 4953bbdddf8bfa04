"""Whatever the slice budget, the block size, the workers and the backend: the outputs are the model's."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import routilux_dist as rd
from tests.property.conftest import OpenRuntime
from tests.property.model import MODULUS, Result, Spec, interpret, random_spec
from tests.property.routines import build

MOST_MESSAGES = 3000
MODES = ("distributed", "concurrent", "sequential")

_numbers = itertools.count(1)

# The same examples each time, however slow the machine.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
CI = settings.get_profile("ci")

NUMBERS = st.integers(0, MODULUS - 1)
ITEMS = st.one_of(st.lists(NUMBERS, max_size=3), st.lists(NUMBERS, min_size=10, max_size=50))
KNOBS = st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1e-9, 0.0005, 0.08]), st.sampled_from([1, 3, 8192]))


@st.composite
def specs(draw: st.DrawFn, *, stateless: bool = False) -> Spec:
    return random_spec(lambda low, high: draw(st.integers(low, high)), stateless=stateless)


def observed(runtime: rd.Runtime, spec: Spec, payload: list[int], **options: object) -> Result:
    """Run a flow for real. Its name is new each time: runtimes may keep a flow by its name."""
    flow = build(spec, f"random_{next(_numbers)}", **options)
    job = runtime.submit(flow, payload)
    outputs = job.result(timeout=60)
    ports = {tuple(port.split(".")): Counter(payloads) for port, payloads in outputs.items()}
    by_node = {(int(routine.removeprefix("n")), event): bag for (routine, event), bag in ports.items()}
    return Result(by_node, Counter(letter.payload for letter in job.dead_letters), 0)


def check(runtime: rd.Runtime, spec: Spec, payload: list[int], **options: object) -> None:
    expected = interpret(spec, payload)
    found = observed(runtime, spec, payload, **options)
    assert found.outputs == expected.outputs
    assert found.refused == expected.refused


@settings(CI, max_examples=200)
@given(spec=specs(), payload=ITEMS, knobs=KNOBS, mode=st.sampled_from(MODES))
def test_outputs_do_not_depend_on_how_the_work_is_cut(
    tuned: OpenRuntime, spec: Spec, payload: list[int], knobs: tuple[int, float, int], mode: str
) -> None:
    assume(interpret(spec, payload).messages <= MOST_MESSAGES)
    check(tuned("local", *knobs), spec, payload, execution_mode=mode)


@settings(CI, max_examples=25)
@given(spec=specs(), payloads=st.lists(ITEMS, min_size=2, max_size=6), knobs=KNOBS)
def test_jobs_of_one_flow_do_not_meet(
    tuned: OpenRuntime, spec: Spec, payloads: list[list[int]], knobs: tuple[int, float, int]
) -> None:
    expected = [interpret(spec, payload) for payload in payloads]
    assume(sum(result.messages for result in expected) <= MOST_MESSAGES)
    runtime = tuned("local", *knobs)
    flow = build(spec, f"random_{next(_numbers)}")
    worker = runtime.exec(flow)
    posted = [runtime.post(flow.name, "n0", "input", p, worker_id=worker.worker_id)[1] for p in payloads]
    for job, result in zip(posted, expected, strict=True):
        outputs = job.result(timeout=60)
        assert {port: Counter(got) for port, got in outputs.items()} == {
            f"n{number}.{event}": bag for (number, event), bag in result.outputs.items()
        }


@settings(CI, max_examples=40)
@given(spec=specs(stateless=True), payload=ITEMS, buffersize=st.integers(1, 20), ordered=st.booleans())
def test_map_keeps_each_items_outputs_and_their_order(
    tuned: OpenRuntime, spec: Spec, payload: list[int], buffersize: int, ordered: bool
) -> None:
    """Each item gives what a job of its own would give; ``ordered`` keeps the items apart and in order."""
    per_item = [interpret(spec, [item]) for item in payload]
    assume(sum(result.messages for result in per_item) <= MOST_MESSAGES)
    del tuned
    flow = build(spec, f"random_{next(_numbers)}")
    results = list(flow.map([[x] for x in payload], backend="local", buffersize=buffersize, ordered=ordered))
    bags = [sum(result.outputs.values(), Counter()) for result in per_item]
    assert Counter(results) == sum(bags, Counter())
    if ordered:
        rest = iter(results)
        assert [Counter(itertools.islice(rest, bag.total())) for bag in bags] == bags


@pytest.mark.ray
@pytest.mark.parametrize("seed", range(8))
def test_seeds_on_ray(tuned: OpenRuntime, ray_cluster: str, seed: int) -> None:
    """Small slices and blocks: much traffic between processes for few messages."""
    rng = random.Random(seed)
    spec, payload = busy_flow(rng)
    check(tuned("ray", 2, 0.0005, 5), spec, payload)
    check(tuned("local", 2, 0.0005, 5), spec, payload)


def busy_flow(rng: random.Random) -> tuple[Spec, list[int]]:
    """A flow with enough to do, and not too much."""
    while True:
        spec = random_spec(rng.randint)
        payload = [rng.randrange(MODULUS) for _ in range(rng.randint(5, 40))]
        if len(spec) >= 5 and 100 <= interpret(spec, payload).messages <= MOST_MESSAGES:
            return spec, payload
