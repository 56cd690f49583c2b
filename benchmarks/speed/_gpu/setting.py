"""What a section is given: its time, the device, and how it says what it has measured."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS begins; without it sums differ


class Context:
    """A section's name, its time, and its device."""

    def __init__(self, section: str, seconds: float) -> None:
        self.section = section
        self._ends = time.monotonic() + seconds
        self._problems: set[str] = set()

    @cached_property
    def gpu(self) -> bool:
        """Whether there is a GPU; without one everything is small and on the CPU."""
        import torch

        return torch.cuda.is_available()

    @property
    def device(self) -> str:
        """The device as torch names it."""
        return "cuda:0" if self.gpu else "cpu"

    @property
    def left(self) -> float:
        """Seconds until the section's limit."""
        return self._ends - time.monotonic()

    def sized(self, on_gpu: int, on_cpu: int) -> int:
        """Return the one number on a GPU and the other on a CPU."""
        return on_gpu if self.gpu else on_cpu

    def say(self, **values: Any) -> None:
        """Print one line of results."""
        print(json.dumps({"section": self.section, **values}), flush=True)

    def check(self, what: str, holds: bool, **values: Any) -> None:
        """Print whether a promise holds."""
        self.say(check=what, holds=bool(holds), **values)

    def tried(self, what: str, do: Callable[[], Any]) -> Any:
        """Return what a part of the section returns; where it raises, say where and why, once for equal causes."""
        try:
            return do()
        except Exception as error:
            traceback.print_exc()
            text = compact(error)
            self.say(part=what, problem=text if text not in self._problems else text.splitlines()[-1][:200])
            self._problems.add(text)
            return None

    def wait(self) -> None:
        """Wait for the device."""
        if self.gpu:
            import torch

            torch.cuda.synchronize()


def same(one: Any, other: Any) -> float:
    """Return the largest difference of two tensors, 0.0 where they are equal to the last bit, NaN where one is not finite."""
    import torch

    if torch.equal(one, other):
        return 0.0
    return float((one.double() - other.double()).abs().max())


def compact(error: BaseException, frames: int = 9, most: int = 1500) -> str:
    """Return an exception and what caused it, a short line for each of the last frames, the cause first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [compact(before, frames, most)] if before else []
    last = traceback.extract_tb(error.__traceback__)[-frames:]
    lines += [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}: {frame.line}"[:130] for frame in last]
    lines.append(f"{type(error).__name__}: {error}"[:600])
    return "\n".join(lines)[-most:]
