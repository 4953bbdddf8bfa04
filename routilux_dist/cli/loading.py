"""From what was typed to a flow: "package.module:attribute", "path/to/file.py:attribute", or either without the attribute."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from routilux_dist.cli.outcomes import FlowImportError
from routilux_dist.errors import ConfigurationError

if TYPE_CHECKING:
    from routilux_dist.client.flows import Flow


def load_flow(spec: str) -> Flow:
    """Return the flow that `spec` names: a flow, or a function without parameters that returns one.

    Raises:
        ConfigurationError: It cannot be found or imported, or is no flow.
    """
    from routilux_dist.client.flows import Flow
    from routilux_dist.flow.registry import FlowRegistry

    place, _, attribute = spec.rpartition(":") if ":" in spec else (spec, "", "")
    if _is_file(place):
        module = _from_file(Path(place))
    else:
        _search(os.getcwd())  # as `python -m` does
        module = _from_name(place)
    attribute = attribute or _only_flow(module, place)
    try:
        found = FlowRegistry.resolve(f"{module.__name__}:{attribute}")
    except ConfigurationError:
        raise
    except Exception as exc:
        raise _fault(spec, exc, module.__file__) from exc
    if not isinstance(found, Flow):
        raise ConfigurationError(f"{spec} is a {type(found).__name__}; the command line runs rd.Flow objects")
    return found


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place


def _from_name(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (name == exc.name or name.startswith(exc.name + ".")):
            beside = f"; for a file write {name}.py:attribute" if Path(f"{name}.py").exists() else ""
            raise ConfigurationError(
                f"there is no module {exc.name!r}; it is looked for in the working directory and the installed "
                f"packages{beside}"
            ) from None
        raise _fault(name, exc, _origin(name)) from exc
    except (Exception, SystemExit) as exc:
        raise _fault(name, exc, _origin(name)) from exc


def _origin(name: str) -> str | None:
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found.origin if found is not None else None


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"there is no file {str(path)!r}")
    path = path.resolve()
    parts, root = [path.stem], path.parent
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    _search(str(root))
    name = ".".join(parts)
    module = _from_name(name)
    if module.__file__ is None or not _same(module.__file__, str(path)):
        raise ConfigurationError(
            f"{_short(str(path))} cannot be imported as {name!r}, which workers have to do too: that name means "
            f"{module.__file__ or 'a module of Python itself'}; rename the file"
        )
    return module


def _search(folder: str) -> None:
    """Have modules looked for in a folder, here and in the processes of a Ray that this process starts."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))


def _fault(what: str, exc: BaseException, file: str | None) -> FlowImportError:
    """Return an error that names the place in the user's file."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [i for i, frame in enumerate(frames) if file is not None and _same(frame.filename, file)]
    # The user's frames: from the first one in the file on; without one, the frames after those of this program.
    start = own[0] if own else len(frames)
    at = ""
    if isinstance(exc, SyntaxError) and exc.filename:
        at = f"{_short(exc.filename)}, line {exc.lineno}: "
    elif own:
        at = f"{_short(frames[own[-1]].filename)}, line {frames[own[-1]].lineno}: "
    shown = "".join(
        ["Traceback (most recent call last):\n", *traceback.format_list(frames[start:])] if frames[start:] else []
    )
    shown += "".join(traceback.format_exception_only(exc))
    text = exc.msg if isinstance(exc, SyntaxError) else str(exc)
    kind = f"{type(exc).__name__}: {text}" if text else type(exc).__name__
    return FlowImportError(f"cannot load {at or f'{_short(what)}: '}{kind}", shown=shown.rstrip())


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _short(path: str) -> str:
    here = os.getcwd() + os.sep
    return path[len(here) :] if path.startswith(here) else path


def _only_flow(module: ModuleType, place: str) -> str:
    """Return the name of the one flow of a module."""
    from routilux_dist.client.flows import Flow

    names = {id(value): name for name, value in reversed(vars(module).items()) if isinstance(value, Flow)}
    if len(names) == 1:
        return next(iter(names.values()))
    example = next(iter(names.values()), "flow")
    found = f"it holds {len(names)} flows ({', '.join(names.values())})" if names else "no flow stands at its top level"
    raise ConfigurationError(f"{place}: {found}; say which attribute: {place}:{example}")
