"""Whatever a plugin raises while a network is trained becomes one line that names the plugin."""

from __future__ import annotations

import re
from types import TracebackType

from harness.errors import HarnessError, PluginError, one_line


class Blame:
    """``with Blame("optimizer", "adam", "step"):`` raises ``optimizer 'adam': must step, got ...`` for any exception.

    It can be entered again and inside itself. Errors of the harness's own, a divergence above all, stay what they are; a
    PluginError that does not say whose it is gets the name.
    """

    def __init__(self, kind: str, name: str, must: str) -> None:
        self._who = f"{kind} '{name}'"
        self._must = must

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, PluginError) and not re.match(r"(optimizer|scheduler|backbone|task) '", str(error)):
            raise PluginError(f"{self._who}: {' '.join(str(error).split())}") from error
        if isinstance(error, Exception) and not isinstance(error, HarnessError):
            raise PluginError(f"{self._who}: must {self._must}, got {one_line(error)}") from error
