"""Every timm model by its name, from scratch or from pretrained weights.

Wightman 2019, https://github.com/huggingface/pytorch-image-models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import Backbone, Catalogue, Weights, hookimpl
from harness_plugins._hub import from_hub
from harness_plugins._timm import import_timm

if TYPE_CHECKING:
    from torch import nn


def build(name: str, input_shape: tuple[int, ...], outputs: int, weights: Weights | None = None) -> nn.Module:
    """Return timm's model for images ``[B, C, H, W]``; those that must know the image size are told.

    For no outputs it returns pooled features ``[B, F]``.
    """
    settings: dict[str, Any] = {"num_classes": outputs, "in_chans": input_shape[0]}
    if weights is not None:
        settings |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(weights.file)}}
    create = import_timm().create_model
    model: nn.Module
    try:
        model = create(name, img_size=input_shape[1:], **settings)
    except TypeError:  # a convolutional network takes any size, and no such argument
        model = create(name, **settings)
    return model


def weights(name: str, file: Path | None) -> Weights:
    """Return a file's weights, or for None those of timm's hub, with what timm says of the images they want.

    Raises DataError where the hub cannot be reached or has none, within seconds.
    """
    about = import_timm().get_pretrained_cfg(name)
    found = file or from_hub(name, about.hf_hub_id, about.hf_hub_filename)
    with found.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    resize = about.interpolation if about.interpolation in ("bilinear", "bicubic", "lanczos") else "bicubic"
    return Weights(found, sha256, tuple(about.mean), tuple(about.std), resize, about.crop_pct)


def find(name: str) -> Backbone | None:
    """Return timm's model of that name, or None."""
    if not import_timm().is_model(name):
        return None
    return Backbone(name=name, build=partial(build, name), weights=partial(weights, name), reference="timm")


def names() -> Sequence[str]:
    """Return every model name timm knows."""
    return list(import_timm().list_models())


@hookimpl
def harness_catalogues() -> list[Catalogue]:
    """Offer timm's models."""
    return [Catalogue(kind="backbone", name="timm", find=find, names=names, reference="Wightman 2019")]
