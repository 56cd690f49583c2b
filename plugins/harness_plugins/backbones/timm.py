"""Every timm model by its name, from scratch or from pretrained weights.

Wightman 2019, https://github.com/huggingface/pytorch-image-models.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import Backbone, Catalogue, Weights, hookimpl, read_weights
from harness_plugins._hub import from_hub
from harness_plugins._timm import import_timm

if TYPE_CHECKING:
    from torch import nn


SPREAD = 0.1  # of a new head's outputs at the start, for features of variance one


def build(name: str, input_shape: tuple[int, ...], outputs: int, weights: Weights | None = None) -> nn.Module:
    """Return timm's model for images ``[B, C, H, W]``; those that must know the image size are told.

    For no outputs it returns pooled features ``[B, F]``. With weights its head is new, and drawn so small that outputs
    begin near zero. What differs from timm: its EfficientNets and MobileNets draw a head of two outputs so large that
    the loss begins near 6 (mobilenetv2_035 at 96 px) where it could at 0.7.
    """
    if weights is None:
        return _create(name, input_shape, outputs)
    state = read_weights(weights.file, _names(name, input_shape))
    overlay = {"state_dict": state, "num_classes": -1}  # of the file: never ours, so timm drops its classifier
    model: Any = _create(name, input_shape, outputs, pretrained=True, pretrained_cfg_overlay=overlay)
    model.pretrained_cfg.pop("state_dict", None)  # which timm keeps with the model
    if outputs:
        _soften(_head(model))
    built: nn.Module = model
    return built


def _create(name: str, input_shape: tuple[int, ...], outputs: int, **more: Any) -> nn.Module:
    create = import_timm().create_model
    settings: dict[str, Any] = {"num_classes": outputs, "in_chans": input_shape[0], **more}
    model: nn.Module
    with _quiet():
        try:
            model = create(name, img_size=input_shape[1:], **settings)
        except TypeError:  # a convolutional network takes any size, and no such argument
            model = create(name, **settings)
    return model


@lru_cache(maxsize=8)  # asked before every run of an arm
def _names(name: str, input_shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names of the model's tensors."""
    import torch

    with torch.random.fork_rng(devices=()):
        return tuple(_create(name, input_shape, 0).state_dict())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what timm says while it builds: the core checks what was loaded, and says it in one line."""
    logger = logging.getLogger("timm")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _head(model: Any) -> list[nn.Module]:
    """Return timm's classifier: a tuple of two where one is for classes and one distilled."""
    classifier = model.get_classifier()
    return list(classifier) if isinstance(classifier, tuple) else [classifier]


def _soften(head: list[nn.Module]) -> None:
    """Draw the layers of a head anew, near zero."""
    from torch import nn

    for part in head:
        for layer in part.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.normal_(layer.weight, std=SPREAD / layer.weight[0].numel() ** 0.5)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def groups(model: nn.Module) -> list[list[nn.Parameter]]:
    """Return the trainable parameters in the lesson's three groups: early body, late body, head.

    The head is timm's classifier. The body is halved by timm's own list of a model's layers (for a ResNet after its
    second stage, as in the lesson), or by its modules in order where timm has no list.
    """
    import_timm()
    from timm.models import group_parameters

    model_: Any = model
    by_name = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    head = {id(parameter) for part in _head(model_) for parameter in part.parameters()}
    body = []  # a list of parameters a layer
    for names in group_parameters(model, _matcher(model_)).values():
        layer = [by_name[name] for name in names if name in by_name and id(by_name[name]) not in head]
        if layer:
            body.append(layer)
    middle = (len(body) + 1) // 2
    early, late = list(chain(*body[:middle])), list(chain(*body[middle:]))
    layer_groups = [early, late, [parameter for parameter in by_name.values() if id(parameter) in head]]
    return [group for group in layer_groups if group]


def _matcher(model: Any) -> Any:
    """Return how timm sorts a model's parameters into layers."""
    if not hasattr(model, "group_matcher"):
        order = [name for name, _ in model.named_children()]
        return lambda name: order.index(name.partition(".")[0]) if name.partition(".")[0] in order else 0
    try:
        return model.group_matcher(coarse=True)
    except AssertionError:  # some know fine layers only
        return model.group_matcher(coarse=False)


def weights(name: str, file: Path | None) -> Weights:
    """Return the weights of a file, or for None those of timm's hub, with timm's settings for their images.

    Raises DataError where the hub cannot be reached or has none, within seconds.
    """
    config = import_timm().get_pretrained_cfg(name)
    weights_file = file or from_hub(name, config.hf_hub_id, config.hf_hub_filename)
    with weights_file.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    resize = config.interpolation if config.interpolation in ("bilinear", "bicubic", "lanczos") else "bicubic"
    return Weights(weights_file, sha256, tuple(config.mean), tuple(config.std), resize, config.crop_pct)


def plain(name: str, input_shape: tuple[int, ...], outputs: int) -> str:
    """Return the call of timm that builds the same model."""
    channels, *sides = input_shape
    settings = f"num_classes={outputs}" + (f", in_chans={channels}" if channels != 3 else "")
    try:
        with _quiet():
            import_timm().create_model(name, num_classes=outputs, in_chans=channels, img_size=tuple(sides))
    except TypeError:
        return f'timm.create_model("{name}", {settings})'
    return f'timm.create_model("{name}", {settings}, img_size={tuple(sides)})'


def find(name: str) -> Backbone | None:
    """Return timm's model of that name, or None."""
    if not import_timm().is_model(name):
        return None
    return Backbone(
        name=name,
        build=partial(build, name),
        weights=partial(weights, name),
        groups=groups,
        plain=partial(plain, name),
        reference="timm",
    )


def names() -> Sequence[str]:
    """Return every model name timm knows."""
    return list(import_timm().list_models())


@hookimpl
def harness_catalogues() -> list[Catalogue]:
    """Offer timm's models."""
    return [Catalogue(kind="backbone", name="timm", find=find, names=names, reference="Wightman 2019")]
