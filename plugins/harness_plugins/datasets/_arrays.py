"""Arrays of inputs and targets in a folder, ``.npz`` or ``.npy`` files, for the datasets that read them.

    ROOT/anything.npz         with x and y, or x_train, y_train, x_test and y_test, or train_images, train_labels, ...
    ROOT/train.npz  ROOT/test.npz     with x and y in each
    ROOT/x.npy  ROOT/y.npy            or x_train.npy, y_train.npy, x_test.npy, y_test.npy

A name consists of words: one says whether it is inputs or targets, another one of which part of the data (train, valid or
test). Targets that are whole numbers or texts are classes, and other numbers are values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import DataError, DataRequest
from harness_plugins.datasets._layout import NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROLES: Mapping[str, tuple[str, ...]] = {  # the words of a name, in lower case
    "inputs": ("x", "inputs", "images", "image", "data", "features"),
    "targets": ("y", "targets", "target", "labels", "label"),
}
OPTIONS = {"inputs": "", "targets": ""}  # a word that a name has instead
LAYOUT = "arrays of inputs and targets, such as x and y, in .npz or .npy files"


@dataclass(frozen=True)
class Part:
    """The arrays of one part of the data."""

    name: str  # of the array of inputs
    inputs: NDArray[Any]
    targets: NDArray[Any]  # [N], or [N, K] of values


def read_parts(dataset: str, request: DataRequest) -> dict[str, Part]:
    """Return the arrays of each part of the data; raises DataError where inputs or targets are missing or do not fit."""
    if request.root is None:
        raise DataError(f"data.dataset: must be given a folder for '{dataset}', got none; name one with --data DIR")
    named: dict[tuple[str, str], tuple[str, NDArray[Any]]] = {}
    unusable = []
    for name, array in _arrays(request.root):
        part, role = _meaning(name, request.options)
        if not role:
            unusable.append(name)
            continue
        first, _ = named.setdefault((part, role), (name, array))
        if first != name:
            raise DataError(f"{request.root}: must have one array of {role} for {part}, got '{first}' and '{name}'")
    if not named:
        file_names = ", ".join(f"'{name}'" for name in unusable[:4]) or "no .npz and no .npy file"
        raise DataError(
            f"{request.root}: must have {LAYOUT}, got {file_names}; rename them, or name them in data.options.inputs and "
            "data.options.targets"
        )
    parts = {}
    for part in dict.fromkeys(part for part, _ in named):
        for role in ROLES:
            if (part, role) not in named:
                first_name = next(iter(name for (of_part, _), (name, _) in named.items() if of_part == part))
                raise DataError(f"{request.root}: must have {role} for {part}, got only '{first_name}'; add the array")
        parts[part] = _fitted(request.root, *named[part, "inputs"], *named[part, "targets"])
    return parts


def _fitted(root: Path, name: str, inputs: NDArray[Any], targets_name: str, targets: NDArray[Any]) -> Part:
    """Return the arrays of a part; raises DataError where they are of different lengths, or no inputs and targets."""
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if inputs.ndim < 2 or not len(inputs) or inputs.shape[:1] != targets.shape[:1]:
        raise DataError(
            f"{root}: arrays '{name}' and '{targets_name}' must have as many rows, and at least one, got {list(inputs.shape)} and "
            f"{list(targets.shape)}; write both anew"
        )
    if targets.dtype.kind not in "iufUb" or (targets.ndim > 1 and targets.dtype.kind != "f"):
        raise DataError(
            f"{root}: array '{targets_name}' must be classes [N], whole numbers or texts, or values [N] or [N, K], got "
            f"{targets.dtype} {list(targets.shape)}; write it anew"
        )
    return Part(name, inputs, targets)


def _meaning(name: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """Return of which part of the data an array is by its name, train without a word for it, and its role, or ""."""
    words = [word for word in re.split(r"[^A-Za-z0-9]+", name.lower()) if word]
    part = next((part for part, words_known in NAMES.items() if set(words) & set(words_known)), "train")
    for role, words_known in ROLES.items():
        role_words = {str(options[role]).lower()} if options.get(role) else set(words_known)
        if set(words) & role_words or name.lower() in role_words:
            return part, role
    return part, ""


def _arrays(root: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays of a folder by name; raises DataError for a file that is none of arrays."""
    import numpy as np

    archives = sorted(path for path in root.iterdir() if path.suffix.lower() == ".npz")
    for file in (*archives, *sorted(path for path in root.iterdir() if path.suffix.lower() == ".npy")):
        try:
            loaded = np.load(file, mmap_mode="r")  # which reads no pickles
            arrays = {name: loaded[name] for name in loaded.files} if file in archives else {file.stem: loaded}
        except Exception as error:  # NumPy and zipfile raise many types
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(
                f"{file}: must be a file of arrays without Python objects, got {reason:.200}; write it with numpy.savez or "
                "numpy.save"
            ) from error
        for name, array in arrays.items():
            yield (f"{file.stem}/{name}" if len(archives) > 1 and file in archives else name), array


def texts_of(targets: NDArray[Any]) -> list[str]:
    """Return classes as texts."""
    return [str(label) for label in targets.tolist()]
