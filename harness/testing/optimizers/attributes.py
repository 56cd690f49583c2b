"""How two optimizers differ in what they keep: their attributes, and whatever lies in these."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Set
from typing import Any

import torch

BASE = ("state", "param_groups", "defaults")  # of every optimizer; other checks look at the first two
DEEP = 6  # how far into objects in objects is looked
SKIPPED = (torch.nn.Module, type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType)
ADDRESS = 1 << 32  # a whole number beyond is the id() of something
MISSING = object()
Difference = tuple[str, str, str]  # where, and both values for a person


def differences(one: torch.optim.Optimizer, other: torch.optim.Optimizer) -> Iterator[Difference]:
    """Yield where the attributes of two optimizers of one class differ. Functions, modules and networks are passed over."""
    names = [name for name in {**vars(one), **vars(other)} if name not in BASE and not _is_hook(name)]
    for name in names:
        yield from _compare(name, getattr(one, name, MISSING), getattr(other, name, MISSING), {id(one)}, DEEP)


def _is_hook(name: str) -> bool:
    return name.startswith("_optimizer_") or name in ("_warned_capturable_if_run_uncaptured", "_zero_grad_profile_name")


def _compare(place: str, one: Any, other: Any, seen: set[int], deep: int) -> Iterator[Difference]:
    """Yield the differences of two values; a value that was seen is passed over, for objects may know each other."""
    if isinstance(one, SKIPPED) or id(one) in seen or not deep:
        return
    if (one is MISSING and _is_nothing(other)) or (other is MISSING and _is_nothing(one)):
        return  # torch adds such entries when it loads
    if other is None:
        return  # not made yet: a step that needs it makes it, or fails, and another check goes on for many steps
    seen = seen | {id(one)}
    if type(one) is not type(other):
        yield place, _shown(one), _shown(other)
    elif isinstance(one, torch.Tensor):
        if one.shape != other.shape or one.dtype != other.dtype or not torch.equal(one, other):
            yield place, _shown(one), _shown(other)
    elif isinstance(one, torch.Generator):
        if not torch.equal(one.get_state(), other.get_state()):
            yield place, _shown(one), _shown(other)
    else:
        parts, other_parts = _parts(one), _parts(other)
        if parts is None or other_parts is None:
            if not _is_equal(one, other):
                yield place, _shown(one), _shown(other)
        else:
            yield from _compare_parts(place, parts, other_parts, seen, deep - 1)


def _compare_parts(
    place: str, parts: Mapping[str, Any], others: Mapping[str, Any], seen: set[int], deep: int
) -> Iterator[Difference]:
    for name in {**parts, **others}:
        yield from _compare(f"{place}{name}", parts.get(name, MISSING), others.get(name, MISSING), seen, deep)


def _parts(value: Any) -> dict[str, Any] | None:
    """Return what a value consists of, by name; None for one that is compared as a whole.

    Entries of a dict go by their order where their keys are parameters, or their addresses, which are others in every training.
    """
    if isinstance(value, Mapping):
        by_order = any(isinstance(key, torch.Tensor) or (isinstance(key, int) and key > ADDRESS) for key in value)
        return {f"[{i if by_order else repr(key)}]": entry for i, (key, entry) in enumerate(value.items())}
    if isinstance(value, torch.optim.Optimizer):
        return {f".{name}": entry for name, entry in vars(value).items() if not _is_hook(name) and name != "defaults"}
    if isinstance(value, str | bytes | Set) or value is None or isinstance(value, int | float | complex):
        return None
    if hasattr(value, "__len__") and hasattr(value, "__getitem__") and not hasattr(value, "dtype"):
        return {f"[{i}]": entry for i, entry in enumerate(value)}
    return {f".{name}": entry for name, entry in vars(value).items()} if hasattr(value, "__dict__") else None


def _is_nothing(value: Any) -> bool:
    return value is None or value is False


def _is_equal(one: Any, other: Any) -> bool:
    """Return whether two values are equal; those that do not say so with True or False are taken for equal."""
    try:
        return bool(one == other) or (one != one and other != other)
    except Exception:  # an array, or whatever a plugin has made
        return bytes(one.tobytes()) == bytes(other.tobytes()) if hasattr(one, "tobytes") else True


def _shown(value: Any) -> str:
    if value is MISSING:
        return "nothing"
    if isinstance(value, torch.Tensor):
        return f"{value.flatten()[0].item():.3g}, ..." if value.numel() > 1 else f"{value}"
    return f"{value!r:.40}"
