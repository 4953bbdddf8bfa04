"""Connecting to Ray, and what can go wrong with it."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import ray
import ray.exceptions

from routilux_dist.cluster import hub, launch, placing, resources, saved_hub
from routilux_dist.driver import migrating
from routilux_dist.driver.session import OnNews, Opening, Session
from routilux_dist.errors import ConfigurationError, ConnectError
from routilux_workers.entry import Shipment, pack_code

#: Seconds in which a cluster has to take a connection.
KNOCK_SECONDS = 10.0
#: Seconds in which the name of a running flow that was closed gets free.
NAME_SECONDS = 5.0
#: Seconds in which a coordinator that is there already says whether it could go on.
BROKEN_SECONDS = 10.0


#: What a Ray of our own is called in messages.
LOCAL = "a local Ray"


class _Shared:
    """Ray is one per process; the last runtime to use one that we started shuts it down."""

    lock = threading.Lock()
    users = 0
    ours = False


class Cluster:
    """A connection to Ray. A Ray that this process uses already is taken as it is and left running."""

    def __init__(
        self, address: str | None, namespace: str, max_workers: int | None, options: Mapping[str, Any]
    ) -> None:
        self.namespace = namespace
        self._closed = False
        #: The process that the flows run in passing share.
        self._hub: Any = None
        with _Shared.lock:
            if not ray.is_initialized():
                _init(address, max_workers, dict(options))
                _Shared.ours, _Shared.users = True, 0
            _Shared.users += 1

    def cpus(self) -> int:
        """Return the CPUs of the cluster, at least 1."""
        total = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return max(1, int(total.get("CPU", 1)))

    def open(self, opening: Opening, on_news: OnNews) -> Session:
        """Start a running flow.

        Raises:
            ConnectError: No node can ever hold one of its groups.
        """
        from routilux_dist.cluster.session import RaySession

        living = placing.found(ray.nodes())  # type: ignore[no-untyped-call]
        nodes = {node.id: node.amounts for node in living}
        fault = resources.misfit(opening.plan, living)
        if fault:
            raise ConnectError(fault, problems=(fault,))
        if opening.durable is not None:
            return self._open_saved(opening, on_news)
        if opening.own:
            return RaySession(opening, on_news, self._own_hub(opening, nodes), True, nodes)
        try:
            return RaySession(opening, on_news, self._shared_hub(opening, nodes), False, nodes)
        except ray.exceptions.RayActorError:
            self._hub = None  # it died; what lived in it has heard of that
            return RaySession(opening, on_news, self._shared_hub(opening, nodes), False, nodes)

    def _open_saved(self, opening: Opening, on_news: OnNews) -> Session:
        from routilux_dist.cluster.saved_session import SavedSession

        assert opening.durable is not None
        if opening.durable.go_on:
            self._clear_away(f"routilux:{opening.worker_id}")
        migrating.migrate(opening)
        shipment = Shipment(
            plan=opening.plan,
            code=pack_code(opening.routines, opening.flow_handler, opening.guards),
            partitions=opening.partitions(opening.workers),
            block_bytes=opening.tuning.block_bytes,
            payload_bytes=opening.tuning.max_payload_bytes,
            codec=opening.codec,
            keeps=True,
        )
        hub = self._named(
            opening,
            lambda name: saved_hub.start(opening.plan.flow, name, self.namespace, opening, shipment),
        )
        try:
            partitions, _ = ray.get(hub.begin.remote())
        except ray.exceptions.RayTaskError as exc:  # what is saved cannot be read, or is not there
            ray.kill(hub, no_restart=True)
            raise exc.cause from None
        return SavedSession(opening, on_news, hub, partitions, opening.durable.detached)

    def _clear_away(self, name: str) -> None:
        """End a coordinator of this name that could not go on: it only stays to say why."""
        try:
            there: Any = ray.get_actor(name, namespace=self.namespace)
            if ray.get(there.broken.remote(), timeout=BROKEN_SECONDS) is not None:
                ray.kill(there, no_restart=True)
        except (ValueError, AttributeError, ray.exceptions.RayError):
            pass  # there is none, or it is another kind of thing, or it is going: its name gets free, or is taken

    def attach(self, name: str, client_id: str) -> tuple[Opening, Callable[[OnNews], Session]]:
        """Find a running flow that another process opened; return what it was opened with, and what opens a session.

        Raises:
            ConfigurationError: There is none of this name.
        """
        from routilux_dist.cluster.saved_session import SavedSession

        try:
            hub: Any = ray.get_actor(f"routilux:{name}", namespace=self.namespace)
            opening, partitions = ray.get(hub.describe.remote(), timeout=60)
        except (ValueError, AttributeError) as exc:
            raise ConfigurationError(
                f"no saved job {name!r} runs in namespace {self.namespace!r} of this cluster; one that has ended, or that ran in "
                f"another cluster, is where it was saved: rt.recover(…) gives its results, or goes on"
            ) from exc
        mine = dataclasses.replace(opening, client_id=client_id)
        return mine, lambda on_news: SavedSession(mine, on_news, hub, partitions, detached=True)

    def names(self) -> list[str]:
        """Return the names of the running flows in this namespace that have a coordinator of their own."""
        found = ray.util.list_named_actors(all_namespaces=True)
        mine = [one["name"] for one in found if one["namespace"] == self.namespace]
        return sorted(n.removeprefix("routilux:") for n in mine if n.startswith("routilux:") and ":hub-" not in n)

    def overviews(self) -> dict[str, dict[str, Any] | None]:
        """Return what these running flows are doing; None for one that does not answer."""
        asked: dict[str, Any] = {}
        for name in self.names():
            try:
                found: Any = ray.get_actor(f"routilux:{name}", namespace=self.namespace)
                asked[name] = found.ask.remote(name, "overview", "")
            except ValueError:  # it has ended meanwhile
                continue
        ready, _ = ray.wait([*asked.values()], num_returns=len(asked), timeout=KNOCK_SECONDS) if asked else ([], [])
        return {name: _answer(ref) if ref in ready else None for name, ref in asked.items()}

    def _own_hub(self, opening: Opening, nodes: Mapping[str, Mapping[str, float]]) -> Any:
        first = launch.begun(opening.plan, nodes)
        return self._named(opening, lambda name: hub.start(opening.plan.flow, name, self.namespace, first))

    def _named(self, opening: Opening, start: Callable[[str], Any]) -> Any:
        """Start an actor that has a running flow's name."""
        until = time.monotonic() + NAME_SECONDS
        while True:
            try:
                return start(f"routilux:{opening.worker_id}")
            except ValueError as exc:  # Ray frees the name of a process that was ended after a moment
                if time.monotonic() >= until:
                    raise ConfigurationError(
                        f"worker_id {opening.worker_id!r} is taken in namespace {self.namespace!r}; choose another one, or None"
                    ) from exc
                time.sleep(0.05)

    def _shared_hub(self, opening: Opening, nodes: Mapping[str, Mapping[str, float]]) -> Any:
        if self._hub is None:
            name = f"routilux:hub-{uuid.uuid4().hex[:12]}"
            self._hub = hub.start("shared", name, self.namespace, launch.begun(opening.plan, nodes))
        return self._hub

    def close(self) -> None:
        """Let go of Ray; shut it down if it is ours and nobody else uses it."""
        with _Shared.lock:
            if self._closed:
                return
            self._closed = True
            if self._hub is not None and ray.is_initialized():
                ray.kill(self._hub)
            _Shared.users -= 1
            if _Shared.users == 0 and _Shared.ours and ray.is_initialized():
                ray.shutdown()
                _Shared.ours = False


def _answer(ref: Any) -> dict[str, Any] | None:
    try:
        answer: dict[str, Any] | None = ray.get(ref)
    except ray.exceptions.RayError:
        return None
    return answer


def _init(address: str | None, max_workers: int | None, options: dict[str, Any]) -> None:
    if max_workers is not None and max_workers > (os.cpu_count() or 1) and "num_cpus" not in options:
        # More workers than CPUs is what waiting work wants; only a cluster that we start can be told so.
        try:
            _ray_init(address, {**options, "num_cpus": max_workers})
            return
        except ValueError:
            pass  # attaching to a running cluster: it has the CPUs that it has
    _ray_init(address, options)


def _knock(where: str) -> bool:
    """Find out quickly whether somebody listens at an address; Ray itself tries for a minute.

    Returns:
        Whether it is an address that can be tried.

    Raises:
        ConnectError: The address does not answer.
    """
    host, _, port = where.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return False
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except OSError as exc:
        raise ConnectError(
            f"nobody answers at {where} ({exc}). Start a cluster with `ray start --head`, correct address= or "
            f"RAY_ADDRESS, or leave address=None for a local one"
        ) from exc
    return True


def _ray_init(address: str | None, options: dict[str, Any]) -> None:
    where = address or os.environ.get("RAY_ADDRESS") or LOCAL
    listens = _knock(where)
    try:
        ray.init(address=address, **options)
    except (ray.exceptions.AuthenticationError, ConnectionError) as exc:
        if not listens:
            raise ConnectError(
                f"cannot connect to {where}: {exc}. Start a cluster with `ray start --head`, correct address= or "
                f"RAY_ADDRESS, or leave address=None for a local one"
            ) from exc
        # Something listens there. What keeps a process out is nearly always the token, and Ray says so on stderr only.
        raise ConnectError(
            f"{where} listens but does not let this process in: {exc}. Clusters use token authentication: set "
            f"RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) to the cluster's token, which "
            f"`ray get-auth-token` prints on its head node. If that is set, it may be no Ray, or another Ray version"
        ) from exc
    except RuntimeError as exc:
        if "ersion mismatch" not in str(exc):
            raise
        raise ConnectError(
            f"Ray at {where} runs other versions than this process: {exc}. Use the cluster's Python and Ray versions here"
        ) from exc
