"""``model.torchscript``: the model for ``torch.jit.load``, in Python or in C++."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.models.formats.whole import Whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "model.torchscript"


def write_torchscript(whole: Whole, size: int, folder: Path) -> str:
    """Write the model, for any number of squares at a time, and return the name of the file."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch names torch.export as its successor
        traced = torch.jit.trace(whole, (torch.zeros(2, 3, size, size),), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(folder / FILE))
    return FILE


def run_torchscript(folder: Path, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities that the file computes."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        loaded = torch.jit.load(str(folder / FILE))  # type: ignore[no-untyped-call]
        probabilities: NDArray[np.float32] = loaded(torch.from_numpy(pixels)).numpy()
    return probabilities
