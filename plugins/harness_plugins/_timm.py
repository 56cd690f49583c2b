"""Import timm where torchvision does not fit torch.

A torchvision built for CUDA beside a CPU-only torch fails with ``operator torchvision::nms does not exist``, and timm
imports torchvision. timm's models need none of its operators, so the import is tried again while their registration
does nothing. ``decode_jpeg`` and ``ops.nms`` do not work after that.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any


@cache
def import_timm() -> Any:
    """Return the timm module."""
    try:
        import timm
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        return _without_operators()
    return timm


def _without_operators() -> Any:
    import torch

    for name in [name for name in sys.modules if name.partition(".")[0] in ("torchvision", "timm")]:
        del sys.modules[name]
    register = torch.library.register_fake

    def skip_torchvision(op: Any, *args: Any, **kwargs: Any) -> Any:
        if str(op).startswith("torchvision::"):
            return lambda function: function
        return register(op, *args, **kwargs)

    torch.library.register_fake = skip_torchvision
    try:
        import timm
    finally:
        torch.library.register_fake = register
    return timm
