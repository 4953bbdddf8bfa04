"""Arrays and scalars of numpy in typed bodies. numpy is imported only where a value of its types is read."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import Any

from routilux_dist.wire.kinds import ARRAY, SCALAR

#: Types of elements: a byte order, a kind without references, a size; dates with their unit.
_TYPE_RULE = re.compile(r"[<>|=]([biufcSUV][0-9]{1,9}|b1|[mM]8(\[([0-9]{1,6})?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)")
_MAX_NESTING = 16

#: Takes the bytes of an array; returns what stands for them.
Put = Callable[[Any], Any]


def is_numpy(value: Any) -> bool:
    """Whether a value is an array or scalar of numpy itself."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and (type(value) is numpy.ndarray or isinstance(value, numpy.generic))


def encode(value: Any, put: Put) -> list[Any]:
    """Return the compound of an array or scalar.

    Args:
        value: See `is_numpy`.
        put: Takes the bytes of an array; returns what stands for them.

    Raises:
        ValueError: Its elements are objects, or of a kind that cannot be told by name.
    """
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.str_ | numpy.bytes_):
        plain = str.__str__(value) if isinstance(value, numpy.str_) else bytes(value)  # its own drops zeros
        return [SCALAR, "U" if type(plain) is str else "S", plain]
    described = _describe(value.dtype)
    if type(value) is numpy.ndarray:
        fortran = bool(value.flags.f_contiguous and not value.flags.c_contiguous)
        flat = (value.T if fortran else numpy.ascontiguousarray(value)).reshape(-1)
        data = memoryview(flat.view(numpy.uint8)) if flat.nbytes else b""
        return [ARRAY, described, list(value.shape), "F" if fortran else "C", put(data)]
    if value.dtype.type is not type(value):
        raise ValueError(f"type {type(value).__name__} is not known; turn it into a plain number")
    return [SCALAR, described, value.tobytes()]


def _describe(dtype: Any) -> Any:
    if dtype.hasobject:
        raise ValueError(f"its elements ({dtype}) are Python objects; turn it into a list")
    if dtype.metadata:
        raise ValueError(f"its dtype ({dtype}) has metadata, which would be lost")
    if dtype.names is not None:
        if any(len(field) > 2 for field in dtype.fields.values()):
            raise ValueError(f"its dtype ({dtype}) has titles, which would be lost")
        parts = [dtype.fields[name] for name in dtype.names]
        return {
            "names": list(dtype.names),
            "formats": [_describe(part[0]) for part in parts],
            "offsets": [part[1] for part in parts],
            "itemsize": dtype.itemsize,
            "aligned": bool(dtype.isalignedstruct),
        }
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_describe(base), list(shape)]
    text: str = dtype.str
    if not _TYPE_RULE.fullmatch(text) or sys.modules["numpy"].dtype(text) != dtype:
        raise ValueError(f"its elements ({dtype}) are of a kind that cannot be told by name")
    return text


def decode_array(content: list[Any], take: Callable[[Any], Any]) -> Any:
    """Return the array of a compound's content.

    Args:
        content: What follows the mark.
        take: What stands for bytes -> the bytes.
    """
    described, shape, order, body = content
    data = take(body)
    _check_shape(shape)
    if order not in ("C", "F"):
        raise ValueError(f"no order of elements: {order!r:.20}")
    dtype = _dtype(described)
    size = memoryview(data).nbytes
    if math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{size} bytes do not make an array of shape {tuple(shape)} of {dtype}")
    import numpy as np

    # What travels within the message is small and becomes the reader's own; large buffers are shared as they came.
    memory = bytearray(data) if type(body) is bytes else data
    return np.ndarray(tuple(shape), dtype, buffer=memory, order=order)


def decode_scalar(content: list[Any]) -> Any:
    """Return the scalar of a compound's content."""
    described, data = content
    if described == "U" and type(data) is str:
        import numpy as np

        return np.str_(data)
    if type(data) is not bytes:
        raise ValueError("a scalar without bytes")
    if described == "S":
        import numpy as np

        return np.bytes_(data)
    dtype = _dtype(described)
    if dtype.itemsize != len(data) or dtype.subdtype is not None:
        raise ValueError(f"{len(data)} bytes do not make a {dtype}")
    import numpy as np

    return np.ndarray((), dtype, buffer=bytearray(data))[()]


def _check_shape(shape: Any) -> None:
    if type(shape) is not list or len(shape) > 64 or not all(type(n) is int and 0 <= n < 1 << 48 for n in shape):
        raise ValueError(f"no shape of an array: {shape!r:.80}")


def _dtype(described: Any, depth: int = 0) -> Any:
    """Return the dtype of a description; every part is checked before numpy sees it."""
    if depth > _MAX_NESTING:
        raise ValueError("a dtype that is nested too deep")
    parts: Any
    if type(described) is str:
        if not _TYPE_RULE.fullmatch(described):
            raise ValueError(f"no type of elements that may travel: {described!r:.80}")
        parts = described
    elif type(described) is list:
        base, shape = described
        _check_shape(shape)
        parts = (_dtype(base, depth + 1), tuple(shape))
    elif type(described) is dict:
        names, formats, offsets = described["names"], described["formats"], described["offsets"]
        itemsize, aligned = described["itemsize"], described["aligned"]
        if not type(names) is type(formats) is type(offsets) is list or not len(names) == len(formats) == len(offsets):
            raise ValueError("fields of a dtype that do not match")
        if not all(type(name) is str for name in names) or type(aligned) is not bool:
            raise ValueError("fields of a dtype without names")
        _check_shape([*offsets[:1], itemsize])
        parts = {
            "names": names,
            "formats": [_dtype(one, depth + 1) for one in formats],
            "offsets": offsets,
            "itemsize": itemsize,
        }
    else:
        raise ValueError(f"no type of elements: {type(described).__name__}")
    import numpy as np

    dtype = np.dtype(parts, align=type(described) is dict and described["aligned"])
    if dtype.hasobject:
        raise ValueError("elements that are Python objects")
    return dtype
