"""Finding pretrained weights: a file the user names, a folder of them, or the library's own."""

from __future__ import annotations

import os
from pathlib import Path

from harness.contracts import Backbone, Weights
from harness.errors import BenchmarkError, DataError

VARIABLE = "HARNESS_WEIGHTS"  # a folder with NAME*.safetensors


def find_weights(backbone: Backbone, said: bool | str, beside: Path, where: str) -> Weights:
    """Return the weights a backbone starts from.

    ``said`` is a file or a folder, relative to ``beside``, or True: then ``$HARNESS_WEIGHTS/NAME*.safetensors``, and
    where there is none, the library's own. Raises BenchmarkError or DataError, naming ``where``.
    """
    if backbone.weights is None:
        raise BenchmarkError(
            f"{where}: must name backbones that have pretrained weights, got '{backbone.name}'; use regime = \"scratch\""
        )
    if said is False:
        raise BenchmarkError(f"{where}: must be true, a file or a folder in this regime, got false")
    if isinstance(said, str):
        place = beside / said
        if not place.exists():
            raise DataError(f"{where}: must be a file or a folder with weights, got '{place}', which is not there")
        file: Path | None = place if place.is_file() else _in_folder(place, backbone.name, where)
        if file is None:
            raise DataError(f"{where}: must be a folder with {backbone.name}*.safetensors, got none in '{place}'")
    else:
        folder = os.environ.get(VARIABLE)
        if folder and not Path(folder).is_dir():
            raise DataError(f"{VARIABLE}: must be a folder with weights, got '{folder}'; check the path")
        file = _in_folder(Path(folder), backbone.name, where) if folder else None
    try:
        return backbone.weights(file)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _in_folder(folder: Path, name: str, where: str) -> Path | None:
    """Return the folder's file for that backbone, or None; raises DataError where there are several."""
    found = [f for f in sorted(folder.glob(f"{name}*.safetensors")) if not f.name[len(name)].isalnum()]
    if len(found) > 1:
        raise DataError(
            f"{where}: must find one file for '{name}' in '{folder}', got {', '.join(f.name for f in found)}; name one"
        )
    return found[0] if found else None
