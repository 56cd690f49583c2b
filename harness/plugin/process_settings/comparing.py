"""Settings as they are at one moment, and what differs from an earlier one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness.plugin.process_settings.changes import ABSENT, Change, Setting
from harness.plugin.process_settings.of_python import python_settings
from harness.plugin.process_settings.of_torch import loaded_torch, torch_settings

OF_LIBRARIES = (
    "TORCHINDUCTOR_",
    "_TORCHINDUCTOR_",
    "TRITON_",
    "KMP_",
    "CUDA_MODULE_LOADING",
    "TORCH_NCCL_",
    "PYTEST_",
)  # that they set


@dataclass(frozen=True)
class Taken:
    """The settings at one moment."""

    settings: list[Setting]
    values: list[Any]  # of each of them
    environment: dict[Any, Any]


def taken() -> Taken:
    """Return the settings as they are now."""
    settings = _settings(loaded_torch() is not None)
    return Taken(settings, _values(settings), _environment())


def changed(before: Taken) -> list[Change]:
    """Return the settings that differ from an earlier moment, in the order in which they are to be put back."""
    return [*_changed_settings(before), *_changed_variables(before.environment)]


def _changed_settings(before: Taken) -> Iterator[Change]:
    settings = _settings(loaded_torch() is not None)
    values = _values(settings)
    if settings is before.settings and values == before.values:  # nearly always, and this is done around every event
        return
    values_before = {setting.name: value for setting, value in zip(before.settings, before.values, strict=True)}
    for setting, new in zip(settings, values, strict=True):
        old = values_before.get(setting.name, setting.fresh)
        if old is not ABSENT and new is not ABSENT and setting.differ(old, new):
            yield Change(setting.name, old, new, setting.set)


def _environment() -> dict[Any, Any]:
    """Return the variables of the environment, undecoded where that is possible: it is forty times as fast."""
    return dict(getattr(os.environ, "_data", os.environ))


def _changed_variables(before: dict[Any, Any]) -> Iterator[Change]:
    now = _environment()
    if before == now:
        return
    for key in sorted({*before, *now}):
        name, old, new = (None if text is None else os.fsdecode(text) for text in (key, before.get(key), now.get(key)))
        assert name is not None
        if old != new and not name.startswith(OF_LIBRARIES):
            yield Change(f"the environment variable {name}", old, new, _setter_of_variable(name))


def _setter_of_variable(name: str) -> Callable[[Any], object]:
    def set_variable(value: str | None) -> None:
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

    return set_variable


def _values(settings: list[Setting]) -> list[Any]:
    """Return the values of settings, ABSENT of those that cannot be read."""
    try:
        return [setting.get() for setting in settings]
    except Exception:  # one of them cannot be read, and this is which
        return [_read(setting) for setting in settings]


def _read(setting: Setting) -> Any:
    try:
        return setting.get()
    except Exception:  # a folder that is gone, a build of torch that lacks it
        return ABSENT


@cache
def _settings(torch: bool) -> list[Setting]:
    return [*torch_settings(sys.modules["torch"]), *_settings(False)] if torch else python_settings()
