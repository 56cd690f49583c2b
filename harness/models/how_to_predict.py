"""The part of a model card that says how to predict: what happens to a photo, and code that does it without the harness."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.console.numbers import short_power
from harness.console.safe_text import markdown_code, markdown_text


def how_text(model: Mapping[str, Any]) -> str:
    """Return how the model predicts a photo: with the harness, in other formats, and in plain timm and torch."""
    looks, used = model["input"], model["pretrained"]
    text = (
        "With optimizer-harness installed, and nothing of the run it came from:\n\n"
        "    harness predict THIS_FOLDER PHOTOS --out predictions.csv\n\n"
        'or in Python, where a frame comes back: `harness.predict("THIS_FOLDER", "PHOTOS")`. `harness docs predict` prints the '
        "page on it.\n\n"
        f"A photo is turned upright as its EXIF says. Its short side is scaled to {looks['scaled']} pixels ({markdown_text(looks['interpolation'])}, "
        f"antialiased as Pillow does), the central {looks['size']} x {looks['size']} are cut out, and its pixels, in [0, 1], have "
        f"{looks['mean']} taken off and are divided by {looks['std']}, a value for all channels or one for each. A large JPEG is "
        f"decoded at the smallest reduced size that has sides of {2 * looks['scaled']} pixels or more (Pillow's `draft`); left out, "
        "that changes a probability by up to some hundredths. `model.json` has it all."
    )
    if model["head"] and not used["file"]:
        text += (
            f"\n\nThe frozen backbone's weights are not in the folder. They are found as timm finds those of "
            f"{markdown_code(model['backbone'])}, or named with `--set train.pretrained=FILE`; their SHA-256 must be {markdown_code(used['sha256'])}."
        )
    return "\n\n".join([text, *_format_texts(model), _without_harness(model)])


FORMATS = {
    "onnx": "reads float32 `pixels` [B, 3, {size}, {size}] in [0, 1], before mean and standard deviation are taken off, and gives "
    '`probabilities` [B, {classes}], in the order of the classes in `model.json`: `onnxruntime.InferenceSession("model.onnx")`',
    "torchscript": 'reads the same pixels and gives the same probabilities: `torch.jit.load("model.torchscript")`',
    "timm": 'is timm\'s own layout: `timm.create_model("local-dir:timm", pretrained=True)` gives outputs, whose softmax are the '
    "probabilities, and `timm.data.create_transform(**timm.data.resolve_model_data_config(model))` prepares a photo",
}


def _format_texts(model: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each further format of the model."""
    looks = model["input"]
    for written in model["formats"]:
        text = FORMATS[written["format"]].format(size=looks["size"], classes=len(model["classes"]))
        difference = written["largest_difference"]
        checked = f" It was not checked, because {written['read_by']} was not installed."
        if difference is not None:
            checked = (
                f" On squares of noise {written['read_by']} gave the probabilities of `harness predict` in float32 to "
                f"{short_power(f'{max(difference, 1e-9):.1g}')}."
            )
        yield f"{markdown_code(written['file'])} {text}.{checked}"


CODE = """\
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file

{build}
classes = {classes}

def square(file):  # pixels [1, 3, {size}, {size}] from 0 to 1
    photo = Image.open(file)
    photo.draft("RGB", ({least}, {least}))  # of a large JPEG
    photo = ImageOps.exif_transpose(photo).convert("RGB")
    width, height = ({scaled} * side // min(photo.size) for side in photo.size)
    left, top = round((width - {size}) / 2), round((height - {size}) / 2)
    across, down = photo.width / width, photo.height / height
    box = (left * across, top * down, (left + {size}) * across, (top + {size}) * down)
    photo = photo.resize(({size}, {size}), Image.Resampling.{interpolation}, box=box)
    pixels = torch.frombuffer(bytearray(photo.tobytes()), dtype=torch.uint8).reshape(1, {size}, {size}, 3) / 255
    return pixels.permute(0, 3, 1, 2)

mean, std = torch.tensor({mean}).view(1, -1, 1, 1), torch.tensor({std}).view(1, -1, 1, 1)

@torch.no_grad()
def probabilities(file):  # one for each class
    image = {image}
    return torch.stack([network(image)[0].softmax(0) for network in networks]).mean(0)

answer = probabilities("photo.jpg")  # the path of your photo
print(classes[answer.argmax()], f"{{answer.max():.1%}}")  # the most probable class, such as: {example} 97.3%
"""

# timm imports torchvision, which fails where it was built for another torch. timm's models need none of its operators.
TIMM = """\
try:
    import timm  # pip install timm
except RuntimeError:  # torchvision was built for another torch: register none of its operators, which the model does not need
    import sys
    for name in [name for name in sys.modules if name.partition(".")[0] in ("timm", "torchvision")]:
        del sys.modules[name]
    register, torch.library.register_fake = torch.library.register_fake, lambda *_, **__: lambda function: function
    import timm
    torch.library.register_fake = register
"""

ONNX_CODE = """\
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
(answer,) = session.run(["probabilities"], {"pixels": square("photo.jpg").numpy()})  # nothing is taken off the pixels
print(classes[answer[0].argmax()], f"{answer[0].max():.1%}")
"""


def _without_harness(model: Mapping[str, Any]) -> str:
    """Return the code that loads and uses the model without the harness, where its plugins say how it is built."""
    plain, looks = model["plain"], model["input"]
    if not plain:
        return "It cannot be loaded without optimizer-harness, because a plugin builds its networks or reads their weights."
    build = [
        "networks = []",
        f"for file in {[network['file'] for network in model['networks']]}:",
        f"    network = {plain['network']}",
        "    network.load_state_dict(load_file(file))",
        "    networks.append(network.eval())",
    ]
    if "backbone" in plain:
        file = model["pretrained"]["file"] or "backbone.safetensors"
        build += [
            f"backbone = {plain['backbone']}",
            f"missing, _ = backbone.load_state_dict(load_file({json.dumps(file)}), strict=False)  # the file may have a head as well",
            "assert not missing",
            "backbone.eval()",
        ]
    if any("timm." in text for text in plain.values()):
        build.insert(0, TIMM)
    code = CODE.format(
        build="\n".join(build),
        least=2 * looks["scaled"],
        classes=_as_code(model["classes"]),
        example=_as_code(model["classes"][0])[1:-1],
        image="backbone((square(file) - mean) / std)" if "backbone" in plain else "(square(file) - mean) / std",
        **{**looks, "interpolation": looks["interpolation"].upper()},
    )
    gives = "it gives what `harness predict` writes."
    if "backbone" in plain and model["environment"]["hardware"].get("precision") == "bf16":
        gives = "it gives what `harness predict` writes to some hundredths, for that computes features in bf16, as the training did."
    text = f"Without optimizer-harness, for 8-bit photos without transparency; {gives}\n\n```python\n{code}```"
    if any(written["format"] == "onnx" for written in model["formats"]):
        text += f"\n\nThe ONNX file predicts the same square:\n\n```python\n{ONNX_CODE}```"
    return text


def _as_code(value: object) -> str:
    """Return a value as Python has it, on one line of ASCII in which no block of code ends."""
    return ascii(value).replace("`", r"\x60")
