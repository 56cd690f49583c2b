"""A model written in further formats, each compared with ``harness predict`` before the export is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from harness.console.numbers import short_power
from harness.errors import BenchmarkError, HarnessError, did_you_mean, one_line, shown
from harness.models.formats import onnx_file, timm_folder, torchscript_file
from harness.models.formats.whole import as_pixels, build_whole, squares_to_check
from harness.models.scorer import build_scorer
from harness.models.trained import Model, load_networks
from harness.plugin.contracts import Backbone
from harness.plugin.registry import Registry
from harness.training import device

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("onnx", "torchscript", "timm")
TOLERANCE = 1e-4  # of a probability
READERS = {"onnx": "onnxruntime", "torchscript": "torch.jit", "timm": "timm"}


def check_formats(formats: Sequence[str], model: Model) -> None:
    """Raise HarnessError for a format that nobody writes, one whose library is missing, and one that cannot hold the model."""
    for name in formats:
        if name not in FORMATS:
            hint = did_you_mean(name, FORMATS, listed=True)
            raise BenchmarkError(
                f"--format: must be {', '.join(FORMATS)}, or several with commas, got {shown(name)}{hint}"
            )
    if "onnx" in formats:
        onnx_file.check_library()
    if "timm" in formats and len(model.files) > 1:
        raise HarnessError(f"--format timm: must be one network, got {len(model.files)}; leave out --ensemble")


def write_formats(formats: Sequence[str], model: Model, registry: Registry, folder: Path) -> list[dict[str, Any]]:
    """Write the model into an exported folder in these formats, and return what each of them is, as plain values.

    ``largest_difference`` is that of a probability to ``harness predict`` in float32, on squares of noise; None where the
    library that reads the format is missing. Raises HarnessError where it is above ``TOLERANCE``.
    """
    if not formats:
        return []
    chosen = device.set_up_device("cpu", "fp32", torch.get_num_threads())
    squares = squares_to_check(model.cut.size)
    expected = build_scorer(model, registry, chosen)(squares[:, None])
    written = []
    for name in formats:
        write, run = _writer_and_reader(name, model, registry, chosen)
        try:
            file = write(folder)
        except HarnessError:
            raise
        except Exception as error:  # a library may refuse a network for any reason, with any exception
            raise HarnessError(
                f"--format {name}: must be able to hold {model.arm}, got {one_line(error):.300}; leave it out"
            ) from error
        difference = _largest_difference(name, run(folder, as_pixels(squares)), expected)
        written.append({"format": name, "file": file, "read_by": READERS[name], "largest_difference": difference})
    return written


Write = Callable[[Path], str]
Run = Callable[[Path, "NDArray[np.float32]"], "NDArray[np.float32] | None"]


def _writer_and_reader(name: str, model: Model, registry: Registry, chosen: device.Device) -> tuple[Write, Run]:
    """Return the functions that write and that run a format."""
    size = model.cut.size
    if name == "timm":
        return lambda folder: _write_timm(model, registry, chosen, folder), timm_folder.run_timm
    model_whole = build_whole(model, registry, chosen)
    if name == "onnx":
        return lambda folder: onnx_file.write_onnx(model_whole, size, folder), onnx_file.run_onnx
    return lambda folder: torchscript_file.write_torchscript(
        model_whole, size, folder
    ), torchscript_file.run_torchscript


def _write_timm(model: Model, registry: Registry, chosen: device.Device, folder: Path) -> str:
    offer = registry.get("backbone", model.backbone, Backbone)
    shape = (3, model.cut.size, model.cut.size)
    call = offer.plain(shape, 0 if model.head else len(model.classes)) if offer.plain else ""
    backbone, (network,) = load_networks(model, registry, chosen)
    return timm_folder.write_timm(model, call, backbone, network, folder)


def _largest_difference(name: str, computed: NDArray[np.float32] | None, expected: NDArray[np.float64]) -> float | None:
    """Return by how much a probability differs at most; raises HarnessError where that is too much."""
    if computed is None:
        return None
    difference = float(np.abs(computed - expected).max()) if computed.shape == expected.shape else float("inf")
    if not difference <= TOLERANCE:
        raise HarnessError(
            f"--format {name}: must give the probabilities of 'harness predict' to {TOLERANCE:g}, got a difference of "
            f"{difference:.3g} in {READERS[name]}; leave it out"
        )
    return difference


def format_line(written: dict[str, Any]) -> str:
    """Return for a person what a format is, and how it was checked."""
    reader, difference = written["read_by"], written["largest_difference"]
    if difference is None:
        return f"{written['file']}: written, and not checked, because {reader} is not installed; {onnx_file.HINT}"
    to = short_power(f"{max(difference, 1e-9):.1g}")
    return f"{written['file']}: {reader} gives the probabilities of 'harness predict' in float32 to {to}"
