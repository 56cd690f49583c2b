"""What the probes find on a trained network: numbers for the records, arrays for a file beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.boundary import Boundary, PluginFailed
from harness.contracts import Probe
from harness.process_settings import kept

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from harness.training.parts import Parts


@dataclass
class Found:
    """Numbers and arrays by ``PROBE.name``, a line for every probe that failed, and the weights as they were before."""

    weights: dict[str, torch.Tensor]
    numbers: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def probe_all(parts: Parts, probes: Iterable[Probe]) -> Found:
    """Return what all probes find; one that fails is named, and the others, and the trained network, are kept."""
    from harness.training.batches import mix, seed_all

    found = Found({name: each.detach().clone() for name, each in parts.model.state_dict().items()})
    for number, probe in enumerate(probes):
        try:
            seed_all(mix(parts.run.order_seed, number))  # whatever the network drew, and wherever it was interrupted
            with (
                Boundary("probe", probe.name, "measure", everything=True),
                kept(f"probe '{probe.name}'", found.problems.append),
            ):
                measured = probe.measure(parts, **probe.options)
                numbers, arrays = sorted_out({f"{probe.name}.{name}": value for name, value in measured.items()})
        except PluginFailed as error:
            found.problems.append(f"probe '{probe.name}' failed: {error.why}")
            parts.model.load_state_dict(found.weights)  # it may have raised in the middle of a change
            continue
        found.numbers |= numbers
        found.arrays |= arrays
    return found


def sorted_out(measured: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Return the numbers and the arrays of what a probe found; raises TypeError or ValueError for anything else."""
    arrays = {name: _array(name, value) for name, value in measured.items() if getattr(value, "ndim", 0)}
    return {name: float(value) for name, value in measured.items() if name not in arrays}, arrays


def _array(name: str, value: Any) -> NDArray[Any]:
    import numpy as np

    array = np.ascontiguousarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got one of {array.dtype}")
    return array
