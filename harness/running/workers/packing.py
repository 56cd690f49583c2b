"""Messages as bytes: plain values as JSON, tensors as safetensors, arrays as they lie in memory; never a pickle.

length of the header (8 bytes), header (JSON), tensors (safetensors), arrays
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from harness.plugin.runs import Arm, Done, Epoch, Failed, Interrupted, Measured, Measurement, Run, State
from harness.running.workers.messages import (
    Assignment,
    Cancel,
    Happened,
    Left,
    PutBack,
    Ready,
    Rehearse,
    Rehearsed,
    Retiring,
)

_TYPES = (
    Arm, Run, Measurement, State, Epoch, Done, Failed, Measured, Interrupted, Assignment, Cancel, Ready, Happened,
    PutBack, Rehearse, Rehearsed, Retiring, Left,
)  # fmt: skip
TYPES: Mapping[str, type] = {kind.__name__: kind for kind in _TYPES}
KIND = "!"  # the key that says what an object of the header stands for


def pack(message: Any) -> bytes:
    """Return a message as bytes; raises TypeError where a value in it is neither plain, a tensor nor an array."""
    packer = _Packer()
    header: dict[str, Any] = {"message": packer.plain(message)}
    tensors = b""
    if packer.tensors:
        from safetensors.torch import save

        tensors = save(packer.tensors)
    header["tensors"] = len(tensors)
    text = json.dumps(header).encode()
    return b"".join((len(text).to_bytes(8, "little"), text, tensors, *packer.arrays))


def unpack(content: bytes) -> Any:
    """Return the message of ``pack``; its functions return what they returned when it was packed."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    first = end + header["tensors"]
    tensors: dict[str, Any] = {}
    if header["tensors"]:
        from safetensors.torch import load

        tensors = load(content[end:first])
    return _Unpacker(tensors, memoryview(content)[first:]).value(header["message"])


class _Packer:
    def __init__(self) -> None:
        self.tensors: dict[str, Any] = {}
        self.arrays: list[bytes] = []
        self._size = 0  # of the arrays

    def plain(self, value: Any) -> Any:
        """Return a value as JSON has it, with what is large put aside."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if type(value).__name__ in TYPES and (is_dataclass(value) or isinstance(value, Arm)):
            entries = {part.name: self.plain(_called(getattr(value, part.name))) for part in fields(value)}
            return {KIND: type(value).__name__, "fields": entries}
        if isinstance(value, Mapping):
            return {KIND: "mapping", "items": [[self.plain(key), self.plain(inner)] for key, inner in value.items()]}
        if isinstance(value, tuple | list):
            return {KIND: type(value).__name__, "items": [self.plain(inner) for inner in value]}
        return self._large(value)

    def _large(self, value: Any) -> Any:
        """Put a tensor or an array aside, and return where it is."""
        import numpy as np

        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            content = np.ascontiguousarray(value).tobytes()
            place = {KIND: "array", "dtype": value.dtype.str, "shape": list(value.shape), "offset": self._size}
            self.arrays.append(content)
            self._size += len(content)
            return place
        if hasattr(value, "detach"):
            name = str(len(self.tensors))
            # Copied, because safetensors refuses two names for one memory (tied weights).
            self.tensors[name] = value.detach().to("cpu", copy=True).contiguous()
            return {KIND: "tensor", "name": name}
        raise TypeError(f"must be a plain value, a tensor or an array to travel, got {type(value).__name__}")


def _called(value: Any) -> Any:
    """Return what a function of an event returns: its state, or the weights that it keeps."""
    return value() if callable(value) else value


class _Unpacker:
    def __init__(self, tensors: Mapping[str, Any], arrays: memoryview) -> None:
        self._tensors = tensors
        self._arrays = arrays

    def value(self, plain: Any) -> Any:
        """Return the value that a header has."""
        if not isinstance(plain, dict):
            return plain
        kind = plain[KIND]
        if kind == "mapping":
            return {self.value(key): self.value(inner) for key, inner in plain["items"]}
        if kind in ("tuple", "list"):
            items = [self.value(inner) for inner in plain["items"]]
            return tuple(items) if kind == "tuple" else items
        if kind == "tensor":
            return self._tensors[plain["name"]]
        if kind == "array":
            return self._array(plain)
        values = {name: self.value(inner) for name, inner in plain["fields"].items()}
        if kind == "Epoch":
            values |= {name: _returning(values[name]) for name in ("state", "snapshot") if values[name] is not None}
        return TYPES[kind](**values)

    def _array(self, place: Mapping[str, Any]) -> Any:
        import numpy as np

        dtype, shape = np.dtype(place["dtype"]), tuple(place["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(self._arrays, dtype, count, place["offset"]) if count else np.empty(0, dtype)
        return array.reshape(shape)


def _returning(value: Any) -> Callable[[], Any]:
    return lambda: value
