"""Functions and classes of modules, which a plugin might replace."""

from __future__ import annotations

import builtins
import math
import operator
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from harness.plugin.process_settings.changes import ABSENT, Change, code_of, function_of
from harness.plugin.process_settings.of_torch import loaded_torch

OURS = (  # what trains and records, which a plugin might patch
    *("harness.training", "harness.statistics", "harness.records", "harness.plugin.contracts", "harness.plugin.runs"),
    *(
        "harness.running.search",
        "harness.running.workbench",
        "harness.plugin.process_settings",
        "harness_plugins.tasks",
    ),
    *("harness_plugins.optimizers", "harness_plugins.schedulers", "harness_plugins.backbones"),
)
WATCHED = ("numpy", "numpy.linalg", "numpy.random")  # other modules, where they are loaded
TORCHS = ("torch", "torch.nn.functional", "torch.nn.init", "torch.linalg", "torch.autograd")


class Members:
    """The members of modules and classes at one moment."""

    def __init__(self, of_owners: dict[int, tuple[Any, dict[str, Any]]]) -> None:
        self.of_owners = of_owners  # by the owner's id
        self._spaces = [vars(owner) for owner, _ in of_owners.values()]
        self._values = [space.values for space in self._spaces]
        self._sizes = [len(members) for _, members in of_owners.values()]
        self._members = [*chain.from_iterable(members.values() for _, members in of_owners.values())]

    def still_stand(self) -> bool:
        """Return whether every member is the very same now; they are compared in one go, which is faster."""
        now = chain.from_iterable(map(operator.call, self._values))
        return [*map(len, self._spaces)] == self._sizes and all(map(operator.is_, now, self._members))


@dataclass
class _Last:
    """What was last taken. It is an object of its own, because this module's members are compared too."""

    owners: list[Any]
    members: Members


_last = _Last([], Members({}))


def members_taken() -> Members:
    """Return the members of modules and classes that a plugin might replace, as they are now."""
    owners = _owners(len(sys.modules), loaded_torch() is not None)
    if owners is _last.owners and _last.members.still_stand():
        return _last.members
    of_owners = dict(_last.members.of_owners)
    for owner in owners:
        _, members = of_owners.get(id(owner), (owner, {}))
        if not _are_same(owner, members):
            of_owners[id(owner)] = owner, dict(vars(owner))
    _last.owners, _last.members = owners, Members(of_owners)
    return _last.members


def changed_members(before: Members) -> list[Change]:
    """Return which members differ from an earlier moment."""
    changes: list[Change] = []
    if not before.still_stand():
        for owner, members in before.of_owners.values():
            if not _are_same(owner, members):
                changes += _changed_members(owner, members)
    # A plugin may have loaded torch, and may have patched it.
    if loaded_torch() is not None and id(sys.modules["torch"]) not in before.of_owners:
        for owner in _torch_owners():
            changes += _foreign_members(owner)
    return changes


def _are_same(owner: Any, members: dict[str, Any]) -> bool:
    now = vars(owner)
    return len(now) == len(members) and all(map(operator.is_, now.values(), members.values()))


@lru_cache(maxsize=1)
def _owners(_: int, torch: bool) -> list[Any]:
    """Return the modules and classes whose functions are compared; they change only when modules are loaded."""
    modules = [builtins, math, random, time]
    modules += [sys.modules[name] for name in WATCHED if name in sys.modules]
    ours = [
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith(OURS) and isinstance(module, ModuleType)
    ]
    return [*modules, *ours, *_classes_of(ours), *(_torch_owners() if torch else ())]


def _classes_of(modules: list[ModuleType]) -> list[type]:
    """Return the classes that modules define; those that they import are left out."""
    classes: list[type] = []
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__:
                classes.append(value)  # noqa: PERF401
    return classes


def _torch_owners() -> list[Any]:
    """Return torch's modules and classes that training uses."""
    names = [*TORCHS, *(name for name in sorted(sys.modules) if name.startswith("torch.optim"))]
    modules = [sys.modules[name] for name in names if name in sys.modules]
    torch = sys.modules["torch"]
    of_nn = [value for value in vars(torch.nn).values() if isinstance(value, type)]
    of_optim = _classes_of([module for module in modules if module.__name__.startswith("torch.optim")])
    return [*modules, *dict.fromkeys([torch.Tensor, torch.nn.Module, *of_nn, *of_optim])]


def _changed_members(owner: Any, before: dict[str, Any]) -> Iterator[Change]:
    now = vars(owner)
    for name, old in before.items():
        new = now.get(name, ABSENT)
        if new is not old and _counts(owner, name, old) and not _is_wrapped_by_library(new, old, owner):
            yield Change(_label(owner, name), old, new, _setter_of_member(owner, name))
    for name in [name for name in now if name not in before] if isinstance(owner, type) else ():
        inherited = next((vars(base)[name] for base in owner.__mro__[1:] if name in vars(base)), ABSENT)
        hides = inherited is not ABSENT and _counts(owner, name, inherited)
        if hides and not _is_wrapped_by_library(now[name], inherited, owner):
            yield Change(_label(owner, name), ABSENT, now[name], _setter_of_member(owner, name))


def _foreign_members(owner: Any) -> Iterator[Change]:
    """Yield the functions of a library's class or module that stand in a file outside of it."""
    for name, value in list(vars(owner).items()):
        code = code_of(function_of(value))
        if code is not None and _file_is_foreign(code.co_filename, owner):
            yield Change(_label(owner, name), "its own", value, _cannot)


def _cannot(_: Any) -> None:
    raise RuntimeError("torch was first loaded together with the plugin")


def _counts(owner: Any, name: str, value: Any) -> bool:
    """Return whether a member is worth comparing: functions and classes, and of classes also plain constants."""
    if name == "Storage":  # torch's name for the storage of the default dtype
        return False
    if callable(value) or isinstance(value, property | staticmethod | classmethod):
        return True
    return isinstance(owner, type) and not name.startswith("_") and isinstance(value, bool | int | float | str)


def _is_wrapped_by_library(new: Any, old: Any, owner: Any) -> bool:
    """Return whether a member is the one before in wrappers that its own library has put around it, and nothing else."""
    inmost = _unwrapped(new, owner)
    return inmost is not None and inmost is _unwrapped(old, owner)


def _unwrapped(member: Any, owner: Any) -> Any:
    """Return the function inside a library's wrappers; None where a part of it is not written in that library.

    A wrapper has the function as ``__wrapped__``, or, in torch's compiler, as the only function that it closes over.
    """
    function = function_of(member)
    while True:
        code = code_of(function)
        if code is None or _file_is_foreign(code.co_filename, owner):
            return None
        closed_over = list(_closed_over(function))
        inner = getattr(function, "__wrapped__", closed_over[0] if len(closed_over) == 1 else None)
        if inner is None:
            return function
        function = inner


def _closed_over(function: FunctionType) -> Iterator[FunctionType]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # it is empty yet
            if isinstance(cell.cell_contents, FunctionType):
                yield cell.cell_contents


def _file_is_foreign(file: str, owner: Any) -> bool:
    """Return whether a source file lies outside of the package that a module or a class belongs to."""
    module = owner.__module__ if isinstance(owner, type) else owner.__name__
    package = sys.modules.get(module.partition(".")[0])
    folder = Path(getattr(package, "__file__", None) or "/nowhere/").parent
    return not (file.startswith("<") or folder in Path(file).parents)


def _label(owner: Any, name: str) -> str:
    if isinstance(owner, type):
        return f"{owner.__module__}.{owner.__qualname__}.{name}"
    return f"{owner.__name__}.{name}"


def _setter_of_member(owner: Any, name: str) -> Callable[[Any], object]:
    def set_member(value: Any) -> None:
        if value is ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, value)

    return set_member
