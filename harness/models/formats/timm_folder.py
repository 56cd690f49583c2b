"""``timm/``: the model for ``timm.create_model("local-dir:FOLDER/timm", pretrained=True)``, in timm's own layout.

It takes one network of timm's: a whole one that was trained, or a frozen one with a linear head, which becomes timm's
classifier. timm computes outputs before the softmax, from pixels that are normalised as ``config.json`` says.
"""

from __future__ import annotations

import ast
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.errors import HarnessError
from harness.models.trained import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER, CONFIG, WEIGHTS = "timm", "config.json", "model.safetensors"


def write_timm(
    model: Model, call: str, backbone: torch.nn.Module | None, network: torch.nn.Module, folder: Path
) -> str:
    """Write the model and return the name of its folder; raises HarnessError for one that timm does not build.

    ``call`` is the Python text that builds the network, or the frozen backbone, with timm.
    """
    from safetensors.torch import save_file

    name, arguments = _read_call(call)
    state = network.state_dict() if backbone is None else _joined_state(name, arguments, model, backbone, network)
    (folder / FOLDER).mkdir()
    tensors = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in state.items()}
    save_file(tensors, folder / FOLDER / WEIGHTS, {"format": "pt"})
    text = json.dumps(_config(model, name, arguments), indent=2)
    (folder / FOLDER / CONFIG).write_text(text + "\n", encoding="utf-8")
    return f"{FOLDER}/"


def _read_call(call: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the keywords of a call of ``timm.create_model``; raises HarnessError for another text."""
    try:
        tree = ast.parse(call, mode="eval").body
        if isinstance(tree, ast.Call) and ast.unparse(tree.func) == "timm.create_model":
            keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords}
            return str(ast.literal_eval(tree.args[0])), keywords
    except (SyntaxError, ValueError, IndexError):
        pass
    raise HarnessError("--format timm: must be for a network that timm builds, got another; use onnx or torchscript")


def _joined_state(
    name: str, arguments: dict[str, Any], model: Model, backbone: torch.nn.Module, head: torch.nn.Module
) -> dict[str, torch.Tensor]:
    """Return the tensors of timm's network whose body is the frozen backbone, and whose classifier is the linear head."""
    network = _create(name, **{**arguments, "num_classes": len(model.classes)})
    classifier = network.get_classifier()
    layers = [layer for layer in head.modules() if next(layer.parameters(recurse=False), None) is not None]
    linear = (torch.nn.Linear,)
    if not (isinstance(classifier, linear) and len(layers) == 1 and isinstance(layers[0], linear)):
        raise HarnessError(
            f"--format timm: must have a linear head, got '{model.head}' on {name}; name an arm that has one "
            "with --arm, or use onnx or torchscript"
        )
    classifier.load_state_dict(layers[0].state_dict())
    own_keys = {key for key, tensor in network.state_dict().items() if tensor.data_ptr() in _places(classifier)}
    missing, unexpected = network.load_state_dict(backbone.state_dict(), strict=False)
    if unexpected or not own_keys.issuperset(missing):
        raise HarnessError(f"--format timm: must fit timm's {name}, got other tensors; use onnx or torchscript")
    state: dict[str, torch.Tensor] = network.state_dict()
    return state


def _places(module: torch.nn.Module) -> set[int]:
    return {tensor.data_ptr() for tensor in module.state_dict().values()}


def _config(model: Model, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what timm reads beside the weights: how it builds the network, and what images it wants."""
    classes, size = len(model.classes), model.cut.size
    mean, std = (list(values) * 3 if len(values) == 1 else list(values) for values in (model.mean, model.std))
    further = {key: value for key, value in arguments.items() if key != "num_classes"}
    images = {
        "input_size": [3, size, size], "fixed_input_size": "img_size" in arguments,
        "interpolation": model.cut.interpolation, "crop_pct": model.cut.crop, "crop_mode": "center", "mean": mean,
        "std": std, "num_classes": classes, "custom_load": False, "first_conv": None, "classifier": None,
    }  # fmt: skip
    config = {
        "architecture": name,
        "num_classes": classes,
        "label_names": list(model.classes),
        "pretrained_cfg": images,
    }
    return {**config, **({"model_args": further} if further else {})}


def run_timm(folder: Path, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of timm's network as timm itself loads it, with the pixels normalised as it says."""
    network = _create(f"local-dir:{folder / FOLDER}", pretrained=True).eval()
    mean, std = (torch.tensor(network.pretrained_cfg[key]).reshape(-1, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        outputs = network((torch.from_numpy(pixels) - mean) / std)
        probabilities: NDArray[np.float32] = outputs.softmax(dim=1).numpy()
    return probabilities


def _create(name: str, **arguments: Any) -> Any:
    """Return a network that timm builds."""
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return timm.create_model(name, **arguments)
