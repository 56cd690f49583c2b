"""What the probes find on a trained network: numbers for the records, arrays for a file beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Parts, Probe
from harness.plugin.process_settings import kept

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


@dataclass
class Found:
    """Numbers and arrays by ``PROBE.name``, a line for every probe that failed, and the weights as they were before."""

    weights: dict[str, torch.Tensor]
    numbers: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@contextmanager
def network_kept(network: torch.nn.Module, who: str, note: Callable[[str], object]) -> Iterator[None]:
    """Put a network's weights and modes back to what they were; ``note`` takes a line where the weights had changed.

    Where the code inside raises, that is line enough.
    """
    weights = {name: each.detach().clone() for name, each in network.state_dict().items()}
    modes = {module: module.training for module in network.modules()}
    try:
        yield
    except BaseException:  # perhaps in the middle of a change
        network.load_state_dict(weights)
        raise
    else:
        if _differ(network, weights):
            network.load_state_dict(weights)
            note(f"{who} changed the weights of the network that it measured; they were put back")
    finally:
        for module, training in modes.items():
            module.training = training


def _differ(network: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> bool:
    """Return whether a network's weights are others than these."""
    now = network.state_dict()
    return now.keys() != weights.keys() or not all(_are_equal(each, weights[name]) for name, each in now.items())


def _are_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two tensors have equal numbers, or none, in all places."""
    return one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())


def probe_all(parts: Parts, probes: Iterable[Probe]) -> Found:
    """Return what all probes find; one that fails is named, and the others, and the trained network, are kept."""
    from harness.training.batches import mix, seed_all

    found = Found({name: each.detach().clone() for name, each in parts.model.state_dict().items()})
    for probe in probes:
        try:
            seed_all(mix(parts.run.order_seed, crc32(probe.name.encode())))  # wherever the run was interrupted
            who, note = f"probe '{probe.name}'", found.problems.append
            with (
                Boundary("probe", probe.name, "measure", everything=True),
                network_kept(parts.model, who, note),
                kept(who, note),
            ):
                measured = probe.measure(parts, **probe.options)
                numbers, arrays = sorted_out({f"{probe.name}.{name}": value for name, value in measured.items()})
        except PluginFailed as error:
            found.problems.append(f"probe '{probe.name}' failed: {error.why}")
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
