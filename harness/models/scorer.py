"""How a trained model scores photos: squares of pixels in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.models.trained import Model, load_networks
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Split, Task
from harness.plugin.registry import Registry
from harness.training.device import Device

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Score = Callable[["NDArray[np.uint8]"], "NDArray[np.float64]"]  # squares [B, V, size, size, 3] -> [B, K]


def build_scorer(model: Model, registry: Registry, chosen: Device, mirrored: bool = False) -> Score:
    """Return the function that turns squares into the mean of the model's predictions over its networks and the V views.

    With ``mirrored`` the first view's mirror image is one more.
    """
    import numpy as np
    import torch

    from harness.training.batches import put_on_device

    task = registry.get("task", model.task, Task, str(model.origin.folder))
    empty = Split(np.zeros((0, model.cut.size, model.cut.size, 3), np.uint8), np.zeros(0, np.int64), ())
    normaliser = put_on_device(empty, chosen, model.mean, model.std)
    backbone, networks = load_networks(model, registry, chosen)
    predicting = Boundary("backbone", model.head or model.backbone, "predict")

    def predict_view(squares: NDArray[np.uint8]) -> torch.Tensor:
        inputs = normaliser.as_input(torch.from_numpy(np.ascontiguousarray(squares)).to(chosen.name))
        if backbone:  # as its features were extracted
            with torch.autocast(chosen.type, torch.bfloat16, enabled=chosen.precision == "bf16"):
                inputs = backbone(inputs).float()
        outputs = [network(inputs) for network in networks]  # in float32, as the recorded predictions were computed
        return torch.stack([task.predict(output.float()) for output in outputs]).double().mean(dim=0)

    @torch.no_grad()
    def score(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        views = [pixels[:, place] for place in range(pixels.shape[1])]
        if mirrored:
            views.append(pixels[:, 0, :, ::-1])
        with predicting:
            return torch.stack([predict_view(view) for view in views]).mean(dim=0).cpu().numpy()

    return score
