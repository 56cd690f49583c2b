"""What the commands take that read a benchmark file, declared once: ``run``, ``plan`` and ``lr-find``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from harness.cli.options import (
    BenchmarkFile,
    Blocked,
    DataFolder,
    NoReuse,
    Overrides,
    PluginFiles,
    PresetName,
    Profile,
    Reuse,
    RunsFolder,
    TimeLimit,
    WorkloadName,
)

if TYPE_CHECKING:
    from harness.running.prepare import Request


@dataclass(frozen=True)
class OfFile:
    """What every command takes that reads a benchmark file: each field is an argument or an option."""

    file: BenchmarkFile
    profile: Profile = None
    data: DataFolder = None
    set_: Overrides = None
    workload: WorkloadName = None
    plugin: PluginFiles = None
    block: Blocked = None

    def request(self, settings: Sequence[str] = (), **more: Any) -> Request:
        """Return the request, with settings behind those of ``--set``; ``more`` are its other fields."""
        from harness.running.prepare import Request  # which takes seconds, so it comes behind the first line

        return Request(
            self.file, self.profile, self.data, plugins=tuple(self.plugin or ()), block=tuple(self.block or ()),
            overrides=(*(self.set_ or ()), *settings), workload=self.workload, **more,
        )  # fmt: skip


@dataclass(frozen=True)
class OfRun(OfFile):
    """What also those commands take that carry a benchmark out, or say what that takes."""

    preset: PresetName = None
    time_limit: TimeLimit = None
    out: RunsFolder = Path("runs")
    reuse: Reuse = None
    no_reuse: NoReuse = False

    def request(self, settings: Sequence[str] = (), **more: Any) -> Request:
        """Return the request; a time limit is a setting like any other."""
        from harness.benchmark.toml import OptionValue

        limit = () if self.time_limit is None else (OptionValue.of("--time-limit", f"budget={self.time_limit}"),)
        return super().request(
            (*settings, *limit), preset=self.preset, out=self.out, reuse=self.reuse, no_reuse=self.no_reuse, **more
        )


def taking(shared: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator: a command takes the fields of a dataclass before its own, and gets them as its first argument."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(shared, include_extras=True)
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        names = [field.name for field in fields(shared)]

        @wraps(command)
        def flat(**values: Any) -> None:
            command(shared(**{name: values.pop(name) for name in names}), **values)

        parameters = [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[field.name],
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
            )
            for field in fields(shared)
        ]  # fmt: skip
        parameters += [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return flat

    return decorate
