"""Where and in which precision the work is done, in words: for the first line of a run and of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.benchmark.plan import Setting
from harness.console.numbers import counted


def precisions_of(setting: Setting) -> dict[str, str]:
    """Return the precision by what is computed in it: of the networks, or of frozen features and the heads on them."""
    precision = setting.precision_of(setting.plan.competitors[0].arm)  # all arms have a head, or none
    return {"features": setting.device.precision, "heads": precision} if setting.features else {"networks": precision}


def machine_line(hardware: Mapping[str, Any], precisions: Mapping[str, str]) -> str:
    """Return the device with precisions and threads.

    >>> hardware = {"device": "a CPU", "threads": 2}
    >>> machine_line(hardware, {"networks": "bf16"})
    'a CPU (bf16, 2 threads)'
    >>> machine_line(hardware, {"features": "bf16", "heads": "fp32"})
    'a CPU (features in bf16, heads in fp32, 2 threads)'
    """
    parts = [f"{part} in {precision}" for part, precision in precisions.items()]
    words = parts if len(parts) > 1 else list(precisions.values())
    return f"{hardware['device']} ({', '.join(words)}, {counted(hardware['threads'], 'thread')})"
