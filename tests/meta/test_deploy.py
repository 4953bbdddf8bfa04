"""The files that users deploy with: well formed, one Ray version, closed by default, no secrets."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.meta.repo import PYPROJECT, ROOT, locked_versions

RAY = locked_versions()["ray"]
VERSION = PYPROJECT["project"]["version"]
YAMLS = sorted((ROOT / "deploy").rglob("*.yaml"))
RAY_UPS = sorted((ROOT / "deploy" / "ray-up").glob("*.yaml"))
DOCKERFILES = sorted([*(ROOT / "deploy").rglob("Dockerfile"), ROOT / "workers" / "Dockerfile"])
SCRIPTS = [ROOT / "workers" / "start.sh", ROOT / ".ci" / "run"]
START = ROOT / "workers" / "start.sh"


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    """All key-value pairs of a document, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key), value
            yield from _pairs(value)
    elif isinstance(node, list):
        for item in node:
            yield from _pairs(item)


def _documents(path: Path) -> list[Any]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document is not None]


def _deploy_texts() -> list[Path]:
    readmes = [ROOT / "deploy" / "README.md", ROOT / "workers" / "README.md"]
    return [*YAMLS, *DOCKERFILES, *readmes, START]


def test_the_files_are_there() -> None:
    assert {path.name for path in RAY_UPS} == {"local.yaml", "aws.yaml"}
    assert len(DOCKERFILES) == 2
    assert ROOT / "deploy" / "kuberay" / "raycluster.yaml" in YAMLS


@pytest.mark.parametrize("path", YAMLS, ids=_name)
def test_yaml_parses_to_mappings(path: Path) -> None:
    documents = _documents(path)
    assert documents
    assert all(isinstance(document, dict) for document in documents)


@pytest.mark.parametrize("path", RAY_UPS, ids=_name)
def test_ray_up_files_fit_rays_own_schema(path: Path) -> None:
    spec = find_spec("ray")  # does not import Ray
    assert spec is not None
    assert spec.origin is not None
    schema = json.loads((Path(spec.origin).parent / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8"))
    (document,) = _documents(path)
    jsonschema.validate(document, schema)


@pytest.mark.parametrize("path", RAY_UPS, ids=_name)
def test_ray_up_starts_with_authentication_and_ships_the_token(path: Path) -> None:
    (document,) = _documents(path)
    starts = [
        command
        for key in ("head_start_ray_commands", "worker_start_ray_commands")
        for command in document[key]
        if "ray start" in command
    ]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token ray start" in command for command in starts)
    assert document["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"


def test_kuberay_matches_the_lock_and_has_authentication() -> None:
    (cluster,) = _documents(ROOT / "deploy" / "kuberay" / "raycluster.yaml")
    assert (cluster["apiVersion"], cluster["kind"]) == ("ray.io/v1", "RayCluster")
    spec = cluster["spec"]
    assert spec["rayVersion"] == RAY
    assert spec["authOptions"] == {"mode": "token"}
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for container in (one for group in groups for one in group["template"]["spec"]["containers"]):
        # Ray sizes itself by the limits; a pod that was promised less is evicted under load.
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert all(len(port["name"]) <= 15 for port in container.get("ports", []))


@pytest.mark.parametrize("path", _deploy_texts(), ids=_name)
def test_there_is_one_ray_version_and_no_moving_tag(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ":latest" not in text
    tags = re.findall(r"rayproject/ray:(\S+)", text)
    assert all(tag == f"{RAY}-py311-cpu" for tag in tags), tags
    assert set(re.findall(r"routilux-(?:dist|worker):([\w.-]+)", text)) <= {f"{VERSION}-ray{RAY}"}
    assert set(re.findall(r"ray(?:\[\w+\])?==([\d.]+)", text)) <= {RAY}


@pytest.mark.parametrize("path", YAMLS, ids=_name)
def test_images_carry_an_exact_tag(path: Path) -> None:
    images = [value for document in _documents(path) for key, value in _pairs(document) if key == "image"]
    assert images
    assert all(RAY in image.rpartition(":")[2] for image in images)


@pytest.mark.parametrize("path", DOCKERFILES, ids=_name)
def test_dockerfiles_build_on_the_locked_ray_and_do_not_run_as_root(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("FROM ")] == [f"FROM rayproject/ray:{RAY}-py311-cpu"]
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER ray"


@pytest.mark.parametrize("path", YAMLS, ids=_name)
def test_no_literal_secrets(path: Path) -> None:
    secret = re.compile(r"password|secret|token|access_key|private_key|credential", re.IGNORECASE)
    literal = [
        key
        for document in _documents(path)
        for key, value in _pairs(document)
        if secret.search(key) and isinstance(value, str) and not value.startswith("~/")
    ]
    assert literal == []
    env = [pair for document in _documents(path) for key, pair in _pairs(document) if key == "env"]
    names = [entry for entries in env for entry in entries if secret.search(entry["name"]) and "value" in entry]
    assert names == []


@pytest.mark.parametrize("path", DOCKERFILES, ids=_name)
def test_no_secrets_in_images(path: Path) -> None:
    assert not re.search(r"(?i)(password|secret|_token|access_key)\s*=", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", SCRIPTS, ids=_name)
def test_scripts_are_valid_and_executable(script: Path) -> None:
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")


def _start(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the start script with a `ray` that only shows how it was called."""
    tools = home / "bin"
    tools.mkdir(exist_ok=True)
    ray = tools / "ray"
    ray.write_text('#!/bin/sh\necho "$@" mode=$RAY_AUTH_MODE\n', encoding="utf-8")
    ray.chmod(0o755)
    base = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(home)}
    return subprocess.run(
        ["bash", START, *arguments], env=base | env, capture_output=True, text=True, check=False, timeout=20
    )


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "RAY_ADDRESS is not set"),
        ({"RAY_ADDRESS": "ray://head:10001"}, "Ray Client address"),
        ({"RAY_ADDRESS": "http://head:8265"}, "dashboard address"),
        ({"RAY_ADDRESS": "head"}, "has no port"),
        ({"RAY_ADDRESS": "head:6379"}, "no token"),
    ],
)
def test_the_start_script_says_what_is_missing(tmp_path: Path, env: dict[str, str], says: str) -> None:
    done = _start(tmp_path, **env)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr


def test_the_start_script_joins_with_a_token_and_does_not_show_it(tmp_path: Path) -> None:
    done = _start(tmp_path, "--num-cpus", "3", RAY_ADDRESS="head:6379", RAY_AUTH_TOKEN="hush")
    assert done.stdout.strip() == "start --address=head:6379 --block --num-cpus 3 mode=token"
    assert done.returncode == 0
    assert "hush" not in done.stdout + done.stderr


def test_the_start_script_finds_the_token_file(tmp_path: Path) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("hush", encoding="utf-8")
    assert "mode=token" in _start(tmp_path, RAY_ADDRESS="head:6379").stdout


def test_the_start_script_joins_an_open_cluster_when_told_to(tmp_path: Path) -> None:
    assert "mode=disabled" in _start(tmp_path, RAY_ADDRESS="head:6379", RAY_AUTH_MODE="disabled").stdout
