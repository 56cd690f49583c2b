"""The rate falls where the loss does not.

The rate falls by a factor when the loss has not fallen for some epochs.

PyTorch's ReduceLROnPlateau; Krizhevsky et al. 2012 did it by hand,
https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks.
What differs: they watched the validation error. Here it is the running loss of the training, for the tune split is
there to judge and not to train.
``patience`` is in epochs: give a search of few epochs a small one, or the rate is constant. There is no warm-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import Float, Int, Schedule, Scheduler, hookimpl

if TYPE_CHECKING:
    import torch


def build(
    optimizer: torch.optim.Optimizer,
    total_steps: int,  # not needed: it does not know the end of the run
    factor: float = 0.1,
    patience: int = 2,
    threshold: float = 1e-3,
) -> Schedule:
    """Return the schedule; a loss counts as lower when it is ``threshold`` times itself below the lowest."""
    from torch.optim.lr_scheduler import ReduceLROnPlateau

    return ReduceLROnPlateau(optimizer, factor=factor, patience=patience, threshold=threshold, eps=0.0)


@hookimpl
def harness_schedulers() -> list[Scheduler]:
    """Offer plateau."""
    defaults = {"factor": 0.1, "patience": 2, "threshold": 1e-3}
    limits = {"factor": Float(1e-6, 0.999), "patience": Int(0, 1_000_000), "threshold": Float(0.0, 0.999)}
    return [
        Scheduler(name="plateau", build=build, defaults=defaults, per_epoch=True, reference="ReduceLROnPlateau", limits=limits)
    ]  # fmt: skip
