"""Whether a run on a GPU gives the same numbers again: the settings for it, and the operations that cannot."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

NO_SUCH_FORM = r"does not have a deterministic implementation"


def be_repeatable() -> None:
    """Have torch choose deterministic algorithms on the GPU; before the first work there."""
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # every tensor here is written before it is read
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    warnings.filterwarnings("ignore", message=f".*{NO_SUCH_FORM}")  # each is named once, by ``noticed``


@contextmanager
def repeatable_here() -> Iterator[None]:
    """Have torch choose deterministic algorithms inside, and what it chose before after it."""
    import torch

    cudnn, memory = torch.backends.cudnn, torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    flags = cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        be_repeatable()
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory = flags  # type: ignore[attr-defined]


@contextmanager
def noticed(operations: dict[str, None]) -> Iterator[None]:
    """Add to ``operations`` the names of those without a deterministic form that the work inside uses."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message=f".*{NO_SUCH_FORM}")
        yield
    for warning in caught:
        text = str(warning.message)
        if re.search(NO_SUCH_FORM, text):
            operations[text.split(maxsplit=1)[0]] = None
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
