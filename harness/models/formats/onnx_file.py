"""``model.onnx``: the model for ONNX Runtime and its like. Needs the extra ``onnx``."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.errors import HarnessError
from harness.models.formats.whole import Whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "model.onnx"
WRITER = ("onnx", "onnxscript")  # what torch needs to write such a file
RUNTIME = "onnxruntime"
HINT = "python -m pip install 'optimizer-harness[onnx]'"


def check_library() -> None:
    """Raise HarnessError where a library is missing that writes ONNX."""
    if missing := [name for name in WRITER if importlib.util.find_spec(name) is None]:
        raise HarnessError(f"--format onnx: must have {' and '.join(missing)}, got none installed; {HINT}")


def write_onnx(whole: Whole, size: int, folder: Path) -> str:
    """Write the model, for any number of squares at a time, and return the name of the file."""
    example = torch.zeros(2, 3, size, size)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                whole, (example,), str(folder / FILE), input_names=["pixels"], output_names=["probabilities"],
                dynamic_shapes=({0: torch.export.Dim("batch")},), dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
    finally:
        logger.setLevel(level)
    return FILE


def run_onnx(folder: Path, pixels: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the probabilities that ONNX Runtime computes; None where it is not installed."""
    if importlib.util.find_spec(RUNTIME) is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / FILE), providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"pixels": pixels})
    computed: NDArray[np.float32] = probabilities
    return computed
