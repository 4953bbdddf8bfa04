"""Connecting: what is reused, what is shut down, and what is said when it does not work."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import ray

import routilux_dist as rd

pytestmark = pytest.mark.ray


def python(code: str, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def double(x: int) -> int:
    return 2 * x


def test_a_ray_in_use_is_taken_as_it_is_and_left_running(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        assert runtime.submit(rd.pipeline(double), 4).result(timeout=60) == {"double.output": [8]}
    assert ray.is_initialized()


def test_a_ray_of_ours_is_shut_down_with_its_last_runtime() -> None:
    done = python(
        """
        import ray, routilux_dist as rd
        options = {"num_cpus": 1, "include_dashboard": False, "log_to_driver": False}
        first = rd.Runtime("local", ray_options=options)
        second = rd.Runtime()
        first.shutdown()
        assert ray.is_initialized(), "the second runtime still uses it"
        second.shutdown()
        assert not ray.is_initialized(), "nobody uses it any more"
        print("fine")
        """
    )
    assert done.stdout.strip().endswith("fine"), done.stderr


def test_an_address_that_nobody_serves_is_named_with_the_fix() -> None:
    done = python(
        """
        import routilux_dist as rd
        try:
            rd.Runtime("127.0.0.1:1")
        except rd.ConnectError as exc:
            print(exc)
        """
    )
    assert "127.0.0.1:1" in done.stdout, done.stderr
    assert "ray start --head" in done.stdout


def test_a_missing_token_is_named_with_the_fix(tmp_path: Path) -> None:
    """A cluster with token authentication, and a process that does not know the token."""
    done = python(
        """
        import os, subprocess, sys, ray
        context = ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
        code = '''
        import sys, routilux_dist as rd
        try:
            rd.Runtime(sys.argv[1])
            print("it let us in")
        except rd.ConnectError as exc:
            print(exc)
        '''
        import textwrap
        env = {**os.environ, "RAY_AUTH_MODE": "disabled"}
        address = context.address_info["gcs_address"]
        subprocess.run([sys.executable, "-c", textwrap.dedent(code), address], env=env)
        """,
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN="a-token-of-at-least-thirty-two-characters",
        HOME=str(tmp_path),
    )
    assert "RAY_AUTH_TOKEN" in done.stdout, done.stdout + done.stderr
    assert "it let us in" not in done.stdout


def test_a_routine_that_no_node_can_hold_is_named(ray_cluster: str) -> None:
    flow = rd.Flow("greedy")
    flow.add_routine(rd.routine(num_gpus=1)(double), "embed")
    with rd.Runtime() as runtime, pytest.raises(rd.ConnectError, match=r"'embed'.*needs num_gpus=1, cluster has 0"):
        runtime.submit(flow, 1)


def test_a_running_flow_has_a_coordinator_that_can_be_found(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        worker = runtime.exec(rd.pipeline(double, name="found"), worker_id="found-1")
        assert ray.get_actor("routilux:found-1", namespace="routilux") is not None
        job = worker.post("double", "input", 3)
        assert job.result(timeout=60) == {"double.output": [6]}
    with pytest.raises(ValueError, match="found-1"):
        ray.get_actor("routilux:found-1", namespace="routilux")


def test_a_taken_worker_id_is_refused(ray_cluster: str) -> None:
    with rd.Runtime(max_workers=2) as runtime:
        flow = rd.pipeline(double, name="twice")
        runtime.exec(flow, worker_id="twice-1")
        with pytest.raises(rd.ConfigurationError, match="twice-1"):
            runtime.exec(flow, worker_id="twice-1")


@pytest.mark.parametrize(
    "options",
    [{"label_selector": {"routilux.io/no-such": "label"}}, {"accelerator_type": "A100"}, {"num_gpus": 512}],
    ids=str,
)
def test_what_no_node_has_is_refused_at_once(ray_cluster: str, options: dict[str, object]) -> None:
    flow = rd.pipeline(rd.routine(**options)(double), name="demanding")
    with rd.Runtime(max_workers=2) as runtime:
        for start in (lambda: runtime.exec(flow), lambda: runtime.submit(flow, 1)):
            with pytest.raises(rd.ConnectError, match="needs "):
                start()


def test_a_node_that_is_not_there_is_refused_at_once(ray_cluster: str) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    flow = rd.pipeline(rd.routine(scheduling_strategy=NodeAffinitySchedulingStrategy("ab" * 28, soft=False))(double))
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    with rd.Runtime(max_workers=2) as runtime:
        with pytest.raises(rd.ConnectError, match="needs to run on node abab"):
            runtime.exec(flow)
        fine = rd.pipeline(rd.routine(scheduling_strategy=here)(double), name="here")
        assert runtime.submit(fine, 2).result(timeout=60) == {"double.output": [4]}
