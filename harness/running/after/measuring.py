"""One measurement of a probe: the networks with the weights that were kept, what is put back, and what is entered."""

from __future__ import annotations

import time
from collections import ChainMap, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Probe
from harness.plugin.process_settings import kept, note_line
from harness.plugin.runs import Measured, Run

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from harness.training.device import Device
    from harness.training.parts import Parts

HELD = 2 * 10**9  # bytes of networks, and of what probes keep of them, that are held ready on a CPU, at the most
LEAST_ON_GPU = 10**9  # on a GPU, or more where this part of its memory is more: up to eight processes measure there
PART_OF_GPU = 32
DEPTH = 8  # of what a probe keeps: values in values that are looked at for their size

Runs = tuple[Run, ...]
Key = tuple[str, str, str]  # the run_ids of a measurement's networks, "" where there are fewer


@dataclass
class _Held:
    """A network that is held ready, and what each probe keeps of it."""

    parts: Parts
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)  # by probe: its own ``probe_cache``


@dataclass
class Solutions:
    """The networks that were trained, ready to be measured by any probe; those used last are held."""

    solved: Callable[[Run], Parts]  # returns the parts of a run that is over, its network with the final weights
    most: int = HELD  # bytes
    _held: OrderedDict[str, _Held] = field(default_factory=OrderedDict)

    def parts(self, run: Run, probe: str) -> Parts:
        """Return a run's parts, its network with the final weights and in evaluation mode, with a probe's own notes."""
        if run.id not in self._held:
            self._held[run.id] = _Held(self.solved(run))
        self._held.move_to_end(run.id)
        held = self._held[run.id]
        held.parts.probe_cache = held.notes.setdefault(probe, {})
        return held.parts

    def shrink(self) -> None:
        """Let go of what was used longest ago, where too much is held."""
        sizes = {run_id: _sizes(held) for run_id, held in self._held.items()}
        while len(sizes) > 1 and sum(ChainMap(*sizes.values()).values()) > self.most:  # what networks share counts once
            run_id, _ = self._held.popitem(last=False)
            del sizes[run_id]


def room_for_networks(device: Device) -> int:
    """Return how many bytes of networks, and of what probes keep of them, may be held ready on a device."""
    if device.type != "cuda":
        return HELD
    import torch

    total: int = torch.cuda.get_device_properties(device.name).total_memory
    return max(LEAST_ON_GPU, total // PART_OF_GPU)


def _sizes(held: _Held) -> dict[int, int]:
    """Return the bytes of all tensors and arrays that are held of a network, by where they are; not those of the data."""
    sizes: dict[int, int] = {}
    _add_sizes([dict(held.parts.model.state_dict()), held.notes], sizes, DEPTH)
    use, data = held.parts.ingredients, dict[int, int]()
    _add_sizes([use.train, use.tune, use.test], data, DEPTH)
    return {place: size for place, size in sizes.items() if place not in data}


def _add_sizes(value: Any, sizes: dict[int, int], depth: int) -> None:
    """Enter the bytes of every tensor and array in a value, by where they are, so many levels deep."""
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        sizes[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
    elif isinstance(value, np.ndarray):
        sizes[id(value)] = value.nbytes
    elif depth:
        inside = value.state_dict() if isinstance(value, torch.nn.Module) else getattr(value, "__dict__", value)
        inside = list(inside.values()) if isinstance(inside, Mapping) else inside
        for item in inside if isinstance(inside, list | tuple | set) else ():
            _add_sizes(item, sizes, depth - 1)


def measure_networks(probe: Probe, runs: Runs, solutions: Solutions) -> Measured:
    """Return what a probe measures on these networks; raises PluginFailed where it fails."""
    from harness.training.batches import mix_seeds, seed_all
    from harness.training.denormals import denormals_flushed

    start = time.perf_counter()
    networks = [solutions.parts(run, probe.name) for run in runs]
    who, changed = f"probe '{probe.name}'", list[str]()
    try:
        with Boundary("probe", probe.name, "measure", everything=True), ExitStack() as around:
            seed_all(mix_seeds(*(run.order_seed for run in runs)))
            for parts in networks:
                around.enter_context(network_kept(parts.model, who, changed.append))
            around.enter_context(kept(who, changed.append))
            around.enter_context(denormals_flushed())
            numbers, arrays = numbers_and_arrays(probe.measure(*networks, **probe.options))
    except PluginFailed:  # no event takes the lines along
        for line in changed:
            note_line(line)
        raise
    finally:
        solutions.shrink()
    return Measured(numbers, arrays, time.perf_counter() - start, tuple(changed))


def key_of(runs: Runs) -> Key:
    """Return the key of a measurement."""
    one, other, third = ([run.id for run in runs] + ["", ""])[:3]
    return one, other, third


def networks_in_words(runs: Runs) -> str:
    """Return which networks a measurement looks at."""
    return " and ".join(f"{run.arm.name} seed {run.init_seed}" for run in runs)


@contextmanager
def network_kept(network: torch.nn.Module, who: str, note: Callable[[str], object]) -> Iterator[None]:
    """Put a network's weights and modes back to what they were; ``note`` takes a line where the weights had changed.

    Where the code inside raises, that is line enough.
    """
    weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
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
    import torch

    now = network.state_dict()
    if now.keys() != weights.keys() or any(now[name].shape != tensor.shape for name, tensor in weights.items()):
        return True
    if any(now[name].device != tensor.device for name, tensor in weights.items()):
        return True
    equal: dict[torch.device, list[torch.Tensor]] = {}  # each device is waited for once
    for name, tensor in weights.items():
        equal.setdefault(tensor.device, []).append(_are_equal(now[name], tensor))
    return not all(bool(torch.stack(flags).all()) for flags in equal.values())


def _are_equal(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return ``[]``, whether two tensors of one shape have equal numbers, or none, in all places."""
    return ((one == other) | ((one != one) & (other != other))).all()


def numbers_and_arrays(measured: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
    """Return the numbers and the arrays of a measurement; raises TypeError or ValueError for anything else."""
    arrays = {name: _array(name, value) for name, value in measured.items() if getattr(value, "ndim", 0)}
    return {name: float(value) for name, value in measured.items() if name not in arrays}, arrays


def _array(name: str, value: Any) -> NDArray[Any]:
    import numpy as np

    array = np.ascontiguousarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got one of {array.dtype}")
    return array


def first_timed(group: Sequence[Runs], count: int) -> dict[str, list[Runs]]:
    """Return the measurements of a group by network, of each the first ``count``."""
    by_network: dict[str, list[Runs]] = {}
    for runs in group:
        by_network.setdefault(runs[0].arm.network, []).append(runs)
    return {network: measurements[:count] for network, measurements in by_network.items()}
