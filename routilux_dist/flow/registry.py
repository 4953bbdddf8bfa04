"""Finding flows by name, or by "package.module:attribute"."""

from __future__ import annotations

import importlib
import weakref
from typing import Any, ClassVar

from routilux_dist.errors import ConfigurationError
from routilux_dist.flow import checks, naming
from routilux_dist.flow.model import FlowModel


class FlowRegistry:
    """The flows of this process, by name. Flows register themselves and are forgotten with their last reference."""

    _live: ClassVar[weakref.WeakSet[FlowModel]] = weakref.WeakSet()
    _pinned: ClassVar[dict[str, FlowModel]] = {}

    @classmethod
    def get_instance(cls) -> type[FlowRegistry]:
        """Return the registry (there is one per process)."""
        return cls

    @classmethod
    def register(cls, flow: FlowModel, name: str | None = None) -> None:
        """Keep a flow, and let `name` (default: its own) mean this one."""
        checks.refuse("FlowRegistry.register", [checks.instance("flow", flow, FlowModel, example="an rd.Flow")])
        cls._pinned[naming.check("flow", name or flow.name)] = flow

    @classmethod
    def register_by_name(cls, name: str, flow: FlowModel) -> None:
        """The same as `register(flow, name)`."""
        cls.register(flow, name)

    @classmethod
    def notice(cls, flow: FlowModel) -> None:
        """Remember a flow for as long as somebody else holds it."""
        cls._live.add(flow)

    @classmethod
    def unregister(cls, name: str) -> None:
        """Forget a kept flow; unknown names are fine."""
        cls._pinned.pop(name, None)

    @classmethod
    def kept(cls) -> frozenset[str]:
        """Return the names under which flows were registered."""
        return frozenset(cls._pinned)

    @classmethod
    def names(cls) -> list[str]:
        """Return the known names, sorted."""
        return sorted(cls._pinned.keys() | {flow.name for flow in cls._live})

    @classmethod
    def get(cls, name: str) -> FlowModel:
        """Return the flow of a name.

        Raises:
            ConfigurationError: There is none, or several and none was registered.
        """
        checks.refuse("FlowRegistry.get", [checks.instance("name", name, str, example="a text such as 'words'")])
        if name in cls._pinned:
            return cls._pinned[name]
        found = [flow for flow in cls._live if flow.name == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigurationError(
                f"{len(found)} flows are called {name!r}; say which: rd.FlowRegistry.register(flow), "
                f"or pass the flow itself"
            )
        raise ConfigurationError(
            f"no flow is called {name!r}; {naming.did_you_mean(name, cls.names(), 'flows')}; "
            f"create it first, or write 'package.module:attribute'"
        )

    @classmethod
    def resolve(cls, flow: FlowModel | str) -> FlowModel:
        """Return a flow for itself, its name, or "package.module:attribute" (a flow, or a function that returns one).

        Raises:
            ConfigurationError: It cannot be found, imported, or is no flow.
        """
        if isinstance(flow, FlowModel):
            return flow
        if not isinstance(flow, str):
            raise ConfigurationError(f"expected a flow, its name or 'package.module:attribute', got {flow!r}")
        return _load(flow) if ":" in flow else cls.get(flow)


def _load(path: str) -> FlowModel:
    module_name, _, attribute = path.partition(":")
    try:
        value: Any = importlib.import_module(module_name)
    except Exception as exc:
        raise ConfigurationError(
            f"cannot import flow {path!r}: importing {module_name!r} raised {type(exc).__name__}: {exc}; "
            f"check the name, the working directory and PYTHONPATH"
        ) from exc
    for part in attribute.split("."):
        if not hasattr(value, part):
            names = (
                [n for n, v in vars(value).items() if isinstance(v, FlowModel)] if hasattr(value, "__dict__") else []
            )
            raise ConfigurationError(
                f"{module_name!r} has no attribute {attribute!r}; {naming.did_you_mean(attribute, names, 'flows')}"
            )
        value = getattr(value, part)
    if callable(value) and not isinstance(value, FlowModel):
        value = value()
    if not isinstance(value, FlowModel):
        raise ConfigurationError(
            f"{path!r} is a {type(value).__name__}, not a flow; name an rd.Flow or a function that returns one"
        )
    return value
