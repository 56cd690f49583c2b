"""A table of examples, drawn or read, becomes a dataset: split, named, standardised where that is asked for, and hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.data.splits import PARTS, SPLITS, assigned, parts_to_cut
from harness.errors import DataError, arguments
from harness.plugin.contracts import Data, DataRequest, Split
from harness.plugin.runs import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STANDARDISED = ("", "inputs", "all")


def table_data(
    name: str,
    parts: Mapping[str, tuple[Any, Any]],
    request: DataRequest,
    *,
    source: str,
    classes: Sequence[str] = (),
    example: str = "row",
    standardise: str = "",
) -> Data:
    """Return a table of numbers as data: three splits, names, a fingerprint of the contents.

    A split that is missing is cut out of train, as ``photo_dataset`` does it. Without classes the examples are drawn from all.

    Args:
        name: Of the dataset.
        parts: By part of the data (train, and perhaps valid, test or tune) its inputs ``[N, F]`` and its targets: the numbers
            of classes ``[N]``, or values ``[N]`` or ``[N, K]``.
        request: What the benchmark asks; its seed and its shares decide the splits.
        source: Where the table came from, for a person.
        classes: The names of the classes, by their number. Without them the targets are values.
        example: What one example is called in the names: "row", "patient".
        standardise: "inputs" brings each column of the inputs to mean 0 and, where it varies, to standard deviation 1, by the
            train split alone. "all" does that with the targets too. "" leaves the numbers as they are.

    Returns:
        The data, with ``float32`` inputs, and ``int64`` or ``float32`` targets.

    Raises:
        DataError: The table is too small for three splits, or a class is.
        ValueError: The arrays are no table, or a target is no class.

    >>> import numpy as np
    >>> request = DataRequest(None, False, size=8, tune=0.25, seed=0, on_bad_image="error", options={})
    >>> table = {"train": (np.arange(20.0).reshape(10, 2), np.arange(10) % 2)}
    >>> data = table_data("ten", table, request, source="counted", classes=("even", "odd"))
    >>> len(data.train), len(data.tune), len(data.test), data.train.names[0]
    (6, 2, 2, 'row 1')
    """
    arguments.text("name", name)
    classes = tuple(arguments.text("classes", label) for label in arguments.items("classes", classes, "texts"))
    arguments.one_of("standardise", standardise, STANDARDISED)
    arguments.instance("request", request, DataRequest, "a DataRequest")
    tables = _tables(parts, classes)
    of_part = [part for part, (inputs, _) in tables.items() for _ in range(len(inputs))]
    inputs, targets = _joined(tables)
    names = _names(tables, arguments.text("example", example))
    rows = assigned(of_part, targets.tolist() if classes else None, request)
    _check(name, rows, targets, classes)
    contents = hashlib.sha256(inputs.tobytes() + targets.tobytes()).hexdigest()
    remarks = [arguments.text("source", source)]
    if parts_to_cut(list(tables)):
        remarks.append(f"split with seed {request.seed}")
    train = rows["train"]
    if standardise:
        inputs, _, _ = _standardised(inputs, train)
        remarks.append("standardised by the train split")
    if standardise == "all":
        targets, center, scale = _standardised(targets, train)
        remarks.append(f"a target of 0 is {center[0]:.4g}, of 1 is {scale[0]:.4g} more")
    converted = targets.astype("int64" if classes else "float32")
    splits = {split: _split(inputs, converted, names, rows[split]) for split in SPLITS}
    return Data(
        name=name,
        train=splits["train"],
        tune=splits["tune"],
        test=splits["test"],
        fingerprint=digest([name, contents, rows, standardise]),
        source=", ".join(remarks),
        classes=classes,
    )


def _tables(parts: Any, classes: Sequence[str]) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Return the checked arrays of each part: inputs ``[N, F]``, and targets ``[N]`` of classes or ``[N, K]`` of values."""
    import numpy as np

    arguments.mapping("parts", parts, "tables by the part of the data", "train")
    tables = {}
    for part in sorted(parts, key=str):
        arguments.one_of("parts", part, PARTS)
        pair = arguments.items("parts", parts[part], "inputs and targets")
        if len(pair) != 2:
            raise ValueError(f"parts: must be inputs and targets for {part}, got {len(pair)} values")
        (inputs,) = arguments.arrays(("parts", pair[0], "N F"))
        (targets,) = arguments.arrays(("parts", pair[1], "N" if classes or np.ndim(pair[1]) == 1 else "N K"))
        if len(inputs) != len(targets):
            raise ValueError(
                f"parts: must be as many inputs as targets, got {len(inputs)} and {len(targets)} of {part}"
            )
        if not np.isfinite(inputs).all() or not np.isfinite(targets).all():
            raise DataError(f"data: must be finite numbers, got others in {part}; fill them, or take the rows out")
        if classes and not np.isin(targets, np.arange(len(classes))).all():
            raise ValueError(
                f"parts: must be targets from 0 to {len(classes) - 1}, one for each class, got others in {part}"
            )
        tables[part] = (inputs, targets if classes or targets.ndim == 2 else targets[:, None])
    return tables


def _joined(tables: Mapping[str, tuple[NDArray[Any], NDArray[Any]]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the inputs of all parts below each other, and their targets."""
    import numpy as np

    widths = {inputs.shape[1:] + targets.shape[1:] for inputs, targets in tables.values()}
    if len(widths) > 1:
        raise ValueError("parts: must be tables of as many columns, got tables of different widths")
    inputs, targets = zip(*tables.values(), strict=True)
    return np.concatenate(inputs), np.concatenate(targets)


def _names(tables: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], example: str) -> list[str]:
    """Return the name of every example, with its part where there are several."""
    names: list[str] = []
    for part, (inputs, _) in tables.items():
        prefix = f"{part} {example}" if len(tables) > 1 else example
        names += [f"{prefix} {row}" for row in range(len(inputs))]
    return names


def _check(name: str, rows: Mapping[str, Sequence[int]], targets: NDArray[Any], classes: Sequence[str]) -> None:
    """Raise DataError where a split has fewer than two examples, or train lacks a class."""
    if min(map(len, rows.values())) < 2:
        counts = ", ".join(f"{len(of_split)} in {split}" for split, of_split in rows.items())
        raise DataError(
            f"data: must have two or more examples of '{name}' in every split, got {counts}; change data.tune or data.valid"
        )
    present = set(targets[rows["train"]].astype(int).tolist()) if classes else set()
    for number, label in enumerate(classes):
        if number not in present:
            raise DataError(f"data: must have examples of every class of '{name}' in train, got none of '{label}'")


def _standardised(values: NDArray[Any], train: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return columns less their mean and divided by their standard deviation in train, and both; constant ones are not divided."""
    import numpy as np

    center, spread = values[train].mean(axis=0), values[train].std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    return (values - center) / scale, center, scale


def _split(inputs: NDArray[Any], targets: NDArray[Any], names: Sequence[str], rows: Sequence[int]) -> Split:
    return Split(inputs[rows].astype("float32"), targets[rows], tuple(names[row] for row in rows))
