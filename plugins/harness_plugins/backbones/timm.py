"""Every timm model by its name, from scratch. Wightman 2019, https://github.com/huggingface/pytorch-image-models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness import Backbone, Catalogue, hookimpl
from harness_plugins._timm import import_timm

if TYPE_CHECKING:
    from torch import nn


def build(name: str, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Return timm's model for images ``[B, C, H, W]``; those that must know the image size are told."""
    create = import_timm().create_model
    model: nn.Module
    try:
        model = create(name, num_classes=outputs, in_chans=input_shape[0], img_size=input_shape[1:])
    except TypeError:  # a convolutional network takes any size, and no such argument
        model = create(name, num_classes=outputs, in_chans=input_shape[0])
    return model


def find(name: str) -> Backbone | None:
    """Return timm's model of that name, or None."""
    if not import_timm().is_model(name):
        return None
    return Backbone(name=name, build=partial(build, name), reference="timm")


def names() -> Sequence[str]:
    """Return every model name timm knows."""
    return list(import_timm().list_models())


@hookimpl
def harness_catalogues() -> list[Catalogue]:
    """Offer timm's models."""
    return [Catalogue(kind="backbone", name="timm", find=find, names=names, reference="Wightman 2019")]
