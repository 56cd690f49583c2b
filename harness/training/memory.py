"""What torch says where a GPU has no memory left; not all of it is an ``OutOfMemoryError``."""

from __future__ import annotations

NO_MEMORY = (
    "CUDA out of memory", "CUDA error: out of memory",
    # no memory for a handle
    "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED", "CUDNN_STATUS_NOT_INITIALIZED",
    # no memory for the workspace of any algorithm of a convolution
    "unable to find an engine to execute this computation",
)  # fmt: skip


def tells_of_no_memory(text: str) -> bool:
    """Return whether an error's text is one of those.

    >>> tells_of_no_memory("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"), tells_of_no_memory("a bug")
    (True, False)
    """
    return any(words in text for words in NO_MEMORY)
