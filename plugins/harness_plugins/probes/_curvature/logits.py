"""Logits made independent of their scale, which says nothing about a decision and much about how long was trained.

Source: Andriushchenko et al. 2023, "A modern look at the relationship between sharpness and generalization",
arXiv:2302.07011, and its code (github.com/tml-epfl/sharpness-vs-generalization): less their mean, over their length,
example by example.

What differs: of two classes that would leave the sign alone (``(a, -a)`` becomes ``(1, -1) / sqrt(2)``), a step whose
gradient is zero almost everywhere and whose sharpness is then nothing. So two logits are divided by the mean length
over all the examples, which is as independent of their common scale and keeps how sure one example is beside another.
"""

from __future__ import annotations

from enum import IntEnum

import torch

SMALLEST = 1e-10  # of a length


class Scale(IntEnum):
    """What logits are divided by."""

    ONE = 0  # they are left as they are: outputs of a regression, a single output
    MEAN_LENGTH = 1  # over all examples
    OWN_LENGTH = 2  # each example's own


def scale_of(outputs: torch.Tensor, targets: torch.Tensor) -> Scale:
    """Return the scale that outputs ``[N, K]`` are divided by. They are logits where the targets ``[N]`` are class numbers."""
    if outputs.ndim != 2 or outputs.shape[1] < 2 or targets.ndim != 1 or targets.is_floating_point():
        return Scale.ONE
    return Scale.MEAN_LENGTH if outputs.shape[1] == 2 else Scale.OWN_LENGTH


def lengths(logits: torch.Tensor) -> torch.Tensor:
    """Return ``[N, 1]``, the Euclidean lengths of logits ``[N, K]`` less their mean over K."""
    norms: torch.Tensor = torch.linalg.vector_norm(logits - logits.mean(1, keepdim=True), dim=1, keepdim=True)
    return norms


def normalise(outputs: torch.Tensor, scale: Scale) -> torch.Tensor:
    """Return outputs ``[N, K]`` of all examples, less their mean and divided by ``scale``."""
    if scale == Scale.ONE:
        return outputs
    centred = outputs - outputs.mean(1, keepdim=True)
    length = lengths(outputs)
    return torch.div(centred, (length.mean() if scale == Scale.MEAN_LENGTH else length).clamp_min(SMALLEST))
