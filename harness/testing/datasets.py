"""What a dataset must do: open, the same every time, with three splits that share nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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


def _clean(test: Callable[[Dataset, DataRequest | None], str]) -> Callable[..., str]:
    @wraps(test)
    def run(offer: Dataset, request: DataRequest | None = None) -> str:
        with _no_litter():
            return test(offer, request)

    return run


@_clean
def opens(offer: Dataset, request: DataRequest | None) -> str:
    """It opens, with rows, targets and names of one length in every split."""
    data = _open(offer, request)
    for name in SPLITS:
        split = getattr(data, name)
        counts = {len(split.inputs), len(split.targets), len(split.names)}
        require(len(counts) == 1 and len(split), f"{name} must have as many inputs as targets and names, got {counts}")
        image = split.inputs.dtype == np.uint8 and split.inputs.ndim == 4 and split.inputs.shape[3] == 3
        rows = split.inputs.dtype == np.float32 and split.inputs.ndim == 2
        dtype_and_shape = f"{split.inputs.dtype} {list(split.inputs.shape)}"
        require(image or rows, f"{name} must have inputs uint8 [N, H, W, 3] or float32 [N, F], got {dtype_and_shape}")
        for numbers in (split.inputs, split.targets):
            require(
                numbers.dtype.kind != "f" or np.isfinite(numbers).all(), f"{name} must be finite numbers, got others"
            )
        if data.classes:
            present = set(np.unique(split.targets).tolist())
            labels = set(range(len(data.classes)))
            require(
                present <= labels, f"{name} must have targets below {len(labels)}, got {sorted(present - labels)[:3]}"
            )
            require(present == labels or name != "train", f"train must have every class, got only {sorted(present)}")
    return f"{', '.join(f'{name} {len(getattr(data, name)):,}' for name in SPLITS)}; {data.source}"


@_clean
def splits_are_apart(offer: Dataset, request: DataRequest | None) -> str:
    """No example, by its name or its content, is in two splits, and no name is there twice.

    Photos of the user's that are in two splits are no fault of the plugin: they are counted.
    """
    data = _open(offer, request)
    names = [name for split in SPLITS for name in getattr(data, split).names]
    twice = next((name for name in names if names.count(name) > 1), "") if len(set(names)) < len(names) else ""
    require(not twice, f"names must be unique within the data, got '{twice}' twice; a photo is in one split only")
    seen: dict[bytes, str] = {}
    leaks = 0
    for split in SPLITS:
        part = getattr(data, split)
        for row, name in zip(part.inputs, part.names, strict=True):
            first_split = seen.setdefault(row.tobytes(), split)
            leaks += first_split != split
            require(
                first_split == split or request is not None,
                f"no content may be in two splits, got '{name}' of {split} in {first_split} too",
            )
    return f"{leaks} examples are equal to one of another split; see 'harness data inspect'" if leaks else ""


@_clean
def opens_alike(offer: Dataset, request: DataRequest | None) -> str:
    """Opened again, it is the same to the last bit, with the same fingerprint."""
    data = _open(offer, request)
    with _no_litter():  # nor with what the first time left behind
        _require_alike(data, _open(offer, request))
    return ""


def _require_alike(data: Data, reopened: Data) -> None:
    require(data.fingerprint == reopened.fingerprint, "fingerprint must be the same when opened again, got another")
    for name in SPLITS:
        before, after = getattr(data, name), getattr(reopened, name)
        is_equal = (
            before.names == after.names
            and np.array_equal(before.inputs, after.inputs)
            and np.array_equal(before.targets, after.targets)
        )
        require(
            is_equal, f"{name} must be the same when opened again, got another; draw from a generator with request.seed"
        )


@_clean
def fingerprint_tells(offer: Dataset, request: DataRequest | None) -> str:
    """Where another seed gives other data, it gives another fingerprint."""
    data, reseeded = _open(offer, request), _open(offer, request, seed=1)
    equal_contents = all(
        np.array_equal(getattr(data, name).inputs, getattr(reseeded, name).inputs)
        and np.array_equal(getattr(data, name).targets, getattr(reseeded, name).targets)
        for name in SPLITS
    )
    distinct = data.fingerprint != reseeded.fingerprint
    require(
        equal_contents or distinct,
        "fingerprint must differ where the data do, got one for two seeds; make it from the contents",
    )
    return ""


def _open(offer: Dataset, request: DataRequest | None = None, seed: int = 0) -> Data:
    """Return the data of a request, or as they are without any folder; NotApplicable where they need one."""
    if request is not None:
        return offer.open(replace(request, seed=seed))
    small = {
        name: min(MOST, value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in offer.options.items()
    }
    request = DataRequest(root=None, required=False, size=32, tune=0.2, seed=seed, on_bad_image="error", options=small)
    try:
        return offer.open(request)
    except DataError as error:
        remedy = "" if "--data" in str(error) else "; name a folder with them: --data DIR"
        raise NotApplicable(f"it needs data that are not here: {error}{remedy}") from error


QUICK = [opens, splits_are_apart, opens_alike, fingerprint_tells]
FULL: list[Any] = []
