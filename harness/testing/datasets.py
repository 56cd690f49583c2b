"""What a dataset must do: open, the same every time, with three splits that share nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

from harness.errors import DataError
from harness.plugin.contracts import Data, DataRequest, Dataset
from harness.records.files import temporary_folder
from harness.testing.outcomes import NotApplicable, require

SPLITS = ("train", "tune", "test")
MOST = 128  # examples of a split, where the dataset's options say how many


@contextmanager
def _no_litter() -> Iterator[None]:
    """Decode into a cache that is thrown away."""
    before = os.environ.get("HARNESS_CACHE")
    with temporary_folder() as folder:
        os.environ["HARNESS_CACHE"] = str(folder)
        try:
            yield
        finally:
            if before is None:
                del os.environ["HARNESS_CACHE"]
            else:
                os.environ["HARNESS_CACHE"] = before


def _clean(test: Callable[[Dataset], str]) -> Callable[[Dataset], str]:
    @wraps(test)
    def run(offer: Dataset) -> str:
        with _no_litter():
            return test(offer)

    return run


@_clean
def opens(offer: Dataset) -> str:
    """It opens, with rows, targets and names of one length in every split."""
    data = _open(offer)
    for name in SPLITS:
        split = getattr(data, name)
        counts = {len(split.inputs), len(split.targets), len(split.names)}
        require(len(counts) == 1 and len(split), f"{name} must have as many inputs as targets and names, got {counts}")
        image = split.inputs.dtype == np.uint8 and split.inputs.ndim == 4 and split.inputs.shape[3] == 3
        rows = split.inputs.dtype == np.float32 and split.inputs.ndim == 2
        got = f"{split.inputs.dtype} {list(split.inputs.shape)}"
        require(image or rows, f"{name} must have inputs uint8 [N, H, W, 3] or float32 [N, F], got {got}")
        for what in (split.inputs, split.targets):
            require(what.dtype.kind != "f" or np.isfinite(what).all(), f"{name} must be finite numbers, got others")
        if data.classes:
            found = set(np.unique(split.targets).tolist())
            known = set(range(len(data.classes)))
            require(found <= known, f"{name} must have targets below {len(known)}, got {sorted(found - known)[:3]}")
            require(found == known or name != "train", f"train must have every class, got only {sorted(found)}")
    return f"{', '.join(f'{name} {len(getattr(data, name)):,}' for name in SPLITS)}; {data.source}"


@_clean
def splits_are_apart(offer: Dataset) -> str:
    """No example, by its name or its content, is in two splits, and no name is there twice."""
    data = _open(offer)
    names = [name for split in SPLITS for name in getattr(data, split).names]
    twice = next((name for name in names if names.count(name) > 1), "") if len(set(names)) < len(names) else ""
    require(not twice, f"names must be unique within the data, got '{twice}' twice; a photo is in one split only")
    seen: dict[bytes, str] = {}
    for split in SPLITS:
        part = getattr(data, split)
        for row, name in zip(part.inputs, part.names, strict=True):
            other = seen.setdefault(row.tobytes(), split)
            require(other == split, f"no content may be in two splits, got '{name}' of {split} in {other} too")
    return ""


@_clean
def opens_alike(offer: Dataset) -> str:
    """Opened again, it is the same to the last bit, with the same fingerprint."""
    one = _open(offer)
    with _no_litter():  # nor with what the first time left behind
        _require_alike(one, _open(offer))
    return ""


def _require_alike(one: Data, other: Data) -> None:
    require(one.fingerprint == other.fingerprint, "fingerprint must be the same when opened again, got another")
    for name in SPLITS:
        a, b = getattr(one, name), getattr(other, name)
        alike = a.names == b.names and np.array_equal(a.inputs, b.inputs) and np.array_equal(a.targets, b.targets)
        require(
            alike, f"{name} must be the same when opened again, got another; draw from a generator with request.seed"
        )


@_clean
def fingerprint_tells(offer: Dataset) -> str:
    """Where another seed gives other data, it gives another fingerprint."""
    one, other = _open(offer), _open(offer, seed=1)
    same = all(
        np.array_equal(getattr(one, name).inputs, getattr(other, name).inputs)
        and np.array_equal(getattr(one, name).targets, getattr(other, name).targets)
        for name in SPLITS
    )
    told = one.fingerprint != other.fingerprint
    require(same or told, "fingerprint must differ where the data do, got one for two seeds; make it from the contents")
    return ""


def _open(offer: Dataset, seed: int = 0) -> Data:
    """Return the data as they are without any folder; NotApplicable where they need one."""
    small = {
        name: min(MOST, value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in offer.options.items()
    }
    request = DataRequest(root=None, required=False, size=32, tune=0.2, seed=seed, on_bad_image="error", options=small)
    try:
        return offer.open(request)
    except DataError as error:
        raise NotApplicable(f"it needs data that are not here: {error}") from error


QUICK = [opens, splits_are_apart, opens_alike, fingerprint_tells]
FULL: list[Any] = []
