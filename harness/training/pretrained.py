"""Pretrained weights: finding them, reading them, and checking that a network really starts from them.

They are a file the user names, one in a folder of them, or the library's own.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import BenchmarkError, DataError, HarnessError, arguments, one_line
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Backbone, Weights

if TYPE_CHECKING:
    import torch

VARIABLE = "HARNESS_WEIGHTS"  # a folder with NAME*.safetensors
NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")  # where a checkpoint keeps its weights; averages first
# What other programs put before the names of a network that they train inside another one.
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.", "encoder.", "network.", "net.")
HELP = "use a file with the state_dict of that network"


@dataclass(frozen=True)
class Fit:
    """How many of a network's own tensors came from the weights; its head is not counted, nor are counters."""

    loaded: int
    tensors: int


def find_weights(backbone: Backbone, said: bool | str, beside: Path, where: str) -> Weights:
    """Return the weights a backbone starts from.

    ``said`` is a file or a folder, relative to ``beside``, or True: then ``$HARNESS_WEIGHTS/NAME*.safetensors``, and
    where there is none, the library's own. Raises BenchmarkError or DataError, naming ``where``.
    """
    if backbone.weights is None:
        raise BenchmarkError(
            f"{where}: must name backbones that have pretrained weights, got '{backbone.name}'; use regime = \"scratch\""
        )
    if said is False:
        raise BenchmarkError(f"{where}: must be true, a file or a folder in this regime, got false; leave it out")
    if isinstance(said, str):
        place = beside / said
        if not place.exists():
            raise DataError(
                f"{where}: must be a file or a folder with weights, got '{place}', which is not there; check the path"
            )
        file: Path | None = place if place.is_file() else _find_in_folder(place, backbone.name, where)
        if file is None:
            raise DataError(
                f"{where}: must be a folder with {backbone.name}*.safetensors, got none in '{place}'; name the file"
            )
        folder = None
    else:
        folder = os.environ.get(VARIABLE)
        if folder and not Path(folder).is_dir():
            raise DataError(f"{VARIABLE}: must be a folder with weights, got '{folder}'; check the path")
        file = _find_in_folder(Path(folder), backbone.name, where) if folder else None
    try:
        with Boundary("backbone", backbone.name, "have weights"):
            return backbone.weights(file)
    except DataError as error:
        looked = f"; {VARIABLE}, '{folder}', has no {backbone.name}*.safetensors" if folder and file is None else ""
        raise DataError(f"{where}: {error}{looked}") from error


def _find_in_folder(folder: Path, name: str, where: str) -> Path | None:
    """Return the folder's file for that backbone, or None; raises DataError where there are several."""
    files = [f for f in sorted(folder.glob(f"{name}*.safetensors")) if not f.name[len(name)].isalnum()]
    if len(files) > 1:
        raise DataError(
            f"{where}: must find one file for '{name}' in '{folder}', got {', '.join(f.name for f in files)}; name one"
        )
    return files[0] if files else None


def read_weights(file: Path, names: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return the tensors of a file under the names that a network has for them.

    The file may be a safetensors file, or a checkpoint of torch.save. Where it has the names behind a prefix such as
    ``module.`` or ``model.``, the prefix is taken off, and what is not behind it is left out.

    Args:
        file: The file.
        names: The network's names, of its ``state_dict``.

    Raises:
        DataError: The file is damaged or holds no tensors, or two prefixes would do.

    >>> import tempfile
    >>> import torch
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "weights.pth")
    ...     torch.save({"module.weight": torch.ones(2)}, file)
    ...     read_weights(file, ["weight"])
    {'weight': tensor([1., 1.])}
    """
    file = arguments.path("file", file)
    names = [
        arguments.text("names", name)
        for name in arguments.items("names", list(names) if isinstance(names, Mapping) else names, "names")
    ]
    content = _read_content(file)
    nested = next((content[key] for key in NESTED if isinstance(content, Mapping) and content.get(key)), content)
    state = nested if isinstance(nested, Mapping) else {}
    state = {str(key): value for key, value in state.items() if hasattr(value, "is_floating_point")}
    if not state:
        raise DataError(f"{file}: must hold a network's tensors by name, got none; use a file with its state_dict")
    prefix = _find_prefix(state, names, file)
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def _read_content(file: Path) -> Any:
    """Return the file's content; raises DataError where it cannot be read."""
    import torch
    from safetensors.torch import load_file

    try:
        with file.open("rb") as opened:
            safe = opened.read(9)[8:] == b"{"  # eight bytes of length, then JSON
        if safe or file.suffix == ".safetensors":
            return load_file(file)
        with torch.serialization.safe_globals([argparse.Namespace]):  # timm's checkpoints hold their options
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # each format raises its own
        raise DataError(
            f"{file}: must be whole weights, as safetensors or torch.save write them, got "
            f"{one_line(error).partition('. ')[0]:.150}; get the file again"
        ) from error


def _find_prefix(state: Mapping[str, Any], names: list[str], file: Path) -> str:
    """Return the prefix behind which the file has the most of these names; raises DataError where two have as many."""
    counts = {prefix: sum(f"{prefix}{name}" in state for name in names) for prefix in _prefixes(state)}
    most = max(counts.values())
    if not most:  # the library may still know these names, as those of an older release, but behind no prefix
        return max((prefix for prefix in counts if all(key.startswith(prefix) for key in state)), key=len)
    best = [prefix for prefix, count in counts.items() if count == most]
    if len(best) > 1:
        raise DataError(
            f"{file}: must have the network's tensors once, got {most} of them both behind '{best[0]}' and behind "
            f"'{best[1]}'; keep one of the two in the file"
        )
    return best[0]


def _prefixes(state: Iterable[str]) -> Iterator[str]:
    """Yield the known prefixes of these names, those of several parts too, each once; the empty one first."""
    seen = {"": None}
    for key in state:
        prefix = ""
        while part := next((part for part in PREFIXES if key.startswith(part, len(prefix))), ""):
            prefix += part
            seen[prefix] = None
    return iter(seen)


def check_fit(backbone: Backbone, weights: Weights, shape: tuple[int, ...], where: str) -> Fit | None:
    """Return how many of the backbone's own tensors came from the weights: all of them; None where it cannot be built.

    It holds for any backbone, however it reads its file: the network is built twice, under two seeds, and what differs
    is not from the file. What is neither drawn nor changed from how the network begins must have its name in the file.
    Where nothing is drawn, so that the backbone knows how to read the file, other names and formats are believed too.
    Raises DataError, naming ``where``, the file, the count and the first tensor that is missing.
    """
    import torch

    try:
        plain = _build_tensors(backbone, shape, 2)
    except HarnessError:  # without its weights it fails too, so each of its runs will say why
        return None
    try:
        tensors, redrawn = (_build_tensors(backbone, shape, 0, weights, seed) for seed in (0, 1))
    except PluginFailed as error:  # a library raises its own where shapes differ
        raise DataError(f"{where}: {_explain_misfit(backbone, weights, shape, error)}") from error
    except HarnessError as error:
        raise DataError(f"{where}: {error}") from error
    drawn = {name for name in tensors if not _are_equal(tensors[name], redrawn.get(name))}
    unchanged = {name for name in tensors.keys() - drawn if _are_equal(tensors[name], plain.get(name))}
    missing = drawn | (unchanged - _names_in_file(weights.file, tensors, unchanged, trusted=not drawn))
    if missing:
        first = next(name for name in tensors if name in missing)
        missing_text = f"the first missing is '{first}'{_hint_similar(weights.file, tensors, first)}"
        raise DataError(
            f"{where}: {_explain_missing(backbone, weights, len(tensors) - len(missing), len(tensors), missing_text)}"
        )
    bad = next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), None)
    if bad:
        raise DataError(
            f"{where}: must be finite weights, got NaN or infinity in '{bad}' of '{weights.file}'; get the file again"
        )
    return Fit(len(tensors), len(tensors))


def _explain_missing(backbone: Backbone, weights: Weights, loaded: int, tensors: int, found: str) -> str:
    loaded_text = f"{loaded} of them in '{weights.file}', {found}"
    return f"must be all {tensors} tensors of '{backbone.name}', got {loaded_text}; {HELP}"


def _hint_similar(file: Path, names: Iterable[str], name: str) -> str:
    """Return a hint at a tensor that may be the missing one, behind an unknown prefix; empty where there is none."""
    try:
        like = next(
            (key for key in read_weights(file, tuple(names)) if key.endswith(f".{name}") and key not in names), ""
        )
    except DataError:
        return ""
    return f" (there is a '{like}')" if like else ""


def _build_tensors(
    backbone: Backbone, shape: tuple[int, ...], outputs: int, weights: Weights | None = None, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Return the floating-point tensors of a new network by name; no random number of the process is used up."""
    import torch

    with torch.random.fork_rng(devices=()), Boundary("backbone", backbone.name, "build"):
        torch.manual_seed(seed)
        network = backbone.build(shape, outputs, *([weights] if weights else []))
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


def _are_equal(one: torch.Tensor, other: torch.Tensor | None) -> bool:
    """Return whether two tensors have equal values, NaN being equal to itself."""
    if other is None or one.shape != other.shape:
        return False
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def _names_in_file(file: Path, tensors: Mapping[str, torch.Tensor], names: set[str], trusted: bool) -> set[str]:
    """Return those of the names that the file has; of a backbone that is trusted also those it may have read otherwise.

    That is under a name that is not the network's, but with the same values, and from a format of its own.
    """
    if not names:
        return set()
    try:
        state = read_weights(file, tuple(tensors))
    except DataError:
        return names if trusted else set()
    unknown = [tensor for name, tensor in state.items() if trusted and name not in tensors]
    return {name for name in names if name in state or any(_are_equal(tensors[name], tensor) for tensor in unknown)}


def _explain_misfit(backbone: Backbone, weights: Weights, shape: tuple[int, ...], error: PluginFailed) -> str:
    """Return the reason why a network cannot be built from these weights: a tensor of another shape, or the exception."""
    try:
        tensors = _build_tensors(backbone, shape, 0)
        state = read_weights(weights.file, tensors)
    except HarnessError:  # then what was raised first must do
        tensors, state = {}, {}
    fitting = [name for name in tensors if name in state and state[name].shape == tensors[name].shape]
    first = next((name for name in tensors if name not in fitting), None)
    if first is None or not fitting:  # names that only the backbone knows
        return f"must be weights that '{backbone.name}' can be built from, got {error.why:.200} with '{weights.file}'"
    misfit = f"the first missing is '{first}'{_hint_similar(weights.file, tensors, first)}"
    if first in state:
        shapes = f"{list(state[first].shape)} instead of {list(tensors[first].shape)}"
        misfit = f"the first that does not fit is '{first}', {shapes}"
    return _explain_missing(backbone, weights, len(fitting), len(tensors), misfit)
